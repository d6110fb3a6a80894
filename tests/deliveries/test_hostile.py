"""What no well-meaning client sends: refused with a problem, never a 5xx, and nobody else waits."""

import asyncio
import copy
import http.client
import io
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog
from hypothesis import HealthCheck, given
from hypothesis import settings as thoroughness
from hypothesis import strategies as st

from bot import log
from bot.deliveries.door import MAX_BODY
from bot.demo import payloads
from bot.settings import Settings
from tests.kit.deliveries import REPO, assert_problem, pull_request, sign
from tests.kit.running import ADMIN_TOKEN, SECRET, Answer, Bot, start

# One service on one engine lives through it all.
pytestmark = pytest.mark.asyncio(loop_scope="module")

HANDLED = (
    "installation",
    "installation_repositories",
    "issues",
    "ping",
    "pull_request",
    "push",
    "repository",
)
LARGE = 26 * 1024 * 1024


@dataclass
class Connection:
    """A bare TCP connection to the service."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        """Read one answer."""
        async with asyncio.timeout(20):
            head = await self.reader.readuntil(b"\r\n\r\n")
            line, _, fields = head.partition(b"\r\n")
            status = int(line.split()[1])
            headers = http.client.parse_headers(io.BytesIO(fields))
            body = await self.reader.readexactly(int(headers.get("Content-Length", "0")))
        text = body.decode()
        is_json = headers.get("Content-Type", "").endswith("json")
        return Answer(status, json.loads(text) if is_json else text, headers)


@dataclass
class Door:
    """An integration of a running service, to be attacked."""

    bot: Bot
    integration: str

    @property
    def path(self) -> str:
        return f"/api/v1/integrations/{self.integration}/webhook/github"

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        port = int(self.bot.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()

    async def raw(self, request: bytes) -> Answer:
        """Send bytes over a connection of their own and return the answer to them."""
        async with self.connection() as connection:
            await connection.send(request)
            return await connection.answer()

    async def signed(self, event: str, body: bytes) -> Answer:
        return await self.bot.signed(self.integration, event, body)

    def head(self, body: bytes, **changes: str | None) -> bytes:
        """Return the head of a signed ping; `changes` by header name, `_` for `-`."""
        headers: dict[str, str | None] = {
            "Host": "bot.example",
            **payloads.headers("ping", body, SECRET),
            "Content-Length": str(len(body)),
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
        return "\r\n".join([f"POST {self.path} HTTP/1.1", *lines, "", ""]).encode("latin-1")


@pytest.fixture
def log_lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The log as a machine reads it."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    log.configure("debug", "json", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def settings_in(folder: Path) -> Settings:
    return Settings.from_environment({"DATA_DIR": str(folder), "ADMIN_TOKEN": ADMIN_TOKEN})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bot]:
    running = await start(settings_in(tmp_path_factory.mktemp("hostile")))
    yield running
    await running.close()


@pytest_asyncio.fixture(loop_scope="module")
async def door(bot: Bot, log_lines: Callable[[], list[dict[str, Any]]]) -> AsyncIterator[Door]:
    """Whatever a test did to it, the next good delivery is processed, and no fault was logged."""
    door = Door(bot, await bot.integration())
    yield door
    answer = await bot.deliver(door.integration, "pull_request", pull_request())
    assert (answer.status, answer.body) == (200, {"processed": True})
    assert [line for line in log_lines() if line["level"] in ("error", "critical")] == []


def is_never_our_fault(answer: Answer) -> None:
    """Taken or refused, but properly."""
    if answer.status == 200:
        assert "processed" in answer.body
    else:
        assert 400 <= answer.status < 500, (answer.status, answer.body)
        assert_problem(answer, answer.status)


# --- Signatures


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b" ",
        b"sha256",
        b"sha256=",
        b"sha256==" + b"0" * 64,
        b"sha256=" + b"0" * 63,
        b"sha256=" + b"0" * 65,
        b"sha256=" + b"0" * 8000,
        b"sha256=" + b"\xff" * 64,
        b"sha256=" + "é".encode() * 32,
        b"sha256=" + b"0" * 32 + b"\x80" + b"0" * 31,
        b"\xef\xbb\xbfsha256=" + b"0" * 64,
        b"sha256=0x" + b"0" * 62,
        b"sha256=-" + b"0" * 63,
        b"sha1=" + b"0" * 40,
        b"md5=" + b"0" * 32,
        b"sha256=%s",
        b"sha256={}",
        b"sha256=null",
        b"null",
        b"' OR 1=1 --",
        b"sha256=" + b"0" * 64 + b";",
        b"sha256=" + b"0" * 64 + b"\tx",
    ],
)
async def test_malformed_signature(door: Door, signature: bytes) -> None:
    head = door.head(b"{}", X_Hub_Signature_256=None)
    answer = await door.raw(head[:-2] + b"X-Hub-Signature-256: " + signature + b"\r\n\r\n{}")
    assert_problem(answer, 401)


@pytest.mark.parametrize("byte", [b"\x00", b"\n", b"\x01", b"\x7f"])
async def test_control_characters_in_a_header(door: Door, byte: bytes) -> None:
    head = door.head(b"{}", X_Hub_Signature_256=None)
    value = b"sha256=" + b"0" * 32 + byte + b"0" * 31
    answer = await door.raw(head[:-2] + b"X-Hub-Signature-256: " + value + b"\r\n\r\n{}")
    is_never_our_fault(answer)


# --- Bodies


DEEP = 100_000


@pytest.mark.parametrize(
    "body",
    [
        "{}".encode("utf-16"),
        b"[" * DEEP,
        b'{"a": ' + b"[" * DEEP,
        b'{"a": ' * DEEP,
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"zen": "\x00"}',
        b"{}\x00",
        b"\xef\xbb\xbf",
        b"\xff{}",
        b'{"zen": "\n"}',
        b'{"zen": "\\x41"}',
        b'{"zen": "\\ud8"}',
        b'{"zen": "\\u0000',
        b'{"a": 01}',
        b'{"a": .5}',
        b'{"a": 0x10}',
        b'{"a": 1} trailing',
        b"{}" * 1000,
    ],
    ids=lambda body: repr(body[:24]),
)
@pytest.mark.parametrize("event", ["pull_request", "star"])
async def test_no_json(door: Door, event: str, body: bytes) -> None:
    """What is no JSON is refused before it is kept."""
    assert_problem(await door.signed(event, body), 400, "invalid JSON")


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1' + b"0" * 400 + b"}",
        b'{"a": -1' + b"0" * 400 + b"}",
        b'{"a": 9223372036854775808, "b": 18446744073709551616}',
        b'{"a": 1e400}',
        b'{"a": -1e400}',
        b'{"a": 1e-400}',
        b'{"a": 0.' + b"1" * 10_000 + b"}",
        b'{"zen": "\\\\u0000"}',
        b'{"zen": "\\ud83d\\ude00"}',
        b'{"": ""}',
        b'{"__proto__": {"constructor": 1}, "$where": "1", "{{7*7}}": "%s%n"}',
        b'{"a": ' + b"[" * 150 + b"]" * 150 + b"}",
        b" \n\t\r{} \n\t\r",
        b"\xef\xbb\xbf{}",
        b'{"zen": "\xff"}',
        b'{"zen": "\xc3"}',
        b'{"zen": "\xed\xa0\x80"}',
        b'{"zen": "\xc0\xaf"}',
        b'{"zen": "\\ud800"}',
        b'{"zen": "\\udc00\\ud800"}',
        b'{"\\udfff": 1}',
        b'{"zen": "\\u0000"}',
        b'{"\\u0000": 1}',
        b'{"zen": "\\\\\\u0000"}',
        b'{"a": ' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"a": ' * DEEP + b"1" + b"}" * DEEP,
        b'{"action": "opened", "action": "closed"}',
        b'{"a": {"b": 1, "c": 2, "b": 3}}',
        b'{"a": 1, "\\u0061": 2}',
        b'{"a": ' + b"9" * 100_000 + b"}",
    ],
    ids=lambda body: repr(body[:24]),
)
@pytest.mark.parametrize("event", ["ping", "star"])
async def test_odd_json_is_kept_and_shown(door: Door, event: str, body: bytes) -> None:
    """What is a JSON object is taken in, and can be listed, shown and replayed."""
    answer = await door.signed(event, body)
    assert (answer.status, answer.body["processed"]) == (200, event == "ping")
    path = f"/api/v1/integrations/{door.integration}/deliveries"
    for delivery in await door.bot.walk(path):
        shown = await door.bot.get(f"{path}/{delivery['id']}")
        assert shown.status == 200, shown.body
        assert isinstance(shown.body["payload"], dict)
        replayed = await door.bot.post(f"{path}/{delivery['id']}/replay")
        assert replayed.status == 200, replayed.body


async def test_large_bodies(door: Door) -> None:
    """26 MB are refused, whether announced, chunked, or announced too small."""
    body = b'{"zen":"' + b"z" * (LARGE - 10) + b'"}'
    assert_problem(await door.signed("ping", body), 413, "body too large")

    async def chunks() -> AsyncIterator[bytes]:
        for position in range(0, LARGE, 64 * 1024):
            yield body[position : position + 64 * 1024]

    headers = payloads.headers("ping", body, SECRET)
    answer = await door.bot.request("POST", door.path, token=None, data=chunks(), headers=headers)
    assert_problem(answer, 413, "body too large")
    answer = await door.raw(door.head(body, Content_Length="100") + body[:100])
    assert_problem(answer, 401, "invalid signature")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"X_Hub_Signature_256": "sha256=nonsense"}, 401),
        ({"X_Hub_Signature_256": None}, 401),
        ({"Content_Length": str(LARGE)}, 413),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Encoding": "gzip"}, 415),
    ],
)
async def test_refused_before_the_body_is_read(
    door: Door, changes: dict[str, str | None], status: int
) -> None:
    """A client that asks first is not told to send a body that cannot pass."""
    changes = {"Content_Length": str(20 * 1024 * 1024), **changes}
    answer = await door.raw(door.head(b"{}", Expect="100-continue", **changes))
    assert_problem(answer, status)


async def test_continue(door: Door) -> None:
    """A client that asks first is told to go on when the headers can pass."""
    body = b'{"zen": "Design for failure."}'
    async with door.connection() as connection:
        await connection.send(door.head(body, Expect="100-continue"))
        async with asyncio.timeout(10):
            assert await connection.reader.readuntil(b"\r\n\r\n") == (
                b"HTTP/1.1 100 Continue\r\n\r\n"
            )
        await connection.send(body)
        answer = await connection.answer()
    assert (answer.status, answer.body) == (200, {"processed": True})


async def test_other_expectations(door: Door) -> None:
    """An expectation that nobody knows is refused or passed over, also elsewhere."""
    is_never_our_fault(await door.raw(door.head(b"{}", Expect="miracles") + b"{}"))
    answer = await door.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n")
    assert_problem(answer, 417)


# --- Senders


async def test_slow_body(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that trickles in is given up; others are answered meanwhile."""
    monkeypatch.setattr("bot.deliveries.door.BODY_SECONDS", 0.3)
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
        async with asyncio.timeout(5):
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
        async with asyncio.timeout(10):
            rest = await connection.reader.read()
    assert rest == b"" or rest.startswith(b"HTTP/1.1 4")


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


