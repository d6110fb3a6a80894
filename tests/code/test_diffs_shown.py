"""What people see of the code of a pull request: comment, check, annotations, pages."""

from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.code.diffs import KEY, OTHER, USE, linked, opened, project_of, pull, told
from tests.kit import markup
from tests.kit.browsing import Browser
from tests.kit.golden import Golden
from tests.kit.marks import app_only, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.project import Project

pytestmark = sqlite_only


@pytest.fixture
async def project(scene: Scene, tmp_path: Path) -> Project:
    return await project_of(scene, tmp_path)


async def complete(scene: Scene, key: str) -> None:
    answer = await scene.bot.patch(f"/api/v1/experiments/{key}", {"status": "completed"})
    assert answer.status == 200


def annotations(scene: Scene) -> list[dict[str, Any]]:
    """Return what stands on the lines of the pull request's newest check run."""
    runs = scene.github.repository(REPOSITORY).check_runs.values()
    sha = scene.github.pull_payload(REPOSITORY, 1)["head"]["sha"]
    newest = max((one for one in runs if one["head_sha"] == sha), key=lambda one: one["id"])
    found: list[dict[str, Any]] = newest["output"]["annotations"]
    return found


async def test_added_and_removed(scene: Scene, project: Project, golden: Golden) -> None:
    """What an experiment that is over gets fails the check, what it loses does not."""
    await complete(scene, OTHER)
    await opened(scene, project, {"src/app.ts": USE, "src/old.ts": None})
    assert scene.check(1) == "success"
    golden(scene, 1, "code/adds-to-one-and-removes-the-other")
    await complete(scene, KEY)
    await scene.work()
    assert scene.check(1) == "failure"
    golden(scene, 1, "code/adds-to-one-that-is-completed")
    project.git.commit({"src/app.ts": "start()\n"}, branch="feature")
    await told(scene, project)
    assert (scene.check(1), await linked(scene)) == ("success", {OTHER: "code"})
    golden(scene, 1, "code/removes-only")


@app_only
async def test_annotations(scene: Scene, project: Project) -> None:
    """GitHub takes 50 at once, and keeps those of before: a run is never annotated twice."""
    await opened(scene, project, {"src/app.ts": USE * 120})
    found = annotations(scene)
    assert [one["start_line"] for one in found] == [*range(1, 121)]
    assert {(one["path"], one["annotation_level"]) for one in found} == {("src/app.ts", "notice")}
    assert {one["message"] for one in found} == {f"This adds a reference to the experiment {KEY}."}
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"name": "Another"})
    await scene.work()
    assert len(annotations(scene)) == 120
    await complete(scene, KEY)
    await scene.work()
    assert [one["annotation_level"] for one in annotations(scene)] == ["failure"] * 120
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    project.git.commit({"src/app.ts": "start()\n"}, branch="feature")
    await told(scene, project)
    assert scene.check(1) != "failure"


@token_only
async def test_a_stranger_learns_nothing(scene: Scene, project: Project) -> None:
    scene.github.repository(REPOSITORY).private = False
    await complete(scene, KEY)
    theirs = project.fork("octo/shop")
    theirs.commit({"src/app.ts": USE, "src/old.ts": None}, branch="feature")
    project.open("feature", fork="octo/shop", author="octo")
    await told(scene, project)
    assert await linked(scene) == {KEY: "code", OTHER: "code"}
    assert scene.check(1) == "success"
    (comment,) = scene.comments(1)
    assert "completed" not in comment
    assert "src/" not in comment
    assert f"There is an experiment with the key `{KEY}`." in comment


@token_only
async def test_the_page(scene: Scene, project: Project) -> None:
    """Who is signed in sees each line; everybody else the keys, and no path."""
    await opened(scene, project, {"src/<app>.ts": USE})
    path = f"/pull-requests/{REPOSITORY}/1"
    page = await (await Browser.sign_in(scene.bot, "viewer")).get(path)
    assert f"Added: {KEY} in src/<app>.ts:1" in page.words
    assert markup.troubles(page.text) == []
    scene.github.repository(REPOSITORY).private = False
    await scene.tell("labeled", 1)
    page = await Browser(scene.bot).get(path)
    assert (KEY in page.words, "ts:1" in page.text) == (True, False)


@token_only
async def test_quiet_where_nothing_is_touched(scene: Scene, project: Project) -> None:
    await opened(
        scene, project, {"lib/a.ts": "x()\n" * 9 + f'use("{OTHER}")\n', "src/old.ts": None}
    )
    assert [one["change"] for one in (await pull(scene))["code"]] == ["moved"]
    assert (scene.comments(1), scene.check(1)) == ([], None)


ORDERS = [(0, 1, 2), (2, 1, 0), (1, 2, 0)]


@token_only
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("works", [False, True])
async def test_any_order_of_deliveries(
    scene: Scene, project: Project, order: tuple[int, ...], works: bool
) -> None:
    """What was read last is of the newest head, whenever the deliveries come."""
    project.git.commit({"src/app.ts": USE}, branch="feature")
    project.open("feature", body=f"experiment_key: {KEY}")
    events = project.take()[1:]
    for files in ({"src/old.ts": "x\n"}, {"src/app.ts": "start()\n"}):
        scene.clock.ahead += 60
        project.git.commit(files, branch="feature")
        events += [one for one in project.take() if one[0] == "pull_request"]
    assert len(events) == 3
    for number in order:
        await project.deliver(events[number])
        if works:
            await scene.work()
    await scene.pass_time(30, 5)
    found = await pull(scene)
    assert found["code_status"] == "read"
    assert [(one["change"], one["path"]) for one in found["code"]] == [("removed", "src/old.ts")]
    assert await linked(scene) == {KEY: "body", OTHER: "code"}


@token_only
@pytest.mark.parametrize("place", ["bot.domain.readings.posts.follow", "bot.outbox.diff._kept"])
async def test_ended_in_the_middle(scene: Scene, project: Project, place: str) -> None:
    """Before what was read is kept, or right after: it is told once."""
    project.git.commit({"src/app.ts": USE}, branch="feature")
    project.open("feature")
    await project.tell()
    with mock.patch(place, side_effect=RuntimeError("the lights went out")):
        await scene.work()
    is_kept = place.endswith("_kept")
    assert await linked(scene) == ({KEY: "code"} if is_kept else {})
    await scene.pass_time(30, 5)
    assert await linked(scene) == {KEY: "code"}
    news = await scene.bot.walk(f"/api/v1/experiments/{KEY}/activity?type=pull_request.linked")
    assert len(news) == 1
