"""What the bot still has to do on GitHub: pending, running, done and failed actions."""

from typing import Any

from msgspec import Struct

from bot import storage as store
from bot.api.models import ActionKind, Id, Reason, Time, shaped
from bot.domain import parts
from bot.domain.actions import known_kinds
from bot.domain.errors import Invalid
from bot.operations import actions, found
from bot.storage import ActionStatus
from bot.web.cursors import Page, Paged
from bot.web.operations import Call, Operations

operations = Operations("Actions")
PATH = "/api/v1/actions"


class Action(Struct):
    """Something that the bot owes GitHub.

    `result` depends on its kind. Of a `pull_request` it has an object for each of its parts that
    was tried (`check`, `status_comment`, `label`), with a `status` of its own and, unless it is
    done, its `error`; `last_error` names each that is not done. Of any other that GitHub has
    refused it has GitHub's `status`, and the `field` of the order if it is about one.
    """

    id: Id
    kind: ActionKind
    integration_id: Id
    repository: str | None
    number: int | None
    status: ActionStatus
    attempts: int
    next_attempt_at: Time | None
    last_error: Reason | None
    created_at: Time
    finished_at: Time | None
    result: dict[str, Any] | None


class ActionQuery(Paged, forbid_unknown_fields=True):
    status: ActionStatus | None = None
    kind: ActionKind | None = None

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in known_kinds():
            raise Invalid.field("kind", "choice")


@operations.add(
    "GET",
    PATH,
    role="viewer",
    summary="List actions on GitHub",
    query=ActionQuery,
    answers={200: Page[Action]},
)
async def list_all(call: Call) -> Any:
    """The newest first. Finished ones are kept for DELIVERY_DAYS."""
    query: ActionQuery = call.query
    return await call.page(
        1, lambda tx, *part: store.actions.listed(tx, query.status, query.kind, *part), _shown
    )


@operations.add(
    "GET",
    f"{PATH}/{{action_id}}",
    role="viewer",
    summary="Get an action",
    answers={200: Action},
)
async def get(call: Call) -> Any:
    """One action, with what it has brought about or what keeps it."""
    action_id = call.id("action_id")
    row = await call.services.database.read(lambda tx: store.actions.find(tx, action_id))
    return _shown(found(row, "action"))


@operations.add(
    "POST",
    f"{PATH}/{{action_id}}/retry",
    role="developer",
    summary="Try an action again now",
    answers={200: Action},
    problems=(409,),
)
async def retry(call: Call) -> Any:
    """A failed action gets three more days; a pending one is tried without waiting any longer.

    It is tried even where a conversation is known to be locked, a repository to be archived or
    out of the App's reach, or its installation to be suspended or gone.

    409 if it is running or done, or if a newer one that is pending does the same.
    """
    return _shown(await actions.retry(call.services, call.actor, call.id("action_id")))


def _shown(row: store.ListedAction) -> Action:
    return shaped(
        Action,
        row,
        repository=row.repository or None,
        result=store.addresses.present_in(parts.result_of(row), row.repository),
    )
