"""What fails is stored without half of its effects, and tried again."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from bot import storage as store
from bot.deliveries.life import retry_due
from bot.deliveries.records import MAX_ATTEMPTS
from bot.settings import Settings
from tests.deliveries.storing import DUPLICATE, GUID, numbers, stored
from tests.kit.breakage import Breakage
from tests.kit.clock import Clock
from tests.kit.deliveries import PROCESSED, assert_problem, pull_request
from tests.kit.running import Bot, start

WILL_BE_RETRIED = {"processed": False, "reason": "will be retried"}


async def test_handler_failure_and_retry(bot: Bot, clock: Clock, breakage: Breakage) -> None:
    """What failed is stored without half of its effects, and tried again when its time comes."""
    integration = await bot.integration()
    await bot.experiment("checkout")
    answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
    assert (answer.status, answer.body) == (202, WILL_BE_RETRIED)
    assert await numbers(bot) == []
    (delivery,) = await stored(bot, integration)
    assert (delivery["status"], delivery["attempts"]) == ("retrying", 1)
    assert "the gears are stuck" in delivery["error"]
    assert delivery["processed_at"] is None
    shown = (await bot.get(f"/api/v1/integrations/{integration}")).body
    assert "the gears are stuck" in shown["last_error"]

    breakage.is_mended = True
    await retry_due(bot.services)
    assert await numbers(bot) == []
    clock.ahead += 60
    await retry_due(bot.services)
    assert await numbers(bot) == [7]
    (delivery,) = await stored(bot, integration)
    assert (delivery["status"], delivery["attempts"], delivery["error"]) == ("processed", 2, None)
    assert delivery["processed_at"] is not None


async def test_gives_up_in_the_end(bot: Bot, clock: Clock, breakage: Breakage) -> None:
    """The waits grow, and after the last attempt the delivery is shown as failed."""
    integration = await bot.integration()
    await bot.deliver(integration, "pull_request", pull_request())
    waits: list[float] = []
    for attempts in range(2, MAX_ATTEMPTS + 1):
        waited = 0.0
        while (await stored(bot, integration))[0]["attempts"] < attempts:
            step = 10 + waited / 4
            clock.ahead += step
            waited += step
            assert waited < 4 * 3600
            await retry_due(bot.services)
        waits.append(waited)
        (delivery,) = await stored(bot, integration)
        assert delivery["status"] == ("failed" if attempts == MAX_ATTEMPTS else "retrying")
    assert waits[0] < 60 < waits[4] < waits[-1]
    clock.ahead += 30 * 24 * 3600
    await retry_due(bot.services)
    assert (await stored(bot, integration))[0]["attempts"] == MAX_ATTEMPTS


@pytest.mark.parametrize("in_the_end", [False, True])
async def test_redelivery_of_what_failed(
    bot: Bot, clock: Clock, breakage: Breakage, in_the_end: bool
) -> None:
    """GitHub's Redeliver works for what failed, once the handler is mended."""
    integration = await bot.integration()
    await bot.experiment("checkout")
    for _ in range(2):
        answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
        assert (answer.status, answer.body) == (202, WILL_BE_RETRIED)
    for _ in range(MAX_ATTEMPTS if in_the_end else 0):
        clock.ahead += 4 * 3600
        await retry_due(bot.services)
    (delivery,) = await stored(bot, integration)
    assert delivery["status"] == ("failed" if in_the_end else "retrying")

    breakage.is_mended = True
    answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
    assert (answer.status, answer.body) == (200, PROCESSED)
    assert await numbers(bot) == [7]
    answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
    assert (answer.status, answer.body) == (200, DUPLICATE)
    clock.ahead += 4 * 3600
    await retry_due(bot.services)
    (delivery,) = await stored(bot, integration)
    assert (delivery["status"], delivery["error"]) == ("processed", None)


async def test_a_failure_spoils_nothing_else(bot: Bot, breakage: Breakage) -> None:
    """Deliveries that arrive together with one that fails are processed."""
    breakage.number = 13
    integration = await bot.integration()
    await bot.experiment("checkout")
    answers = await asyncio.gather(
        *(bot.deliver(integration, "pull_request", pull_request(number)) for number in range(9, 16))
    )
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 202, 200, 200]
    assert sorted(await numbers(bot)) == [9, 10, 11, 12, 14, 15]


@contextmanager
def locked(database_url: str) -> Iterator[None]:
    """Keep everyone else from writing."""
    if database_url.startswith("sqlite"):
        blocker = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
        blocker.execute("BEGIN EXCLUSIVE")
        yield
        blocker.close()
    else:
        with psycopg.connect(database_url) as connection:
            connection.execute("LOCK TABLE deliveries, experiments, audit IN ACCESS EXCLUSIVE MODE")
            yield


async def test_storage_down(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be stored is not acknowledged; the same delivery passes once it can be."""
    monkeypatch.setattr(store, "SECONDS", 1.0)
    bot = await start(settings)
    try:
        integration = await bot.integration()
        await bot.experiment("checkout")
        with locked(settings.database_url):
            answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
            assert_problem(answer, 503, "storage unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            assert (await bot.get("/healthz")).status == 200
        assert await stored(bot, integration) == []
        answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
        assert (answer.status, answer.body) == (200, PROCESSED)
        assert await numbers(bot) == [7]
    finally:
        await bot.close()
