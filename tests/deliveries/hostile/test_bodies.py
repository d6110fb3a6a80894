"""Bodies and signatures that are wrong, too large, or never come to their end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.demo import payloads
from tests.deliveries.hostile.attack import LARGE, Door, is_never_our_fault
from tests.kit.deliveries import assert_problem
from tests.kit.running import PATIENCE, SECRET

# One service on one engine lives through it all.
pytestmark = pytest.mark.asyncio(loop_scope="module")


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


DEEP = 100_000


# --- Bodies


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
        async with asyncio.timeout(PATIENCE):
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
