"""What the bot owes GitHub: pending, running, done and failed actions."""

from typing import Any

from msgspec import Struct

from bot import storage as store
from bot import times
from bot.api.models import ActionKind, Id, Time
from bot.domain.errors import NotFound
from bot.emails import without_emails
from bot.operations import actions
from bot.storage import ActionStatus
from bot.web.cursors import Page, Paged
from bot.web.operations import Call, Operations

operations = Operations("Actions")
PATH = "/api/v1/actions"


class Action(Struct):
    """Something that the bot owes GitHub. `result` depends on its kind."""

    id: Id
    kind: ActionKind
    integration_id: Id
    repository: str | None
    number: int | None
    status: ActionStatus
    attempts: int
    next_attempt_at: Time | None
    last_error: str | None
    created_at: Time
    finished_at: Time | None
    result: dict[str, Any] | None


class ActionQuery(Paged, forbid_unknown_fields=True):
    status: ActionStatus | None = None
    kind: ActionKind | None = None


@operations.add(
    "GET",
    PATH,
    role="viewer",
    summary="List what the bot owes GitHub",
    query=ActionQuery,
    answers={200: Page[Action]},
)
async def list_all(call: Call) -> Any:
    """The newest first. Finished ones are kept for DELIVERY_DAYS."""
    query: ActionQuery = call.query
    before = call.position(1)
    rows = await call.services.database.read(
        lambda tx: store.actions.listed(tx, query.status, query.kind, before, query.limit)
    )
    return call.page(rows, _shown)


@operations.add(
    "GET",
    f"{PATH}/{{action_id}}",
    role="viewer",
    summary="Get an action",
    answers={200: Action},
    problems=(404,),
)
async def get(call: Call) -> Any:
    """One action, with what it has brought about or what keeps it."""
    action_id = call.path("action_id").lower()
    row = await call.services.database.read(lambda tx: store.actions.find(tx, action_id))
    if row is None:
        raise NotFound("action")
    return _shown(row)


@operations.add(
    "POST",
    f"{PATH}/{{action_id}}/retry",
    role="developer",
    summary="Try an action again now",
    answers={200: Action},
    problems=(404, 409),
)
async def retry(call: Call) -> Any:
    """A failed action gets three more days; a pending one is tried without waiting any longer.

    409 if it is running or done, or if a newer one that is pending does the same.
    """
    action_id = call.path("action_id").lower()
    return _shown(await actions.retry(call.services, call.actor, action_id))


def _shown(row: store.ListedAction) -> Action:
    return Action(
        id=row.id,
        kind=row.kind,
        integration_id=row.integration_id,
        repository=row.repository,
        number=row.number,
        status=row.status,
        attempts=row.attempts,
        next_attempt_at=times.render(row.next_attempt_at),
        last_error=without_emails(row.last_error) if row.last_error else None,
        created_at=times.render(row.created_at),
        finished_at=times.render(row.finished_at),
        result=row.result,
    )
