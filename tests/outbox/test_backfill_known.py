"""What a backfill makes of what is known, or changes meanwhile: names, and links found later."""

import asyncio

from bot import storage as store
from bot import times
from bot.demo import payloads
from tests.github import REPO, Fault, rsa_key
from tests.kit.marks import app_only, sqlite_only, token_only
from tests.kit.outbound import APP, REPOSITORY, Scene, set_to
from tests.kit.running import eventually
from tests.outbox.test_backfill import (
    COMMITS,
    DAY,
    ISSUES,
    installed,
    path,
    progress,
    pull,
    start,
)


@token_only
@sqlite_only
async def test_a_rename_during_the_last_page_stands(scene: Scene) -> None:
    """What was asked for under the old name does not bring that back."""
    number = pull(scene, 1, "a", state="closed")
    await scene.open("Nothing", head_ref="now")
    scene.github.fail(Fault("slow", ISSUES, seconds=0.5, after=1))
    await scene.bot.post(path(scene), {"repositories": [REPOSITORY]})
    working = asyncio.create_task(scene.work())

    async def is_asked() -> bool:
        return len(scene.github.calls(ISSUES)) > 1

    await eventually(is_asked)
    scene.github.rename_repository(REPOSITORY, "acme/store")
    told = payloads.repository_event(
        "renamed",
        scene.github.repository_payload("acme/store"),
        {"repository": {"name": {"from": "shop"}}},
    )
    answer = await scene.bot.deliver(scene.integration, "repository", told)
    assert answer.body == {"processed": True}
    await working
    await scene.pass_time(120, 10)
    assert (await progress(scene))["status"] == "done"
    found = await scene.bot.get(f"/api/v1/pull-requests/acme/store/{number}")
    assert found.body["repository"] == "acme/store"


@token_only
@sqlite_only
async def test_commits_are_read_of_no_other_repository(scene: Scene) -> None:
    """One that has taken the name while pull requests waited for their commits."""
    await scene.bot.experiment("a")
    pull(scene, 1, "a")
    scene.github.fail(Fault("status", COMMITS))
    await scene.bot.post(path(scene), {"repositories": [REPOSITORY]})
    await scene.work()
    scene.github.rename_repository(REPOSITORY, "acme/store")
    scene.github.add_repository(REPOSITORY)
    other = scene.github.open_pull(REPOSITORY, 1, title="Another's", head_sha="b" * 40)
    await scene.pass_time(600, 60)
    found = await scene.bot.walk("/api/v1/experiments/a/commits")
    assert other.head_sha not in [one["sha"] for one in found]
    assert len(scene.github.calls(COMMITS)) == 1


@token_only
@sqlite_only
async def test_what_is_found_linked_only_later(scene: Scene) -> None:
    """Of pull requests that were known: one that has ended gets nothing, others in their turn."""
    await scene.bot.experiment("a")
    numbers = [await scene.open("Nothing", head_ref=f"b{one}") for one in range(3)]
    await scene.work()
    for number in numbers:
        state = "closed" if number == numbers[0] else "open"
        scene.github.edit_pull(REPOSITORY, number, body="experiment_key: a", state=state)
    scene.clock.ahead += 120
    await start(scene, repositories=[REPOSITORY])
    linked = await scene.bot.walk("/api/v1/experiments/a/pull-requests")
    assert {one["number"] for one in linked} == set(numbers)
    assert sorted(len(scene.comments(one)) for one in numbers) == [0, 0, 1]
    await scene.pass_time(72, 36)
    assert [len(scene.comments(one)) for one in numbers] == [0, 1, 1]


@app_only
@sqlite_only
async def test_an_app_that_cannot_be_asked_what_it_sees(scene: Scene) -> None:
    """It says so, and goes on where it was once the App can be asked; odd entries spoil nothing."""
    pull(scene, 1, "a")
    await scene.open("Nothing", head_ref="now")
    body = {"message": "Bad credentials"}
    fault = Fault("status", "GET /installation/repositories", status=401, body=body, times=None)
    scene.github.fail(fault)
    scene.github.add_repository("acme/other")
    await scene.bot.post(path(scene), {"days": 90})
    await scene.work()
    await scene.pass_time(600, 60)
    found = await progress(scene)
    assert (found["status"], found["pull_requests"]) == ("failed", 0)
    assert "Bad credentials" in found["error"]
    scene.github.heal()
    other = scene.github.repository("acme/other").id
    listed = [{"id": other, "full_name": name} for name in ("acme/other", "Acme/other")]
    scene.github.fail(
        Fault(
            "status",
            "GET /installation/repositories",
            status=200,
            body={"total_count": 3, "repositories": [*listed, {"id": "x"}]},
        )
    )
    config = {"app_id": APP, "private_key": rsa_key()}
    await scene.bot.patch(f"/api/v1/integrations/{scene.integration}", {"config": config})
    await scene.work()
    found = await progress(scene)
    assert (found["status"], found["error"], found["pull_requests"]) == ("done", None, 2)
    assert found["repositories"] == {"done": 2, "total": 2}


