"""What strangers were told stays as it was, or is taken back; replies go by who asked."""

from typing import Any

import pytest

from bot import storage as store
from tests.github import Fault
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene, check_of, set_to
from tests.kit.strangers import (
    BODY,
    KEY,
    NAME,
    OVER,
    OWNER,
    PERMISSION,
    STRANGER_COMMENT,
    TYPO,
    assert_nothing_is_told,
    comment,
    experiments,
    from_fork,
    insider_comment,
    tell,
    texts_of,
)

# --- It stays so


@sqlite_only
async def test_what_is_edited_later_keeps_to_it(scene: Scene) -> None:
    await experiments(scene)
    number = await from_fork(scene)
    await scene.work()
    await scene.bot.patch(
        f"/api/v1/experiments/{KEY}", {"name": "The secret plan", "status": "completed"}
    )
    await scene.bot.experiment(TYPO, name="Another plan", owner=OWNER)
    await scene.work()
    known = f"- There is an experiment with the key `{TYPO}`."
    unknown = f"- No experiment has the key `{TYPO}`."
    assert comment(scene, number) == STRANGER_COMMENT.replace(unknown, known)
    assert_nothing_is_told(texts_of(scene, number))
    # A maintainer's hand changes nothing about whose pull request it is.
    await scene.say(number, f"/experiment unlink {OVER}")
    assert "plan" not in texts_of(scene, number) and OWNER not in texts_of(scene, number)


@sqlite_only
@token_only
async def test_nothing_is_asked_where_there_is_nothing_to_tell(scene: Scene) -> None:
    await set_to(scene, check="always")
    number = await from_fork(scene, "Just a fix")
    await scene.work()
    assert check_of(scene, number) is not None
    assert scene.github.calls(PERMISSION) == []


async def publicize(scene: Scene, **changes: Any) -> None:
    scene.clock.ahead += 60
    repository = scene.github.repository(REPOSITORY)
    repository.private, repository.updated_at = False, scene.clock()
    payload = {
        "action": "publicized",
        "repository": {**scene.github.repository_payload(REPOSITORY), **changes},
        "sender": {"login": "acme", "type": "User"},
        **({"installation": {"id": INSTALLATION}} if scene.is_app else {}),
    }
    answer = await scene.bot.deliver(scene.integration, "repository", payload)
    assert (answer.status, answer.body) == (200, {"processed": True})
    await scene.work()


@pytest.mark.parametrize("comments", ["on", "once", "off"])
@token_only
async def test_a_repository_becomes_public(scene: Scene, comments: str) -> None:
    """What stands there is written again: on open and closed ones, whatever the settings are."""
    scene.github.repository(REPOSITORY).private = True
    await experiments(scene)
    numbers = [await from_fork(scene) for _ in range(2)]
    ours = await scene.open(BODY)
    await scene.work()
    assert comment(scene, numbers[0]) == comment(scene, ours) == insider_comment(scene)
    scene.github.edit_pull(REPOSITORY, numbers[1], state="closed")
    await tell(scene, numbers[1], "closed")
    await set_to(scene, comments=comments, check="off")
    await publicize(scene)
    for number in numbers:
        assert comment(scene, number) == STRANGER_COMMENT
        assert_nothing_is_told(texts_of(scene, number))
        if scene.is_app:
            assert len(scene.github.check_runs(REPOSITORY, sha_of(scene, number))) == 1
    assert comment(scene, ours) == insider_comment(scene)
    writes = len(scene.github.writes())
    await publicize(scene)
    assert len(scene.github.writes()) == writes


def sha_of(scene: Scene, number: int) -> str:
    sha: str = scene.github.pull_payload(REPOSITORY, number)["head"]["sha"]
    return sha


@sqlite_only
@token_only
async def test_any_delivery_may_be_the_first_to_tell_that_it_is_public(scene: Scene) -> None:
    """Webhooks that send no `repository` events are the rule; a late delivery proves nothing."""
    scene.github.repository(REPOSITORY).private = True
    await experiments(scene)
    number, other = await from_fork(scene), await from_fork(scene)
    late = scene.payload("edited", other)
    await scene.work()
    assert comment(scene, number) == insider_comment(scene)
    scene.clock.ahead += 60
    repository = scene.github.repository(REPOSITORY)
    repository.private, repository.updated_at = False, scene.clock()
    payload = {
        "ref": "refs/heads/main",
        "commits": [],
        "repository": scene.github.repository_payload(REPOSITORY),
    }
    await scene.bot.deliver(scene.integration, "push", payload)
    await scene.work()
    assert comment(scene, number) == comment(scene, other) == STRANGER_COMMENT
    await scene.bot.deliver(scene.integration, "pull_request", late)
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"owner": "another-team"})
    await scene.work()
    assert comment(scene, other) == STRANGER_COMMENT


