"""Queries for deliveries: what GitHub sent, and what became of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage.database import Row, Transaction

_LISTED = """seq, guid, event, action, repository, status, received_at, processed_at, attempts,
    error"""


def add(tx: Transaction, values: Mapping[str, Any]) -> bool:
    """Store a delivery; False if this integration has one of that guid already."""
    return (
        tx.run(
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


def find(tx: Transaction, integration_seq: int, guid: str) -> Row | None:
    return tx.one(
        """SELECT * FROM deliveries WHERE integration_seq = :integration_seq AND guid = :guid
           """,
        {"integration_seq": integration_seq, "guid": guid},
    )


def update(
    tx: Transaction,
    seq: int,
    *,
    status: str,
    processed_at: int | None,
    attempts: int,
    next_attempt_at: int | None,
    error: str | None,
) -> None:
    tx.run(
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


def set_payload(tx: Transaction, seq: int, payload: bytes | None) -> None:
    tx.run(
        "UPDATE deliveries SET payload = :payload WHERE seq = :seq",
        {"seq": seq, "payload": payload},
    )


def due(tx: Transaction, now: int, limit: int) -> Sequence[Row]:
    """Return the deliveries whose next attempt is due, the longest waiting first."""
    return tx.all(
        """SELECT deliveries.seq, deliveries.guid, integrations.id AS integration_id
            FROM deliveries JOIN integrations ON integrations.seq = deliveries.integration_seq
            WHERE next_attempt_at <= :now AND next_attempt_at IS NOT NULL
            ORDER BY next_attempt_at LIMIT :limit""",
        {"now": now, "limit": limit},
    )


def listed(
    tx: Transaction,
    integration_seq: int,
    status: str | None,
    event: str | None,
    before: int | None,
    limit: int,
) -> Sequence[Row]:
    """Return an integration's deliveries without payloads, newest first; `before` is a seq."""
    return tx.all(
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


def last_received(tx: Transaction, integration_seq: int) -> int | None:
    row = tx.one(
        """SELECT received_at FROM deliveries WHERE integration_seq = :integration_seq
            ORDER BY seq DESC LIMIT 1""",
        {"integration_seq": integration_seq},
    )
    return row["received_at"] if row else None


def failures(tx: Transaction, integration_seq: int, since: int, limit: int) -> dict[str, int]:
    """Return how many deliveries since a time have not taken effect, by status, up to `limit`."""
    return {
        status: sum(
            row["received_at"] >= since
            for row in listed(tx, integration_seq, status, None, None, limit)
        )
        for status in ("failed", "retrying")
    }


def failing(tx: Transaction, integration_seq: int, after: int, limit: int) -> list[Row]:
    """Return the deliveries that have not taken effect, oldest first, after a seq."""
    rows = [
        row
        for status in ("failed", "retrying")
        for row in tx.all(
            """SELECT seq, guid FROM deliveries WHERE integration_seq = :integration_seq
                AND status = :status AND seq > :after AND payload IS NOT NULL
                ORDER BY seq LIMIT :limit""",
            {
                "integration_seq": integration_seq,
                "status": status,
                "after": after,
                "limit": limit,
            },
        )
    ]
    return sorted(rows, key=lambda row: int(row["seq"]))[:limit]


def events_of(tx: Transaction, integration_seq: int, limit: int) -> list[str]:
    """Return the names of the events of an integration's deliveries, in order."""
    found: list[str] = []
    while len(found) < limit:  # one step into the index for each name, however many deliveries
        row = tx.one(
            """SELECT event FROM deliveries WHERE integration_seq = :integration_seq
                AND event > :last ORDER BY event LIMIT 1""",
            {"integration_seq": integration_seq, "last": found[-1] if found else ""},
        )
        if row is None:
            break
        found.append(row["event"])
    return found


def remove_some(tx: Transaction, integration_seq: int, limit: int) -> int:
    """Remove up to `limit` deliveries of an integration; return how many went."""
    return tx.run(
        """DELETE FROM deliveries WHERE seq IN (SELECT seq FROM deliveries
            WHERE integration_seq = :integration_seq ORDER BY seq LIMIT :limit)""",
        {"integration_seq": integration_seq, "limit": limit},
    )


def drop_payloads(tx: Transaction, before: int, limit: int) -> int:
    """Drop the payloads of up to `limit` deliveries received before a time; return how many."""
    return tx.run(
        """UPDATE deliveries SET payload = NULL WHERE seq IN (SELECT seq FROM deliveries
            WHERE received_at < :before AND payload IS NOT NULL AND next_attempt_at IS NULL
            ORDER BY received_at LIMIT :limit)""",
        {"before": before, "limit": limit},
    )


def remove_old(tx: Transaction, before: int, limit: int) -> int:
    """Remove up to `limit` of the oldest deliveries, received before a time; return how many.

    The last one of each integration stays: it tells when GitHub was last heard of.
    """
    return tx.run(
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


def any_received(tx: Transaction) -> bool:
    """Tell whether GitHub has been heard of through an integration that there is."""
    found = tx.one(
        """SELECT 1 FROM integrations WHERE deleted_at IS NULL AND EXISTS (SELECT 1 FROM deliveries
            WHERE deliveries.integration_seq = integrations.seq) LIMIT 1"""
    )
    return found is not None


def last_received_at_all(tx: Transaction) -> int | None:
    """Return when GitHub was last heard of through an integration that there is."""
    row = tx.one(
        """SELECT MAX((SELECT received_at FROM deliveries
                WHERE deliveries.integration_seq = integrations.seq ORDER BY seq DESC LIMIT 1)
            ) AS received_at FROM integrations WHERE deleted_at IS NULL"""
    )
    return row["received_at"] if row else None
