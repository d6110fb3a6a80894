"""The code of pull requests: what their diffs link, and what is read of them with which calls."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bot import storage as store
from bot import times
from bot.demo import payloads
from bot.domain import code_sweeps
from tests.code.diffs import (
    KEY,
    OTHER,
    START,
    USE,
    USE_OTHER,
    code,
    linked,
    opened,
    project_of,
    pull,
    told,
)
from tests.domain.lives import clock as at
from tests.github import REPO, Fault
from tests.github.faults import diff_too_large
from tests.kit.code import GARBLED
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene, set_to
from tests.kit.project import Project

FORK = "octo/shop"
PULL = f"/api/v1/pull-requests/{REPOSITORY}"
pytestmark = [token_only, sqlite_only]


@pytest.fixture
async def project(scene: Scene, tmp_path: Path) -> Project:
    return await project_of(scene, tmp_path)


def asked(scene: Scene, since: int = 0) -> list[str]:
    """Return what was asked for to read diffs, not for the map of the default branch."""
    found = [one for one in scene.github.requests[since:] if one.method == "GET"]
    words = ("/pulls/1/files", "/git/blobs/", "/contents/src", "/compare/")
    return [
        one.path
        for one in found
        if one.path.endswith("/pulls/1") or any(word in one.path for word in words)
    ]


def listings(scene: Scene) -> list[str]:
    return [one.path for one in scene.github.requests if one.path.endswith("/files")]


async def unlink(scene: Scene, key: str) -> None:
    answer = await scene.bot.delete(f"/api/v1/experiments/{key}/pull-requests/{REPOSITORY}/1")
    assert answer.status == 204


async def test_the_links_follow_the_diff(scene: Scene, project: Project) -> None:
    """What is added or removed links, and what moves does not; the base is the merge base."""
    base = project.git.tip()
    await opened(scene, project, {"src/app.ts": f"start()\n{USE}", "src/old.ts": None})
    assert await code(scene) == [
        ("added", KEY, "src/app.ts", 2),
        ("removed", OTHER, "src/old.ts", 1),
    ]
    assert await linked(scene) == {KEY: "code", OTHER: "code"}
    found, page = (
        await pull(scene),
        f"https://{urlsplit(scene.github.url).netloc}/{REPOSITORY}/blob",
    )
    assert found["code_status"] == "read"
    assert [one["html_url"] for one in found["code"]] == [
        f"{page}/{found['head_sha']}/src/app.ts#L2",
        f"{page}/{base}/src/old.ts#L1",
    ]
    project.git.commit(
        {"src/app.ts": "start()\n", "src/new.ts": "x()\n" * 9 + USE_OTHER}, branch="feature"
    )
    await told(scene, project)
    assert await code(scene) == [("moved", OTHER, "src/new.ts", 10)]
    assert await linked(scene) == {}
    news = await scene.bot.walk(f"/api/v1/experiments/{KEY}/activity")
    assert [one["type"] for one in news if "linked" in one["type"]] == [
        "pull_request.unlinked",
        "pull_request.linked",
    ]
    assert {one["delivery_id"] for one in news if "linked" in one["type"]} == {None}


async def test_the_strongest_is_told_and_unlinking_beats_all(
    scene: Scene, project: Project
) -> None:
    await opened(scene, project, {"src/app.ts": USE}, body=f"experiment_key: {KEY}")
    assert await linked(scene) == {KEY: "body"}
    project.github.edit_pull(REPOSITORY, 1, body="")
    await scene.tell("edited", 1)
    assert await linked(scene) == {KEY: "code"}
    await unlink(scene, KEY)
    project.git.commit({"src/more.ts": "more()\n"}, branch="feature")
    await told(scene, project)
    assert await linked(scene) == {}
    project.git.commit({"src/app.ts": "start()\n"}, branch="feature")
    await told(scene, project)
    project.git.commit({"src/app.ts": USE}, branch="feature")
    await told(scene, project)
    assert await linked(scene) == {KEY: "code"}
    project.close(1)
    await told(scene, project)
    assert await linked(scene) == {KEY: "code"}


async def test_what_was_unlinked_before_it_was_read_stays_so(
    scene: Scene, project: Project
) -> None:
    project.git.commit({"src/app.ts": USE}, branch="feature")
    project.open("feature", body=f"experiment_key: {KEY}")
    await project.tell()
    assert (await pull(scene))["code_status"] == "pending"
    await unlink(scene, KEY)
    await scene.work()
    assert ((await pull(scene))["code_status"], await linked(scene)) == ("read", {})


async def test_another_base_is_another_diff(scene: Scene, project: Project) -> None:
    project.git.commit({"src/app.ts": USE}, branch="below")
    project.git.branch("feature", "below")
    await opened(scene, project, {"src/more.ts": "more()\n"})
    assert await linked(scene) == {KEY: "code"}
    project.retarget(1, "below")
    await told(scene, project)
    assert (await code(scene), await linked(scene)) == ([], {})


async def test_an_answer_for_another_head_waits(scene: Scene, project: Project) -> None:
    before = project.git.commit({"src/app.ts": USE_OTHER}, branch="feature")
    project.open("feature")
    await project.tell()
    project.git.commit({"src/app.ts": USE}, branch="feature")
    project.github.tell_of_older(REPOSITORY, 1, before, 2)
    await told(scene, project)
    assert ((await pull(scene))["code_status"], await linked(scene)) == ("pending", {})
    await scene.pass_time(12, 1)
    assert ((await pull(scene))["code_status"], await linked(scene)) == ("read", {KEY: "code"})
    assert await scene.bot.walk(f"/api/v1/experiments/{OTHER}/pull-requests") == []


async def test_the_check_follows_what_is_read_late(scene: Scene, project: Project) -> None:
    """Until the newest head was read, what was added in an older one fails nothing."""
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "completed"})
    before = project.git.commit({"src/more.ts": "more()\n"}, branch="feature")
    project.open("feature", body=f"experiment_key: {KEY}")
    await project.tell()
    project.git.commit({"src/app.ts": USE}, branch="feature")
    project.github.tell_of_older(REPOSITORY, 1, before, 1)
    await told(scene, project)
    assert scene.check(1) == "success"
    await scene.pass_time(4, 1)
    assert scene.check(1) == "failure"
    after = project.git.tip("feature")
    project.git.commit({"src/app.ts": "start()\n"}, branch="feature")
    project.github.tell_of_older(REPOSITORY, 1, after, 1)
    await told(scene, project)
    assert scene.check(1) == "success"


async def test_what_a_list_may_lack(scene: Scene, project: Project) -> None:
    """Without a head in it the pull request is asked; counts of lines need not be told."""
    project.git.commit({"src/app.ts": USE}, branch="feature")
    project.open("feature")
    rows = [{"filename": "src/app.ts", "status": "modified", "patch": f"@@ -1 +1 @@\n-x\n+{USE}"}]
    template = f"GET {REPO}/pulls/{{pull_number}}/files"
    scene.github.fail(Fault("status", template, status=200, body=rows))
    await told(scene, project)
    assert await code(scene) == [("added", KEY, "src/app.ts", 1)]
    assert (await pull(scene))["code_status"] == "read"


async def test_what_an_older_head_adds_is_not_told_of_another(
    scene: Scene, project: Project
) -> None:
    """Its lines may be others by now; the link stays until the new head was read."""
    await opened(scene, project, {"src/app.ts": USE})
    assert len(await code(scene)) == 1
    project.git.commit({"src/app.ts": "x()\n" + USE}, branch="feature")
    await project.tell()
    assert ((await pull(scene))["code_status"], await code(scene)) == ("pending", [])
    assert await linked(scene) == {KEY: "code"}
    await scene.work()
    assert await code(scene) == [("added", KEY, "src/app.ts", 2)]


async def test_two_heads_in_one_listing(scene: Scene, project: Project) -> None:
    """The second page is of a head that was pushed meanwhile: what counts is the last one alone."""
    many = {f"src/{number:03}.ts": f"{number}\n" for number in range(150)}
    before = project.git.commit({**many, "src/app.ts": USE_OTHER}, branch="feature")
    project.open("feature")
    await project.tell()
    project.git.commit({"src/app.ts": USE}, branch="feature")
    await project.tell()
    pulls = project.github.repository(REPOSITORY).pulls
    pulls[1].stale_heads += [pulls[1].head_sha, before]
    await scene.work()
    assert (await pull(scene))["code_status"] == "pending"
    await scene.pass_time(6, 1)
    assert await linked(scene) == {KEY: "code"}


async def test_a_patch_that_is_left_out_is_no_empty_one(scene: Scene, project: Project) -> None:
    """Its blobs are read from the base repository: the fork is never asked for anything."""
    theirs = project.fork(FORK)
    project.github.diff_limits.file_lines = 3
    theirs.commit(
        {"src/app.ts": "start()\n" * 5 + USE, "src/old.ts": "x\n" * 9, "logo.png": b"\0PNG"},
        branch="feature",
    )
    project.open("feature", fork=FORK)
    since = len(scene.github.requests)
    await told(scene, project)
    assert await code(scene) == [
        ("added", KEY, "src/app.ts", 6),
        ("removed", OTHER, "src/old.ts", 1),
    ]
    calls = asked(scene, since)
    assert sum("/git/blobs/" in path for path in calls) == 2
    assert len(calls) == 6  # the list, the merge base, and both versions of each file
    assert not [one for one in scene.github.requests if FORK in one.path]


@pytest.mark.parametrize(("status", "body"), [(403, None), (200, GARBLED)])
async def test_what_cannot_be_read_is_said(
    scene: Scene, project: Project, status: int, body: dict[str, Any] | None
) -> None:
    project.github.diff_limits.file_lines = 3
    blobs = f"GET {REPO}/git/blobs/{{file_sha}}"
    scene.github.fail(Fault("status", blobs, status=status, body=body, times=9))
    await opened(scene, project, {"src/a.ts": USE * 9, "src/b.ts": USE})
    found = await pull(scene)
    assert found["code_status"] == "partial"
    assert [one["path"] for one in found["code_unread"]] == ["src/a.ts"]
    assert await code(scene) == [("added", KEY, "src/b.ts", 1)]
    integration = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    assert integration.body["last_error"] is None


@pytest.mark.parametrize("status", [422, 500])
async def test_a_diff_that_is_too_large(scene: Scene, project: Project, status: int) -> None:
    scene.github.fail(diff_too_large(status))
    await opened(scene, project, {"src/app.ts": USE})
    found = await pull(scene)
    assert (found["code_status"], found["code"]) == ("partial", [])
    (why,) = found["code_unread"]
    assert (why["path"], "diff" in why["reason"]) == (None, True)


async def test_more_references_than_there_is_room_for(
    scene: Scene, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.outbox.diff_reading._MOST_CHANGES", 1)
    await opened(scene, project, {"src/a.ts": USE, "src/b.ts": USE * 1000})
    found = await pull(scene)
    assert (found["code_status"], len(found["code"])) == ("partial", 1)
    assert [one["path"] for one in found["code_unread"]] == ["src/b.ts"]


async def test_more_files_than_github_lists(scene: Scene, project: Project) -> None:
    many = {f"src/{number // 100}/{number}.ts": f"{number}\n" for number in range(3_000)}
    since = len(scene.github.requests)
    await opened(scene, project, {**many, "src/0.ts": USE})
    found = await pull(scene)
    assert (found["code_status"], await linked(scene)) == ("partial", {KEY: "code"})
    assert "3,001" in found["code_unread"][0]["reason"]
    assert len(asked(scene, since)) <= 32


async def test_renames(scene: Scene, project: Project) -> None:
    """A file that is only renamed changes nothing, and costs no call of its own."""
    project.git.commit({"src/long.ts": "line()\n" * 30 + USE})
    project.git.branch("feature")
    project.git.move({"src/old.ts": "lib/new.ts"}, branch="feature")
    project.git.commit({"lib/long.ts": "line()\n" * 30, "src/long.ts": None}, branch="feature")
    project.open("feature")
    await told(scene, project)
    assert await code(scene) == [("removed", KEY, "src/long.ts", 31)]


async def test_calls(scene: Scene, project: Project) -> None:
    """Two at most for 60 files; none where nothing changed, and none without an experiment."""
    since = len(scene.github.requests)
    files = {f"src/{number}.ts": USE for number in range(60)}
    await opened(scene, project, {**files, "src/old.ts": None})
    assert len(asked(scene, since)) == 2
    await scene.tell("labeled", 1)
    await scene.tell("edited", 1)
    await scene.work()
    assert len(asked(scene, since)) == 2
    project.close(1)
    await told(scene, project)
    project.github.edit_pull(REPOSITORY, 1, state="open")
    await scene.tell("reopened", 1)
    await scene.work()
    assert len(asked(scene, since)) == 2


async def test_nothing_is_read_without_an_experiment_or_where_code_is_off(
    scene: Scene, tmp_path: Path
) -> None:
    await set_to(scene, code="on")
    project = Project.of(scene, tmp_path / "shop")
    project.git.commit(START)
    await opened(scene, project, {"src/app.ts": USE})
    assert (asked(scene), (await pull(scene))["code_status"]) == ([], "pending")
    await set_to(scene, code="off")
    await scene.bot.experiment(KEY)
    await scene.pass_time(60, 20)
    assert (asked(scene), (await pull(scene))["code_status"]) == ([], "off")
    await set_to(scene, code="on")
    await scene.pass_time(60, 20)
    assert await linked(scene) == {KEY: "code"}


async def test_another_name_is_looked_for_where_it_may_be(scene: Scene, project: Project) -> None:
    await opened(scene, project, {"src/app.ts": 'use("new-checkout")\n'})
    assert await linked(scene) == {}
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"aliases": ["elsewhere"]})
    await scene.pass_time(60, 20)
    assert len(listings(scene)) == 1
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"aliases": ["new-checkout"]})
    await scene.pass_time(60, 20)
    assert await linked(scene) == {KEY: "code"}
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"aliases": []})
    assert await linked(scene) == {}


async def test_an_experiment_that_is_deleted_leaves_the_diff(
    scene: Scene, project: Project
) -> None:
    await opened(scene, project, {"src/app.ts": USE + USE_OTHER})
    assert (await scene.bot.delete(f"/api/v1/experiments/{KEY}")).status == 204
    await scene.work()
    assert await code(scene) == [("added", OTHER, "src/app.ts", 2)]
    assert await linked(scene) == {OTHER: "code"}
    (comment,) = scene.comments(1)
    assert (f"`{KEY}`" in comment, f"`{OTHER}`" in comment) == (False, True)
    assert scene.check(1) == "success"


async def test_what_is_only_removed(scene: Scene, project: Project) -> None:
    """GitHub names the base for it, so that a comparison has to say that the head was meant."""
    since = len(scene.github.requests)
    await opened(scene, project, {"src/old.ts": None})
    assert await code(scene) == [("removed", OTHER, "src/old.ts", 1)]
    assert len(asked(scene, since)) == 2


async def test_a_command_is_stronger_than_the_api(scene: Scene, project: Project) -> None:
    await opened(scene, project, {"src/app.ts": USE})
    order = {"integration_id": scene.integration, "repository": REPOSITORY, "number": 1}
    await scene.bot.post(f"/api/v1/experiments/{KEY}/pull-requests", order)
    assert await linked(scene) == {KEY: "api"}
    await scene.say(1, f"/experiment link {KEY}")
    assert await linked(scene) == {KEY: "command"}
    await unlink(scene, KEY)
    assert await linked(scene) == {}
    await scene.bot.post(f"/api/v1/experiments/{KEY}/pull-requests", order)
    assert await linked(scene) == {KEY: "api"}


async def test_many_are_read_one_after_the_other(scene: Scene) -> None:
    """In whichever repositories: comments wait in the same queue."""
    await set_to(scene, code="on")
    for name in ("acme/one", "acme/two"):
        repo = payloads.repository(name)
        for number in (1, 2):
            opened = payloads.pull_request("opened", number, at(number), repo=repo)
            assert (await scene.bot.deliver(scene.integration, "pull_request", opened)).status < 300
    await scene.bot.experiment(KEY)

    def sweep(tx: store.Transaction) -> int:
        row = store.integrations.find(tx, scene.integration)
        assert row is not None
        return code_sweeps.sweep(tx, row)

    assert await scene.bot.services.database.write(sweep) == 2
    found = await scene.actions("?kind=code")
    due = sorted(times.parse(one["next_attempt_at"]) or 0 for one in found)
    assert [round((one - due[0]) / times.SECOND) for one in due] == [0, 2, 4, 6]
