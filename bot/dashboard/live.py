"""Tells open pages that something has changed, as Server-Sent Events; they then fetch themselves.

The page itself is what is rendered, so there is nothing that only JavaScript can show.
"""

import asyncio
from dataclasses import dataclass

from aiohttp import web

from bot import storage as store
from bot.dashboard import sessions
from bot.dashboard.page import Pages, Visit
from bot.web import streams

pages = Pages()
_SPACING = 1.0  # seconds in which commits become one event
_LONG = 86_400.0
_BATCH = 200


@pages.get("/live")
async def live(visit: Visit) -> web.StreamResponse:
    """`change` whenever something was committed; with `experiment`, something of its page.

    Whoever fetches when the stream opens, and at each `change`, misses nothing: commits are
    waited for from before either is sent.
    """
    database, services = visit.services.database, visit.services
    with streams.opened(services) as response:
        commit = await _next_commit(database)
        try:
            key = visit.query.get("experiment")
            place, _ = await database.read(lambda tx: _look(tx, key, None))
            await response.prepare(visit.request)
            await response.write(b"retry: %d\n\n" % streams.RECONNECT)
            while True:
                await asyncio.wait({commit}, timeout=streams.HEARTBEAT)
                if await sessions.of_request(visit.request, note=False) is None:
                    return response
                if not commit.done():
                    await response.write(b": \n\n")
                    continue
                commit = await _next_commit(database)
                place, is_news = await database.read(
                    lambda tx, known=place: _look(tx, key, known)  # type: ignore[misc]
                )
                if is_news:
                    await response.write(b"event: change\ndata: \n\n")
                    await asyncio.sleep(_SPACING)
        except (ConnectionError, store.StorageUnavailable):
            return response  # the page went, or comes back
        finally:
            commit.cancel()


async def _next_commit(database: store.Database) -> "asyncio.Task[bool]":
    """Return what is done at the next commit from now on."""
    waiting = asyncio.create_task(database.wait_for_commit(_LONG))
    await asyncio.sleep(0)  # it waits from when it has begun
    return waiting


@dataclass(frozen=True, slots=True)
class _Place:
    """How far one has looked for what concerns an experiment."""

    activity: int
    version: int
    updated_at: int | None  # of the experiment, if there is one


def _look(
    tx: store.Transaction, key: str | None, known: _Place | None
) -> tuple[_Place | None, bool]:
    """Return the present place, and whether an experiment's page has news since a known one.

    Without a key everything is news.
    """
    if key is None:
        return None, True
    row = store.experiments.find(tx, key)
    place = _Place(
        store.activity.last_seq(tx),
        store.items.last_version(tx),
        row.updated_at if row else None,
    )
    if known is None or place.updated_at != known.updated_at:
        return place, True
    items = store.activity.after(tx, known.activity, _BATCH)
    told = store.links.keys_of_versions_after(tx, known.version, _BATCH)
    concerned = key in told or any(one.experiment_key == key for one in items)
    return place, concerned or len(items) == _BATCH or place.version - known.version > _BATCH
