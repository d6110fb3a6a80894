"""API tokens: list, revoke. They are made on the dashboard, or by the command line."""

from typing import Any

from msgspec import Struct

from bot import storage as store
from bot.api.models import Actor, Id, Time, shaped
from bot.operations import tokens
from bot.storage import Role
from bot.web.cursors import Page, Paged
from bot.web.operations import Call, Operations

operations = Operations("Tokens")
PATH = "/api/v1/tokens"


class Token(Struct):
    """An API token. `created_by` is null where the command line, or a version before, made it."""

    id: Id
    name: str
    role: Role
    is_bootstrap: bool
    created_at: Time
    created_by: Actor | None
    last_used_at: Time | None
    revoked_at: Time | None


@operations.add(
    "GET",
    PATH,
    role="admin",
    summary="List API tokens",
    query=Paged,
    answers={200: Page[Token]},
)
async def list_all(call: Call) -> Any:
    """Everybody's, the newest first, with who made each. The tokens themselves nobody can see."""
    return await call.page(1, store.tokens.page, _shown)


@operations.add(
    "DELETE",
    f"{PATH}/{{token_id}}",
    role="admin",
    summary="Revoke an API token",
    answers={204: None},
)
async def revoke(call: Call) -> Any:
    """The sessions that it began end with it, and its streams. It stays in the list."""
    await tokens.revoke(call.services, call.actor, call.id("token_id"))
    return 204, None


def _shown(row: store.Token) -> Token:
    created_by = Actor.of(row.maker, row.created_by) if row.maker else None
    return shaped(Token, row, created_by=created_by)
