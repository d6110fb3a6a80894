"""Which merged pull requests are live: deployments, rollbacks, and what each costs in calls."""

from typing import Any

import pytest

from bot.domain.environments import is_production
from tests.kit.marks import app_only, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY
from tests.live.shipping import KEY, LIST, Shipping


async def counts(ship: Shipping) -> dict[str, Any]:
    answer = await ship.scene.bot.get(LIST)
    (listed,) = await ship.scene.bot.walk("/api/v1/experiments")
    assert listed == answer.body
    return {
        one["environment"]: (one["pull_requests"], one["merged"]) for one in answer.body["live"]
    }


@pytest.mark.parametrize("how", ["squash", "merge", "rebase"])
@app_only
async def test_a_story(ship: Shipping, how: str) -> None:
    """Merged, deployed to staging, deployed to production, rolled back, deployed once more."""
    base = ship.main[-1]
    assert await ship.deploy(base, "staging") == await ship.deploy(base) == 0
    number = await ship.merge(how)
    assert (await ship.live(number), ship.compared) == ([], 0)
    assert await ship.deploy(ship.main[-1], "staging") == 1
    assert await ship.live(number) == ["staging"]
    assert await ship.deploy(ship.main[-1]) == 1
    assert await ship.live(number) == ["production", "staging"]
    assert await counts(ship) == {"production": (1, 1), "staging": (1, 1)}
    known = (await ship.scene.bot.get(LIST)).headers["ETag"]
    assert await ship.deploy(base) == 2  # what is there, and what went with it
    assert await ship.live(number) == ["staging"]
    assert await counts(ship) == {"production": (0, 1), "staging": (1, 1)}
    fresh = await ship.scene.bot.get(LIST, headers={"If-None-Match": known})
    assert fresh.status == 200
    assert await ship.deploy(ship.main[-1]) == 1
    assert await ship.live(number) == ["production", "staging"]
    assert await ship.told() == ["Live in staging", "Live in production", "Live in production"]


@sqlite_only
@token_only
async def test_the_first_deployment_has_all_that_was_merged_before(ship: Shipping) -> None:
    """One comparison, with the pull request that was merged first, tells of the others."""
    numbers = [await ship.merge(how) for how in ("squash", "merge", "rebase")]
    deployed = ship.main[-1]
    later = await ship.merge()
    assert await ship.deploy(deployed) == 1
    assert [await ship.live(one) for one in numbers] == [["production"]] * 3
    assert await ship.live(later) == []
    assert await ship.deploy(ship.main[-1]) == 1
    assert await ship.live(later) == ["production"]


@sqlite_only
@token_only
async def test_nothing_is_asked_where_nothing_linked_waits(ship: Shipping) -> None:
    """Unlinked pull requests, what has not succeeded, previews, and the same commit again."""
    await ship.merge(body="Nothing to try")
    assert await ship.deploy(ship.main[-1]) == 0
    number = await ship.merge()
    head = ship.main[-1]
    for state in ("pending", "in_progress", "failure", "error", "inactive"):
        assert await ship.deploy(head, state=state) == 0
    assert await ship.deploy(head, ref=f"refs/pull/{number}/merge") == 0
    assert await ship.deploy(head, "pr-7", transient_environment=True) == 0
    assert await ship.live(number) == []
    payload = ship.deployment(head)
    await ship.deliver(payload)
    await ship.deliver(payload)
    answer = await ship.deliver(payload, guid="11111111-2222-3333-4444-555555555555")
    assert answer.body == {"processed": True}
    await ship.scene.work()
    assert (ship.compared, await ship.live(number)) == (1, ["production"])
    asked = await ship.scene.actions("?kind=live")
    assert await ship.deploy(head) == 0
    assert await ship.scene.actions("?kind=live") == asked
    at = (await ship.scene.bot.get(f"{LIST}/pull-requests")).items[0]["live"][0]["at"]
    assert at == payload["deployment_status"]["created_at"]
    assert await ship.told() == ["Live in production"]


@sqlite_only
@token_only
async def test_an_older_deployment_that_is_told_late_changes_nothing(ship: Shipping) -> None:
    base = ship.main[-1]
    late = ship.deployment(base)
    same_second = ship.deployment(base)
    number = await ship.merge()
    at = ship.now()
    await ship.deploy(ship.main[-1], at=at)
    same_second["deployment_status"]["created_at"] = at  # with a lower id
    before = ship.compared
    for payload in (late, same_second):
        await ship.deliver(payload)
        await ship.scene.work()
    assert (await ship.live(number), ship.compared) == (["production"], before)


@sqlite_only
@app_only
@pytest.mark.parametrize("late", ["merge", "link", "both", "second key"])
async def test_what_is_told_or_linked_after_its_deployment(ship: Shipping, late: str) -> None:
    """It is live without another deployment, for one comparison with what is deployed."""
    scene, is_merge_late = ship.scene, late in ("merge", "both")
    body = f"experiment_key: {KEY if late in ('merge', 'second key') else 'other'}"
    await scene.bot.experiment("other")
    number = await ship.merge(tell=not is_merge_late, body=body)
    if is_merge_late:
        ship.scene.github.edit_pull(REPOSITORY, number, body=body)
    if late == "link":
        await scene.bot.delete(f"/api/v1/experiments/other/pull-requests/{REPOSITORY}/{number}")
    cost = await ship.deploy(ship.main[-1])
    assert cost == (1 if late == "second key" else 0)
    if is_merge_late:
        await scene.tell("closed", number)
    if late != "merge":
        key = "other" if late == "second key" else KEY
        where = {"integration_id": scene.integration, "repository": REPOSITORY, "number": number}
        answer = await scene.bot.post(f"/api/v1/experiments/{key}/pull-requests", where)
        assert answer.status == 201, answer.body
    await scene.work()
    assert (await ship.live(number), ship.compared) == (["production"], 1)
    assert await ship.told() == ["Live in production"]
    if late == "second key":
        feed = await scene.bot.walk("/api/v1/experiments/other/activity?type=pull_request.live")
        assert len(feed) == 1


