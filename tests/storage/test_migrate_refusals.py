"""What cannot be copied is said, and nothing is made or changed."""

import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bot import storage as store
from tests.kit.marks import slow
from tests.kit.processes import address_of, app, environment
from tests.storage.moving import Move

pytestmark = slow


async def refused(source: str, target: str, folder: Path, *options: str) -> str:
    """Return the one line that says why, after checking that the target was not made."""
    env = environment(folder / "keys")
    code, out, errors = await app("migrate-database", source, target, *options, env=env)
    assert (code, out) == (1, ""), errors
    (line,) = [one for one in errors.splitlines() if not one.startswith("{")]
    assert line.startswith("Error: FROM: ")
    assert not (folder / "target").exists()
    return line


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text TEXT)")
    connection.close()


def older(path: Path) -> None:
    """Make the file of an installation that an older version has left."""
    database = store.engine(f"sqlite:///{path}")
    database.migrate()
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO api_tokens (id, name, role, hash, created_at)"
            " VALUES ('a', 'a', 'admin', 'a', 0)"
        )
        connection.execute("PRAGMA user_version = 1")
    connection.close()


SOURCES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda path: None, "there is no file"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "empty": (lambda path: path.touch(), "is empty"),
    "text": (lambda path: path.write_text("no database " * 100), "cannot be used"),
    "foreign": (foreign, "a database of another program"),
    "older": (older, "Start the service on it once"),
    "bare": (lambda path: store.engine(f"sqlite:///{path}").migrate(), "holds nothing at all"),
}


@pytest.mark.parametrize(
    ("kind", "options"), [("missing", ()), *((kind, ("--overwrite",)) for kind in SOURCES)]
)
async def test_a_source_that_is_none_is_refused(
    kind: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "bot-of-the-tests.db"
    make, words = SOURCES[kind]
    make(path)
    before = path.read_bytes() if path.is_file() else path.exists()
    line = await refused(
        f"sqlite:///{path}", f"sqlite:///{tmp_path / 'target' / 'new.db'}", tmp_path, *options
    )
    assert words in line
    assert path.name in line or kind in ("older", "bare")
    assert (path.read_bytes() if path.is_file() else path.exists()) == before
    assert {one.name for one in tmp_path.iterdir()} <= {path.name, f"{path.name}-turn"}


async def test_a_mistyped_source_does_not_empty_the_target(tmp_path: Path) -> None:
    """Not even with --overwrite, and not a second time either."""
    move = Move(
        f"sqlite:///{tmp_path / 'mistyped.db'}", f"sqlite:///{tmp_path / 'bot.db'}", tmp_path
    )
    async with move.service(move.target) as bot:
        await bot.experiment("precious")
    for _ in range(2):
        code, _, errors = await move.run("--overwrite")
        assert code == 1 and "mistyped.db" in errors
    async with move.service(move.target) as bot:
        assert [one["key"] for one in await bot.walk("/api/v1/experiments")] == ["precious"]


async def test_a_source_on_postgresql_that_is_none_is_refused(
    postgres: str, tmp_path: Path
) -> None:
    target = f"sqlite:///{tmp_path / 'target' / 'new.db'}"
    missing = address_of(postgres, "no_such_database")
    line = await refused(missing, target, tmp_path)
    assert 'database "no_such_database" does not exist' in line
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        line = await refused(address_of(postgres, name), target, tmp_path)
        assert "holds nothing of Experiment Bot" in line
        with psycopg.connect(address_of(postgres, name)) as inside:
            assert inside.execute("SELECT to_regclass('api_tokens')").fetchone() == (None,)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_password_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "bot.db"
    for address in (
        "postgresql://bot:hunter2@127.0.0.1:1/bot",
        "postgresql://bot:hunter2@[::1/bot",
        "postgresql://bot:hunter2%zz@127.0.0.1/bot",
        "postgresql://bot:hunter2@127.0.0.1/bot?nonsense=hunter2",
    ):
        for urls in ((address, f"sqlite:///{path}"), (f"sqlite:///{path}", address)):
            code, out, errors = await app("migrate-database", *urls, env=environment(tmp_path))
            assert (code, out) == (1, "")
            assert "hunter2" not in errors and "Traceback" not in errors
            assert not path.exists()


async def test_a_target_that_cannot_be_is_named(postgres: str, tmp_path: Path) -> None:
    move = Move(f"sqlite:///{tmp_path / 'bot.db'}", "", tmp_path / "data")
    async with move.service(move.source) as bot:
        await bot.experiment("checkout")
    foreign(tmp_path / "foreign.db")
    (tmp_path / "file").touch()
    for target, words in (
        (f"sqlite:///{tmp_path}", "is a folder"),
        (f"sqlite:///{tmp_path / 'foreign.db'}", "a database of another program"),
        (f"sqlite:///{tmp_path / 'file' / 'new.db'}", str(tmp_path / "file")),
        (address_of(postgres, "no_such_database"), '"no_such_database" does not exist'),
    ):
        code, out, errors = await Move(move.source, target, move.folder).run()
        assert (code, out) == (1, "")
        assert errors.splitlines()[-1].startswith("Error: TO: ") and words in errors
        assert "Traceback" not in errors
    # A folder for the target is made, as the service makes one for its own database.
    new = Move(move.source, f"sqlite:///{tmp_path / 'new folder' / 'new.db'}", move.folder)
    assert (await new.run())[0] == 0
