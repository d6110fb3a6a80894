"""A GitHub whose API is below a path, and a bot that may call it."""

import dataclasses
from collections.abc import AsyncIterator

import pytest

from bot.settings import Settings
from tests.dashboard.setup.visit import PUBLIC_URL
from tests.github import GitHub
from tests.kit.running import Bot, start


@pytest.fixture
async def github() -> AsyncIterator[GitHub]:
    running = await GitHub.start(prefix="/api/v3")
    yield running
    await running.close()


@pytest.fixture
async def bot(settings: Settings, github: GitHub) -> AsyncIterator[Bot]:
    running = await start(
        dataclasses.replace(settings, github_api_urls=(github.url,), public_url=PUBLIC_URL)
    )
    yield running
    await running.close()