@token_only
async def test_what_an_earlier_version_wrote(scene: Scene) -> None:
    """It asked nobody, and did not know who sees a repository: the first delivery puts it right."""
    scene.github.repository(REPOSITORY).private = True
    await experiments(scene)
    number, ours = await from_fork(scene), await scene.open(BODY)
    await scene.work()
    assert comment(scene, number) == insider_comment(scene)

    def forget(tx: store.Transaction) -> None:
        tx.run("UPDATE repositories SET visibility = NULL, visibility_at = NULL")
        tx.run("UPDATE items SET author_writes = NULL")

    await scene.bot.services.database.write(forget)
    scene.github.repository(REPOSITORY).private = False
    writes = len(scene.github.writes())
    await scene.open("")
    await scene.work()
    assert comment(scene, number) == STRANGER_COMMENT
    assert comment(scene, ours) == insider_comment(scene)
    assert len(scene.github.writes()) == writes + 2  # of the stranger's, comment and check


@sqlite_only
@token_only
async def test_a_repository_becomes_private_again(scene: Scene) -> None:
    await experiments(scene)
    number = await from_fork(scene)
    await scene.work()
    repository = scene.github.repository(REPOSITORY)
    scene.clock.ahead += 60
    repository.private, repository.updated_at = True, scene.clock()
    payload = {
        "ref": "refs/heads/main",
        "commits": [],
        "repository": scene.github.repository_payload(REPOSITORY),
    }
    await scene.bot.deliver(scene.integration, "push", payload)
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"owner": "growth"})
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"owner": OWNER})
    await scene.work()
    assert comment(scene, number) == insider_comment(scene)


# --- Replies go by who asked


@sqlite_only
@token_only
async def test_replies_on_a_public_repository(scene: Scene) -> None:
    await experiments(scene)
    scene.github.add_user("mallory")
    number = await from_fork(scene)
    await scene.work()
    for text in ("status", f"status {KEY}", f"link {TYPO}", f"unlink {KEY}x", "help", "lnik x"):
        await scene.say(number, f"/experiment {text}", "mallory")
    assert len(scene.replies(number)) == 6
    assert_nothing_is_told(str(scene.replies(number)[:5]))
    assert "Did you mean `link`?" in scene.replies(number)[5]  # commands are no secret
    # A maintainer's question is answered, on the stranger's pull request, too.
    await scene.say(number, f"/experiment status {KEY}", "jane")
    assert NAME in scene.replies(number)[6] and OWNER in scene.replies(number)[6]
    await scene.say(number, f"/experiment link {TYPO}", "jane")
    assert f"Closest: `{KEY}`" in scene.replies(number)[7]


@sqlite_only
@token_only
async def test_who_may_use_a_command_and_not_write(scene: Scene) -> None:
    """An integration lets people with `triage` use commands: in public they are told no more."""
    await experiments(scene)
    scene.github.repository(REPOSITORY).collaborators["sam"] = "triage"
    scene.github.add_user("sam")
    levels = {name: "triage" for name in ("status", "link", "unlink")}
    await set_to(scene, commands=levels)
    number = await scene.open(f"experiment_key: {KEY}")
    await scene.say(number, f"/experiment status {KEY} {OVER}", "sam")
    await scene.say(number, f"/experiment link {TYPO}", "sam")
    await scene.say(number, "/experiment unlink checkout-flow", "sam")
    status, link, unlink = scene.replies(number)
    assert status.partition("\n\n<!--")[0] == (
        f"- There is an experiment with the key `{KEY}`.\n"
        f"- There is an experiment with the key `{OVER}`."
    )
    assert f"There is no experiment `{TYPO}`." in link
    assert "`checkout-flow` is not linked here." in unlink
    assert_nothing_is_told(f"{status}{link}{unlink}")
    assert KEY not in unlink
    scene.github.repository(REPOSITORY).private = True
    await scene.say(number, f"/experiment status {KEY}", "sam")
    assert NAME in scene.replies(number)[3]


@sqlite_only
@token_only
async def test_replies_to_readers_are_taken_back(scene: Scene) -> None:
    """What a reader of the private repository was told stands there when it becomes public."""
    repository = scene.github.repository(REPOSITORY)
    repository.private = True
    repository.collaborators["sam"] = "read"
    scene.github.add_user("sam")
    await experiments(scene)
    number = scene.github.open_issue(REPOSITORY, title="How does it stand?").number
    for login in ("sam", "jane"):
        await scene.say(number, f"/experiment status {KEY}", login)
    assert all(NAME in one for one in scene.replies(number))
    await publicize(scene)
    to_sam, to_jane = scene.replies(number)
    assert to_sam.startswith("This was answered while the repository was private.")
    assert_nothing_is_told(to_sam)
    assert NAME in to_jane


@sqlite_only
@pytest.mark.parametrize("times", [1, 4])
async def test_who_github_does_not_know_yet_is_asked_for_again(scene: Scene, times: int) -> None:
    await experiments(scene)
    scene.github.repository(REPOSITORY).collaborators["mallory"] = "write"
    fault = Fault("status", PERMISSION, times=times, status=404, body={"message": "Not Found"})
    scene.github.fail(fault)
    number = await from_fork(scene)
    await scene.work()
    assert (await scene.part("check"))["status"] == "pending"
    await scene.pass_time(40, 1)
    assert comment(scene, number) == insider_comment(scene)
    assert {one["status"] for one in await scene.actions()} == {"done"}
    answer = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    assert answer.body["last_error"] is None
