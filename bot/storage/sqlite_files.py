"""Sees to it that what is committed is in the files that the next start will find.

SQLite goes on with files that are deleted, moved or replaced under it: what it commits is gone with
the process. They are looked at by name alone: whoever opened one and closed it again would drop the
locks that SQLite holds on it.
"""

import os
import sqlite3
import struct
import threading
from collections.abc import Sequence
from pathlib import Path

from bot.log import logger
from bot.storage.database import StorageUnavailable

_INDEX = 136  # bytes of the head of the index of the log
_PAGE = 4096  # bytes of the first page
_LASTING = (slice(0, 24), slice(68, 72))  # of it: that it is SQLite's, how it is made, whose it is
_COUNTER = slice(24, 28)  # of it: how often it was written
_File = tuple[str, tuple[int, int]]  # its name, and which it was
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BACK = "Put it back as it was, or stop the service, restore it, and start the service again."
_RESTORE = "Stop the service, restore the database from a backup, and start the service again."


class _Writes:
    """Tells whether anything but SQLite has written to a database file, say by copying onto it.

    SQLite does so in checkpoints alone, of this process or another, and notes in the index of the
    log how far they are: before it writes how far it wants to come, then how far it has come. What
    else changes the first page is none of its doing. The descriptors are SQLite's own: none is
    opened. Where the system does not list them, as Linux does, nothing is told.
    https://www.sqlite.org/walformat.html#the_wal_index_file_format
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, _descriptor(path)
        self._index = _descriptor(beside(path, "-shm"))
        self._when = (-1, -1)
        self._page, self._progress = b"", b""
        if self.can_tell:
            self._progress, self._page = _progress(self.index()), self._read()

    @property
    def can_tell(self) -> bool:
        return self._file is not None and self._index is not None

    def are_sound(self, index: bytes, found: os.stat_result) -> bool:
        """Tell whether only SQLite has written to the file since somebody last asked.

        `index` is of before the file was `found` so: what is written after that is told later.
        """
        if not self.can_tell:
            return True
        when = found.st_size, found.st_mtime_ns
        if when != self._when:
            page = self._read()
            is_cut = found.st_size < self._when[0]
            if (is_cut or page != self._page) and not (
                self._is_noted() and self._comes_after(page)
            ):
                return False
            self._when, self._page = when, page
        self._progress = _progress(index)
        return True

    def has_all(self, index: bytes, found: os.stat_result) -> bool:
        """Tell whether the log, `found` so after `index` was read, has all that is committed.

        Where somebody commits at the same time nobody can say.
        """
        (frames,) = struct.unpack_from("=I", index, 16) if index else (0,)
        (size,) = struct.unpack_from("=H", index, 14) if index else (0,)
        needed = 32 + frames * (24 + (size if size != 1 else 65536))
        is_whole = found.st_size >= needed or not frames
        return is_whole or index[:48] != index[48:96] or index[:48] != self.index()[:48]

    def index(self) -> bytes:
        """Return the head of the index of the log, nothing where it is not to be had."""
        return b"" if self._index is None else os.pread(self._index, _INDEX, 0)

    def _is_noted(self) -> bool:
        """Tell whether a checkpoint goes on, or has gone on since somebody last asked."""
        now = _progress(self.index())
        return now != self._progress or now[8:12] != now[12:]

    def _comes_after(self, page: bytes) -> bool:
        """Tell whether a first page can be a later one of the same database."""
        is_like = all(page[here] == self._page[here] for here in _LASTING)
        return is_like and page[_COUNTER] >= self._page[_COUNTER]

    def _read(self) -> bytes:
        """Return the first page as the file has it, whatever the log says."""
        if self._file is None or not _has_open(self._file, _identity(self._path)):
            self._file = _descriptor(self._path)  # that connection was closed
        return self._page if self._file is None else os.pread(self._file, _PAGE, 0)


class SqliteFiles:
    """The files of one database, as they were when it was opened."""

    def __init__(self, path: Path) -> None:
        """Raises OSError if there is no file at `path`."""
        names = (path, beside(path, "-wal"), beside(path, "-shm"))
        self._main, self._log = str(path), str(names[1])
        self._opened = [(str(name), _identity(name)) for name in names if name.exists()]
        self._committed = self._opened[:2]  # which hold what was committed
        self._writes, self._looking = _Writes(path), threading.Lock()
        self._damage: StorageUnavailable | None = None
        self._trouble: StorageUnavailable | None = None

    def look(self) -> None:
        """Raise StorageUnavailable if they are not what was opened, or are known to be damaged."""
        before, self._trouble = self._trouble, self._found(self._opened)
        if self._trouble is None:
            if before is not None:
                logger.warning("the database is there again")
            return
        is_new = before is None or str(before) != str(self._trouble)
        if is_new and self._trouble is not self._damage:
            remedy = self._trouble.remedy
            logger.error("the database is lost", reason=str(self._trouble), remedy=remedy)
        raise StorageUnavailable(str(self._trouble), self._trouble.remedy)

    def look_before_commit(self) -> None:
        """Raise StorageUnavailable if the log has not what it had: a commit would hide that."""
        if self._found(self._committed[1:]) is not None:
            self.look()

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
        self._note_damage(str(error))
        return True

    def _note_damage(self, reason: str) -> StorageUnavailable:
        if self._damage is None:
            self._damage = StorageUnavailable(f"the database file is damaged: {reason}", _RESTORE)
            self._trouble = self._damage
            logger.error("the database is damaged", reason=reason, remedy=_RESTORE)
        return self._damage

    def _found(self, files: Sequence[_File]) -> StorageUnavailable | None:
        with self._looking:
            if self._damage is not None:
                return self._damage
            index = self._writes.index()
            for file in files:
                trouble = self._found_of(file, index)
                if trouble is not None:
                    return trouble
        return None

    def _found_of(self, file: _File, index: bytes) -> StorageUnavailable | None:
        name, opened = file
        try:
            found = os.stat(name)  # noqa: PTH116 - in half of the time, for which batches wait
        except OSError as error:
            return StorageUnavailable(f"{name}: {error.strerror}", _BACK)
        if (found.st_dev, found.st_ino) != opened:
            return StorageUnavailable(f"{name} is another file than was opened", _BACK)
        if name == self._main and not found.st_size:
            return StorageUnavailable(f"{name} is empty", _RESTORE)
        if name == self._main and not self._writes.are_sound(index, found):
            return self._note_damage("something has written over it")
        if name == self._log and not self._writes.has_all(index, found):
            return self._note_damage("its write-ahead log was cut short")
        return None


def beside(path: Path, end: str) -> Path:
    """Return the file that SQLite keeps beside a database: where that is, if `path` is a link."""
    file = path.resolve()
    return file.with_name(file.name + end)


def version_on_disk(connection: sqlite3.Connection) -> int:
    """Return what changes with a commit of others; raises sqlite3.Error if the file is none now."""
    connection.execute("PRAGMA shrink_memory")
    connection.execute("PRAGMA user_version").fetchone()
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version


def _progress(index: bytes) -> bytes:
    """Return which log it is, how far it is in the file, and how far that was to come."""
    return index[32:40] + index[96:100] + index[128:132]


def _descriptor(path: Path) -> int | None:
    """Return a descriptor by which this process has a file open; None if the system tells none."""
    wanted = _identity(path)
    try:
        open_ones = sorted(int(one.name) for one in Path("/proc/self/fd").iterdir())
    except FileNotFoundError:
        return None
    return next((one for one in open_ones if _has_open(one, wanted)), None)


def _has_open(descriptor: int, wanted: tuple[int, int]) -> bool:
    """Tell whether a descriptor is one of a file."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == wanted


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
