"""What those who are connected may hold together, and that others have their room all the same."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NoReturn

import pytest

from bot.crowd import Crowd
from tests.deliveries.hostile.attack import Connection, Door
from tests.kit.deliveries import PROCESSED, assert_problem, sign
from tests.kit.marks import sqlite_only
from tests.kit.running import ADMIN_TOKEN, PATIENCE, eventually
from tests.server.connection.sending import BODY, GET, Gate, connections_of, is_closed, whole

pytestmark = sqlite_only
MB = 1024 * 1024


@pytest.fixture
def crowd(at: Door, monkeypatch: pytest.MonkeyPatch) -> Crowd:
    """Those who are connected, who may hold 8 MB, of which 2 are for small requests."""
    monkeypatch.setattr("bot.crowd.MOST_HELD", 8 * MB)
    monkeypatch.setattr("bot.crowd.MOST_OF_LARGE", 6 * MB)
    monkeypatch.setattr("bot.connection.MOST_OF_LARGE", 6 * MB)
    (site,) = at.bot.runner.sites
    crowd: Crowd = site._crowd  # type: ignore[attr-defined]
    return crowd


@asynccontextmanager
async def several(at: Door, count: int) -> AsyncIterator[list[Connection]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(at.connection()) for _ in range(count)]


async def held(crowd: Crowd, count: int) -> None:
    async def is_so() -> bool:
        return crowd.held == count

    await eventually(is_so)


def form(size: int) -> bytes:
    return (
        f"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    ).encode()


# --- What is held


async def test_a_small_delivery_has_room_beside_large_bodies(at: Door, crowd: Crowd) -> None:
    """Of those who fill the room, who has been sending longest makes way, and hears why."""
    body = bytes(5 * MB)
    async with several(at, 6) as connections:
        for connection in connections:
            await connection.send(at.head(body) + body[: 2 * MB])
            await asyncio.sleep(0.05)
            assert crowd.held <= 6 * MB
            assert (await at.raw(whole(at))).body == PROCESSED
        for connection in connections[:2]:
            answer = await connection.answer()
            assert_problem(answer, 503, "too much in flight")
            assert answer.headers["Retry-After"] == "5"
            assert answer.headers["Connection"] == "close"
        await connections[-1].send(body[2 * MB :])
        assert_problem(await connections[-1].answer(), 400, "invalid JSON")
    await held(crowd, 0)


async def test_who_is_refused_may_go_on_sending_and_hears_why(at: Door, crowd: Crowd) -> None:
    body = bytes(20 * MB)
    async with at.connection() as connection:
        await connection.send(at.head(body) + body[: 7 * MB])
        await asyncio.sleep(0.2)
        await connection.send(body[7 * MB :])
        assert_problem(await connection.answer(), 503, "too much in flight")
        assert crowd.held == 0
    await held(crowd, 0)


async def test_what_is_in_hand_makes_way_for_nobody(at: Door, crowd: Crowd, gate: Gate) -> None:
    """Where all room is taken by what has wholly come, who comes next is refused."""
    body = b'{"zen": "' + b"x" * (MB - 1000) + b'"}'
    async with several(at, 9) as connections:
        for connection in connections[:8]:
            await connection.send(whole(at, body))
        await gate.reached.wait()
        await asyncio.sleep(0.3)
        await connections[8].send(whole(at, body))
        assert_problem(await connections[8].answer(), 503, "too much in flight")
        gate.opened.set()
        for connection in connections[:8]:
            assert (await connection.answer()).body == PROCESSED
    await held(crowd, 0)
    assert (await at.raw(whole(at, body))).body == PROCESSED


async def test_what_is_announced_takes_no_room(at: Door, crowd: Crowd) -> None:
    body = b'{"zen": "' + b"x" * 3 * MB + b'"}'
    async with several(at, 20) as connections:
        for connection in connections:
            await connection.send(at.head(body) + b"{")
        assert (await at.raw(whole(at, body))).body == PROCESSED
    await held(crowd, 0)


async def test_small_bodies_on_any_route_are_held_together(at: Door, crowd: Crowd) -> None:
    """Nobody but their senders is refused when there are very many of them."""
    async with several(at, 40) as connections:
        for connection in connections:
            await connection.send(form(MB) + b"a" * (MB // 3))
            await asyncio.sleep(0.01)
            assert crowd.held <= 8 * MB
        assert (await at.raw(whole(at))).body == PROCESSED
        assert (await connections[0].answer()).status == 503
    await held(crowd, 0)


async def test_headers_are_held_as_well(at: Door, crowd: Crowd) -> None:
    """They are refused as bodies are, and answered though there is no request yet."""
    headers = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 8000) for number in range(100))
    async with several(at, 15) as connections:
        for connection in connections:
            await connection.send(b"GET /healthz HTTP/1.1\r\n" + headers)
            await asyncio.sleep(0.01)
        assert crowd.held <= 8 * MB
        assert (await at.raw(whole(at))).body == PROCESSED
        assert_problem(await connections[0].answer(), 503, "too much in flight")
    await held(crowd, 0)


async def test_what_is_answered_is_held_no_more(at: Door, crowd: Crowd, gate: Gate) -> None:
    """As long as it is not, it is, even if its sender has gone."""
    async with at.connection() as connection:
        await connection.send(whole(at))
        await gate.reached.wait()
        assert crowd.held >= len(BODY)
    await asyncio.sleep(0.05)
    assert crowd.held >= len(BODY)
    gate.opened.set()
    await held(crowd, 0)
    forged = whole(at, X_Hub_Signature_256=sign(b"other"))
    for request in (GET, forged, whole(at) * 3, whole(at) + GET + forged[:-5], form(10) + b"ab"):
        async with at.connection() as connection:
            await connection.send(request)
            await asyncio.sleep(0.05)
        await held(crowd, 0)


# --- Connections


async def test_who_only_waits_makes_way(at: Door, crowd: Crowd) -> None:
    """Idle ones of an address, longest first, for those of the same address and of others."""
    crowd.most_of_one = 24
    async with several(at, 60) as connections:
        assert (await at.raw(whole(at))).body == PROCESSED
        assert await is_closed(connections[0])
        await connections[-1].send(GET)
        assert (await connections[-1].answer()).status == 200
        crowd.most, crowd.most_of_one = 12, 100
        assert (await at.raw(whole(at))).body == PROCESSED
    assert connections_of(at, connections[0]) == []


async def test_who_has_delivered_stays_beside_those_who_only_come(at: Door, crowd: Crowd) -> None:
    """The next delivery may be on its way already, and GitHub sends none again."""
    crowd.most_of_one = 24
    async with at.connection() as ours, at.connection() as forger:
        for connection, request, status in (
            (ours, whole(at), 200),
            (forger, whole(at, X_Hub_Signature_256=sign(b"other")), 401),
        ):
            await connection.send(request)
            assert (await connection.answer()).status == status
        async with several(at, 60):
            assert await is_closed(forger)
            await ours.send(GET)
            assert (await ours.answer()).status == 200


async def test_a_proxy_may_have_any_number(
    at: Door, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.web.callers.is_proxy", lambda address, _: address == "127.0.0.1")
    crowd.most_of_one = 4
    async with several(at, 12) as connections:
        for connection in connections:
            await connection.send(GET)
            assert (await connection.answer()).status == 200


@pytest.mark.parametrize("part", [b"", b"GET /healthz HTTP/1.1\r\nHo", "body"])
async def test_who_never_comes_to_an_end_makes_way(
    at: Door, crowd: Crowd, part: bytes | str
) -> None:
    crowd.most_of_one = 24
    sent = part if isinstance(part, bytes) else at.head(BODY) + BODY[:5]
    async with several(at, 23) as connections:
        for connection in connections:
            await connection.send(sent)
        for _ in range(50):
            async with at.connection() as connection:
                await connection.send(whole(at))
                assert (await connection.answer()).body == PROCESSED


async def test_one_too_many_is_closed_where_nobody_waits(
    at: Door, crowd: Crowd, gate: Gate
) -> None:
    """What is in hand is never cut off for a newcomer."""
    async with several(at, 8) as connections:
        for connection in connections:
            await connection.send(whole(at))
        await gate.reached.wait()
        await asyncio.sleep(0.1)
        crowd.most_of_one = 8
        async with at.connection() as other:
            assert await is_closed(other)
        gate.opened.set()
        for connection in connections:
            assert (await connection.answer()).body == PROCESSED
    assert (await at.raw(GET)).status == 200


async def test_accepting_rests_when_files_run_out(
    at: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop is not woken for a connection that cannot be had, and goes on a little later."""
    monkeypatch.setattr("bot.listening._REST_SECONDS", 0.2)
    (site,) = at.bot.runner.sites
    sock, loop = site._sock, asyncio.get_running_loop()  # type: ignore[attr-defined]

    class Full:
        def fileno(self) -> int:
            return int(sock.fileno())

        def accept(self) -> NoReturn:
            raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(site, "_sock", Full())
    site._accept()  # type: ignore[attr-defined]
    assert loop.remove_reader(sock.fileno()) is False
    monkeypatch.setattr(site, "_sock", sock)
    assert (await at.raw(GET)).status == 200


