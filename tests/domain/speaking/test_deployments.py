"""Deployments count only from who speaks for the repository, and go with the right to it."""

from typing import Any

import pytest

from bot.demo import payloads
from tests.domain.speaking.world import ACME, KINDS, RIVAL, World
from tests.github import sha_of
from tests.kit.marks import sqlite_only

pytestmark = [sqlite_only, pytest.mark.parametrize("kinds", KINDS[:1], indirect=True)]
PULL = "/api/v1/pull-requests/acme/shop/7"
MERGED = sha_of("merged")


@pytest.fixture
async def shipped(world: World) -> World:
    """A pull request that is merged, and heard of from both teams, who have a right there."""
    world.share(RIVAL)
    world.github.commit("acme/shop", sha_of("first"))
    world.github.commit("acme/shop", MERGED, sha_of("first"))
    payload = world.pull(action="closed", state="closed", merged=True)
    payload["pull_request"]["merge_commit_sha"] = MERGED
    for team in (ACME, RIVAL):
        await world.passes(team, payload)
    world.clock.ahead += 60
    return world


async def live(world: World) -> list[str]:
    await world.outbox.work_off()
    answer = await world.bot.get(PULL)
    return [one["environment"] for one in answer.body["live"]]


def deployment(world: World, environment: str = "production", sha: str = MERGED) -> dict[str, Any]:
    return payloads.deployment_status(
        sha, world.now(), repo=world.repo(), environment=environment, number=world.clock.now()
    )


async def is_told(world: World) -> bool:
    return "pull_request.live" in await world.feed()


async def test_what_one_alone_told_goes_with_its_right(shipped: World) -> None:
    world = shipped
    both = deployment(world, "staging")
    await world.passes(RIVAL, both, deployment(world))
    await world.passes(ACME, both)
    assert await live(world) == ["production", "staging"]
    world.lose(RIVAL)
    world.clock.ahead += 3601
    await world.is_refused(RIVAL, deployment(world, "third"))
    assert await live(world) == ["staging"]
    told = await world.bot.walk("/api/v1/experiments/a/activity?type=pull_request.live")
    assert len(told) == 1 and told[0]["summary"].startswith("Live in staging: ")
    await world.passes(ACME, deployment(world))
    assert await live(world) == ["production", "staging"]


async def test_what_was_to_be_asked_another_asks(shipped: World) -> None:
    """Who told of it first may ask GitHub nothing any more."""
    world, told = shipped, deployment(shipped)
    await world.passes(RIVAL, told)
    await world.passes(ACME, told)
    world.lose(RIVAL)
    world.clock.ahead += 3601
    await world.is_refused(RIVAL, deployment(world, "third"))
    assert (await live(world), await is_told(world)) == (["production"], True)


async def test_the_feed_forgets_earlier_deployments_of_who_has_no_right(shipped: World) -> None:
    world = shipped
    await world.passes(RIVAL, deployment(world))
    assert await live(world) == ["production"]
    world.clock.ahead += 60
    await world.passes(ACME, deployment(world, sha=sha_of("first")))
    assert (await live(world), await is_told(world)) == ([], True)
    world.lose(RIVAL)
    world.clock.ahead += 3601
    await world.is_refused(RIVAL, deployment(world, "third"))
    assert not await is_told(world)


async def test_a_stranger_to_the_repository_deploys_nothing(shipped: World) -> None:
    world = shipped
    world.lose(RIVAL)
    world.clock.ahead += 3601
    await world.is_refused(RIVAL, deployment(world))
    assert (await live(world), await is_told(world)) == ([], False)


async def test_what_is_deployed_is_forgotten_with_the_repository(shipped: World) -> None:
    world = shipped
    await world.passes(ACME, deployment(world))
    assert (await live(world), await is_told(world)) == (["production"], True)
    assert (await world.bot.delete("/api/v1/repositories/acme/shop")).status == 204
    tables = ("environments", "live", "tellers")

    def left(tx: Any) -> list[int]:
        return [len(tx.all(f"SELECT * FROM {table}")) for table in tables]

    assert await world.bot.services.database.read(left) == [0, 0, 0]
    assert not await is_told(world)
