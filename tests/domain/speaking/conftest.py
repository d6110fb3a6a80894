"""Two teams on one bot, with every pair of kinds of credentials."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.outbox.loop import Outbox
from bot.settings import Settings
from tests.domain.speaking.world import ACME, KINDS, RIVAL, SHOP, TOOL, World, equip, integration
from tests.github import GitHub
from tests.kit.clock import Clock
from tests.kit.running import start


@pytest.fixture(params=KINDS, ids="-".join)
def kinds(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Which kind of credential each of the two teams has."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
async def world(settings: Settings, kinds: tuple[str, str], clock: Clock) -> AsyncIterator[World]:
    github = await GitHub.start(clock=clock)
    github.add_repository("acme/shop", id=SHOP)
    github.add_repository("rival/tool", id=TOOL)
    by_team = dict(zip((ACME, RIVAL), kinds, strict=True))
    for team, kind in by_team.items():
        equip(github, team, kind)
    bot = await start(replace(settings, github_api_urls=(github.url,)))
    made = {team: await integration(bot, github, team, kind) for team, kind in by_team.items()}
    for key in ("a", "b"):
        await bot.experiment(key)
    world = World(bot, github, clock, by_team, made, Outbox(bot.services))
    yield world
    await world.outbox.stop(1)
    await world.bot.close()
    await github.close()