# --- Payloads of the wrong shape


def broken(*path: str, value: Any) -> payloads.Payload:
    """Return a good payload with one field replaced."""
    payload = copy.deepcopy(GOOD[path[0]]())
    inner = payload
    for name in path[1:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return payload


INSTALLATION = {"action": "created", "installation": {"id": 5, "account": {"login": "acme"}}}
GOOD: dict[str, Callable[[], payloads.Payload]] = {
    "pull_request": pull_request,
    "issues": lambda: payloads.issue("opened", 3, "2026-03-02T10:00:00Z", repo=REPO),
    "push": lambda: payloads.push("main", ["one"], repo=REPO),
    "installation": lambda: INSTALLATION,
    "installation_repositories": lambda: INSTALLATION,
    "repository": lambda: payloads.repository_event("renamed", REPO),
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("pull_request action", 7),
        ("pull_request action", ["opened"]),
        ("pull_request number", "7"),
        ("pull_request number", 7.5),
        ("pull_request number", 0),
        ("pull_request number", -7),
        ("pull_request number", True),
        ("pull_request number", 2**31),
        ("pull_request number", 10**400),
        ("pull_request pull_request title", {}),
        ("pull_request pull_request body", 1),
        ("pull_request pull_request draft", "yes"),
        ("pull_request pull_request merged", 1),
        ("pull_request pull_request state", False),
        ("pull_request pull_request state", "ajar"),
        ("pull_request pull_request user", "mona"),
        ("pull_request pull_request head", "main"),
        ("pull_request pull_request head ref", 1),
        ("pull_request pull_request head ref", "\u4e2d" * 5000),
        ("pull_request pull_request head sha", "a" * 5000),
        ("pull_request pull_request head repo", "acme/shop"),
        ("pull_request pull_request updated_at", {}),
        ("pull_request pull_request updated_at", -1),
        ("pull_request repository", "acme/shop"),
        ("pull_request repository", []),
        ("pull_request repository id", "1"),
        ("pull_request repository id", 2**63),
        ("pull_request repository id", -1),
        ("pull_request repository full_name", None),
        ("pull_request repository full_name", "acme"),
        ("pull_request repository full_name", "a/b/c"),
        ("pull_request repository full_name", "acme/shop\n"),
        ("pull_request repository full_name", "acme/.."),
        ("pull_request sender", "mona"),
        ("pull_request sender login", 1),
        ("pull_request sender login", "\u4e2d" * 1000),
        ("issues issue number", "3"),
        ("issues issue number", None),
        ("issues issue number", 10**400),
        ("issues issue labels", "bug"),
        ("issues issue labels", [{"name": 1}]),
        ("issues issue labels", ["bug"]),
        ("issues issue created_at", []),
        ("issues changes", "moved"),
        ("issues label", 1),
        ("push commits", {}),
        ("push commits", ["abc"]),
        ("push commits", [{"id": 5}]),
        ("push commits", [{"id": "abc", "message": None}]),
        ("push commits", [{"id": "abc", "timestamp": {}}]),
        ("push commits", [{"id": "not a sha"}]),
        ("push deleted", "no"),
        ("push pusher", "mona"),
        ("installation installation account", 1),
        ("installation repositories", {}),
        ("installation repositories", [1]),
        ("installation_repositories repositories_added", "all"),
        ("installation_repositories repositories_removed", [{"id": "x", "full_name": "a/b"}]),
        ("repository repository id", 1.5),
    ],
)
async def test_wrong_field(door: Door, path: str, value: Any) -> None:
    """One field that cannot be read counts as missing; the delivery is taken in without it."""
    names = path.split()
    body = json.dumps(broken(*names, value=value)).encode()
    answer = await door.signed(names[0], body)
    assert (answer.status, answer.body) == (200, {"processed": True})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("pull_request pull_request", "text"),
        ("pull_request pull_request", None),
        ("pull_request pull_request", []),
        ("issues issue", 3),
        ("push ref", None),
        ("push ref", 1),
        ("push ref", "\u4e2d" * 5000),
        ("push repository", None),
        ("push repository full_name", "acme/.."),
        ("installation installation", "5"),
        ("installation installation id", "5"),
        ("installation installation id", 2**64),
        ("installation_repositories installation", None),
        ("repository repository", "acme/shop"),
    ],
)
async def test_nothing_to_take_in(door: Door, path: str, value: Any) -> None:
    """Without what an event is about it is kept, and the answer and the list name the field.

    It is a JSON object, and so no 400: GitHub would show a failure that nobody can mend.
    """
    names = path.split()
    body = json.dumps(broken(*names, value=value)).encode()
    answer = await door.signed(names[0], body)
    assert (answer.status, answer.body["processed"]) == (200, False)
    assert answer.body["reason"] == "nothing to take in"
    assert names[-1] in answer.body["detail"]
    listed = f"/api/v1/integrations/{door.integration}/deliveries"
    (delivery,) = await door.bot.walk(listed)
    assert delivery["status"] == "ignored"
    assert names[-1] in delivery["error"]
    replayed = (await door.bot.post(f"{listed}/{delivery['id']}/replay")).body
    assert (replayed["status"], replayed["error"]) == ("ignored", delivery["error"])


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "2026-13-45T99:99:99Z",
        "9999-12-31T23:59:59-23:59",
        "",
        "0000-00-00T00:00:00Z",
        253_402_300_799,
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "pull_request pull_request updated_at",
        "pull_request pull_request merged_at",
        "issues issue closed_at",
        "push repository pushed_at",
        "installation installation updated_at",
    ],
)
async def test_odd_times(door: Door, path: str, value: Any) -> None:
    names = path.split()
    answer = await door.signed(names[0], json.dumps(broken(*names, value=value)).encode())
    is_never_our_fault(answer)


