"""API tokens: made, and revoked."""

from bot import storage as store
from bot import times
from bot.domain import tokens
from bot.domain.actors import ROLES, Actor
from bot.domain.errors import FieldError, Invalid
from bot.log import logger
from bot.operations import found
from bot.services import Services
from bot.web import access


async def create(services: Services, actor: Actor, name: str, role: str) -> str:
    """Make a token; return it, which nobody can once more."""
    errors = []
    if not store.tokens.is_name(name):
        errors.append(FieldError("name", "no_name"))
    if role not in ROLES:
        errors.append(FieldError("role", "not_one_of", ", ".join(ROLES)))
    if errors:
        raise Invalid(errors)
    token_id, secret = await services.database.write(lambda tx: tokens.issue(tx, name, role))
    logger.info("token created", actor=actor.name, token=token_id, role=role)
    return secret


async def revoke(services: Services, actor: Actor, token_id: str) -> str:
    """Revoke a token and end the sessions that it began; return what it was called."""

    def job(tx: store.Transaction) -> str:
        row = found(store.tokens.find(tx, token_id), "token in force")
        store.tokens.revoke(tx, token_id, times.now())
        store.sessions.remove_of_subject(tx, f"token:{token_id}")
        return row.name

    name = await services.database.write(job)
    access.forget_token(services, token_id)
    logger.info("token revoked", actor=actor.name, token=token_id)
    return name
