"""The process dies while it sees to clean-up issues: there is one of each, as the code is."""

import asyncio
import random
from pathlib import Path

import aiohttp
import pytest

from tests.code.clean_up import ISSUE
from tests.github import Fault
from tests.kit import outbound
from tests.kit.gitrepo import GitRepo
from tests.kit.marks import slow, sqlite_only
from tests.kit.outbound import REPOSITORY, TOKEN
from tests.kit.processes import Process, kills
from tests.kit.project import Project
from tests.kit.running import SECRET, eventually

CRASHES = kills(2)
KEYS = [f"experiment-{number}" for number in range(3)]


@pytest.mark.kills
@slow
@sqlite_only
async def test_there_is_one_issue_of_each_however_often_it_is_killed(
    engine: str, tmp_path: Path
) -> None:
    github = await outbound.github_for("token")
    # So that it dies while GitHub is at it, too.
    github.fail(Fault("slow", f"PATCH {ISSUE}", seconds=0.1, times=None))
    github.fail(Fault("slow", "POST /repos/{owner}/{repo}/issues", seconds=0.1, times=None))
    git = GitRepo.make(tmp_path / "shop.git")
    github.serve(REPOSITORY, git)
    chance = random.Random(11)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        hosts = {"GITHUB_API_URLS": github.url, "GITHUB_ARCHIVE_HOSTS": github.codeload.url}
        bot = Process(tmp_path / "data", session, **hosts)
        await bot.start()
        try:
            config = {"token": TOKEN, "webhook_secret": SECRET, "code": "on", "cleanup": "on"}
            integration = await bot.integration(config=config)
            project = Project(bot, github, integration, REPOSITORY, git)
            for key in KEYS:
                await bot.experiment(key, status="active")
            git.commit({"a.ts": "".join(f'use("{key}")\n' for key in KEYS)})
            await project.tell()
            await eventually(lambda: _is_read(bot), 60)
            for key in KEYS:
                await bot.patch(f"/api/v1/experiments/{key}", {"status": "completed"})
            await _kill(bot, chance, CRASHES)
            await eventually(lambda: _all_done(bot), 120)
            issues = github.issues(REPOSITORY)
            assert sorted(one["title"] for one in issues) == [
                f"Clean up experiment: {key}" for key in KEYS
            ]
            git.commit({"a.ts": "\n"})
            await project.tell()
            await eventually(lambda: _all_done(bot), 120)
            states = {(one["state"], one["state_reason"]) for one in github.issues(REPOSITORY)}
            assert states == {("closed", "completed")}
            told = await bot.walk("/api/v1/activity?type=experiment.cleaned_up")
            assert sorted(one["experiment_key"] for one in told) == KEYS
        finally:
            await bot.kill()
            await github.close()
    assert github.violations == []


async def _kill(bot: Process, chance: random.Random, times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(chance.uniform(0.1, 0.6))
        await bot.kill()
        await bot.start()


async def _is_read(bot: Process) -> bool:
    answer = await bot.get(f"/api/v1/repositories/{REPOSITORY}/code")
    return answer.status == 200 and len(answer.body["items"]) == len(KEYS)


async def _all_done(bot: Process) -> bool:
    actions = await bot.walk("/api/v1/actions", limit=200)
    assert not [one for one in actions if one["status"] == "failed"], actions
    return all(one["status"] == "done" for one in actions)
