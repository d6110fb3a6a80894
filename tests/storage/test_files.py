"""What happens to an SQLite file under a running service: nothing is acknowledged that is lost."""

import asyncio
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import replace as replace_in
from pathlib import Path

import pytest

from bot import storage as store
from bot.settings import Settings
from tests.kit.deliveries import PROCESSED, pull_request
from tests.kit.marks import sqlite_only
from tests.kit.running import Answer, Bot, eventually, start

pytestmark = sqlite_only
PAGES = ("/api/v1/experiments", "/api/v1/actions", "/api/v1/integrations", "/sign-in", "/")


def files_of(bot: Bot) -> list[Path]:
    path = Path(bot.services.settings.database_url.removeprefix("sqlite:///"))
    return [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]


def delete(path: Path) -> None:
    path.unlink()


def move(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def replace(path: Path) -> None:
    shutil.copyfile(path, path.with_name("another"))
    path.with_name("another").replace(path)


def empty(path: Path) -> None:
    os.truncate(path, 0)


async def assert_refuses_all(bot: Bot, integration: str) -> None:
    """Every answer is a 503 that says to come back, but for pages that ask for nothing stored."""
    for number in (2, 3):
        answer = await bot.deliver(integration, "pull_request", pull_request(number))
        assert (answer.status, answer.body["error"]) == (503, "storage unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    ready = await bot.get("/readyz", token=None)
    assert ready.status == 503 and "start the service" in ready.body["detail"]
    for page in PAGES:
        answer = await bot.get(page)
        assert answer.status in (503, 200), (page, answer.body)
        assert answer.status == 503 or not page.startswith("/api")


@pytest.mark.parametrize("which", [0, 1, 2], ids=["file", "log", "index of the log"])
@pytest.mark.parametrize("how", [delete, move, replace])
async def test_files_that_are_not_there_any_more(
    bot: Bot, which: int, how: Callable[[Path], None], log_stream: io.StringIO
) -> None:
    integration = await bot.integration()
    assert (await bot.deliver(integration, "pull_request", pull_request(1))).body == PROCESSED
    files = files_of(bot)
    how(files[which])
    if which == 2:  # holds nothing of what is committed: it is missed when somebody looks
        assert (await bot.get("/readyz", token=None)).status == 503
    await assert_refuses_all(bot, integration)
    if how is not replace:
        assert not files[which].exists()  # nothing is made in its place
    lines = [json.loads(line) for line in log_stream.getvalue().splitlines()]
    (told,) = [line for line in lines if line["message"] == "the database is lost"]
    assert files[which].name in told["reason"] and "start the service" in told["remedy"]


async def test_a_file_that_is_emptied(bot: Bot) -> None:
    integration = await bot.integration()
    empty(files_of(bot)[0])
    await assert_refuses_all(bot, integration)


async def test_a_folder_that_is_away_for_a_while(bot: Bot, settings: Settings) -> None:
    """What was there is, and it goes on by itself."""
    integration = await bot.integration()
    assert (await bot.deliver(integration, "pull_request", pull_request(1))).body == PROCESSED
    folder = files_of(bot)[0].parent
    folder.rename(folder.with_name("away"))
    await assert_refuses_all(bot, integration)
    assert not folder.exists()
    folder.with_name("away").rename(folder)

    async def is_ready() -> bool:
        return (await bot.get("/readyz", token=None)).status == 200

    await eventually(is_ready)
    assert (await bot.deliver(integration, "pull_request", pull_request(9))).body == PROCESSED
    again = await start(settings)
    try:
        stored = await again.get(f"/api/v1/integrations/{integration}/deliveries")
        assert len(stored.items) >= 2
    finally:
        await again.close()


@pytest.mark.parametrize("which", ["link", "log"])
async def test_a_link_to_the_file(settings: Settings, which: str) -> None:
    """SQLite keeps its log beside the file itself; another start follows the link."""
    file = Path(settings.database_url.removeprefix("sqlite:///"))
    link = file.with_name("link.db")
    link.symlink_to(file.name)
    bot = await start(replace_in(settings, database_url=f"sqlite:///{link}"))
    try:
        integration = await bot.integration()
        assert (await bot.deliver(integration, "pull_request", pull_request(1))).body == PROCESSED
        metrics = (await bot.get("/metrics")).body
        (log,) = re.findall(r"^experiment_bot_\S*log_bytes (\S+)$", metrics, re.MULTILINE)
        assert float(log) > 0
        if which == "link":
            shutil.copyfile(file, file.with_name("another.db"))
            link.unlink()
            link.symlink_to("another.db")
        else:
            file.with_name(f"{file.name}-wal").unlink()
        await assert_refuses_all(bot, integration)
    finally:
        await bot.close()


async def test_another_folder_for_a_moment(bot: Bot) -> None:
    """What was opened in it is never read once the first is back."""
    await bot.experiment("checkout")
    folder, away = files_of(bot)[0].parent, files_of(bot)[0].parent.with_name("away")
    store.engine(f"sqlite:///{away / files_of(bot)[0].name}").migrate()

    def swap() -> None:
        folder.rename(folder.with_name("third"))
        away.rename(folder)
        folder.with_name("third").rename(away)

    async def ask() -> list[Answer]:
        return await asyncio.gather(*(bot.get("/api/v1/experiments") for _ in range(12)))

    async def is_noticed() -> bool:
        return 503 in {answer.status for answer in await ask()}

    swap()
    await eventually(is_noticed)
    swap()
    assert (await bot.get("/readyz", token=None)).status == 200
    for answer in await ask() + await ask():
        assert [one["key"] for one in answer.items] == ["checkout"]


async def test_it_is_noticed_before_anybody_asks(bot: Bot, log_stream: io.StringIO) -> None:
    files_of(bot)[0].unlink()

    async def noticed() -> bool:
        return "the database is lost" in log_stream.getvalue()

    await eventually(noticed)


def spoil(path: Path, size: int = 4096) -> None:
    """Write over all pages but the first, as a broken disk would."""
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // size):
            file.seek(page * size)
            file.write(os.urandom(size))


async def test_pages_that_are_damaged(bot: Bot, log_stream: io.StringIO) -> None:
    integration = await bot.integration()
    await bot.experiment("checkout")
    for number in range(1, 30):
        await bot.deliver(integration, "pull_request", pull_request(number))
    path = files_of(bot)[0]
    other = sqlite3.connect(path)
    other.execute("PRAGMA wal_checkpoint(FULL)")  # so that pages are read from the file
    spoil(path)
    statuses = set()
    for number in range(100, 110):
        sent = await bot.deliver(integration, "issues", pull_request(number))
        statuses.add(sent.status)
        for page in (*PAGES, "/readyz", f"/api/v1/integrations/{integration}/deliveries"):
            statuses.add((await bot.get(page)).status)
    other.close()
    assert statuses <= {200, 503, 400, 401} and 503 in statuses
    ready = await bot.get("/readyz", token=None)
    assert ready.status == 503 and "backup" in ready.body["detail"]
    assert (await bot.deliver(integration, "pull_request", pull_request(200))).status == 503
    assert log_stream.getvalue().count("the database is damaged") == 1


async def test_a_file_that_is_another_now(bot: Bot, log_stream: io.StringIO) -> None:
    """Its first page, too, is no database's any more."""
    integration = await bot.integration()
    path = files_of(bot)[0]
    other = sqlite3.connect(path)
    other.execute("PRAGMA wal_checkpoint(FULL)")
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))

    async def noticed() -> bool:
        return (await bot.get("/readyz", token=None)).status == 503

    await eventually(noticed)
    other.close()
    assert (await bot.deliver(integration, "pull_request", pull_request(2))).status == 503
    assert "the database is damaged" in log_stream.getvalue()


