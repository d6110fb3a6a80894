"""An integration's deliveries: what GitHub sent, what became of it, and running it again."""

import zlib
from collections.abc import Set
from typing import Any

import msgspec
import structlog

from bot import admission, deliveries, jsontext, times
from bot import storage as store
from bot.api import models
from bot.api.problems import Problem, not_found
from bot.api.routing import Call, Operations, log_change
from bot.domain.integrations import scope_of
from bot.domain.repositories import NotAllowed
from bot.github.payloads import InvalidPayload
from bot.log import logger

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
            integration["seq"],
            query.status,
            query.event,
            before[0] if before else None,
            query.limit + 1,
        )
        return call.page(
            rows,
            lambda row: models.Delivery(**_delivery(row)),
            lambda row: (row["seq"],),
        )

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
        row = _find(call, tx, _delivery_id(call))
        return _detail(row) if row else None

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
    services, database = call.services, call.services.database
    structlog.contextvars.bind_contextvars(delivery=guid)

    def again(tx: store.Transaction, confirmed: Set[tuple[str, int]]) -> bool:
        row, integration = _find(call, tx, guid), _integration(call, tx)
        if row is None or integration is None:
            return False
        scope = scope_of(integration)
        deliveries.run_again(tx, services.dispatcher, scope, row, confirmed)
        return True

    said: str | None = None  # why it failed this time

    def failed(tx: store.Transaction, failure: Exception) -> bool:
        row, integration = _find(call, tx, guid), _integration(call, tx)
        if row is None or integration is None:
            return False
        deliveries.fail_again(tx, integration["id"], row, failure)
        return True

    loaded = await services.integration(call.path("integration_id").lower())
    if loaded is None:
        raise not_found("integration")
    try:
        found = await admission.write(database, services.names, loaded, again)
    except store.StorageUnavailable:
        raise
    except deliveries.PayloadGone:
        raise Problem(
            409,
            "payload not kept",
            "The payload of this delivery is not stored; use GitHub's Redeliver button.",
        ) from None
    except Exception as error:
        if not isinstance(error, deliveries.Waiting | NotAllowed | InvalidPayload):
            logger.exception("a handler failed")
        failure = error
        said = deliveries.describe(failure)
        found = await database.write(lambda tx: failed(tx, failure))
    if not found:
        raise not_found("delivery")
    log_change(call, "delivery replayed")

    def shown(tx: store.Transaction) -> models.Delivery | None:
        row = _find(call, tx, guid)
        return models.Delivery(**_delivery(row)) if row else None

    answer = await database.read(shown)
    if answer is None:
        raise not_found("delivery")
    # What had taken effect before stays processed, so only this answer can tell of the failure.
    return msgspec.structs.replace(answer, error=said) if said else answer


def _delivery_id(call: Call) -> str:
    given = call.path("delivery_id")
    return deliveries.id_of(given) or given


def _integration(call: Call, tx: store.Transaction) -> store.Row | None:
    return store.integrations.find(tx, call.path("integration_id").lower())


def _find(call: Call, tx: store.Transaction, guid: str) -> store.Row | None:
    integration = _integration(call, tx)
    if integration is None:
        return None
    return store.deliveries.find(tx, integration["seq"], guid)


def _delivery(row: store.Row) -> dict[str, Any]:
    return {
        "id": row["guid"],
        "event": row["event"],
        "action": row["action"],
        "repository": row["repository"],
        "status": row["status"],
        "received_at": times.render(row["received_at"]),
        "processed_at": times.render(row["processed_at"]),
        "attempts": row["attempts"],
        "error": row["error"],
    }


def _detail(row: store.Row) -> models.DeliveryDetail:
    payload = row["payload"]
    return models.DeliveryDetail(
        **_delivery(row),
        headers=msgspec.json.decode(row["headers"]),
        payload=jsontext.parse_delivery(zlib.decompress(payload))[0] if payload else None,
    )
