"""While a conversation is locked or a repository archived nothing is tried; then it goes on."""

from typing import Any

import pytest

from tests.github import Fault
from tests.kit import running
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.outbox.lag import last_error
from tests.outbox.stories import COMMENTS, KEY, LINE, change, open_one


async def repository(scene: Scene, action: str, **fields: Any) -> None:
    """Archive or unarchive the repository, and deliver that."""
    scene.clock.ahead += 1
    scene.github.repository(REPOSITORY).archived = action == "archived"
    told = {**scene.github.repository_payload(REPOSITORY), **fields}
    payload = {"action": action, "repository": told, "sender": {"login": "jane"}}
    answer = await scene.bot.deliver(scene.integration, "repository", payload)
    assert answer.body == {"processed": True}


async def lock(scene: Scene, number: int, *, locked: bool = True, tell: bool = True) -> None:
    scene.clock.ahead += 1
    item = scene.github.repository(REPOSITORY).issues[number]
    item.locked, item.updated_at = locked, scene.clock()
    if tell:
        await scene.tell("locked" if locked else "unlocked", number)


async def pushed(scene: Scene, *, archived: bool) -> None:
    told = {**scene.github.repository_payload(REPOSITORY), "archived": archived}
    payload = {"ref": "refs/heads/main", "commits": [], "repository": told}
    assert (await scene.bot.deliver(scene.integration, "push", payload)).status == 200


async def test_nothing_is_tried_in_an_archived_repository(scene: Scene) -> None:
    number = await open_one(scene)
    await repository(scene, "archived")
    before = len(scene.github.requests)
    await change(scene, "active")
    await scene.pass_time(7200, 900)
    assert len(scene.github.requests) == before
    action = (await scene.actions())[0]
    assert (action["status"], action["attempts"]) == ("pending", 0)
    assert action["last_error"] == (
        "the repository is archived: the action waits until it is unarchived"
    )
    assert await last_error(scene) is None
    await repository(scene, "unarchived")
    await scene.work()
    assert "active" in scene.comments(number)[0]
    assert {one["status"] for one in await scene.actions()} == {"done"}


@sqlite_only
@token_only
async def test_any_payload_tells_that_a_repository_is_archived(scene: Scene) -> None:
    number = await open_one(scene)
    scene.github.repository(REPOSITORY).archived = True
    await pushed(scene, archived=True)
    before = len(scene.github.requests)
    await change(scene, "active")
    assert len(scene.github.requests) == before
    scene.github.repository(REPOSITORY).archived = False
    await pushed(scene, archived=False)
    await scene.work()
    assert "active" in scene.comments(number)[0]


@sqlite_only
@token_only
async def test_an_older_payload_does_not_bring_the_archive_back(scene: Scene) -> None:
    number = await open_one(scene)
    late = scene.github.repository_payload(REPOSITORY) | {"archived": True}
    await repository(scene, "archived", updated_at="2026-03-02T10:00:01Z")
    await repository(scene, "unarchived", updated_at="2026-03-02T10:00:05Z")
    late["updated_at"] = "2026-03-02T10:00:03Z"
    payload = {"ref": "refs/heads/main", "commits": [], "repository": late}
    assert (await scene.bot.deliver(scene.integration, "push", payload)).status == 200
    await change(scene, "active")
    assert "active" in scene.comments(number)[0]


@token_only
async def test_what_was_given_up_in_an_archive_goes_on_after_it(scene: Scene) -> None:
    number = await open_one(scene)
    await repository(scene, "archived")
    await change(scene, "active")
    await scene.pass_time(4 * 86_400, 86_400)
    action = (await scene.actions())[0]
    assert action["status"] == "failed" and "archived" in action["last_error"]
    assert "archived" in await last_error(scene)
    await repository(scene, "unarchived")
    await scene.work()
    assert "active" in scene.comments(number)[0]
    assert await last_error(scene) is None


@pytest.mark.parametrize("event", ["repository", "push"])
@sqlite_only
@token_only
async def test_what_github_alone_says_of_an_archive_ends_with_it(scene: Scene, event: str) -> None:
    """No delivery told of the archive, but one does of the end."""
    number = await open_one(scene)
    scene.github.repository(REPOSITORY).archived = True
    await change(scene, "active")
    action = (await scene.actions())[0]
    assert action["status"] == "pending" and "archived" in action["last_error"]
    scene.github.repository(REPOSITORY).archived = False
    if event == "push":
        await pushed(scene, archived=False)
    else:
        await repository(scene, "unarchived")
    await scene.work()
    assert "active" in scene.comments(number)[0]


