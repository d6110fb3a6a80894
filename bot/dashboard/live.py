"""Tells open pages that something has changed, as Server-Sent Events; they then fetch themselves.

The page itself is what is rendered, so there is nothing that only JavaScript can show.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from aiohttp import web

from bot import storage as store
from bot.dashboard import sessions
from bot.dashboard.page import Pages, Visit
from bot.services import Services
from bot.web import rounds, streams

pages = Pages()
_SPACING = 1.0  # seconds in which commits become one event
_BATCH = 200


@pages.get("/live")
async def live(visit: Visit) -> web.StreamResponse:
    """`change` whenever something was committed; with `experiment`, something of its page.

    Whoever fetches when the stream opens, and at each `change`, misses nothing: commits are
    waited for from before either is sent.
    """
    services, key = visit.services, visit.query.get("experiment")
    news = services.shared(_news)
    with streams.opened(services, visit.request, visit.session.subject) as response:
        try:
            with news.followed_of(key):
                seen = await news.begin(key)
                await response.prepare(visit.request)
                await response.write(b"retry: %d\n\n" % streams.RECONNECT)
                await _follow(visit, news, response, key, seen)
                return response
        except (ConnectionError, store.StorageUnavailable):
            return response  # the page went, or comes back


async def _follow(
    visit: Visit, news: "_News", response: web.StreamResponse, key: str | None, seen: int
) -> None:
    """Tell of news after a round for as long as the session is in force."""
    loop = asyncio.get_running_loop()
    written_at = loop.time()
    while True:
        await news.after(seen)
        if not await news.is_in_force(visit):
            return
        is_news, seen = news.told(key) > seen, news.number
        if is_news or streams.is_quiet(written_at):
            await response.write(b"event: change\ndata: \n\n" if is_news else b": \n\n")
            written_at = loop.time()
        if is_news:
            await asyncio.sleep(_SPACING)


@dataclass(frozen=True, slots=True)
class _Place:
    """How far one has looked for what concerns experiments."""

    activity: int
    version: int


class _Found(NamedTuple):
    """What one look has found."""

    place: _Place
    updated: dict[str, int | None]  # when each experiment was changed, None where there is none
    concerned: set[str] | None  # of them; None if that may be any


class _News(rounds.Rounds[_Found]):
    """In which round there was something new last: at all, and of each experiment's page."""

    def __init__(self, services: Services) -> None:
        super().__init__(services.database)
        self._open: Counter[str] = Counter()
        self.forget()

    def forget(self) -> None:
        self._place: _Place | None = None
        self._updated: dict[str, int | None] = {}
        self._told: dict[str | None, int] = {}
        self._asked: dict[str, asyncio.Future[sessions.Session | None]] = {}

    @contextmanager
    def followed_of(self, key: str | None) -> Iterator[None]:
        try:
            with self.followed():
                yield
        finally:
            if key is not None and key in self._open:
                self._open[key] -= 1
                if not self._open[key]:
                    for known in (self._open, self._updated, self._told):
                        known.pop(key, None)

    async def begin(self, key: str | None) -> int:
        """Note what an experiment's page shows; return the round after which news is to be told."""
        number = self.number
        found = await self._database.read(lambda tx: _look(tx, [key] if key else [], None))
        self._place = self._place or found.place
        if key is not None:
            self._open[key] += 1
            self._updated.setdefault(key, found.updated[key])
        return number

    def told(self, key: str | None) -> int:
        return self._told.get(key, 0)

    async def is_in_force(self, visit: Visit) -> bool:
        """Tell whether a session is in force: asked once a round, however many pages are open."""
        session = visit.session.id
        if session not in self._asked:
            asking = sessions.of_request(visit.request, note=False)
            self._asked[session] = asyncio.ensure_future(asking)
        return await asyncio.shield(self._asked[session]) is not None

    def job(self) -> Callable[[store.Transaction], _Found]:
        keys, place = list(self._open), self._place
        return lambda tx: _look(tx, keys, place)

    def take(self, found: _Found, *, after_commit: bool) -> bool:
        self._place = found.place
        self._asked.clear()
        for key, at in found.updated.items():
            is_concerned = found.concerned is None or key in found.concerned
            if key in self._open and (is_concerned or self._updated.get(key) != at):
                self._updated[key], self._told[key] = at, self.number
        if after_commit:
            self._told[None] = self.number
        return after_commit


def _news(services: Services) -> _News:
    return _News(services)


def _look(tx: store.Transaction, keys: Sequence[str], known: _Place | None) -> _Found:
    """Return the present place, and which of some experiments' pages have news since a known one.

    That an experiment itself was changed is left to who compares.
    """
    rows = {key: store.experiments.find(tx, key) for key in keys}
    updated = {key: row.updated_at if row else None for key, row in rows.items()}
    place = _Place(store.activity.last_seq(tx), store.items.last_version(tx))
    if known is None or not keys:
        return _Found(place, updated, set())
    items = store.activity.after(tx, known.activity, _BATCH)
    told = store.links.keys_of_versions_after(tx, known.version, _BATCH)
    if len(items) == _BATCH or place.version - known.version > _BATCH:
        return _Found(place, updated, None)
    return _Found(place, updated, {*told, *(one.experiment_key for one in items)})
