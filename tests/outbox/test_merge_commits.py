"""As which commit a pull request was merged, where neither delivery nor answer tells it."""

from typing import Any

import pytest

from tests.github import Fault, sha_of
from tests.github.values import GRAPHQL
from tests.kit.clock import Clock
from tests.kit.marks import each_credential, sqlite_only, token_only
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene
from tests.outbox.stories import KEY

REMOVED = ("merge_commit_sha", "assignee")  # by version 2026-03-10, of pull requests
SQUASHED = "One page checkout (#1)"
NOT_FOUND = {"errors": [{"type": "NOT_FOUND", "message": "Could not resolve to a Repository"}]}
FORBIDDEN = {"errors": [{"type": "FORBIDDEN", "message": "Resource not accessible"}]}
BROKEN = {"data": None, "errors": [{"message": "Something went wrong while executing your query."}]}


async def merged(scene: Scene, *, body: str = f"experiment_key: {KEY}", **told: Any) -> int:
    """Open a pull request, squash it, and tell of that as API version 2026-03-10 would.

    `told` is what its last delivery says beside, or otherwise.
    """
    if (await scene.bot.get(f"/api/v1/experiments/{KEY}")).status == 404:
        await scene.bot.experiment(KEY)
    scene.github.left_out = set(REMOVED)
    number = await scene.open(body, head_sha=sha_of("One"))
    await push(scene, "feature", "One")
    scene.github.merges[number] = sha_of(SQUASHED)
    scene.clock.ahead += 10
    scene.github.edit_pull(REPOSITORY, number, merged_at=scene.clock())
    payload = scene.payload("closed", number)
    payload["pull_request"] |= told
    await scene.bot.tell(scene.integration, payload)
    await push(scene, "main", SQUASHED)
    return number


async def push(scene: Scene, branch: str, message: str) -> None:
    payload: dict[str, Any] = {
        "ref": f"refs/heads/{branch}",
        "repository": {
            **scene.github.repository_payload(REPOSITORY),
            "pushed_at": int(scene.clock()),
        },
        "commits": [{"id": sha_of(message), "message": message, "distinct": True}],
        "sender": {"login": "jane"},
    }
    if scene.is_app:
        payload["installation"] = {"id": INSTALLATION}
    await scene.bot.tell(scene.integration, payload)


async def landed(scene: Scene) -> bool:
    """Tell whether the commit on the base belongs to the pull request, as that of its branch."""
    found = await scene.bot.walk(f"/api/v1/experiments/{KEY}/commits")
    known = {one["message"]: one["ref"] for one in found}
    assert known.pop("One") == "refs/heads/feature"
    assert known in ({}, {SQUASHED: "refs/heads/main"})
    return bool(known)


def asked(scene: Scene) -> int:
    return len(scene.github.calls(GRAPHQL))


@each_credential
async def test_graphql_tells_it_once(scene: Scene) -> None:
    number = await merged(scene)
    assert not await landed(scene)
    await scene.work()
    assert await landed(scene)
    (action,) = await scene.actions("?kind=merge_commit")
    assert (action["status"], action["number"]) == ("done", number)
    assert action["result"] == {"sha": sha_of(SQUASHED)}
    # What is told later, earlier or again changes nothing of it, and nobody is asked again.
    scene.clock.ahead += 10
    for told in ("labeled", "closed"):
        scene.github.edit_pull(REPOSITORY, number, title=f"One page checkout, {told}")
        await scene.tell(told, number)
    await scene.pass_time(3600, 600)
    assert await landed(scene) and asked(scene) == 1
    feed = await scene.bot.walk(f"/api/v1/experiments/{KEY}/activity?type=pull_request.merged")
    assert len(feed) == 1


@sqlite_only
@token_only
async def test_an_enterprise_server_has_it_beside_its_rest_api(enterprise: Scene) -> None:
    await merged(enterprise)
    await enterprise.work()
    assert await landed(enterprise) and asked(enterprise) == 1


