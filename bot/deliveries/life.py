"""A delivery's life after the door: ingested once, retried if a handler failed, replayed if asked.

It goes the same way each time: its handlers run in the transaction that stores what becomes of it,
so the delivery and its effects commit together. If a handler fails, what all of them have done is
undone, and why is stored instead.
"""

import asyncio
from collections.abc import Callable, Sequence, Set

import msgspec
import structlog

from bot import storage as store
from bot import times
from bot.deliveries import admission, records
from bot.deliveries.hooks import HeardHooks
from bot.deliveries.rights import Denials
from bot.domain.allowed import Contested, NotAllowed, Undecided
from bot.domain.heard import HeardNames
from bot.domain.integrations import note_good, note_secret
from bot.github.payloads import InvalidPayload
from bot.handlers import dispatch, dispatcher
from bot.log import logger
from bot.services import Services

LARGE = 64 * 1024  # bytes from which a delivery is read, and handled, off the event loop
_AT_ONCE = 50  # deliveries that are retried between other work
Find = Callable[[store.Transaction], records.Delivery | None]


class PayloadGone(Exception):
    """The payload of a delivery is no longer stored."""


async def ingest(services: Services, delivery: records.Arriving) -> records.Outcome:
    """Ingest a delivery that has just come, once; it and its effects are committed then."""
    integration = delivery.integration
    if not delivery.handlers and await services.shared(Denials).concern(integration.id):
        delivery = msgspec.structs.replace(delivery, is_doubted=True)

    def arriving(tx: store.Transaction) -> records.Delivery:
        note_secret(tx, integration, delivery.signed_by, delivery.received_at)
        note_good(tx, integration.id)
        return delivery

    outcome = await _take_through(
        services,
        integration.id,
        arriving,
        heavy=delivery.size > LARGE,
        touched=delivery.touched(services.shared(dispatcher)),
    )
    assert outcome is not None  # what arrives is there
    await services.shared(HeardHooks).told_by(delivery)
    about = delivery.event.about
    if outcome is records.PROCESSED and about is not None and about.id is not None:
        host = integration.scope.where(about).host
        services.shared(HeardNames).heard(host, about.id, about.full_name)
    return outcome


async def recover(services: Services, delivery: records.Recovered) -> records.Outcome | None:
    """Take in a delivery that was read from GitHub's API, once, as if it had come.

    None if it is no longer missed, or its integration takes nothing in any more. What it says of
    names is old, and no secret has signed it.
    """
    integration_id = delivery.integration.id
    if not delivery.handlers and await services.shared(Denials).concern(integration_id):
        delivery = msgspec.structs.replace(delivery, is_doubted=True)

    def missed(tx: store.Transaction) -> records.Delivery | None:
        integration = store.integrations.find(tx, integration_id)
        is_wanted = integration is not None and integration.is_active
        is_missed = is_wanted and store.missed.is_there(tx, integration_id, delivery.guid)
        return delivery if is_missed else None

    return await _take_through(
        services,
        integration_id,
        missed,
        heavy=delivery.size > LARGE,
        touched=delivery.touched(services.shared(dispatcher)),
    )


async def retry_due(services: Services) -> None:
    """Run the handlers of every delivery whose next attempt is due, each in its transaction.

    Those of an integration in their order, but beside those of others: GitHub may have to be asked,
    and keep one of them waiting.
    """
    now = times.now()
    rows = await services.database.read(lambda tx: store.deliveries.due(tx, now, _AT_ONCE))
    guids: dict[str, list[str]] = {}
    for row in rows:
        guids.setdefault(row.integration_id, []).append(row.guid)
    retrying = [_retry_in_order(services, *one, now) for one in guids.items()]
    results = await asyncio.gather(*retrying, return_exceptions=True)
    for failure in filter(None, results):
        raise failure


async def _retry_in_order(
    services: Services, integration_id: str, guids: Sequence[str], now: int
) -> None:
    for guid in guids:
        with structlog.contextvars.bound_contextvars(integration=integration_id, delivery=guid):
            await _retry(services, integration_id, guid, now)


