"""What is stored of a delivery, just arrived or of old, and what can become of it."""

import random
import re
import zlib
from collections.abc import Sequence
from typing import Any, ClassVar

from msgspec import Struct

from bot import jsontext, times
from bot import storage as store
from bot.deliveries.admission import Waiting
from bot.domain.allowed import NotAllowed, Scope
from bot.domain.integrations import Integration, scope_of
from bot.emails import without_emails
from bot.github.delivered import DeliveredEvent
from bot.github.payloads import InvalidPayload
from bot.handlers.dispatch import Dispatcher, Handler

MAX_ATTEMPTS = 10  # then `failed`; the waits between them add up to about four hours
_FIRST_WAIT = 30 * times.SECOND
_LONGEST_WAIT = 7_200 * times.SECOND
_LONGEST_ACTION = 100  # characters that a list shows
_LONGEST_ERROR = 500
# What is kept of the headers: what GitHub says of the delivery, never what proxies add.
KEPT_HEADERS = (
    "X-GitHub-Event",
    "X-GitHub-Delivery",
    "X-GitHub-Hook-ID",
    "X-GitHub-Hook-Installation-Target-ID",
    "X-GitHub-Hook-Installation-Target-Type",
    "X-GitHub-Enterprise-Host",
    "X-GitHub-Enterprise-Version",
    "Content-Type",
    "User-Agent",
)
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ID = re.compile(r"[ -~]{1,128}")


class Outcome(Struct, frozen=True):
    """What became of a delivery: its name in the log, what is stored, and what GitHub is told."""

    name: str
    status: str
    answer: dict[str, Any]
    error: str | None = None


def _unprocessed(name: str, status: str, reason: str, error: str | None = None) -> Outcome:
    return Outcome(name, status, {"processed": False, "reason": reason}, error)


PROCESSED = Outcome("processed", "processed", {"processed": True})
DUPLICATE = Outcome("duplicate", "processed", {"processed": True, "duplicate": True})
NO_HANDLER = _unprocessed("ignored", "ignored", "no handler")
_REFUSAL = "repository not allowed"
NOT_ALLOWED = _unprocessed("not allowed", "ignored", _REFUSAL, _REFUSAL)
WAITING = _unprocessed("failed", "retrying", "will be retried", "waiting for GitHub")


def outcome_of(failure: Exception) -> Outcome:
    """Return what becomes of a delivery whose handlers could not be run to their end."""
    match failure:
        case NotAllowed():
            return NOT_ALLOWED
        case Waiting():
            return WAITING
        case InvalidPayload():
            said = {"processed": False, "reason": "nothing to take in", "detail": f"{failure}."}
            return Outcome("ignored", "ignored", said, f"{failure}"[:_LONGEST_ERROR])
    error = f"{type(failure).__name__}: {failure}"[:_LONGEST_ERROR]
    return _unprocessed("failed", "retrying", "will be retried", without_emails(error))


def id_of(text: str) -> str | None:
    """Return a delivery's id as it is kept, None if it cannot be one.

    GitHub sends GUIDs, in which case does not matter; emulators send anything.
    """
    if _GUID.fullmatch(text):
        return text.lower()
    return text if _ID.fullmatch(text) else None


class Arriving(Struct, frozen=True):
    """A delivery that has just come, verified by one of the integration's secrets.

    `signed_by` is the position of that secret, `payload` the JSON text, zlib-compressed, and `size`
    what came in bytes. `is_doubted`: the integration has no right to some repository.
    """

    integration: Integration
    signed_by: int
    event: DeliveredEvent
    handlers: Sequence[Handler]
    repository: str | None
    received_at: int
    headers: dict[str, str]
    payload: bytes
    size: int
    is_doubted: bool = False
    is_recovered: ClassVar[bool] = False

    @property
    def is_fenced(self) -> bool:
        """Tell whether its repository matters though nobody handles it."""
        return self.is_doubted or self.scope.entries is not None

    @property
    def scope(self) -> Scope:
        return self.integration.scope

    @property
    def guid(self) -> str:
        return self.event.delivery_id

    @property
    def integration_seq(self) -> int:
        return self.integration.seq

    @property
    def action(self) -> str | None:
        action = self.event.action
        return action[:_LONGEST_ACTION] if action is not None else None

    def touched(self, _: Dispatcher) -> store.Touched:
        """Return what its handlers are going to look at, as far as the payload tells at once."""
        if not self.handlers and not self.is_fenced:
            return store.Touched(
                integration_id=self.integration.id,
                integration_seq=self.integration.seq,
                guid=self.guid,
                host=self.scope.host,
            )
        return _touched(self, self.event)

    def open(self, _: Dispatcher) -> tuple[DeliveredEvent, Sequence[Handler]]:
        return self.event, self.handlers

    def keep(self, tx: store.Transaction, outcome: Outcome) -> Outcome:
        """Store what becomes of it; DUPLICATE if it has come before and there is nothing to do.

        One that was stored but never took effect (no handler then, a repository that was not
        allowed then, a handler that failed) gets its chance when GitHub sends it again. Of a
        repository that is not allowed only the fact is kept, not the payload.
        """
        payload = None if outcome is NOT_ALLOWED else self.payload
        row = store.deliveries.find(tx, self.integration.seq, self.event.delivery_id)
        if row is None:
            added = store.StoredDelivery(
                seq=0,  # is given when it is written
                integration_seq=self.integration.seq,
                guid=self.event.delivery_id,
                event=self.event.event,
                action=self.action,
                repository=self.repository,
                received_at=self.received_at,
                recovered=self.is_recovered,
                headers=self.headers,
                payload=payload,
                **_state(outcome, 1),
            )
            store.deliveries.add(tx, added)
            _tell_integration(tx, self.integration.id, self.event.delivery_id, outcome)
            return outcome
        if row.status == "processed" or outcome is NO_HANDLER:
            return DUPLICATE
        attempts = 1 if outcome.status == "retrying" else row.attempts + 1
        _change(tx, self.integration.id, row, outcome, attempts, payload=payload)
        return outcome


