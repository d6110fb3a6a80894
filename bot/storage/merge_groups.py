"""Queries for the commits of merge queues, and the check that the bot has put on them."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage.database import Row, Transaction


def add(tx: Transaction, group: Mapping[str, Any]) -> bool:
    """Add a merge group; False if its commit is known already."""
    return (
        tx.run(
            """INSERT INTO merge_groups
                    (repository_id, head_sha, head_ref, number, marker, created_at)
                VALUES (:repository_id, :head_sha, :head_ref, :number, :marker, :created_at)
                ON CONFLICT DO NOTHING""",
            group,
        )
        == 1
    )


def find(tx: Transaction, repository_id: int, head_sha: str) -> Row | None:
    return tx.one(
        """SELECT * FROM merge_groups WHERE repository_id = :repository_id
            AND head_sha = :head_sha""",
        {"repository_id": repository_id, "head_sha": head_sha},
    )


def waiting(tx: Transaction, repository_id: int, number: int, since: int) -> Sequence[Row]:
    """Return the groups of a pull request that have come since a time and have not ended."""
    return tx.all(
        """SELECT * FROM merge_groups WHERE repository_id = :repository_id AND number = :number
            AND ended_at IS NULL AND created_at >= :since ORDER BY created_at""",
        {"repository_id": repository_id, "number": number, "since": since},
    )


def end(tx: Transaction, repository_id: int, head_ref: str, at: int) -> None:
    """Mark the groups of a branch as ended; one that is told of later begins anew."""
    tx.run(
        """UPDATE merge_groups SET ended_at = :at WHERE repository_id = :repository_id
            AND head_ref = :head_ref AND ended_at IS NULL""",
        {"repository_id": repository_id, "head_ref": head_ref, "at": at},
    )


def change(tx: Transaction, repository_id: int, head_sha: str, **values: Any) -> None:
    """Set the columns that `values` names."""
    tx.run(
        f"UPDATE merge_groups SET {', '.join(f'{name} = :{name}' for name in values)} "
        "WHERE repository_id = :the_repository AND head_sha = :the_sha",
        {**values, "the_repository": repository_id, "the_sha": head_sha},
    )


def remove_old(tx: Transaction, before: int, limit: int) -> int:
    """Remove up to `limit` groups that came before a time; return how many."""
    return tx.run(
        """DELETE FROM merge_groups WHERE (repository_id, head_sha) IN (
            SELECT repository_id, head_sha FROM merge_groups WHERE created_at < :before
            ORDER BY created_at LIMIT :limit)""",
        {"before": before, "limit": limit},
    )