@app_only
@sqlite_only
async def test_a_repository_that_is_taken_away_and_comes_back(scene: Scene) -> None:
    """Its run ends and says why. What an owner accepts for repositories of before reads nothing."""
    await set_to(scene, backfill_days=30)
    pull(scene, 1, "a")
    named = [{"id": scene.github.repository(REPOSITORY).id, "full_name": REPOSITORY}]
    await installed(scene, "installation", "new_permissions_accepted", repositories=named)
    assert (await progress(scene))["started_at"] is None
    event = "installation_repositories"
    await installed(scene, event, "added", repositories_added=named, repositories_removed=[])
    await installed(scene, event, "removed", repositories_added=[], repositories_removed=named)
    await scene.pass_time(120, 10)
    found = await progress(scene)
    assert found["status"] == "failed" and "no access" in found["error"]
    await installed(scene, event, "added", repositories_added=named, repositories_removed=[])
    await scene.pass_time(120, 10)
    found = await progress(scene)
    assert (found["status"], found["linked"]) == ("done", 1)


@token_only
@sqlite_only
async def test_who_had_no_right_keeps_nobody_from_the_past(scene: Scene) -> None:
    """Whoever has it reads what was before, though another had spoken first."""
    await set_to(scene, backfill_days=30)
    await scene.bot.experiment("a")
    before = pull(scene, 1, "a")
    scene.github.add_token("ghp_of-mallory", "mallory", pushes_to=[])
    token = {"token": "ghp_of-mallory", "backfill_days": 0}
    mallory = await scene.bot.integration(config=token)
    number = await scene.open("Nothing", head_ref="now", tell=False)
    payload = scene.payload("opened", number)
    for integration in (mallory, scene.integration):
        answer = await scene.bot.deliver(integration, "pull_request", payload)
        assert answer.body == {"processed": True}
    await scene.work()
    assert (await progress(scene))["status"] == "done"
    linked = await scene.bot.walk("/api/v1/experiments/a/pull-requests")
    assert [one["number"] for one in linked] == [before]
    lists = len(scene.github.calls(ISSUES))
    await scene.tell("edited", number)
    await scene.work()
    assert len(scene.github.calls(ISSUES)) == lists


@token_only
@sqlite_only
async def test_an_odd_commit_spoils_nothing(scene: Scene) -> None:
    await scene.bot.experiment("a")
    pull(scene, 1, "a")
    good = {"sha": "c" * 40, "commit": {"message": "Good"}}
    scene.github.fail(Fault("status", COMMITS, status=200, body=[{"sha": 5}, "x", good]))
    assert (await start(scene, repositories=[REPOSITORY]))["status"] == "done"
    found = await scene.bot.walk("/api/v1/experiments/a/commits")
    assert [one["sha"] for one in found] == [good["sha"]]


@token_only
@sqlite_only
async def test_an_old_name_is_read_as_far_back_as_asked_for(scene: Scene) -> None:
    """That it is first heard of then, under its new name, makes nothing of that."""
    await set_to(scene, backfill_days=10)
    number = pull(scene, 40, "a")
    scene.github.rename_repository(REPOSITORY, "acme/store")
    found = await start(scene, repositories=[REPOSITORY], days=90)
    assert (found["status"], found["linked"]) == ("done", 1)
    known = await scene.bot.get(f"/api/v1/pull-requests/acme/store/{number}")
    assert known.status == 200


@token_only
@sqlite_only
async def test_a_turn_that_comes_after_days_is_not_the_last_try(scene: Scene) -> None:
    """A failure is tried again then as any other is."""
    await scene.bot.experiment("a")
    number = pull(scene, 1, "a")

    def wait(tx: store.Transaction) -> None:
        row = store.integrations.find(tx, scene.integration)
        assert row is not None
        store.backfills.take_slot(tx, row.credential, times.now(), 4 * DAY * times.SECOND)

    await scene.bot.services.database.write(wait)
    await start(scene, repositories=[REPOSITORY])
    await scene.pass_time(4 * DAY - 3600)
    assert scene.comments(number) == []
    scene.github.fail(Fault("status", f"POST {REPO}/issues/{{issue_number}}/comments", status=502))
    await scene.pass_time(3700)
    await scene.pass_time(600, 60)
    assert len(scene.comments(number)) == 1
