"""What the check says of a pull request, and which pull requests have one."""

from typing import Any

import pytest

from bot import storage as store
from bot.domain import posts
from tests.kit.golden import Golden
from tests.kit.marks import app_only, each_credential, slow, sqlite_only, token_only
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene, check_of, set_to

KEY, OVER = "checkout-flow-v2", "old-banner"


VERDICTS = {
    "known": ("on", KEY, "success"),
    "unknown": ("on", "checkout-flow-v3", "action_required"),
    "known and unknown": ("always", f"{KEY}, nope", "action_required"),
    "over": ("on", f"{KEY}, {OVER}", "success"),
    "none, always": ("always", "", "success"),
    "none, required": ("required", "", "failure"),
}


@pytest.mark.parametrize("case", VERDICTS)
@sqlite_only
@each_credential
async def test_verdict(scene: Scene, golden: Golden, case: str) -> None:
    setting, keys, conclusion = VERDICTS[case]
    await set_to(scene, check=setting)
    await scene.bot.experiment(KEY, name="One page checkout", status="active", owner="growth")
    await scene.bot.experiment(OVER, name="The old banner", status="completed")
    number = await scene.open(f"experiment_key: {keys}" if keys else "")
    await scene.work()
    if not scene.is_app:
        conclusion = "success" if conclusion == "success" else "failure"
    assert scene.check(number) == conclusion
    golden(scene, number, f"verdicts/{case}")


@sqlite_only
async def test_archived_is_over_as_well(scene: Scene) -> None:
    await scene.bot.experiment(KEY, status="archived")
    number = await scene.open(f"experiment_key: {KEY}")
    await scene.work()
    found = check_of(scene, number)
    assert found is not None and found[:2] == ("success", f"Warning: {KEY} is archived")


@sqlite_only
async def test_no_check_where_none_is_named(scene: Scene, golden: Golden) -> None:
    """With `on` a pull request that names none has no check, nor has one that no longer does."""
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    linked = await scene.open(f"experiment_key: {KEY}")
    await scene.work()
    assert check_of(scene, number) is None
    scene.clock.ahead += 5
    scene.github.edit_pull(REPOSITORY, linked, body="")
    await scene.tell("edited", linked)
    await scene.work()
    golden(scene, linked, "verdicts/none any more")
    scene.clock.ahead += 5
    scene.github.push(REPOSITORY, linked, "c" * 40)
    await scene.tell("synchronize", linked)
    await scene.work()
    assert check_of(scene, linked) is None


EVENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "pushed": ("synchronize", {"head_sha": "c" * 40}),
    "reopened": ("reopened", {"state": "open"}),
    "ready": ("ready_for_review", {"draft": False}),
    "retargeted": ("edited", {"base_ref": "release/2.0"}),
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("setting", ["always", "required"])
@sqlite_only
@slow
async def test_every_open_pull_request_has_it(scene: Scene, setting: str, event: str) -> None:
    """From forks, too; and where the first one was lost, whatever comes next sets it."""
    await set_to(scene, check=setting)
    number = scene.github.open_pull(
        REPOSITORY,
        title="From a fork",
        body="",
        author="mallory",
        head_repo="mallory/shop",
        draft=event == "ready",
    ).number
    action, change = EVENTS[event]
    if event == "reopened":
        scene.github.edit_pull(REPOSITORY, number, state="closed")
        await scene.tell("closed", number)
        await scene.work()
        assert check_of(scene, number) is None
    else:
        await scene.tell("opened", number)
        if event == "pushed":
            await scene.work()
            assert check_of(scene, number) is not None
        for one in await scene.actions("?status=pending"):  # as if it had failed for good
            await scene.bot.services.database.write(
                lambda tx, id=one["id"]: store.actions.change(  # type: ignore[misc]
                    tx, id, status="failed", collapse=None, finished_at=1
                )
            )
    scene.clock.ahead += 5
    scene.github.edit_pull(REPOSITORY, number, **change)
    await scene.tell(action, number)
    await scene.work()
    found = check_of(scene, number)
    assert found is not None
    assert found[0] == ("success" if setting == "always" else "failure")
    # What is there already is not set again.
    writes = len(scene.github.writes())
    scene.clock.ahead += 5
    await scene.tell("labeled", number)
    await scene.work()
    assert len(scene.github.writes()) == writes
    assert scene.comments(number) == []


async def test_the_setting_is_switched_on_later(scene: Scene) -> None:
    """Open pull requests get the check then, in steps, the newest first; closed ones do not."""
    numbers = [await scene.open("") for _ in range(4)]
    scene.github.edit_pull(REPOSITORY, numbers[0], state="closed")
    scene.clock.ahead += 5
    await scene.tell("closed", numbers[0])
    await scene.work()
    assert scene.github.requests == []
    posts.STEP, step = 2, posts.STEP
    try:
        await set_to(scene, check="required")
        await scene.work()
    finally:
        posts.STEP = step
    verdicts = [found and found[0] for found in (check_of(scene, one) for one in numbers)]
    assert verdicts == [None, "failure", "failure", "failure"]
    order = [one["number"] for one in await scene.actions("?kind=pull_request")]
    assert order == [numbers[1], numbers[2], numbers[3]]  # the list is newest first
    await set_to(scene, check="always")
    await scene.work()
    verdicts = [found and found[0] for found in (check_of(scene, one) for one in numbers)]
    assert verdicts == [None, "success", "success", "success"]
    writes = len(scene.github.writes())
    await set_to(scene, check="off")
    await set_to(scene, comments="off")
    await scene.work()
    assert len(scene.github.writes()) == writes


@sqlite_only
@token_only
async def test_the_setting_that_counts_is_that_of_who_saw_it_first(scene: Scene) -> None:
    """Another integration that requires it on its own pull requests requires it not on these."""
    scene.github.add_token("ghp_another", "another")
    second = await scene.bot.integration(config={"token": "ghp_another", "check": "required"})
    number = await scene.open("")
    answer = await scene.bot.deliver(second, "pull_request", scene.payload("opened", number))
    assert answer.body == {"processed": True}
    scene.github.push(REPOSITORY, number, "d" * 40)
    await scene.bot.deliver(second, "pull_request", scene.payload("synchronize", number))
    await scene.work()
    assert scene.github.writes() == [] and await scene.actions() == []


@sqlite_only
@app_only
async def test_the_button_of_a_check_that_all_have(scene: Scene) -> None:
    await set_to(scene, check="always")
    number = await scene.open("")
    await scene.work()
    sha = scene.github.pull_payload(REPOSITORY, number)["head"]["sha"]
    payload = {
        "action": "rerequested",
        "check_run": {"name": "experiment-bot", "head_sha": sha},
        "repository": scene.github.repository_payload(REPOSITORY),
        "installation": {"id": INSTALLATION},
    }
    await scene.bot.deliver(scene.integration, "check_run", payload)
    await scene.work()
    runs = scene.github.check_runs(REPOSITORY, sha)
    assert [one["conclusion"] for one in runs] == ["success", "success"]
