"""Fixtures of deliveries."""

from collections.abc import Iterator

import pytest

from tests.kit.breakage import Breakage, broken
from tests.kit.running import Bot


@pytest.fixture
async def integration(bot: Bot) -> str:
    await bot.experiment("a")
    return await bot.integration()


@pytest.fixture
def breakage() -> Iterator[Breakage]:
    """Lets pull requests fail until it is mended."""
    with broken() as breakage:
        yield breakage
