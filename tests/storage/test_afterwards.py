"""What a job wants done after its commit is done once, however often the job was run."""

import asyncio
import io
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from bot import storage as store
from bot.domain import audit
from bot.domain.actors import SYSTEM
from bot.storage.group_commit import GroupCommit, Task
from bot.storage.known_rows import add_rows
from tests.deliveries.test_webhook_failures import locked
from tests.kit.running import Bot

TARGET = audit.Target("experiment", "key", "Name")


def touched(number: int) -> store.Touched:
    return store.Touched(str(uuid.uuid4()), number, f"guid-{number}", "github.com")


async def test_a_job_that_cannot_go_on_in_memory_is_told_once(bot: Bot) -> None:
    runs, done = [], []

    def job(tx: store.Transaction) -> None:
        runs.append(1)
        tx.afterwards(lambda: done.append(1))
        tx.run("UPDATE experiments SET name = name")

    await bot.services.database.write(job, touched=touched(1))
    assert (len(runs), len(done)) == (2, 1)


async def test_one_that_the_database_refuses_spoils_no_other(bot: Bot) -> None:
    """Its batch is run again one by one: each is recorded once, and that one not at all."""
    done: list[int] = []

    def job_of(number: int) -> Callable[[store.Transaction], None]:
        def job(tx: store.Transaction) -> None:
            audit.record(tx, SYSTEM, audit.EXPERIMENT_CREATED, TARGET, None, {"number": number})
            tx.afterwards(lambda: done.append(number))
            if number == 2:
                columns: dict[str, Any] = {"subject": None, "id": None}
                add_rows(tx, store.Session, [columns])

        return job

    ways = [
        bot.services.database.write(job_of(number), touched=touched(number)) for number in range(5)
    ]
    answers = await asyncio.gather(*ways, return_exceptions=True)
    assert [number for number, one in enumerate(answers) if isinstance(one, Exception)] == [2]
    assert sorted(done) == [0, 1, 3, 4]
    rows = (await bot.get("/api/v1/audit?type=experiment.created")).items
    assert sorted(row["after"]["number"] for row in rows) == [0, 1, 3, 4]


async def test_one_that_raises_is_told_of_nowhere(bot: Bot) -> None:
    done: list[int] = []

    def job(tx: store.Transaction) -> None:
        audit.record(tx, SYSTEM, audit.EXPERIMENT_CREATED, TARGET)
        tx.afterwards(lambda: done.append(1))
        raise RuntimeError("a bug")

    for how in (touched(1), None):
        with pytest.raises(RuntimeError):
            await bot.services.database.write(job, touched=how)
    await bot.services.database.write(lambda _: None)
    assert done == []
    assert (await bot.get("/api/v1/audit?type=experiment.created")).items == []


async def test_one_that_is_not_committed_because_its_time_is_over_is_told_of_nowhere(
    bot: Bot, log_stream: io.StringIO
) -> None:
    """It took too long, once others had let it begin, and nobody waits for it any more."""
    is_begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def job(tx: store.Transaction) -> None:
        loop.call_soon_threadsafe(is_begun.set)
        time.sleep(0.6)
        audit.record(tx, SYSTEM, audit.EXPERIMENT_CREATED, TARGET)

    with locked(bot.services.settings.database_url):
        asked = asyncio.create_task(bot.services.database.write(job, seconds=0.5))
        await asyncio.sleep(0.2)
    with pytest.raises(store.StorageUnavailable):
        await asked
    assert is_begun.is_set()
    await bot.services.database.write(lambda _: None)
    assert (await bot.get("/api/v1/audit?type=experiment.created")).items == []
    assert "experiment created" not in log_stream.getvalue()


async def test_it_is_done_though_nobody_waits_any_more(bot: Bot) -> None:
    """A request may be cancelled while others wait for the same commit; its change stands."""
    done: list[int] = []
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def job(tx: store.Transaction) -> None:
        audit.record(tx, SYSTEM, audit.EXPERIMENT_CREATED, TARGET)
        tx.afterwards(lambda: done.append(1))
        loop.call_soon_threadsafe(begun.set)

    write = bot.services.database.write
    asked, other = (asyncio.create_task(write(one)) for one in (job, lambda _: None))
    await begun.wait()
    asked.cancel()
    await other
    assert done == [1]
    assert len((await bot.get("/api/v1/audit?type=experiment.created")).items) == 1


class Lost(GroupCommit):
    """Runs jobs, and cannot commit them."""

    def __init__(self, done: list[int]) -> None:
        super().__init__()
        self._done = done

    async def commit(self, batch: list[Task]) -> bool:
        for task in batch:
            task.afterwards = [lambda: self._done.append(1)]
        raise store.StorageUnavailable("the disk is full")


async def test_a_commit_that_fails_is_told_of_nowhere() -> None:
    done: list[int] = []
    with pytest.raises(store.StorageUnavailable):
        await Lost(done).write(lambda _: None, heavy=False, touched=None, locks=())
    assert done == []
