"""API tokens: made, and revoked."""

from bot import storage as store
from bot.domain import tokens
from bot.domain.actors import ROLES, Actor
from bot.domain.errors import FieldError, Invalid
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
    return (await services.database.write(lambda tx: tokens.issue(tx, name, role, actor)))[1]


async def revoke(services: Services, actor: Actor, token_id: str) -> str:
    """Revoke a token and end the sessions that it began; return what it was called."""

    def job(tx: store.Transaction) -> str:
        row = found(store.tokens.find(tx, token_id), "token in force")
        tokens.revoke(tx, token_id, actor)
        store.sessions.remove_of_subject(tx, f"token:{token_id}")
        return row.name

    name = await services.database.write(job)
    access.forget_token(services, token_id)
    return name
