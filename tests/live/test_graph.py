"""Deployments that do not simply go forward: other branches, unknown commits, long ways."""

import asyncio
from datetime import timedelta

import pytest

from bot import worker
from bot.domain import live
from tests.github import Fault, sha_of
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY
from tests.kit.running import eventually
from tests.live.shipping import COMPARE, KEY, LIST, Shipping

pytestmark = [sqlite_only, token_only]


async def test_a_branch_that_goes_another_way(ship: Shipping) -> None:
    """What is part of a hotfix is live, what is not is so no longer, and comes back with main."""
    kept = await ship.merge()
    start = ship.main[-1]
    lost = await ship.merge("merge")
    await ship.deploy(ship.main[-1])
    main = list(ship.main)
    ship.main[:] = [start]
    hotfix = await ship.merge()
    assert await ship.deploy(ship.main[-1]) == 2
    assert [await ship.live(one) for one in (kept, lost, hotfix)] == [
        ["production"],
        [],
        ["production"],
    ]
    ship.main[:] = [ship.commit("main again", main[-1])]
    assert await ship.deploy(ship.main[-1]) == 2
    assert [await ship.live(one) for one in (kept, lost, hotfix)] == [
        ["production"],
        ["production"],
        [],
    ]


async def test_a_rollback_while_github_is_asked(ship: Shipping) -> None:
    """What was there before is deployed again while what has come is being found out."""
    start = ship.main[-1]
    await ship.deploy(start)
    number = await ship.merge()

    async def is_asked() -> bool:
        return ship.compared == 1

    ship.scene.github.fail(Fault("late", template=COMPARE, seconds=1.0))
    await ship.deliver(ship.deployment(ship.main[-1]))
    work = asyncio.create_task(ship.scene.work())
    await eventually(is_asked)
    await ship.deliver(ship.deployment(start))
    await work
    await ship.scene.work()
    assert await ship.live(number) == []


async def test_what_github_does_not_know_is_not_live(ship: Shipping) -> None:
    """Until the next deployment, which is compared with the pull requests themselves."""
    number, second = await ship.merge(), await ship.merge()
    await ship.deploy(ship.main[-1])
    assert await ship.live(number) == ["production"]
    await ship.deliver(ship.deployment(sha_of("nobody knows it")))
    await ship.scene.work()
    assert await ship.live(number) == ["production"]  # GitHub's API may lag behind
    await ship.scene.pass_time(120, 10)
    (action, _) = await ship.scene.actions("?kind=live")
    assert (action["status"], action["result"]["known"]) == ("done", False)
    assert [await ship.live(one) for one in (number, second)] == [[], []]
    assert await ship.deploy(ship.main[-1]) == 1
    assert [await ship.live(one) for one in (number, second)] == [["production"]] * 2


async def test_what_was_found_meanwhile_may_go_again(ship: Shipping) -> None:
    """Where it is not known what was there before, all that is live is looked at."""
    start, first = ship.main[-1], await ship.merge()
    second = await ship.merge(body="Nothing to try")
    await ship.deploy(ship.main[-1])
    graph = ship.scene.github.repository(REPOSITORY).parents
    known = graph.pop(ship.main[-1])
    ship.commit("pushed with force", *known)
    await ship.deliver(ship.deployment(ship.main[-1]))
    await ship.scene.pass_time(120, 10)
    assert await ship.live(first) == []
    where = {"integration_id": ship.scene.integration, "repository": REPOSITORY}
    await ship.scene.bot.delete(f"{LIST}/pull-requests/{REPOSITORY}/{first}")
    for number in (first, second):
        answer = await ship.scene.bot.post(f"{LIST}/pull-requests", {**where, "number": number})
        assert answer.status == 201, answer.body
    await ship.scene.pass_time(120, 10)
    assert (await ship.live(first), await ship.live(second)) == (["production"], [])
    await ship.deploy(start)
    assert await ship.live(first) == []


async def test_merged_in_one_second_before_the_first_deployment(ship: Shipping) -> None:
    """As a merge queue does; which of them is behind the others, no time tells."""
    numbers = [await ship.scene.open(f"experiment_key: {KEY}") for _ in range(3)]
    pulls = ship.scene.github.repository(REPOSITORY).pulls
    at = ship.now()
    for number in (numbers[1], numbers[0], numbers[2]):
        pulls[number].merge_sha = ship.commit(f"of {number}")
    for number in numbers:
        ship.scene.github.edit_pull(REPOSITORY, number, merged_at=at)
        await ship.scene.tell("closed", number)
    assert await ship.deploy(ship.main[-1]) == 2
    assert [await ship.live(one) for one in numbers] == [["production"]] * 3


async def test_half_an_answer_leaves_nothing_live(ship: Shipping) -> None:
    """What a rollback took is not known if GitHub lists fewer commits than it counts."""
    number = await ship.merge()
    await ship.deploy(ship.main[-1])
    half = {"status": "ahead", "total_commits": 1, "commits": []}
    ship.scene.github.fail(Fault("status", template=COMPARE, status=200, body=half, after=1))
    await ship.deploy(ship.main[0])
    assert await ship.live(number) == []


