"""An integration's deliveries: what GitHub sent, what became of it, and running it again."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from bot import storage as store
from bot.api.models import END, DeliveryId, Time, shaped
from bot.deliveries.records import Stored
from bot.operations import deliveries, integrations
from bot.storage import DeliveryStatus
from bot.web.cursors import Page, Paged
from bot.web.operations import Call, Operations

operations = Operations("Deliveries")
PATH = "/api/v1/integrations/{integration_id}/deliveries"


class Delivery(Struct):
    """A delivery that GitHub sent; `id` is its X-GitHub-Delivery."""

    id: DeliveryId
    event: str
    action: str | None
    repository: str | None
    status: DeliveryStatus
    received_at: Time
    processed_at: Time | None
    attempts: int
    error: str | None
    recovered: Annotated[
        bool,
        Meta(
            description="It was read from GitHub's API, since GitHub could not deliver it; "
            "`received_at` is when GitHub first tried to."
        ),
    ]


class DeliveryDetail(Delivery):
    """A delivery with what was sent; `payload` is null once it is no longer kept."""

    headers: dict[str, str]
    payload: dict[str, Any] | None


class DeliveryQuery(Paged, forbid_unknown_fields=True):
    status: DeliveryStatus | None = None
    event: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}" + END)] | None = None


@operations.add(
    "GET",
    PATH,
    role="viewer",
    summary="List an integration's deliveries",
    query=DeliveryQuery,
    answers={200: Page[Delivery]},
)
async def list_all(call: Call) -> Any:
    """The latest received first."""
    query: DeliveryQuery = call.query

    def job(tx: store.Transaction, *part: Any) -> store.Part[store.Delivery]:
        integration = integrations.find(tx, call.id("integration_id"))
        return store.deliveries.listed(tx, integration.seq, query.status, query.event, *part)

    return await call.page(1, job, shown)


@operations.add(
    "GET",
    f"{PATH}/{{delivery_id}}",
    role="developer",
    summary="Get a delivery with its headers and payload",
    answers={200: DeliveryDetail},
)
async def get(call: Call) -> Any:
    """Payloads hold e-mail addresses of authors, so this needs the role developer."""
    return detail(
        await deliveries.get(call.services, call.id("integration_id"), call.path("delivery_id"))
    )


@operations.add(
    "POST",
    f"{PATH}/{{delivery_id}}/replay",
    role="developer",
    summary="Run a delivery's handlers again",
    answers={200: Delivery},
    problems=(409,),
)
async def replay(call: Call) -> Any:
    """Changes nothing if they had succeeded. The answer tells how it went this time.

    A delivery that had taken effect stays `processed` whatever a replay does; `error` tells if
    it failed now.
    """
    return shown(
        await deliveries.replay(
            call.services, call.actor, call.id("integration_id"), call.path("delivery_id")
        )
    )


def shown(row: store.Delivery) -> Delivery:
    """Return a delivery's row as the API shows it."""
    return shaped(Delivery, row, id=row.guid)


def detail(found: Stored) -> DeliveryDetail:
    """Return a delivery with what was sent as the API shows it."""
    return shaped(DeliveryDetail, found.row, id=found.row.guid, payload=found.payload())
