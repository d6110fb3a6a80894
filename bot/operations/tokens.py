"""API tokens: made, and revoked."""

from collections.abc import Callable, Sequence

from bot import storage as store
from bot.domain import tokens
from bot.domain.actors import ROLES, Actor
from bot.domain.errors import FieldError, Invalid, NoLonger
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

    def job(tx: store.Transaction) -> str:
        # Looked at here: what is made once its maker has been revoked would be left.
        if not access.may_still(tx, actor, "admin"):
            raise NoLonger
        return tokens.issue(tx, name, role, actor)[1]

    return await services.database.write(job)


async def revoke(services: Services, actor: Actor, token_id: str) -> str:
    """Revoke a token and end the sessions that it began; return what it was called."""
    (token,) = await _revoke(
        services, actor, lambda tx: [found(store.tokens.find(tx, token_id), "token in force")]
    )
    return token.name


async def revoke_made_by(services: Services, actor: Actor, maker: str) -> int:
    """Revoke all that somebody made, and what was made with it; return how many there were."""
    revoked = await _revoke(
        services, actor, lambda tx: tokens.made_by(store.tokens.listed(tx), maker)
    )
    return len(revoked)


async def _revoke(
    services: Services,
    actor: Actor,
    chosen: Callable[[store.Transaction], Sequence[store.Token]],
) -> list[store.Token]:
    """Revoke those that are chosen and in force. Their streams end with the commit."""

    def job(tx: store.Transaction) -> list[store.Token]:
        rows = [one for one in chosen(tx) if one.revoked_at is None]
        tokens.revoke(tx, rows, actor)
        return rows

    revoked = await services.database.write(job)
    for token in revoked:
        access.forget_token(services, token.id)
    return revoked
