"""On a public repository experiments are told of only to those who may write there."""

from typing import Any

import pytest

from bot import storage as store
from tests.github import Fault
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene, check_of, set_to, shown
from tests.kit.strangers import (
    BODY,
    INSIDER_SUMMARY,
    KEY,
    NAME,
    OVER,
    OWNER,
    PERMISSION,
    STRANGER_COMMENT,
    STRANGER_SUMMARY,
    TYPO,
    assert_nothing_is_told,
    comment,
    experiments,
    from_fork,
    insider_comment,
    tell,
    texts_of,
)

# --- Comment and check, whole


async def test_a_stranger_learns_whether_a_key_is_known(scene: Scene) -> None:
    await experiments(scene)
    number = await from_fork(scene)
    await scene.work()
    assert comment(scene, number) == STRANGER_COMMENT
    found = check_of(scene, number)
    assert found is not None
    bad, summary = ("action_required", STRANGER_SUMMARY) if scene.is_app else ("failure", "")
    assert found[:3] == (bad, f"Unknown experiment: {TYPO}", summary)
    assert_nothing_is_told(texts_of(scene, number))


async def test_who_may_write_is_told_all(scene: Scene) -> None:
    await experiments(scene)
    number = await from_fork(scene, association="COLLABORATOR")
    await scene.work()
    assert comment(scene, number) == insider_comment(scene)
    found = check_of(scene, number)
    assert found is not None
    bad, summary = ("action_required", INSIDER_SUMMARY) if scene.is_app else ("failure", "")
    assert found[:3] == (bad, f"Unknown experiment: {TYPO}", summary)
    assert scene.github.calls(PERMISSION) == []


@sqlite_only
async def test_a_strangers_check_tells_no_status(scene: Scene) -> None:
    """An experiment that is over is a warning to an insider, and just known to a stranger."""
    await experiments(scene)
    number = await from_fork(scene, f"experiment_key: {KEY}, {OVER}")
    await scene.work()
    found = check_of(scene, number)
    assert found is not None
    summary = (
        f"- There is an experiment with the key `{KEY}`.\n"
        f"- There is an experiment with the key `{OVER}`."
    )
    title = f"Part of {KEY}, {OVER}"
    assert found[:3] == ("success", title, summary if scene.is_app else "")


@sqlite_only
async def test_a_strangers_merge_group(scene: Scene) -> None:
    sha = "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d"
    await experiments(scene)
    number = await from_fork(scene, f"experiment_key: {OVER}")
    scene.github.push(REPOSITORY, None, sha)
    payload = {
        "action": "checks_requested",
        "merge_group": {
            "head_sha": sha,
            "head_ref": f"refs/heads/gh-readonly-queue/main/pr-{number}-{sha}",
        },
        "repository": scene.github.repository_payload(REPOSITORY),
        **({"installation": {"id": INSTALLATION}} if scene.is_app else {}),
    }
    await scene.bot.deliver(scene.integration, "merge_group", payload)
    await scene.work()
    found = shown(scene, sha)
    assert found is not None and found[:2] == ("success", f"Part of {OVER}")
    assert_nothing_is_told(str(found))


# --- Who is one

WHO: dict[str, tuple[dict[str, Any], str | None, bool, bool]] = {
    # what the delivery says; the permission that GitHub tells of; told all?; is GitHub asked?
    "owner": ({"association": "OWNER"}, None, True, False),
    "collaborator": ({"association": "COLLABORATOR"}, None, True, False),
    "member who may write": ({"association": "MEMBER"}, "write", True, True),
    "member who may not": ({"association": "MEMBER"}, "read", False, True),
    "contributor": ({"association": "CONTRIBUTOR"}, None, False, True),
    "contributor with a role": ({"association": "CONTRIBUTOR"}, "maintain", True, True),
    "triage": ({"association": "CONTRIBUTOR"}, "triage", False, True),
    "nobody knows": ({"association": None}, None, False, True),
    "nonsense": ({"association": "owner"}, None, False, True),
    "no author": ({"pull": {"user": None}}, "admin", False, False),
    "private": ({"repository": {"private": True, "visibility": "private"}}, None, True, False),
    "internal": ({"repository": {"private": True, "visibility": "internal"}}, None, True, False),
    "just private": ({"repository": {"private": True, "visibility": None}}, None, True, False),
    "just public": ({"repository": {"private": False, "visibility": None}}, None, False, True),
    "unknown": ({"repository": {"private": None, "visibility": None}}, None, False, True),
}


