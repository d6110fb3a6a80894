"""What is sealed opens in its row alone; what a version before has sealed is bound to its row."""

import asyncio
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet

from bot import server
from bot import storage as store
from bot.settings import Settings
from tests.kit.marks import sqlite_only
from tests.kit.processes import address_of
from tests.kit.running import ADMIN_TOKEN, SECRET, Bot, start

OLD = 12  # the last schema whose seals were bound to nothing
KEYS = [Fernet.generate_key().decode() for _ in range(2)]
IDS = sorted(str(uuid.uuid4()) for _ in range(3))
CONFIG = '{"auth":"token","api_url":"https://api.github.com"}'


async def test_a_seal_of_another_row_does_not_open(bot: Bot) -> None:
    """Who may write to the database cannot have one integration act with another's secrets."""
    one = await bot.integration(name="One", config={"token": "ghp_one"})
    two = await bot.integration(name="Two", config={"token": "ghp_two"})
    copied = """UPDATE integrations SET updated_at = updated_at + 1,
        secrets = (SELECT secrets FROM integrations WHERE id = :one) WHERE id = :two"""
    await bot.services.database.write(lambda tx: tx.run(copied, {"one": one, "two": two}))
    with pytest.raises(store.VaultError, match="another place"):
        await bot.services.integration(two, fresh=True)
    bot.services.forget_integration(two)
    assert (await bot.deliver(two, "ping", {})).status == 500, "signed with the secret of One"
    assert (await bot.deliver(one, "ping", {})).status == 200
    with pytest.raises(store.VaultError, match="another place"):
        await server.check_secrets(bot.services)


async def test_what_is_bound_to_nothing_is_refused_once_all_is_bound(
    bot: Bot, settings: Settings
) -> None:
    """An old seal, as from a backup, does not get in by another start either."""
    one = await bot.integration()
    key = (settings.data_dir / "secret.key").read_text().strip()
    planted = "UPDATE integrations SET secrets = :sealed, updated_at = updated_at + 1"
    await bot.services.database.write(lambda tx: tx.run(planted, {"sealed": unbound(key)}))
    bot.services.forget_integration(one)
    assert (await bot.deliver(one, "ping", {})).status == 500
    again = await start(settings)
    try:
        with pytest.raises(store.VaultError, match="another place"):
            await server.check_secrets(again.services)
    finally:
        await again.close()


# --- The upgrade


def unbound(key: str) -> str:
    """Seal as the version before did."""
    plain = f'{{"token":"ghp_old","webhook_secret":"{SECRET}"}}'.encode()
    return Fernet(key).encrypt(plain).decode()


@pytest.fixture
def before(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """A database of the version before, with three integrations, one of them deleted."""
    with ExitStack() as stack:
        if engine == "sqlite":
            url = f"sqlite:///{tmp_path / 'bot.db'}"
        else:
            url = stack.enter_context(empty_database(request.getfixturevalue("postgres")))
        with monkeypatch.context() as older:
            older.setattr(store.schema, "MIGRATIONS", store.schema.MIGRATIONS[:OLD])
            older.setattr(store.schema, "VERSION", OLD)
            store.engine(url).migrate()
        with connected(url) as run:
            for number, deleted_at in enumerate(("NULL", "NULL", "1")):
                sealed = "" if deleted_at == "1" else unbound(KEYS[number])
                run(
                    f"""INSERT INTO integrations (id, name, integration_type, is_active, config,
                        secrets, credential, created_at, updated_at, deleted_at)
                    VALUES ('{IDS[number]}', 'x', 'GITHUB', 1, '{CONFIG}', '{sealed}', 'token:x',
                        1, 1, {deleted_at})"""
                )
        yield Settings.from_environment(
            {
                "DATA_DIR": str(tmp_path),
                "DATABASE_URL": url,
                "SECRET_KEY": ",".join(reversed(KEYS)),
                "ADMIN_TOKEN": ADMIN_TOKEN,
            }
        )


@contextmanager
def empty_database(server_url: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield address_of(server_url, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def connected(url: str) -> Iterator[Callable[[str], Any]]:
    """Give what runs a statement past the service."""
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            yield connection.execute
    else:
        with psycopg.connect(url) as other:
            yield lambda sql: other.execute(sql.encode())


async def test_the_upgrade_binds_what_is_there(before: Settings) -> None:
    """Whichever of the keys it was sealed with, and however many processes start at once."""
    bots = await asyncio.gather(*(start(before) for _ in range(3)))
    try:
        for bot in bots:
            await server.check_secrets(bot.services)
            for identifier in IDS[:2]:
                opened = await bot.services.integration(identifier, fresh=True)
                assert opened is not None and opened.token == "ghp_old"
                answer = await bot.deliver(identifier, "ping", {}, guid=str(uuid.uuid4()))
                assert answer.status == 200
        found = await bots[0].services.database.read(
            lambda tx: tx.all("SELECT secrets FROM integrations ORDER BY id")
        )
        seals = [row["secrets"] for row in found]
        assert seals[2] == "" and all(Fernet(KEYS[1]).decrypt(one.encode()) for one in seals[:2]), (
            "by the first key of the list"
        )
    finally:
        for bot in bots:
            await bot.close()


@sqlite_only
async def test_who_starts_during_a_long_upgrade_waits_for_it(
    before: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on PostgreSQL: a worker that is started with the service does not give up."""
    monkeypatch.setattr("bot.storage.sqlite.BUSY_TIMEOUT", 0.2)
    path = before.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as upgrading:
        upgrading.execute("BEGIN IMMEDIATE")
        starting = asyncio.create_task(start(before))
        await asyncio.sleep(1)
        assert not starting.done()
        upgrading.execute("COMMIT")
    bot = await starting
    await server.check_secrets(bot.services)
    await bot.close()


async def test_an_upgrade_without_a_key_changes_nothing(before: Settings) -> None:
    """The version before can still be started on it."""
    with pytest.raises(store.VaultError, match="SECRET_KEY"):
        await start(replace(before, secret_keys=(KEYS[0],)))
    assert store.engine(before.database_url).existing_version() == OLD
    with pytest.raises(store.StorageRefused, match="start the service on it once"):
        store.engine(before.database_url).migrate()
    assert store.engine(before.database_url).existing_version() == OLD
    bot = await start(before)
    await server.check_secrets(bot.services)
    await bot.close()


@sqlite_only
async def test_a_changed_integration_is_sealed_by_the_new_key(before: Settings) -> None:
    """As docs/deployment.md has it: any change, even an empty one."""
    bot = await start(replace(before, secret_keys=(KEYS[0], KEYS[1])))
    for identifier in IDS[:2]:
        assert (await bot.patch(f"/api/v1/integrations/{identifier}", {})).status == 200
    await bot.close()
    rotated = await start(replace(before, secret_keys=(KEYS[0],)))
    await server.check_secrets(rotated.services)
    await rotated.close()
