"""Queries for deliveries: what GitHub sent, and what became of it."""

from typing import Any

from bot.storage import query
from bot.storage.columns import Snapshot
from bot.storage.database import Transaction
from bot.storage.joined import DueDelivery, ToldDelivery
from bot.storage.known_rows import KnownRows, known_rows
from bot.storage.query import Part, Place
from bot.storage.rows import Delivery, StoredDelivery

_LISTED = """seq, guid, event, action, repository, status, received_at, processed_at, attempts,
    error, recovered"""


def known(tx: Transaction) -> KnownRows[StoredDelivery]:
    """Return the deliveries that a transaction knows, by integration and guid."""
    return known_rows(tx, StoredDelivery, ("integration_seq", "guid"), "seq")


def add(tx: Transaction, delivery: StoredDelivery) -> None:
    """Store a delivery, which this integration does not have yet."""
    known(tx).add(delivery)


def find(tx: Transaction, integration_seq: int, guid: str) -> StoredDelivery | None:
    return known(tx).find(integration_seq, guid)


def change(tx: Transaction, delivery: StoredDelivery, **columns: Any) -> None:
    known(tx).change(delivery, **columns)


def take_in_hand(tx: Transaction, integration_seq: int, guid: str) -> None:
    """Note which delivery the present job is about."""
    tx.in_hand = (integration_seq, guid)


def tell(tx: Transaction, item_id: int, snapshot: Snapshot) -> bool:
    """Keep, beside the delivery in hand, what it says of an item.

    False if there is none in hand, or if it has said something of another.
    """
    delivery = known(tx).find(*tx.in_hand) if tx.in_hand is not None else None
    if delivery is None or delivery.item_id not in (None, item_id):
        return False
    change(tx, delivery, item_id=item_id, told=snapshot)
    return True


def told_of(tx: Transaction, item_id: int) -> list[ToldDelivery]:
    """Return what deliveries have said of an item, as far as it is kept beside them."""
    sql = """SELECT seq, integration_seq, guid, told FROM deliveries
        WHERE item_id = :item_id AND told IS NOT NULL ORDER BY seq"""
    return query.select(tx, ToldDelivery, sql, item_id=item_id)


def due(tx: Transaction, now: int, limit: int) -> list[DueDelivery]:
    """Return the deliveries whose next attempt is due, the longest waiting first."""
    sql = """SELECT deliveries.seq, deliveries.guid, integrations.id AS integration_id
        FROM deliveries JOIN integrations ON integrations.seq = deliveries.integration_seq
        WHERE next_attempt_at <= :now AND next_attempt_at IS NOT NULL
        ORDER BY next_attempt_at LIMIT :limit"""
    return query.select(tx, DueDelivery, sql, now=now, limit=limit)


def next_due(tx: Transaction) -> int | None:
    """Return when the next delivery is to be retried."""
    sql = "SELECT MIN(next_attempt_at) FROM deliveries WHERE next_attempt_at IS NOT NULL"
    return query.number(tx, sql)


def listed(
    tx: Transaction,
    integration_seq: int,
    status: str | None,
    event: str | None,
    before: Place | None,
    limit: int,
) -> Part[Delivery]:
    """Return an integration's deliveries without payloads, newest first."""
    sql = f"SELECT {_LISTED} FROM deliveries"
    where = [
        "integration_seq = :integration_seq",
        "status = :status" if status else None,
        "event = :event" if event else None,
    ]
    known = {"integration_seq": integration_seq, "status": status, "event": event}
    return query.page(tx, Delivery, sql, where, {"seq": "seq"}, before, limit, **known)


def last_received(tx: Transaction, integration_seq: int) -> int | None:
    """Return when GitHub last reached the bot: what was recovered says nothing of that."""
    sql = """SELECT received_at FROM deliveries WHERE integration_seq = :integration_seq
        AND recovered = 0 ORDER BY seq DESC LIMIT 1"""
    return query.number(tx, sql, integration_seq=integration_seq)


