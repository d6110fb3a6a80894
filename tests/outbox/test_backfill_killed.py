"""A service that is killed at random while it reads the past: it ends complete, nothing is twice.

`make soak` kills it fifty times, on each engine; the suite a few times on one.
"""

import asyncio
import os
import random
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.github import GitHub
from tests.kit.marks import slow
from tests.kit.outbound import TOKEN, github_for
from tests.kit.processes import Process, kills, own_server, running
from tests.kit.running import SECRET, Bot, eventually

pytestmark = [slow, pytest.mark.kills]

KILLS = kills(3)
ENGINES = ["sqlite", "postgresql"] if "KILLS" in os.environ else ["sqlite"]
DAY = 86_400
PULLS, ISSUES = 40, 15  # of each repository, every second of them linked
OWN = ("id", "recorded_at", "delivery_id", "backfilled", "actor")  # what only deliveries tell


def history_of(github: GitHub, name: str) -> list[dict[str, Any]]:
    """Give a repository a past; return the deliveries that would have told of it, in order."""
    github.add_repository(name)
    now, told = int(github.clock()), []
    for number in range(1, PULLS + ISSUES + 1):
        body = "experiment_key: a" if number % 2 else "Nothing"
        if number <= PULLS:
            item = github.open_pull(
                name, number, title=f"{number}", body=body, head_ref=f"b{number}"
            )
        else:
            item = github.open_issue(name, number, title=f"{number}", body=body)
        item.updated_at = now - number * 3600
        item.created_at = item.updated_at - DAY
        ends = number % 3 > 0
        payload = github.pull_payload if number <= PULLS else github.issue_payload
        begun = {**payload(name, number), "updated_at": payload(name, number)["created_at"]}
        if ends:
            item.state, item.closed_at = "closed", item.updated_at
            item.merged_at = item.updated_at if number <= PULLS and number % 3 == 1 else None
        what = "pull_request" if number <= PULLS else "issue"
        repository = github.repository_payload(name)
        if number <= PULLS and number % 3 != 2:
            told.append(push_of(github, name, number, repository))
        told.append({"action": "opened", what: begun, "repository": repository})
        if ends:
            told.append({"action": "closed", what: payload(name, number), "repository": repository})
    return told


def push_of(github: GitHub, name: str, number: int, repository: dict[str, Any]) -> dict[str, Any]:
    item = github.repository(name).pulls[number]
    sha, message = item.commits[0]
    return {
        "ref": f"refs/heads/{item.head_ref}",
        "repository": {**repository, "pushed_at": int(item.created_at)},
        "commits": [
            {
                "id": sha,
                "message": message,
                "distinct": True,
                "timestamp": int(item.created_at),
                "author": {"username": item.author},
            }
        ],
    }


async def known(bot: Bot) -> dict[str, Any]:
    """Return what the API tells of the experiment, but for what only deliveries tell."""
    found: dict[str, Any] = {}
    for name in ("pull-requests", "issues", "commits", "activity"):
        rows = await bot.walk(f"/api/v1/experiments/a/{name}", limit=200)
        found[name] = sorted(
            repr({key: value for key, value in row.items() if key not in (*OWN, "integration_id")})
            for row in rows
            if row.get("type") not in ("commit.pushed", "experiment.created")
        )
    return found


async def integration(bot: Bot, days: int) -> str:
    await bot.experiment("a")
    quiet = {"comments": "off", "check": "off", "label": None, "backfill_days": days}
    return await bot.integration(config={"token": TOKEN, "webhook_secret": SECRET, **quiet})


async def killed(one: Process, path: str, order: dict[str, Any]) -> Counter[str]:
    """Kill a service again and again while it reads; count in which state that was."""
    states: Counter[str] = Counter()
    for _ in range(KILLS):
        progress = (await one.get(path)).body
        if progress["status"] not in ("pending", "running"):
            await one.post(path, order)
        await asyncio.sleep(random.uniform(0.0, 0.15))
        states[(await one.get(path)).body["status"]] += 1
        await one.kill()
        await one.start()
    return states


@pytest.mark.parametrize("engine", ENGINES)
async def test_killed_at_random(tmp_path: Path, engine: str, bot: Bot) -> None:
    names = [f"acme/shop-{number}" for number in range(1, 2 + KILLS // 5)]
    github = await github_for("token", time.time)
    told = [one for name in names for one in history_of(github, name)]
    live = await integration(bot, 0)
    for payload in told:
        await bot.tell(live, payload)
    env = {"GITHUB_API_URLS": github.url}
    with ExitStack() as opened:
        if engine == "postgresql":
            env["DATABASE_URL"] = opened.enter_context(own_server()).url
        async with running(tmp_path / "killed", 1, **env) as (one,):
            path = f"/api/v1/integrations/{await integration(one, 0)}/backfill"
            order = {"repositories": names}
            answer = await one.post(path, order)
            assert answer.status == 202, answer.body
            states = await killed(one, path, order)

            async def is_over() -> dict[str, Any] | None:
                progress: dict[str, Any] = (await one.get(path)).body
                return progress if progress["status"] in ("done", "failed") else None

            progress = await eventually(is_over, 120)
            assert (progress["status"], progress["error"]) == ("done", None)
            assert progress["repositories"] == {"done": len(names), "total": len(names)}
            read = progress["pull_requests"], progress["issues"]
            assert read == (PULLS * len(names), ISSUES * len(names))
            found, expected = await known(one), await known(bot)
            for name, rows in expected.items():
                assert Counter(found[name]) == Counter(rows), name
            figures = f"killed {KILLS} times: {dict(states)}, {len(github.requests)} calls"
            print(figures)  # noqa: T201 - what `make soak` is for
    await github.close()
    assert github.violations == []
