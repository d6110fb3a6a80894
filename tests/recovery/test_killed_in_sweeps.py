"""A bot that is killed at random while it takes in what it missed, again and again.

`KILLS=50 pytest tests/recovery/test_killed_in_sweeps.py -s` kills it fifty times, and says what
that came to.
"""

import asyncio
import dataclasses
import random
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from bot import times
from bot.github.reach import webhook_url
from bot.settings import Settings
from tests.github import Fault, GitHub
from tests.kit import outbound, processes, running
from tests.kit.clock import Clock
from tests.kit.marks import slow
from tests.kit.outbound import REPOSITORY
from tests.kit.processes import Process
from tests.kit.running import Bot, eventually
from tests.recovery import story
from tests.recovery.story import KEYS

pytestmark = [slow, pytest.mark.kills]

KILLS = processes.kills(2)
MISSED = 40 + 16 * KILLS
SECONDS = 0.02  # in which GitHub answers, so that there is a sweep to be killed in


async def begin(bot: Bot, github: GitHub, credential: str) -> str:
    """Make experiments and an integration; return its id."""
    config = {**outbound.credentials(credential), "repositories": [REPOSITORY], **story.QUIET}
    body = {"name": "Tests", "integration_type": "GITHUB", "config": config}
    answer = await bot.post("/api/v1/integrations", {**body})
    assert answer.status == 201, answer.body
    for key in KEYS[:2]:
        await bot.experiment(key)
    identifier: str = answer.body["id"]
    return identifier


async def is_over(process: Process, integration: str) -> bool:
    told = (await process.get(f"/api/v1/integrations/{integration}/recover")).body
    return told["ended_at"] is not None and not told["running"]


@story.EACH
async def test_ends_complete_and_nothing_twice(
    settings: Settings, database_url: str, credential: str, clock: Clock, tmp_path: Path
) -> None:
    github = await outbound.github_for(credential, time.time)
    twin = await running.start(
        dataclasses.replace(
            settings,
            data_dir=tmp_path / "twin",
            database_url=f"sqlite:///{tmp_path / 'twin' / 'bot.db'}",
            github_api_urls=(github.url,),
        )
    )
    its, is_app = await begin(twin, github, credential), credential == "app"
    github.repository(REPOSITORY).id = story.SHOP["id"]
    env = {"DATABASE_URL": database_url, "GITHUB_API_URLS": github.url, "RECOVERY_MINUTES": "0"}
    async with processes.running(tmp_path / "data", 1, **env) as (process,):
        integration = await begin(process, github, credential)
        url = webhook_url("https://bot.example", integration)
        hook = story.hook_at(github, url, is_app=is_app)
        named = story.headers_of(hook, github, is_app=is_app)
        first = time.time() - 7200
        matter, is_named = 0, False
        for at, one in story.told(MISSED, first, 7000):
            payload = story.with_installation(one.payload, is_app=is_app)
            clock.ahead = at + 0.3 - time.time()
            await twin.deliver(its, one.event, one.payload, guid=one.guid)
            matter += one.matters
            if one.event == "star" and not is_named:
                await process.deliver(integration, one.event, payload, guid=one.guid, headers=named)
                is_named = True
            github.add_delivery(hook, one.event, payload, guid=one.guid, status_code=0, at=at)
        clock.ahead = 0.0
        await process.kill()
        github.fail(Fault("slow", times=None, seconds=SECONDS))
        process.env["RECOVERY_MINUTES"] = "1440"
        within = 0
        for _ in range(KILLS):
            asked = len(github.requests)
            await process.start()
            await eventually(partial(_has_asked, github, asked), 30)
            await asyncio.sleep(random.uniform(0.0, 0.5))
            within += not await is_over(process, integration)
            await process.kill()
        await process.start()
        await eventually(lambda: is_over(process, integration), 120)
        told = (await process.get(f"/api/v1/integrations/{integration}/recover")).body
        rows = await process.walk(f"/api/v1/integrations/{integration}/deliveries", 200)
        await story.assert_same(process, twin)
        recovered = [row for row in rows if row["recovered"] and row["status"] == "processed"]
        assert len(recovered) == matter
        assert set(Counter(row["id"] for row in rows).values()) == {1}
        ats = [times.parse(row["received_at"]) or 0 for row in recovered]
        assert ats == sorted(ats, reverse=True)
        calls = Counter(one.template for one in github.requests)
        figures = f"{KILLS} kills, {within} of them within a sweep; {matter} taken in; {told}"
        sys.stdout.write(f"{credential}: {figures}; calls: {dict(calls)}\n")
    await twin.close()
    await github.close()
    assert github.violations == []


async def _has_asked(github: GitHub, before: int) -> bool:
    return len(github.requests) > before
