"""What shipped: the merged pull requests of experiments, and what they are looked for by."""

from typing import Any

import pytest

from bot.demo import payloads
from tests.kit.deliveries import REPO, at
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

SHIPPED = "/api/v1/shipped"
OTHER = payloads.repository("acme/app")


async def tell(bot: Bot, integration: str, number: int, minute: int | None, **more: Any) -> None:
    """A pull request that names `keys`, merged at a minute, or open if that is None."""
    payload = payloads.pull_request(
        "opened" if minute is None else "closed",
        number,
        at(minute or more.pop("updated", 0)),
        repo=more.pop("repo", REPO),
        title=f"Pull {number}",
        body=f"experiment_key: {more.pop('keys', 'a')}",
        state="open" if minute is None else "closed",
        merged=more.pop("merged", minute is not None),
        created_at=more.pop("created_at", at(0)),
        **more,
    )
    await bot.tell(integration, payload)


async def numbers(bot: Bot, query: str = "", limit: int = 50) -> list[int]:
    return [row["number"] for row in await bot.walk(f"{SHIPPED}?{query}", limit=limit)]


@pytest.fixture
async def integration(bot: Bot) -> str:
    """Experiments `a` and `b` of two owners; three pull requests of theirs are merged."""
    await bot.experiment("a", name="Experiment A", owner="growth", status="active")
    await bot.experiment("b", owner="mobile & web")
    integration = await bot.integration()
    await tell(bot, integration, 1, 30)
    await tell(bot, integration, 2, 10, keys="a, b")
    await tell(bot, integration, 3, 20, keys="b", repo=OTHER)
    await tell(bot, integration, 4, None)
    await tell(bot, integration, 5, 40, merged=False)  # closed
    await tell(bot, integration, 6, 50, keys="nobody-knows")
    return integration


async def test_an_item_has_what_product_people_ask_for(bot: Bot, integration: str) -> None:
    item = next(one for one in (await bot.get(SHIPPED)).items if one["number"] == 2)
    seen = (await bot.get("/api/v1/pull-requests/acme/shop/2")).body
    experiments = item.pop("experiments")
    assert item.pop("lead_time_seconds") == 600
    assert item["live"] == []
    apart = ("experiments", "code", "code_status", "code_unread")
    assert item == {name: value for name, value in seen.items() if name not in apart}
    assert (item["state"], item["merged_at"], item["author"]) == ("merged", at(10), "mona")
    known = {"name": "Experiment A", "status": "active", "owner": "growth", "linked_by": "body"}
    assert experiments[0] == {"key": "a", **known}
    assert [one["key"] for one in experiments] == ["a", "b"]


@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_the_last_merged_comes_first_and_each_once(
    bot: Bot, integration: str, limit: int
) -> None:
    """Neither what is open or closed, nor what is linked to keys that no experiment has."""
    assert await numbers(bot, limit=limit) == [1, 3, 2]


@pytest.mark.parametrize(
    "query, expected",
    [
        ("owner=growth", [1, 2]),
        ("owner=mobile+%26+web", [3, 2]),
        ("owner=Growth", []),
        ("owner=nobody", []),
        ("experiment=a", [1, 2]),
        ("experiment=b", [3, 2]),
        ("experiment=A", []),
        ("experiment=nobody-knows", []),
        ("experiment=b&owner=mobile+%26+web", [3, 2]),
        ("experiment=b&owner=growth", []),
        ("repository=acme/shop", [1, 2]),
        ("repository=ACME/App", [3]),
        ("repository=acme/other", []),
        ("repository=acme/app&owner=growth", []),
        ("repository=acme/shop&owner=mobile+%26+web", [2]),
        ("repository=acme/shop&experiment=b", [2]),
        ("repository=acme/shop&experiment=b&owner=mobile+%26+web", [2]),
        (f"since={at(10)}", [1, 3, 2]),
        (f"since={at(20)}", [1, 3]),
        (f"until={at(20)}", [2]),
        (f"since={at(10)}&until={at(30)}", [3, 2]),
        (f"since={at(20)}&until={at(20)}", []),
        ("since=2026-03-02T12:20:00.5%2B02:00", [1]),
        ("since=2026-03-02", [1, 3, 2]),
        ("until=2026-03-02", []),
        ("until=2026-03-03&experiment=a&repository=acme/shop", [1, 2]),
    ],
)
async def test_filters(bot: Bot, integration: str, query: str, expected: list[int]) -> None:
    for limit in (1, 50):
        assert await numbers(bot, query, limit) == expected


@sqlite_only
async def test_what_is_no_filter_is_refused(bot: Bot) -> None:
    for query, field in (
        ("since=yesterday", "since"),
        ("since=2026-02-30", "since"),
        ("until=2026-03-02T25:00:00Z", "until"),
        ("until=2026-03-02T10:00:00", "until"),
        ("until=1772445600", "until"),
        ("since=", "since"),
        ("since=2026-03-02T12:20:00+02:00", "since"),  # whose + is a space
        ("owner=", "owner"),
        ("experiment=a%20b", "experiment"),
        ("repository=shop", "repository"),
        ("repository=acme/shop/x", "repository"),
        ("team=growth", "team"),
        ("owner=a&owner=b", "owner"),
        ("status=active", "status"),
    ):
        answer = await bot.get(f"{SHIPPED}?{query}")
        assert (answer.status, answer.body["errors"][0]["field"]) == (422, field), query
    assert (await bot.get(SHIPPED, token="")).status == 401


