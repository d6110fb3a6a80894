"""What the bot owes GitHub: pending, running, done and failed actions."""

from typing import Any, cast

from bot import storage as store
from bot import times
from bot.api import models
from bot.api.routing import Call, Operations, log_change
from bot.domain import actions
from bot.emails import without_emails
from bot.web.problems import Problem, not_found

operations = Operations("Actions")
PATH = "/api/v1/actions"


@operations.add(
    "GET",
    PATH,
    role="viewer",
    summary="List what the bot owes GitHub",
    query=models.ActionQuery,
    answers={200: models.Page[models.Action]},
)
async def list_all(call: Call) -> Any:
    """The newest first. Finished ones are kept for DELIVERY_DAYS."""
    query: models.ActionQuery = call.query
    before = call.position(1)

    def job(tx: store.Transaction) -> Any:
        rows = store.actions.listed(tx, query.status, query.kind, before, query.limit)
        return call.page(rows, shown)

    return await call.services.database.read(job)


@operations.add(
    "GET",
    f"{PATH}/{{action_id}}",
    role="viewer",
    summary="Get an action",
    answers={200: models.Action},
    problems=(404,),
)
async def get(call: Call) -> Any:
    """One action, with what it has brought about or what keeps it."""
    action_id = call.path("action_id").lower()
    row = await call.services.database.read(lambda tx: store.actions.find(tx, action_id))
    if row is None:
        raise not_found("action")
    return shown(row)


@operations.add(
    "POST",
    f"{PATH}/{{action_id}}/retry",
    role="developer",
    summary="Try an action again now",
    answers={200: models.Action},
    problems=(404, 409),
)
async def retry(call: Call) -> Any:
    """A failed action gets three more days; a pending one is tried without waiting any longer.

    409 if it is running or done, or if a newer one that is pending does the same.
    """
    return await try_again(call, call.path("action_id").lower())


async def try_again(call: Call, action_id: str) -> models.Action:
    """Try one action again now; raises Problem."""

    def job(tx: store.Transaction) -> store.ListedAction | None:
        action = store.actions.find(tx, action_id)
        if action is None:
            return None
        if action.status in ("running", "done"):
            raise Problem(409, "not waiting", f"The action is {action.status}.")
        if not actions.retry(tx, action):
            raise Problem(409, "superseded", "A newer action that is pending does the same.")
        return store.actions.find(tx, action_id)

    row = await call.services.database.write(job)
    if row is None:
        raise not_found("action")
    log_change(call, "action to be retried", action=action_id)
    return shown(row)


def shown(row: store.ListedAction) -> models.Action:
    """Return an action's row as the API shows it."""
    return models.Action(
        id=row.id,
        kind=cast(models.ActionKind, row.kind),
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
