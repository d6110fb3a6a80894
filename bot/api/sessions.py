"""Sessions of the dashboard: list, end."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from bot import storage as store
from bot import times
from bot.api.models import Actor, Id, Time, shaped
from bot.operations import sessions
from bot.storage import Role
from bot.web.cursors import Page, Paged
from bot.web.operations import Call, Operations

operations = Operations("Sessions")
PATH = "/api/v1/sessions"


class Session(Struct):
    """A session of the dashboard in somebody's browser."""

    id: Id
    actor: Actor
    role: Role
    created_at: Time
    last_used_at: Time
    confirmed_at: Annotated[
        Time | None,
        Meta(description="When GitHub last said what they may; null for one begun with a token."),
    ]


@operations.add(
    "GET",
    PATH,
    role="admin",
    summary="List sessions",
    query=Paged,
    answers={200: Page[Session]},
)
async def list_all(call: Call) -> Any:
    """Everybody's sessions of the dashboard that are in force, the newest first."""
    return await call.page(1, sessions.listed, _shown)


@operations.add(
    "DELETE",
    f"{PATH}/{{session_id}}",
    role="admin",
    summary="End a session",
    answers={204: None},
)
async def end(call: Call) -> Any:
    """Whoever has it is signed out, and what their open pages are told ends."""
    await sessions.end(call.services, call.actor, call.id("session_id"))
    return 204, None


def _shown(row: store.Session) -> Session:
    return shaped(
        Session,
        row,
        actor=Actor.of(row.token_id or row.subject, row.name),
        last_used_at=times.render(row.seen_at),
    )
