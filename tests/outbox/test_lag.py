"""GitHub's API lags behind its deliveries: what one has just named, it may not know for a while.

Within a minute that is waited for, without a word and without keeping anything else; after it the
answer stands. And what people have shut, a conversation or a repository, is waited for.
"""

from typing import Any

import pytest

from tests.commands.audit import commands
from tests.github import MINT, REPO, Fault
from tests.kit.marks import app_only, slow, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.outbox.lag import lag, last_error
from tests.outbox.stories import COMMENTS, KEY

pytestmark = slow

LINE = f"experiment_key: {KEY}"
STATUSES = f"POST {REPO}/statuses/{{sha}}"
RUNS = f"POST {REPO}/check-runs"
PUT_LABEL = f"POST {REPO}/issues/{{issue_number}}/labels"
TAKE_LABEL = f"DELETE {REPO}/issues/{{issue_number}}/labels/{{name}}"
EDIT = f"PATCH {REPO}/issues/comments/{{comment_id}}"
NO_COMMIT = {"message": "No commit found for SHA: 52c4947c1c02cb11fd0aaf83b8e7daf846f9edbd"}
NO_REF = {"message": "No commit found for the ref refs/heads/main"}
INVALID = {
    "message": "Validation Failed",
    "errors": [{"resource": "Status", "code": "invalid", "field": "sha"}],
}


async def take_line_out(scene: Scene, number: int) -> None:
    scene.clock.ahead += 1
    scene.github.edit_pull(REPOSITORY, number, body="-")
    await scene.tell("edited", number)
    await scene.work()


# --- Comment, check and label


async def test_what_github_does_not_know_yet_is_waited_for(scene: Scene) -> None:
    check = RUNS if scene.is_app else STATUSES
    faults = [
        lag(scene, COMMENTS),
        lag(scene, PUT_LABEL),
        lag(scene, check, status=422, body=NO_COMMIT),
    ]
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    (waiting,) = await scene.actions("?status=pending")
    assert waiting["result"].keys() == {"status_comment", "check", "label"}
    for part, status in (("Status comment", 404), ("Check", 422), ("Label", 404)):
        assert f"{part}: {status} " in waiting["last_error"]
    assert await last_error(scene) is None
    await scene.pass_time(30, 1)
    assert [one.used for one in faults] == [3, 3, 3]
    assert len(scene.comments(number)) == 1
    assert scene.check(number) == "success"
    assert scene.github.labels_of(REPOSITORY, number) == ["experiment"]
    assert {one["status"] for one in await scene.actions()} == {"done"}
    assert await last_error(scene) is None


@sqlite_only
@pytest.mark.parametrize("body", [NO_COMMIT, NO_REF, INVALID])
async def test_a_commit_that_github_never_knows(scene: Scene, body: dict[str, Any]) -> None:
    fault = lag(scene, RUNS if scene.is_app else STATUSES, None, 422, body)
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    await scene.pass_time(50, 1)
    assert (await scene.part("check"))["status"] == "pending"
    await scene.pass_time(40, 1)
    check = await scene.part("check")
    assert check["status"] == "failed" and "422" in check["error"]
    (action,) = await scene.actions("?kind=pull_request")
    assert action["status"] == "failed" and action["last_error"] == f"Check: {check['error']}"
    assert 5 <= fault.used <= 8
    assert f"#{number}" in await last_error(scene)
    # Nothing else had to wait for it.
    assert len(scene.comments(number)) == 1
    # Somebody who tries it again is told at once.
    await scene.bot.post(f"/api/v1/actions/{action['id']}/retry")
    await scene.work()
    assert (await scene.part("check"))["status"] == "failed"


@sqlite_only
@pytest.mark.parametrize("times", [1, 4])
@token_only
async def test_a_comment_that_github_does_not_find_is_not_written_twice(
    scene: Scene, times: int
) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    fault = lag(scene, EDIT, times)
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    await scene.work()
    await scene.pass_time(40, 1)
    assert fault.used == times
    (comment,) = scene.comments(number)
    assert "active" in comment
    assert await last_error(scene) is None


@sqlite_only
@pytest.mark.parametrize("times", [1, 4])
@token_only
async def test_a_label_is_taken_off_once_github_knows(scene: Scene, times: int) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    fault = lag(scene, TAKE_LABEL, times)
    await take_line_out(scene, number)
    await scene.pass_time(40, 1)
    assert fault.used == times
    assert scene.github.labels_of(REPOSITORY, number) == []
    assert await last_error(scene) is None


