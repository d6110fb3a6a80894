"""How jobs are gathered into batches, whatever the engine."""

import asyncio

import pytest

from bot.storage import group_commit
from bot.storage.group_commit import GroupCommit, Task
from tests.kit.deliveries import pull_request
from tests.kit.marks import sqlite_only
from tests.kit.running import PATIENCE, Bot

ROUNDS = 20


class Writer(GroupCommit):
    """Commits nothing, and keeps how large the batches were."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    async def commit(self, batch: list[Task]) -> bool:
        self.sizes.append(len(batch))
        return True


async def send(writer: Writer, turns: int) -> None:
    """Send a job again and again, some turns of the loop after the answer to the one before."""
    for _ in range(ROUNDS):
        await writer.write(lambda _: None, heavy=False, touched=None, locks=())
        for _ in range(turns):
            await asyncio.sleep(0)


async def test_those_who_were_just_answered_are_waited_for() -> None:
    """They send again at once, but not in one turn of the loop."""
    writer = Writer()
    await asyncio.gather(*(send(writer, 3 * number) for number in range(8)))
    assert sum(writer.sizes) == 8 * ROUNDS
    assert writer.sizes.count(8) > ROUNDS / 2


@pytest.mark.parametrize("senders", [1, 3])
async def test_few_wait_for_nobody(monkeypatch: pytest.MonkeyPatch, senders: int) -> None:
    monkeypatch.setattr(group_commit, "_PAUSE", 60)
    writer = Writer()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(send(writer, 3 * number) for number in range(senders)))
    assert sum(writer.sizes) == senders * ROUNDS


@sqlite_only
async def test_on_sqlite_nobody_is_waited_for(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was just answered is read while the next batch is synced."""
    monkeypatch.setattr(group_commit, "_PAUSE", 60)
    integration = await bot.integration()
    async with asyncio.timeout(PATIENCE):
        for _ in range(3):
            answers = await asyncio.gather(
                *(bot.deliver(integration, "pull_request", pull_request()) for _ in range(8))
            )
            assert {answer.status for answer in answers} == {200}
