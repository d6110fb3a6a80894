"""Renames of owners, told by who speaks for their repositories and by who does not."""

from typing import Any

from bot.demo import payloads
from tests.domain.speaking.world import ACME, RIVAL, SHOP, TOOL, World, token_of

OWNERS = {"acme": 91, "rival": 92}


def repo(world: World, name: str, github_id: int, owner: str) -> dict[str, Any]:
    found = world.repo(name, github_id)
    return {**found, "owner": {**found["owner"], "id": OWNERS[owner]}}


async def known(world: World) -> None:
    """Let each team tell of its own repository."""
    await world.passes(ACME, world.pull(7, repo(world, "acme/shop", SHOP, "acme")))
    await world.passes(RIVAL, world.pull(1, repo(world, "rival/tool", TOOL, "rival"), "b"))


async def test_a_forger_renames_no_other_owner(world: World) -> None:
    """Neither by an event nor by giving an owner's id to a repository of its own."""
    await known(world)
    before = await world.told()
    for old in ("acme", "rival"):
        await world.passes(RIVAL, payloads.organization(old, "evil", OWNERS["acme"]))
        await world.passes(RIVAL, payloads.installation_target(old, "evil", OWNERS["acme"], 66))
    assert await world.told() == before
    forged = repo(world, "rival/tool", TOOL, "acme")
    await world.passes(RIVAL, world.pull(2, forged, "b"))
    world.clock.ahead += 60
    await world.passes(RIVAL, world.pull(2, {**forged, "full_name": "evil/tool"}, "b"))
    assert {name for name, *_ in await world.pulls()} == {"acme/shop"}
    await world.passes(ACME, payloads.organization("acme", "acme-inc", OWNERS["acme"]))
    assert {name for name, *_ in await world.pulls()} == {"acme-inc/shop"}
    assert {name for name, *_ in await world.pulls("b")} == {"evil/tool"}


async def test_a_forger_takes_no_name_by_a_rename(world: World) -> None:
    """GitHub says whose a name is that another team's repository has."""
    world.github.add_repository("rival/shop", id=3003)
    await known(world)
    await world.passes(RIVAL, world.pull(3, repo(world, "rival/shop", 3003, "rival"), "b"))
    await world.send(RIVAL, payloads.organization("rival", "acme", OWNERS["rival"]))
    assert {name for name, *_ in await world.pulls()} == {"acme/shop"}
    found = await world.bot.get("/api/v1/pull-requests/acme/shop/7")
    assert found.body["title"] == "Try the new checkout"
    assert (await world.bot.get("/api/v1/pull-requests/acme/shop/3")).status == 404


async def test_a_name_passes_from_one_team_to_another(world: World) -> None:
    """The one who takes it is heard first; GitHub confirms it, and says where the other is."""
    await known(world)
    world.github.rename_owner("acme", "initech")
    world.github.rename_repository("rival/tool", "rival/shop")
    world.github.rename_owner("rival", "acme")
    if world.kinds[RIVAL] == "token":
        world.github._tokens[token_of(RIVAL)].pushes_to = {"rival/tool", "acme/shop"}
    before = repo(world, "rival/shop", TOOL, "rival")
    await world.passes(RIVAL, world.pull(1, before, "b"))
    await world.passes(RIVAL, payloads.organization("rival", "acme", OWNERS["rival"]))
    assert {name for name, *_ in await world.pulls("b")} == {"acme/shop"}
    assert {name for name, *_ in await world.pulls()} == {"initech/shop"}
    await world.passes(ACME, payloads.organization("acme", "initech", OWNERS["acme"]))
    assert {name for name, *_ in await world.pulls()} == {"initech/shop"}