async def test_it_follows_the_experiment(bot: Bot, integration: str) -> None:
    """Its owner, whether it is there at all, and its links."""
    await bot.patch("/api/v1/experiments/a", {"owner": "search"})
    assert await numbers(bot, "owner=growth") == []
    assert await numbers(bot, "owner=search") == [1, 2]
    assert await numbers(bot, "owner=search&repository=acme/shop") == [1, 2]
    await bot.patch("/api/v1/experiments/a", {"owner": None})
    assert await numbers(bot, "owner=search") == []
    await bot.delete("/api/v1/experiments/a")
    assert await numbers(bot) == [3, 2]
    assert await numbers(bot, "experiment=a") == []
    (item,) = (await bot.get(f"{SHIPPED}?repository=acme/shop")).items
    assert [one["key"] for one in item["experiments"]] == ["b"]
    await bot.experiment("nobody-knows", owner="late")
    assert await numbers(bot, "owner=late") == [6]
    await bot.delete("/api/v1/experiments/b/pull-requests/acme/shop/2")
    assert await numbers(bot) == [6, 3]


@sqlite_only
async def test_a_new_owner_costs_no_more_than_what_can_ship(bot: Bot, integration: str) -> None:
    """Commits are many more, and nobody looks for them by owner."""
    push = payloads.push("main", ["One\n\nExperiment-Key: a"], repo=REPO, at=at(6))
    await bot.tell(integration, push)
    await bot.patch("/api/v1/experiments/a", {"owner": "search"})
    owners = "SELECT DISTINCT kind, owner FROM links WHERE experiment_key = 'a' ORDER BY kind"
    rows = await bot.services.database.read(lambda tx: [(*row,) for row in tx.all(owners)])
    assert rows == [("commit", "growth"), ("pull_request", "search")]


async def test_it_follows_the_pull_request(bot: Bot, integration: str) -> None:
    """What is merged later comes, and what no longer names the experiment goes."""
    await tell(bot, integration, 4, 60, keys="b")
    assert await numbers(bot) == [4, 1, 3, 2]
    assert await numbers(bot, "owner=growth") == [1, 2]
    edited = payloads.pull_request(
        "edited", 1, at(61), repo=REPO, body="", state="closed", merged=True, closed_at=at(30)
    )
    await bot.tell(integration, edited)
    assert await numbers(bot) == [4, 3, 2]
    renamed = {**payloads.repository("acme/mobile"), "id": OTHER["id"]}
    change = {"repository": {"name": {"from": "app"}}}
    await bot.tell(integration, {"action": "renamed", "repository": renamed, "changes": change})
    assert await numbers(bot, "repository=acme/mobile") == [3]
    assert await numbers(bot, "repository=acme/app") == []


async def test_two_integrations_make_one(bot: Bot, integration: str) -> None:
    other = await bot.integration(name="Another")
    await tell(bot, other, 1, 30)
    assert await numbers(bot) == [1, 3, 2]


@sqlite_only
async def test_a_lead_time_that_cannot_be_is_none(bot: Bot) -> None:
    """A payload without a time of creation, or merged before it was made."""
    await bot.experiment("a")
    integration = await bot.integration()
    await tell(bot, integration, 1, 10, created_at=at(20))
    payload = payloads.pull_request(
        "closed", 2, at(5), repo=REPO, body="experiment_key: a", state="closed", merged=True
    )
    del payload["pull_request"]["created_at"]
    await bot.tell(integration, payload)
    assert [one["lead_time_seconds"] for one in (await bot.get(SHIPPED)).items] == [None, None]


async def test_a_walk_sees_each_once_though_all_were_merged_at_once(bot: Bot) -> None:
    await bot.experiment("a")
    await bot.experiment("b")
    integration = await bot.integration()
    for number in range(1, 8):
        await tell(bot, integration, number, 9, keys="b, a" if number % 2 else "a")
    for query in ("", "owner=x", "experiment=a", "repository=acme/shop"):
        expected = [] if query == "owner=x" else list(range(1, 8))
        for limit in (1, 2, 3):
            assert sorted(await numbers(bot, query, limit)) == expected
    cursor = (await bot.get(f"{SHIPPED}?limit=2")).body["next_cursor"]
    assert (await bot.get(f"/api/v1/activity?cursor={cursor}")).status == 422


@sqlite_only
async def test_no_address_of_anybody_is_shown(bot: Bot) -> None:
    await bot.experiment("a")
    integration = await bot.integration()
    await tell(bot, integration, 1, 9)
    payload = payloads.pull_request(
        "edited", 1, at(10), repo=REPO, body="experiment_key: a", state="closed", merged=True
    )
    payload["pull_request"]["title"] = "Ask jane@example.com"
    payload["pull_request"]["user"]["login"] = "root@buildhost"
    await bot.tell(integration, payload)
    answer = await bot.get(SHIPPED)
    assert len(answer.items) == 1
    assert "@" not in str(answer.items)
