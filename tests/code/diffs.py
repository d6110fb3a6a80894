"""Pull requests whose diffs the bot reads, and what it tells of them."""

from pathlib import Path
from typing import Any

from tests.kit.outbound import REPOSITORY, Scene, set_to
from tests.kit.project import Project

KEY, OTHER = "checkout-flow", "search-ranking"
PULL = f"/api/v1/pull-requests/{REPOSITORY}"
USE, USE_OTHER = f'use("{KEY}")\n', f'use("{OTHER}")\n'
START = {"src/app.ts": "start()\n", "src/old.ts": USE_OTHER}


async def project_of(scene: Scene, folder: Path) -> Project:
    """Return a repository whose code is read, of two experiments, one of which it names."""
    await set_to(scene, code="on")
    for key in (KEY, OTHER):
        await scene.bot.experiment(key)
    project = Project.of(scene, folder / "shop")
    project.git.commit(START)
    await told(scene, project)
    return project


async def opened(scene: Scene, project: Project, files: Any, **more: Any) -> int:
    """Open a pull request that changes files, tell of it, and let the bot work."""
    project.git.commit(files, branch="feature")
    number = project.open("feature", **more)
    await told(scene, project)
    return number


async def told(scene: Scene, project: Project) -> None:
    await project.tell()
    await scene.work()


async def pull(scene: Scene, number: int = 1) -> dict[str, Any]:
    answer = await scene.bot.get(f"{PULL}/{number}")
    assert answer.status == 200
    found: dict[str, Any] = answer.body
    return found


async def code(scene: Scene) -> list[tuple[str, str, str, int]]:
    return [
        (one["change"], one["experiment_key"], one["path"], one["line"])
        for one in (await pull(scene))["code"]
    ]


async def linked(scene: Scene) -> dict[str, str]:
    return {one["key"]: one["linked_by"] for one in (await pull(scene))["experiments"]}
