"""An integration's deliveries: what GitHub sent, and running it again."""

import msgspec
import structlog

from bot import storage as store
from bot.deliveries import life
from bot.deliveries.records import Stored, id_of
from bot.domain import audit
from bot.domain.actors import Actor
from bot.domain.errors import Conflict
from bot.operations import found, integrations
from bot.services import Services


async def get(services: Services, integration_id: str, given_id: str) -> Stored:
    """Return a delivery with what was sent. Its id may be given in upper case."""
    guid = _guid(given_id)
    return found(
        await services.database.read(lambda tx: Stored.find(tx, integration_id, guid)), "delivery"
    )


async def replay(
    services: Services, actor: Actor, integration_id: str, given_id: str
) -> store.Delivery:
    """Run a delivery's handlers again; return how it went this time.

    It changes nothing if they had succeeded. What had taken effect stays `processed` whatever a
    replay does, so only the `error` that is returned can tell of a failure.
    """
    guid = _guid(given_id)
    structlog.contextvars.bind_contextvars(delivery=guid)
    await services.database.read(lambda tx: integrations.find(tx, integration_id))

    def note(tx: store.Transaction, row: store.StoredDelivery) -> None:
        name = f"{row.event}.{row.action}" if row.action else row.event
        target = audit.Target("delivery", guid, name)
        audit.record(tx, actor, audit.DELIVERY_REPLAYED, target)

    try:
        outcome = found(await life.replay(services, integration_id, guid, note), "delivery")
    except life.PayloadGone:
        raise Conflict("payload_gone") from None
    row = (await get(services, integration_id, guid)).row
    return msgspec.structs.replace(row, error=outcome.error or row.error)


def _guid(given_id: str) -> str:
    """Return a delivery's id as it is kept; raises NotFound for what cannot be one."""
    return found(id_of(given_id), "delivery")
