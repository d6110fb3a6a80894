"""Lives of pull requests and issues, and what is known of them in the end."""

from collections.abc import Sequence
from typing import Any

from bot.demo import payloads
from tests.kit.running import Bot

KEYS = ("alpha", "beta", "gamma")


def clock(minute: int) -> str:
    return f"2026-03-02T{10 + minute // 60:02}:{minute % 60:02}:00Z"


def body_of(keys: Sequence[str]) -> str:
    return "\n".join(["What this is about.", *(f"experiment_key: {key}" for key in keys)])


def pull_request_payload(repo: str, version: dict[str, Any]) -> dict[str, Any]:
    values = dict(version)
    return payloads.pull_request(
        values.pop("action"), 7, values.pop("at"), repo=payloads.repository(repo), **values
    )


async def outcome(bot: Bot, repo: str, keys: Sequence[str]) -> dict[str, Any]:
    """Everything that the API tells of number 7 of a repository, but for the repository's name."""
    pull_request = await bot.get(f"/api/v1/pull-requests/{repo}/7")
    links, feed = {}, {}
    for key in keys:
        page = f"/api/v1/experiments/{key}"
        for kind in ("pull-requests", "issues"):
            links[key, kind] = [
                told(item)
                for item in await bot.walk(f"{page}/{kind}")
                if item["repository"] == repo
            ]
        feed[key] = [
            {name: item[name] for name in ("type", "occurred_at", "actor", "summary")}
            for item in await bot.walk(f"{page}/activity")
            if item["repository"] == repo
        ]
    fields = told(pull_request.body) if pull_request.status == 200 else None
    return {"pull request": fields, "links": links, "feed": feed}


def told(item: dict[str, Any]) -> dict[str, Any]:
    """An item without what differs by design: its repository, and who told of it first."""
    changing = {"repository", "html_url", "integration_id"}
    return {
        name: sorted(value, key=repr) if isinstance(value, list) else value
        for name, value in item.items()
        if name not in changing
    }


# A life in which every kind of thing happens, for the orders that have gone wrong elsewhere.
PULL_REQUEST: list[dict[str, Any]] = [
    {"action": "opened", "at": clock(0), "body": body_of(["alpha"]), "draft": True},
    {"action": "edited", "at": clock(1), "body": body_of(["alpha", "beta"]), "draft": True},
    {"action": "ready_for_review", "at": clock(2), "body": body_of(["alpha", "beta"])},
    {"action": "edited", "at": clock(3), "body": body_of(["beta"]), "title": "Second title"},
    {"action": "synchronize", "at": clock(4), "body": body_of(["beta"]), "sha": "b" * 40},
    {
        "action": "closed",
        "at": clock(5),
        "body": body_of(["beta"]),
        "sha": "b" * 40,
        "state": "closed",
        "merged": True,
    },
]
