"""Reads the files of a gzipped tar as its bytes come, and keeps no more than one file of it.

Nothing is written anywhere: names are just texts. What is larger than wanted is cut off, what is
no plain file is passed over, and what is no archive, or much larger than what it was packed to, is
refused. https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
"""

import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

_BLOCK = 512
_PIECE = 1 << 18  # bytes that are unpacked at once
_MOST_NAMED = 1 << 20  # bytes of what stands before a file to name it
# Beyond so many bytes, more than so many for one of the archive are a bomb: code has less than 20.
_BOMB_FROM, _BOMB_RATIO = 64 << 20, 200
_HUGE = "a file in it has more than 8 GB"
_PLAIN = (b"0", b"\0", b"7")


class BadArchive(Exception):
    """It is no archive of files, or it is broken."""


class TooMuch(Exception):
    """An archive has more than is read, and what that is."""


class Packed(NamedTuple):
    """A file of an archive: its whole size, and the beginning of what is in it.

    `content` is None where nobody wanted it.
    """

    path: str
    size: int
    content: bytes | None


class Tarball:
    """An archive whose bytes are fed in as they come.

    `wants` tells how many bytes of a file are wanted, by its path and size; None for none. The
    first folder, the same for all in GitHub's archives, is no part of a path. `most` is how many
    bytes are unpacked at most. `comment` is that of the archive: git puts a commit's SHA there.
    """

    def __init__(self, wants: Callable[[str, int], int | None], most: int) -> None:
        self._wants, self._most = wants, most
        self._unzip = zlib.decompressobj(31)
        self._packed = self._unpacked = 0
        self._rows = bytearray()  # unpacked, and not looked at yet
        self._left = 0  # bytes of the present file that are still to come, with what fills it up
        self._size = 0  # of the present file
        self._skipped = True  # what comes of it is not kept
        self._file: tuple[str, int, int] | None = None  # path, size, how many bytes are kept
        self._named: bytes | None = None  # the type of what is read to name the next file
        self._kept = bytearray()
        self._next: dict[str, str] = {}  # what was said of the next file
        self.comment: str | None = None
        self.is_complete = False

    def feed(self, data: bytes) -> Iterator[Packed]:
        """Yield the files that are complete with some more bytes; raises BadArchive, TooMuch."""
        self._packed += len(data)
        while data:
            if self._unzip.eof:  # another member of the gzip, or what fills it up
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._unzip = zlib.decompressobj(31)
            try:
                piece = self._unzip.decompress(data, _PIECE)
            except zlib.error:
                raise BadArchive("it is not compressed as it should be") from None
            data = self._unzip.unused_data if self._unzip.eof else self._unzip.unconsumed_tail
            self._count(len(piece))
            if not self.is_complete:
                self._rows += piece
                yield from self._files()

    def _count(self, more: int) -> None:
        self._unpacked += more
        if max(self._unpacked, self._packed) > self._most:
            raise TooMuch(f"it has more than {self._most >> 20} MB")
        if self._unpacked > max(_BOMB_FROM, self._packed * _BOMB_RATIO):
            raise TooMuch("it unpacks to far more than source code does")

    def _files(self) -> Iterator[Packed]:
        at = 0
        while not self.is_complete:
            if self._left:
                taken = min(self._left, len(self._rows) - at)
                if not self._skipped:
                    self._keep(at, taken)
                at += taken
                self._left -= taken
                if self._left:
                    break
                if (found := self._end()) is not None:
                    yield found
                continue
            if len(self._rows) - at < _BLOCK:
                break
            header = bytes(self._rows[at : at + _BLOCK])
            at += _BLOCK
            if not any(header):
                self.is_complete = True
            elif (empty := self._begin(header)) is not None:
                yield empty
        del self._rows[:at]

    def _keep(self, at: int, taken: int) -> None:
        size = self._file[2] if self._file is not None else self._size
        wanted = min(taken, size - len(self._kept))
        if wanted > 0:
            self._kept += self._rows[at : at + wanted]

    def _begin(self, header: bytes) -> Packed | None:
        """Read what stands before a file; return the file if nothing is in it."""
        if _number(header[148:156]) != sum(header) - sum(header[148:156]) + 8 * 32:
            raise BadArchive("what stands before a file is broken")
        kind, size = header[156:157], _number(header[124:136])
        self._size, self._kept = size, bytearray()
        self._left = -(-size // _BLOCK) * _BLOCK
        self._file, self._named, self._skipped = None, None, True
        if kind in (b"x", b"g", b"L"):
            if size > _MOST_NAMED:
                raise BadArchive("a name is too long")
            self._named, self._skipped = kind, False
            return None if size else self._end()
        name, self._next = self._next.get("path"), {}
        if kind not in _PLAIN:  # a folder, a link, a device
            return None
        path = _below_first(name if name is not None else _name_in(header))
        kept = self._wants(path, size) if path else None
        if kept is not None:
            self._file, self._skipped = (path, size, min(kept, size)), False
        elif path:
            return Packed(path, size, None)
        return self._end() if not size else None

    def _end(self) -> Packed | None:
        """See to what has come to its end."""
        if self._named is not None:
            self._name(self._named, bytes(self._kept))
            self._named = None
            return None
        if self._file is None:
            return None
        (path, size, _), self._file = self._file, None
        content, self._kept = bytes(self._kept), bytearray()
        return Packed(path, size, content)

    def _name(self, kind: bytes, text: bytes) -> None:
        if kind == b"L":
            self._next["path"] = _text(text.rstrip(b"\0"))
            return
        for name, value in _records(text):
            if kind == b"x" and name == b"size":
                raise TooMuch(_HUGE)
            if kind == b"x" and name == b"path":
                self._next["path"] = _text(value)
            elif kind == b"g" and name == b"comment":
                self.comment = _text(value)


def _records(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield what an extended header says: `LENGTH NAME=VALUE\\n` each."""
    at = 0
    while at < len(text):
        length, blank, _ = text[at : at + 12].partition(b" ")
        if not blank or not length.isdigit() or not 0 < int(length) <= len(text) - at:
            raise BadArchive("what is said of a file cannot be read")
        name, _, value = text[at + len(length) + 1 : at + int(length) - 1].partition(b"=")
        yield name, value
        at += int(length)


def _number(field: bytes) -> int:
    if field[:1] >= b"\x80":  # eight bits in each byte, for what is larger than 8 GB
        raise TooMuch(_HUGE)
    digits = field.strip(b" \0") or b"0"
    try:
        if not digits.isdigit():  # a size below nothing would lead back to what was read
            raise ValueError
        return int(digits, 8)
    except ValueError:
        raise BadArchive("a number cannot be read") from None


def _name_in(header: bytes) -> str:
    name, prefix = (header[start:end].split(b"\0", 1)[0] for start, end in ((0, 100), (345, 500)))
    is_ustar = header[257:262] == b"ustar"
    return _text(prefix + b"/" + name if prefix and is_ustar else name)


def _below_first(name: str) -> str:
    return name.partition("/")[2]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
