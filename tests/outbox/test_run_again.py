"""A transaction may be run again, after a conflict with another: memory must not notice."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from bot import storage as store
from bot.outbox.loop import Outbox
from tests.github import REPO, Fault
from tests.kit.marks import token_only
from tests.kit.outbound import Scene

pytestmark = token_only
COMMENTS = f"POST {REPO}/issues/{{issue_number}}/comments"


class _Undone(Exception):
    """Undoes a transaction."""


class Twice:
    """A database that runs every job that writes a first time in vain."""

    def __init__(self, database: store.Database) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def write(self, job: Callable[[store.Transaction], Any], **more: Any) -> Any:
        def in_vain(tx: store.Transaction) -> None:
            job(tx)
            raise _Undone

        with pytest.raises(_Undone):
            await self._database.write(in_vain, **more)
        return await self._database.write(job, **more)


def failures(tx: store.Transaction) -> list[int]:
    return [row["failures"] for row in tx.all("SELECT failures FROM queues")]


async def test_failures_are_counted_once_and_everything_is_done_once(scene: Scene) -> None:
    services = scene.bot.services
    twice: Any = Twice(services.database)
    scene.outbox = Outbox(dataclasses.replace(services, database=twice))
    await scene.bot.experiment("checkout")
    number = await scene.open("experiment_key: checkout")
    scene.github.fail(Fault("status", COMMENTS, times=1, status=502))
    await scene.work()
    assert await services.database.read(failures) == [1]
    waiting = await scene.actions("?status=pending")
    assert [one["attempts"] for one in waiting] == [1]
    await scene.pass_time(30)
    assert await scene.actions("?status=pending") == []
    assert await services.database.read(failures) == [0]
    assert len(scene.comments(number)) == 1
