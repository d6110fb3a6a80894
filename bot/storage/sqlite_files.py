"""Sees to it that what is committed is in the files that the next start will find.

SQLite goes on with files that are deleted, moved or replaced under it: what it commits is gone with
the process. They are looked at by name alone: whoever opened one and closed it again would drop the
locks that SQLite holds on it.
"""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from bot.log import logger
from bot.storage.database import StorageUnavailable

_File = tuple[str, tuple[int, int]]  # its name, and which it was
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BACK = "Put it back as it was, or stop the service, restore it, and start the service again."
_RESTORE = "Stop the service, restore the database from a backup, and start the service again."


class SqliteFiles:
    """The files of one database, as they were when it was opened."""

    def __init__(self, path: Path) -> None:
        """Raises OSError if there is no file at `path`."""
        names = (path, *(path.with_name(f"{path.name}-{part}") for part in ("wal", "shm")))
        self._main = str(path)
        self._opened = [(str(name), _identity(name)) for name in names if name.exists()]
        self._committed = self._opened[:2]  # which hold what was committed
        self._damage: StorageUnavailable | None = None
        self._trouble: StorageUnavailable | None = None

    def look(self) -> None:
        """Raise StorageUnavailable if they are not what was opened, or are known to be damaged."""
        before, self._trouble = self._trouble, self._found(self._opened)
        if self._trouble is None:
            if before is not None:
                logger.warning("the database is there again")
            return
        if before is None or str(before) != str(self._trouble):
            remedy = self._trouble.remedy
            logger.error("the database is lost", reason=str(self._trouble), remedy=remedy)
        raise StorageUnavailable(str(self._trouble), self._trouble.remedy)

    def look_after_commit(self) -> None:
        """Raise StorageUnavailable if what was committed just now is in a lost file."""
        if self._found(self._committed) is not None:
            self.look()

    def require(self) -> None:
        """Look again if there was trouble when somebody last looked."""
        if self._trouble is not None:
            self.look()

    def is_damage(self, error: Exception) -> bool:
        """Tell whether an error says that the file is damaged, and keep in mind that it is.

        Nothing more is taken until a restart: what is added to a damaged file is lost with it.
        """
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGE:
            return False
        if self._damage is None:
            self._damage = StorageUnavailable(f"the database file is damaged: {error}", _RESTORE)
            self._trouble = self._damage
            logger.error("the database is damaged", reason=str(error), remedy=_RESTORE)
        return True

    def _found(self, files: Sequence[_File]) -> StorageUnavailable | None:
        if self._damage is not None:
            return self._damage
        for name, opened in files:
            try:
                found = os.stat(name)  # noqa: PTH116 - in half of the time, for which batches wait
            except OSError as error:
                return StorageUnavailable(f"{name}: {error.strerror}", _BACK)
            if (found.st_dev, found.st_ino) != opened:
                return StorageUnavailable(f"{name} is another file than was opened", _BACK)
            if not found.st_size and name == self._main:
                return StorageUnavailable(f"{name} is empty", _RESTORE)
        return None


def version_on_disk(connection: sqlite3.Connection) -> int:
    """Return what changes with a commit of others; raises sqlite3.Error if the file is none now."""
    connection.execute("PRAGMA shrink_memory")
    connection.execute("PRAGMA user_version").fetchone()
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