@pytest.mark.parametrize(
    "changes",
    [
        None,
        [],
        "repository",
        {"repository": None},
        {"repository": {"name": {"from": 1}}},
        {"repository": {"name": {"from": ["x"]}}},
        {"owner": {"from": {"user": {"login": None}}}},
        {"owner": {"from": {}}},
        {"owner": {"from": {"user": {}, "organization": {}}}},
        {"owner": "acme"},
    ],
)
async def test_odd_renames(door: Door, changes: Any) -> None:
    """Where a repository was renamed from is told in many ways, or not at all."""
    payload = {**payloads.repository_event("renamed", REPO), "changes": changes}
    answer = await door.signed("repository", json.dumps(payload).encode())
    assert (answer.status, answer.body) == (200, {"processed": True})


# --- Anything at all

FIELDS = """action number pull_request issue repository installation commits changes labels label
    ref id full_name title body state html_url head base sha repo user login sender created_at
    updated_at closed_at merged_at new_issue new_repository old_issue old_repository name from owner
    repositories repositories_added message author url timestamp pushed_at"""
PHRASES = """opened closed transferred renamed deleted open acme/shop refs/heads/main abc123
    2026-03-02T10:00:00Z experiment_key:checkout https://github.com/acme/shop/pull/7
    https://github.com/acme/shop/issues/3 http://["""