async def _retry(services: Services, integration_id: str, guid: str, now: int) -> None:
    def due(tx: store.Transaction) -> records.Delivery | None:
        found = records.Stored.find(tx, integration_id, guid)
        at = found.row.next_attempt_at if found else None
        return found if at is not None and at <= now else None  # another worker may be first

    touched = await _touched(services, integration_id, due)
    outcome = await _take_through(services, integration_id, due, touched=touched)
    if outcome is not None:
        logger.info("delivery retried", outcome=outcome.name)


async def replay(
    services: Services,
    integration_id: str,
    guid: str,
    note: Callable[[store.Transaction, store.StoredDelivery], None],
) -> records.Outcome | None:
    """Run the handlers of a stored delivery again; None if there is none. Raises PayloadGone.

    If they had succeeded before, nothing changes. `note` is called in the transaction that keeps
    what came of it.
    """

    def stored(tx: store.Transaction) -> records.Stored | None:
        return records.Stored.find(tx, integration_id, guid)

    found = await services.database.read(stored)
    if found is not None and found.row.payload is None:
        raise PayloadGone
    touched = await _touched(services, integration_id, stored)

    def replayed(tx: store.Transaction) -> records.Stored | None:
        found = stored(tx)
        if found is not None:
            note(tx, found.row)
        return found

    return await _take_through(services, integration_id, replayed, touched=touched)


async def _touched(services: Services, integration_id: str, find: Find) -> store.Touched | None:
    """Return what the handlers of a stored delivery are going to look at."""
    known = services.shared(dispatcher)

    def job(tx: store.Transaction) -> store.Touched | None:
        found = find(tx)
        if found is None or (isinstance(found, records.Stored) and found.row.payload is None):
            return None
        return found.touched(known)

    return await services.database.read(job)


async def _take_through(
    services: Services,
    integration_id: str,
    find: Find,
    *,
    heavy: bool = False,
    touched: store.Touched | None = None,
) -> records.Outcome | None:
    """Let the delivery that `find` returns take effect, or store why it cannot.

    None if there is none, or none any more. Raises StorageUnavailable.
    """
    known = services.shared(dispatcher)

    def attempt(tx: store.Transaction, confirmed: Set[tuple[str, int]]) -> records.Outcome | None:
        delivery = find(tx)
        return _attempt(tx, known, delivery, confirmed) if delivery is not None else None

    try:
        return await admission.write(
            services, integration_id, attempt, heavy=heavy, touched=touched
        )
    except store.StorageUnavailable:
        raise
    except Exception as failure:
        if not isinstance(failure, admission.Waiting | NotAllowed | InvalidPayload):
            logger.exception("a handler failed")
        outcome = records.outcome_of(failure)

    def keep(tx: store.Transaction) -> records.Outcome | None:
        delivery = find(tx)
        return delivery.keep(tx, outcome) if delivery is not None else None

    return await services.database.write(keep, touched=touched)


def _attempt(
    tx: store.Transaction,
    dispatcher: dispatch.Dispatcher,
    delivery: records.Delivery,
    confirmed: Set[tuple[str, int]],
) -> records.Outcome:
    """Run the handlers of a delivery, unless it is not allowed or had been ingested before.

    Raises what the handlers raise, and Undecided if GitHub has to be asked first.
    """
    event, handlers = delivery.open(dispatcher)
    told = dispatch.Delivery.of(tx, delivery.scope, event, delivery.received_at, confirmed)
    try:
        if handlers or delivery.is_fenced:
            told.admit(event)
    except NotAllowed as refusal:
        if handlers and isinstance(refusal, Undecided):
            raise
        if not isinstance(refusal, Contested):
            return delivery.keep(tx, records.NOT_ALLOWED)
    kept = delivery.keep(tx, records.PROCESSED if handlers else records.NO_HANDLER)
    if kept is not records.DUPLICATE:
        store.deliveries.take_in_hand(tx, delivery.integration_seq, delivery.guid)
        dispatcher.run(handlers, event, told)
    return kept
