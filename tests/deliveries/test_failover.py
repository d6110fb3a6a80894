"""The PostgreSQL server that takes writes changes: nothing acknowledged is lost, nothing twice."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot import storage as store
from tests.deliveries.load import Load, opened
from tests.kit import clusters
from tests.kit.clusters import PASSWORD, Pair
from tests.kit.marks import slow
from tests.kit.ports import free_port
from tests.kit.processes import app, environment, running
from tests.kit.running import Bot, eventually

pytestmark = [slow, pytest.mark.postgresql]

CONNECTIONS = 8


@pytest.fixture
def pair() -> Iterator[Pair]:
    with clusters.pair() as two:
        yield two


@asynccontextmanager
async def under_load(load: Load) -> AsyncIterator[None]:
    await load.begin()
    clients = [asyncio.create_task(load.run()) for _ in range(CONNECTIONS)]
    yield
    load.stopping = True
    await asyncio.gather(*clients)


async def is_not_ready(bot: Bot) -> bool:
    return (await bot.get("/readyz", token=None)).status == 503


async def has_refused(load: Load) -> bool:
    return load.refused > 0


async def has_more(load: Load, than: int) -> bool:
    return len(load.acknowledged) > than


async def test_a_primary_that_dies_is_replaced_by_its_replica(pair: Pair, tmp_path: Path) -> None:
    """With two processes and a worker, whose leases and connections all end at once."""
    async with running(
        tmp_path / "data", 1, "--processes", "2", DATABASE_URL=pair.url, LOG_LEVEL="debug"
    ) as (bot,):
        load = Load([bot], await bot.integration())
        async with under_load(load):
            await eventually(lambda: has_more(load, 50))
            await asyncio.to_thread(pair.primary.kill)
            await eventually(lambda: is_not_ready(bot))
            assert (await bot.get("/healthz", token=None)).status == 200
            await eventually(lambda: has_refused(load))
            await asyncio.to_thread(pair.fail_over)
            before = len(load.acknowledged)
            await eventually(lambda: has_more(load, before + 50))
            await eventually(bot.is_ready)
        await load.redeliver()
        await load.check()
        assert PASSWORD not in bot.log.read_text()


async def test_a_primary_that_takes_no_writes_any_more_is_left(pair: Pair, tmp_path: Path) -> None:
    """It lives on, and so do all connections to it."""
    async with running(tmp_path / "data", 1, DATABASE_URL=pair.url) as (bot,):
        load = Load([bot], await bot.integration())
        async with under_load(load):
            await eventually(lambda: has_more(load, 20))
            await asyncio.to_thread(clusters.make_read_only, pair.primary)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(pair.fail_over)
            before = len(load.acknowledged)
            await eventually(lambda: has_more(load, before + 20))
            await eventually(bot.is_ready)
        await load.redeliver()
        await load.check()  # which reads from the new one


def waits(pair: Pair, what: str = "pid") -> bool:
    """Tell whether a commit waits for the replica, and do something with each that does."""
    sql = f"SELECT COUNT({what}) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    return bool(pair.primary.execute(sql))


async def test_a_commit_of_which_nobody_knows_is_not_acknowledged(
    pair: Pair, tmp_path: Path
) -> None:
    """The replica is away, so that a commit waits for it, and cannot end well."""
    async with running(tmp_path / "data", 1, "--no-worker", DATABASE_URL=pair.url) as (bot,):
        integration = await bot.integration()
        await bot.experiment("many")

        async def status(number: int) -> int:
            guid = f"00000000-0000-4000-8000-{number:012}"
            return (
                await bot.deliver(integration, "pull_request", opened(number), guid=guid)
            ).status

        assert await status(1) == 200
        pair.replica.stop()
        # Somebody ends the wait, and the commit ends with a warning: it is stored here alone.
        for why in ("it is not on the replica", "a redelivery waits for the replica, too"):
            waiting = asyncio.create_task(status(2))
            await eventually(lambda: asyncio.to_thread(waits, pair, "pg_cancel_backend(pid)"))
            assert await waiting == 503, why
        # The server dies in the commit, and comes back with what it had on its own disk.
        waiting = asyncio.create_task(status(3))
        await eventually(lambda: asyncio.to_thread(waits, pair))
        pair.primary.kill()
        assert await waiting == 503
        pair.primary.start()
        # The commit does not end at all: we give up before GitHub does.
        async with asyncio.timeout(10):
            assert await status(4) == 503
        pair.replica.start()
        pair.wait_for_replica()
        for number in (2, 3, 4):

            async def is_accepted(number: int = number) -> bool:
                return await status(number) == 200

            await eventually(is_accepted)
        feed = await bot.walk("/api/v1/experiments/many/activity")
        assert [one["type"] for one in feed].count("pull_request.linked") == 4


async def test_commands_look_for_the_server_that_takes_writes(
    pair: Pair, sqlite_template: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source.db"
    shutil.copyfile(sqlite_template, source)
    env = environment(tmp_path / "data", DATABASE_URL=f"sqlite:///{source}")
    assert (await app("token", "create", "ci", "--role", "viewer", env=env))[0] == 0
    code, out, errors = await app("migrate-database", f"sqlite:///{source}", pair.url, env=env)
    assert code == 0, errors
    assert "the same in both" in out
    code, out, errors = await app("token", "list", env={**env, "DATABASE_URL": pair.url})
    assert (code, "ci" in out) == (0, True), errors


async def test_of_servers_that_are_all_away_an_error_tells_without_the_password(
    tmp_path: Path,
) -> None:
    ports = (free_port(), free_port())
    places = ",".join(f"127.0.0.1:{port}" for port in ports)
    url = f"postgresql://bot:{PASSWORD}@{places}/experiment_bot"
    env = environment(tmp_path / "data", DATABASE_URL=url, LOG_LEVEL="debug")
    code, out, errors = await app("token", "create", "ci", "--role", "viewer", env=env)
    assert code == 1
    assert "PostgreSQL cannot be used" in errors
    assert all(str(port) in errors for port in ports)
    assert PASSWORD not in out + errors
    with pytest.raises(store.StorageUnavailable):
        store.engine(url).migrate()
