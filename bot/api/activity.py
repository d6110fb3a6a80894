"""The activity feed: a page at a time, or live as Server-Sent Events."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from msgspec import Struct

from bot import jsontext, times
from bot import storage as store
from bot.api.models import ActivityType, DeliveryId, Id, Person, Time, Written, shaped
from bot.domain import activity
from bot.domain.errors import Invalid
from bot.operations import experiments
from bot.web import streams
from bot.web.access import may_still, unauthorized
from bot.web.cursors import Page, Paged
from bot.web.operations import Call, Operations
from bot.web.problems import Problem

operations = Operations("Activity")
_ROLE = "viewer"
_BATCH = 200
_UNSETTLED = 0.25  # seconds between looks while others may still come before what is there
_OURS = ("action:", "api:", "command:", "fetched:", "moved:")  # what no delivery told


class ActivityItem(Struct):
    """Something that happened to an experiment."""

    id: Id
    type: ActivityType
    experiment_key: str
    occurred_at: Time
    recorded_at: Time
    actor: Person | None
    summary: Written
    html_url: str | None
    repository: str | None
    delivery_id: DeliveryId | None


class ActivityQuery(Paged, forbid_unknown_fields=True):
    type: ActivityType | None = None

    def __post_init__(self) -> None:
        if self.type is not None and self.type not in activity.TYPES:
            raise Invalid.field("type", "choice")


@operations.add(
    "GET",
    "/api/v1/experiments/{key}/activity",
    role="viewer",
    summary="List an experiment's activity",
    query=ActivityQuery,
    answers={200: Page[ActivityItem]},
)
async def feed(call: Call) -> Any:
    """What happened, the newest first."""
    query: ActivityQuery = call.query
    return await call.page(
        2,
        lambda tx, *part: store.activity.of_experiment(
            tx, experiments.existing(tx, call.path("key")), query.type, *part
        ),
        activity_item,
    )


@operations.add(
    "GET",
    "/api/v1/activity/stream",
    role=_ROLE,
    summary="Follow all activity live",
    answers={200: "text/event-stream"},
    headers={
        "Last-Event-ID": (
            activity.ID_PATTERN,
            "The id of an activity item, after which the stream begins.",
        )
    },
)
async def stream(call: Call) -> web.StreamResponse:
    """Server-Sent Events: `data` is an activity item as in the lists, `id` its id.

    Send `Last-Event-ID` to get everything recorded after that item first; without it the stream
    begins now. Comments keep the connection alive. It ends when the token is revoked.
    """
    database = call.services.database
    seq = _start(call.request)
    if seq is None:
        seq = await database.read(store.activity.last_seq)
    if not await database.read(lambda tx: may_still(tx, call.actor, _ROLE)):
        raise unauthorized()  # revoked a moment ago
    with streams.opened(call.services) as response:
        try:
            await response.prepare(call.request)
            await response.write(b"retry: %d\n: connected\n\n" % streams.RECONNECT)
            while True:
                # Asked for before reading: a commit in between is not missed.
                committed = asyncio.ensure_future(database.wait_for_commit(streams.HEARTBEAT))
                try:
                    seq = await _send_after(call, response, seq)
                    if seq is None:
                        break
                    if await database.read(store.activity.is_unsettled):
                        # What holds it back may end without a commit that is heard of.
                        await asyncio.wait({committed}, timeout=_UNSETTLED)
                    elif not await committed:
                        await response.write(b": still here\n\n")
                finally:
                    committed.cancel()
        except (ConnectionResetError, store.StorageUnavailable):
            pass  # the client went, or comes back with Last-Event-ID
        return response


async def _send_after(call: Call, response: web.StreamResponse, seq: int) -> int | None:
    """Send every item recorded after `seq`; return the last one's place.

    None once the token may not read any more: nothing that was recorded after its end is sent.
    """

    def job(tx: store.Transaction) -> Sequence[store.Activity] | None:
        if not may_still(tx, call.actor, _ROLE):
            return None
        return store.activity.after(tx, seq, _BATCH)

    while True:
        rows = await call.services.database.read(job)
        if rows is None:
            return None
        if not rows:
            return seq
        await response.write(
            b"".join(
                b"id: %s\ndata: %s\n\n" % (item.id.encode(), jsontext.render(item))
                for item in map(activity_item, rows)
            )
        )
        seq = rows[-1].seq
        await asyncio.sleep(0)


def _start(request: web.Request) -> int | None:
    text = request.headers.get("Last-Event-ID")
    if text is None:
        return None
    seq = activity.seq_of_id(text)
    if seq is None:
        raise Problem(
            400, "invalid Last-Event-ID", "Send the id of an activity item, or leave it out."
        )
    return seq


def activity_item(row: store.Activity) -> ActivityItem:
    """Return a row of the feed as the API shows it."""
    return shaped(
        ActivityItem,
        row,
        id=activity.id_of_seq(row.seq),
        occurred_at=times.render(row.position // times.MILLISECOND * times.MILLISECOND),
        delivery_id=_delivery_id(row.guid),
    )


def _delivery_id(guid: str | None) -> str | None:
    """Return the delivery that told of something; none did if it came through ourselves."""
    return None if guid is None or guid.startswith(_OURS) else guid
