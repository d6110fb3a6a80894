"""Lists: what they take, and that walking one sees every row once."""

import uuid
from datetime import datetime
from typing import Any

import pytest

from bot.demo import payloads
from tests.kit.browsing import new_token, sign_in
from tests.kit.deliveries import REPO, at
from tests.kit.marks import sqlite_only
from tests.kit.running import ADMIN_TOKEN, Bot

EXPERIMENT = "/api/v1/experiments/a"
COUNT = 7


async def add_pull_request(bot: Bot, integration: str, number: int) -> None:
    payload = payloads.pull_request(
        "opened", number, at(number), repo=REPO, body="experiment_key: a", created_at=at(number)
    )
    await bot.deliver(integration, "pull_request", payload)


async def add_shipped(bot: Bot, integration: str, number: int) -> None:
    payload = payloads.pull_request(
        "closed",
        number,
        at(number),
        repo=REPO,
        body="experiment_key: a",
        created_at=at(0),
        state="closed",
        merged=True,
    )
    await bot.deliver(integration, "pull_request", payload)


async def add_issue(bot: Bot, integration: str, number: int) -> None:
    payload = payloads.issue("opened", number, at(number), repo=REPO, body="experiment_key: a")
    await bot.deliver(integration, "issues", payload)


async def add_unresolved(bot: Bot, integration: str, number: int) -> None:
    payload = payloads.issue("opened", number, at(number), repo=REPO, body="experiment_key: b")
    await bot.deliver(integration, "issues", payload)


async def add_commit(bot: Bot, integration: str, number: int) -> None:
    pushed_at = int(datetime.fromisoformat(at(number)).timestamp())
    message = f"Commit {number}\n\nExperiment-Key: a"
    payload = payloads.push("main", [message], repo=REPO, pushed_at=pushed_at)
    await bot.deliver(integration, "push", payload)


async def add_experiment(bot: Bot, integration: str, number: int) -> None:
    await bot.experiment(f"key-{number}")


async def add_integration(bot: Bot, integration: str, number: int) -> None:
    await bot.integration(name=f"Number {number}")


async def add_token(bot: Bot, integration: str, number: int) -> None:
    await new_token(bot, "viewer")


async def add_session(bot: Bot, integration: str, number: int) -> None:
    await sign_in(bot, token=ADMIN_TOKEN)


async def add_delivery(bot: Bot, integration: str, number: int) -> None:
    await bot.deliver(integration, "ping", {}, guid=str(uuid.UUID(int=number)))


# Path, how a row is added, and what tells rows apart, in the order in which the list has them.
LISTS: dict[str, tuple[str, Any, Any]] = {
    "experiments": ("/api/v1/experiments", add_experiment, lambda row: row["key"]),
    "pull requests": (f"{EXPERIMENT}/pull-requests", add_pull_request, lambda row: row["number"]),
    "issues": (f"{EXPERIMENT}/issues", add_issue, lambda row: row["number"]),
    "commits": (f"{EXPERIMENT}/commits", add_commit, lambda row: row["message"]),
    "activity": (f"{EXPERIMENT}/activity", add_commit, lambda row: row["id"]),
    "all activity": ("/api/v1/activity", add_commit, lambda row: row["id"]),
    "shipped": ("/api/v1/shipped", add_shipped, lambda row: row["number"]),
    "unresolved links": ("/api/v1/links/unresolved", add_unresolved, lambda row: row["number"]),
    "integrations": ("/api/v1/integrations", add_integration, lambda row: row["id"]),
    "tokens": ("/api/v1/tokens", add_token, lambda row: row["id"]),
    "sessions": ("/api/v1/sessions", add_session, lambda row: row["id"]),
    "deliveries": (
        "/api/v1/integrations/{integration}/deliveries",
        add_delivery,
        lambda row: row["id"],
    ),
}
every_list = pytest.mark.parametrize("path, add, identity", LISTS.values(), ids=LISTS.keys())


async def filled(bot: Bot, path: str, add: Any) -> tuple[str, str]:
    """The path and the integration of a service whose list has some rows."""
    await bot.experiment("a")
    integration = await bot.integration()
    for number in range(1, COUNT + 1):
        await add(bot, integration, number)
    return path.format(integration=integration), integration


@every_list
async def test_what_a_list_takes(bot: Bot, path: str, add: Any, identity: Any) -> None:
    """Limits from 1 to 200, a cursor of its own, and nothing that it does not know."""
    path, _ = await filled(bot, path, add)
    everything = (await bot.get(path)).items
    assert len(everything) >= COUNT
    assert (await bot.get(f"{path}?limit=200")).items == everything
    first = await bot.get(f"{path}?limit=1")
    assert first.items == everything[:1]
    assert isinstance(first.body["next_cursor"], str)
    assert (await bot.get(path)).body["next_cursor"] is None
    exact = await bot.get(f"{path}?limit={len(everything)}")
    assert (exact.items, exact.body["next_cursor"]) == (everything, None)


@every_list
async def test_a_list_is_newest_first(bot: Bot, path: str, add: Any, identity: Any) -> None:
    """A new row comes first, and every answer says when to stop."""
    path, integration = await filled(bot, path, add)
    before = [identity(row) for row in await bot.walk(path)]
    await add(bot, integration, COUNT + 1)
    after = [identity(row) for row in await bot.walk(path)]
    added = [row for row in after if row not in before]
    assert len(added) == 1
    if "activity" not in path:  # its newest is that the experiment was created, just now
        assert after == [*added, *before]


