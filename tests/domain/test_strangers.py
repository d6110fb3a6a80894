"""On a public repository experiments are told of only to those who may write there."""

from typing import Any

import pytest

from tests.github import Fault
from tests.kit.marks import each_credential, sqlite_only, token_only
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene, check_of, shown
from tests.kit.strangers import (
    BODY,
    INSIDER_SUMMARY,
    KEY,
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


@each_credential
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


# --- Who is one


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
