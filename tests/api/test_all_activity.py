"""The feed of all experiments, and of a repository."""

import itertools
from typing import Any
from urllib.parse import urlencode

import pytest

from bot.demo import payloads
from tests.kit.deliveries import REPO, at
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot
from tests.kit.streams import following

FEED = "/api/v1/activity"
OTHER = payloads.repository("acme/app")


async def pull(bot: Bot, integration: str, number: int, keys: str, repo: Any, **more: Any) -> None:
    payload = payloads.pull_request(
        more.pop("action", "opened"),
        number,
        at(more.pop("minute", number)),
        repo=repo,
        body=f"experiment_key: {keys}",
        created_at=at(number),
        **more,
    )
    await bot.tell(integration, payload)


@pytest.fixture
async def integration(bot: Bot) -> str:
    await bot.experiment("a")
    await bot.experiment("b")
    integration = await bot.integration()
    await pull(bot, integration, 1, "a", REPO)
    await pull(bot, integration, 2, "a, b", OTHER)
    await pull(bot, integration, 3, "b, unknown", REPO)
    await pull(bot, integration, 1, "a", REPO, action="closed", minute=9, state="closed")
    push = payloads.push("main", ["One\n\nExperiment-Key: a"] * 2, repo=OTHER, at=at(5))
    issue = payloads.issue("opened", 7, at(4), repo=REPO, body="experiment_key: b")
    await bot.tell(integration, push, issue)
    return integration


async def test_it_is_all_feeds_together(bot: Bot, integration: str) -> None:
    """Newest first, as each of them; with those of keys that no experiment has."""
    whole = (await bot.get(f"{FEED}?limit=200")).items
    moments = [item["occurred_at"] for item in whole]
    assert moments == sorted(moments, reverse=True)
    of_each = []
    for key in ("a", "b"):
        feed = (await bot.get(f"/api/v1/experiments/{key}/activity")).items
        assert [item for item in whole if item["experiment_key"] == key] == feed
        of_each += feed
    others = [item for item in whole if item not in of_each]
    assert {item["experiment_key"] for item in others} == {"unknown"}
    assert len(whole) == len(of_each) + len(others)


async def test_filters_go_together(bot: Bot, integration: str) -> None:
    """Each alone and all at once, in parts of any size."""
    whole = (await bot.get(f"{FEED}?limit=200")).items
    fields = {"type": "type", "experiment": "experiment_key", "repository": "repository"}
    values = {
        "type": [None, "pull_request.linked", "commit.pushed", "experiment.created"],
        "experiment": [None, "a", "b", "unknown", "none"],
        "repository": [None, "acme/shop", "acme/app", "acme/none"],
    }
    for chosen in itertools.product(*values.values()):
        asked = {name: one for name, one in zip(values, chosen, strict=True) if one}
        expected = [
            item for item in whole if all(item[fields[name]] == one for name, one in asked.items())
        ]
        path = f"{FEED}?{urlencode(asked)}"
        assert (await bot.get(path)).items == expected, asked
        assert await bot.walk(path, limit=2) == expected, asked


async def test_a_repository_goes_by_the_name_that_it_has(bot: Bot, integration: str) -> None:
    before = (await bot.get(f"{FEED}?repository=ACME/App")).items
    renamed = {**payloads.repository("acme/mobile"), "id": OTHER["id"]}
    change = {"repository": {"name": {"from": "app"}}}
    await bot.tell(integration, {"action": "renamed", "repository": renamed, "changes": change})
    now = (await bot.get(f"{FEED}?repository=acme/mobile")).items
    assert [item["id"] for item in now] == [item["id"] for item in before] != []
    assert {item["repository"] for item in now} == {"acme/mobile"}
    assert (await bot.get(f"{FEED}?repository=acme/app")).items == []


async def test_what_stays_of_a_deleted_experiment_is_told(bot: Bot, integration: str) -> None:
    before = (await bot.get(f"{FEED}?experiment=a")).items
    await bot.delete("/api/v1/experiments/a")
    assert (await bot.get(f"{FEED}?experiment=a")).items == before != []


async def test_the_stream_tells_the_same(bot: Bot, integration: str) -> None:
    async with following(bot) as stream:
        await pull(bot, integration, 8, "unknown, a", REPO)
        told = await stream.items(4)
    listed = {item["id"]: item for item in (await bot.get(FEED)).items}
    assert all(listed[item["id"]] == item for item in told)


@sqlite_only
async def test_what_is_no_filter_is_refused(bot: Bot) -> None:
    for query, field in (
        ("type=pull_request", "type"),
        ("type=", "type"),
        ("type=commit.pushed&type=issue.closed", "type"),
        ("experiment=", "experiment"),
        ("experiment=a/b", "experiment"),
        ("repository=acme", "repository"),
        ("owner=growth", "owner"),
    ):
        answer = await bot.get(f"{FEED}?{query}")
        assert (answer.status, answer.body["errors"][0]["field"]) == (422, field), query
    assert (await bot.get(FEED, token="")).status == 401
