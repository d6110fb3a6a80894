"""`migrate-database`, interrupted: nobody takes a part of an installation for the whole."""

import asyncio
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from bot import storage as store
from bot.demo import payloads
from tests.kit.deliveries import REPO
from tests.kit.marks import slow
from tests.kit.ports import free_port
from tests.kit.processes import ROOT, app, environment
from tests.storage.moving import TO_POSTGRESQL, TO_SQLITE, Move
from tests.storage.test_migrate_database import DELIVERIES, everything, fill

pytestmark = slow


class Interrupted(Exception):
    """What a test raises in the middle."""


def stop_in(table: str) -> Callable[[str, int], None]:
    """Return an `advance` that raises once a step of `table` is copied."""

    def advance(of: str, rows: int) -> None:
        if of == table and rows:
            raise Interrupted

    return advance


def first_value(database: str, sql: str) -> Any:
    """Return the first value that another program reads in a database."""
    if database.startswith("sqlite"):
        path = database.removeprefix("sqlite:///")
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            return connection.execute(sql).fetchone()[0]
    with psycopg.connect(database) as other:
        row = other.execute(sql).fetchone()
        assert row is not None
        return row[0]


async def refuses(move: Move, *command: str) -> None:
    """See that a command of the service says in a line what is wrong with the target."""
    env = environment(move.folder, DATABASE_URL=move.target, PORT=str(free_port()))
    code, out, errors = await app(*command, env=env)
    (line,) = [one for one in errors.splitlines() if not one.startswith("{")]
    assert (code, out) == (1, "")
    assert "a copy that was not completed" in line and "migrate-database again" in line
    assert "Start the service" not in line


@pytest.mark.parametrize(
    ("move", "table"),
    [("to sqlite", "integrations"), ("to postgresql", "activity")],
    indirect=["move"],
)
async def test_an_interrupted_copy_is_refused_and_begun_anew(move: Move, table: str) -> None:
    async with move.service(move.source) as bot:
        integrations = await fill(bot, DELIVERIES)
        before = await everything(bot, integrations)
    async with move.engines(incomplete=True) as (source, target):
        with pytest.raises(Interrupted):
            await store.transfer.copy(source, target, overwrite=False, advance=stop_in(table))
    await refuses(move, "serve")
    code, _, errors = await move.run()
    assert code == 0, errors
    async with move.service(move.target) as bot:
        assert await everything(bot, integrations) == before


@TO_SQLITE
async def test_no_command_takes_an_interrupted_copy_for_the_whole(move: Move) -> None:
    async with move.service(move.source) as bot:
        await fill(bot, 3)
    async with move.engines(incomplete=True) as (source, target):
        with pytest.raises(Interrupted):
            await store.transfer.copy(source, target, overwrite=False, advance=stop_in("activity"))
    for command in (("worker",), ("token", "list"), ("doctor",), ("backup", "x")):
        if command[0] != "backup" or move.target.startswith("sqlite"):
            await refuses(move, *command)
    code, _, errors = await Move(move.target, move.source, move.folder).run("--overwrite")
    assert code == 1 and "FROM: the database is a copy that was not completed" in errors


async def test_a_copy_that_is_killed_is_refused_and_begun_anew(move: Move) -> None:
    async with move.service(move.source) as bot:
        integrations = await fill(bot, DELIVERIES)
        before = await everything(bot, integrations)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "app.py", "migrate-database", move.source, move.target),
        cwd=ROOT,
        env=environment(move.folder),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def has_begun() -> bool:
        assert process.returncode is None, "it was too fast"
        try:
            return bool(first_value(move.target, f"SELECT COUNT(*) FROM {store.schema.INCOMPLETE}"))
        except (sqlite3.Error, psycopg.Error):
            return False

    while not await has_begun():
        await asyncio.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await refuses(move, "serve")
    code, _, errors = await move.run()
    assert code == 0, errors
    async with move.service(move.target) as bot:
        assert await everything(bot, integrations) == before


async def test_a_copy_to_itself_harms_nothing(move: Move) -> None:
    """Whatever the database is called, and though TO may be emptied: it is not even marked."""
    async with move.service(move.source) as bot:
        integrations = await fill(bot, 3)
        before = await everything(bot, integrations)
    marked: list[bool] = []
    async with move.engines() as (source, _):
        again = store.engine(move.source.replace("/bot.db", "/./bot.db"))
        await again.start()

        async def read(job: Any, **options: Any) -> Any:
            marked.append(await again.read(lambda tx: tx.has_table(store.schema.INCOMPLETE)))
            return await type(source).read(source, job, **options)

        with (
            pytest.MonkeyPatch.context() as patch,
            pytest.raises(store.transfer.TransferRefused, match="the same database"),
        ):
            patch.setattr(source, "read", read)
            await store.transfer.copy(source, again, overwrite=True, advance=lambda *_: None)
        await again.close()
    assert marked and not any(marked)
    async with move.service(move.source) as bot:
        assert await everything(bot, integrations) == before


@pytest.mark.parametrize("when", ["integrations", "audit"])  # at the beginning, before the check
async def test_of_two_copies_to_one_target_one_succeeds(move: Move, when: str) -> None:
    """The first to begin finds that another has begun anew, and adds nothing to it."""
    async with move.service(move.source) as bot:
        integrations = await fill(bot, 3)
        before = await everything(bot, integrations)
    whose = f"SELECT MAX(note) FROM {store.schema.INCOMPLETE}"

    async def copy_again() -> None:
        async with move.engines(incomplete=True) as (source, target):
            await store.transfer.copy(source, target, overwrite=False, advance=lambda *_: None)

    second: list[Future[None]] = []
    with ThreadPoolExecutor(1) as beside:

        def begin_another(table: str, _: int) -> None:
            if second or table != when:
                return
            ours = first_value(move.target, whose)
            second.append(beside.submit(asyncio.run, copy_again()))
            while not second[0].done() and first_value(move.target, whose) == ours:
                time.sleep(0.01)

        async with move.engines(incomplete=True) as (source, target):
            with pytest.raises(store.transfer.TransferRefused, match="another copy"):
                await store.transfer.copy(source, target, overwrite=False, advance=begin_another)
        await asyncio.wrap_future(second[0])
    async with move.service(move.target) as bot:
        assert await everything(bot, integrations) == before


