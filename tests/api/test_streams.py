"""Many live streams: how many there may be, and that the rest of the service does not mind."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from bot import storage as store
from bot.demo import payloads
from bot.web import streams
from tests.deliveries.hostile.attack import Door
from tests.kit.browsing import Browser
from tests.kit.deliveries import REPO, assert_problem
from tests.kit.marks import sqlite_only
from tests.kit.running import ADMIN_TOKEN, Bot, eventually
from tests.kit.streams import STREAM, News, Stream, following, listening
from tests.server.connection.sending import connections_of


@asynccontextmanager
async def followers(bot: Bot, count: int) -> AsyncIterator[list[Stream]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(following(bot)) for _ in range(count)]


async def push(bot: Bot, integration: str, count: int) -> None:
    """Deliver commits that name the experiment `a`."""
    messages = [f"Commit {number}\n\nExperiment-Key: a" for number in range(count)]
    answer = await bot.deliver(integration, "push", payloads.push("main", messages, repo=REPO))
    assert answer.status == 200


@sqlite_only
@pytest.mark.parametrize(
    ("bound", "status"), [("MOST_OF_OWNER", 429), ("MOST_OF_ADDRESS", 429), ("MOST", 503)]
)
async def test_one_stream_too_many(
    bot: Bot, bound: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused until another ends, which is noticed when it matters."""
    monkeypatch.setattr(streams, bound, 3)
    async with followers(bot, 3):
        for _ in range(2):
            answer = await bot.get(STREAM)
            assert_problem(answer, status, "too many streams")
            assert answer.headers["Retry-After"] == "30"
        assert (await bot.get("/api/v1/experiments")).status == 200
    await asyncio.sleep(0.05)
    async with followers(bot, 3):
        assert (await bot.get(STREAM)).status == status


@sqlite_only
async def test_each_owner_has_streams_of_their_own(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST_OF_OWNER", 2)
    visitor = await Browser.sign_in(bot, "viewer")
    async with followers(bot, 2), listening(visitor), listening(visitor):
        assert (await bot.get(STREAM)).status == 429
        assert (await visitor.get("/live")).status == 429


async def test_the_database_is_asked_once_for_all(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    after, asked = store.activity.after, 0

    def counted(*of: Any) -> Any:
        nonlocal asked
        asked += 1
        return after(*of)

    integration = await bot.integration()
    await bot.experiment("a")
    visitor = await Browser.sign_in(bot, "viewer")
    async with AsyncExitStack() as stack:
        feeds = await stack.enter_async_context(followers(bot, 20))
        path = "/live?experiment=a"
        pages = [await stack.enter_async_context(listening(visitor, path)) for _ in range(20)]
        await asyncio.sleep(0.3)
        monkeypatch.setattr(store.activity, "after", counted)
        await push(bot, integration, 1)
        found = [await one.item() for one in feeds]
        assert all(item == found[0] for item in found)
        await asyncio.gather(*map(News.change, pages))
    # For feeds and pages, where a commit is heard of twice and where it is unsettled for a while
    assert 2 <= asked <= 10


@sqlite_only
async def test_who_falls_behind_misses_nothing(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not kept any more comes from the database."""
    monkeypatch.setattr("bot.api.activity._KEPT", 5)
    monkeypatch.setattr("bot.api.activity._BATCH", 20)
    integration = await bot.integration()
    await bot.experiment("a")
    async with followers(bot, 40) as feeds:
        await push(bot, integration, 90)
        found = [[item["summary"] for item in await one.items(90)] for one in feeds]
        assert all(one == found[0] for one in found) and len(set(found[0])) == 90
        await push(bot, integration, 3)
        await bot.patch("/api/v1/experiments/a", {"status": "active"})
        ends = [await one.item() for one in feeds]
        assert {item["type"] for item in ends} == {"experiment.status_changed"}


@sqlite_only
async def test_a_stream_that_nobody_reads_ends(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads gets everything meanwhile."""
    monkeypatch.setattr("bot.crowd._READ_SECONDS", 1.0)
    integration = await bot.integration()
    await bot.experiment("a")
    door = Door(bot, integration)
    request = f"GET {STREAM} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\r\n"
    async with followers(bot, 1) as (feed,), door.connection() as connection:
        await connection.send(request.encode())
        await connection.reader.readuntil(b": connected\n\n")
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        ours = connection.writer.get_extra_info("socket")
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        (theirs,) = connections_of(door, connection)
        assert theirs.transport is not None
        sending = theirs.transport.get_extra_info("socket")
        sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        reading = asyncio.create_task(feed.items(40 * 100))
        for number in range(40):
            text = f"Commit {number} of many, {'about this and that, ' * 40}"
            messages = [f"{text}{one}\n\nExperiment-Key: a" for one in range(100)]
            told = payloads.push("main", messages, repo=REPO)
            await bot.deliver(integration, "push", told)

        async def is_gone() -> bool:
            return len(bot.services.open_streams) == 1

        await eventually(is_gone)
        await reading
        await bot.patch("/api/v1/experiments/a", {"status": "active"})
        assert (await feed.item())["type"] == "experiment.status_changed"
