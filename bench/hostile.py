"""What strangers may send, each kind as rudely as it can be: for `bench/strangers.py`.

Each act is one request, and returns the status that it was answered with, or how it ended.
"""

import asyncio
import contextlib
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

SIZE = 25 * 1024 * 1024
_CHUNK = bytes(256 * 1024)
_PATIENCE = 30.0  # seconds after which one gives up by itself
_SHORT, _LONG = 100, 900  # acts at the same time: of those that are over soon, of the others
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_FORGED = "sha256=" + "0" * 64


class Line:
    """A connection to the service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def status(self) -> str:
        """Return the status of the answer, once it comes."""
        return (await self._reader.readexactly(12))[9:].decode()

    async def flood(self, size: int) -> str:
        """Send so many bytes, unless an answer comes before."""
        answer = asyncio.ensure_future(self.status())
        with contextlib.suppress(ConnectionError):
            while size > 0 and not answer.done():
                await self.send(_CHUNK[:size])
                size -= len(_CHUNK)
        return await answer

    async def trickle(self, data: bytes) -> str:
        """Send ten bytes a second until an answer comes."""
        answer = asyncio.ensure_future(self.status())
        with contextlib.suppress(ConnectionError):
            for byte in data:
                await self.send(bytes([byte]))
                if (await asyncio.wait({answer}, timeout=0.1))[0]:
                    break
        return await answer

    def never_read(self) -> None:
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Target:
    port: int
    webhook: str  # the path


Act = Callable[[Line, Target], Awaitable[str]]
ACTS: dict[str, tuple[Act, int, bool]] = {}  # with its share of a hundred, and whether it is long


def _act(name: str, share: int, *, is_long: bool = False) -> Callable[[Act], Act]:
    def add(act: Act) -> Act:
        ACTS[name] = act, share, is_long
        return act

    return add


def _post(path: str, kind: str, size: int, **more: str) -> bytes:
    headers = {"Host": "x", "Content-Type": kind, "Content-Length": str(size)}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode()


def _get(path: str, token: str | None = None) -> bytes:
    said = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{said}\r\n".encode()


async def _small(line: Line, request: bytes) -> str:
    await line.send(request)
    return await line.status()


def _delivery(target: Target, size: int) -> bytes:
    return _post(
        target.webhook,
        _JSON,
        size,
        X_GitHub_Event="push",
        X_GitHub_Delivery="1",
        X_Hub_Signature_256=_FORGED,
    )


@_act("unsigned 25 MB", 2)
async def _unsigned(line: Line, target: Target) -> str:
    await line.send(_post(target.webhook, _JSON, SIZE))
    return await line.flood(SIZE)


@_act("forged 25 MB", 2)
async def _forged(line: Line, target: Target) -> str:
    await line.send(_delivery(target, SIZE))
    return await line.flood(SIZE)


@_act("endless body", 1)
async def _endless(line: Line, target: Target) -> str:
    head = _delivery(target, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    await line.send(head + b"fffffff\r\n")
    return await line.flood(2 * SIZE)


@_act("forged", 15)
async def _small_forged(line: Line, target: Target) -> str:
    return await _small(line, _delivery(target, 24_000) + b"{" * 24_000)


@_act("unsigned deep JSON", 6)
async def _deep(line: Line, target: Target) -> str:
    return await _small(line, _post(target.webhook, _JSON, 100_000) + b"[" * 100_000)


@_act("deep JSON for the API", 5)
async def _deep_api(line: Line, _: Target) -> str:
    return await _small(line, _post("/api/v1/experiments", _JSON, 100_000) + b"[" * 100_000)


@_act("form of a million fields", 5)
async def _bomb(line: Line, _: Target) -> str:
    return await _small(line, _post("/sign-in", _FORM, 250_000) + b"a&" * 125_000)


@_act("failed sign-in", 10)
async def _sign_in(line: Line, _: Target) -> str:
    return await _small(line, _post("/sign-in", _FORM, 11) + b"token=wrong")


@_act("unknown token", 12)
async def _token(line: Line, _: Target) -> str:
    return await _small(line, _get("/api/v1/experiments", "unknown"))


@_act("stream without a token", 6)
async def _stream(line: Line, _: Target) -> str:
    return await _small(line, _get("/api/v1/activity/stream"))


@_act("unknown integration", 6)
async def _nobody(line: Line, target: Target) -> str:
    path = target.webhook.replace(
        target.webhook.split("/")[4], "0" * 8 + "-0000" * 3 + "-" + "0" * 12
    )
    return await _small(line, _delivery(Target(target.port, path), 2) + b"{}")


@_act("no HTTP", 10)
async def _garbage(line: Line, _: Target) -> str:
    return await _small(line, b"\x16\x03\x01\x1b[2J" + os.urandom(200) + b"\r\n\r\n")


@_act("trickled headers", 5, is_long=True)
async def _headers(line: Line, _: Target) -> str:
    return await line.trickle(b"GET / HTTP/1.1\r\nHost: " + b"x" * 1000)


@_act("trickled body", 5, is_long=True)
async def _body(line: Line, target: Target) -> str:
    await line.send(_delivery(target, SIZE))
    return await line.trickle(b" " * 1000)


@_act("trickled sign-in", 3, is_long=True)
async def _slow_form(line: Line, _: Target) -> str:
    await line.send(_post("/sign-in", _FORM, 1000))
    return await line.trickle(b" " * 1000)


@_act("never reads", 2, is_long=True)
async def _deaf(line: Line, _: Target) -> str:
    line.never_read()
    await line.send(_get("/api/v1/openapi.json") * 40)
    await asyncio.sleep(_PATIENCE)
    return "gave up"


@_act("idle", 5, is_long=True)
async def _idle(line: Line, _: Target) -> str:
    return await line.status()


async def _one(name: str, target: Target, slots: dict[bool, asyncio.Semaphore]) -> tuple[str, str]:
    act, _, is_long = ACTS[name]
    async with slots[is_long]:
        writer = None
        try:
            async with asyncio.timeout(_PATIENCE):
                reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
                return name, await act(Line(reader, writer), target)
        except TimeoutError:
            return name, "gave up"
        except (ConnectionError, asyncio.IncompleteReadError):
            return name, "closed"
        finally:
            if writer is not None:
                writer.transport.abort()


async def attack(target: Target, count: int, only: Collection[str]) -> Counter[tuple[str, str]]:
    """Send so many requests; return how each kind of them ended, how often."""
    names = [
        name
        for name, (_, share, _) in ACTS.items()
        for _ in range(count * share // 100)
        if name in only
    ]
    random.Random(1).shuffle(names)
    slots = {False: asyncio.Semaphore(_SHORT), True: asyncio.Semaphore(_LONG)}
    return Counter(await asyncio.gather(*(_one(name, target, slots) for name in names)))