async def test_a_source_that_is_written_to_makes_no_copy(move: Move) -> None:
    """What is read is one moment's; what came later would be lost without a word."""
    async with move.service(move.source) as bot:
        await fill(bot, 3)
    async with move.service(move.source) as bot, move.engines(incomplete=True) as (source, target):
        (integration, *_) = await bot.walk("/api/v1/integrations")
        late: list[asyncio.Task[Any]] = []

        def deliver(*_: object) -> None:
            if not late:
                payload = payloads.star("2026-03-02T10:00:00Z", repo=REPO, sender="mona")
                coming = bot.deliver(
                    integration["id"], "star", payload, secret="second-webhook-secret"
                )
                late.append(asyncio.create_task(coming))

        with pytest.raises(store.transfer.TransferRefused, match=r"written to .*deliveries"):
            await store.transfer.copy(source, target, overwrite=False, advance=deliver)
        assert (await late[0]).status == 200
    await refuses(move, "serve")
    assert (await move.run())[0] == 0


async def test_a_source_whose_rows_change_makes_no_copy(move: Move) -> None:
    """As many rows as were read are not the same ones: an action is done, a name is corrected."""
    async with move.service(move.source) as bot:
        await fill(bot, 3)
    async with move.engines(incomplete=True) as (source, target):
        change = "UPDATE experiments SET name = 'Corrected'"
        late: list[asyncio.Task[Any]] = []

        def correct(*_: object) -> None:
            if not late:
                coming = source.write(lambda tx: tx.run(change))
                late.append(asyncio.create_task(coming))

        with pytest.raises(store.transfer.TransferRefused, match=r"written to .*experiments"):
            await store.transfer.copy(source, target, overwrite=False, advance=correct)
        await late[0]
    await refuses(move, "serve")
    assert (await move.run())[0] == 0


@TO_SQLITE  # of a source on PostgreSQL
async def test_a_target_that_is_slow_does_not_lose_the_source(move: Move) -> None:
    """What reads waits for what writes, longer than an idle transaction otherwise may."""
    async with move.service(move.source) as bot:
        await fill(bot, 3)
    async with move.engines(incomplete=True) as (source, target):

        def hold_up(table: str, rows: int) -> None:
            if table == "deliveries" and rows:
                time.sleep(12)

        await store.transfer.copy(source, target, overwrite=False, advance=hold_up)
    async with move.service(move.target) as bot:
        assert len(await bot.walk("/api/v1/integrations")) > 0


FULL = """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'no space is left' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER is_full BEFORE INSERT ON experiments EXECUTE FUNCTION full_disk()"""


@TO_POSTGRESQL  # test_backup.py fills disks of files
async def test_a_target_whose_disk_is_full_is_not_waited_for(move: Move) -> None:
    async with move.service(move.source) as bot:
        integrations = await fill(bot, 3)
        before = await everything(bot, integrations)
    async with move.engines(incomplete=True):
        with psycopg.connect(move.target) as other:
            other.execute(FULL)
    code, _, errors = await move.run()
    assert code == 1 and errors.splitlines()[-1].startswith("Error: no space is left")
    await refuses(move, "serve")
    with psycopg.connect(move.target) as other:
        other.execute("DROP FUNCTION full_disk CASCADE")
    assert (await move.run())[0] == 0
    async with move.service(move.target) as bot:
        assert await everything(bot, integrations) == before


BAD_ROWS = {
    "text with U+0000": ("UPDATE integrations SET name = 'a' || char(0) || 'b'", "NUL"),
    "a number too large": ("UPDATE integrations SET is_active = 40000", "range"),
    "text for a number": ("UPDATE integrations SET is_active = 'yes'", "yes"),
}


@TO_POSTGRESQL  # which has no such rows itself
@pytest.mark.parametrize("kind", BAD_ROWS)
async def test_a_row_that_the_target_cannot_take_is_named(move: Move, kind: str) -> None:
    """It would fail every time: so what is to be corrected is said."""
    async with move.service(move.source) as bot:
        await fill(bot, 3)
        await bot.integration(name="Good")
    change, words = BAD_ROWS[kind]
    with sqlite3.connect(move.source.removeprefix("sqlite:///")) as connection:
        connection.execute(f"{change} WHERE seq = 2")
    connection.close()
    code, out, errors = await move.run()
    assert (code, out) == (1, "")
    last = errors.splitlines()[-1]
    assert last.startswith("Error: integrations: TO cannot take the row whose seq = 2: ")
    assert words in last and "Correct that row in FROM" in last
    await refuses(move, "serve")


@TO_POSTGRESQL  # which has no such rows itself
async def test_a_row_that_cannot_be_read_is_named(move: Move) -> None:
    async with move.service(move.source) as bot:
        await fill(bot, 3)
    with sqlite3.connect(move.source.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE experiments SET name = CAST(X'61FF' AS TEXT)")
    connection.close()
    code, out, errors = await move.run()
    assert (code, out) == (1, "")
    assert errors.splitlines()[-1].startswith(
        "Error: experiments cannot be read at its beginning: "
    )
