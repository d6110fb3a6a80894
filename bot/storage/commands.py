"""Queries for comments that hold commands, and for what became of each command."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage.database import Row, Transaction

_LISTED = """SELECT commands.*, repositories.full_name AS repository, command_comments.kind,
        command_comments.number, command_comments.html_url, command_comments.integration_id
    FROM commands
    JOIN command_comments ON command_comments.id = commands.comment_row
    LEFT JOIN repositories ON repositories.id = commands.repository_id"""


def replies_to_strangers(tx: Transaction, repository_id: int) -> Sequence[Row]:
    """Return the comments of a repository that were answered though their author may not write."""
    return tx.all(
        """SELECT * FROM command_comments WHERE repository_id = :repository_id
                AND reply_id IS NOT NULL
                AND EXISTS (SELECT 1 FROM commands WHERE comment_row = command_comments.id
                    AND permission IN ('none', 'read', 'triage'))
            ORDER BY id""",
        {"repository_id": repository_id},
    )


def add_comment(tx: Transaction, values: Mapping[str, Any]) -> int | None:
    """Add a comment and return our id of it; None if it is known."""
    row = tx.one(
        f"""INSERT INTO command_comments ({", ".join(values)})
            VALUES ({", ".join(f":{name}" for name in values)})
            ON CONFLICT DO NOTHING RETURNING id""",
        values,
    )
    return row["id"] if row else None


def add(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Add a command."""
    tx.run(
        f"""INSERT INTO commands ({", ".join(values)})
            VALUES ({", ".join(f":{name}" for name in values)})""",
        values,
    )


def comment(tx: Transaction, comment_row: int) -> Row:
    row = tx.one("SELECT * FROM command_comments WHERE id = :id", {"id": comment_row})
    assert row is not None
    return row


def of_comment(tx: Transaction, comment_row: int) -> Sequence[Row]:
    """Return the commands of a comment in the order in which they were written."""
    return tx.all(
        "SELECT * FROM commands WHERE comment_row = :comment_row ORDER BY seq",
        {"comment_row": comment_row},
    )


def find(tx: Transaction, command_id: str) -> Row | None:
    return tx.one("SELECT * FROM commands WHERE id = :id", {"id": command_id})


def change(tx: Transaction, command_id: str, **values: Any) -> None:
    """Set the columns that `values` names."""
    tx.run(
        f"UPDATE commands SET {', '.join(f'{name} = :{name}' for name in values)} "
        "WHERE id = :the_id",
        {**values, "the_id": command_id},
    )


def change_comment(tx: Transaction, comment_row: int, **values: Any) -> None:
    """Set the columns that `values` names."""
    tx.run(
        f"UPDATE command_comments SET {', '.join(f'{name} = :{name}' for name in values)} "
        "WHERE id = :the_id",
        {**values, "the_id": comment_row},
    )


def written_since(tx: Transaction, repository_id: int, author: str, since: int) -> int:
    """Return how many commands somebody wrote in a repository after a time."""
    row = tx.one(
        """SELECT COUNT(*) AS written FROM commands WHERE repository_id = :repository_id
            AND author = :author AND created_at > :since""",
        {"repository_id": repository_id, "author": author, "since": since},
    )
    assert row is not None
    return int(row["written"])


def is_throttled(tx: Transaction, repository_id: int, author: str, since: int) -> bool:
    """Tell whether somebody was told after a time that there were too many."""
    return (
        tx.one(
            """SELECT id FROM command_comments WHERE throttled = 1
                AND repository_id = :repository_id AND author = :author AND created_at > :since
                LIMIT 1""",
            {"repository_id": repository_id, "author": author, "since": since},
        )
        is not None
    )


def unfinished_of_integration(tx: Transaction, integration_id: str) -> Sequence[Row]:
    return tx.all(
        """SELECT commands.* FROM commands
            JOIN command_comments ON command_comments.id = commands.comment_row
            WHERE commands.status IN ('pending', 'waiting')
            AND command_comments.integration_id = :integration_id ORDER BY commands.seq""",
        {"integration_id": integration_id},
    )


def listed(tx: Transaction, status: str | None, before: int | None, limit: int) -> Sequence[Row]:
    """Return commands with where they were written, newest first; `before` is a seq."""
    conditions = ["1 = 1"]
    if status is not None:
        conditions.append("commands.status = :status")
    if before is not None:
        conditions.append("commands.seq < :before")
    return tx.all(
        f"{_LISTED} WHERE {' AND '.join(conditions)} ORDER BY commands.seq DESC LIMIT :limit",
        {"status": status, "before": before, "limit": limit},
    )
