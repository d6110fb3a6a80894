"""What tests of default branches share: a repository in git whose code is read."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.code import experiments_yml
from bot.worker import look_at_code
from tests.kit.outbound import REPOSITORY, Scene, set_to
from tests.kit.project import Project

CODE = f"/api/v1/repositories/{REPOSITORY}/code"


@dataclass
class Read:
    """A scene with a repository in git, whose code is read from the first experiment on."""

    scene: Scene
    project: Project

    async def work(self) -> None:
        """Let a moment pass, for what is gathered, and do what is due."""
        await self.scene.pass_time(6)

    async def tell(self) -> None:
        await self.project.tell()
        await self.work()

    async def look(self) -> None:
        """Have the heads compared that nobody has told of."""
        await look_at_code(self.scene.bot.services)
        await self.scene.pass_time(3600)

    async def code(self) -> dict[str, Any]:
        answer = await self.scene.bot.get(f"{CODE}?limit=200")
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.body
        return found

    async def lines(self) -> list[str]:
        """Return what the map has, as `path:line key`; it must be read whole, as of the head."""
        found = await self.code()
        assert (found["status"], found["unread"]) == ("read", []), found
        assert found["sha"] == self.project.git.tip()
        return [
            f"{one['path']}:{one['line']} {one['experiment_key']}"
            + (f" as {one['alias']}" if one["alias"] else "")
            for one in found["items"]
        ]

    def calls(self) -> list[str]:
        """Return which calls were made since this was asked last, without the repository.

        Those for .github/experiments.yml are left out.
        """
        log, self.scene.github.requests[:] = list(self.scene.github.requests), []
        log = [one for one in log if not one.path.endswith(experiments_yml.PATH)]
        return [re.sub(f"/repos/{REPOSITORY}", "", f"{one.method} {one.path}") for one in log]


async def reading(scene: Scene, folder: Path, *keys: str, **files: Any) -> Read:
    """Return a scene whose repository has some files, and some experiments to look for."""
    project = Project.of(scene, folder / "shop")
    found = Read(scene, project)
    hosts = (f"http://{scene.github.codeload.origin}",)
    await scene.restart(github_archive_hosts=hosts)
    project.bot = scene.bot
    await set_to(scene, code="on")
    for key in keys:
        await scene.bot.experiment(key)
    if files:
        project.git.commit({name.replace("__", "/"): text for name, text in files.items()})
    return found