async def test_what_will_never_be_live_keeps_no_other_from_it(
    ship: Shipping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_WAITING", 1)
    never = await ship.merge()  # to a branch that is not deployed
    ship.main.pop()
    await ship.deploy(ship.main[-1])
    number = await ship.merge()
    await ship.deploy(ship.main[-1])
    assert (await ship.live(never), await ship.live(number)) == ([], ["production"])


async def test_a_repository_out_of_reach_says_nothing(ship: Shipping) -> None:
    """A token that has lost its access does not take back what is live."""
    number = await ship.merge()
    await ship.deploy(ship.main[-1])
    ship.commit("more")
    payload = ship.deployment(ship.main[-1])
    found = ship.scene.github.repositories.pop(REPOSITORY)
    await ship.deliver(payload)
    await ship.scene.pass_time(300, 20)
    (action, _) = await ship.scene.actions("?kind=live")
    assert action["status"] == "failed" and "404" in action["last_error"]
    ship.scene.github.repositories[REPOSITORY] = found
    assert await ship.live(number) == ["production"]


async def test_another_repository_by_the_same_name_says_nothing(ship: Shipping) -> None:
    number = await ship.merge()
    await ship.deploy(ship.main[-1])
    ship.commit("more")
    payload = ship.deployment(ship.main[-1])
    ship.scene.github.rename_repository(REPOSITORY, "acme/moved")
    ship.scene.github.add_repository(REPOSITORY)
    await ship.deliver(payload)
    await ship.scene.pass_time(300, 20)
    (action, _) = await ship.scene.actions("?kind=live")
    assert "is another repository by now" in action["last_error"]
    assert await ship.live(number) == ["production"]


async def test_a_long_way(ship: Shipping) -> None:
    """Pages are read until what is waited for is found, after the first those with the newest."""
    await ship.deploy(ship.main[-1])
    first = await ship.merge()
    for number in range(600):
        ship.commit(f"{number}")
    last = await ship.merge()
    tip = ship.main[-1]
    assert await ship.deploy(tip, "staging") == 2  # from the first one, to the last page
    assert await ship.deploy(tip) == 2
    assert [await ship.live(one) for one in (first, last)] == [["production", "staging"]] * 2
    assert await ship.deploy(ship.main[0]) == 1 + 2
    assert [await ship.live(one) for one in (first, last)] == [["staging"]] * 2


async def test_a_new_environment_costs_little(
    ship: Shipping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each preview may be one of its own; production is worth more calls."""
    monkeypatch.setattr("bot.outbox.live._PAGES_OF_FIRST", 1)
    await ship.merge()
    for number in range(300):
        ship.commit(f"{number}")
    number = await ship.merge()
    for name, cost in (("deploy-preview-7", 1), ("production", 2)):
        assert await ship.deploy(ship.main[-1], name) == cost
    assert await ship.live(number) == ["production"]


async def test_comparisons_leave_half_of_the_calls_to_others(ship: Shipping) -> None:
    number = await ship.merge()
    ship.scene.github.set_limit(100, 1800)
    assert await ship.deploy(ship.main[-1], "staging") == 1
    assert await ship.deploy(ship.main[-1]) == 0
    other = await ship.scene.open(f"experiment_key: {KEY}")
    await ship.scene.work()
    assert len(ship.scene.comments(other)) == 1
    await ship.scene.pass_time(2400, 300)
    assert await ship.live(number) == ["production", "staging"]


async def test_answers_that_may_be_large_are_not_kept(ship: Shipping) -> None:
    """Each has the differences of 300 files; hundreds of them would be kept for each token."""
    for name in ("staging", "production"):
        await ship.deploy(ship.main[-1], name)
    await ship.merge()
    for name in ("staging", "production"):
        assert await ship.deploy(ship.main[-1], name) == 1
    asked = [one for one in ship.scene.github.requests if one.template == COMPARE]
    assert asked[0].path == asked[1].path
    assert "If-None-Match" not in asked[1].headers


async def test_environments_are_told_apart_by_name(ship: Shipping) -> None:
    """Several deploy parts of one repository; case does not matter, and nothing else is alike."""
    number = await ship.merge()
    for name in ("web-production", "api-production", "WEB-Production", "docs <b>"):
        await ship.deploy(ship.main[-1], name)
    assert await ship.live(number) == ["api-production", "WEB-Production", "docs <b>"]
    await ship.deploy(ship.main[0], "api-production")
    assert await ship.live(number) == ["WEB-Production", "docs <b>"]


async def test_environments_are_bounded(ship: Shipping) -> None:
    """Of too many the one that was longest silent goes, those of production last."""
    number = await ship.merge()
    tip = ship.main[-1]
    for name in ("production", "first", "second"):
        await ship.deploy(tip, name)
    for count in range(98):
        await ship.deliver(ship.deployment(tip, f"env-{count}"))
    assert await ship.live(number) == ["production", "second"]
    await ship.deliver(ship.deployment(tip, "first"))
    assert await ship.live(number) == ["production"]


async def test_what_is_live_no_longer_is_forgotten_in_time(ship: Shipping) -> None:
    number = await ship.merge()
    await ship.deploy(ship.main[-1])
    await ship.deploy(ship.main[0])
    services = ship.scene.bot.services

    async def rows() -> int:
        sql = "SELECT COUNT(*) AS count FROM live"
        return int((await services.database.read(lambda tx: tx.all(sql)))[0]["count"])

    assert await rows() == 1
    await worker.clear_some(services)
    assert (await rows(), await ship.live(number)) == (1, [])
    ship.scene.clock.ahead += timedelta(days=services.settings.delivery_days + 1).total_seconds()
    await worker.clear_some(services)
    assert (await rows(), (await ship.scene.bot.get(LIST)).body["live"][0]["merged"]) == (0, 1)