@sqlite_only
@token_only
async def test_what_a_merge_queue_deploys_before_it_merges(ship: Shipping) -> None:
    number = await ship.scene.open(f"experiment_key: {KEY}")
    deployed = ship.commit("of a merge group")
    assert await ship.deploy(deployed) == 0
    ship.scene.github.repository(REPOSITORY).pulls[number].merge_sha = deployed
    ship.scene.github.edit_pull(REPOSITORY, number, merged_at=ship.now())
    await ship.scene.tell("closed", number)
    await ship.scene.work()
    assert (await ship.live(number), ship.compared) == (["production"], 1)


@sqlite_only
@token_only
async def test_what_is_read_of_the_past_after_its_deployment(ship: Shipping) -> None:
    """One comparison tells of all, as where a deployment is what the bot hears of first."""
    numbers = [await ship.merge(how, tell=False) for how in ("squash", "merge", "rebase")]
    assert await ship.deploy(ship.main[-1]) == 0
    later = await ship.merge(tell=False)
    path = f"/api/v1/integrations/{ship.scene.integration}/backfill"
    assert (await ship.scene.bot.post(path, {"days": 30})).status == 202
    await ship.scene.work()
    assert [await ship.live(one) for one in numbers] == [["production"]] * 3
    assert (await ship.live(later), ship.compared) == ([], 1)
    assert await ship.deploy(ship.main[-1]) == 1
    assert await ship.live(later) == ["production"]


@sqlite_only
@token_only
async def test_an_open_pull_request_is_live_nowhere(ship: Shipping) -> None:
    """GitHub's trial of a merge is no merge commit, even where it is deployed."""
    number = await ship.scene.open(f"experiment_key: {KEY}")
    pull = ship.scene.github.repository(REPOSITORY).pulls[number]
    pull.merge_sha = ship.commit("a trial")
    await ship.scene.tell("synchronize", number)
    assert await ship.deploy(ship.main[-1]) == 0
    assert await ship.live(number) == []


@sqlite_only
@token_only
async def test_one_that_is_linked_no_more_is_not_followed(ship: Shipping) -> None:
    number = await ship.merge()
    await ship.deploy(ship.main[-1])
    await ship.scene.bot.delete(f"{LIST}/pull-requests/{REPOSITORY}/{number}")
    ship.commit("more")
    assert await ship.deploy(ship.main[-1]) == 0
    where = {"integration_id": ship.scene.integration, "repository": REPOSITORY, "number": number}
    assert (await ship.scene.bot.post(f"{LIST}/pull-requests", where)).status == 201
    await ship.scene.work()
    assert (await ship.live(number), ship.compared) == (["production"], 2)


@sqlite_only
@token_only
@pytest.mark.parametrize("between", ["nothing", "other"])
async def test_a_key_that_goes_and_comes_back_is_told_once(ship: Shipping, between: str) -> None:
    """Whether or not another keeps the pull request linked meanwhile."""
    await ship.scene.bot.experiment("other")
    number = await ship.merge(body=f"experiment_key: {KEY}, other")
    await ship.deploy(ship.main[-1])
    for body in ("" if between == "nothing" else "experiment_key: other", f"experiment_key: {KEY}"):
        ship.now()
        ship.scene.github.edit_pull(REPOSITORY, number, body=body)
        await ship.scene.tell("edited", number)
    await ship.scene.work()
    assert (await ship.live(number), await ship.told()) == (["production"], ["Live in production"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("production", True),
        ("Production", True),
        ("prod", True),
        ("live", True),
        ("web-production", True),
        ("production / eu", True),
        ("prod_eu", True),
        ("eu.live.2", True),
        ("preproduction", False),
        ("pre-production", False),
        ("non-prod", False),
        ("not live", False),
        ("liveness", False),
        ("product", False),
        ("staging", False),
        ("", False),
    ],
)
def test_what_is_called_production(name: str, expected: bool) -> None:
    assert is_production(name) is expected
    assert is_production(name, True) and is_production(name, "yes") is expected


@token_only
@sqlite_only
async def test_a_past_that_is_read_after_it_was_deployed(ship: Shipping) -> None:
    """GitHub is asked once whether what runs already has it, as where a delivery tells late."""
    scene = ship.scene
    await ship.deploy(ship.main[-1])
    number = await ship.merge(tell=False)
    assert await ship.deploy(ship.main[-1]) == 0
    order = {"repositories": [REPOSITORY]}
    for _ in range(2):
        await scene.bot.post(f"/api/v1/integrations/{scene.integration}/backfill", order)
        await scene.work()
    assert await ship.live(number) == ["production"]
    assert (len(await ship.told()), ship.compared) == (1, 1)
