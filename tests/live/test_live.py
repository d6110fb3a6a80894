"""Which merged pull requests are live: deployments, rollbacks, and what each costs in calls."""

from typing import Any

import pytest

from tests.kit.marks import app_only
from tests.kit.outbound import Scene
from tests.live.shipping import LIST, Shipping, shipping


@pytest.fixture
async def ship(scene: Scene) -> Shipping:
    return await shipping(scene)


async def counts(ship: Shipping) -> dict[str, Any]:
    answer = await ship.scene.bot.get(LIST)
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
    assert await ship.deploy(base) == 2  # what is there, and what went with it
    assert await ship.live(number) == ["staging"]
    assert await counts(ship) == {"production": (0, 1), "staging": (1, 1)}
    assert await ship.deploy(ship.main[-1]) == 1
    assert await ship.live(number) == ["production", "staging"]
    assert await ship.told() == ["Live in staging", "Live in production", "Live in production"]
