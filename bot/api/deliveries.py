"""An integration's deliveries: what GitHub sent, what became of it, and running it again."""

from typing import Any

import msgspec
import structlog

from bot import storage as store
from bot import times
from bot.api import models
from bot.api.routing import Call, Operations, log_change
from bot.deliveries import life
from bot.deliveries.records import Stored, id_of
from bot.web.problems import Problem, not_found

operations = Operations("Deliveries")
PATH = "/api/v1/integrations/{integration_id}/deliveries"


@operations.add(
    "GET",
    PATH,
    role="viewer",
    summary="List an integration's deliveries",
    query=models.DeliveryQuery,
    answers={200: models.Page[models.Delivery]},
    problems=(404,),
)
async def list_all(call: Call) -> Any:
    """The latest received first."""
    query: models.DeliveryQuery = call.query
    before = call.position(1)

    def job(tx: store.Transaction) -> Any:
        integration = _integration(call, tx)
        if integration is None:
            return None
        rows = store.deliveries.listed(
            tx,
            integration.seq,
            query.status,
            query.event,
            before,
            query.limit,
        )
        return call.page(rows, lambda row: models.Delivery(**_delivery(row)))

    found = await call.services.database.read(job)
    if found is None:
        raise not_found("integration")
    return found


@operations.add(
    "GET",
    f"{PATH}/{{delivery_id}}",
    role="developer",
    summary="Get a delivery with its headers and payload",
    answers={200: models.DeliveryDetail},
    problems=(404,),
)
async def get(call: Call) -> Any:
    """Payloads hold e-mail addresses of authors, so this needs the role developer."""

    def job(tx: store.Transaction) -> models.DeliveryDetail | None:
        found = Stored.find(tx, call.path("integration_id").lower(), _delivery_id(call))
        return _detail(found) if found else None

    found = await call.services.database.read(job)
    if found is None:
        raise not_found("delivery")
    return found


@operations.add(
    "POST",
    f"{PATH}/{{delivery_id}}/replay",
    role="developer",
    summary="Run a delivery's handlers again",
    answers={200: models.Delivery},
    problems=(404, 409),
)
async def replay(call: Call) -> Any:
    """Changes nothing if they had succeeded. The answer tells how it went this time.

    A delivery that had taken effect stays `processed` whatever a replay does; `error` tells if
    it failed now.
    """
    return await run_again(call, _delivery_id(call))


async def run_again(call: Call, guid: str) -> models.Delivery:
    """Replay one delivery of the call's integration; raises Problem."""
    structlog.contextvars.bind_contextvars(delivery=guid)
    integration_id = call.path("integration_id").lower()
    try:
        outcome = await life.replay(call.services, integration_id, guid)
    except life.PayloadGone:
        raise Problem(
            409,
            "payload not kept",
            "The payload of this delivery is not stored; use GitHub's Redeliver button.",
        ) from None
    if outcome is None:
        raise not_found("delivery")
    log_change(call, "delivery replayed")
    found = await call.services.database.read(lambda tx: Stored.find(tx, integration_id, guid))
    if found is None:
        raise not_found("delivery")
    answer = models.Delivery(**_delivery(found.row))
    # What had taken effect before stays processed, so only this answer can tell of the failure.
    return msgspec.structs.replace(answer, error=outcome.error or answer.error)


def _delivery_id(call: Call) -> str:
    given = call.path("delivery_id")
    return id_of(given) or given


def _integration(call: Call, tx: store.Transaction) -> store.Integration | None:
    return store.integrations.find(tx, call.path("integration_id").lower())


def _delivery(row: store.Delivery) -> dict[str, Any]:
    return {
        "id": row.guid,
        "event": row.event,
        "action": row.action,
        "repository": row.repository,
        "status": row.status,
        "received_at": times.render(row.received_at),
        "processed_at": times.render(row.processed_at),
        "attempts": row.attempts,
        "error": row.error,
    }


def _detail(found: Stored) -> models.DeliveryDetail:
    return models.DeliveryDetail(
        **_delivery(found.row),
        headers=found.row.headers,
        payload=found.payload(),
    )
