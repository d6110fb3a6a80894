"""Fixtures of hostile."""

import io
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.deliveries.hostile.attack import Door, settings_in
from tests.kit.deliveries import pull_request
from tests.kit.running import Bot, start


@pytest.fixture
def log_lines(log_stream: io.StringIO) -> Callable[[], list[dict[str, Any]]]:
    """The log as a machine reads it."""
    return lambda: [json.loads(line) for line in log_stream.getvalue().splitlines()]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bot]:
    running = await start(settings_in(tmp_path_factory.mktemp("hostile")))
    yield running
    await running.close()


@pytest_asyncio.fixture(loop_scope="module")
async def door(bot: Bot, log_lines: Callable[[], list[dict[str, Any]]]) -> AsyncIterator[Door]:
    """Whatever a test did to it, the next good delivery is processed, and no fault was logged."""
    door = Door(bot, await bot.integration())
    yield door
    answer = await bot.deliver(door.integration, "pull_request", pull_request())
    assert (answer.status, answer.body) == (200, {"processed": True})
    assert [line for line in log_lines() if line["level"] in ("error", "critical")] == []
