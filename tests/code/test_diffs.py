"""The diff of a pull request, read through the API: what it links, and what is said of it."""

from pathlib import Path
from typing import Any

import pytest

from tests.kit.marks import token_only
from tests.kit.outbound import REPOSITORY, Scene, set_to
from tests.kit.project import Project

KEY = "checkout-flow"


@pytest.fixture
async def project(scene: Scene, tmp_path: Path) -> Project:
    await set_to(scene, code="on")
    await scene.bot.experiment(KEY)
    project = Project.of(scene, tmp_path / "shop")
    project.git.commit({"src/app.ts": "start()\n"})
    await project.tell()
    return project


async def told(scene: Scene, number: int = 1) -> dict[str, Any]:
    answer = await scene.bot.get(f"/api/v1/pull-requests/{REPOSITORY}/{number}")
    assert answer.status == 200
    found: dict[str, Any] = answer.body
    return found


@token_only
async def test_links(scene: Scene, project: Project) -> None:
    project.git.commit({"src/app.ts": f"start()\nuse('{KEY}')\n"}, branch="feature")
    project.open("feature")
    await project.tell()
    await scene.work()
    print(await scene.actions())
    print(await told(scene))
    print(scene.comments(1))
    print(scene.github.calls())
    assert 0
