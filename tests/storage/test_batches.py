"""Deliveries that wait together: what they cost, and that none spoils another."""

import asyncio
import gc
from datetime import datetime
from typing import Any

import psycopg
import pytest

from bot import storage as store
from bot.deliveries.life import retry_due
from bot.demo import payloads
from bot.storage.known_rows import KnownRows
from tests.domain.lives import clock as at
from tests.kit.batches import gather_for
from tests.kit.clock import Clock
from tests.kit.running import Answer, Bot, event_of
from tests.kit.statements import Statements

MANY = 32
KEY_LINE = "experiment_key: a"
REPO = payloads.repository("acme/shop")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    gather_for(monkeypatch, 0.3)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    return Statements(monkeypatch)


def pull(number: int, action: str = "opened", minute: int = 1, **values: Any) -> dict[str, Any]:
    return payloads.pull_request(action, number, at(minute), repo=REPO, **values)


def push(branch: str, *messages: str, made: bool = False, minute: int = 1) -> dict[str, Any]:
    pushed_at = int(datetime.fromisoformat(at(minute)).timestamp())
    return {**payloads.push(branch, [*messages], repo=REPO, pushed_at=pushed_at), "created": made}


async def together(bot: Bot, integration: str, *told: dict[str, Any]) -> list[Answer]:
    return await asyncio.gather(
        *(bot.deliver(integration, event_of(payload), payload) for payload in told)
    )


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("body", [KEY_LINE, "Nothing of experiments."])
async def test_many_cost_as_many_statements_as_one(
    bot: Bot, statements: Statements, body: str
) -> None:
    await bot.experiment("a")
    integration = await bot.integration()
    await bot.tell(integration, pull(1, body=body))
    first = 2
    for minute, (action, values) in enumerate(
        [
            ("opened", {}),
            ("synchronize", {"sha": "b" * 40}),
            ("closed", {"state": "closed", "closed_at": at(4)}),
        ],
        start=2,
    ):
        costs = []
        for numbers in ([first], range(first + 1, first + 1 + MANY)):
            told = [pull(number, action, minute, body=body, **values) for number in numbers]
            statements.take()
            answers = await together(bot, integration, *told)
            assert {answer.body["processed"] for answer in answers} == {True}
            # The door reads integrations by itself, every other second.
            door = sum(count for sql, count in statements.asked.items() if "integrations" in sql)
            costs.append(statements.take()[0] - door)
        assert costs[1] == costs[0], action


async def test_what_concerns_no_experiment_touches_two_tables(
    bot: Bot, statements: Statements
) -> None:
    integration = await bot.integration()
    await bot.tell(integration, pull(1))
    told = [
        pull(2),
        pull(2, "edited", 2, title="Another title"),
        pull(2, "synchronize", 3, sha="b" * 40),
        pull(2, "labeled", 1),  # late
    ]
    for payload in told:
        statements.take()
        await bot.tell(integration, payload)
        assert statements.take()[2].keys() <= {"deliveries", "items"}
    issue = payloads.issue("opened", 9, at(1), repo=REPO)
    statements.take()
    await bot.tell(integration, issue)
    assert statements.take()[2].keys() <= {"deliveries", "items"}


@pytest.mark.usefixtures("patient")
async def test_many_pushes_cost_as_many_statements_as_one(bot: Bot, statements: Statements) -> None:
    integration = await bot.integration()
    await bot.tell(integration, pull(1))
    costs = []
    for numbers in ([1], range(2, 2 + MANY)):
        told = [push(f"branch-{n}", f"One of {n}", f"Two of {n}", made=n > 1) for n in numbers]
        statements.take()
        answers = await together(bot, integration, *told)
        assert {answer.body["processed"] for answer in answers} == {True}
        door = sum(count for sql, count in statements.asked.items() if "integrations" in sql)
        costs.append(statements.take()[0] - door)
    assert costs[1] == costs[0]


PUSHES = {
    "to a branch": (push("other", "A commit"), "commits"),
    "that makes a branch": (push("other", "A commit", "Another", made=True), "commits"),
    "that only makes a branch": (push("other", made=True), "branch_starts"),
    "to the branch of a pull request": (push("feature", "A commit"), "commits"),
    "to the base of a pull request": (push("main", "A commit"), "commits"),
}


@pytest.mark.parametrize("kind", PUSHES)
async def test_a_push_that_concerns_no_experiment_touches_two_tables(
    bot: Bot, statements: Statements, kind: str
) -> None:
    told, table = PUSHES[kind]
    integration = await bot.integration()
    await bot.tell(integration, pull(1, branch="feature", base="main"))
    statements.take()
    await bot.tell(integration, told)
    assert statements.take()[2] == {"deliveries": 1, table: 1}


async def test_a_push_is_the_first_that_is_heard_of_a_repository(
    bot: Bot, statements: Statements
) -> None:
    integration = await bot.integration()
    statements.take()
    await bot.tell(integration, push("other", "A commit"))
    assert statements.take()[2].keys() == {"deliveries", "commits", "repositories"}


