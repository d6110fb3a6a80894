"""Commands in comments: who wrote what where, whether they might, and what became of it."""

from typing import Any

from bot import storage as store
from bot import times
from bot.api import models
from bot.api.routing import Call, Operations
from bot.emails import without_emails

operations = Operations("Commands")


@operations.add(
    "GET",
    "/api/v1/commands",
    role="viewer",
    summary="List commands written in comments",
    query=models.CommandQuery,
    answers={200: models.Page[models.Command]},
)
async def list_all(call: Call) -> Any:
    """The newest first. They are kept for good."""
    query: models.CommandQuery = call.query
    before = call.position(1)

    def job(tx: store.Transaction) -> Any:
        rows = store.commands.listed(tx, query.status, before, query.limit)
        return call.page(rows, shown)

    return await call.services.database.read(job)


def shown(row: store.ListedCommand) -> models.Command:
    return models.Command(
        id=row.id,
        command=row.name,
        text=without_emails(row.invocation.line),
        actor=row.author,
        repository=row.repository,
        kind=row.kind,
        number=row.number,
        html_url=row.html_url,
        integration_id=row.integration_id,
        status=row.status,
        allowed=None if row.allowed is None else bool(row.allowed),
        permission=row.permission,
        result=without_emails(row.result) if row.result else None,
        action_id=row.action_id,
        created_at=times.render(row.created_at),
        finished_at=times.render(row.finished_at),
    )
