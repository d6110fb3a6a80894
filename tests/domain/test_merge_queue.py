"""A merge queue's groups: the check is put on their commits, with the right verdict, once."""

import asyncio
from typing import Any

import pytest

from tests.kit.marks import app_only, each_credential, slow, sqlite_only, token_only
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene, set_to, shown
from tests.kit.running import Answer

KEY = "checkout-flow-v2"
SHA, OTHER = "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d", "7" * 40
BASE_SHA = "929f8209d40f77f4abc622a499c93a83babdbe64"
QUEUE = "refs/heads/gh-readonly-queue"


def ref_of(number: int, base: str = "main") -> str:
    return f"{QUEUE}/{base}/pr-{number}-{BASE_SHA}"


async def deliver(scene: Scene, event: str, **payload: Any) -> Answer:
    payload["repository"] = scene.github.repository_payload(REPOSITORY)
    payload["sender"] = {"login": "github-merge-queue[bot]", "type": "Bot"}
    if scene.is_app:
        payload["installation"] = {"id": INSTALLATION}
    answer = await scene.bot.deliver(scene.integration, event, payload)
    assert (answer.status, answer.body) == (200, {"processed": True})
    return answer


async def by_event(
    scene: Scene, head_ref: str, sha: str = SHA, action: str = "checks_requested"
) -> None:
    scene.github.push(REPOSITORY, None, sha)
    group = {
        "head_sha": sha,
        "head_ref": head_ref,
        "base_sha": BASE_SHA,
        "base_ref": "refs/heads/main",
    }
    await deliver(scene, "merge_group", action=action, merge_group=group)


async def by_push(scene: Scene, head_ref: str, sha: str = SHA, *, deleted: bool = False) -> None:
    scene.github.push(REPOSITORY, None, sha)
    await deliver(
        scene,
        "push",
        ref=head_ref,
        before=sha if deleted else "0" * 40,
        after="0" * 40 if deleted else sha,
        created=not deleted,
        deleted=deleted,
        commits=[{"id": sha, "message": "Merge pull request", "distinct": True}],
    )


def state(scene: Scene, sha: str = SHA) -> str | None:
    found = shown(scene, sha)
    return found[0] if found else None


def bad(scene: Scene) -> str:
    return "action_required" if scene.is_app else "failure"


@pytest.mark.parametrize("way", [by_event, by_push])
@each_credential
async def test_the_group_gets_the_verdict_of_its_pull_request(scene: Scene, way: Any) -> None:
    await scene.bot.experiment(KEY, status="active")
    good = await scene.open(f"experiment_key: {KEY}")
    unknown = await scene.open("experiment_key: nope")
    await scene.work()
    await way(scene, ref_of(good))
    await way(scene, ref_of(unknown), OTHER)
    await scene.work()
    address = f"{scene.bot.services.settings.public_url}/pull-requests/{REPOSITORY}/{good}"
    summary = f"- `{KEY}` is active." if scene.is_app else ""
    assert shown(scene, SHA) == ("success", f"Part of {KEY}", summary, address)
    assert state(scene, OTHER) == bad(scene)
    kinds = await scene.actions("?kind=merge_group_check")
    assert [(one["number"], one["status"]) for one in kinds] == [(unknown, "done"), (good, "done")]


@sqlite_only
@pytest.mark.parametrize(
    "base", ["main", "release/2.0", "pr-1-abc", "a/pr-1-abc/b", "gh-readonly-queue/main/pr-1-abc"]
)
@app_only
async def test_the_last_segment_names_it(scene: Scene, base: str) -> None:
    """Pull request 1 would pass; it is 2 that is in the queue, whatever its base is called."""
    await scene.bot.experiment(KEY)
    assert await scene.open(f"experiment_key: {KEY}") == 1
    assert await scene.open("experiment_key: nope") == 2
    await by_event(scene, ref_of(2, base))
    await scene.work()
    assert state(scene) == bad(scene)


@sqlite_only
@pytest.mark.parametrize("setting", ["on", "always", "required"])
@pytest.mark.parametrize(
    "head_ref",
    [
        ref_of(999),
        ref_of(99_999_999_999),
        f"{QUEUE}/main/pr-0-{BASE_SHA}",
        f"{QUEUE}/main/somebody-else",
        f"{QUEUE}/pr-1-{BASE_SHA}/x",
    ],
)
@app_only
@slow
async def test_a_number_that_is_not_known_succeeds(
    scene: Scene, setting: str, head_ref: str
) -> None:
    await set_to(scene, check=setting)
    await scene.open("experiment_key: nope")
    await by_event(scene, head_ref)
    await scene.work()
    public_url = scene.bot.services.settings.public_url
    found = shown(scene, SHA)
    assert found is not None
    assert (found[0], found[1]) == ("success", "Unknown pull request")
    assert found[3] == f"{public_url}/"


@sqlite_only
@pytest.mark.parametrize(
    ("setting", "conclusion"),
    [("on", "success"), ("always", "success"), ("required", "failure"), ("off", None)],
)
async def test_a_pull_request_that_names_none(
    scene: Scene, setting: str, conclusion: str | None
) -> None:
    """Silence would block a queue that requires the check, so it is put there with `on`, too."""
    await set_to(scene, check=setting)
    number = await scene.open("")
    await by_event(scene, ref_of(number))
    await by_push(scene, ref_of(number))
    await scene.work()
    assert state(scene) == conclusion


