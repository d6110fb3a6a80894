"""What the service knows of the time that has passed, and what to do when its clock is set back."""

from bot.storage.database import Transaction


def seen(tx: Transaction) -> tuple[int, int] | None:
    """Return the latest time that was kept, and the time by which was cleared away then."""
    row = tx.one("SELECT seen_at, cleared_to FROM clock WHERE id = 1")
    return (row["seen_at"], row["cleared_to"]) if row is not None else None


def keep(tx: Transaction, seen_at: int, cleared_to: int) -> None:
    sql = """INSERT INTO clock (id, seen_at, cleared_to) VALUES (1, :seen_at, :cleared_to)
        ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at,
            cleared_to = excluded.cleared_to"""
    tx.run(sql, {"seen_at": seen_at, "cleared_to": cleared_to})


def hasten_all(tx: Transaction, now: int, leased_until: int) -> None:
    """Let everything be due that waits, and leases end soon: by another clock it was set ahead."""
    for table, column, waits in (
        ("actions", "next_attempt_at", "status = 'pending'"),
        ("deliveries", "next_attempt_at", "next_attempt_at IS NOT NULL"),
        ("queues", "due_at", "due_at IS NOT NULL"),
        ("queues", "not_before", "not_before > 0"),
    ):
        sql = f"UPDATE {table} SET {column} = :now WHERE {waits} AND {column} > :now"
        tx.run(sql, {"now": now})
    sql = "UPDATE queues SET leased_until = :until WHERE leased_until > :until"
    tx.run(sql, {"until": leased_until})
