"""What the service knows of the time that has passed, and what to do when its clock is set back."""

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.rows import Row

_SEEN = "SELECT seen_at, cleared_to, twice_from, twice_to FROM clock WHERE id = 1"


class Seen(Row, frozen=True):
    """`clock`: the latest time that was kept, the time by which was cleared away, and those told
    twice."""

    seen_at: int
    cleared_to: int
    twice_from: int
    twice_to: int


def seen(tx: Transaction) -> Seen | None:
    return query.first(tx, Seen, _SEEN)


def keep(tx: Transaction, seen_at: int, cleared_to: int) -> None:
    sql = """INSERT INTO clock (id, seen_at, cleared_to) VALUES (1, :seen_at, :cleared_to)
        ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at,
            cleared_to = excluded.cleared_to"""
    tx.run(sql, {"seen_at": seen_at, "cleared_to": cleared_to})


def told_twice(tx: Transaction, since: int, until: int) -> None:
    """Keep that times between two were, or will be, told twice, with those of before."""
    sql = """INSERT INTO clock (id, seen_at, cleared_to, twice_from, twice_to)
        VALUES (1, :since, 0, :since, :until) ON CONFLICT (id) DO UPDATE SET
            twice_from = CASE WHEN clock.twice_to > 0 AND clock.twice_from < excluded.twice_from
                THEN clock.twice_from ELSE excluded.twice_from END,
            twice_to = CASE WHEN clock.twice_to > excluded.twice_to
                THEN clock.twice_to ELSE excluded.twice_to END"""
    tx.run(sql, {"since": since, "until": until})


def hasten_all(tx: Transaction, now: int, leased_until: int) -> None:
    """Let everything be due that waits, and leases end soon: by another clock it was set ahead."""
    for table, column, waits in (
        ("actions", "next_attempt_at", "status = 'pending'"),
        ("deliveries", "next_attempt_at", "next_attempt_at IS NOT NULL"),
        ("queues", "due_at", "due_at IS NOT NULL"),
        ("queues", "not_before", "not_before > 0"),
        ("backfill_paces", "next_at", "next_at > 0"),
        ("reconciled", "read_at", "read_at > 0"),
    ):
        sql = f"UPDATE {table} SET {column} = :now WHERE {waits} AND {column} > :now"
        tx.run(sql, {"now": now})
    sql = "UPDATE queues SET leased_until = :until WHERE leased_until > :until"
    tx.run(sql, {"until": leased_until})
