"""A database that keeps everybody waiting: all are answered before GitHub gives up."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from bot import storage as store
from bot.demo import payloads
from bot.settings import Settings
from tests.deliveries.storing import stored
from tests.deliveries.test_webhook_failures import locked
from tests.kit.deliveries import PROCESSED, pull_request
from tests.kit.hole import Hole, hole
from tests.kit.marks import slow, sqlite_only
from tests.kit.running import ADMIN_TOKEN, SECRET, Answer, Bot, eventually, start

MANY = 80  # more than a batch, and fewer than the connections that the client opens
# Seconds after which GitHub gives up, and four that a busy machine may add; twice is too long.
GIVES_UP = 10.0 + 4.0
LEAVES = 20.0  # and after which a person does, who is answered by two reads at most
HTML = {"Accept": "text/html"}


def guid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def deliver(bot: Bot, integration: str, number: int) -> Awaitable[Answer]:
    told = pull_request(number)
    return bot.deliver(integration, "pull_request", told, guid=guid(number))


async def in_time(asked: Iterable[Awaitable[Answer]], seconds: float = GIVES_UP) -> list[Answer]:
    async with asyncio.timeout(seconds):
        return await asyncio.gather(*asked)


async def everything(bot: Bot, integration: str) -> list[Answer]:
    """Ask for all that needs the database to write, at once; return the answers, page last."""
    return await in_time(
        [
            bot.get("/readyz", token=None),
            bot.post("/api/v1/experiments", {"key": "late", "name": "Late"}),
            *(deliver(bot, integration, number) for number in range(MANY)),
            bot.post("/sign-in", token=None, data={"token": ADMIN_TOKEN}, headers=HTML),
        ]
    )


def assert_refused(answers: list[Answer]) -> None:
    assert {answer.status for answer in answers} == {503}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)


@slow
async def test_others_hold_what_is_written_to(bot: Bot) -> None:
    """And nothing of what was refused takes effect once they let go."""
    integration = await bot.integration()
    await bot.experiment("checkout")
    with locked(bot.services.settings.database_url):
        assert_refused(await everything(bot, integration))
        assert (await bot.get("/healthz", token=None)).status == 200
    assert await stored(bot, integration) == []
    assert [one["key"] for one in await bot.walk("/api/v1/experiments")] == ["checkout"]
    answer = await deliver(bot, integration, 1)
    assert (answer.status, answer.body) == (200, PROCESSED)
    assert (await bot.get("/readyz", token=None)).status == 200


@pytest.fixture
async def swallowed(settings: Settings) -> AsyncIterator[tuple[Bot, Hole]]:
    """A service whose way to the server may swallow everything."""
    async with hole(settings.database_url) as (way, url):
        bot = await start(replace(settings, database_url=url))
        yield bot, way
        way.clear()
        await bot.close()


@slow
@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize("greets", [False, True])
async def test_a_server_that_is_gone_without_a_word(
    swallowed: tuple[Bot, Hole], greets: bool
) -> None:
    """Or one that is away behind a pooler, which lets everybody in and says nothing more."""
    bot, way = swallowed
    way.greets = greets
    integration = await bot.integration()
    await bot.experiment("checkout")
    way.swallow()
    reads = in_time((bot.get("/api/v1/experiments") for _ in range(12)), LEAVES)
    answers, read = await asyncio.gather(everything(bot, integration), reads)
    assert_refused([*answers, *read])
    # By now what there was of connections is given up, and new ones are tried.
    later = [bot.get("/readyz", token=None), *(deliver(bot, integration, n) for n in range(8))]
    assert_refused(await in_time(later))
    way.clear()

    async def is_well() -> bool:
        answers = [await bot.get("/readyz", token=None), await deliver(bot, integration, 1)]
        return {answer.status for answer in answers} == {200}

    await eventually(is_well)
    assert (await bot.get("/api/v1/experiments")).status == 200


@sqlite_only
async def test_what_nobody_waits_for_is_not_begun(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    integration = await bot.integration()
    monkeypatch.setattr(store, "SECONDS", 0.3)
    with locked(bot.services.settings.database_url):
        answers = await asyncio.gather(*(deliver(bot, integration, n) for n in range(MANY)))
        assert_refused(answers)
    assert (await deliver(bot, integration, MANY)).status == 200
    assert len(await stored(bot, integration)) == 1


@sqlite_only
async def test_the_time_begins_when_the_body_is_there(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    integration = await bot.integration()
    monkeypatch.setattr(store, "SECONDS", 0.5)
    body = payloads.encode(pull_request())

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:100]
        await asyncio.sleep(1.0)
        yield body[100:]

    signed = payloads.headers("pull_request", body, SECRET, guid(1))
    answer = await bot.request(
        "POST",
        f"/api/v1/integrations/{integration}/webhook/github",
        token=None,
        data=slowly(),
        headers=signed,
    )
    assert (answer.status, answer.body) == (200, PROCESSED)


@sqlite_only
async def test_readiness_is_tried_a_few_times_a_second(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0
    check = bot.services.database.check

    async def counted() -> None:
        nonlocal tries
        tries += 1
        await check()

    database: Any = bot.services.database
    monkeypatch.setattr(database, "check", counted)
    began = time.monotonic()
    for _ in range(10):
        answers = await asyncio.gather(*(bot.get("/readyz", token=None) for _ in range(20)))
        assert {answer.status for answer in answers} == {200}
    assert tries <= 5 * (1 + time.monotonic() - began)


@slow
async def test_a_delivery_of_no_repository_is_taken_once_others_let_go(bot: Bot) -> None:
    """It waits as all others do, and holds up nobody beside it."""
    integration = await bot.integration()
    ping = payloads.ping(7, "2026-03-02T10:00:00Z")
    with locked(bot.services.settings.database_url):
        asked = asyncio.gather(
            bot.deliver(integration, "ping", ping, guid=guid(0)),
            *(deliver(bot, integration, number) for number in range(1, 4)),
        )
        await asyncio.sleep(2.0)
    assert [answer.status for answer in await asked] == [200] * 4
