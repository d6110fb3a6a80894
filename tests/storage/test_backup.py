"""`backup`: a copy of a database in use, from which everything comes back, or none at all."""

import asyncio
import fcntl
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot import storage as store
from bot.demo import payloads
from bot.storage import backup
from tests.kit.deliveries import REPO
from tests.kit.marks import slow
from tests.kit.processes import ROOT, app, environment, running
from tests.kit.running import Bot
from tests.server.test_readme import block_of

AT = "2026-03-02T10:00:00Z"
SECRET = "the-webhook-secret-of-the-tests"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The database of a service that is stopped."""
    path = tmp_path / "data" / "bot.db"
    path.parent.mkdir(0o700)
    store.engine(f"sqlite:///{path}").migrate()
    return path


def count(path: Path, table: str) -> int:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    found: int = connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
    connection.close()
    return found


def left(folder: Path) -> set[str]:
    """Return what is in a folder beside the folder of the service, and its logs."""
    return {one.name for one in folder.iterdir() if one.is_file() and one.suffix != ".log"}


async def deliver(bot: Bot, integration: str, number: int) -> int:
    payload = payloads.pull_request(
        "opened", number, AT, repo=REPO, body="experiment_key: checkout"
    )
    return (await bot.deliver(integration, "pull_request", payload, secret=SECRET)).status


@slow
async def test_everything_comes_back_from_a_copy_made_in_use(tmp_path: Path) -> None:
    folder, copy = tmp_path / "data", tmp_path / "copy.db"
    env = environment(folder)
    async with running(folder, 1, "--processes", "2") as (bot,):
        integration = await bot.integration(config={"webhook_secret": SECRET})
        await bot.experiment("checkout", hypothesis="It sells more")
        numbers = iter(range(1, 100_000))
        sent = {number: await deliver(bot, integration, number) for number in (next(numbers),)}
        is_made = asyncio.Event()

        async def go_on() -> None:
            while not is_made.is_set():
                number = next(numbers)
                sent[number] = await deliver(bot, integration, number)

        arriving = [asyncio.create_task(go_on()) for _ in range(3)]
        await asyncio.sleep(0.2)
        before = set(sent)
        code, out, errors = await app("backup", str(copy), env=env)
        is_made.set()
        await asyncio.gather(*arriving)
        assert (code, errors) == (0, ""), errors
        assert f"{copy}: " in out and "verified" in out
        assert str(folder / "secret.key") in out
        assert set(sent.values()) == {200}
        await deliver(bot, integration, 100_001)
    assert (copy.stat().st_mode & 0o777, left(tmp_path)) == (0o600, {"copy.db"})

    # What the service was killed with may still be beside the file.
    subprocess.run(["sh", "-ec", block_of("deployment.md", "bot.db-wal")], cwd=tmp_path, check=True)
    async with running(folder, 1) as (bot,):
        rows = await bot.walk("/api/v1/experiments/checkout/pull-requests", 200)
        found = {one["number"] for one in rows}
        assert before <= found <= set(sent), "what was answered before the backup is in it"
        assert (await bot.get("/api/v1/experiments/checkout")).body["hypothesis"] == "It sells more"
        assert await deliver(bot, integration, 100_002) == 200, "the secret is what it was"


async def test_a_copy_of_a_stopped_service(path: Path, tmp_path: Path) -> None:
    """It is one file, which needs none beside it; nor is anything left beside the database."""
    copy = tmp_path / "copy.db"
    code, out, errors = await app("backup", str(copy), env=environment(path.parent))
    assert (code, errors) == (0, ""), errors
    assert copy.read_bytes()[18:20] == b"\1\1", "it has no write-ahead log"
    assert left(tmp_path) == {"copy.db"} and {one.name for one in path.parent.iterdir()} == {
        "bot.db"
    }
    # A second one replaces the first only if that is said.
    before = copy.stat().st_ino
    code, out, errors = await app("backup", str(copy), env=environment(path.parent))
    assert (code, out) == (1, "") and "there already" in errors and "--force" in errors
    assert copy.stat().st_ino == before
    copy.write_text("an old one")
    copy.chmod(0o644)
    code, _, errors = await app("backup", str(copy), "--force", env=environment(path.parent))
    assert (code, errors) == (0, "")
    assert copy.stat().st_mode & 0o777 == 0o600 and count(copy, "api_tokens") == 0


def leave_a_log(copy: Path) -> None:
    """Write to a database as a program does that is killed before it has tidied up."""
    code = f"""if True:
        import os, signal, sqlite3
        connection = sqlite3.connect({str(copy)!r}, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("INSERT INTO recorded_settings (name, value) VALUES ('late', '')")
        os.kill(os.getpid(), signal.SIGKILL)"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert copy.with_name("copy.db-wal").exists()


async def test_a_log_that_the_copy_before_has_left(path: Path, tmp_path: Path) -> None:
    """SQLite would write it into the new copy, once that is opened."""
    copy, env = tmp_path / "copy.db", environment(path.parent)
    backup.make(path, copy, replace=False, seconds=20)
    leave_a_log(copy)
    code, _, errors = await app("backup", str(copy), "--force", env=env)
    assert (code, errors, left(tmp_path)) == (0, "", {"copy.db"})
    assert count(copy, "recorded_settings") == 0

    leave_a_log(copy)
    copy.unlink()
    before = left(tmp_path)
    code, _, errors = await app("backup", str(copy), env=env)
    assert code == 1 and "copy.db-wal is of another database" in errors and "--force" in errors
    assert left(tmp_path) == before
    code, _, errors = await app("backup", str(copy), "--force", env=env)
    assert (code, errors, left(tmp_path)) == (0, "", {"copy.db"})


async def test_a_database_that_is_named_as_a_log_of_the_copy(tmp_path: Path) -> None:
    path = tmp_path / "copy.db-wal"
    store.engine(f"sqlite:///{path}").migrate()
    env = environment(tmp_path, DATABASE_URL=f"sqlite:///{path}")
    code, _, errors = await app("backup", str(tmp_path / "copy.db"), "--force", env=env)
    assert code == 1 and "the database itself" in errors and path.exists()


def test_commits_during_the_copy_do_not_begin_it_anew(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own `.backup` never ends where they come faster than its steps."""
    writer = sqlite3.connect(path, isolation_level=None)
    check, steps = backup._Limit.check, 0

    def commit_and_check(limit: backup._Limit) -> None:
        nonlocal steps
        steps += 1
        writer.execute("INSERT INTO recorded_settings (name, value) VALUES (?, '')", [str(steps)])
        check(limit)

    monkeypatch.setattr(backup, "_PAGES", 5)
    monkeypatch.setattr(backup._Limit, "check", commit_and_check)
    made = backup.make(path, tmp_path / "copy.db", replace=False, seconds=20)
    writer.close()
    assert steps > 10 and count(path, "recorded_settings") == steps
    assert made.version == store.schema.VERSION
    assert count(tmp_path / "copy.db", "recorded_settings") == 0, "it is of one moment"


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "link": (lambda path: path.symlink_to(path.with_name("bot.db")), "is a link"),
    "dangling link": (lambda path: path.symlink_to("nowhere"), "is a link"),
    "pipe": (os.mkfifo, "is a link or device"),
    "same file": (lambda path: path.hardlink_to(path.parent / "data/bot.db"), "the database"),
}


@pytest.mark.parametrize(
    ("kind", "options"), [("folder", ()), *((kind, ("--force",)) for kind in REFUSED)]
)
async def test_what_is_no_place_for_a_copy_is_refused(
    path: Path, tmp_path: Path, kind: str, options: tuple[str, ...]
) -> None:
    make, words = REFUSED[kind]
    make(tmp_path / "copy.db")
    before = (tmp_path / "copy.db").lstat()
    env = environment(path.parent)
    code, out, errors = await app("backup", str(tmp_path / "copy.db"), *options, env=env)
    assert (code, out, errors.count("\n")) == (1, "", 1)
    assert errors.startswith("Error: ") and words in errors
    assert (tmp_path / "copy.db").lstat().st_ino == before.st_ino
    assert left(tmp_path) <= {"copy.db"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("data/bot.db", "the database itself"),
        ("data/../data/bot.db-wal", "a part of it"),
        ("data/bot.db-turn", "a part of it"),
        ("data/secret.key", "the key"),
        ("/", "is a folder"),
        ("missing/copy.db", "there is no folder"),
        ("data/bot.db/copy.db", "there is no folder"),
        ("x" * 250, "too long"),
        ("/proc/copy.db", "/proc"),
    ],
)
async def test_a_name_that_cannot_be_is_refused(
    path: Path, tmp_path: Path, name: str, words: str
) -> None:
    before = path.read_bytes()
    (path.parent / "secret.key").write_text("a key")
    env = environment(path.parent)
    code, out, errors = await app("backup", str(tmp_path / name), "--force", env=env)
    assert (code, out, errors.count("\n")) == (1, "", 1), errors
    assert errors.startswith("Error: ") and words in errors
    assert path.read_bytes() == before
    assert (path.parent / "secret.key").read_text() == "a key"
    assert left(tmp_path) == set()


async def test_no_name_is_refused(path: Path) -> None:
    code, out, errors = await app("backup", "", env=environment(path.parent))
    assert (code, out, errors.count("\n")) == (1, "", 1), errors
    assert "is a folder" in errors


async def test_a_database_whose_name_a_copy_in_the_making_would_have(tmp_path: Path) -> None:
    path = tmp_path / ".copy.db.partial"
    store.engine(f"sqlite:///{path}").migrate()
    before = path.read_bytes()
    env = environment(tmp_path, DATABASE_URL=f"sqlite:///{path}")
    code, _, errors = await app("backup", str(tmp_path / "copy.db"), env=env)
    assert code == 1 and "the database itself" in errors
    assert path.read_bytes() == before


async def test_what_is_no_database_of_the_bot_is_refused(tmp_path: Path) -> None:
    for content, words in ((None, "there is no file"), ("", "is empty"), ("x" * 999, "cannot be")):
        if content is not None:
            (tmp_path / "bot.db").write_text(content)
        code, out, errors = await app("backup", str(tmp_path / "c.db"), env=environment(tmp_path))
        assert (code, out, errors.count("\n")) == (1, "", 1), errors
        assert words in errors
        assert not (tmp_path / "c.db").exists()


async def test_postgresql_has_a_program_of_its_own(tmp_path: Path) -> None:
    env = environment(tmp_path, DATABASE_URL="postgresql://bot:hunter2@127.0.0.1:1/bot")
    code, out, errors = await app("backup", str(tmp_path / "copy.db"), env=env)
    assert (code, out, errors.count("\n")) == (2, "", 1)
    assert "pg_dump" in errors and "hunter2" not in errors
    assert list(tmp_path.iterdir()) == []


async def test_a_full_disk_leaves_no_copy(path: Path, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "app.py", "backup", str(tmp_path / "copy.db")),
        cwd=ROOT,
        env=environment(path.parent),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )
    out, errors = await process.communicate()
    assert (process.returncode, out, errors.count(b"\n")) == (1, b"", 1)
    assert b"cannot be written" in errors and b"there is no copy" in errors
    assert left(tmp_path) == set()


def test_a_disk_without_room_is_said_before(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "_SPARE", 2**62)
    with pytest.raises(backup.BackupFailed, match=r"MB left, and the copy takes 0\.\d MB"):
        backup.make(path, tmp_path / "copy.db", replace=False, seconds=20)
    assert left(tmp_path) == set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_no_copy(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    contents = backup._contents

    def told_to_stop(connection: sqlite3.Connection) -> backup._Contents:
        os.kill(os.getpid(), number)
        return contents(connection)

    monkeypatch.setattr(backup, "_contents", told_to_stop)
    before = signal.getsignal(number)
    with pytest.raises(backup.BackupFailed, match=f"stopped by {number.name}; there is no copy"):
        backup.make(path, tmp_path / "copy.db", replace=False, seconds=20)
    assert left(tmp_path) == set() and signal.getsignal(number) == before


async def test_the_time_is_limited(path: Path, tmp_path: Path) -> None:
    target, env = tmp_path / "copy.db", environment(path.parent)
    code, out, errors = await app("backup", "--timeout", "0.000001", str(target), env=env)
    assert (code, out) == (1, "") and "--timeout" in errors
    assert left(tmp_path) == set()


def test_what_a_killed_one_has_left_is_in_nobodys_way(path: Path, tmp_path: Path) -> None:
    """Two at a time are: the second is refused, and the first goes on."""
    draft, copy = tmp_path / ".copy.db.partial", tmp_path / "copy.db"
    draft.write_text("the half of a copy")
    draft.chmod(0o644)
    with draft.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(backup.BackupFailed, match="under way"):
            backup.make(path, copy, replace=False, seconds=20)
        assert draft.read_text() == "the half of a copy"
    backup.make(path, copy, replace=False, seconds=20)
    assert left(tmp_path) == {"copy.db"} and copy.stat().st_mode & 0o777 == 0o600


def test_a_damaged_database_makes_no_copy(path: Path, tmp_path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises((backup.BackupFailed, store.StorageRefused)) as failed:
        backup.make(path, tmp_path / "copy.db", replace=False, seconds=20)
    assert "malformed" in str(failed.value) or "damaged" in str(failed.value)
    assert left(tmp_path) == set()