def failures(tx: Transaction, integration_seq: int, since: int, limit: int) -> dict[str, int]:
    """Return how many deliveries since a time have not taken effect, by status, up to `limit`."""
    return {
        status: sum(
            delivery.received_at >= since
            for delivery in listed(tx, integration_seq, status, None, None, limit)
        )
        for status in ("failed", "retrying")
    }


def failing(tx: Transaction, integration_seq: int, after: int, limit: int) -> list[Delivery]:
    """Return the deliveries that have not taken effect, oldest first, after a seq."""
    sql = f"""SELECT {_LISTED} FROM deliveries WHERE integration_seq = :integration_seq
            AND status = :status AND seq > :after AND payload IS NOT NULL
            ORDER BY seq LIMIT :limit"""
    known = {"integration_seq": integration_seq, "after": after, "limit": limit}
    found = [
        delivery
        for status in ("failed", "retrying")
        for delivery in query.select(tx, Delivery, sql, status=status, **known)
    ]
    return sorted(found, key=lambda delivery: delivery.seq)[:limit]


def events_of(tx: Transaction, integration_seq: int, limit: int) -> list[str]:
    """Return the names of the events of an integration's deliveries, in order."""
    sql = """SELECT event FROM deliveries WHERE integration_seq = :integration_seq
        AND event > :last ORDER BY event LIMIT 1"""
    found: list[str] = []
    while len(found) < limit:  # one step into the index for each name, however many deliveries
        last = found[-1] if found else ""
        event = query.value(tx, sql, integration_seq=integration_seq, last=last)
        if event is None:
            break
        found.append(event)
    return found


def remove_some(tx: Transaction, integration_seq: int, limit: int) -> int:
    """Remove up to `limit` deliveries of an integration; return how many went."""
    sql = """DELETE FROM deliveries WHERE seq IN (SELECT seq FROM deliveries
        WHERE integration_seq = :integration_seq ORDER BY seq LIMIT :limit)"""
    return tx.run(sql, {"integration_seq": integration_seq, "limit": limit})


def drop_payloads(tx: Transaction, before: int, limit: int) -> int:
    """Drop the payloads of up to `limit` deliveries received before a time; return how many."""
    sql = """UPDATE deliveries SET payload = NULL WHERE seq IN (SELECT seq FROM deliveries
        WHERE received_at < :before AND payload IS NOT NULL AND next_attempt_at IS NULL
        ORDER BY received_at LIMIT :limit)"""
    return tx.run(sql, {"before": before, "limit": limit})


def remove_old(tx: Transaction, before: int, limit: int) -> int:
    """Remove up to `limit` of the oldest deliveries, received before a time; return how many.

    The last one of each integration stays: it tells when GitHub was last heard of.
    """
    sql = """DELETE FROM deliveries WHERE seq IN (
        SELECT seq FROM (SELECT seq, integration_seq, received_at, next_attempt_at
            FROM deliveries ORDER BY seq LIMIT :window) AS oldest
        WHERE received_at < :before AND next_attempt_at IS NULL AND EXISTS (
            SELECT 1 FROM deliveries AS later
            WHERE later.integration_seq = oldest.integration_seq
                AND later.seq > oldest.seq)
        ORDER BY seq LIMIT :limit)"""
    return tx.run(sql, {"before": before, "limit": limit, "window": 10 * limit})


def any_received(tx: Transaction) -> bool:
    """Tell whether GitHub has been heard of through an integration that there is."""
    sql = """SELECT 1 FROM integrations WHERE deleted_at IS NULL
        AND EXISTS (SELECT 1 FROM deliveries WHERE deliveries.integration_seq = integrations.seq)
        LIMIT 1"""
    return query.exists(tx, sql)


def last_received_at_all(tx: Transaction) -> int | None:
    """Return when GitHub was last heard of through an integration that there is."""
    sql = """SELECT MAX((SELECT received_at FROM deliveries
            WHERE deliveries.integration_seq = integrations.seq AND recovered = 0
            ORDER BY seq DESC LIMIT 1)
        ) AS received_at FROM integrations WHERE deleted_at IS NULL"""
    return query.number(tx, sql)
