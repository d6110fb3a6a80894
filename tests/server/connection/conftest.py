"""Fixtures of connection."""

from typing import Any

import pytest
from aiohttp.web import UrlDispatcher

from bot.deliveries import life
from tests.deliveries.hostile.attack import Door
from tests.kit.running import Bot
from tests.server.connection.sending import Gate


@pytest.fixture
async def at(bot: Bot) -> Door:
    return Door(bot, await bot.integration())


@pytest.fixture
def routed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses of the requests that aiohttp answers."""
    resolve, paths = UrlDispatcher.resolve, []

    async def noted(self: UrlDispatcher, request: Any) -> Any:
        paths.append(request.path)
        return await resolve(self, request)

    monkeypatch.setattr(UrlDispatcher, "resolve", noted)
    return paths


@pytest.fixture
async def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(life, "ingest", gate.ingest)
    return gate
