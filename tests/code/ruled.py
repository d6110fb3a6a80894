"""A repository with a `.github/experiments.yml`, and what tests of that share."""

from pathlib import Path
from typing import Any

from bot import storage as store
from bot.code.experiments_yml import PATH
from bot.domain import rules
from tests.kit.browsing import Browser
from tests.kit.outbound import REPOSITORY, Scene, set_to
from tests.kit.project import Project

LINE = "experiment_key: a"


def reads(scene: Scene) -> list[str]:
    """Return of which repositories the file was read, in that order."""
    found = [one.path for one in scene.github.calls() if one.path.endswith(f"/contents/{PATH}")]
    return [path.split("/contents/")[0].rpartition("/repos/")[2] for path in found]


async def project_of(scene: Scene, folder: Path) -> Project:
    """A repository with a commit, of which nobody has heard, and an experiment `a`."""
    await set_to(scene, code="on")
    await scene.bot.experiment("a")
    found = Project.of(scene, folder / "shop")
    found.git.commit({"README.md": "A shop"})
    return found


async def opened(scene: Scene, project: Project, branch: str, body: str = LINE) -> int:
    """Open a pull request, and let the bot do what it does about it."""
    if branch not in project.git.branches():
        project.git.commit({f"{branch}.py": "pass"}, branch=branch)
    number = project.open(branch, body=body)
    await project.tell()
    await scene.work()
    return number


async def effective(scene: Scene, name: str = "comments") -> Any:
    """Return a setting that holds in the repository."""

    def job(tx: store.Transaction) -> Any:
        integration = store.integrations.find(tx, scene.integration)
        row = store.repositories.find(tx, REPOSITORY, None)
        assert integration is not None and row is not None
        return getattr(rules.effective(tx, integration, row.id), name)

    return await scene.bot.services.database.read(job)


async def page_of(scene: Scene, path: str) -> str:
    page = await (await Browser.sign_in(scene.bot)).get(path)
    assert page.status == 200
    return page.text
