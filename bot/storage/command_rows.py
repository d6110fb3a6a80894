"""Rows as types: comments that hold commands, and the commands (see rows.py)."""

from typing import Annotated

from bot.storage import columns
from bot.storage.rows import JSON, Row


class CommandComment(Row, frozen=True):
    """`command_comments`: what a delivery says of a comment that holds commands.

    `claim` stands for all of that. `verified`: GitHub says the same. `silent`: nothing is said of
    it. `throttled`: its author wrote too many.
    """

    id: int
    repository_id: int
    kind: columns.Kind
    number: int
    comment_id: int
    html_url: str | None
    author: str
    integration_id: str
    created_at: int
    throttled: bool
    silent: bool
    seen: bool
    reply_id: int | None
    claim: int
    verified: bool


class Command(Row, frozen=True):
    """`commands`. `permission` is what GitHub said of the author, `action_id` what it waits for."""

    seq: int
    id: str
    comment_row: int
    repository_id: int
    author: str
    name: str
    invocation: Annotated[columns.Invocation, JSON]
    status: columns.CommandStatus
    allowed: bool | None
    permission: str | None
    reply: str | None
    result: str | None
    action_id: str | None
    created_at: int
    finished_at: int | None
