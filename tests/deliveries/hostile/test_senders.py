"""Senders that are slow, rude or many: whoever else sends does not wait for them."""

import asyncio
import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.deliveries.door import MAX_BODY
from bot.demo import payloads
from tests.deliveries.hostile.attack import (
    GOOD,
    LARGE,
    Door,
    broken,
    is_never_our_fault,
    settings_in,
)
from tests.kit.deliveries import assert_problem, pull_request, sign
from tests.kit.marks import slow
from tests.kit.running import ADMIN_TOKEN, PATIENCE, start

# One service on one engine lives through it all.
pytestmark = pytest.mark.asyncio(loop_scope="module")


# --- Senders


@slow
async def test_slow_body(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that trickles in is given up; others are answered meanwhile."""
    monkeypatch.setattr("bot.web.bodies.SECONDS", 0.3)
    async with door.connection() as slow:
        await slow.send(door.head(b"{}", Content_Length="1000"))
        for _ in range(5):
            await slow.send(b" ")
            assert (await door.bot.get("/healthz")).status == 200
            await asyncio.sleep(0.02)
        assert_problem(await slow.answer(), 408)


async def test_many_slow_senders(door: Door) -> None:
    """A hundred connections that send half of something hold nobody up."""
    halves = [b"", b"POST", door.head(b"{}")[:-40], door.head(b"{}"), door.head(b"{}") + b"{"]
    connections = [door.connection() for _ in range(100)]
    opened = [await connection.__aenter__() for connection in connections]
    try:
        for position, connection in enumerate(opened):
            await connection.send(halves[position % len(halves)])
        async with asyncio.timeout(PATIENCE):
            answer = await door.bot.deliver(door.integration, "ping", {})
        assert (answer.status, answer.body) == (200, {"processed": True})
    finally:
        for one in connections:
            await one.__aexit__(None, None, None)


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_body_cut_off(door: Door, is_chunked: bool) -> None:
    """A connection that ends in the middle of a body leaves nothing behind, not even an error."""
    body = b'{"zen": "Half measures are as bad as nothing at all."}'
    head = door.head(body)
    if is_chunked:
        head = door.head(body, Content_Length=None, Transfer_Encoding="chunked")
    async with door.connection() as connection:
        await connection.send(head + (b"5\r\n" + body[:5] + b"\r\n" if is_chunked else body[:20]))
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.1)
    assert await door.bot.walk(f"/api/v1/integrations/{door.integration}/deliveries") == []


async def test_body_half_closed(door: Door) -> None:
    """A client that stops sending but goes on listening is told what was wrong."""
    async with door.connection() as connection:
        await connection.send(door.head(b"{}", Content_Length="100") + b"{}")
        connection.writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            rest = await connection.reader.read()
    assert rest == b"" or rest.startswith(b"HTTP/1.1 4")


@slow
async def test_refused_upload_and_stopping(tmp_path: Path) -> None:
    """Whoever announces a large body and keeps the connection does not keep the service up."""
    bot = await start(settings_in(tmp_path / "data"))
    door = Door(bot, await bot.integration())
    async with door.connection() as connection:
        await connection.send(door.head(b"{}", Content_Length=str(LARGE)))
        assert_problem(await connection.answer(), 413)
        started = time.perf_counter()
        await bot.close()
        assert time.perf_counter() - started < 6.0


HOST = b"Host: bot.example\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"".join(b"X-%d: y\r\n" % n for n in range(1000)),
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 100_000 + b"\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"X" * 100_000 + b": y\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32 + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"hello\r\n",
        b"GET\r\n",
        b"GET /healthz HTTP/9.9\r\n" + HOST,
        b"GET /healthz HTTP/1.1\r\nno colon\r\n",
        b"GET /healthz HTTP/1.1\r\n: empty name\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n",
        b"G\xffT /healthz HTTP/1.1\r\n" + HOST,
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: many\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, nonsense\r\n",
    ],
    ids=lambda request: repr(request[-48:]),
)
async def test_not_http(door: Door, request_: bytes) -> None:
    """Floods of headers and what is not HTTP at all get a problem too."""
    assert_problem(await door.raw(request_ + b"\r\n"), 400)


@pytest.mark.parametrize(
    "line",
    [
        b"GET /\xff HTTP/1.1",
        b"GET /%ff%fe HTTP/1.1",
        b"GET /%00 HTTP/1.1",
        b"GET /%ed%a0%80 HTTP/1.1",
        b"GET /../../etc/passwd HTTP/1.1",
        b"GET //bot.example/ HTTP/1.1",
        b"GET http://[ HTTP/1.1",
        b"GET http://bot.example:port/ HTTP/1.1",
        b"GET /api/v1/experiments/%ff HTTP/1.1",
        b"GET /api/v1/experiments?\xff=1 HTTP/1.1",
        b"GET /api/v1/experiments?%ff=1 HTTP/1.1",
        b"GET /api/v1/experiments?q=%ff HTTP/1.1",
        b"GET /api/v1/experiments?q=%00 HTTP/1.1",
        b"GET /api/v1/experiments?q=%ed%a0%80 HTTP/1.1",
        b"GET /api/v1/experiments?cursor=%ff HTTP/1.1",
        b"GET /api/v1/experiments?limit=" + b"9" * 5000 + b" HTTP/1.1",
        b"GET /api/v1/pull-requests/a/b/9999999999 HTTP/1.1",
        b"BREW / HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT bot.example:80 HTTP/1.1",
        b"TRACE / HTTP/1.1",
    ],
    ids=repr,
)
async def test_odd_addresses(door: Door, line: bytes) -> None:
    """Anything may stand in an address."""
    headers = HOST + b"Authorization: Bearer " + ADMIN_TOKEN.encode() + b"\r\n"
    answer = await door.raw(line + b"\r\n" + headers + b"\r\n")
    assert answer.status < 500, answer.body
    if answer.status >= 400:
        assert_problem(answer, answer.status)


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Content-Type",
        "Cookie",
        "Expect",
        "Host",
        "User-Agent",
        "X-GitHub-Delivery",
        "X-GitHub-Enterprise-Host",
        "X-GitHub-Event",
        "X-GitHub-Hook-ID",
        "X-Request-ID",
    ],
)
@pytest.mark.parametrize("value", ["\xff\xfe", "\xed\xa0\x80", "a" * 8000, "{{7*7}}%s%n"])
async def test_odd_header_values(door: Door, name: str, value: str) -> None:
    """Whatever bytes a header holds, the delivery is taken or refused, and can be shown."""
    answer = await door.raw(door.head(b"{}", **{name: value}) + b"{}")
    is_never_our_fault(answer)
    path = f"/api/v1/integrations/{door.integration}/deliveries"
    for delivery in await door.bot.walk(path):
        assert delivery["status"] == "processed"
        assert (await door.bot.get(f"{path}/{delivery['id']}")).status == 200


async def test_upgrade(door: Door) -> None:
    """Nothing is spoken but HTTP/1.1."""
    head = door.head(b"{}", Connection="Upgrade", Upgrade="websocket")
    is_never_our_fault(await door.raw(head + b"{}"))


async def test_pipelined_deliveries(door: Door) -> None:
    """Requests that come in one piece are answered one after the other, each by itself."""
    good = door.head(b"{}") + b"{}"
    bad = door.head(b"{}", X_Hub_Signature_256=sign(b"[]")) + b"{}"
    async with door.connection() as connection:
        await connection.send(good + bad + good)
        answers = [await connection.answer() for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 401, 200]


# --- Nobody else waits


async def test_large_delivery_holds_nobody_up(door: Door) -> None:
    """While 20 MB are sent, read and stored, the service goes on answering."""
    payload = pull_request()
    payload["pull_request"]["requested_reviewers"] = [payloads.user("mona")] * 24_000
    body = payloads.encode(payload)
    assert 18 * 1024 * 1024 < len(body) < MAX_BODY
    delivery = asyncio.create_task(door.signed("pull_request", body))
    longest = 0.0
    while not delivery.done():
        started = time.perf_counter()
        assert (await door.bot.get("/healthz")).status == 200
        longest = max(longest, time.perf_counter() - started)
        await asyncio.sleep(0.005)
    answer = await delivery
    assert (answer.status, answer.body) == (200, {"processed": True})
    assert longest < 1.0


KEY_LINE = "experiment_key: x\n\n"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "experiment_key: " + "a," * 500_000,
        "experiment_key: x\n" * 15_000,
        KEY_LINE + "experiment_key: " + "_`*" * 80_000,
        KEY_LINE + "- " * 100_000 + "experiment_key: y",
        KEY_LINE + "`" * 250_000,
        KEY_LINE + "[" * 250_000,
        KEY_LINE + '[a]: b "\n' * 25_000,
        KEY_LINE + "> " * 100_000,
        KEY_LINE + ">\n" * 100_000,
        KEY_LINE + "\t*\n" * 80_000,
        KEY_LINE + "<!--" * 60_000,
        KEY_LINE + "<a>\n" * 60_000,
        KEY_LINE + "<pre>\n\n" * 35_000,
        KEY_LINE + "```\n" * 60_000,
        KEY_LINE + "1. a\n\n" * 40_000,
        KEY_LINE + "\n".join(" " * depth + "- a" for depth in range(700)),
    ],
    ids=lambda text: repr(text[:32]),
)
@slow
async def test_long_bodies(door: Door, text: str) -> None:
    """However a body is made, its key lines are found in no time."""
    body = payloads.encode(broken("pull_request", "pull_request", "body", value=text))
    started = time.process_time()  # of this process: a busy machine makes no difference
    answer = await door.signed("pull_request", body)
    assert (answer.status, answer.body) == (200, {"processed": True})
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    "text",
    [
        "a" * 60_000,
        " " * 60_000,
        "<" * 60_000,
        "a@" * 1_500,
        "a@a." * 800,
        "@." * 1_500,
        "<" + "a@" * 1_500,
        "<a@" * 3_000,
        " <a" * 20_000,
        "<" + " @" * 30_000,
    ],
    ids=lambda text: repr(text[:8]),
)
@pytest.mark.parametrize("place", ["message", "name"])
async def test_long_commits(door: Door, place: str, text: str) -> None:
    """However a commit is made, it is freed of e-mail addresses in no time."""
    payload = copy.deepcopy(GOOD["push"]())
    (commit,) = payload["commits"]
    if place == "name":
        commit["author"] = {"name": text}
    else:
        commit["message"] = text
    started = time.process_time()  # of this process: a busy machine makes no difference
    answer = await door.signed("push", payloads.encode(payload))
    assert (answer.status, answer.body) == (200, {"processed": True})
    assert time.process_time() - started < 2.0


async def test_the_log_tells_each_delivery_by_itself(
    door: Door, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """A line for each, also where several come over one connection, and none with the payload."""
    body = payloads.encode(pull_request())
    good = door.head(body, X_GitHub_Event="pull_request", X_GitHub_Delivery="1", X_Request_ID="a")
    refused = door.head(b"{}", X_Hub_Signature_256=sign(b"[]"), X_Request_ID="b")
    unread = door.head(b"no", X_GitHub_Event="push", X_GitHub_Delivery="3", X_Request_ID="c")
    async with door.connection() as connection:
        await connection.send(good + body + refused + b"{}" + unread + b"no")
        assert [(await connection.answer()).status for _ in range(3)] == [200, 401, 400]
    names = ("request", "status", "outcome", "reason", "delivery", "github_event", "bytes")
    lines = [line for line in log_lines() if line["message"] == "delivery"]
    assert {line["integration"] for line in lines} == {door.integration}
    assert [tuple(line.get(name) for name in names) for line in lines] == [
        ("a", 200, "processed", None, "1", "pull_request", len(body)),
        ("b", 401, "refused", "invalid signature", None, None, None),
        ("c", 400, "refused", "invalid JSON", "3", "push", 2),
    ]
    assert (lines[0]["action"], lines[0]["repository"]) == ("opened", "acme/shop")
    assert "experiment_key" not in str(log_lines())
