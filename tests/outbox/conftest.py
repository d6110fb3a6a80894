"""Fixtures of outbox."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from bot.settings import Settings
from tests.kit import outbound
from tests.kit.clock import Clock
from tests.kit.outbound import Scene
from tests.outbox.addresses import Decoy
from tests.outbox.stories import KEY


@pytest.fixture
async def decoy() -> AsyncIterator[Decoy]:
    made = Decoy()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    running = web.AppRunner(app, access_log=None)
    await running.setup()
    await web.TCPSite(running, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{running.addresses[0][1]}"
    yield made
    await running.cleanup()


@pytest.fixture
async def enterprise(settings: Settings, credential: str, clock: Clock) -> AsyncIterator[Scene]:
    """A bot on an Enterprise Server, whose API is below a path of its host."""
    opened = await outbound.scene(settings, credential, clock, prefix="/api/v3")
    yield opened
    await outbound.close(opened)


@pytest.fixture
async def working(scene: Scene) -> AsyncIterator[Scene]:
    """A bot with an experiment, whose outbox is at work."""
    await scene.bot.experiment(KEY)
    task = scene.work_on()
    yield scene
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
