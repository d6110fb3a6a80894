"""What two integrations told of before it was noted who told what."""

import uuid

import pytest

from bot import storage as store
from bot.demo import payloads
from tests.domain.speaking.world import ACME, KINDS, RIVAL, World, integration
from tests.kit.deliveries import PROCESSED

pytestmark = pytest.mark.parametrize("kinds", KINDS[:2], indirect=True, ids="-".join)


async def test_what_both_told_stays_when_the_first_loses_its_right(world: World) -> None:
    world.share(RIVAL)
    push = payloads.push("feature", ["One\n\nExperiment-Key: a"], repo=world.repo())
    for number, payload in enumerate((world.pull(7), world.pull(8), push)):
        for team in (ACME, RIVAL)[: 1 if number == 1 else 2]:  # one of them ACME alone has told
            answer = await world.send(team, payload, guid=str(uuid.UUID(int=number)))
            assert answer.body == PROCESSED
    await world.bot.services.database.write(_as_before, heavy=True)
    world.lose(ACME)
    await world.passes(RIVAL, world.pull(9))
    assert [number for _, number, *_ in await world.pulls()] == [7, 9]
    assert [one.partition("\n")[0] for one in await world.commits()] == ["One"]
    await world.is_refused(ACME, world.pull(7))


async def test_who_was_never_first_has_spoken_too(world: World) -> None:
    """A second integration of a team that has lost its right keeps nothing for it."""
    world.integrations["twin"] = await integration(world.bot, world.github, ACME, world.kinds[ACME])
    world.kinds["twin"] = "token"  # its deliveries name no installation
    for team in (ACME, "twin"):
        await world.send(team, world.pull(7), guid=str(uuid.UUID(int=7)))
    await world.bot.services.database.write(_as_before, heavy=True)
    world.lose(ACME)
    world.share(RIVAL)
    await world.passes(RIVAL, world.pull(9))
    assert [number for _, number, *_ in await world.pulls()] == [9]


def _as_before(tx: store.Transaction) -> None:
    """Let all be as a database of version 11 is after its upgrade."""
    for sql in (
        "DELETE FROM tellers",
        "DELETE FROM speakers",
        "UPDATE repositories SET speaker_id = NULL, is_contested = 0",
    ):
        tx.run(sql)
    data = [one for one in store.schema.MIGRATIONS[11] if not one.startswith(("ALTER", "CREATE"))]
    for sql in data:
        tx.run(sql)
