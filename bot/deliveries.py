"""A delivery's life after the door: taken in once, retried if a handler failed, replayed if asked.

Everything here runs inside a transaction; the delivery's row and its effects commit together.
"""

import random
import re
import zlib
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

import msgspec
from gidgethub.sansio import Event

from bot import jsontext, times
from bot import storage as store
from bot.domain.repositories import NotAllowed, Scope, Unconfirmed
from bot.emails import without_emails
from bot.github.payloads import InvalidPayload
from bot.handlers.dispatch import Delivery, Dispatcher, Handler

MAX_ATTEMPTS = 10  # then `failed`; the waits between them add up to about four hours
_FIRST_WAIT = 30 * times.SECOND
_LONGEST_WAIT = 7_200 * times.SECOND
_LONGEST_ACTION = 100  # characters that a list shows
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ID = re.compile(r"[ -~]{1,128}")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A verified delivery. `payload` is its JSON text, zlib-compressed."""

    integration_seq: int
    scope: Scope
    event: Event
    repository: str | None
    received_at: int
    headers: dict[str, str]
    payload: bytes

    @property
    def integration_id(self) -> str:
        return self.scope.integration_id

    @property
    def guid(self) -> str:
        return self.event.delivery_id

    @property
    def action(self) -> str | None:
        action = self.event.data.get("action")
        return action[:_LONGEST_ACTION] if isinstance(action, str) else None


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


class Waiting(Exception):
    """Only GitHub can tell whether a delivery is allowed, and it cannot be asked now."""

    def __init__(self) -> None:
        super().__init__("waiting for GitHub")


def id_of(text: str) -> str | None:
    """Return a delivery's id as it is kept, None if it cannot be one.

    GitHub sends GUIDs, in which case does not matter; emulators send anything.
    """
    if _GUID.fullmatch(text):
        return text.lower()
    return text if _ID.fullmatch(text) else None


def take_in(
    tx: store.Transaction,
    dispatcher: Dispatcher,
    handlers: Sequence[Handler],
    arrival: Arrival,
    confirmed: Set[tuple[str, int]],
) -> Outcome:
    """Store a delivery and run its handlers, unless it was taken in before.

    One that was stored but never took effect (no handler then, a repository that was not allowed
    then, a handler that failed) gets its chance when GitHub sends it again. Raises what the
    handlers raise, and Unconfirmed if GitHub has to be asked first.
    """
    delivery = Delivery.of(tx, arrival.scope, arrival.event, arrival.received_at, confirmed)
    try:
        delivery.admit(arrival.event)
    except NotAllowed as refusal:
        return keep_ignored(tx, arrival, refusal)
    except Unconfirmed:
        if not handlers:  # not worth a question
            return keep_ignored(tx, arrival, NotAllowed())
        raise
    outcome = PROCESSED if handlers else NO_HANDLER
    status = "processed" if outcome is PROCESSED else "ignored"
    if not store.deliveries.add(tx, _columns(arrival, status, None)):
        row = store.deliveries.find(tx, arrival.integration_seq, arrival.guid)
        assert row is not None
        if row["status"] == "processed" or outcome is NO_HANDLER:
            return DUPLICATE
        _settle(tx, row, "processed", None)
        store.deliveries.set_payload(tx, row["seq"], arrival.payload)
    dispatcher.run(handlers, arrival.event, delivery)
    return outcome


def keep_ignored(
    tx: store.Transaction, arrival: Arrival, why: NotAllowed | InvalidPayload
) -> Outcome:
    """Store a delivery that is not taken in, and why.

    Of a repository that is not allowed, only the fact is kept, not the payload.
    """
    outcome = NOT_ALLOWED if isinstance(why, NotAllowed) else _unusable(why)
    columns = _columns(arrival, "ignored", _reason_of(why))
    if isinstance(why, NotAllowed):
        columns["payload"] = None
    if not store.deliveries.add(tx, columns):
        row = store.deliveries.find(tx, arrival.integration_seq, arrival.guid)
        assert row is not None
        if row["status"] == "processed":
            return DUPLICATE
        _ignore(tx, row, why)
    return outcome


def keep_failed(tx: store.Transaction, arrival: Arrival, failure: Exception) -> Outcome:
    """Store a delivery whose handlers failed, or that has to wait, to be tried again."""
    error = describe(failure)
    store.deliveries.add(tx, _columns(arrival, "retrying", error))
    row = store.deliveries.find(tx, arrival.integration_seq, arrival.guid)
    assert row is not None
    if row["status"] == "processed":
        return DUPLICATE
    _schedule(tx, row, 1, error)
    store.deliveries.set_payload(tx, row["seq"], arrival.payload)
    if not isinstance(failure, Waiting):
        store.integrations.set_last_error(tx, arrival.integration_id, error)
    return RETRYING


def run_again(
    tx: store.Transaction,
    dispatcher: Dispatcher,
    scope: Scope,
    row: store.Row,
    confirmed: Set[tuple[str, int]],
) -> None:
    """Run the handlers of a stored delivery; raises what they raise, or PayloadGone.

    If the handlers had succeeded before, nothing changes. Raises NotAllowed or Unconfirmed as when
    it came.
    """
    if row["payload"] is None:
        raise PayloadGone
    data, _ = jsontext.parse_delivery(zlib.decompress(row["payload"]))
    event = Event(data, event=row["event"], delivery_id=row["guid"])
    handlers = dispatcher.handlers(event)
    delivery = Delivery.of(tx, scope, event, row["received_at"], confirmed)
    delivery.admit(event)
    dispatcher.run(handlers, event, delivery)
    if row["status"] != "processed":
        _settle(tx, row, "processed" if handlers else "ignored", None)
        store.integrations.set_last_error(tx, scope.integration_id, None)


def fail_again(
    tx: store.Transaction, integration_id: str, row: store.Row, failure: Exception
) -> None:
    """Note that another attempt failed: wait longer, or give up after MAX_ATTEMPTS.

    A delivery that had taken effect before stays processed; one that turns out not to be allowed,
    or to hold nothing to take in, is not tried again.
    """
    if row["status"] == "processed":
        return
    if isinstance(failure, NotAllowed | InvalidPayload):
        _ignore(tx, row, failure)
        return
    _schedule(tx, row, row["attempts"] + 1, describe(failure))
    if not isinstance(failure, Waiting):
        store.integrations.set_last_error(tx, integration_id, describe(failure))


def describe(failure: Exception) -> str:
    """Return a failure as one line for people."""
    if isinstance(failure, Waiting):
        return str(failure)
    if isinstance(failure, NotAllowed | InvalidPayload):
        return _reason_of(failure)
    return without_emails(f"{type(failure).__name__}: {failure}"[:500])


def _unusable(why: InvalidPayload) -> Outcome:
    answer = {"processed": False, "reason": "nothing to take in", "detail": f"{why}."}
    return Outcome("ignored", 200, answer)


def _reason_of(why: NotAllowed | InvalidPayload) -> str:
    return "repository not allowed" if isinstance(why, NotAllowed) else f"{why}"[:500]


def _ignore(tx: store.Transaction, row: store.Row, why: NotAllowed | InvalidPayload) -> None:
    _settle(tx, row, "ignored", _reason_of(why))
    if isinstance(why, NotAllowed):
        store.deliveries.set_payload(tx, row["seq"], None)


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


def _settle(tx: store.Transaction, row: store.Row, status: str, error: str | None) -> None:
    store.deliveries.update(
        tx,
        row["seq"],
        status=status,
        processed_at=times.now() if status == "processed" else None,
        attempts=row["attempts"] + 1,
        next_attempt_at=None,
        error=error,
    )


def _schedule(tx: store.Transaction, row: store.Row, attempts: int, error: str) -> None:
    wait = min(_FIRST_WAIT * 2 ** (attempts - 1), _LONGEST_WAIT)
    gives_up = attempts >= MAX_ATTEMPTS
    store.deliveries.update(
        tx,
        row["seq"],
        status="failed" if gives_up else "retrying",
        processed_at=None,
        attempts=attempts,
        next_attempt_at=None if gives_up else times.now() + round(wait * random.uniform(0.8, 1.2)),  # noqa: S311 - jitter
        error=error,
    )