NAMES = st.sampled_from(FIELDS.split())
TEXTS = st.text(max_size=20) | st.sampled_from(PHRASES.split())
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | TEXTS, inner, max_size=6),
    max_leaves=20,
)


@st.composite
def mutilated(draw: st.DrawFn) -> tuple[str, payloads.Payload]:
    """Return a handled event with a good payload, some of whose fields are replaced or gone."""
    event = draw(st.sampled_from(sorted(GOOD)))
    payload = copy.deepcopy(GOOD[event]())
    for _ in range(draw(st.integers(1, 4))):
        inner = payload
        while isinstance(inner, dict) and inner:
            name = draw(st.sampled_from(sorted(inner)) | NAMES)
            if isinstance(inner.get(name), dict) and draw(st.booleans()):
                inner = inner[name]
                continue
            if draw(st.booleans()):
                inner[name] = draw(VALUES)
            else:
                inner.pop(name, None)
            break
    return event, payload


THOROUGH = thoroughness(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@given(event=st.sampled_from(HANDLED), body=st.binary(max_size=200))
@THOROUGH
async def test_any_bytes(door: Door, event: str, body: bytes) -> None:
    is_never_our_fault(await door.signed(event, body))


@given(
    event=st.sampled_from(HANDLED),
    payload=st.dictionaries(NAMES | TEXTS, VALUES, max_size=8),
)
@THOROUGH
async def test_any_object(door: Door, event: str, payload: payloads.Payload) -> None:
    is_never_our_fault(await door.signed(event, json.dumps(payload).encode()))


@given(mutilated())
@THOROUGH
async def test_any_mutilation(door: Door, delivery: tuple[str, payloads.Payload]) -> None:
    event, payload = delivery
    answer = await door.signed(event, json.dumps(payload).encode())
    is_never_our_fault(answer)


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
async def test_long_bodies(door: Door, text: str) -> None:
    """However a body is made, its key lines are found in no time."""
    body = payloads.encode(broken("pull_request", "pull_request", "body", value=text))
    started = time.perf_counter()
    answer = await door.signed("pull_request", body)
    assert (answer.status, answer.body) == (200, {"processed": True})
    assert time.perf_counter() - started < 2.0


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
    started = time.perf_counter()
    answer = await door.signed("push", payloads.encode(payload))
    assert (answer.status, answer.body) == (200, {"processed": True})
    assert time.perf_counter() - started < 2.0
