"""How a connection ends: its client leaves or is slow, it is at rest, the service stops."""

import asyncio
import io
from typing import Any

import pytest

from bot.services import Services
from bot.web import bodies
from tests.deliveries.hostile.attack import Door
from tests.kit.deliveries import PROCESSED, assert_problem
from tests.kit.marks import sqlite_only
from tests.kit.running import ADMIN_TOKEN, PATIENCE, eventually
from tests.server.connection.sending import (
    BODY,
    GET,
    Gate,
    connections_of,
    is_closed,
    stored,
    whole,
)

pytestmark = sqlite_only


@pytest.mark.parametrize("changes", [{"Content_Type": "text/plain"}, {"X_GitHub_Event": "ping"}])
async def test_body_too_slow(
    at: Door, changes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is refused by its headers, and one whose body is waited for, but not for ever."""
    monkeypatch.setattr(bodies, "SECONDS", 0.1)
    monkeypatch.setattr("bot.connection._LINGER_SECONDS", 0.1)
    async with at.connection() as connection:
        await connection.send(at.head(BODY, **changes) + BODY[:9])
        answer = await connection.answer()
        assert_problem(answer, 415 if "Content_Type" in changes else 408)
        assert await is_closed(connection)
    assert await stored(at) == []


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
async def test_body_too_slow_on_any_route(
    at: Door, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However steadily it trickles: of the API with a right token, of a form with none."""
    monkeypatch.setattr(bodies, "SECONDS", 0.3)
    path = "/api/v1/experiments" if kind.endswith("json") else "/sign-in"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 5000\r\n"
        f"Authorization: Bearer {ADMIN_TOKEN}\r\n\r\n"
    )
    async with at.connection() as connection:
        await connection.send(head.encode())

        async def trickle() -> None:
            while True:
                await connection.send(b" ")
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        async with asyncio.timeout(PATIENCE):
            answer = await connection.answer()
        trickling.cancel()
        assert answer.status == 408 and "body too slow" in str(answer.body).lower()
        assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize("sent", [b"", b"POST /api/v1/integrations/", GET, "delivery", "half"])