LINKED = pull(1, branch="feature", base="main", body=KEY_LINE)
BARE = pull(1, branch="feature", base="main")
SOON = pull(1, "edited", 2, branch="feature", base="main", body=KEY_LINE)
TOGETHER = [
    [push("feature", "Mine"), LINKED],
    [LINKED, push("feature", "Mine")],
    [BARE, push("feature", "Mine"), SOON],
    [BARE, SOON, push("feature", "Mine"), push("feature", "Mine")],
    [push("other", "Mine"), push("feature", "Mine"), BARE, SOON],
    [push("feature", "Mine"), BARE, push("other", "Mine"), SOON],
    [push("other", "Mine"), LINKED, push("feature", "Mine", made=True)],
]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("is_known", [False, True], ids=["new", "known"])
@pytest.mark.parametrize("told", TOGETHER)
async def test_a_push_waits_together_with_what_it_concerns(
    bot: Bot, told: list[dict[str, Any]], is_known: bool
) -> None:
    await bot.experiment("a")
    integration = await bot.integration()
    if is_known:
        await bot.tell(integration, pull(2))
    await together(bot, integration, *told)
    found = await bot.walk("/api/v1/experiments/a/commits")
    assert [one["message"] for one in found] == ["Mine"]
    feed = await bot.walk("/api/v1/experiments/a/activity")
    assert sum(one["type"] == "commit.pushed" for one in feed) == 1


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("is_first", [False, True])
async def test_a_branch_is_made_together_with_what_leads_into_it(bot: Bot, is_first: bool) -> None:
    """What it was cut from may have been the head: GitHub is asked, whichever comes first."""
    await bot.experiment("a")
    integration = await bot.integration()
    await bot.tell(integration, pull(1), push("feature", "Mine", minute=2))
    opened = pull(2, minute=4, branch="feature", base="release", created_at=at(4), body=KEY_LINE)
    told = [push("release", "The release's", made=True, minute=3), opened]
    await together(bot, integration, *(told if is_first else told[::-1]))
    assert await bot.walk("/api/v1/experiments/a/commits") == []
    page = "/api/v1/experiments/a/pull-requests"
    assert [one["number"] for one in await bot.walk(page)] == [2]


async def test_what_nobody_handles_touches_one_table(bot: Bot, statements: Statements) -> None:
    integration = await bot.integration()
    statements.take()
    answer = await bot.deliver(integration, "star", {"action": "created", "repository": REPO})
    assert answer.body == {"processed": False, "reason": "no handler"}
    assert statements.take()[2] == {"deliveries": 1}


async def test_what_a_batch_knew_is_let_go_of(bot: Bot) -> None:
    """Payloads that wait for the garbage collector are most of what a service takes under load."""
    integration = await bot.integration()
    gc.collect()
    gc.disable()
    try:
        await bot.tell(integration, pull(1, body=KEY_LINE), pull(2))
        known = [one for one in gc.get_objects() if isinstance(one, KnownRows)]
    finally:
        gc.enable()
    assert [one for one in known if one.shape is store.StoredDelivery] == []


async def refuse(bot: Bot, title: str) -> None:
    """Let the database refuse a title of a pull request, which no rule of the bot's does."""
    url = bot.services.settings.database_url
    if url.startswith("postgres"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                f"ALTER TABLE items ADD CONSTRAINT refused CHECK (title <> '{title}')"
            )
        return
    sql = f"""CREATE TRIGGER refused BEFORE INSERT ON items WHEN NEW.title = '{title}'
        BEGIN SELECT RAISE(ABORT, 'refused'); END"""
    await bot.services.database.write(lambda tx: tx.run(sql))


async def allow(bot: Bot) -> None:
    url = bot.services.settings.database_url
    is_postgres = url.startswith("postgres")
    sql = "ALTER TABLE items DROP CONSTRAINT refused" if is_postgres else "DROP TRIGGER refused"
    await bot.services.database.write(lambda tx: tx.run(sql))


async def test_what_the_database_refuses_spoils_no_neighbour(bot: Bot, clock: Clock) -> None:
    """The batch is run again, each delivery by itself; the refused one is retried later."""
    await bot.experiment("a")
    integration = await bot.integration()
    await bot.tell(integration, pull(100))
    await refuse(bot, "Odd")
    told = [pull(n, body=KEY_LINE, title="Odd" if n == 7 else f"Title {n}") for n in range(1, 17)]
    answers = await together(bot, integration, *told)
    failed = [n for n, answer in enumerate(answers, start=1) if not answer.body["processed"]]
    assert failed == [7]
    assert (answers[6].status, answers[6].body["reason"]) == (202, "will be retried")
    page = "/api/v1/experiments/a/pull-requests"
    assert {one["number"] for one in await bot.walk(page)} == {*range(1, 17)} - {7}
    await allow(bot)
    clock.ahead += 60
    await retry_due(bot.services)
    assert {one["number"] for one in await bot.walk(page)} == {*range(1, 17)}
    feed = await bot.walk("/api/v1/experiments/a/activity")
    assert sum(one["type"] == "pull_request.linked" for one in feed) == 16


@pytest.mark.parametrize("is_late", [False, True], ids=["newest", "late"])
async def test_a_long_story_costs_no_more_than_a_short_one(
    bot: Bot, statements: Statements, is_late: bool
) -> None:
    """A pull request that was unlinked by hand once, and told of a hundred times since."""
    await bot.experiment("a")
    integration = await bot.integration()
    await bot.tell(integration, pull(7, body=KEY_LINE), pull(8, body=KEY_LINE))
    path = "/api/v1/experiments/a/pull-requests/acme/shop/7"
    assert (await bot.delete(path)).status == 204
    costs = []
    for minute in range(3, 203, 2):
        await bot.tell(integration, pull(7, "edited", minute, body=KEY_LINE))
        statements.take()
        told = pull(7, "labeled", minute - 1 if is_late else minute + 1, body=KEY_LINE)
        await bot.tell(integration, told)
        costs.append(statements.take()[:2])
    assert costs[-1] == costs[2]