@sqlite_only
@token_only
async def test_by_hand_it_is_tried_all_the_same(scene: Scene) -> None:
    """Once: where it fails, it waits as before."""
    number = await open_one(scene)
    await repository(scene, "archived")
    await change(scene, "active")
    action = (await scene.actions())[0]
    retry = f"/api/v1/actions/{action['id']}/retry"
    before = len(scene.github.requests)
    assert (await scene.bot.post(retry)).status == 200
    await scene.pass_time(1800, 600)
    refused = scene.github.requests[before:]
    assert refused and all(one.status in (200, 403) for one in refused)
    assert len([one for one in refused if one.status == 403]) <= 2  # check and comment, once
    scene.github.repository(REPOSITORY).archived = False
    assert (await scene.bot.post(retry)).status == 200
    await scene.work()
    assert "active" in scene.comments(number)[0]


@sqlite_only
async def test_a_tracking_issue_waits_for_the_end_of_an_archive(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    comment = await scene.say(number, f'/experiment issue "Ramp up" key={KEY}', work=False)
    await repository(scene, "archived")
    before = len(scene.github.writes())
    await scene.work()
    assert len(scene.github.writes()) == before
    (waiting,) = await scene.actions("?kind=tracking_issue")
    assert waiting["status"] == "pending" and "archived" in waiting["last_error"]
    await repository(scene, "unarchived")
    await scene.work()
    assert len(scene.github.issues(REPOSITORY)) == 1
    assert scene.reactions(comment) == ["rocket"]


# --- Locked conversations


async def test_a_locked_conversation_takes_no_comment(scene: Scene) -> None:
    """The check goes on: it is none."""
    number = await open_one(scene)
    await lock(scene, number)
    before = len(scene.github.requests)
    await change(scene, "completed")
    await scene.pass_time(7200, 900)
    made = scene.github.requests[before:]
    assert made and not [one for one in made if "comments" in one.path]
    part = (await scene.actions())[0]["result"]["status_comment"]
    assert part["status"] == "pending" and "locked" in part["error"]
    await lock(scene, number, locked=False)
    await scene.work()
    assert "completed" in scene.comments(number)[0]
    assert {one["status"] for one in await scene.actions()} == {"done"}


@sqlite_only
@token_only
async def test_what_stands_there_already_waits_for_no_end_of_a_lock(scene: Scene) -> None:
    """The change was taken back: nothing is left to write, and nothing fails days later."""
    number = await open_one(scene)
    await lock(scene, number)
    await change(scene, "active")
    part = (await scene.actions())[0]["result"]["status_comment"]
    assert part["status"] == "pending"
    before = len(scene.github.requests)
    await change(scene, "draft")
    await scene.pass_time(4 * 86_400, 86_400)
    assert not [one for one in scene.github.requests[before:] if "comments" in one.path]
    assert {one["status"] for one in await scene.actions()} == {"done"}
    assert await last_error(scene) is None


@sqlite_only
@token_only
async def test_a_lock_is_told_by_whatever_tells_of_the_pull_request(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    pull = scene.github.open_pull(REPOSITORY, title="One page checkout", body=LINE)
    await lock(scene, pull.number, tell=False)
    await scene.tell("opened", pull.number)
    await scene.work()
    assert scene.github.calls(COMMENTS) == [] and scene.check(pull.number) == "success"
    assert scene.github.labels_of(REPOSITORY, pull.number) == ["experiment"]
    await lock(scene, pull.number, locked=False, tell=False)
    await scene.tell("edited", pull.number)
    await scene.work()
    assert len(scene.comments(pull.number)) == 1


@token_only
async def test_what_github_alone_says_of_a_lock_ends_with_it(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await lock(scene, number, tell=False)
    await scene.work()
    assert "locked" in (await scene.part("status_comment"))["error"]
    await lock(scene, number, locked=False)
    await scene.work()
    assert len(scene.comments(number)) == 1


@sqlite_only
@token_only
async def test_a_comment_tells_of_a_missed_unlock(scene: Scene) -> None:
    number = await open_one(scene)
    await lock(scene, number)
    await change(scene, "completed")
    await lock(scene, number, locked=False, tell=False)
    await scene.say(number, "/experiment status")
    assert "completed" in scene.comments(number)[0]


@sqlite_only
@token_only
async def test_an_older_version_does_not_lock_again(scene: Scene) -> None:
    number = await open_one(scene)
    await lock(scene, number)
    late = scene.payload("locked", number)
    await lock(scene, number, locked=False)
    await scene.bot.deliver(scene.integration, "pull_request", late)
    await change(scene, "completed")
    assert "completed" in scene.comments(number)[0]


@pytest.mark.parametrize("is_pull_request", [True, False])
async def test_a_command_in_a_locked_conversation_runs(scene: Scene, is_pull_request: bool) -> None:
    """Its reply waits until somebody unlocks it, and hinders no other command."""
    await scene.bot.experiment(KEY, status="draft")
    if is_pull_request:
        number = await scene.open("")
        await lock(scene, number)
    else:
        number = scene.github.open_issue(REPOSITORY, title="Rollout", body="").number
        scene.github.repository(REPOSITORY).issues[number].locked = True
    await scene.say(number, "/experiment status " + KEY)
    await scene.say(number, f"/experiment start {KEY}")
    found = await scene.bot.get(f"/api/v1/experiments/{KEY}")
    assert found.body["status"] == "active"
    assert scene.github.calls(COMMENTS) == [] and scene.replies(number) == []
    runs = await scene.bot.walk("/api/v1/commands")
    assert [one["status"] for one in runs] == ["done", "done"]
    waiting = [one for one in await scene.actions("?kind=commands") if one["status"] == "pending"]
    assert waiting and "locked" in waiting[0]["last_error"]
    assert await last_error(scene) is None
    scene.clock.ahead += 1
    item = scene.github.repository(REPOSITORY).issues[number]
    item.locked, item.updated_at = False, scene.clock()
    if is_pull_request:
        await scene.tell("unlocked", number)
    else:
        payload = {"action": "unlocked", "issue": scene.github.issue_payload(REPOSITORY, number)}
        payload["repository"] = scene.github.repository_payload(REPOSITORY)
        await scene.bot.deliver(scene.integration, "issues", payload)
    await scene.work()
    assert len(scene.replies(number)) == 1
    assert {one["status"] for one in await scene.actions("?kind=commands")} == {"done"}


@token_only
async def test_what_waits_is_known_after_a_restart(scene: Scene) -> None:
    number = await open_one(scene)
    await lock(scene, number)
    await change(scene, "completed")
    await scene.restart()
    before = len(scene.github.requests)
    await scene.pass_time(1200, 600)
    assert len(scene.github.requests) == before
    await lock(scene, number, locked=False)
    await scene.work()
    assert "completed" in scene.comments(number)[0]


@sqlite_only
@token_only
async def test_what_comes_to_stand_for_it_meanwhile_has_its_turn(scene: Scene) -> None:
    """While GitHub refuses the comment, more has to be shown: it waits no longer than that."""
    await scene.bot.experiment(KEY, status="draft")
    number = await scene.open(LINE)
    await lock(scene, number, tell=False)
    fault = scene.github.fail(Fault("slow", COMMENTS, seconds=0.5))

    async def is_called() -> bool:
        return fault.used > 0

    async def is_active() -> bool:
        found = await scene.bot.get(f"/api/v1/experiments/{KEY}")
        return bool(found.body["status"] == "active")

    async def is_shown() -> bool:
        shown = [one for one in scene.comments(number) if "How to link" in one]
        return len(shown) == 1 and " active |" in shown[0]

    working = scene.work_on()
    try:
        await running.eventually(is_called)
        await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "completed"})
        await scene.say(number, f"/experiment start {KEY}", work=False)
        await running.eventually(is_active)
        await lock(scene, number, locked=False)
        await running.eventually(is_shown)
    finally:
        working.cancel()


@sqlite_only
@token_only
async def test_a_refused_command_is_answered_after_the_lock(scene: Scene) -> None:
    """Of its pull request nothing else was ever heard."""
    await scene.bot.experiment(KEY)
    number = scene.github.open_pull(REPOSITORY, title="One page checkout", body="").number
    await lock(scene, number, tell=False)
    scene.github.add_user("eve")
    await scene.say(number, f"/experiment start {KEY}", "eve")
    assert scene.replies(number) == []
    await lock(scene, number, locked=False)
    await scene.work()
    assert len(scene.replies(number)) == 1
