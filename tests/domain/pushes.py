"""Pushes and pull requests of acme/shop, and the commits that are linked."""

from datetime import datetime
from typing import Any

from bot.demo import payloads
from tests.kit.deliveries import REPO, at
from tests.kit.running import Bot


def push(branch: str, minute: int, *messages: str, repo: dict[str, Any] = REPO) -> dict[str, Any]:
    pushed_at = int(datetime.fromisoformat(at(minute)).timestamp())
    return payloads.push(branch, list(messages), repo=repo, pushed_at=pushed_at, at=at(minute))


def pull(action: str, minute: int, *, number: int = 7, **values: Any) -> dict[str, Any]:
    defaults = {"repo": REPO, "body": "experiment_key: a", "created_at": at(1)}
    return payloads.pull_request(action, number, at(minute), **{**defaults, **values})


async def commits(bot: Bot, key: str = "a") -> dict[str, str]:
    """Message and source of each commit of an experiment."""
    items = await bot.walk(f"/api/v1/experiments/{key}/commits")
    assert len({(item["repository"], item["sha"]) for item in items}) == len(items)
    return {item["message"]: item["linked_by"] for item in items}


async def pushes_in_feed(bot: Bot, key: str = "a") -> list[str]:
    page = f"/api/v1/experiments/{key}/activity?type=commit.pushed"
    return [item["summary"].partition(": ")[2] for item in await bot.walk(page)]


FORK = payloads.repository("octo/shop")
