"""Queries for sessions of the dashboard, of which only the hash of the secret is stored."""

from collections.abc import Mapping
from typing import Any

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.rows import Session


def add(tx: Transaction, session: Mapping[str, Any]) -> None:
    query.insert(tx, Session, session)


def find(tx: Transaction, session_id: str) -> Session | None:
    return query.by_key(tx, Session, id=session_id)


def seen(tx: Transaction, session_id: str, at: int) -> None:
    query.change(tx, Session, {"id": session_id}, {"seen_at": at})


def remove(tx: Transaction, session_id: str) -> None:
    tx.run("DELETE FROM sessions WHERE id = :id", {"id": session_id})


def remove_of_subject(tx: Transaction, subject: str) -> None:
    tx.run("DELETE FROM sessions WHERE subject = :subject", {"subject": subject})


def remove_ended(tx: Transaction, seen_before: int, created_before: int) -> None:
    """Remove sessions that were not used since a time, or began before another."""
    sql = "DELETE FROM sessions WHERE seen_at < :seen OR created_at < :created"
    tx.run(sql, {"seen": seen_before, "created": created_before})