@sqlite_only
@token_only
async def test_a_label_that_somebody_took_off_is_not_asked_for_again(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    scene.github.repository(REPOSITORY).issues[number].labels.clear()
    await take_line_out(scene, number)
    assert {one["status"] for one in await scene.actions()} == {"done"}


@sqlite_only
@token_only
async def test_what_is_missing_for_good_says_so_with_its_remedy(scene: Scene) -> None:
    lag(scene, COMMENTS, None)
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    await scene.pass_time(90, 1)
    comment = await scene.part("status_comment")
    assert comment["status"] == "failed"
    assert "does not exist, or the credential does not reach it" in comment["error"]


@sqlite_only
@token_only
async def test_other_refusals_stand_at_once(scene: Scene) -> None:
    lag(scene, COMMENTS, None, 422, {"message": "Validation Failed"})
    lag(scene, STATUSES, None, 422, {"message": "This SHA and context has reached the maximum"})
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    await scene.work()
    (action,) = await scene.actions("?status=failed")
    states = {name: part["status"] for name, part in action["result"].items()}
    assert states == {"check": "failed", "status_comment": "failed", "label": "done"}


@sqlite_only
@token_only
async def test_nothing_else_of_the_queue_waits(scene: Scene) -> None:
    """Neither other pull requests nor the rest of the same, and it is no outage either."""
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE, tell=False)
    lag(scene, STATUSES, None, 422, NO_COMMIT)
    lag(scene, COMMENTS, None)
    await scene.tell("opened", number)
    await scene.work()
    assert scene.github.labels_of(REPOSITORY, number) == ["experiment"]
    comment = await scene.say(number, f"/experiment pause {KEY}")
    assert scene.reactions(comment) == ["eyes", "rocket"]
    others = [await scene.open(LINE) for _ in range(3)]
    await scene.work()
    assert all(scene.github.labels_of(REPOSITORY, other) == ["experiment"] for other in others)


@sqlite_only
@token_only
async def test_the_minute_counts_from_the_newest_delivery(scene: Scene) -> None:
    """What has waited for something else for long is asked for a minute from the last push on."""
    lag(scene, STATUSES, None, 422, NO_COMMIT)
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    await scene.pass_time(40, 1)
    scene.github.push(REPOSITORY, number, "b" * 40)
    await scene.tell("synchronize", number)
    await scene.pass_time(40, 1)
    assert (await scene.part("check"))["status"] == "pending"
    scene.github.heal()
    await scene.pass_time(31, 1)
    assert scene.check(number) == "success"


@sqlite_only
@token_only
async def test_a_limit_in_between(scene: Scene) -> None:
    lag(scene, COMMENTS, 2)
    scene.github.fail(Fault("drop_before", COMMENTS))
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.pass_time(60, 2)
    assert len(scene.comments(number)) == 1


@sqlite_only
@app_only
async def test_a_repository_and_an_installation_right_after_creation(scene: Scene) -> None:
    """The installation is looked up and its token minted before GitHub knows of either."""
    lookup = lag(scene, f"GET {REPO}/installation", 2)
    mint = lag(scene, MINT, 2)
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE, tell=False)
    payload = scene.payload("opened", number)
    del payload["installation"]
    await scene.bot.deliver(scene.integration, "pull_request", payload)
    await scene.pass_time(60, 2)
    assert (lookup.used, mint.used) == (2, 2)
    assert len(scene.comments(number)) == 1 and scene.check(number) == "success"
    assert await last_error(scene) is None


# --- Locked and archived


@sqlite_only
@token_only
async def test_a_locked_conversation_is_waited_for(scene: Scene) -> None:
    await scene.bot.experiment(KEY, status="active")
    number = await scene.open(LINE)
    item = scene.github.repository(REPOSITORY).issues[number]
    item.locked = True
    await scene.pass_time(3600, 60)
    waiting = await scene.part("status_comment")
    assert waiting["status"] == "pending" and "locked" in waiting["error"]
    assert scene.check(number) == "success"
    assert scene.github.labels_of(REPOSITORY, number) == ["experiment"]
    comment = await scene.say(number, f"/experiment status {KEY}")
    assert scene.reactions(comment) == ["eyes", "rocket"]
    assert [one["status"] for one in await commands(scene)] == ["done"]
    assert await last_error(scene) is None
    tried = len(scene.github.writes(COMMENTS))
    assert tried <= 12
    item.locked = False
    await scene.pass_time(3700, 300)
    assert len(scene.comments(number)) == 3  # what was said, the reply and the status comment
    assert {one["status"] for one in await scene.actions()} == {"done"}


@sqlite_only
@token_only
async def test_an_archived_repository_is_waited_for(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    scene.github.repository(REPOSITORY).archived = True
    await scene.pass_time(3600, 60)
    actions = await scene.actions()
    assert {one["status"] for one in actions} == {"pending"}
    assert all("archived" in one["last_error"] for one in actions)
    scene.github.repository(REPOSITORY).archived = False
    await scene.pass_time(3700, 300)
    assert len(scene.comments(number)) == 1 and scene.check(number) == "success"


@sqlite_only
@token_only
@slow
async def test_a_repository_that_stays_archived_is_given_up(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    scene.github.repository(REPOSITORY).archived = True
    await scene.pass_time(4 * 86_400, 1800)
    actions = await scene.actions()
    assert {one["status"] for one in actions} == {"failed"}
    assert all("three days" in one["last_error"] for one in actions)
