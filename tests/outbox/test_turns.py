"""Queues have fair turns, hold nobody else up, and cost nothing while nothing is due."""

import asyncio
import dataclasses
import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from bot import storage as store
from bot import worker
from bot.outbox import loop, seen
from tests.github import REPO, Fault
from tests.kit.marks import slow, sqlite_only, token_only
from tests.kit.outbound import Scene
from tests.kit.running import SECRET, eventually
from tests.outbox.stories import KEY, LINE

pytestmark = token_only

STATUSES = f"POST {REPO}/statuses/{{sha}}"
BACKLOG = 10_000


async def another(scene: Scene, name: str) -> str:
    """Return an integration of another token, in a repository of its own."""
    scene.github.add_token(f"ghp_{name}", name)
    scene.github.add_repository(f"{name}/shop")
    config = {"token": f"ghp_{name}", "webhook_secret": SECRET}
    return await scene.bot.integration(name=name, config=config)


async def opened(scene: Scene, integration: str, repository: str) -> int:
    """Let a pull request be opened that names an experiment; return its number."""
    pull = scene.github.open_pull(repository, title="T", body=LINE)
    payload = {
        "action": "opened",
        "number": pull.number,
        "pull_request": scene.github.pull_payload(repository, pull.number),
        "repository": scene.github.repository_payload(repository),
    }
    answer = await scene.bot.deliver(integration, "pull_request", payload)
    assert answer.body == {"processed": True}
    return int(pull.number)


