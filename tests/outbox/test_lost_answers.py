"""GitHub's answers get lost, and things change meanwhile: what it shows in the end is right.

A call whose answer is lost may have been carried out or not. Either way what is owed next, be it
what was there before, is written, once, and nothing is written that is not owed any more.
"""

import pytest

from tests.github import REPO, rsa_key, secondary_limit
from tests.kit.marks import app_only, slow, sqlite_only, token_only
from tests.kit.outbound import APP, INSTALLATION, REPOSITORY, Scene
from tests.outbox.lost import EDIT, RUNS, STATUSES, TAKE_LABEL, WRONG, each_kind, edit, lose, settle
from tests.outbox.stories import COMMENTS, KEY, LINE

pytestmark = slow

EDIT_RUN = f"PATCH {REPO}/check-runs/{{check_run_id}}"
PUT_LABEL = f"POST {REPO}/issues/{{issue_number}}/labels"


@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
async def test_a_check_that_went_back(scene: Scene, kind: str) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    assert scene.check(number) == "success"
    fault = lose(scene, kind, EDIT_RUN if scene.is_app else STATUSES)
    await edit(scene, number, WRONG)
    await scene.work()
    assert fault.used == 1
    assert (scene.check(number) == "success") is (kind == "drop_before")
    await edit(scene, number, LINE)
    await settle(scene)
    assert scene.check(number) == "success"
    assert "no-such-key" not in scene.comments(number)[0]
    if scene.is_app:
        sha = scene.github.pull_payload(REPOSITORY, number)["head"]["sha"]
        assert len(scene.github.check_runs(REPOSITORY, sha)) == 1


@sqlite_only
@app_only
async def test_another_apps_check_with_a_copied_mark(scene: Scene) -> None:
    """What a lost call may have made is looked for among the bot's own check runs alone."""
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    sha = scene.github.pull_payload(REPOSITORY, number)["head"]["sha"]
    runs = scene.github.repository(REPOSITORY).check_runs
    scene.github.add_app(7, rsa_key(), "other", permissions={"checks": "write"}, events=[])
    pushed = "d" * 40
    ((own, run),) = runs.items()
    runs[own + 10_000] = {**run, "id": own + 10_000, "app_id": 7, "head_sha": pushed}
    lose(scene, "drop_before", RUNS)
    scene.github.push(REPOSITORY, number, pushed)
    assert scene.github.pull_payload(REPOSITORY, number)["head"]["sha"] == pushed != sha
    await scene.tell("synchronize", number)
    await scene.work()
    await settle(scene)
    apps = [one["app"]["id"] for one in scene.github.check_runs(REPOSITORY, pushed)]
    assert len(apps) == 2 and set(apps) == {7, APP}


@sqlite_only
@each_kind
@token_only
async def test_a_comment_that_went_back(scene: Scene, kind: str) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    before = scene.comments(number)
    fault = lose(scene, kind, EDIT)
    await edit(scene, number, WRONG)
    await scene.work()
    assert fault.used == 1
    await edit(scene, number, LINE)
    await settle(scene)
    assert scene.comments(number) == before


@sqlite_only
@each_kind
@token_only
async def test_a_label_that_came_back(scene: Scene, kind: str) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    fault = lose(scene, kind, TAKE_LABEL)
    await edit(scene, number, "-")
    await scene.work()
    assert fault.used == 1
    await edit(scene, number, LINE)
    await settle(scene)
    assert scene.github.labels_of(REPOSITORY, number) == ["experiment"]


@sqlite_only
@each_kind
@token_only
async def test_a_label_that_went_again(scene: Scene, kind: str) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("-")
    fault = lose(scene, kind, PUT_LABEL)
    await edit(scene, number, LINE)
    await scene.work()
    assert fault.used == 1
    await edit(scene, number, "-")
    await settle(scene)
    assert scene.github.labels_of(REPOSITORY, number) == []


