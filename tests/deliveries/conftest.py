"""Fixtures of deliveries."""

import pytest

from tests.kit.running import Bot


@pytest.fixture
async def integration(bot: Bot) -> str:
    await bot.experiment("a")
    return await bot.integration()
