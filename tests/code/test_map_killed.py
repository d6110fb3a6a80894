"""A service that is killed at random while it reads code: the map is always that of one commit."""

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.code.reading import CODE
from tests.kit.gitrepo import GitRepo
from tests.kit.marks import slow
from tests.kit.outbound import REPOSITORY, TOKEN, github_for
from tests.kit.processes import Process, kills, running
from tests.kit.project import Project
from tests.kit.running import SECRET, eventually

pytestmark = [slow, pytest.mark.kills]
KILLS = kills(4)


def lines_of(git: GitRepo, sha: str) -> list[tuple[str, int]]:
    """Search a commit plainly."""
    found = git.text("grep", "-n", "-o", "-F", '"checkout"', sha).splitlines()
    places = [line.split(":")[1:3] for line in found]
    return sorted((path, int(line)) for path, line in places)


async def code(one: Process) -> tuple[dict[str, Any], list[tuple[str, int]]]:
    """Return the map as it is, and its lines."""
    found = (await one.get(f"{CODE}?limit=200")).body
    return found, sorted((row["path"], row["line"]) for row in found["items"])


async def test_killed_at_random(tmp_path: Path) -> None:
    github = await github_for("token", time.time)
    git = GitRepo.make(tmp_path / "shop")
    github.serve(REPOSITORY, git)
    env = {
        "GITHUB_API_URLS": github.url,
        "GITHUB_ARCHIVE_HOSTS": f"http://{github.codeload.origin}",
    }
    git.commit({f"src/{number}.ts": 'use("checkout")\n' for number in range(60)})
    async with running(tmp_path / "killed", 1, **env) as (one,):
        quiet = {"comments": "off", "check": "off", "label": None, "backfill_days": 0}
        integration = await one.integration(
            config={"token": TOKEN, "webhook_secret": SECRET, "code": "on", **quiet}
        )
        await one.experiment("checkout")
        project = Project(one, github, integration, REPOSITORY, git)
        await project.tell()
        for number in range(KILLS * 3):
            changed = {f"src/{number}.ts": "", f"new/{number}.ts": '\nuse("checkout")\n' * number}
            if number % 4 == 3:  # too many to be read one by one
                changed |= {f"many/{each}.ts": f'x({number}, "checkout")\n' for each in range(110)}
            git.commit(changed)
            await project.tell()
            await asyncio.sleep(random.uniform(0.0, 0.2))
            if number % 3 == 2:
                await one.kill()
                await one.start()
            found, lines = await code(one)
            if found["sha"] is not None and found["next_cursor"] is None:
                assert lines == lines_of(git, found["sha"])

        async def is_read() -> bool:
            return bool((await code(one))[0]["sha"] == git.tip())

        await eventually(is_read, 60)
        found = (await one.get(f"{CODE}?limit=1")).body
        assert (found["status"], found["unread"]) == ("read", [])
        rows = await one.walk("/api/v1/experiments/checkout/code", 200)
        assert sorted((row["path"], row["line"]) for row in rows) == lines_of(git, git.tip())
    await github.close()
    assert github.violations == []
