"""What a delivery costs does not grow with the history of its branch, in statements and in rows."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot import storage as store
from bot.demo import payloads
from bot.storage.postgres_statements import PostgresStatements
from bot.storage.sqlite_statements import SqliteStatements
from tests.kit.marks import slow
from tests.kit.running import Bot

REPO = payloads.repository("acme/train")
START = datetime(2026, 3, 2, 10, tzinfo=UTC)
COMMITS = 5  # of a release


class Cost:
    """Counts the statements that are run, and the rows that they give or change."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements = self.rows = 0
        for engine in (SqliteStatements, PostgresStatements):
            for name, rows in (("all", len), ("one", bool), ("run", abs)):
                monkeypatch.setattr(engine, name, self._counted(getattr(engine, name), rows))
            monkeypatch.setattr(engine, "run_many", self._counted_many(engine.run_many))

    def take(self) -> tuple[int, int]:
        """Return what was counted since the last time."""
        taken, self.statements, self.rows = (self.statements, self.rows), 0, 0
        return taken

    def _counted(self, method: Callable[..., Any], rows: Callable[[Any], int]) -> Any:
        def call(
            tx: Any, sql: str, params: store.database.Params = store.database.NO_PARAMS
        ) -> Any:
            found: Sequence[store.database.Row] | store.database.Row | int | None = method(
                tx, sql, params
            )
            self.statements += 1
            self.rows += rows(found)
            return found

        return call

    def _counted_many(self, method: Callable[..., Any]) -> Any:
        def call(tx: Any, sql: str, rows: Sequence[store.database.Params]) -> None:
            method(tx, sql, rows)
            self.statements += 1
            self.rows += len(rows)

        return call


@pytest.fixture
def cost(monkeypatch: pytest.MonkeyPatch) -> Cost:
    return Cost(monkeypatch)


def at(release: int, minute: int) -> datetime:
    return START + timedelta(hours=release, minutes=minute)


def stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def push(branch: str, time: datetime, messages: list[str], *, distinct: bool) -> dict[str, Any]:
    payload = payloads.push(
        branch, messages, repo=REPO, pushed_at=int(time.timestamp()), at=stamp(time)
    )
    for commit in payload["commits"]:
        commit["distinct"] = distinct
    return payload


def pull(action: str, release: int, minute: int, **values: Any) -> dict[str, Any]:
    about: dict[str, Any] = {
        "repo": REPO,
        "body": "experiment_key: a",
        "branch": "develop",
        "created_at": stamp(at(release, 1)),
    }
    return payloads.pull_request(action, release, stamp(at(release, minute)), **{**about, **values})


async def release(bot: Bot, integration: str, cost: Cost, number: int) -> dict[str, Any]:
    """Let `develop` be merged into `main` once more; return what each delivery has cost."""
    messages = [f"Release {number}, commit {one}" for one in range(COMMITS)]
    back = [f"Merge release {number - 1}"]
    merged: dict[str, Any] = {"state": "closed", "merged": True}
    costs = {}
    for name, payload in {
        "push": push("develop", at(number, 0), messages, distinct=True),
        "back-merge": push("develop", at(number, 0), back, distinct=False),
        "opened": pull("opened", number, 1),
        "edited": pull("edited", number, 2, body="experiment_key: a\n\nexperiment_key: b"),
        "edited back": pull("edited", number, 3),
        "closed": pull("closed", number, 4, **merged),
        "reopened": pull("reopened", number, 5),
        "closed again": pull("closed", number, 6, **merged),
        "the merge": push("main", at(number, 6), messages, distinct=False),
        "the merge's own": push("main", at(number, 6), [f"Merge release {number}"], distinct=True),
    }.items():
        cost.take()
        await bot.tell(integration, payload)
        costs[name] = cost.take()
    return costs


@slow
async def test_a_release_train(bot: Bot, cost: Cost) -> None:
    """The fortieth release costs what the fifth did."""
    for key in ("a", "b"):
        await bot.experiment(key)
    integration = await bot.integration()
    costs = [await release(bot, integration, cost, number) for number in range(1, 41)]
    assert costs[39] == costs[4]
    counts = (await bot.get("/api/v1/experiments/a")).body["counts"]
    assert counts == {"pull_requests": 40, "issues": 0, "commits": 40 * COMMITS, "code": 0}


@pytest.mark.parametrize("state", ["open", "closed"])
async def test_old_pull_requests_without_an_experiment(bot: Bot, cost: Cost, state: str) -> None:
    """A push to a branch of many of them costs what it does with few."""
    integration = await bot.integration()
    costs = []
    for number in range(1, 81):
        action = "opened" if state == "open" else "closed"
        bare = pull(action, number, 1, body=None, state=state, base=f"base-{number}")
        await bot.tell(integration, bare)
        if number in (5, 80):
            messages = [f"After {number}, commit {one}" for one in range(50)]
            payload = push("develop", at(number, 2), messages, distinct=True)
            cost.take()
            await bot.tell(integration, payload)
            costs.append(cost.take())
    assert costs[0] == costs[1]


@slow
async def test_a_push_costs_statements_by_the_hundred(bot: Bot, cost: Cost) -> None:
    """Not one after the other for each of its commits."""
    await bot.experiment("a")
    integration = await bot.integration()
    await bot.tell(integration, pull("opened", 1, 1))
    statements = []
    for size in (1, 500):
        messages = [f"Of {size}, commit {one}" for one in range(size)]
        payload = push("develop", at(1, 2 + size % 50), messages, distinct=True)
        cost.take()
        await bot.tell(integration, payload)
        statements.append(cost.take()[0])
    assert statements[0] == statements[1]


async def test_a_commit_on_many_branches(bot: Bot, cost: Cost) -> None:
    """Bringing a branch up to date costs as little as it did for the branches before."""
    await bot.experiment("a")
    integration = await bot.integration()
    main = ["Main's", "Main's too"]
    await bot.tell(integration, push("main", at(0, 0), main, distinct=True))
    costs = []
    for number in range(1, 41):
        branch = f"feature-{number}"
        await bot.tell(integration, pull("opened", number, 1, branch=branch))
        cost.take()
        await bot.tell(integration, push(branch, at(number, 2), main, distinct=False))
        costs.append(cost.take())
    assert costs[39] == costs[4]
    assert await bot.walk("/api/v1/experiments/a/commits") == []
