"""SQLite's write-ahead log goes into the file beside the work, and stays small."""

import asyncio
from typing import Any

import pytest

from bot.demo import payloads
from bot.storage import sqlite_checkpoints
from tests.domain.lives import clock as at
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

pytestmark = sqlite_only

REPO = payloads.repository("acme/shop")
PAGES = 50
SENDERS, MANY = 4, 100  # deliveries of each, of five pages and more
PAGE = 4096 + 24  # bytes in the log


async def tell_many(bot: Bot) -> None:
    """Send without a pause: each while others are committed."""
    integration = await bot.integration()

    async def send(first: int) -> None:
        for number in range(first, first + MANY):
            told = payloads.pull_request("opened", number, at(1), repo=REPO, branch=f"b{number}")
            assert (await bot.deliver(integration, "pull_request", told)).body["processed"]

    await asyncio.gather(*(send(1 + sender * MANY) for sender in range(SENDERS)))


async def test_the_log_is_begun_anew_again_and_again(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_checkpoints, "PAGES", PAGES)
    await tell_many(bot)
    log = bot.services.settings.data_dir / "bot.db-wal"
    assert 0 < log.stat().st_size < 10 * PAGES * PAGE


async def test_nothing_is_refused_when_the_file_cannot_be_written(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sqlite_checkpoints, "PAGES", 1)
    database: Any = bot.services.database
    database._writer._checkpoints._connection.close()  # as good as a disk that is full
    await tell_many(bot)
    assert "not writing the log into the database file" in capsys.readouterr().out