@sqlite_only
@pytest.mark.parametrize("what", ["comment", "check", "label"])
@pytest.mark.parametrize("again", ["by itself", "retried", "replaced"])
@slow
async def test_what_was_given_up_after_three_days(scene: Scene, again: str, what: str) -> None:
    """The outcome is unknown still, however the next attempt comes about."""
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    before = scene.comments(number)
    check = EDIT_RUN if scene.is_app else STATUSES
    lost = lose(scene, "status_after", {"comment": EDIT, "check": check, "label": TAKE_LABEL}[what])
    await edit(scene, number, "-")
    await scene.work()
    assert lost.used == 1
    scene.github.down = True
    if again != "by itself":
        await scene.pass_time(4 * 86_400, 1800)
        assert await scene.actions("?status=failed")
    scene.github.heal()
    if again == "retried":
        for action in await scene.actions("?status=failed"):
            await scene.bot.post(f"/api/v1/actions/{action['id']}/retry")
    await edit(scene, number, LINE)
    await scene.pass_time(7200, 300)
    assert scene.comments(number) == before
    assert scene.check(number) == "success"
    assert scene.github.labels_of(REPOSITORY, number) == ["experiment"]


@sqlite_only
@token_only
async def test_a_first_comment_given_up_is_found_again(scene: Scene) -> None:
    lose(scene, "drop_after", COMMENTS)
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    scene.github.down = True
    await scene.pass_time(4 * 86_400, 1800)
    assert (await scene.part("status_comment"))["status"] == "failed"
    scene.github.heal()
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    await scene.pass_time(7200, 300)
    (comment,) = scene.comments(number)
    assert "active" in comment


@sqlite_only
@app_only
@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
async def test_a_check_set_again_whose_answer_is_lost(scene: Scene, kind: str) -> None:
    """The newest check run is what GitHub shows, so that is what has to be right."""
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    sha = scene.github.pull_payload(REPOSITORY, number)["head"]["sha"]
    lose(scene, kind, RUNS)
    payload = {
        "action": "rerequested",
        "check_run": {"name": "experiment-bot", "head_sha": sha},
        "repository": scene.github.repository_payload(REPOSITORY),
        "installation": {"id": INSTALLATION},
    }
    await scene.bot.deliver(scene.integration, "check_run", payload)
    await scene.work()
    await edit(scene, number, WRONG)
    await settle(scene)
    assert scene.check(number) == "action_required"
    await edit(scene, number, LINE)
    await settle(scene)
    assert scene.check(number) == "success"


@sqlite_only
async def test_a_new_head_while_the_old_ones_answer_is_lost(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    old = scene.github.pull_payload(REPOSITORY, number)["head"]["sha"]
    lose(scene, "drop_after", EDIT_RUN if scene.is_app else STATUSES)
    await edit(scene, number, WRONG)
    await scene.work()
    scene.github.push(REPOSITORY, number, "c" * 40)
    await scene.tell("synchronize", number)
    await edit(scene, number, LINE)
    await settle(scene)
    assert scene.check(number) == "success"
    # And back to the commit of which nobody knew.
    scene.clock.ahead += 1
    scene.github.push(REPOSITORY, number, old)
    await scene.tell("synchronize", number)
    await settle(scene)
    assert scene.check(number) == "success"


@sqlite_only
@token_only
async def test_a_limit_between_two_calls(scene: Scene) -> None:
    """One label is off, the other not yet on, when what is wanted goes back."""
    path = f"/api/v1/integrations/{scene.integration}"
    await scene.bot.experiment(KEY)
    await scene.bot.experiment("another-key")
    number = await scene.open(LINE)
    await scene.work()
    await scene.bot.patch(path, {"config": {"label": "growth"}})
    # A link that goes and comes back has the label looked at.
    scene.github.fail(secondary_limit(60, template=PUT_LABEL))
    await edit(scene, number, f"{LINE}, another-key")
    await scene.work()
    assert scene.github.labels_of(REPOSITORY, number) == []
    await scene.bot.patch(path, {"config": {"label": "experiment"}})
    await settle(scene)
    assert scene.github.labels_of(REPOSITORY, number) == ["experiment"]
