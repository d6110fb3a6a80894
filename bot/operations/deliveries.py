"""An integration's deliveries: what GitHub sent, and running it again."""

from collections.abc import Callable, Set
from typing import TypeVar

import msgspec
import structlog

from bot import storage as store
from bot.deliveries import admission, life
from bot.domain.actors import Actor, log_change
from bot.domain.errors import Conflict, NotFound
from bot.domain.integrations import scope_of
from bot.domain.repositories import NotAllowed
from bot.github.payloads import InvalidPayload
from bot.handlers import dispatcher
from bot.log import logger
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


async def get(services: Services, integration_id: str, given_id: str) -> store.StoredDelivery:
    """Return a delivery, whose id may be given in upper case."""
    guid = life.id_of(given_id) or given_id

    def job(tx: store.Transaction) -> store.StoredDelivery:
        return _find(tx, integration_id, guid)[1]

    return await services.database.read(job)


async def replay(
    services: Services, actor: Actor, integration_id: str, given_id: str
) -> store.Delivery:
    """Run a delivery's handlers again; return how it went this time.

    It changes nothing if they had succeeded. What had taken effect stays `processed` whatever a
    replay does, so only the `error` that is returned can tell of a failure.
    """
    database, guid = services.database, life.id_of(given_id) or given_id
    structlog.contextvars.bind_contextvars(delivery=guid)

    def again(tx: store.Transaction, confirmed: Set[tuple[str, int]]) -> None:
        integration, row = _find(tx, integration_id, guid)
        life.run_again(tx, services.shared(dispatcher), scope_of(integration), row, confirmed)

    def failed(tx: store.Transaction, failure: Exception) -> None:
        integration, row = _find(tx, integration_id, guid)
        life.fail_again(tx, integration.id, row, failure)

    loaded = await services.integration(integration_id)
    if loaded is None:
        raise NotFound("integration")
    said: str | None = None  # why it failed this time
    try:
        await admission.write(services, loaded, again)
    except (store.StorageUnavailable, NotFound):
        raise
    except life.PayloadGone:
        raise Conflict("payload_gone") from None
    except Exception as error:
        if not isinstance(error, life.Waiting | NotAllowed | InvalidPayload):
            logger.exception("a handler failed")
        failure = error
        said = life.describe(failure)
        await database.write(lambda tx: failed(tx, failure))
    log_change(actor, "delivery replayed")
    found = await get(services, integration_id, guid)
    return msgspec.structs.replace(found, error=said) if said else found


def _find(
    tx: store.Transaction, integration_id: str, guid: str
) -> tuple[store.Integration, store.StoredDelivery]:
    integration = store.integrations.find(tx, integration_id)
    row = store.deliveries.find(tx, integration.seq, guid) if integration is not None else None
    if integration is None or row is None:
        raise NotFound("delivery")
    return integration, row
