"""A GitHub with one repository, and a bot that may call it."""

import dataclasses
from collections.abc import AsyncIterator

import pytest

from bot.settings import Settings
from tests.doctor.scene import PUBLIC_URL, SHOP, Scene
from tests.github import GitHub
from tests.kit.running import Bot


@pytest.fixture
async def github() -> AsyncIterator[GitHub]:
    running = await GitHub.start()
    running.add_repository(SHOP, private=True)
    yield running
    await running.close()


@pytest.fixture
def settings(settings: Settings, github: GitHub) -> Settings:
    return dataclasses.replace(settings, github_api_urls=(github.url,), public_url=PUBLIC_URL)


@pytest.fixture
async def scene(bot: Bot, github: GitHub) -> Scene:
    return Scene(bot, github)