@sqlite_only
@token_only
async def test_another_repository_by_the_same_name_tells_nothing(scene: Scene) -> None:
    number = await merged(scene)
    scene.github.rename_repository(REPOSITORY, "acme/moved")
    scene.github.add_repository(REPOSITORY)
    other = scene.github.open_pull(REPOSITORY, number, title="Another", merged_at=scene.clock())
    scene.github.merges[other.number] = sha_of("Another")
    await scene.pass_time(600, 60)
    (action,) = await scene.actions("?kind=merge_commit")
    assert "is another repository by now" in action["last_error"]
    commits = await scene.bot.walk(f"/api/v1/experiments/{KEY}/commits")
    assert [one["message"] for one in commits] == ["One"]


@sqlite_only
@token_only
async def test_who_is_not_asked(scene: Scene) -> None:
    """Not of what no experiment is linked to, nor where the delivery tells; a trial is no merge."""
    await merged(scene, body="")
    await merged(scene, merge_commit_sha=sha_of("Told"))
    scene.github.left_out.clear()
    number = await scene.open(f"experiment_key: {KEY}")
    payload = scene.payload("edited", number)
    assert payload["pull_request"]["merge_commit_sha"] is not None
    await scene.bot.tell(scene.integration, payload)
    await scene.pass_time(600, 60)
    assert asked(scene) == 0
    # Linked by hand later, the first is.
    scene.github.left_out.add("merge_commit_sha")
    link = {"integration_id": scene.integration, "repository": REPOSITORY, "number": 1}
    await scene.bot.post(f"/api/v1/experiments/{KEY}/pull-requests", link)
    await scene.work()
    assert asked(scene) == 1


@sqlite_only
@token_only
async def test_without_merged_at_it_is_not_believed(scene: Scene) -> None:
    trial = sha_of("A trial")
    await merged(scene, merged_at=None, merged=True, merge_commit_sha=trial)
    await push(scene, "main", "A trial")
    await scene.work()
    commits = await scene.bot.walk(f"/api/v1/experiments/{KEY}/commits")
    assert trial not in [one["sha"] for one in commits]
    assert await landed(scene) and asked(scene) == 1


@sqlite_only
@token_only
@pytest.mark.parametrize(
    ("status", "body", "ends"),
    [
        (200, NOT_FOUND, "failed"),
        (200, FORBIDDEN, "failed"),
        (200, BROKEN, "pending"),
        (404, None, "done"),
        (502, None, "pending"),
        (401, None, "failed"),
    ],
)
async def test_what_graphql_refuses(
    scene: Scene, clock: Clock, status: int, body: Any, ends: str
) -> None:
    scene.github.fail(Fault("status", template=GRAPHQL, status=status, body=body, times=None))
    await merged(scene)
    await scene.pass_time(120, 5)
    (action,) = await scene.actions("?kind=merge_commit")
    assert action["status"] == ends, action
    said = action["last_error"] or action["result"]["reason"]
    wanted = body["errors"][0]["message"] if body else "GraphQL" if status == 404 else str(status)
    assert wanted in said
    assert not await landed(scene)


@sqlite_only
@token_only
async def test_its_limit_holds_up_nothing_else(scene: Scene) -> None:
    scene.github.set_limit(0, 1800, resource="graphql")
    await merged(scene)
    await scene.work()
    number = await scene.open(f"experiment_key: {KEY}")
    await scene.work()
    assert len(scene.comments(number)) == 1
    await scene.pass_time(2400, 300)
    assert await landed(scene)


@sqlite_only
@token_only
async def test_what_was_unlinked_by_hand_stays_so(scene: Scene) -> None:
    await scene.bot.experiment("other")
    number = await merged(scene, body=f"experiment_key: {KEY}, other")
    path = f"/api/v1/experiments/other/pull-requests/{REPOSITORY}/{number}"
    assert (await scene.bot.delete(path)).status == 204
    await scene.work()
    assert await landed(scene)
    scene.clock.ahead += 10
    scene.github.edit_pull(REPOSITORY, number, title="One page checkout, again")
    await scene.tell("edited", number)
    assert await scene.bot.walk("/api/v1/experiments/other/pull-requests") == []
