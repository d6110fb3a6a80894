"""Storage: the only place with SQL. One set of queries; what differs stays in the engines."""

from pathlib import Path

from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.postgres import PostgresDatabase
from bot.storage.sqlite import SqliteDatabase
from bot.storage.vault import load_or_create_key


def engine(url: str) -> Database:
    """Return the engine for a database's address (see DATABASE_URL), not yet opened."""
    if url.startswith("sqlite:"):
        return SqliteDatabase(Path(url.removeprefix("sqlite:///")))
    return PostgresDatabase(url)


def secret_keys(settings: Settings) -> tuple[str, ...]:
    """Return the keys of the vault: SECRET_KEY, or the generated one in DATA_DIR (folder 0700)."""
    if settings.secret_keys:
        return settings.secret_keys
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return (load_or_create_key(settings.data_dir),)