# --- Time


async def test_headers_that_trickle(at: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.connection._HEADERS_SECONDS", 0.3)
    async with at.connection() as connection:
        await connection.send(GET)
        assert (await connection.answer()).status == 200

        async def trickle() -> None:
            for byte in b"GET /healthz HTTP/1.1\r\nHost: " + b"x" * 1000:
                await connection.send(bytes([byte]))
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        async with asyncio.timeout(PATIENCE):
            assert_problem(await connection.answer(), 408, "request too slow")
        assert await is_closed(connection)
        trickling.cancel()


@pytest.mark.parametrize("count", [1, 400])
async def test_who_never_reads_is_cut_off(
    at: Door, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many requests were sent, all answers but what the system keeps for it are dropped."""
    monkeypatch.setattr("bot.crowd._READ_SECONDS", 0.3)
    path = "/api/v1/openapi.json" if count > 1 else "/healthz"
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\r\n"
    async with at.connection() as connection:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        connection.writer.write(request.encode() * count)
        if count == 1:
            await asyncio.sleep(1)
            assert connections_of(at, connection) != []
            return

        async def is_gone() -> bool:
            return connections_of(at, connection) == []

        await eventually(is_gone)


async def test_who_reads_slowly_is_not(at: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.crowd._READ_SECONDS", 0.5)
    request = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    async with at.connection() as connection:
        reading = asyncio.create_task(connection.send(request * 100))
        await asyncio.sleep(0.1)
        for _ in range(100):
            answer = await connection.answer()
            await asyncio.sleep(0.01)
            assert answer.status == 200
        await reading
