"""Queries for the activity feed."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage.database import Row, Transaction

_ADD = """INSERT INTO activity (type, experiment_key, position, recorded_at, actor, summary,
        html_url, repository_id, item_id, commit_id, guid)
    VALUES (:type, :experiment_key, :position, :recorded_at, :actor, :summary, :html_url,
        :repository_id, :item_id, :commit_id, :guid)"""
_SELECT = """SELECT activity.*, repositories.full_name AS repository FROM activity
    LEFT JOIN repositories ON repositories.id = activity.repository_id"""


def add(transaction: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    transaction.run_many(_ADD, rows)


def of_item(transaction: Transaction, item_id: int) -> Sequence[Row]:
    return transaction.all(
        "SELECT * FROM activity WHERE item_id = :item_id ORDER BY seq", {"item_id": item_id}
    )


def remove(transaction: Transaction, seqs: Sequence[int]) -> None:
    transaction.run_many("DELETE FROM activity WHERE seq = :seq", [{"seq": seq} for seq in seqs])


def remove_of_commit(transaction: Transaction, experiment_key: str, commit_id: int) -> None:
    transaction.run(
        "DELETE FROM activity WHERE commit_id = :commit_id AND experiment_key = :experiment_key",
        {"commit_id": commit_id, "experiment_key": experiment_key},
    )


def of_experiment(
    transaction: Transaction,
    experiment_key: str,
    type: str | None,
    before: tuple[int, int] | None,
    limit: int,
) -> Sequence[Row]:
    """Return an experiment's feed, newest first; `before` is (position, seq)."""
    return transaction.all(
        f"""{_SELECT} WHERE activity.experiment_key = :experiment_key
                {"AND activity.type = :type" if type else ""}
                {"AND (activity.position, activity.seq) < (:position, :seq)" if before else ""}
            ORDER BY activity.position DESC, activity.seq DESC LIMIT :limit""",
        {
            "experiment_key": experiment_key,
            "type": type,
            "position": before[0] if before else None,
            "seq": before[1] if before else None,
            "limit": limit,
        },
    )


def after(transaction: Transaction, seq: int, limit: int) -> Sequence[Row]:
    """Return every experiment's items recorded after `seq`, oldest first."""
    return transaction.all(
        f"{_SELECT} WHERE activity.seq > :seq ORDER BY activity.seq LIMIT :limit",
        {"seq": seq, "limit": limit},
    )


def last_seq(transaction: Transaction) -> int:
    row = transaction.one("SELECT MAX(seq) AS seq FROM activity")
    return (row["seq"] if row else None) or 0