@sqlite_only
@token_only
@pytest.mark.parametrize("who", WHO)
async def test_who_is_a_stranger(scene: Scene, who: str) -> None:
    said, permission, is_told, is_asked = WHO[who]
    if permission is not None:
        scene.github.repository(REPOSITORY).collaborators["mallory"] = permission
    await experiments(scene)
    number = await from_fork(scene, **said)
    await scene.work()
    assert comment(scene, number) == (insider_comment(scene) if is_told else STRANGER_COMMENT)
    assert bool(scene.github.calls(PERMISSION)) is is_asked


@sqlite_only
async def test_a_branch_of_the_repository_itself(scene: Scene) -> None:
    """Whoever could push it there may write; nobody is asked."""
    await experiments(scene)
    number = scene.github.open_pull(REPOSITORY, title="T", body=BODY, author="renovate[bot]").number
    await tell(scene, number)
    await scene.work()
    assert comment(scene, number) == insider_comment(scene)
    assert scene.github.calls(PERMISSION) == []


@sqlite_only
@token_only
@pytest.mark.parametrize("head", ["gone", "same name"])
async def test_a_fork_that_looks_like_the_repository(scene: Scene, head: str) -> None:
    """One that was deleted, or another repository with the name of this one, is not this one."""
    await experiments(scene)
    number = scene.github.open_pull(REPOSITORY, title="T", body=BODY, author="mallory").number
    branch = scene.github.pull_payload(REPOSITORY, number)["head"]
    branch["repo"] = None if head == "gone" else {**branch["repo"], "id": 987_654_321}
    await tell(scene, number, pull={"head": branch})
    await scene.work()
    assert comment(scene, number) == STRANGER_COMMENT


@sqlite_only
@pytest.mark.parametrize("status", [403, 404])
async def test_where_github_cannot_be_asked(scene: Scene, status: int) -> None:
    """The credential may not ask, or is not told: then everybody from a fork is a stranger."""
    scene.github.fail(Fault("status", template=PERMISSION, status=status, times=None))
    await experiments(scene)
    number = await from_fork(scene, association="MEMBER")
    await scene.work()
    assert comment(scene, number) == STRANGER_COMMENT
    await scene.pass_time(70, 10)  # for a while it might not know yet of whom it is asked
    assert comment(scene, number) == STRANGER_COMMENT
    assert {one["status"] for one in await scene.actions()} == {"done"}


@sqlite_only
async def test_while_github_does_not_answer_nothing_is_said(scene: Scene) -> None:
    scene.github.fail(Fault("status", template=PERMISSION, status=502, times=2))
    scene.github.repository(REPOSITORY).collaborators["mallory"] = "write"
    await experiments(scene)
    number = await from_fork(scene)
    await scene.work()
    assert scene.comments(number) == []
    await scene.pass_time(60, 10)
    assert comment(scene, number) == insider_comment(scene)


@sqlite_only
async def test_the_answer_is_remembered_for_a_quarter_of_an_hour(scene: Scene) -> None:
    await experiments(scene)
    first, second = await from_fork(scene), await from_fork(scene)
    await scene.work()
    assert len(scene.github.calls(PERMISSION)) == 1
    scene.github.repository(REPOSITORY).collaborators["mallory"] = "write"
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"owner": "another-team"})
    await scene.work()
    assert comment(scene, first) == comment(scene, second) == STRANGER_COMMENT
    await scene.pass_time(901)
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"owner": OWNER})
    await scene.work()
    assert len(scene.github.calls(PERMISSION)) == 2
    assert comment(scene, first) == comment(scene, second) == insider_comment(scene)


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
    assert any(one["kind"] == "check" for one in await scene.actions("?status=pending"))
    await scene.pass_time(40, 1)
    assert comment(scene, number) == insider_comment(scene)
    assert {one["status"] for one in await scene.actions()} == {"done"}
    answer = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    assert answer.body["last_error"] is None
