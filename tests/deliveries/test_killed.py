"""Services that are killed at random, in the middle of deliveries without end."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.deliveries.load import Load
from tests.kit.marks import slow
from tests.kit.processes import Process, kills, own_server, running

pytestmark = [slow, pytest.mark.kills]

TIMES = kills(3)

CONNECTIONS = 8


async def kill_at_random(
    processes: list[Process], times: int, midway: Callable[[], Awaitable[Any]] | None
) -> None:
    """Put all under load, kill one after the other, and check that nothing is lost or double."""
    load = Load(processes, await processes[0].integration())
    await load.begin()
    clients = [asyncio.create_task(load.run()) for _ in range(CONNECTIONS)]
    for index in range(times):
        await asyncio.sleep(random.uniform(0.2, 1.0))
        if midway is not None and index == times // 2:
            await midway()
            await asyncio.sleep(1)
        one = random.choice(processes)
        await one.kill()
        await one.start()
    load.stopping = True
    await asyncio.gather(*clients)
    await load.check()
    assert len(load.acknowledged) > 100, (load.refused, load.dropped)


async def test_four_processes_killed_at_random_and_the_server_restarted(tmp_path: Path) -> None:
    with own_server() as server:
        async with running(tmp_path / "data", 4, "--no-worker", DATABASE_URL=server.url) as four:
            await kill_at_random(four, TIMES, lambda: asyncio.to_thread(server.restart))


async def test_two_processes_on_one_file_killed_at_random(tmp_path: Path) -> None:
    async with running(tmp_path / "data", 2) as two:
        await kill_at_random(two, TIMES, None)
