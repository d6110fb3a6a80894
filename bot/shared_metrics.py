"""Metrics of several processes on one port, in files that they share.

Prometheus's client writes to them as to memory: where the disk has no room for a page by then, the
kernel kills the process. So room is taken beforehand, and where there is none a process counts for
itself alone.
"""

import fcntl
import mmap
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

from bot.log import logger

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "experiment-bot-metrics-"
_LOCK = "supervisor.lock"  # held as long as the folder is in use
_ROOM = 1 << 16  # bytes that a file begins with
_FILES = 5  # of a process
_NEW_SECONDS = 60.0  # in which a folder may not be locked yet


class Reserved(MmapedDict):
    """Values in a file whose room is taken; in memory alone once there is none."""

    _f: Any  # the file

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        try:
            _reserve(Path(filename), _ROOM)
        except OSError as error:
            logger.warning("metrics are not shared", file=filename, reason=str(error))
            Path(filename).unlink(missing_ok=True)
            self._begin_in_memory()
        else:
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def _begin_in_memory(self) -> None:
        self._f = None
        self._capacity, self._used, self._positions = _ROOM, 8, {}
        self._m = mmap.mmap(-1, _ROOM)

    def _init_value(self, key: str) -> None:
        if self._used + len(key.encode()) + 32 > self._capacity:
            self._grow()
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _grow(self) -> None:
        try:
            if self._f is not None:
                self._f.write(bytes(self._capacity))  # at the end
                self._f.flush()
        except OSError as error:  # what others read of it stays as it is
            logger.warning("metrics are not shared any more", reason=str(error))
            self._f = None
        capacity, before = 2 * self._capacity, self._m
        self._m = mmap.mmap(self._f.fileno() if self._f is not None else -1, capacity)
        self._m[: self._used] = before[: self._used]
        self._capacity = capacity


def _reserve(path: Path, size: int) -> None:
    """Take room for a new file; raises OSError."""
    with path.open("ab") as file:
        if file.tell() == 0:
            file.write(bytes(size))


def is_shared() -> bool:
    """Tell whether this process is one of several, and let it share its metrics safely."""
    if FOLDER not in os.environ:
        return False
    values.MmapedDict = Reserved  # type: ignore[attr-defined]
    return True


class Folder:
    """Where the metrics of some processes are: in the temporary folder, or else beside the data."""

    def __init__(self, processes: int, data_dir: Path) -> None:
        self.path: str | None = None
        for place in (tempfile.gettempdir, lambda: data_dir):
            try:
                self._make(str(place()), processes * _FILES * _ROOM)
            except OSError as error:
                logger.warning("no room for metrics", reason=str(error))
            else:
                return
        logger.warning("metrics are of each process alone")

    def environment(self) -> dict[str, str]:
        return {FOLDER: self.path} if self.path is not None else {}

    def remove(self) -> None:
        if self.path is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            self._lock.close()

    def _make(self, place: str, size: int) -> None:
        _clear_away(Path(place))
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        try:
            trial = path / "trial"
            _reserve(trial, size)
            trial.unlink()
            self._lock = (path / _LOCK).open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            shutil.rmtree(path, ignore_errors=True)
            raise
        self.path = str(path)


def _clear_away(place: Path) -> None:
    """Remove what supervisors have left that were killed."""
    for lock in place.glob(f"{_PREFIX}*/{_LOCK}"):
        try:
            if time.time() - lock.stat().st_mtime < _NEW_SECONDS:
                continue
            with lock.open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # it is in use, another user's, or gone already
            continue
        shutil.rmtree(lock.parent, ignore_errors=True)