@pytest.mark.parametrize("first", [by_event, by_push])
async def test_both_ways_make_one_check(scene: Scene, first: Any) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(f"experiment_key: {KEY}")
    await scene.work()
    writes = len(scene.github.writes())
    second = by_push if first is by_event else by_event
    await first(scene, ref_of(number))
    await second(scene, ref_of(number))
    await scene.work()
    await second(scene, ref_of(number))
    await scene.work()
    assert len(scene.github.writes()) == writes + 1
    assert len(await scene.actions("?kind=merge_group_check")) == 1
    assert state(scene) == "success"


@sqlite_only
@token_only
async def test_two_integrations_make_one_check(scene: Scene) -> None:
    """The one that the pull request follows sets it, whoever hears of the group first."""
    scene.github.add_token("ghp_another", "another")
    second = await scene.bot.integration(config={"token": "ghp_another", "check": "off"})
    number = await scene.open("experiment_key: nope")
    scene.github.push(REPOSITORY, None, SHA)
    payload = {
        "ref": ref_of(number),
        "after": SHA,
        "created": True,
        "repository": scene.github.repository_payload(REPOSITORY),
    }
    for integration in (second, scene.integration):
        assert (await scene.bot.deliver(integration, "push", payload)).status == 200
    await scene.work()
    (status,) = scene.github.statuses(REPOSITORY, SHA)
    assert (status["state"], status["creator"]["login"]) == ("failure", "experiment-bot")


@sqlite_only
async def test_what_only_tells_of_the_end_does_nothing(scene: Scene) -> None:
    number = await scene.open("experiment_key: nope")
    await scene.work()
    writes = len(scene.github.writes())
    for action in ("destroyed", "something-new"):
        await by_event(scene, ref_of(number), action=action)
    await by_push(scene, ref_of(number), deleted=True)
    for more in ({}, {"action": "destroyed"}, {"action": "checks_requested"}):
        answer = await scene.bot.deliver(scene.integration, "merge_group", more)
        assert (answer.status, answer.body) == (200, {"processed": True}), more
    await deliver(scene, "merge_group", action="checks_requested", merge_group={})
    await scene.work()
    assert len(scene.github.writes()) == writes
    assert state(scene) is None


@sqlite_only
async def test_the_verdict_follows_the_pull_request_while_it_waits(scene: Scene) -> None:
    number = await scene.open("experiment_key: nope")
    await by_event(scene, ref_of(number))
    await scene.work()
    assert state(scene) == bad(scene)
    await scene.bot.experiment("nope")
    await scene.work()
    assert state(scene) == "success"
    await by_event(scene, ref_of(number), action="destroyed")
    await scene.bot.delete("/api/v1/experiments/nope")
    await scene.work()
    assert state(scene) == "success"  # nobody waits for it any more
    if scene.is_app:  # brought up to date, not added to
        assert len(scene.github.check_runs(REPOSITORY, SHA)) == 1


@sqlite_only
@app_only
@pytest.mark.parametrize("event", ["check_run", "check_suite"])
async def test_the_button_sets_it_anew(scene: Scene, event: str) -> None:
    number = await scene.open("experiment_key: nope")
    await by_event(scene, ref_of(number))
    await scene.work()
    run = {"name": "experiment-bot", "head_sha": SHA}
    await deliver(scene, event, action="rerequested", **{event: run})
    await scene.work()
    assert len(scene.github.check_runs(REPOSITORY, SHA)) == 2
    assert state(scene) == "action_required"


@sqlite_only
async def test_a_queue_does_not_wait_for_what_its_pull_request_waits_for(scene: Scene) -> None:
    """The comment of the pull request cannot be written for now; the group's check can."""
    from tests.github import Fault

    comments = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
    scene.github.fail(Fault("status", template=comments, status=500, times=None))
    await scene.bot.experiment(KEY)
    number = await scene.open(f"experiment_key: {KEY}")
    await scene.work()
    await by_event(scene, ref_of(number))
    await scene.pass_time(30, 5)
    assert state(scene) == "success"
    scene.github.heal()


@sqlite_only
async def test_a_lost_answer_and_a_state_that_went_back(scene: Scene) -> None:
    """What GitHub was told is not known then, so it is told again, even if nothing has changed."""
    from tests.github import Fault

    template = (
        "PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}"
        if scene.is_app
        else "POST /repos/{owner}/{repo}/statuses/{sha}"
    )
    await scene.bot.experiment(KEY)
    number = await scene.open(f"experiment_key: {KEY}")
    await by_event(scene, ref_of(number))
    await scene.work()
    assert state(scene) == "success"
    await scene.bot.delete(f"/api/v1/experiments/{KEY}")
    scene.github.fail(Fault("drop_after", template=template, times=2))
    await asyncio.wait_for(scene.work(), 30)
    assert state(scene) == bad(scene)
    await scene.bot.experiment(KEY)
    await scene.pass_time(60, 10)
    assert state(scene) == "success"


@sqlite_only
@token_only
async def test_commits_of_a_group_are_linked_as_ever(scene: Scene) -> None:
    """The branch is the queue's, so nothing but what a message says links them."""
    await scene.bot.experiment(KEY)
    number = await scene.open(f"experiment_key: {KEY}")
    await by_push(scene, ref_of(number))
    assert await scene.bot.walk(f"/api/v1/experiments/{KEY}/commits") == []
