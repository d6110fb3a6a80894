"""Repositories that are known by a name alone, as deliveries without ids tell, or by an id."""

import pytest

from bot.demo import payloads
from tests.domain.speaking.world import ACME, KINDS, RIVAL, TOOL, World
from tests.kit.statements import Statements

pytestmark = pytest.mark.parametrize("kinds", KINDS, indirect=True, ids="-".join)


@pytest.mark.parametrize("github_id", [4711, TOOL, None])
async def test_a_made_up_id_takes_no_repository_from_its_team(
    world: World, github_id: int | None
) -> None:
    nameless = {"full_name": "acme/shop"}
    await world.passes(ACME, world.pull(7, nameless))
    await world.is_refused(RIVAL, world.pull(8, world.repo("acme/shop", github_id)))
    assert await world.pulls() == [("acme/shop", 7, "open", "Try the new checkout")]
    await world.passes(ACME, world.pull(9, nameless), world.pull(10))
    assert [number for _, number, *_ in await world.pulls()] == [7, 9, 10]


@pytest.mark.parametrize("github_id", [4711, TOOL])
async def test_a_made_up_rename_takes_no_repository_from_its_team(
    world: World, github_id: int
) -> None:
    nameless = {"full_name": "acme/shop"}
    await world.passes(ACME, world.pull(7, nameless))
    forged = payloads.repository_event(
        "renamed", world.repo("acme/mine", github_id), {"repository": {"name": {"from": "shop"}}}
    )
    await world.send(RIVAL, forged)
    assert await world.pulls() == [("acme/shop", 7, "open", "Try the new checkout")]
    await world.passes(ACME, world.pull(9, nameless))


async def test_one_more_fork_costs_what_the_first_did(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of forks the id alone is kept, and none has to be looked for among the others."""
    read = Statements(monkeypatch)
    rows = []
    for number in range(1, 12):
        fork = payloads.repository(f"mallory-{number}/shop", 9000 + number)
        read.take()
        await world.passes(ACME, world.pull(number, head_repo=fork))
        rows.append(read.take()[1])
    assert rows[-1] <= rows[1]
