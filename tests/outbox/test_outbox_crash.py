"""The process dies while it acts on GitHub: everything is there in the end, and once."""

import asyncio
import random
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.kit import outbound
from tests.kit.marks import slow, sqlite_only
from tests.kit.outbound import REPOSITORY, TOKEN, command
from tests.kit.processes import Process, kills
from tests.kit.running import SECRET, eventually

pytestmark = slow

CRASHES = kills(4)
PULLS, ISSUES = 5, 5


@pytest.mark.kills
@sqlite_only
async def test_everything_is_done_once_however_often_it_is_killed(
    engine: str, tmp_path: Path
) -> None:
    github = await outbound.github_for("token")
    pulls = [
        github.open_pull(REPOSITORY, title="T", body="experiment_key: key").number
        for _ in range(PULLS)
    ]
    chance = random.Random(7)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        bot = Process(tmp_path / "data", session, GITHUB_API_URLS=github.url)
        await bot.start()
        try:
            config = {"token": TOKEN, "webhook_secret": SECRET}
            integration = await bot.integration(config=config)
            await bot.experiment("key", status="draft")
            for number in pulls:
                payload = {
                    "action": "opened",
                    "number": number,
                    "pull_request": github.pull_payload(REPOSITORY, number),
                    "repository": github.repository_payload(REPOSITORY),
                }
                answer = await bot.deliver(integration, "pull_request", payload)
                assert answer.status == 200
            comments = [
                await command(
                    bot,
                    github,
                    integration,
                    number,
                    f'/experiment issue "By {number}"\n/experiment link nope',  # the last is wrong
                )
                for number in pulls
            ]
            orders = [
                asyncio.create_task(_order(bot, integration, position))
                for position in range(ISSUES)
            ]
            await eventually(lambda: _ordered(bot))
            for _ in range(CRASHES):
                await asyncio.sleep(chance.uniform(0, 0.6))
                await bot.kill()
                await bot.start()
            await asyncio.gather(*orders, return_exceptions=True)
            await bot.patch("/api/v1/experiments/key", {"status": "active"})
            await eventually(lambda: _all_done(bot), 120)
            for number in pulls:
                ours = [one for one in github.comments(REPOSITORY, number) if _is_ours(one)]
                assert len(ours) == 2, ours
                status, reply = sorted(ours, key=lambda one: "bot:reply" in one["body"])
                assert "active" in status["body"] and "`nope`" in reply["body"]
            titles = [one["title"] for one in github.issues(REPOSITORY)]
            wanted = [f"Issue {position}" for position in range(ISSUES)]
            assert sorted(titles) == sorted([*wanted, *(f"By {number}" for number in pulls)])
            linked = await bot.walk("/api/v1/experiments/key/issues")
            assert len(linked) == ISSUES + PULLS
            for comment in comments:
                assert github.reactions(REPOSITORY, comment) == ["eyes", "confused"]
        finally:
            await bot.kill()
            await github.close()
    assert github.violations == []


def _is_ours(comment: dict[str, Any]) -> bool:
    return "<!-- experiment-bot:" in comment["body"]


async def _order(bot: Process, integration: str, position: int) -> None:
    await bot.post(
        "/api/v1/experiments/key/issues",
        {"integration_id": integration, "repository": REPOSITORY, "title": f"Issue {position}"},
        headers={"Idempotency-Key": f"issue-{position}"},
    )


async def _ordered(bot: Process) -> bool:
    # Those of the comments may be there as well by now.
    return len((await bot.get("/api/v1/actions?kind=tracking_issue")).items) >= ISSUES


async def _all_done(bot: Process) -> bool:
    actions = await bot.walk("/api/v1/actions", limit=200)
    assert not [one for one in actions if one["status"] == "failed"], actions
    return all(one["status"] == "done" for one in actions)
