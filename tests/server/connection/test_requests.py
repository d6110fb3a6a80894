"""Requests one after the other on a connection, in whatever pieces they come."""

import asyncio
import io
import json

import pytest

from bot.services import Services
from tests.deliveries.hostile.attack import Door
from tests.kit.deliveries import PROCESSED, assert_problem, sign
from tests.kit.marks import sqlite_only
from tests.server.connection.sending import (
    BODY,
    GET,
    Gate,
    answered,
    is_closed,
    stored,
    whole,
)

pytestmark = sqlite_only


async def test_many_on_one_connection(at: Door, routed: list[str]) -> None:
    """More than aiohttp would queue, in turn with requests that aiohttp answers."""
    guids = [f"{number}" for number in range(40)]
    async with at.connection() as connection:
        for guid in guids:
            await connection.send(whole(at, X_GitHub_Delivery=guid))
            answer = await connection.answer()
            assert (answer.status, answer.body) == (200, PROCESSED)
            if int(guid) % 10 == 5:
                await connection.send(GET)
                assert (await connection.answer()).status == 200
    assert routed == ["/healthz"] * 4
    assert await stored(at) == guids


async def test_several_at_once_are_answered_in_their_order(at: Door) -> None:
    good, bad = whole(at), whole(at, X_Hub_Signature_256=sign(b"[]"))
    for pieces in ([good + bad + GET + good], [good + bad[:50], bad[50:] + GET + good]):
        async with at.connection() as connection:
            for piece in pieces:
                await connection.send(piece)
                await asyncio.sleep(0.02)
            assert [(await connection.answer()).status for _ in range(4)] == [200, 401, 200, 200]


async def test_what_comes_while_one_is_in_hand_waits_for_it(
    at: Door, gate: Gate, routed: list[str]
) -> None:
    async with at.connection() as connection:
        await connection.send(whole(at, X_GitHub_Delivery="1"))
        await gate.reached.wait()
        await connection.send(whole(at, X_GitHub_Delivery="2", X_Request_ID="second")[:90])
        await connection.send(whole(at, X_GitHub_Delivery="2", X_Request_ID="second")[90:])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connection.reader.read(1)
        gate.opened.set()
        assert (await connection.answer()).headers["X-Request-ID"] != "second"
        assert (await connection.answer()).headers["X-Request-ID"] == "second"
        assert routed == []
        gate.opened.clear()
        gate.reached.clear()
        await connection.send(whole(at, X_GitHub_Delivery="3"))
        await gate.reached.wait()
        await connection.send(GET + whole(at, X_GitHub_Delivery="4") + GET * 40)
        await asyncio.sleep(0.05)
        gate.opened.set()
        answers = [await connection.answer() for _ in range(43)]
    kinds = [answer.body == PROCESSED for answer in answers]
    assert kinds == [True, False, True] + [False] * 40
    assert await stored(at) == ["1", "2", "3", "4"]


async def test_more_at_once_than_are_queued(at: Door, gate: Gate) -> None:
    """Reading is paused then, and goes on."""
    async with at.connection() as connection:
        await connection.send(whole(at))
        await gate.reached.wait()
        for _ in range(100):
            await connection.send(whole(at))
        gate.opened.set()
        answers = [await connection.answer() for _ in range(101)]
        assert [answer.body for answer in answers] == [PROCESSED] * 101
        await connection.send(whole(at))
        assert (await connection.answer()).body == PROCESSED


@pytest.mark.parametrize("size", [1, 7, 300])
async def test_in_pieces(at: Door, size: int, routed: list[str]) -> None:
    request = whole(at)
    async with at.connection() as connection:
        for start in range(0, len(request), size):
            await connection.send(request[start : start + size])
            await asyncio.sleep(0.001)
        answer = await connection.answer()
        assert (answer.status, answer.body) == (200, PROCESSED)
        await connection.send(whole(at))
        assert (await connection.answer()).status == 200
    assert routed == []


async def test_the_rest_of_a_refused_body_is_no_request(at: Door, routed: list[str]) -> None:
    body = GET + BODY
    async with at.connection() as connection:
        await connection.send(at.head(body, Content_Type="text/plain"))
        assert_problem(await connection.answer(), 415)
        await connection.send(body[:20])
        await asyncio.sleep(0.02)
        await connection.send(body[20:] + whole(at))
        assert (await connection.answer()).body == PROCESSED
    assert routed == []


@pytest.mark.parametrize(
    "fields",
    [
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Content-Length: 2\r\n",
        b"Content-Length: 37\r\n",
        b"content-length : 37\r\n",
        b"X: a\x00b\r\n",
        b"X-Hub-Signature-256: sha256=%s\n folded\r\n",
        b"X: %s\r\n" % (b"y" * 9000),
        b"".join(b"X-%d: y\r\n" % number for number in range(130)),
    ],
)
async def test_ambiguous_or_malformed(at: Door, fields: bytes) -> None:
    """It is refused, and its body is never read as the next request."""
    head = at.head(BODY)[:-2] + fields + b"\r\n"
    async with at.connection() as connection:
        await connection.send(head + BODY + whole(at))
        assert_problem(await connection.answer(), 400, "malformed request")
        assert await is_closed(connection)
    assert await stored(at) == []


async def test_chunks(at: Door, routed: list[str]) -> None:
    head = at.head(BODY, Content_Length=None, Transfer_Encoding="chunked")
    async with at.connection() as connection:
        await connection.send(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))
        assert (await connection.answer()).body == PROCESSED
        await connection.send(whole(at))
        assert (await connection.answer()).body == PROCESSED
    assert len(routed) == 1


async def test_an_offer_to_speak_something_else(at: Door, routed: list[str]) -> None:
    async with at.connection() as connection:
        await connection.send(whole(at, Connection="Upgrade", Upgrade="websocket"))
        assert (await connection.answer()).body == PROCESSED
        await connection.send(whole(at))
        assert (await connection.answer()).body == PROCESSED
    assert len(routed) == 1


async def test_an_older_http(at: Door, routed: list[str]) -> None:
    head, body = await answered(at, whole(at).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
    assert head[0] == b"HTTP/1.0 200 OK" and body == b'{"processed":true}'
    assert len(routed) == 1


async def test_each_has_a_context_of_its_own(
    at: Door, log_stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that is logged for one tells of another on the same connection."""
    async with at.connection() as connection:
        await connection.send(whole(at, X_GitHub_Delivery="first"))
        assert (await connection.answer()).status == 200
        monkeypatch.setattr(Services, "integration", None)
        await connection.send(whole(at, X_GitHub_Delivery="second"))
        assert (await connection.answer()).status == 500
    lines = [json.loads(line) for line in log_stream.getvalue().splitlines()]
    (line,) = [line for line in lines if line["message"] == "request failed"]
    assert "delivery" not in line