async def another(bot: Bot, path: Path) -> None:
    """Copy a whole database of the same program onto the file."""
    with sqlite3.connect(path) as here, sqlite3.connect(path.with_name("copy.db")) as there:
        here.backup(there)
        there.execute("PRAGMA journal_mode = WAL")
        there.execute("CREATE TABLE more (what)")
    there.close()
    here.close()
    subprocess.run(["cp", path.with_name("copy.db"), path], check=True)


async def older(bot: Bot, path: Path) -> None:
    """Copy onto the file how it was a while ago."""
    other = sqlite3.connect(path)
    other.execute("PRAGMA wal_checkpoint(FULL)")
    subprocess.run(["cp", path, path.with_name("copy.db")], check=True)
    for number in range(50, 99):
        body = f"experiment_key: checkout\n{os.urandom(20_000).hex()}"
        await bot.deliver(
            (await bot.get("/api/v1/integrations")).items[0]["id"],
            "pull_request",
            pull_request(number, body=body),
        )
    other.execute("PRAGMA wal_checkpoint(FULL)")
    other.close()
    assert (await bot.get("/readyz", token=None)).status == 200
    subprocess.run(["cp", path.with_name("copy.db"), path], check=True)


@pytest.mark.parametrize("copy", [another, older])
async def test_a_database_that_is_copied_onto_it(
    bot: Bot, copy: Callable[[Bot, Path], Awaitable[None]], log_stream: io.StringIO
) -> None:
    """It is the same file by its number. Nothing is acknowledged that the copy does not have."""
    integration = await bot.integration()
    assert (await bot.deliver(integration, "pull_request", pull_request(1))).body == PROCESSED
    await copy(bot, files_of(bot)[0])
    await assert_refuses_all(bot, integration)
    assert log_stream.getvalue().count("the database is damaged") == 1


