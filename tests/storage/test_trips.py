"""PostgreSQL: how often a batch of deliveries goes to the server and back, whatever its size."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bot.demo import payloads
from bot.settings import Settings
from tests.domain.lives import clock as at
from tests.kit.batches import gather_for
from tests.kit.running import Bot, start
from tests.kit.wire import Wire, counted

pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)

MANY = 16
LINE = "experiment_key: a"
REPO = payloads.repository("acme/shop")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    gather_for(monkeypatch, 0.2)


@pytest.fixture
async def wire(settings: Settings) -> AsyncIterator[Wire]:
    async with counted(settings.database_url) as wire:
        yield wire


@pytest.fixture
async def bot(settings: Settings, wire: Wire) -> AsyncIterator[Bot]:
    running = await start(replace(settings, database_url=wire.url))
    yield running
    await running.close()


def pulls(numbers: Sequence[int], action: str, minute: int, **values: Any) -> list[dict[str, Any]]:
    """Return what is told of pull requests, each of a branch of its own."""
    return [
        payloads.pull_request(action, n, at(minute), repo=REPO, branch=f"feature-{n}", **values)
        for n in numbers
    ]


class Trips:
    """Sends batches of deliveries."""

    def __init__(self, bot: Bot, wire: Wire, integration: str) -> None:
        self._bot, self._wire, self._integration = bot, wire, integration

    async def of(self, event: str, told: Sequence[dict[str, Any]]) -> int:
        """Return the trips of a batch."""
        self._wire.take()
        answers = await asyncio.gather(
            *(self._bot.deliver(self._integration, event, one) for one in told)
        )
        assert {answer.status for answer in answers} == {200}
        return self._wire.take()


@pytest.fixture
async def trips(bot: Bot, wire: Wire) -> Trips:
    """A bot that has had a batch of each kind: it keeps some ids by now."""
    await bot.experiment("a")
    trips = Trips(bot, wire, await bot.integration())
    await trips.of("pull_request", pulls(range(1, MANY + 1), "opened", 1, body=LINE))
    return trips


@pytest.mark.parametrize("many", [1, MANY])
async def test_pull_requests_that_are_linked(trips: Trips, many: int) -> None:
    numbers = range(100, 100 + many)
    # It begins, locks and reads; reads items; writes; commits.
    assert await trips.of("pull_request", pulls(numbers, "opened", 1, body=LINE)) == 4
    # It begins, locks and reads; reads items; reads their links; writes; commits.
    told = pulls(numbers, "synchronize", 2, body=LINE, sha="b" * 40)
    assert await trips.of("pull_request", told) == 5
    told = pulls(numbers, "closed", 3, body=LINE, state="closed", closed_at=at(3))
    assert await trips.of("pull_request", told) == 5


async def test_ids_cost_no_trip(trips: Trips) -> None:
    for first in range(100, 100 + 4 * MANY, MANY):
        told = pulls(range(first, first + MANY), "opened", 1)
        assert await trips.of("pull_request", told) == 4


async def test_pull_requests_without_an_experiment(trips: Trips) -> None:
    numbers = range(100, 100 + MANY)
    assert await trips.of("pull_request", pulls(numbers, "opened", 1)) == 4
    told = pulls(numbers, "edited", 2, title="Another title")
    assert await trips.of("pull_request", told) == 5


async def test_code_costs_trips_by_the_batch(bot: Bot, wire: Wire) -> None:
    await bot.experiment("a")
    trips = Trips(bot, wire, await bot.integration(config={"code": "on"}))
    await trips.of("pull_request", pulls(range(1, MANY + 1), "opened", 1))
    # Two more than without, whatever the size; what is read meanwhile may share a batch.
    assert await trips.of("pull_request", pulls(range(100, 100 + MANY), "opened", 1)) <= 8
    told = pulls(range(100, 100 + MANY), "synchronize", 2, sha="b" * 40)
    assert await trips.of("pull_request", told) <= 9


async def test_what_nobody_handles(trips: Trips) -> None:
    told = [{"action": "created", "repository": REPO}] * MANY
    assert await trips.of("star", told) == 3
