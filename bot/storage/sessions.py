"""Queries for sessions of the dashboard, of which only the hash of the secret is stored.

The token of somebody who came through GitHub comes and goes sealed (vault.py).
"""

from collections.abc import Mapping
from typing import Any

from bot.storage import query
from bot.storage.access_rows import Session
from bot.storage.database import Transaction
from bot.storage.query import Part, Place


def about(session_id: str) -> str:
    """Return what the token of a session is sealed about."""
    return f"session:{session_id}"


def add(tx: Transaction, session: Mapping[str, Any]) -> None:
    query.insert(tx, Session, session)


def find(tx: Transaction, session_id: str) -> Session | None:
    return query.by_key(tx, Session, id=session_id)


def by_hash(tx: Transaction, hashed: str) -> Session | None:
    return query.by_key(tx, Session, hash=hashed)


def of_subject(tx: Transaction, subject: str) -> list[Session]:
    sql = "SELECT * FROM sessions WHERE subject = :subject"
    return query.select(tx, Session, sql, subject=subject)


def listed(
    tx: Transaction, seen_since: int, created_since: int, before: Place | None, limit: int
) -> Part[Session]:
    """Return the sessions that were used and begun since two times, newest first."""
    return query.page(
        tx,
        Session,
        "SELECT * FROM sessions",
        ["seen_at >= :seen", "created_at >= :created"],
        {"seq": "seq"},
        before,
        limit,
        seen=seen_since,
        created=created_since,
    )


def change(tx: Transaction, session_id: str, columns: Mapping[str, Any]) -> None:
    query.change(tx, Session, {"id": session_id}, columns)


def seen(tx: Transaction, session_id: str, at: int) -> None:
    change(tx, session_id, {"seen_at": at})


def take_turn(tx: Transaction, session_id: str, now: int, until: int) -> bool:
    """Be the one to ask GitHub about a session, until some time; False while another is.

    A turn that ends later was taken by a clock that was ahead.
    """
    sql = """UPDATE sessions SET asking_until = :until
        WHERE id = :id AND (asking_until IS NULL OR asking_until <= :now
            OR asking_until > :until)"""
    return tx.run(sql, {"id": session_id, "now": now, "until": until}) == 1


def remove(tx: Transaction, session_id: str) -> bool:
    return tx.run("DELETE FROM sessions WHERE id = :id", {"id": session_id}) == 1


def remove_of_subject(tx: Transaction, subject: str) -> int:
    return tx.run("DELETE FROM sessions WHERE subject = :subject", {"subject": subject})


def remove_ended(tx: Transaction, seen_since: int, created_since: int) -> None:
    """Remove sessions that were not used since a time, or began before another."""
    sql = "DELETE FROM sessions WHERE seen_at < :seen OR created_at < :created"
    tx.run(sql, {"seen": seen_since, "created": created_since})
