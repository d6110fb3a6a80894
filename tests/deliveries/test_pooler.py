"""Behind PgBouncer in transaction mode, with fewer sessions of the server than processes use."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.deliveries.load import Load, follow, opened
from tests.kit import clusters
from tests.kit.clusters import PASSWORD, Node, Pooler
from tests.kit.marks import slow
from tests.kit.processes import Process, app, running
from tests.kit.running import PATIENCE, eventually

pytestmark = [slow, pytest.mark.postgresql]

CONNECTIONS = 8


@pytest.fixture
def node() -> Iterator[Node]:
    with clusters.single() as server:
        yield server


@pytest.fixture
def pooler(node: Node) -> Iterator[Pooler]:
    with clusters.pooler(node) as bouncer:
        yield bouncer


@pytest.fixture
async def three(node: Node, pooler: Pooler, tmp_path: Path) -> AsyncIterator[list[Process]]:
    """Two services that look for commits and start together, and one that hears of them."""
    folder, direct = tmp_path / "data", node.url("experiment_bot")
    async with (
        running(folder, 2, DATABASE_URL=pooler.url) as two,
        running(folder, 1, DATABASE_URL=pooler.url, DATABASE_LISTEN_URL=direct) as (third,),
    ):
        yield [*two, third]


async def test_processes_behind_a_pooler_do_all_that_they_do_without(
    three: list[Process],
) -> None:
    load = Load(three, await three[0].integration())
    await load.begin()
    clients = [asyncio.create_task(load.run()) for _ in range(CONNECTIONS)]
    await eventually(lambda: enough(load))
    load.stopping = True
    await asyncio.gather(*clients)
    assert (load.refused, load.dropped) == (0, 0)
    await load.check()
    # Each hears what another commits, long before a stream would look by itself.
    for number in range(3):
        here, there = three[number - 1], three[number]
        ready = asyncio.Event()
        following = asyncio.create_task(follow(there, 2, ready=ready))
        await asyncio.wait_for(ready.wait(), PATIENCE)
        await here.deliver(load.integration, "pull_request", opened(100_000 + number))
        await asyncio.wait_for(following, PATIENCE)
    assert PASSWORD not in "".join(bot.log.read_text() for bot in three)
    code, out, errors = await app("token", "create", "ci", "--role", "viewer", env=three[0].env)
    assert (code, errors) == (0, ""), out


async def test_a_server_behind_a_pooler_may_take_no_writes_or_be_away_for_a_while(
    node: Node, pooler: Pooler, tmp_path: Path
) -> None:
    async with running(tmp_path / "data", 1, DATABASE_URL=pooler.url) as (bot,):
        integration = await bot.integration()
        await bot.experiment("many")
        assert (await bot.deliver(integration, "pull_request", opened(1))).status == 200
        clusters.make_read_only(node)
        await eventually(lambda: is_not_ready(bot))
        assert (await bot.get("/api/v1/experiments/many")).status == 200
        assert (await bot.deliver(integration, "pull_request", opened(2))).status == 503
        clusters.make_read_only(node, "off")
        await eventually(bot.is_ready)
        assert (await bot.deliver(integration, "pull_request", opened(2))).status == 200
        node.kill()
        node.start()

        async def is_accepted() -> bool:
            return (await bot.deliver(integration, "pull_request", opened(9))).status == 200

        await eventually(is_accepted)


async def is_not_ready(bot: Process) -> bool:
    return (await bot.get("/readyz", token=None)).status == 503


async def enough(load: Load) -> bool:
    return len(load.acknowledged) > 200
