"""How jobs are gathered into batches, whatever the engine."""

import asyncio

import pytest

from bot.storage import group_commit
from bot.storage.group_commit import GroupCommit, Task

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
    async with asyncio.timeout(10):
        await asyncio.gather(*(send(writer, 3 * number) for number in range(senders)))
    assert sum(writer.sizes) == senders * ROUNDS