WRONG = [
    ("limit=0", "limit"),
    ("limit=201", "limit"),
    ("limit=-1", "limit"),
    ("limit=", "limit"),
    ("limit=x", "limit"),
    ("limit=1.5", "limit"),
    ("limit=null", "limit"),
    ("limit=true", "limit"),
    ("limit=99999999999999999999", "limit"),
    ("limit=1&limit=2", "limit"),
    ("cursor=", "cursor"),
    ("cursor=x", "cursor"),
    ("cursor=null", "cursor"),
    ("cursor=!", "cursor"),
    ("cursor=W10", "cursor"),
    ("cursor=WyJhIl0", "cursor"),
    ("cursor=WzEsMiwzLDRd", "cursor"),
    ("cursor=Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OTld", "cursor"),
    ("cursor=" + "A" * 201, "cursor"),
    ("Limit=1", "Limit"),
    ("offset=10", "offset"),
    ("page=2", "page"),
    ("limit=1&sort=name", "sort"),
]


@sqlite_only
@every_list
async def test_what_a_list_refuses(bot: Bot, path: str, add: Any, identity: Any) -> None:
    """A 422 that names the parameter, never a list that ignores it."""
    await bot.experiment("a")
    path = path.format(integration=await bot.integration())
    for query, field in WRONG:
        answer = await bot.get(f"{path}?{query}")
        assert answer.status == 422, query
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert [error["field"] for error in answer.body["errors"]] == [field], query


@every_list
@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_a_walk_sees_every_row_once(
    bot: Bot, path: str, add: Any, identity: Any, limit: int
) -> None:
    """Also while new rows arrive: of those that were there, none is skipped or repeated."""
    path, integration = await filled(bot, path, add)
    before = [identity(row) for row in (await bot.get(path)).items]
    seen: list[Any] = []
    cursor, number = "", 100
    while True:
        answer = await bot.get(f"{path}?limit={limit}{cursor}")
        assert len(answer.items) <= limit
        seen += [identity(row) for row in answer.items]
        if answer.body["next_cursor"] is None:
            break
        cursor = f"&cursor={answer.body['next_cursor']}"
        await add(bot, integration, number)
        number += 1
    assert len(set(seen)) == len(seen)
    assert [row for row in seen if row in before] == before


@pytest.mark.parametrize("step", range(1, COUNT))
async def test_a_walk_sees_every_link_once_while_older_news_arrives(bot: Bot, step: int) -> None:
    """A late delivery may tell that a link is older than it seemed; the walk is not disturbed."""
    await bot.experiment("a")
    integration = await bot.integration()
    for number in range(1, COUNT + 1):
        payload = payloads.pull_request(
            "edited", number, at(10 + number), repo=REPO, body="experiment_key: a"
        )
        await bot.deliver(integration, "pull_request", payload)
    seen: list[int] = []
    cursor = ""
    while True:
        answer = await bot.get(f"{EXPERIMENT}/pull-requests?limit=1{cursor}")
        seen += [row["number"] for row in answer.items]
        if answer.body["next_cursor"] is None:
            break
        cursor = f"&cursor={answer.body['next_cursor']}"
        if len(seen) == step:
            for number in (seen[0], COUNT + 1 - step):
                late = payloads.pull_request(
                    "opened", number, at(number - 20), repo=REPO, body="experiment_key: a"
                )
                await bot.deliver(integration, "pull_request", late)
    assert sorted(seen) == list(range(1, COUNT + 1))


async def test_rows_of_one_moment_are_walked_too(bot: Bot) -> None:
    """Many links and commits of the same second, one by one."""
    await bot.experiment("a")
    integration = await bot.integration()
    for number in range(10):
        payload = payloads.issue("opened", number + 1, at(0), repo=REPO, body="experiment_key: a")
        await bot.deliver(integration, "issues", payload)
    messages = [f"Commit {number}\n\nExperiment-Key: a" for number in range(10)]
    await bot.deliver(integration, "push", payloads.push("main", messages, repo=REPO))
    issues = await bot.walk(f"{EXPERIMENT}/issues", limit=1)
    assert sorted(item["number"] for item in issues) == list(range(1, 11))
    commits = await bot.walk(f"{EXPERIMENT}/commits", limit=3)
    assert sorted(item["message"] for item in commits) == sorted(messages)
    activity = await bot.walk(f"{EXPERIMENT}/activity", limit=1)
    assert len({item["id"] for item in activity}) == len(activity) == 21


async def test_a_cursor_outlives_its_row(bot: Bot) -> None:
    """The walk goes on from its place, also when the row that it points to is gone."""
    for number in range(5):
        await bot.experiment(f"key-{number}")
    first = await bot.get("/api/v1/experiments?limit=2")
    assert [row["key"] for row in first.items] == ["key-4", "key-3"]
    await bot.delete("/api/v1/experiments/key-3")
    rest = await bot.get(f"/api/v1/experiments?cursor={first.body['next_cursor']}")
    assert [row["key"] for row in rest.items] == ["key-2", "key-1", "key-0"]
