"""A delivery's life after the door: taken in once, retried if a handler failed, replayed if asked.

Everything here runs inside a transaction; the delivery's row and its effects commit together.
"""

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from gidgethub.sansio import Event

from bot import jsontext, times
from bot.domain.emails import without_emails
from bot.handlers.dispatch import Delivery, Dispatcher, Handler
from bot.storage import deliveries as storage
from bot.storage import integrations
from bot.storage.database import Row, Transaction

MAX_ATTEMPTS = 10  # then `failed`; the waits between them add up to about four hours
_FIRST_WAIT = 30 * times.SECOND
_LONGEST_WAIT = 7_200 * times.SECOND


@dataclass(frozen=True, slots=True)
class Arrival:
    """A verified delivery. `payload` is its JSON text, zlib-compressed."""

    integration_seq: int
    integration_id: str
    host: str
    event: Event
    repository: str | None
    received_at: int
    headers: dict[str, str]
    payload: bytes

    @property
    def guid(self) -> str:
        return self.event.delivery_id

    @property
    def action(self) -> str | None:
        action = self.event.data.get("action")
        return action if isinstance(action, str) else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivery, and what GitHub is told."""

    name: str
    status: int
    answer: dict[str, Any]


PROCESSED = Outcome("processed", 200, {"processed": True})
DUPLICATE = Outcome("duplicate", 200, {"processed": True, "duplicate": True})
NO_HANDLER = Outcome("ignored", 200, {"processed": False, "reason": "no handler"})
NOT_ALLOWED = Outcome("not allowed", 200, {"processed": False, "reason": "repository not allowed"})
RETRYING = Outcome("failed", 202, {"processed": False, "reason": "will be retried"})


class PayloadGone(Exception):
    """The payload of a delivery is no longer stored."""


def take_in(
    transaction: Transaction,
    dispatcher: Dispatcher,
    handlers: Sequence[Handler],
    arrival: Arrival,
    *,
    refused: bool,
) -> Outcome:
    """Store a delivery and run its handlers, unless it was taken in before.

    One that was stored but never took effect (no handler then, a repository that was not allowed
    then, a handler that failed) gets its chance when GitHub sends it again. Of a repository that
    is not allowed, only the fact is kept, not the payload.
    """
    outcome = NOT_ALLOWED if refused else PROCESSED if handlers else NO_HANDLER
    status = "processed" if outcome is PROCESSED else "ignored"
    error = "repository not allowed" if refused else None
    columns = _columns(arrival, status, error)
    if refused:
        columns["payload"] = None
    if not storage.add(transaction, columns):
        row = storage.find(transaction, arrival.integration_seq, arrival.guid)
        assert row is not None
        if row["status"] == "processed" or outcome is NO_HANDLER:
            return DUPLICATE
        if refused:
            return outcome
        _settle(transaction, row, "processed", None)
        storage.set_payload(transaction, row["seq"], arrival.payload)
    delivery = Delivery.of(
        transaction, arrival.integration_id, arrival.host, arrival.event, arrival.received_at
    )
    dispatcher.run(handlers, arrival.event, delivery)
    return outcome


def keep_failed(transaction: Transaction, arrival: Arrival, failure: Exception) -> Outcome:
    """Store a delivery whose handlers failed, to be tried again."""
    error = describe(failure)
    storage.add(transaction, _columns(arrival, "retrying", error))
    row = storage.find(transaction, arrival.integration_seq, arrival.guid)
    assert row is not None
    if row["status"] != "processed":
        _schedule(transaction, row, 1, error)
        storage.set_payload(transaction, row["seq"], arrival.payload)
    integrations.set_last_error(transaction, arrival.integration_id, error)
    return RETRYING


def run_again(
    transaction: Transaction,
    dispatcher: Dispatcher,
    integration_id: str,
    host: str,
    row: Row,
) -> None:
    """Run the handlers of a stored delivery; raises what they raise, or PayloadGone.

    If the handlers had succeeded before, nothing changes.
    """
    if row["payload"] is None:
        raise PayloadGone
    data = jsontext.parse(zlib.decompress(row["payload"]))
    event = Event(data, event=row["event"], delivery_id=row["guid"])
    handlers = dispatcher.handlers(event)
    delivery = Delivery.of(transaction, integration_id, host, event, row["received_at"])
    dispatcher.run(handlers, event, delivery)
    if row["status"] != "processed":
        _settle(transaction, row, "processed" if handlers else "ignored", None)
        integrations.set_last_error(transaction, integration_id, None)


def fail_again(transaction: Transaction, integration_id: str, row: Row, failure: Exception) -> None:
    """Note that another attempt failed: wait longer, or give up after MAX_ATTEMPTS.

    A delivery that had taken effect before stays processed.
    """
    if row["status"] == "processed":
        return
    _schedule(transaction, row, row["attempts"] + 1, describe(failure))
    integrations.set_last_error(transaction, integration_id, describe(failure))


def describe(failure: Exception) -> str:
    """Return a failure as one line for people."""
    return without_emails(f"{type(failure).__name__}: {failure}"[:500])


def _columns(arrival: Arrival, status: str, error: str | None) -> dict[str, Any]:
    return {
        "integration_seq": arrival.integration_seq,
        "guid": arrival.guid,
        "event": arrival.event.event,
        "action": arrival.action,
        "repository": arrival.repository,
        "status": status,
        "received_at": arrival.received_at,
        "processed_at": times.now() if status == "processed" else None,
        "attempts": 1,
        "next_attempt_at": None,
        "error": error,
        "headers": msgspec.json.encode(arrival.headers).decode(),
        "payload": arrival.payload,
    }


def _settle(transaction: Transaction, row: Row, status: str, error: str | None) -> None:
    storage.update(
        transaction,
        row["seq"],
        status=status,
        processed_at=times.now() if status == "processed" else None,
        attempts=row["attempts"] + 1,
        next_attempt_at=None,
        error=error,
    )


def _schedule(transaction: Transaction, row: Row, attempts: int, error: str) -> None:
    wait = min(_FIRST_WAIT * 2 ** (attempts - 1), _LONGEST_WAIT)
    gives_up = attempts >= MAX_ATTEMPTS
    storage.update(
        transaction,
        row["seq"],
        status="failed" if gives_up else "retrying",
        processed_at=None,
        attempts=attempts,
        next_attempt_at=None if gives_up else times.now() + round(wait * random.uniform(0.8, 1.2)),  # noqa: S311 - jitter
        error=error,
    )
