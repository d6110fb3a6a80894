"""Several processes on one database: each is killed at some time, and none of it shows."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.deliveries.load import follow, opened
from tests.kit.marks import slow
from tests.kit.processes import Process, address_of, app, own_server, running
from tests.kit.running import PATIENCE, SECRET, Bot, eventually

pytestmark = slow
SOON = 10.0  # five seconds are promised, and a busy machine may add as many


@pytest.fixture
async def pair(database_url: str, tmp_path: Path) -> AsyncIterator[list[Process]]:
    """Two services on one database."""
    async with running(tmp_path / "data", 2, DATABASE_URL=database_url) as processes:
        yield processes


# --- The server away


async def test_a_server_that_is_away_costs_503_and_no_restart(tmp_path: Path) -> None:
    with own_server() as server:
        async with running(tmp_path / "data", 1, DATABASE_URL=server.url) as (bot,):
            integration = await bot.integration()
            await bot.experiment("many")
            await asyncio.to_thread(server.stop)
            away = time.monotonic()
            await refuses(bot, integration)
            assert time.monotonic() - away < 30
            await asyncio.sleep(8)
            await asyncio.to_thread(server.restart)
            await eventually(bot.is_ready)

            async def accepted() -> bool:
                return (await bot.deliver(integration, "pull_request", opened(1))).status == 200

            await eventually(accepted)
            (linked,) = (await bot.get("/api/v1/experiments/many/pull-requests")).items
            assert linked["number"] == 1


async def refuses(bot: Bot, integration: str) -> None:
    """Check that many deliveries at once, reads and /readyz get a 503 before GitHub gives up."""

    async def timed(answer: Awaitable[Any]) -> tuple[Any, float]:
        started = time.monotonic()
        return await answer, time.monotonic() - started

    for _ in range(2):
        answers = await asyncio.gather(
            timed(bot.get("/readyz", token=None)),
            timed(bot.get("/api/v1/experiments")),
            *(timed(bot.deliver(integration, "pull_request", opened(n))) for n in range(1, 33)),
        )
        for answer, seconds in answers:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert seconds < 13
        assert (await bot.get("/healthz", token=None)).status == 200
        await asyncio.sleep(2.5)  # until nothing is in memory any more


# --- What one process changes the others know


async def test_a_secret_stored_by_another_process_is_accepted_at_once(pair: list[Process]) -> None:
    a, b = pair
    integration = await a.integration()
    for number in range(1, 6):
        known = await b.deliver(integration, "pull_request", opened(number))
        assert known.status == 200  # b has the settings in memory now
        secret = f"another-webhook-secret-{number}"
        path = f"/api/v1/integrations/{integration}"
        rotated = await a.put(path, {"config": {"webhook_secret": secret}})
        assert rotated.status == 200
        new = await b.deliver(integration, "pull_request", opened(number), secret=secret)
        assert new.body == {"processed": True}


async def test_what_is_switched_off_is_off_everywhere_within_five_seconds(
    pair: list[Process],
) -> None:
    a, b = pair
    integration = await a.integration()
    path = f"/api/v1/integrations/{integration}"
    assert (await b.deliver(integration, "pull_request", opened(1))).status == 200

    def answers(status: int, secret: str = SECRET) -> Callable[[], Awaitable[bool]]:
        async def check() -> bool:
            sent = await b.deliver(integration, "pull_request", opened(2), secret=secret)
            assert sent.status in (200, status)
            return sent.status == status

        return check

    assert (await a.patch(path, {"is_active": False})).status == 200
    await eventually(answers(403), SOON)
    assert (await a.patch(path, {"is_active": True})).status == 200
    back = time.monotonic()
    while (await b.deliver(integration, "pull_request", opened(3))).status != 200:
        assert time.monotonic() - back < SOON
        await asyncio.sleep(0.05)
    new = {"config": {"webhook_secret": "a-completely-new-secret"}, "secret_grace_seconds": 0}
    assert (await a.patch(path, new)).status == 200
    await eventually(answers(401), SOON)
    assert (await a.delete(path)).status == 204
    await eventually(answers(404, "a-completely-new-secret"), SOON)


async def test_a_revoked_token_is_refused_everywhere_within_five_seconds(
    pair: list[Process],
) -> None:
    code, token, _ = await app("token", "create", "ci", "--role", "viewer", env=pair[0].env)
    assert code == 0
    for bot in pair:
        assert (await bot.get("/api/v1/experiments", token=token.strip())).status == 200
    assert (await app("token", "revoke", "ci", env=pair[0].env))[0] == 0
    for bot in pair:

        async def refused(bot: Bot = bot) -> bool:
            return (await bot.get("/api/v1/experiments", token=token.strip())).status == 401

        await eventually(refused, SOON)


# --- Live streams


async def test_a_stream_shows_what_other_processes_write_and_goes_on_at_any(
    pair: list[Process],
) -> None:
    a, b = pair
    integration = await a.integration()
    await a.experiment("many")
    ready = asyncio.Event()
    following = asyncio.create_task(follow(b, 6, ready=ready))
    await asyncio.wait_for(ready.wait(), PATIENCE)
    for number in range(1, 4):
        assert (await a.deliver(integration, "pull_request", opened(number))).status == 200
    seen = await following
    feed = await a.walk("/api/v1/experiments/many/activity")
    told = [item for item in feed if item["type"] != "experiment.created"]
    assert sorted(item["id"] for item in seen) == sorted(item["id"] for item in told)

    # What was written between two connections comes first, whichever process is asked.
    for number, bot in enumerate(pair, 4):
        assert (await bot.deliver(integration, "pull_request", opened(number))).status == 200
    for bot in pair:
        assert await follow(bot, 3, seen[2]["id"]) == seen[3:]
        missed = await follow(bot, 4, seen[-1]["id"])
        assert [item["html_url"].rsplit("/", 1)[1] for item in missed] == ["4", "4", "5", "5"]


async def test_streams_miss_nothing_while_every_process_writes(pair: list[Process]) -> None:
    integration = await pair[0].integration()
    await pair[0].experiment("many")
    ready = [asyncio.Event(), asyncio.Event()]
    following = [
        asyncio.create_task(follow(bot, 80, ready=event))
        for bot, event in zip(pair, ready, strict=True)
    ]
    await asyncio.gather(*(event.wait() for event in ready))
    await asyncio.gather(
        *(pair[n % 2].deliver(integration, "pull_request", opened(n)) for n in range(1, 41))
    )
    first, second = await asyncio.gather(*following)
    assert first == second
    assert len({item["id"] for item in first}) == 80


# --- Starting together


async def test_ten_processes_start_together_on_an_empty_server(
    postgres: str, tmp_path: Path
) -> None:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            url = address_of(postgres, name)
            async with running(tmp_path / "data", 10, "--no-worker", DATABASE_URL=url) as ten:
                await agree(ten)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("attempt", range(2))
async def test_processes_start_together_on_no_file_yet(attempt: int, tmp_path: Path) -> None:
    async with running(tmp_path / "data", 4) as four:
        await agree(four)


async def agree(processes: list[Process]) -> None:
    """Check that what one process seals and stores every other reads."""
    integration = await processes[0].integration()
    for bot in processes:
        assert (await bot.deliver(integration, "ping", {"zen": "Be"})).body == {"processed": True}
