"""SQLite's write-ahead log goes into the file beside the work, and stays small."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot import storage as store
from bot.demo import payloads
from bot.settings import Settings
from bot.storage import sqlite_checkpoints, sqlite_writing
from tests.domain.lives import clock as at
from tests.kit.deliveries import assert_problem
from tests.kit.marks import sqlite_only
from tests.kit.running import Answer, Bot, eventually, start

pytestmark = sqlite_only

REPO = payloads.repository("acme/shop")
PAGES = 50
SENDERS, MANY = 4, 100  # deliveries of each, of five pages and more
PAGE = 4096 + 24  # bytes in the log
METRIC = "experiment_bot_write_ahead_log_bytes"


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


# --- Beside somebody who reads

LOG_LIMITS = {"MUCH": 60 * PAGE, "MOST": 160 * PAGE, "KEPT": 20 * PAGE}


@contextmanager
def reading(bot: Bot) -> Iterator[None]:
    """Read one moment of the file in another program."""
    with closing(sqlite3.connect(log_of(bot).with_name("bot.db"), isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT COUNT(*) FROM deliveries").fetchall()
        yield


def log_of(bot: Bot) -> Path:
    return bot.services.settings.data_dir / "bot.db-wal"


@pytest.fixture
async def bounded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bot]:
    """A bot whose log is much and full soon."""
    monkeypatch.setattr(sqlite_checkpoints, "PAGES", PAGES)
    for name, value in LOG_LIMITS.items():
        monkeypatch.setattr(sqlite_checkpoints, name, value)
    for name in ("MUCH", "KEPT"):
        monkeypatch.setattr(sqlite_writing, name, LOG_LIMITS[name])
    running = await start(settings)
    yield running
    await running.close()


async def tell_until_refused(bot: Bot, integration: str) -> Answer:
    """Deliver without a pause until it is refused, and return that answer."""
    for number in range(1, 400):
        told = payloads.pull_request("opened", number, at(1), repo=REPO, branch=f"b{number}")
        answer = await bot.deliver(integration, "pull_request", told)
        if answer.status != 200:
            return answer
    raise AssertionError("the log grew and grew")


async def test_the_log_is_bounded_beside_somebody_who_reads(
    bounded: Bot, capsys: pytest.CaptureFixture[str]
) -> None:
    bot, integration = bounded, await bounded.integration()
    assert (await bot.get("/readyz")).body == {"status": "ok"}
    with reading(bot):
        refused = await tell_until_refused(bot, integration)
        assert_problem(refused, 503, "storage unavailable")
        assert "somebody has been reading the database file for" in refused.body["detail"]
        assert int(refused.headers["Retry-After"]) > 0
        size = log_of(bot).stat().st_size
        assert LOG_LIMITS["MOST"] <= size < LOG_LIMITS["MOST"] + 80 * PAGE
        for answer in (
            await bot.get("/readyz"),
            await bot.post("/api/v1/experiments", {"key": "a", "name": "A"}),
        ):
            assert_problem(answer, 503, "storage unavailable")
            assert "somebody has been reading the database file for" in answer.body["detail"]
        assert (await bot.get("/api/v1/experiments")).status == 200
        assert log_of(bot).stat().st_size == size
    # At once, and without a restart.
    told = payloads.pull_request("opened", 1000, at(1), repo=REPO, branch="b1000")
    assert (await bot.deliver(integration, "pull_request", told)).body == {"processed": True}
    assert log_of(bot).stat().st_size < LOG_LIMITS["MUCH"]
    assert (await bot.get("/readyz")).body == {"status": "ok"}
    log = capsys.readouterr().out
    for line in ("log is long", "log is full", "log is short again"):
        assert log.count(f"the write-ahead {line}") == 1


async def test_much_of_the_log_is_told_of(bounded: Bot) -> None:
    bot, integration = bounded, await bounded.integration()
    with reading(bot):
        for number in range(1, 100):
            told = payloads.pull_request("opened", number, at(1), repo=REPO, branch=f"b{number}")
            assert (await bot.deliver(integration, "pull_request", told)).status == 200
            if log_of(bot).stat().st_size > LOG_LIMITS["MUCH"]:
                break
        await bot.deliver(integration, "ping", {})
        ready = await bot.get("/readyz")
        assert ready.status == 200
        assert "somebody has been reading the database file" in ready.body["warning"]
        metrics = (await bot.get("/metrics")).body
        (line,) = [one for one in metrics.splitlines() if one.startswith(METRIC)]
        assert float(line.split()[1]) > LOG_LIMITS["MUCH"]
        found = (await bot.post(f"/api/v1/integrations/{integration}/check")).body["findings"]
        (told,) = [one for one in found if one["check"] == "database"]
        assert told["status"] == "problem" and "fuser" in told["remedy"]


async def test_what_we_read_ourselves_ends_in_time(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread is free again, and the moment that it read is let go."""
    monkeypatch.setattr("bot.storage.sqlite.SECONDS", 0.2)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n"
    for _ in range(3):
        reads = [bot.services.database.read(lambda tx: tx.one(endless)) for _ in range(8)]
        results = await asyncio.gather(*reads, return_exceptions=True)
        assert {type(one) for one in results} == {store.StorageUnavailable}

    async def is_served() -> bool:
        return (await bot.get("/api/v1/experiments")).status == 200

    await eventually(is_served)
