"""Queries for comments that hold commands, and for what became of each command."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage import query
from bot.storage.command_rows import Command, CommandComment
from bot.storage.database import Transaction
from bot.storage.joined import ListedCommand
from bot.storage.query import Part, Place

_LISTED = """SELECT commands.*, repositories.full_name AS repository, command_comments.kind,
        command_comments.number, command_comments.html_url, command_comments.integration_id
    FROM commands
    JOIN command_comments ON command_comments.id = commands.comment_row
    LEFT JOIN repositories ON repositories.id = commands.repository_id"""


def replies_to_strangers(tx: Transaction, repository_id: int) -> list[CommandComment]:
    """Return the comments of a repository that were answered though their author may not write."""
    sql = """SELECT * FROM command_comments WHERE repository_id = :repository_id
            AND reply_id IS NOT NULL
            AND EXISTS (SELECT 1 FROM commands WHERE comment_row = command_comments.id
                AND permission IN ('none', 'read', 'triage'))
        ORDER BY id"""
    return query.select(tx, CommandComment, sql, repository_id=repository_id)


def add_comment(tx: Transaction, columns: Mapping[str, Any]) -> int | None:
    """Add what is said of a comment and return our id of it; None if that is known."""
    added = query.insert_returning(tx, CommandComment, columns)
    return added.id if added else None


def add(tx: Transaction, columns: Mapping[str, Any]) -> Command:
    """Add a command and return its row."""
    added = query.insert_returning(tx, Command, columns)
    assert added is not None
    return added


def comment(tx: Transaction, comment_row: int) -> CommandComment:
    sql = "SELECT * FROM command_comments WHERE id = :id"
    return query.the(tx, CommandComment, sql, id=comment_row)


def of_comment(tx: Transaction, comment_row: int) -> list[Command]:
    """Return the commands of a comment in the order in which they were written."""
    sql = "SELECT * FROM commands WHERE comment_row = :comment_row ORDER BY seq"
    return query.select(tx, Command, sql, comment_row=comment_row)


def find(tx: Transaction, command_id: str) -> Command | None:
    return query.by_key(tx, Command, id=command_id)


def change(tx: Transaction, command_id: str, **columns: Any) -> None:
    query.change(tx, Command, {"id": command_id}, columns)


def change_comment(tx: Transaction, comment_row: int, **columns: Any) -> None:
    query.change(tx, CommandComment, {"id": comment_row}, columns)


def is_taken(tx: Transaction, repository_id: int, comment_id: int) -> bool:
    """Tell whether what a delivery says of a comment is known to be what GitHub has."""
    sql = """SELECT 1 FROM command_comments WHERE repository_id = :repository_id
        AND comment_id = :comment_id AND verified = 1"""
    return query.exists(tx, sql, repository_id=repository_id, comment_id=comment_id)


def remove(tx: Transaction, command_id: str) -> None:
    tx.run("DELETE FROM commands WHERE id = :id", {"id": command_id})


def written_since(tx: Transaction, repository_id: int, author: str, since: int) -> int:
    """Return how many commands somebody has certainly written in a repository after a time."""
    sql = """SELECT COUNT(*) FROM commands
        JOIN command_comments ON command_comments.id = commands.comment_row
        WHERE commands.repository_id = :repository_id AND commands.author = :author
        AND commands.created_at > :since AND command_comments.verified = 1"""
    return query.number(tx, sql, repository_id=repository_id, author=author, since=since) or 0


def is_throttled(tx: Transaction, repository_id: int, author: str, since: int) -> bool:
    """Tell whether somebody was told after a time that there were too many."""
    sql = """SELECT id FROM command_comments WHERE throttled = 1
        AND repository_id = :repository_id AND author = :author AND created_at > :since
        LIMIT 1"""
    return query.exists(tx, sql, repository_id=repository_id, author=author, since=since)


def has_run(tx: Transaction, names: Sequence[str], key: str, since: int) -> bool:
    """Tell whether one of some commands took effect on an experiment that was written later."""
    sql = """SELECT * FROM commands WHERE status = 'done' AND created_at > :since
        ORDER BY seq DESC LIMIT 1000"""
    rows = query.select(tx, Command, sql, since=since)
    return any(row.name in names and key in row.invocation.words for row in rows)


def unfinished_of_integration(tx: Transaction, integration_id: str) -> list[Command]:
    sql = """SELECT commands.* FROM commands
        JOIN command_comments ON command_comments.id = commands.comment_row
        WHERE commands.status IN ('pending', 'waiting')
        AND command_comments.integration_id = :integration_id ORDER BY commands.seq"""
    return query.select(tx, Command, sql, integration_id=integration_id)


def listed(
    tx: Transaction, status: str | None, before: Place | None, limit: int
) -> Part[ListedCommand]:
    """Return commands with where they were written, newest first."""
    where = ["commands.status = :status" if status is not None else None]
    by = {"commands.seq": "seq"}
    return query.page(tx, ListedCommand, _LISTED, where, by, before, limit, status=status)