async def test_a_connection_at_rest_is_closed(
    at: Door, sent: bytes | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when a part of the headers has come."""
    monkeypatch.setattr("bot.connection._KEEPALIVE_SECONDS", 0.3)
    request = whole(at)
    sent = {"delivery": request, "half": request + request[:200]}.get(str(sent), sent)
    assert isinstance(sent, bytes)
    async with at.connection() as connection:
        await connection.send(sent)
        if sent.endswith(b"}") or sent == GET or len(sent) > 300:
            assert (await connection.answer()).status == 200
        assert await is_closed(connection)


async def test_rest_begins_with_the_answer(at: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.connection._KEEPALIVE_SECONDS", 1.0)
    async with at.connection() as connection:
        for _ in range(2):
            await asyncio.sleep(0.6)
            await connection.send(whole(at))
            assert (await connection.answer()).body == PROCESSED


async def test_a_delivery_in_hand_is_no_rest(
    at: Door, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.connection._KEEPALIVE_SECONDS", 0.1)
    async with at.connection() as connection:
        await connection.send(whole(at))
        await asyncio.sleep(0.3)
        gate.opened.set()
        assert (await connection.answer()).body == PROCESSED
        assert await is_closed(connection)


async def test_a_client_that_does_not_read(at: Door) -> None:
    """It is answered no more until it does."""
    async with at.connection() as connection:
        await connection.send(whole(at))
        assert (await connection.answer()).body == PROCESSED
        (ours,) = connections_of(at, connection)
        ours.pause_writing()
        await connection.send(whole(at))
        assert (await connection.answer()).body == PROCESSED
        await connection.send(whole(at))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connection.reader.read(1)
        ours.resume_writing()
        assert (await connection.answer()).body == PROCESSED


@pytest.mark.parametrize("query", [b"", b"?by=routes"])
@pytest.mark.parametrize("changes", [{"Connection": "close"}, {"X_Hub_Signature_256": None}])
async def test_the_last_answer_on_a_connection(
    at: Door, query: bytes, changes: dict[str, Any]
) -> None:
    """The client asks for it, or the answer announces it: nothing that comes behind is taken in."""
    last = whole(at, **changes).replace(b"github HTTP", b"github" + query + b" HTTP", 1)
    async with at.connection() as connection:
        await connection.send(last)
        assert (await connection.answer()).headers["Connection"] == "close"
        assert await is_closed(connection)
    async with at.connection() as connection:
        await connection.send(last + whole(at, X_GitHub_Delivery="behind"))
        assert (await connection.answer()).headers["Connection"] == "close"
        assert await is_closed(connection)
    assert "behind" not in await stored(at)


@pytest.mark.parametrize("wish", [b"close", b"Close", b"TE, close"])
async def test_a_page_is_the_last_if_the_client_wants_it(at: Door, wish: bytes) -> None:
    async with at.connection() as connection:
        await connection.send(GET[:-2] + b"Connection: " + wish + b"\r\n\r\n")
        answer = await connection.answer()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert await is_closed(connection)


async def test_the_older_protocol_goes_on_only_if_asked_to(at: Door) -> None:
    """By HTTP/1.0 a connection ends with its answer, a delivery's and a page's."""
    for request in (GET, whole(at)):
        older = request.replace(b"HTTP/1.1", b"HTTP/1.0", 1)
        async with at.connection() as connection:
            await connection.send(older)
            assert (await connection.answer()).status == 200
            assert await is_closed(connection)
        asking = older.replace(b"Host:", b"Connection: keep-alive\r\nHost:", 1)
        async with at.connection() as connection:
            for _ in range(2):
                await connection.send(asking)
                assert (await connection.answer()).headers["Connection"] == "keep-alive"


async def test_a_client_that_leaves(at: Door, gate: Gate, log_stream: io.StringIO) -> None:
    """What has wholly come is taken in though nobody hears of it; half of a body is refused."""
    async with at.connection() as connection:
        await connection.send(whole(at, X_GitHub_Delivery="whole"))
        await gate.reached.wait()
    async with at.connection() as other:
        await other.send(whole(at, X_GitHub_Delivery="half")[:-3])
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.05)
    gate.opened.set()

    async def all_told() -> bool:
        return log_stream.getvalue().count('"message":"delivery"') == 2

    await eventually(all_told)
    assert await stored(at) == ["whole"]
    assert '"reason":"broken body"' in log_stream.getvalue()
    assert at.bot.runner.in_hand.tasks == set()  # type: ignore[attr-defined]
    assert connections_of(at, connection) == connections_of(at, other) == []


async def test_a_client_that_leaves_before_its_body_is_looked_at(
    at: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, opened = Services.integration, asyncio.Event()

    async def late(self: Services, *of: Any, **options: Any) -> Any:
        await opened.wait()
        return await find(self, *of, **options)

    monkeypatch.setattr(Services, "integration", late)
    async with at.connection() as connection:
        await connection.send(whole(at, X_GitHub_Delivery="whole"))
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.05)
    opened.set()

    async def is_stored() -> bool:
        return await stored(at) == ["whole"]

    await eventually(is_stored)


async def test_a_fault_that_cannot_be_answered(at: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection ends, rather than wait for ever."""
    monkeypatch.setattr("bot.server.Reply", None)
    async with at.connection() as connection:
        await connection.send(whole(at))
        assert await is_closed(connection)
        assert connections_of(at, connection) == []


async def test_the_service_stops_while_one_is_in_hand(
    at: Door, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is answered, as the connection's last; one that comes behind it is not taken in."""
    monkeypatch.setattr("bot.listening._STOP_SECONDS", 2 * PATIENCE)  # if it waits for no end
    async with at.connection() as connection, at.connection() as idle:
        await connection.send(whole(at))
        await gate.reached.wait()
        stopping = asyncio.create_task(at.bot.runner.cleanup())
        await asyncio.sleep(0.05)
        await connection.send(whole(at))
        assert not stopping.done()
        gate.opened.set()
        answer = await connection.answer()
        assert (answer.body, answer.headers["Connection"]) == (PROCESSED, "close")
        assert await is_closed(connection) and await is_closed(idle)
        async with asyncio.timeout(PATIENCE):
            await stopping


async def test_one_that_takes_too_long_does_not_keep_the_service_up(
    at: Door, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.listening._STOP_SECONDS", 0.1)
    monkeypatch.setattr(at.bot.runner, "_shutdown_timeout", 0.1)
    async with at.connection() as connection:
        await connection.send(whole(at))
        await gate.reached.wait()
        (task,) = at.bot.runner.in_hand.tasks  # type: ignore[attr-defined]
        async with asyncio.timeout(PATIENCE):
            await at.bot.runner.cleanup()
        assert await is_closed(connection)
        await asyncio.wait([task], timeout=PATIENCE)
        assert task.cancelled()
