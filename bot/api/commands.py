"""Commands in comments: who wrote what where, whether they might, and what became of it."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bot import storage as store
from bot.api.models import Id, Reason, Time, shaped
from bot.emails import without_emails
from bot.storage import CommandStatus
from bot.web.cursors import Page, Paged
from bot.web.operations import Call, Operations

operations = Operations("Commands")


class Command(Struct):
    """A command that somebody wrote in a comment, and what became of it."""

    id: Id
    command: Annotated[str, Meta(description="Its name; empty where none was given.")]
    text: Annotated[str, Meta(description="The line as it was written.")]
    actor: str
    repository: str | None
    kind: Literal["pull_request", "issue"]
    number: int
    html_url: Annotated[str | None, Meta(description="The comment.")]
    integration_id: Id
    status: CommandStatus
    allowed: Annotated[
        bool | None,
        Meta(description="Whether the author may; null if that was not asked (yet)."),
    ]
    permission: Annotated[
        str | None, Meta(description="What GitHub said that the author may do there.")
    ]
    result: Annotated[
        Reason | None, Meta(description="Why it was refused, or what it has brought about.")
    ]
    action_id: Id | None
    created_at: Time
    finished_at: Time | None


class CommandQuery(Paged, forbid_unknown_fields=True):
    status: CommandStatus | None = None


@operations.add(
    "GET",
    "/api/v1/commands",
    role="viewer",
    summary="List commands written in comments",
    query=CommandQuery,
    answers={200: Page[Command]},
)
async def list_all(call: Call) -> Any:
    """The newest first. They are kept for good."""
    query: CommandQuery = call.query
    return await call.page(
        1, lambda tx, *part: store.commands.listed(tx, query.status, *part), _shown
    )


def _shown(row: store.ListedCommand) -> Command:
    text = without_emails(row.invocation.line)
    return shaped(Command, row, command=row.name, text=text, actor=row.author)
