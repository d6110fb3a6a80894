"""Queries for sessions of the dashboard, of which only the hash of the secret is stored."""

from collections.abc import Mapping
from typing import Any

from bot.storage.database import Row, Transaction


def add(tx: Transaction, values: Mapping[str, Any]) -> None:
    tx.run(
        f"""INSERT INTO sessions ({", ".join(values)})
            VALUES ({", ".join(f":{name}" for name in values)})""",
        values,
    )


def find(tx: Transaction, session_id: str) -> Row | None:
    return tx.one("SELECT * FROM sessions WHERE id = :id", {"id": session_id})


def seen(tx: Transaction, session_id: str, at: int) -> None:
    tx.run("UPDATE sessions SET seen_at = :at WHERE id = :id", {"id": session_id, "at": at})


def remove(tx: Transaction, session_id: str) -> None:
    tx.run("DELETE FROM sessions WHERE id = :id", {"id": session_id})


def remove_of_subject(tx: Transaction, subject: str) -> None:
    tx.run("DELETE FROM sessions WHERE subject = :subject", {"subject": subject})


def remove_ended(tx: Transaction, seen_before: int, created_before: int) -> None:
    """Remove sessions that were not used since a time, or began before another."""
    tx.run(
        "DELETE FROM sessions WHERE seen_at < :seen OR created_at < :created",
        {"seen": seen_before, "created": created_before},
    )
