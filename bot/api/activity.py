"""The activity feed: a page at a time, or live as Server-Sent Events."""

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple

from aiohttp import web
from msgspec import Meta, Struct

from bot import jsontext, times
from bot import storage as store
from bot.api.experiments import Key
from bot.api.models import (
    ActivityType,
    DeliveryId,
    Id,
    Person,
    RepositoryName,
    Time,
    Written,
    shaped,
)
from bot.domain import activity
from bot.domain.actors import Actor
from bot.domain.errors import Invalid
from bot.operations import experiments
from bot.services import Services
from bot.web import rounds, streams
from bot.web.access import may_still, unauthorized
from bot.web.cursors import Page, Paged
from bot.web.operations import Call, Operations
from bot.web.problems import Problem

operations = Operations("Activity")
_ROLE = "viewer"
_BATCH = 200
_KEPT = 1000  # items that are kept for streams that are a little behind
_Item = tuple[int, bytes]  # its place, and how it is sent
_OURS = ("action:", "api:", "code:", "command:", "fetched:", "moved:")  # what no delivery told


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
    backfilled: Annotated[
        bool,
        Meta(
            description="No delivery told of it: it was read from GitHub later. `occurred_at` is "
            "when it happened all the same."
        ),
    ]


class ActivityQuery(Paged, forbid_unknown_fields=True):
    type: ActivityType | None = None

    def __post_init__(self) -> None:
        if self.type is not None and self.type not in activity.TYPES:
            raise Invalid.field("type", "choice")


class AllActivityQuery(ActivityQuery, forbid_unknown_fields=True):
    experiment: Key | None = None
    repository: RepositoryName | None = None


@operations.add(
    "GET",
    "/api/v1/activity",
    role=_ROLE,
    summary="List all activity",
    query=AllActivityQuery,
    answers={200: Page[ActivityItem]},
)
async def everything(call: Call) -> Any:
    """What happened to all experiments, the newest first: what the stream tells live. Keys that no
    experiment has, or has any more, have a feed too."""
    query: AllActivityQuery = call.query
    wanted = store.activity.Wanted(query.type, query.experiment, query.repository)
    return await call.page(
        2, lambda tx, *part: store.activity.listed(tx, wanted, *part), activity_item
    )


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
    database, seq = call.services.database, _start(call.request)
    with streams.opened(call.services, call.request, call.actor.id) as response:
        if seq is None:
            seq = await database.read(store.activity.last_seq)
        if not await database.read(lambda tx: may_still(tx, call.actor, _ROLE)):
            raise unauthorized()  # revoked a moment ago
        feed = call.services.shared(_feed)
        try:
            await response.prepare(call.request)
            await response.write(b"retry: %d\n: connected\n\n" % streams.RECONNECT)
            with feed.followed_by(call.actor):
                await _follow(call, feed, response, seq)
        except (ConnectionResetError, store.StorageUnavailable):
            pass  # the client went, or comes back with Last-Event-ID
        return response


async def _follow(call: Call, feed: "_Feed", response: web.StreamResponse, seq: int) -> None:
    """Send every item recorded after `seq` for as long as the token may read."""
    loop = asyncio.get_running_loop()
    written_at = loop.time()
    while call.actor.id not in feed.revoked:
        number, items = feed.number, feed.after_item(seq)
        if items is None:
            caught_up = await _send_after(call, response, seq)
            if caught_up is None:
                return
            seq = caught_up
        elif items or streams.is_quiet(written_at):
            await response.write(b"".join(data for _, data in items) or b": still here\n\n")
            written_at = loop.time()
            seq = items[-1][0] if items else seq
        await feed.after(number)


class _News(NamedTuple):
    """What one look has found."""

    revoked: set[str]
    last: int  # the place of the last item up to which all is found
    items: list[_Item]
    is_unsettled: bool


class _Feed(rounds.Rounds[_News]):
    """The latest items, as they are sent, and whose tokens may not read them any more."""

    def __init__(self, services: Services) -> None:
        super().__init__(services.database)
        self._actors: Counter[Actor] = Counter()
        self.forget()

    def forget(self) -> None:
        self.revoked: set[str] = set()
        self._items: deque[_Item] = deque()
        self._first: int | None = None  # the place after which all items are here
        self._last = 0

    @contextmanager
    def followed_by(self, actor: Actor) -> Iterator[None]:
        self._actors[actor] += 1
        try:
            with self.followed():
                yield
        finally:
            self._actors[actor] -= 1
            if not self._actors[actor]:
                del self._actors[actor]

    def job(self) -> Callable[[store.Transaction], _News]:
        actors, first, last = list(self._actors), self._first, self._last

        def look(tx: store.Transaction) -> _News:
            revoked = {one.id for one in actors if not may_still(tx, one, _ROLE)}
            if first is None:
                return _News(revoked, store.activity.last_seq(tx), [], is_unsettled=False)
            rows = store.activity.after(tx, last, _BATCH)
            is_unsettled = len(rows) == _BATCH or store.activity.is_unsettled(tx)
            return _News(revoked, rows[-1].seq if rows else last, _sent(rows), is_unsettled)

        return look

    def is_unsettled(self, found: _News) -> bool:
        return found.is_unsettled

    def take(self, found: _News, *, after_commit: bool) -> bool:
        self.revoked, self._last = found.revoked, found.last
        is_first = self._first is None
        if self._first is None:
            self._first = found.last
        self._items += found.items
        while len(self._items) > _KEPT:
            self._first = self._items.popleft()[0]
        return bool(is_first or found.items or found.revoked)

    def after_item(self, seq: int) -> list[_Item] | None:
        """Return the items after a place, None if they are not all here any more."""
        if self._first is None or seq < self._first:
            return None
        found = [*itertools.takewhile(lambda item: item[0] > seq, reversed(self._items))]
        return found[::-1]


def _feed(services: Services) -> _Feed:
    return _Feed(services)


def _sent(rows: Sequence[store.Activity]) -> list[_Item]:
    return [
        (row.seq, b"id: %s\ndata: %s\n\n" % (item.id.encode(), jsontext.render(item)))
        for row, item in zip(rows, map(activity_item, rows), strict=True)
    ]


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
        await response.write(b"".join(data for _, data in _sent(rows)))
        seq = rows[-1].seq


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
