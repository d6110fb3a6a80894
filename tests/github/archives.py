"""How archives are sent, and how the sending fails."""

import asyncio
import contextlib
import secrets
import tarfile
import zlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from multidict import CIMultiDict


@dataclass
class ArchiveFault:
    """How the sending of some archives fails: `times` of them (None: always).

    break: the connection is closed after `at` bytes; hang: nothing follows them, and it stays
    open; slow: `seconds` pass before each `at` bytes; status: the answer is an error; away: it is
    a 302 to `location`; endless: entries follow each other for ever; bomb: one entry of a
    terabyte of zeros, a thousandth of that on the wire; garbage: what comes is no archive.
    """

    kind: str
    times: int | None = 1
    at: int = 1000
    seconds: float = 0.01
    status: int = 404
    location: str = ""
    used: int = 0


@dataclass
class Sent:
    """An archive that was asked for; `bytes` of it have left, `whole` if it has come to its end."""

    path: str
    headers: CIMultiDict[str]
    status: int = 200
    bytes: int = 0
    whole: bool = False


@dataclass
class Codeload:
    """The origin that archives come from: its `url`, what it was asked for and how it fails."""

    url: str = ""
    asked: list[Sent] = field(default_factory=list)
    faults: list[ArchiveFault] = field(default_factory=list)
    tokens: dict[str, float] = field(default_factory=dict)  # until when they are good

    @property
    def origin(self) -> str:
        """Return host and port."""
        return self.url.partition("//")[2].partition("/")[0]

    def fail(self, kind: str, **options: object) -> ArchiveFault:
        """Add a fault, which befalls the next archives."""
        fault = ArchiveFault(kind, **options)  # type: ignore[arg-type]
        self.faults.append(fault)
        return fault

    def fault(self) -> ArchiveFault | None:
        for one in self.faults:
            if one.times is None or one.used < one.times:
                one.used += 1
                return one
        return None


async def broken(
    pieces: AsyncGenerator[bytes, None], fault: ArchiveFault | None
) -> AsyncGenerator[bytes, None]:
    """Yield an archive as far and as fast as a fault lets it come."""
    left = fault.at if fault is not None and fault.kind in ("break", "hang") else None
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            if fault is not None and fault.kind == "slow":
                for start in range(0, len(piece), fault.at):
                    await asyncio.sleep(fault.seconds)
                    yield piece[start : start + fault.at]
                continue
            if left is None:
                yield piece
                continue
            if piece[:left]:
                yield piece[:left]
            left -= len(piece[:left])
            if left == 0:
                return


async def _endless(folder: str) -> AsyncGenerator[bytes, None]:
    """Yield entries without end; each is compressed by itself, so one can be repeated."""
    first, again = _blocks(_entry(f"{folder}/src/one.ts", secrets.token_bytes(50_000)))
    yield first
    while True:
        yield again
        await asyncio.sleep(0)


async def _bomb(folder: str) -> AsyncGenerator[bytes, None]:
    """Yield one entry of a terabyte of zeros."""
    header = tarfile.TarInfo(f"{folder}/src/zeros.ts")
    header.size = 2**40
    first, _ = _blocks(header.tobuf(tarfile.GNU_FORMAT))
    yield first
    _, zeros = _blocks(bytes(2**20))
    for _ in range(2**20):
        yield zeros
        await asyncio.sleep(0)


async def _garbage(folder: str) -> AsyncGenerator[bytes, None]:
    yield f"<html>{folder} is being moved</html>".encode()


MADE_UP = {"endless": _endless, "bomb": _bomb, "garbage": _garbage}


def _blocks(content: bytes) -> tuple[bytes, bytes]:
    """Return content as the beginning of a gzip stream, and as what may follow in one."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    first = packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)
    return first, packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)


def _entry(path: str, content: bytes) -> bytes:
    """Return an entry of a tar archive, which others may follow."""
    header = tarfile.TarInfo(path)
    header.size = len(content)
    return header.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)
