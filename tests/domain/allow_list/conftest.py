"""A bot of which two integrations hear of three repositories."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.demo import payloads
from bot.settings import Settings
from tests.domain.allow_list.world import FORK, SHOP, VAULT, World, integration, pull, repo
from tests.github import GitHub, rsa_key
from tests.kit.clock import Clock
from tests.kit.deliveries import at
from tests.kit.outbound import APP, INSTALLATION, LOGIN, PERMISSIONS, TOKEN
from tests.kit.running import start


@pytest.fixture
def credential(request: pytest.FixtureRequest) -> str:
    """A token, unless a test names another."""
    name: str = getattr(request, "param", "token")
    return name


@pytest.fixture
async def world(settings: Settings, credential: str, clock: Clock) -> AsyncIterator[World]:
    github = await GitHub.start(clock=clock)
    github.add_repository("acme/shop", id=SHOP)
    github.add_repository("acme/vault", id=VAULT, private=True)
    github.add_repository("jane/shop", id=FORK)
    if credential == "app":
        github.add_app(APP, rsa_key(), LOGIN, permissions=PERMISSIONS, events=["pull_request"])
        github.add_installation(APP, INSTALLATION, "acme", repositories="all")
    else:
        github.add_token(TOKEN, LOGIN)
    bot = await start(replace(settings, github_api_urls=(github.url,)))
    wide, narrow = [
        await integration(bot, credential, repositories=listed) for listed in (None, ["Acme/Shop"])
    ]
    await bot.experiment("a")
    world = World(bot, github, wide, narrow, clock)
    vault = repo("acme/vault", VAULT)
    await world.passes(pull(1, 0, vault, branch="secret"), wide)
    await world.passes(
        payloads.issue("opened", 2, at(0), repo=vault, body="experiment_key: a"), wide
    )
    await world.passes(payloads.push("secret", ["One"], repo=vault), wide)
    yield world
    await bot.close()
    await github.close()
    assert github.violations == []
