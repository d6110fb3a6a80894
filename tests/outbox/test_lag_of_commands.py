"""Commands that come before GitHub knows the comment, and signs that cannot be set."""

import pytest

from tests.commands.audit import commands, linked
from tests.github import REPO, Fault
from tests.kit.marks import slow, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.outbox.lag import NOT_FOUND, lag, last_error
from tests.outbox.stories import COMMENTS, KEY

pytestmark = slow

COMMENT = f"GET {REPO}/issues/comments/{{comment_id}}"
REACTIONS = f"POST {REPO}/issues/comments/{{comment_id}}/reactions"
PERMISSION = f"GET {REPO}/collaborators/{{username}}/permission"
ISSUES = f"POST {REPO}/issues"
PULL = f"GET {REPO}/pulls/{{pull_number}}"


@sqlite_only
@pytest.mark.parametrize("template", [COMMENT, PERMISSION, PULL, COMMENTS, ISSUES])
@token_only
async def test_a_command_is_carried_out_once_github_knows(scene: Scene, template: str) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("", tell=False)
    fault = lag(scene, template)
    text = f'/experiment link {KEY}\n/experiment issue "T" key={KEY}\n/experiment status {KEY}'
    comment = await scene.say(number, text)
    await scene.pass_time(60, 1)
    assert fault.used == 3
    assert [one["status"] for one in await commands(scene)] == ["done"] * 3
    assert scene.reactions(comment) == ["eyes", "rocket"]
    assert len(scene.replies(number)) == 1 and len(scene.github.issues(REPOSITORY)) == 1
    assert await last_error(scene) is None


@sqlite_only
@pytest.mark.parametrize("status", [403, 404, 410, 422, 500, 502])
@pytest.mark.parametrize("times", [1, 2, None])
@token_only
async def test_a_sign_that_cannot_be_set_stops_nothing(
    scene: Scene, status: int, times: int | None
) -> None:
    await scene.bot.experiment(KEY, status="active")
    number = await scene.open("")
    lag(scene, REACTIONS, times, status, {"message": "No."})
    await scene.say(number, f"/experiment pause {KEY}\n/experiment link nope")
    assert [one["status"] for one in await commands(scene)] == ["refused", "done"]
    found = await scene.bot.get(f"/api/v1/experiments/{KEY}")
    assert found.body["status"] == "paused"
    assert len(scene.replies(number)) == 1
    await scene.pass_time(120, 10)
    assert len(scene.replies(number)) == 1
    assert "failed" not in {one["status"] for one in await scene.actions()}
    assert await last_error(scene) is None


@sqlite_only
@pytest.mark.parametrize(
    ("kind", "times"), [("status", 1), ("status", 2), ("status", 5), ("drop_before", 1)]
)
@token_only
async def test_both_signs_are_there_once_they_can_be_set(
    scene: Scene, kind: str, times: int
) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    fault = Fault(kind, REACTIONS, times=times, status=404, body=NOT_FOUND)
    scene.github.fail(fault)
    comment = await scene.say(number, f"/experiment link {KEY}")
    assert [one["status"] for one in await commands(scene)] == ["done"]
    await scene.pass_time(40, 1)
    assert fault.used == times
    assert sorted(scene.reactions(comment)) == ["eyes", "rocket"]
    assert {one["status"] for one in await scene.actions()} == {"done"}
    assert await last_error(scene) is None


@sqlite_only
@token_only
async def test_nothing_waits_for_the_last_sign(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    fault = Fault("status", REACTIONS, times=2, after=1, status=404, body=NOT_FOUND)
    scene.github.fail(fault)
    comment = await scene.say(number, f"/experiment link {KEY}")
    assert scene.reactions(comment) == ["eyes"]
    assert scene.check(number) == "success"
    await scene.pass_time(40, 1)
    assert sorted(scene.reactions(comment)) == ["eyes", "rocket"]
    assert {one["status"] for one in await scene.actions()} == {"done"}


@sqlite_only
@token_only
async def test_a_deleted_comment_counts_as_deleted_after_a_minute(scene: Scene) -> None:
    """Until then GitHub may only not know it yet. What it says is never done."""
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    comment = await scene.say(number, f"/experiment link {KEY}", work=False)
    scene.github.delete_comment(comment)
    await scene.work()
    await scene.pass_time(55, 1)
    assert [one["status"] for one in await commands(scene)] == ["pending"]
    await scene.pass_time(7, 1)
    (command,) = await commands(scene)
    assert (command["status"], command["allowed"]) == ("refused", False)
    assert "deleted" in command["result"]
    assert await linked(scene) == [] and scene.replies(number) == []
    assert {one["status"] for one in await scene.actions()} == {"done"}
    assert await last_error(scene) is None


@sqlite_only
@token_only
@pytest.mark.parametrize("change", ["text", "author"])
async def test_a_comment_that_is_not_as_delivered_runs_nothing(scene: Scene, change: str) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    comment = await scene.say(number, f"/experiment link {KEY}", work=False)
    known = scene.github.repository(REPOSITORY).comments[comment]
    if change == "text":
        known.body = f"> /experiment link {KEY}"
    else:
        scene.github.add_user("sam")
        known.author = "sam"
    await scene.work()
    (command,) = await commands(scene)
    assert command["status"] == "refused" and "edited" in command["result"]
    assert scene.reactions(comment) == [] and scene.replies(number) == []
    assert await scene.bot.walk(f"/api/v1/experiments/{KEY}/pull-requests") == []


@sqlite_only
@token_only
async def test_commands_keep_their_order(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    lag(scene, COMMENT)
    await scene.say(number, f"/experiment link {KEY}")
    scene.clock.ahead += 1
    await scene.say(number, f"/experiment unlink {KEY}")
    await scene.pass_time(60, 1)
    assert [one["status"] for one in await commands(scene)] == ["done", "done"]
    assert await scene.bot.walk(f"/api/v1/experiments/{KEY}/pull-requests") == []


@sqlite_only
@token_only
async def test_an_issue_ordered_by_the_api_is_refused_at_once(scene: Scene) -> None:
    """No delivery has named that repository, but somebody who waits for the answer."""
    await scene.bot.experiment(KEY)
    lag(scene, ISSUES, None)
    working = scene.work_on()
    answer = await scene.issue(KEY)
    working.cancel()
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "repository")
