"""Queries for deliveries that GitHub lists and the store lacks."""

from collections.abc import Sequence

import msgspec

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.recovery_rows import Missed

_TABLE = "missed"
_TOLD = (
    *("integration_id", "guid", "hook_id", "delivery_id"),
    *("first_id", "first_at", "event", "repository_id"),
)
# What is another for another attempt.
_OF_LATEST = {
    "hook_id": "excluded.hook_id",
    "delivery_id": "excluded.delivery_id",
    "attempts": "0",
    "lost_at": "NULL",
}
_ONE = "integration_id = :integration_id AND guid = :guid"


def stored(tx: Transaction, integration_seq: int, guids: Sequence[str]) -> set[str]:
    """Return which of some deliveries are in the store, whatever has become of them."""
    sql = "SELECT guid FROM deliveries WHERE integration_seq = :seq AND guid IN ({names})"
    return set(query.values_in_parts(tx, sql, guids, seq=integration_seq))


def add(tx: Transaction, rows: Sequence[Missed]) -> None:
    """Note what is missed. Of several attempts at a delivery the earliest tells when it was.

    The latest is read. If that has come since, what was lost may be had after all.
    """
    least = ", ".join(
        f"{name} = CASE WHEN excluded.{name} < missed.{name} THEN excluded.{name}"
        f" ELSE missed.{name} END"
        for name in ("first_id", "first_at")
    )
    latest = ", ".join(
        f"{name} = CASE WHEN excluded.delivery_id > missed.delivery_id THEN {new}"
        f" ELSE missed.{name} END"
        for name, new in _OF_LATEST.items()
    )
    sql = f"""INSERT INTO missed ({", ".join(_TOLD)})
        VALUES ({", ".join(f":{name}" for name in _TOLD)})
        ON CONFLICT (integration_id, guid) DO UPDATE SET {least}, {latest}"""
    if rows:
        columns = [msgspec.structs.asdict(row) for row in rows]
        tx.run_many(sql, [{name: one[name] for name in _TOLD} for one in columns])


def first(tx: Transaction, integration_id: str, attempts: int) -> Missed | None:
    """Return the earliest that is still to be read, and was tried fewer times than that."""
    sql = """SELECT * FROM missed WHERE integration_id = :integration_id AND lost_at IS NULL
        AND attempts < :attempts ORDER BY first_at, first_id LIMIT 1"""
    return query.first(tx, Missed, sql, integration_id=integration_id, attempts=attempts)


def is_there(tx: Transaction, integration_id: str, guid: str) -> bool:
    """Tell whether a delivery is still to be taken in."""
    sql = f"SELECT 1 FROM missed WHERE {_ONE}"
    return query.exists(tx, sql, integration_id=integration_id, guid=guid)


def tried(tx: Transaction, row: Missed) -> None:
    key = {"integration_id": row.integration_id, "guid": row.guid}
    query.change(tx, Missed, key, {"attempts": row.attempts + 1})


def set_aside(tx: Transaction, row: Missed, attempts: int, *, all_of_it: bool) -> None:
    """Note that a delivery, or all that is missed of its webhook, was tried often enough."""
    what = {"hook_id": row.hook_id} if all_of_it else {"guid": row.guid}
    query.change(tx, Missed, {"integration_id": row.integration_id, **what}, {"attempts": attempts})


def lost(tx: Transaction, row: Missed, at: int) -> None:
    """Note that a delivery cannot be had any more."""
    key = {"integration_id": row.integration_id, "guid": row.guid}
    query.change(tx, Missed, key, {"lost_at": at})


def done(tx: Transaction, integration_id: str, guid: str) -> None:
    """Forget what is no longer missed."""
    sql = f"DELETE FROM missed WHERE {_ONE}"
    tx.later(_TABLE, sql, {"integration_id": integration_id, "guid": guid})


def drop_repository(tx: Transaction, integration_id: str, github_id: int) -> int:
    """Forget what is missed of a repository that is not allowed; return how many that are.

    What tells of its name stays, and all that came later: it may be about to be allowed.
    """
    sql = """DELETE FROM missed WHERE integration_id = :integration_id AND lost_at IS NULL
        AND repository_id = :github_id AND event <> 'repository'
        AND NOT EXISTS (SELECT 1 FROM missed AS naming
            WHERE naming.integration_id = :integration_id AND naming.lost_at IS NULL
                AND naming.repository_id = :github_id AND naming.event = 'repository'
                AND naming.first_at <= missed.first_at)"""
    return tx.run(sql, {"integration_id": integration_id, "github_id": github_id})


def refresh(
    tx: Transaction, integration_id: str, seq: int, *, now: int, before: int, again: int
) -> int:
    """Begin a new sweep with what an earlier one has left; return how many are lost by now.

    What has come meanwhile goes, and so does what was lost before a time. What GitHub lists no
    longer, older than that, is lost. The rest has one more try than `again`.
    """
    known = {"integration_id": integration_id, "seq": seq, "before": before}
    known |= {"now": now, "again": again}
    of = "WHERE integration_id = :integration_id"
    tx.run(
        f"""DELETE FROM missed {of} AND EXISTS (SELECT 1 FROM deliveries
            WHERE deliveries.integration_seq = :seq AND deliveries.guid = missed.guid)""",
        known,
    )
    tx.run(f"DELETE FROM missed {of} AND lost_at < :before AND lost_at IS NOT NULL", known)
    old = f"UPDATE missed SET lost_at = :now {of} AND lost_at IS NULL AND first_at < :before"
    count = tx.run(old, known)
    tx.run(f"UPDATE missed SET attempts = :again {of} AND attempts > :again", known)
    return count


def count_lost(tx: Transaction, integration_id: str) -> int:
    """Return how many could not be had of those that GitHub listed in the last days."""
    sql = "SELECT COUNT(*) FROM missed WHERE integration_id = :id AND lost_at IS NOT NULL"
    return query.number(tx, sql, id=integration_id) or 0
