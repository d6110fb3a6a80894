"""Open pull requests of experiments that nobody has told of for a day are read again."""

from bot import storage as store
from bot import times
from bot.domain import reconciliation
from tests.github import REPO
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.server.test_clock import YEAR, step

DAY = 86_400
GET = f"GET {REPO}/pulls/{{pull_number}}"


async def a_day_later(scene: Scene) -> None:
    """Let a day pass, and what is read again in the hour after it."""
    scene.clock.ahead += DAY
    await look(scene)
    await scene.pass_time(3600, 180)


async def look(scene: Scene) -> int:
    return await scene.bot.services.database.write(reconciliation.look)


async def test_what_was_missed_heals_by_itself(scene: Scene) -> None:
    """A merge that no delivery told of is told when it was; a default branch is known anew."""
    await scene.bot.experiment("a")
    missed = await scene.open("experiment_key: a", head_ref="one")
    quiet = await scene.open("experiment_key: a", head_ref="two")
    none = await scene.open("Nothing", head_ref="three")
    await scene.work()
    merged_at = int(scene.clock()) + 60
    scene.clock.ahead += 120
    scene.github.edit_pull(REPOSITORY, missed, merged_at=merged_at)
    scene.github.repository(REPOSITORY).default_branch = "trunk"
    await scene.pass_time(600, 300)
    before = len(scene.github.calls(GET))
    assert await look(scene) == 1  # the repository, which was never read
    await a_day_later(scene)
    found = (await scene.bot.get(f"/api/v1/pull-requests/{REPOSITORY}/{missed}")).body
    assert found["state"] == "merged"
    (told,) = await scene.bot.walk("/api/v1/activity?type=pull_request.merged")
    assert (told["backfilled"], told["occurred_at"]) == (True, found["merged_at"])
    read = {one.path.split("/")[-1] for one in scene.github.calls(GET)[before:]}
    assert read == {str(missed), str(quiet)} and str(none) not in read
    assert await default_branch(scene) == "trunk"
    await scene.tell("closed", missed)
    (told,) = await scene.bot.walk("/api/v1/activity?type=pull_request.merged")
    assert told["backfilled"] is False


async def default_branch(scene: Scene) -> str | None:
    row = await scene.bot.services.database.read(lambda tx: store.repositories.find(tx, REPOSITORY))
    assert row is not None
    return row.default_branch


@token_only
@sqlite_only
async def test_a_few_an_hour_and_unchanged_ones_cost_nothing(scene: Scene) -> None:
    """Twenty for a credential; all of them before any has its turn again."""
    for number in range(30):
        await scene.open("experiment_key: a", head_ref=f"b{number}")
    await scene.work()
    await a_day_later(scene)
    assert await look(scene) == 10
    assert await look(scene) == 0
    await scene.pass_time(3600, 180)
    assert len({one.path for one in scene.github.calls(GET)}) == 30
    before = len(scene.github.calls(GET))
    await scene.bot.services.database.write(reconciliation.look)
    await a_day_later(scene)
    assert {one.status for one in scene.github.calls(GET)[before:]} == {304}
    feed = await scene.bot.walk("/api/v1/activity?type=pull_request.opened")
    assert len(feed) == 30 and not any(one["backfilled"] for one in feed)


@token_only
@sqlite_only
async def test_what_is_not_found_is_left_as_it_is(scene: Scene) -> None:
    """A repository that was renamed is followed; one that has taken its name is not believed."""
    number = await scene.open("experiment_key: a")
    await scene.work()
    scene.github.delete_issue(REPOSITORY, number)
    del scene.github.repository(REPOSITORY).pulls[number]
    await a_day_later(scene)
    shown = await scene.bot.get(f"/api/v1/pull-requests/{REPOSITORY}/{number}")
    assert shown.body["state"] == "open"
    assert (await scene.bot.get(f"/api/v1/integrations/{scene.integration}")).body[
        "last_error"
    ] is None
    scene.github.rename_repository(REPOSITORY, "acme/store")
    await a_day_later(scene)
    moved = await scene.bot.get(f"/api/v1/pull-requests/acme/store/{number}")
    assert moved.body["repository"] == "acme/store"
    scene.github.rename_repository("acme/store", "acme/moved")
    scene.github.add_repository("acme/store", default_branch="other")
    await a_day_later(scene)
    row = await scene.bot.services.database.read(
        lambda tx: store.repositories.find(tx, "acme/store")
    )
    assert row is not None and row.default_branch == "main"
    assert row.named_at == store.repositories.LOST


@token_only
@sqlite_only
async def test_a_clock_that_was_ahead_keeps_nothing_waiting(scene: Scene) -> None:
    """Neither what is read again, nor the turn of what was read of the past."""
    number = await scene.open("experiment_key: a")
    await scene.work()
    step(scene.clock, YEAR)
    write = scene.bot.services.database.write
    await look(scene)
    await write(lambda tx: store.backfills.take_slot(tx, "a credential", times.now(), 1))
    step(scene.clock, -YEAR)
    await scene.work()
    turn = await write(lambda tx: store.backfills.take_slot(tx, "a credential", times.now(), 1))
    assert turn <= times.now()
    scene.clock.ahead += DAY
    before = len(scene.github.calls(GET))
    await a_day_later(scene)
    read = [one.path.split("/")[-1] for one in scene.github.calls(GET)[before:]]
    assert str(number) in read


@token_only
async def test_nobody_waits_for_what_another_has_too_much_of(scene: Scene) -> None:
    """Neither for a credential with thousands of its own, nor for one that acts no more."""
    for number in range(25):
        await scene.open("experiment_key: a", head_ref=f"b{number}")
    other = await scene.bot.integration(config={"token": "ghp_another"})
    scene.github.add_token("ghp_another", "mona")
    scene.github.add_repository("acme/other")
    last = scene.github.open_pull("acme/other", title="Last", body="experiment_key: a")
    payload = {
        "action": "opened",
        "pull_request": scene.github.pull_payload("acme/other", last.number),
        "repository": scene.github.repository_payload("acme/other"),
    }
    for integration in (other, scene.integration):
        answer = await scene.bot.deliver(integration, "pull_request", payload)
        assert answer.body == {"processed": True}
    scene.clock.ahead += DAY + 60
    few = times.now() - reconciliation.SILENT, 20, 21
    found = await scene.bot.services.database.read(
        lambda tx: store.reconciled.stale_pull_requests(tx, *few)
    )
    assert len(found) == 21 and last.number in [
        one.number for one in found if one.integration_id == other
    ]
    await scene.bot.patch(f"/api/v1/integrations/{other}", {"is_active": False})
    before = len(scene.github.calls(GET))
    await look(scene)
    await scene.pass_time(3600, 180)
    await look(scene)
    await scene.pass_time(3600, 180)
    paths = [one.path for one in scene.github.calls(GET)[before:]]
    assert f"/repos/acme/other/pulls/{last.number}" in paths