async def test_queues_take_turns_where_places_are_few(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has much to do gives its place to the others after each action."""
    monkeypatch.setattr(loop, "AT_ONCE", 1)
    await scene.bot.experiment(KEY)
    late = await another(scene, "late")
    for _ in range(4):
        await scene.open(LINE)
    await opened(scene, late, "late/shop")
    working = scene.work_on()
    try:
        await eventually(lambda: _done(scene, 5), 30)
    finally:
        working.cancel()
    repositories = [one.path.split("/")[2] for one in scene.github.writes(STATUSES)]
    assert repositories.index("late") <= 1


async def _done(scene: Scene, number: int) -> bool:
    return len(await scene.actions("?status=done")) == number


@sqlite_only
async def test_one_that_cannot_be_read_holds_up_no_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the bot's own with one pull request is tried again as if GitHub had failed."""
    await scene.bot.experiment(KEY)
    broken, other = await scene.open(LINE), await scene.open(LINE)
    look = seen.look

    def failing(tx: store.Transaction, repository: store.Repository, item_id: int) -> seen.Seen:
        found = look(tx, repository, item_id)
        if found.item.number == broken:
            raise ValueError("cannot be read")
        return found

    monkeypatch.setattr(seen, "look", failing)
    await scene.pass_time(120, 30)
    assert len(scene.comments(other)) == 1
    (action,) = await scene.actions("?status=pending")
    assert "the bot failed" in action["last_error"]
    monkeypatch.undo()
    await scene.pass_time(1200, 600)
    assert len(scene.comments(broken)) == 1


@sqlite_only
async def test_it_stops_in_time_while_calls_hang_and_another_process_writes(scene: Scene) -> None:
    """To be killed meanwhile would cost what is in hand elsewhere."""
    await scene.bot.experiment(KEY)
    hanging = scene.github.fail(Fault("timeout_before", STATUSES, times=1, seconds=60))
    await scene.open(LINE)
    working = worker.Worker(scene.bot.services)

    async def hangs() -> bool:
        return hanging.used == 1

    await eventually(hangs)
    path = scene.bot.services.settings.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(worker._STOP_SECONDS + 3):
            await working.stop()


@sqlite_only
async def test_calls_that_hang_use_up_no_places(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    for number in range(60):
        await opened(scene, await another(scene, f"slow-{number}"), f"slow-{number}/shop")
    hanging = scene.github.fail(Fault("timeout_before", STATUSES, times=60, seconds=60))
    working = scene.work_on()

    async def all_hang() -> bool:
        return hanging.used == 60

    try:
        await eventually(all_hang, 30)
        number = await scene.open(LINE)
        await eventually(lambda: _done(scene, 1), 30)
        assert scene.check(number) == "success"
    finally:
        working.cancel()
        await scene.outbox.stop(0)


# --- What waits behind the next action costs nothing


def backlog(tx: store.Transaction) -> None:
    """Owe the same queue 10,000 times what it is owed, due by now or waiting for people."""
    row = tx.one("SELECT * FROM actions")
    assert row is not None
    names = [name for name in store.Action.__struct_fields__ if name != "seq"]
    columns, values = ", ".join(names), ", ".join(f":{name}" for name in names)
    sql = f"INSERT INTO actions ({columns}) VALUES ({values})"
    given = {name: row[name] for name in names}
    tx.run_many(
        sql,
        [
            {**given, "id": f"{n}", "lane": f"{n}", "collapse": None, "priority": n % 3}
            for n in range(BACKLOG)
        ],
    )


@slow
@pytest.mark.parametrize("is_analyzed", [True, False])
@pytest.mark.parametrize("ask", [store.actions.begin, store.actions.earliest])
async def test_what_is_next_is_found_however_many_wait(
    scene: Scene, engine: str, ask: Callable[..., Any], is_analyzed: bool
) -> None:
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    await scene.bot.services.database.write(backlog, heavy=True)
    if is_analyzed:
        await scene.bot.services.database.write(lambda tx: tx.run("ANALYZE"))
    work = Work(engine)

    def job(tx: store.Transaction) -> None:
        queue = store.query.value(tx, "SELECT queue FROM queues")
        given = (queue, 2**62, 6) if ask is store.actions.begin else (queue,)
        ask(work.of(tx), *given)

    await scene.bot.services.database.write(job)
    assert 0 < work.done < 500


class Work:
    """How much a database does for a statement: rows that nodes return, or thousands of steps."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self.done = 0

    def of(self, tx: Any) -> Any:
        self._tx = tx
        return self

    def one(self, sql: str, params: Any) -> Any:
        if self._engine == "sqlite":
            connection = self._tx.stored._connection
            connection.set_progress_handler(self._step, 100)
            try:
                return self._tx.one(sql, params)
            finally:
                connection.set_progress_handler(None, 0)
        plan = self._tx.one(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)["QUERY PLAN"]
        nodes = [(json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]]
        while nodes:
            node = nodes.pop()
            nodes += node.get("Plans", [])
            removed = node.get("Rows Removed by Filter", 0)
            self.done += round((node["Actual Rows"] + removed) * node["Actual Loops"])
        return None

    def _step(self) -> int:
        self.done += 1
        return 0


# --- Idle


class Counting:
    """A database that counts what it is asked."""

    def __init__(self, database: store.Database) -> None:
        self._database = database
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def read(self, job: Callable[[store.Transaction], Any]) -> Any:
        self.asked["read"] += 1
        return await self._database.read(job)

    async def write(self, job: Callable[[store.Transaction], Any], **more: Any) -> Any:
        self.asked["write"] += 1
        return await self._database.write(job, **more)


@slow
async def test_an_idle_worker_asks_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        worker, "_SWEEP_PAUSE", 0.2
    )  # so that the commits of the start are looked at
    services = scene.bot.services
    counting: Any = Counting(services.database)
    await scene.bot.experiment(KEY)
    working = worker.Worker(dataclasses.replace(services, database=counting))
    try:
        await asyncio.sleep(1.5)
        assert counting.asked
        counting.asked.clear()
        await asyncio.sleep(7)
        assert counting.asked == {}
        # And it hears of what there is to do.
        number = await scene.open(LINE)

        async def is_told() -> bool:
            return len(scene.comments(number)) == 1

        await eventually(is_told, 30)
    finally:
        await working.stop()
