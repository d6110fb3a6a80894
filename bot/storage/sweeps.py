"""Queries for sweeps: how far the one of an integration is, or what came of its last."""

from typing import Any

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.recovery_rows import Sweep

# What is counted of a sweep, in the order in which people are told.
COUNTS = ("listed", "taken_in", "known", "not_handled", "not_allowed", "lost", "calls")


def find(tx: Transaction, integration_id: str) -> Sweep | None:
    return query.by_key(tx, Sweep, integration_id=integration_id)


def begin(tx: Transaction, integration_id: str, action_id: str, now: int) -> None:
    """Put a sweep in the place of the last one."""
    tx.run("DELETE FROM sweeps WHERE integration_id = :id", {"id": integration_id})
    begun = {"integration_id": integration_id, "action_id": action_id, "started_at": now}
    query.insert(tx, Sweep, begun)


def change(tx: Transaction, integration_id: str, /, **columns: Any) -> None:
    query.change(tx, Sweep, {"integration_id": integration_id}, columns)


def count(tx: Transaction, integration_id: str, /, **more: int) -> None:
    """Add to what is counted of a sweep."""
    added = ", ".join(f"{name} = {name} + :{name}" for name in COUNTS if name in more)
    sql = f"UPDATE sweeps SET {added} WHERE integration_id = :integration_id"
    tx.later("sweeps", sql, {"integration_id": integration_id, **more})


def due(tx: Transaction, kind: str, begun_by: int, latest: int) -> list[str]:
    """Return the active integrations of which no sweep began since a time, or is to begin.

    One that is said to have begun after the `latest` time was begun by another clock.
    """
    sql = """SELECT integrations.id FROM integrations
        LEFT JOIN sweeps ON sweeps.integration_id = integrations.id
        WHERE deleted_at IS NULL AND is_active = 1
            AND (started_at IS NULL OR started_at < :begun_by OR started_at > :latest)
            AND NOT EXISTS (SELECT 1 FROM actions WHERE actions.integration_id = integrations.id
                AND actions.status IN ('pending', 'running') AND actions.kind = :kind)
        ORDER BY integrations.seq"""
    return query.values(tx, sql, kind=kind, begun_by=begun_by, latest=latest)


def earliest(tx: Transaction) -> int | None:
    """Return when the sweep began that is the longest ago, of active integrations."""
    sql = """SELECT MIN(started_at) FROM sweeps
        JOIN integrations ON integrations.id = sweeps.integration_id
        WHERE deleted_at IS NULL AND is_active = 1"""
    return query.number(tx, sql)


def forget(tx: Transaction, integration_id: str) -> None:
    """Forget an integration's webhooks, and what was read of them: they are another GitHub's."""
    for table in ("hooks", "sweeps", "missed"):
        tx.run(f"DELETE FROM {table} WHERE integration_id = :id", {"id": integration_id})
