"""Queries for sessions of the dashboard, of which only the hash of the secret is stored."""

from collections.abc import Mapping
from typing import Any

from bot.storage.database import Row, Transaction


def add(transaction: Transaction, values: Mapping[str, Any]) -> None:
    transaction.run(
        f"""INSERT INTO sessions ({", ".join(values)})
            VALUES ({", ".join(f":{name}" for name in values)})""",
        values,
    )


def find(transaction: Transaction, session_id: str) -> Row | None:
    return transaction.one("SELECT * FROM sessions WHERE id = :id", {"id": session_id})


def seen(transaction: Transaction, session_id: str, at: int) -> None:
    transaction.run(
        "UPDATE sessions SET seen_at = :at WHERE id = :id", {"id": session_id, "at": at}
    )


def remove(transaction: Transaction, session_id: str) -> None:
    transaction.run("DELETE FROM sessions WHERE id = :id", {"id": session_id})


def remove_of_subject(transaction: Transaction, subject: str) -> None:
    transaction.run("DELETE FROM sessions WHERE subject = :subject", {"subject": subject})


def remove_ended(transaction: Transaction, seen_before: int, created_before: int) -> None:
    """Remove sessions that were not used since a time, or began before another."""
    transaction.run(
        "DELETE FROM sessions WHERE seen_at < :seen OR created_at < :created",
        {"seen": seen_before, "created": created_before},
    )