@pytest.mark.parametrize("which", [0, 1], ids=["file", "log"])
async def test_a_file_that_is_cut_short(bot: Bot, which: int) -> None:
    integration = await bot.integration()
    assert (await bot.deliver(integration, "pull_request", pull_request(1))).body == PROCESSED
    path = files_of(bot)[which]
    os.truncate(path, path.stat().st_size // 8192 * 4096)
    await assert_refuses_all(bot, integration)


async def test_what_sqlite_itself_writes_is_no_damage(bot: Bot) -> None:
    """Other programs may read, write and tidy the file, and a new time alone is no new content."""
    integration = await bot.integration()
    path = files_of(bot)[0]
    other = sqlite3.connect(path, isolation_level=None)
    for number in range(1, 30):
        sent = await bot.deliver(integration, "pull_request", pull_request(number))
        assert sent.body == PROCESSED
        other.execute(f"CREATE TABLE foreign_{number} (what)")
        how = ("PASSIVE", "FULL", "RESTART", "TRUNCATE")[number % 4]
        other.execute(f"PRAGMA wal_checkpoint({how})")
        if number % 5 == 0:
            os.utime(path)
        assert (await bot.get("/readyz", token=None)).status == 200
    other.execute("VACUUM")
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    assert (await bot.deliver(integration, "pull_request", pull_request(40))).body == PROCESSED


async def test_it_is_not_ready_while_nothing_can_be_written(bot: Bot, settings: Settings) -> None:
    """On a full disk, say; reading goes on."""
    integration = await bot.integration()
    await bot.experiment("checkout")
    connection = bot.services.database._writer._connection  # type: ignore[attr-defined]
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")  # "database or disk is full"
    body = "experiment_key: checkout\n" + os.urandom(100_000).hex()
    full = await bot.deliver(integration, "pull_request", pull_request(1, body=body))
    assert full.status == 503
    connection.execute("PRAGMA query_only = ON")
    assert (await bot.get("/readyz", token=None)).status == 503
    assert (await bot.get("/api/v1/experiments/checkout")).status == 200
    connection.execute("PRAGMA query_only = OFF")
    assert (await bot.get("/readyz", token=None)).status == 200
