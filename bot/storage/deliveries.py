"""Queries for deliveries: what GitHub sent, and what became of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage.database import Row, Transaction

_LISTED = """seq, guid, event, action, repository, status, received_at, processed_at, attempts,
    error"""


def add(transaction: Transaction, values: Mapping[str, Any]) -> bool:
    """Store a delivery; False if this integration has one of that guid already."""
    return (
        transaction.run(
            """INSERT INTO deliveries (integration_seq, guid, event, action, repository, status,
                    received_at, processed_at, attempts, next_attempt_at, error, headers, payload)
                VALUES (:integration_seq, :guid, :event, :action, :repository, :status,
                    :received_at, :processed_at, :attempts, :next_attempt_at, :error, :headers,
                    :payload)
                ON CONFLICT DO NOTHING""",
            values,
        )
        == 1
    )


def find(transaction: Transaction, integration_seq: int, guid: str) -> Row | None:
    return transaction.one(
        """SELECT * FROM deliveries WHERE integration_seq = :integration_seq AND guid = :guid
           """,
        {"integration_seq": integration_seq, "guid": guid},
    )


def update(
    transaction: Transaction,
    seq: int,
    *,
    status: str,
    processed_at: int | None,
    attempts: int,
    next_attempt_at: int | None,
    error: str | None,
) -> None:
    transaction.run(
        """UPDATE deliveries SET status = :status, processed_at = :processed_at,
            attempts = :attempts, next_attempt_at = :next_attempt_at, error = :error
            WHERE seq = :seq""",
        {
            "seq": seq,
            "status": status,
            "processed_at": processed_at,
            "attempts": attempts,
            "next_attempt_at": next_attempt_at,
            "error": error,
        },
    )


def set_payload(transaction: Transaction, seq: int, payload: bytes | None) -> None:
    transaction.run(
        "UPDATE deliveries SET payload = :payload WHERE seq = :seq",
        {"seq": seq, "payload": payload},
    )


def due(transaction: Transaction, now: int, limit: int) -> Sequence[Row]:
    """Return the deliveries whose next attempt is due, the longest waiting first."""
    return transaction.all(
        """SELECT deliveries.seq, deliveries.guid, integrations.id AS integration_id
            FROM deliveries JOIN integrations ON integrations.seq = deliveries.integration_seq
            WHERE next_attempt_at <= :now AND next_attempt_at IS NOT NULL
            ORDER BY next_attempt_at LIMIT :limit""",
        {"now": now, "limit": limit},
    )


def listed(
    transaction: Transaction,
    integration_seq: int,
    status: str | None,
    event: str | None,
    before: int | None,
    limit: int,
) -> Sequence[Row]:
    """Return an integration's deliveries without payloads, newest first; `before` is a seq."""
    return transaction.all(
        f"""SELECT {_LISTED} FROM deliveries WHERE integration_seq = :integration_seq
                {"AND status = :status" if status else ""}
                {"AND event = :event" if event else ""}
                {"AND seq < :before" if before is not None else ""}
            ORDER BY seq DESC LIMIT :limit""",
        {
            "integration_seq": integration_seq,
            "status": status,
            "event": event,
            "before": before,
            "limit": limit,
        },
    )


def last_received(transaction: Transaction, integration_seq: int) -> int | None:
    row = transaction.one(
        """SELECT received_at FROM deliveries WHERE integration_seq = :integration_seq
            ORDER BY seq DESC LIMIT 1""",
        {"integration_seq": integration_seq},
    )
    return row["received_at"] if row else None


def remove_some(transaction: Transaction, integration_seq: int, limit: int) -> int:
    """Remove up to `limit` deliveries of an integration; return how many went."""
    return transaction.run(
        """DELETE FROM deliveries WHERE seq IN (SELECT seq FROM deliveries
            WHERE integration_seq = :integration_seq ORDER BY seq LIMIT :limit)""",
        {"integration_seq": integration_seq, "limit": limit},
    )


def drop_payloads(transaction: Transaction, before: int, limit: int) -> int:
    """Drop the payloads of up to `limit` deliveries received before a time; return how many."""
    return transaction.run(
        """UPDATE deliveries SET payload = NULL WHERE seq IN (SELECT seq FROM deliveries
            WHERE received_at < :before AND payload IS NOT NULL AND next_attempt_at IS NULL
            ORDER BY received_at LIMIT :limit)""",
        {"before": before, "limit": limit},
    )


def remove_old(transaction: Transaction, before: int, limit: int) -> int:
    """Remove up to `limit` of the oldest deliveries, received before a time; return how many.

    The last one of each integration stays: it tells when GitHub was last heard of.
    """
    return transaction.run(
        """DELETE FROM deliveries WHERE seq IN (
            SELECT seq FROM (SELECT seq, integration_seq, received_at, next_attempt_at
                FROM deliveries ORDER BY seq LIMIT :window) AS oldest
            WHERE received_at < :before AND next_attempt_at IS NULL AND EXISTS (
                SELECT 1 FROM deliveries AS later
                WHERE later.integration_seq = oldest.integration_seq
                    AND later.seq > oldest.seq)
            ORDER BY seq LIMIT :limit)""",
        {"before": before, "limit": limit, "window": 10 * limit},
    )
