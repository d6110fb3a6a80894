"""Reads from GitHub's API what it could not deliver, and takes it in as if it had come.

It needs no signature: GitHub gave it for our webhook. It makes way for whoever delivers now:
answers are read a few at a time in a process, while half of the room for bodies is free.
"""

import asyncio

import structlog
from isal import isal_zlib

from bot import jsontext
from bot import storage as store
from bot.deliveries import hosts, life
from bot.deliveries.records import KEPT_HEADERS, Outcome, Recovered
from bot.domain.integrations import Integration
from bot.github import Client, Limited, hooks
from bot.github.client import TooLarge
from bot.github.delivered import NoObject
from bot.github.hooks import Lost, Place
from bot.handlers import dispatcher
from bot.log import logger
from bot.services import Services
from bot.web.in_flight import MOST_HELD, InFlight

# What another GitHub has sent, which the door would refuse.
WRONG_HOST = Outcome("wrong host", "ignored", {"processed": False, "reason": "wrong host"})
_AT_ONCE = 4  # answers, of several integrations
_ROOM = MOST_HELD // 2  # bytes that are held in all while an answer is read
_LONGEST_HEADER = 1000  # characters
_PAUSE = 5.0  # seconds, where there is no room


def _turns(_: Services) -> asyncio.Semaphore:
    return asyncio.Semaphore(_AT_ONCE)


class _Held:
    """What has come of one answer, for as long as it is held."""

    def __init__(self, services: Services) -> None:
        self._in_flight = services.shared(InFlight)
        self._size = 0

    def more(self, size: int) -> None:
        """Count what has come; raises Limited where others need the room."""
        if self._in_flight.held + size > _ROOM:
            raise Limited("what others send leaves no room for a payload now", _PAUSE)
        self._in_flight.held += size
        self._size += size

    def __enter__(self) -> "_Held":
        return self

    def __exit__(self, *_: object) -> None:
        self._in_flight.held -= self._size


async def take_in(
    services: Services,
    integration: Integration,
    client: Client,
    missed: store.Missed,
    at: tuple[str, Place],
) -> Outcome | None:
    """Read a delivery and take it in; None if it is no longer missed.

    `at` is the address of what its webhook has delivered. Raises CallFailed, and Lost.
    """
    bound = structlog.contextvars.bound_contextvars(delivery=missed.guid)
    async with services.shared(_turns):
        with _Held(services) as held, bound:
            try:
                answer = await hooks.fetched(client, *at, missed.delivery_id, held.more)
            except TooLarge as error:
                raise Lost(str(error)) from None
            is_large = len(answer) > life.LARGE
            made = (services, integration, missed, answer)
            delivery = await asyncio.to_thread(_opened, *made) if is_large else _opened(*made)
            del answer, made
            outcome = await _taken_in(services, delivery)
            if outcome is not None:
                _tell(services, delivery, outcome)
            return outcome


def _opened(
    services: Services, integration: Integration, missed: store.Missed, answer: bytes | bytearray
) -> Recovered:
    """Return what an answer of GitHub's has of a delivery; raises Lost."""
    sent = hooks.sent_with(answer, missed.guid)
    known = services.shared(dispatcher)
    try:
        event = known.event(sent.text, missed.event, missed.guid)
    except (jsontext.InvalidJSON, NoObject):
        raise Lost("what GitHub has of it is no payload") from None
    kept = {
        name: sent.headers[name.lower()][:_LONGEST_HEADER]
        for name in KEPT_HEADERS
        if name.lower() in sent.headers
    }
    return Recovered(
        integration=integration,
        signed_by=0,
        event=event,
        handlers=known.handlers(event),
        repository=event.about.full_name if event.about else None,
        received_at=missed.first_at,
        headers=kept,
        payload=isal_zlib.compress(event.text, 0),
        size=len(sent.text),
    )


async def _taken_in(services: Services, delivery: Recovered) -> Outcome | None:
    """Take a delivery in; None if it is no longer missed. One of another GitHub is refused."""
    told = delivery.headers.get("X-GitHub-Enterprise-Host")
    if told is None or not hosts.is_another([told], delivery.integration):
        return await life.recover(services, delivery)
    await hosts.tell(services, delivery.integration)

    def refuse(tx: store.Transaction) -> None:
        store.missed.done(tx, delivery.integration.id, delivery.guid)
        store.sweeps.count(tx, delivery.integration.id, not_allowed=1)

    await services.database.write(refuse, locks=())
    return WRONG_HOST


def _tell(services: Services, delivery: Recovered, outcome: Outcome) -> None:
    event = delivery.event.event if delivery.handlers else "other"
    services.metrics.recovered.labels(event, outcome.name).inc()
    logger.info(
        "delivery recovered",
        integration=delivery.integration.id,
        github_event=delivery.event.event,
        action=delivery.action,
        repository=delivery.repository,
        bytes=delivery.size,
        outcome=outcome.name,
    )