class Recovered(Arriving, frozen=True):
    """A delivery that was read from GitHub's API: for that it is believed, and not for a secret.

    `received_at` is when GitHub first tried to deliver it. It is taken in once, and no longer
    missed then.
    """

    is_recovered: ClassVar[bool] = True

    def keep(self, tx: store.Transaction, outcome: Outcome) -> Outcome:
        kept = super().keep(tx, outcome)
        store.missed.done(tx, self.integration.id, self.guid)
        store.sweeps.count(tx, self.integration.id, **{_counted(kept): 1})
        return kept


def _counted(outcome: Outcome) -> str:
    """Return as what a delivery is counted that was read from GitHub's API."""
    if outcome is NOT_ALLOWED:
        return "not_allowed"
    if outcome is NO_HANDLER:
        return "not_handled"
    return "known" if outcome is DUPLICATE else "taken_in"


class Stored(Struct, frozen=True):
    """A delivery that came before."""

    scope: Scope
    row: store.StoredDelivery

    @classmethod
    def find(cls, tx: store.Transaction, integration_id: str, guid: str) -> "Stored | None":
        integration = store.integrations.find(tx, integration_id)
        if integration is None:
            return None
        row = store.deliveries.find(tx, integration.seq, guid)
        return cls(scope_of(integration), row) if row is not None else None

    @property
    def is_fenced(self) -> bool:
        return True

    @property
    def received_at(self) -> int:
        return self.row.received_at

    def payload(self) -> dict[str, Any] | None:
        """Return what it says; None if that is not kept."""
        packed = self.row.payload
        return jsontext.parse_delivery(zlib.decompress(packed))[0] if packed else None

    def open(self, dispatcher: Dispatcher) -> tuple[DeliveredEvent, Sequence[Handler]]:
        """Return what its handlers are to be told, and them."""
        if self.row.payload is None:
            raise LookupError("the payload is no longer stored")
        text = zlib.decompress(self.row.payload)
        event = dispatcher.event(text, self.row.event, self.row.guid)
        return event, dispatcher.handlers(event)

    def touched(self, dispatcher: Dispatcher) -> store.Touched:
        """Return what its handlers are going to look at, as far as the payload tells at once."""
        return _touched(self, self.open(dispatcher)[0])

    @property
    def guid(self) -> str:
        return self.row.guid

    @property
    def integration_seq(self) -> int:
        return self.row.integration_seq

    def keep(self, tx: store.Transaction, outcome: Outcome) -> Outcome:
        """Store what becomes of it now; what has taken effect before stays processed."""
        if self.row.status != "processed":
            dropped = {"payload": None} if outcome is NOT_ALLOWED else {}
            attempts = self.row.attempts + 1
            _change(tx, self.scope.integration_id, self.row, outcome, attempts, **dropped)
        return outcome


Delivery = Arriving | Stored


def _touched(delivery: Delivery, event: DeliveredEvent) -> store.Touched:
    about, item, scope = event.about, event.item, delivery.scope.where(event.about)
    return store.Touched(
        integration_id=scope.integration_id,
        integration_seq=delivery.integration_seq,
        guid=delivery.guid,
        host=scope.host,
        github_id=about.id if about is not None else None,
        full_name=about.full_name if about is not None else None,
        kind=item[0] if item is not None else None,
        number=item[1] if item is not None else None,
        head_ref=event.head_ref,
        fork=event.fork,
        pushed=event.pushed,
    )


def _change(
    tx: store.Transaction,
    integration_id: str,
    row: store.StoredDelivery,
    outcome: Outcome,
    attempts: int,
    **columns: Any,
) -> None:
    """Store what has become of a delivery that had been stored."""
    store.deliveries.change(tx, row, **_state(outcome, attempts), **columns)
    was_failing = row.status in ("retrying", "failed")
    _tell_integration(tx, integration_id, row.guid, outcome, was_failing=was_failing)


def _state(outcome: Outcome, attempts: int) -> dict[str, Any]:
    """Return the columns that tell what has become of a delivery, and when it is tried again."""
    status, next_attempt_at = outcome.status, None
    if status == "retrying" and attempts >= MAX_ATTEMPTS:
        status = "failed"
    elif status == "retrying":
        wait = min(_FIRST_WAIT * 2 ** (attempts - 1), _LONGEST_WAIT)
        next_attempt_at = times.now() + round(wait * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
    return {
        "status": status,
        "processed_at": times.now() if status == "processed" else None,
        "attempts": attempts,
        "next_attempt_at": next_attempt_at,
        "error": outcome.error,
    }


def _tell_integration(
    tx: store.Transaction,
    integration_id: str,
    guid: str,
    outcome: Outcome,
    *,
    was_failing: bool = False,
) -> None:
    """Keep, as an integration's last error, why a delivery fails, until it does no longer."""
    about = f"delivery {guid}"
    if outcome is WAITING:
        return
    if outcome.status == "retrying":
        store.integrations.set_last_error(tx, integration_id, outcome.error or outcome.name, about)
    elif was_failing:
        store.integrations.clear_last_error(tx, integration_id, about)
