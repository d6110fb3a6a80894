"""Who is connected: as many as there are files for, and large bodies by turns."""

import asyncio
import contextlib
import json
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bot.crowd import Crowd, Turns
from tests.kit.marks import slow
from tests.kit.processes import Process, running
from tests.kit.running import eventually


def test_what_the_files_are_enough_for() -> None:
    """Five hundred connections of one address, with room for others wherever that is possible."""
    for files in (1024, 4096, 20_000, 1_048_576):
        crowd = Crowd(files)
        assert 500 <= crowd.most_of_one < crowd.most < files - 200
    assert Crowd(1_048_576).most_of_one == 1000 and Crowd(64).most > 40


class Idle:
    """A connection that waits for its client."""

    address, held, has_delivered = "192.0.2.1", 0, False

    def waits_since(self) -> float:
        return 0.0

    def cut_off(self) -> None:
        pass


async def test_there_is_room_again_some_time_after_files_ran_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One moment without files would else leave room for sixteen connections for good."""

    def come() -> int:
        for _ in range(100):
            assert crowd.enter(Idle())  # type: ignore[arg-type]  # all that is asked of one here
        return len(crowd._guests)

    crowd = Crowd(1024)
    usual = crowd.most
    crowd.is_short_of_files()
    assert come() <= crowd.most < 100
    monkeypatch.setattr("bot.crowd._SHORT_SECONDS", 0.0)
    crowd.is_short_of_files()
    assert come() >= 100 and crowd.most == usual


class Large:
    """Somebody who has always more to be read."""

    def __init__(self, turns: Turns) -> None:
        self.turns, self.pieces = turns, 0

    def read_on(self) -> None:
        self.pieces += 1
        self.turns.wait(self)  # type: ignore[arg-type]  # all that a turn needs of a connection


async def test_large_bodies_are_read_by_turns() -> None:
    """However many there are, in a turn of the loop a few pieces; each gets as many."""
    turns = Turns()
    large = [Large(turns) for _ in range(50)]
    for one in large:
        turns.wait(one)  # type: ignore[arg-type]
    for _ in range(100):
        before = sum(one.pieces for one in large)
        await asyncio.sleep(0)
        assert sum(one.pieces for one in large) - before <= 2
    assert {one.pieces for one in large} <= {3, 4}


@pytest.fixture
def few_files() -> Iterator[None]:
    """What is started here may open 256 files, unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def crowded(bot: Process, count: int) -> AsyncIterator[None]:
    """Keep so many idle connections to a service."""
    async with AsyncExitStack() as stack:
        for _ in range(count):
            with contextlib.suppress(ConnectionError):
                _, writer = await asyncio.open_connection("127.0.0.1", bot.port)
                stack.callback(writer.close)
        yield


@slow
async def test_a_service_asks_for_all_the_files_it_may_have(
    few_files: None, tmp_path: Path
) -> None:
    async with running(tmp_path / "data", 1) as (bot,):
        soft, hard = resource.prlimit(bot.process.pid, resource.RLIMIT_NOFILE)
        assert soft == min(hard, 65_536)


@slow
async def test_more_idle_connections_than_one_address_may_have(tmp_path: Path) -> None:
    """Whoever comes behind them is served at once."""
    async with running(tmp_path / "data", 1) as (bot,), crowded(bot, 1100):
        for _ in range(3):
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as other:
                assert (await other.get(f"{bot.url}/healthz")).status == 200
        assert bot.log.read_text().count("connections closed") <= 20


@slow
async def test_when_files_run_out_all_the_same(tmp_path: Path) -> None:
    """Idle connections make way, the log says so in a few lines, and all goes on."""
    async with running(tmp_path / "data", 1) as (bot,):
        used = len(list(Path(f"/proc/{bot.process.pid}/fd").iterdir()))
        limit = (used + 40, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        resource.prlimit(bot.process.pid, resource.RLIMIT_NOFILE, limit)
        async with crowded(bot, 200):
            assert await eventually(bot.is_ready)
        lines = [json.loads(line) for line in bot.log.read_text().splitlines()[1:]]
        told = [line for line in lines if line["message"] == "accepting failed"]
        assert 1 <= len(told) <= 40 and "Too many open files" in told[0]["reason"]
        assert (await bot.get("/readyz")).status == 200
