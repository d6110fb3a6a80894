"""The environment: what is wrong is named, secrets are not repeated, and files are private."""

import base64
import os
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from bot import server
from bot import storage as store
from bot.settings import Settings, SettingsError
from tests.kit.running import ADMIN_TOKEN, SECRET, start

KEY, OTHER_KEY = (base64.urlsafe_b64encode(bytes([byte]) * 32).decode() for byte in (40, 41))


@pytest.mark.parametrize(
    ("name", "value", "wants"),
    [
        ("HOST", "not a host", "0.0.0.0"),
        ("HOST", "http://127.0.0.1", "0.0.0.0"),
        ("HOST", "127.0.0.1/8", "0.0.0.0"),
        ("HOST", "127.0.0.1\n", "0.0.0.0"),
        ("PORT", "0", "65535"),
        ("PORT", "65536", "65535"),
        ("PORT", "-1", "65535"),
        ("PORT", "http", "65535"),
        ("PORT", "80 ", "65535"),
        ("PORT", "8_0", "65535"),
        ("PORT", "٨٠", "65535"),
        ("PORT", "1" * 5000, "65535"),
        ("DATABASE_URL", "bot.db", "sqlite:///"),
        ("DATABASE_URL", "sqlite://", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///", "sqlite:///"),
        ("DATABASE_URL", "sqlite://bot.db", "sqlite:///"),
        ("DATABASE_URL", "mysql://localhost/bot", "postgresql://"),
        ("DATABASE_URL", "postgresql://", "postgresql://"),
        ("DATABASE_URL", "postgresql://one,,three/bot", "without gaps"),
        ("DATABASE_URL", "postgresql://one:1,two:2,three/bot?port=1,2", "one for each"),
        ("DATABASE_URL", "postgresql://one,two:99999/bot", "65535"),
        ("DATABASE_URL", "postgresql://one,two/bot?target_session_attrs=any", "read-write"),
        ("DATABASE_URL", "postgresql://one/bot?target_session_attrs=standby", "read-write"),
        ("DATABASE_LISTEN_URL", "sqlite:///bot.db", "postgresql://"),
        ("DATABASE_LISTEN_URL", "one:5432", "postgresql://"),
        ("SECRET_KEY", "short", "Fernet"),
        ("SECRET_KEY", f"{KEY},", "Fernet"),
        ("SECRET_KEY", f"{KEY},short", "key 2 of 2"),
        ("SECRET_KEY", f"{KEY[:-2]}é=", "Fernet"),
        ("SECRET_KEY", f"{KEY} {OTHER_KEY}", "Fernet"),
        ("ADMIN_TOKEN", "x" * 23, "24"),
        ("ADMIN_TOKEN", "with spaces in between them", "without spaces"),
        ("ADMIN_TOKEN", "ünprintable-beyond-ascii-x", "ASCII"),
        ("ADMIN_TOKEN", "x" * 24 + "\n", "24"),
        ("PUBLIC_URL", "bot.example", "https://"),
        ("PUBLIC_URL", "ftp://bot.example", "https://"),
        ("PUBLIC_URL", "https://", "https://"),
        ("PUBLIC_URL", "https://bot.example/?a=b", "query"),
        ("PUBLIC_URL", "https://bot.example/#a", "fragment"),
        ("PUBLIC_URL", "https://bot.example:port", "https://"),
        ("PUBLIC_URL", "https://bot.example:99999", "https://"),
        ("PUBLIC_URL", "https://bot example", "https://"),
        ("PUBLIC_URL", "https://[bot", "https://"),
        ("GITHUB_API_URLS", "api.github.com", "https://"),
        ("GITHUB_API_URLS", "https://api.github.com,", "https://"),
        ("GITHUB_API_URLS", "https://api.github.com,file:///etc/passwd", "https://"),
        ("PAYLOAD_DAYS", "0", "36500"),
        ("PAYLOAD_DAYS", "1" * 5000, "36500"),
        ("DELIVERY_DAYS", "a week", "36500"),
        ("SIGN_IN_ORGANIZATIONS", "acme/shop", "separated by commas"),
        ("RECOVERY_MINUTES", "-1", "from 0 to 1440"),
        ("SIGN_IN_COLLABORATORS", "admin", "off, viewer, developer"),
        ("SIGN_IN_COLLABORATORS", "on", "off, viewer, developer"),
        ("TRUSTED_PROXIES", "proxy.example", "10.0.0.0/8"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "10.0.0.0/8"),
        ("TRUSTED_PROXIES", "10.0.0.0/8;127.0.0.1", "commas"),
        ("TRUSTED_PROXIES", "*", "10.0.0.0/8"),
        ("GITHUB_ARCHIVE_HOSTS", "https://codeload.github.com", "codeload.github.com"),
        ("GITHUB_ARCHIVE_HOSTS", "codeload.github.com/path", "commas"),
        ("GITHUB_ARCHIVE_HOSTS", "codeload.github.com:99999", "HOST:PORT"),
        ("LOG_LEVEL", "loud", "debug"),
        ("LOG_FORMAT", "xml", "json"),
    ],
    ids=lambda value: value[:32],
)
def test_what_is_wrong(name: str, value: str, wants: str) -> None:
    """The error names the variable and what it wants, in one line."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({name: value})
    message = str(caught.value)
    assert message.startswith(f"{name}: got ")
    assert wants in message
    assert "\n" not in message


HIDDEN = "hunter2-of-the-operator"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", HIDDEN),
        ("SECRET_KEY", f"{KEY},{HIDDEN}"),
        ("ADMIN_TOKEN", HIDDEN),
        ("ADMIN_TOKEN", f"{HIDDEN} and more of it"),
        ("DATABASE_URL", HIDDEN),
        ("DATABASE_URL", f"mysql://bot:{HIDDEN}@db.example/bot"),
        ("DATABASE_URL", f"bot:{HIDDEN}@db.example/bot"),
        ("DATABASE_URL", f"postgresql:/bot:{HIDDEN}@db.example/bot"),
        ("DATABASE_URL", f"postgresql://bot:{HIDDEN}%zz@db.example/bot"),
        ("DATABASE_URL", f"postgresql://bot:{HIDDEN}@[::1/bot"),
        ("DATABASE_URL", f"postgresql://bot:{HIDDEN}@db.example/bot?nonsense=1"),
        ("DATABASE_URL", f"postgresql://bot:a@{HIDDEN}@db.example/bot"),
        ("DATABASE_URL", f"postgresql://bot:1/{HIDDEN}@db.example/bot"),
        ("DATABASE_URL", f"postgresql://bot:{HIDDEN}/1@db.example/bot"),
        ("DATABASE_URL", f"postgresql://bot:{HIDDEN}@one,two:x/bot"),
        ("DATABASE_LISTEN_URL", f"postgresql://bot:{HIDDEN}@one,,two/bot"),
        ("PUBLIC_URL", f"https://bot:{HIDDEN}@bot.example"),
        ("PUBLIC_URL", f"https://bot:{HIDDEN}@bot.example:port"),
        ("PUBLIC_URL", f"https://bot.example/?token={HIDDEN}"),
        ("PUBLIC_URL", f"bot:{HIDDEN}@bot.example"),
        ("PUBLIC_URL", f"//bot:{HIDDEN}@bot.example"),
        ("PUBLIC_URL", f"https://bot:{HIDDEN} @bot.example"),
        ("GITHUB_API_URLS", f"https://{HIDDEN}@api.github.com"),
        ("GITHUB_API_URLS", f"{HIDDEN}@api.github.com"),
    ],
)
def test_secrets_are_not_repeated(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({name: value})
    assert HIDDEN not in str(caught.value)
    assert KEY not in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "attribute", "expected"),
    [
        ("HOST", "0.0.0.0", "host", "0.0.0.0"),
        ("HOST", "::1", "public_url", "http://[::1]:8000"),
        ("HOST", "bot.internal", "public_url", "http://bot.internal:8000"),
        ("PORT", "1", "port", 1),
        ("PORT", "65535", "public_url", "http://127.0.0.1:65535"),
        ("DATA_DIR", "/srv/bot", "data_dir", Path("/srv/bot")),
        ("DATA_DIR", "/srv/bot", "database_url", "sqlite:////srv/bot/bot.db"),
        ("DATABASE_URL", "sqlite:///bot.db", "database_url", "sqlite:///bot.db"),
        ("DATABASE_URL", "sqlite:////srv/bot.db", "database_url", "sqlite:////srv/bot.db"),
        (
            "DATABASE_URL",
            "postgresql://bot:secret@db.example/bot",
            "database_url",
            "postgresql://bot:secret@db.example/bot",
        ),
        ("SECRET_KEY", f"{KEY}, {OTHER_KEY}", "secret_keys", (KEY, OTHER_KEY)),
        ("ADMIN_TOKEN", "x" * 24, "admin_token", "x" * 24),
        ("RECOVERY_MINUTES", "0", "recovery_minutes", 0),
        ("SIGN_IN_COLLABORATORS", "Developer", "sign_in_collaborators", "developer"),
        (
            "TRUSTED_PROXIES",
            "10.0.0.0/8, 192.0.2.1,::1",
            "trusted_proxies",
            tuple(map(ip_network, ("10.0.0.0/8", "192.0.2.1/32", "::1/128"))),
        ),
        ("PUBLIC_URL", "https://bot.example/", "public_url", "https://bot.example"),
        ("PUBLIC_URL", "https://bot.example/sub", "public_url", "https://bot.example/sub"),
        (
            "GITHUB_API_URLS",
            "https://github.acme.example/api/v3/, https://api.github.com",
            "github_api_urls",
            ("https://github.acme.example/api/v3", "https://api.github.com"),
        ),
        ("LOG_LEVEL", "DEBUG", "log_level", "debug"),
        ("LOG_FORMAT", "json", "log_format", "json"),
        ("PORT", "", "port", 8000),
        ("ADMIN_TOKEN", "", "admin_token", None),
        ("LOG_FORMAT", "", "log_format", None),
    ],
)
def test_what_is_right(name: str, value: str, attribute: str, expected: object) -> None:
    """Good values are taken; an empty one counts as none."""
    assert getattr(Settings.from_environment({name: value}), attribute) == expected


def test_defaults() -> None:
    settings = Settings.from_environment({})
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.database_url == "sqlite:///data/bot.db"
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.github_api_urls == ("https://api.github.com",)
    assert (settings.secret_keys, settings.admin_token) == ((), None)
    assert (settings.log_level, settings.log_format) == ("info", None)


def test_repr_hides_secrets() -> None:
    settings = Settings.from_environment(
        {
            "SECRET_KEY": KEY,
            "ADMIN_TOKEN": ADMIN_TOKEN,
            "DATABASE_URL": "postgresql://bot:hunter2@db.example/bot",
        }
    )
    for secret in (KEY, ADMIN_TOKEN, "hunter2"):
        assert secret not in repr(settings)


# --- Files


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Whoever runs the service lets everyone read new files."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
async def test_modes(tmp_path: Path) -> None:
    """The folder is for its owner alone, and so is every file in it."""
    data = {**ENVIRONMENT, "DATA_DIR": str(tmp_path / "data")}
    settings = Settings.from_environment(data)
    bot = await start(settings)
    try:
        await bot.deliver(await bot.integration(), "ping", {})
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tree(settings.data_dir)}
        assert modes.keys() >= {"data", "bot.db", "bot.db-wal", "bot.db-shm", "secret.key"}
        assert modes.pop("data") == 0o700
        assert set(modes.values()) == {0o600}
    finally:
        await bot.close()


def tree(folder: Path) -> list[Path]:
    return [folder, *folder.rglob("*")]


def test_one_key_for_all(tmp_path: Path) -> None:
    """Whoever starts at the same time gets the same generated key, now and later."""
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: store.vault.load_or_create_key(tmp_path), range(8)))
    assert len(keys) == 1
    Fernet(keys.pop())
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


# --- What cannot be opened

ENVIRONMENT = {"ADMIN_TOKEN": ADMIN_TOKEN}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


async def refusal(folder: Path) -> str:
    """Return why a service does not start with a folder; what is in the folder must not change."""
    store.vault.load_or_create_key(folder)
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with pytest.raises(store.StorageRefused) as caught:
        await server.open_services(
            Settings.from_environment({**ENVIRONMENT, "DATA_DIR": str(folder)})
        )
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_newer_database(folder: Path) -> None:
    """A database that a newer version has changed is left to that version."""
    settings = Settings.from_environment({**ENVIRONMENT, "DATA_DIR": str(folder)})
    await (await start(settings)).close()
    with sqlite3.connect(folder / "bot.db") as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    message = await refusal(folder)
    assert "999" in message
    assert "newer" in message


@pytest.mark.parametrize("version", [0, 1, -5])
async def test_foreign_database(folder: Path, version: int) -> None:
    """A database of another program is not ours, whatever version that program gave it."""
    with sqlite3.connect(folder / "bot.db") as connection:
        connection.execute("CREATE TABLE places (url TEXT)")
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    assert "another program" in await refusal(folder)


@pytest.mark.parametrize("content", [b"Dear diary,\n" * 1000, b"SQLite format 3\x00" + b"x" * 5000])
async def test_no_database(folder: Path, content: bytes) -> None:
    (folder / "bot.db").write_bytes(content)
    assert "bot.db" in await refusal(folder)


async def test_folder_for_a_file(folder: Path) -> None:
    (folder / "bot.db").mkdir()
    assert "bot.db" in await refusal(folder)


@pytest.mark.parametrize("content", ["", "no key at all", KEY[:-1], "schlüssel"])
async def test_spoiled_key(folder: Path, content: str) -> None:
    """A key that is no key is not replaced: it may be mended."""
    (folder / "secret.key").write_text(content)
    with pytest.raises(store.VaultError) as caught:
        await server.open_services(
            Settings.from_environment({**ENVIRONMENT, "DATA_DIR": str(folder)})
        )
    assert "secret.key" in str(caught.value)
    assert not content or content not in str(caught.value)
    assert (folder / "secret.key").read_text() == content


async def test_keys_are_rotated(folder: Path) -> None:
    """The first of SECRET_KEY encrypts, every one of them decrypts."""
    environment = {**ENVIRONMENT, "DATA_DIR": str(folder)}
    integration, secret = "", SECRET
    for keys in (KEY, f"{OTHER_KEY},{KEY}", OTHER_KEY):
        bot = await start(Settings.from_environment({**environment, "SECRET_KEY": keys}))
        try:
            integration = integration or await bot.integration()
            assert (await bot.deliver(integration, "ping", {}, secret=secret)).status == 200
            if keys.startswith(OTHER_KEY):
                secret = f"{SECRET}-{len(keys)}"
                await bot.patch(
                    f"/api/v1/integrations/{integration}", {"config": {"webhook_secret": secret}}
                )
        finally:
            await bot.close()
    assert not (folder / "secret.key").exists()
