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


def add(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add items; experiments and repositories know when they were last heard of."""
    tx.run_many(_ADD, rows)
    tx.run_many(
        """UPDATE experiments SET last_activity = :position
            WHERE key = :key AND last_activity < :position""",
        _newest(rows),
    )
    heard: dict[int, int] = {}
    for row in rows:
        if (repository := row["repository_id"]) is not None:
            heard[repository] = max(heard.get(repository, 0), row["position"])
    tx.run_many(
        """UPDATE repositories SET last_activity = :position
            WHERE id = :id AND last_activity < :position""",
        [{"id": repository, "position": position} for repository, position in heard.items()],
    )


def _newest(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each experiment among some items with the position of its newest."""
    newest: dict[str, int] = {}
    for row in rows:
        key = row["experiment_key"]
        newest[key] = max(newest.get(key, row["position"]), row["position"])
    return [{"key": key, "position": position} for key, position in newest.items()]


def of_item(tx: Transaction, item_id: int) -> Sequence[Row]:
    return tx.all(
        "SELECT * FROM activity WHERE item_id = :item_id ORDER BY seq", {"item_id": item_id}
    )


def remove(tx: Transaction, seqs: Sequence[int]) -> None:
    removed: list[Row] = []
    for seq in seqs:
        removed += tx.all(
            "DELETE FROM activity WHERE seq = :seq RETURNING experiment_key, position",
            {"seq": seq},
        )
    _look_back(tx, removed)


def remove_of_commits(tx: Transaction, experiment_key: str, commit_ids: Sequence[int]) -> None:
    removed: list[Row] = []
    for commit_id in commit_ids:
        removed += tx.all(
            """DELETE FROM activity
                WHERE commit_id = :commit_id AND experiment_key = :experiment_key
                RETURNING experiment_key, position""",
            {"commit_id": commit_id, "experiment_key": experiment_key},
        )
    _look_back(tx, removed)


def _look_back(tx: Transaction, removed: Sequence[Row]) -> None:
    """Let experiments whose newest item may have been removed find what is the newest now."""
    tx.run_many(
        """UPDATE experiments SET last_activity = COALESCE((SELECT MAX(position) FROM activity
                WHERE activity.experiment_key = experiments.key), 0)
            WHERE key = :key AND last_activity <= :position""",
        _newest(removed),
    )


def of_experiment(
    tx: Transaction,
    experiment_key: str,
    type: str | None,
    before: tuple[int, int] | None,
    limit: int,
) -> Sequence[Row]:
    """Return an experiment's feed, newest first; `before` is (position, seq)."""
    return tx.all(
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


def after(tx: Transaction, seq: int, limit: int) -> Sequence[Row]:
    """Return every experiment's items recorded after `seq`, oldest first."""
    return tx.all(
        f"{_SELECT} WHERE activity.seq > :seq ORDER BY activity.seq LIMIT :limit",
        {"seq": seq, "limit": limit},
    )


def of_delivery(tx: Transaction, guid: str, limit: int) -> Sequence[Row]:
    """Return what a delivery has brought into feeds, in the order it was recorded."""
    return tx.all(
        f"{_SELECT} WHERE activity.guid = :guid ORDER BY activity.seq LIMIT :limit",
        {"guid": guid, "limit": limit},
    )


def last_seq(tx: Transaction) -> int:
    row = tx.one("SELECT MAX(seq) AS seq FROM activity")
    return (row["seq"] if row else None) or 0


def weeks_of(
    tx: Transaction, keys: Sequence[str], starts: Sequence[int], limit: int
) -> dict[str, list[int]]:
    """Return how many items some feeds have in each of some weeks, `limit` at most.

    `starts` are the positions at which the weeks begin, the last one that at which they end.
    """
    found = {key: [0] * (len(starts) - 1) for key in keys}
    if not found:
        return found
    names = {f"key{number}": key for number, key in enumerate(found)}
    bounds = {f"start{number}": start for number, start in enumerate(starts)}
    columns = ", ".join(
        f"""(SELECT COUNT(*) FROM (SELECT 1 FROM activity
            WHERE activity.experiment_key = experiments.key
                AND activity.position >= :start{number} AND activity.position < :start{number + 1}
            LIMIT :limit) AS counted) AS week{number}"""
        for number in range(len(starts) - 1)
    )
    for row in tx.all(
        f"""SELECT key, {columns} FROM experiments
            WHERE key IN ({", ".join(f":{name}" for name in names)})""",
        {**names, **bounds, "limit": limit},
    ):
        found[row["key"]] = [row[f"week{number}"] for number in range(len(starts) - 1)]
    return found
