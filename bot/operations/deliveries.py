"""An integration's deliveries: what GitHub sent, and running it again."""

from collections.abc import Callable
from typing import TypeVar

import msgspec
import structlog

from bot import storage as store
from bot.deliveries import life
from bot.deliveries.records import Stored, id_of
from bot.domain.actors import Actor, log_change
from bot.domain.errors import Conflict, NotFound
from bot.services import Services

T = TypeVar("T")


async def read(
    services: Services,
    integration_id: str,
    job: Callable[[store.Transaction, store.Integration], T],
) -> T:
    """Return what a job finds of an integration, if there is one."""

    def checked(tx: store.Transaction) -> T:
        integration = store.integrations.find(tx, integration_id)
        if integration is None:
            raise NotFound("integration")
        return job(tx, integration)

    return await services.database.read(checked)


async def get(services: Services, integration_id: str, given_id: str) -> Stored:
    """Return a delivery with what was sent. Its id may be given in upper case."""
    guid = id_of(given_id) or given_id
    found = await services.database.read(lambda tx: Stored.find(tx, integration_id, guid))
    if found is None:
        raise NotFound("delivery")
    return found


async def replay(
    services: Services, actor: Actor, integration_id: str, given_id: str
) -> store.Delivery:
    """Run a delivery's handlers again; return how it went this time.

    It changes nothing if they had succeeded. What had taken effect stays `processed` whatever a
    replay does, so only the `error` that is returned can tell of a failure.
    """
    guid = id_of(given_id) or given_id
    structlog.contextvars.bind_contextvars(delivery=guid)
    await read(services, integration_id, lambda _, integration: integration)
    try:
        outcome = await life.replay(services, integration_id, guid)
    except life.PayloadGone:
        raise Conflict("payload_gone") from None
    if outcome is None:
        raise NotFound("delivery")
    log_change(actor, "delivery replayed")
    row = (await get(services, integration_id, guid)).row
    return msgspec.structs.replace(row, error=outcome.error or row.error)
