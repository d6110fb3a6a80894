"""The door in: who may pass, and what may be sent."""

import hashlib
import hmac
import json
import urllib.parse
from collections.abc import AsyncIterator

import pytest

from bot.deliveries import door
from bot.demo import payloads
from tests.deliveries.storing import GUID, stored
from tests.kit.deliveries import PROCESSED, assert_problem, pull_request, sign
from tests.kit.marks import sqlite_only
from tests.kit.running import SECRET, Answer, Bot

Headers = dict[str, str]


# --- Who may pass


@sqlite_only
@pytest.mark.parametrize(
    "name",
    ["0f3d1c9e-7b5a-4f0e-8d2c-1a2b3c4d5e6f", "not-a-uuid", "1", "%00", "..%2f..", "é"],
)
async def test_unknown_integration(bot: Bot, name: str) -> None:
    """An id that nobody has, and what is no UUID at all."""
    assert_problem(await bot.deliver(name, "ping", {}), 404, "not found")


SHA1 = "sha1=" + hmac.new(SECRET.encode(), b"{}", hashlib.sha1).hexdigest()
RIGHT = sign(b"{}")


@sqlite_only
@pytest.mark.parametrize(
    ("signature", "error"),
    [
        ({}, "missing signature"),
        ({"X-Hub-Signature-256": ""}, "missing signature"),
        ({"X-Hub-Signature": SHA1}, "missing signature"),
        ({"X-Hub-Signature-256": SHA1}, "invalid signature"),
        ({"X-Hub-Signature": RIGHT}, "missing signature"),
        ({"X-Hub-Signature-256": sign(b"{}", "another-secret-entirely")}, "invalid signature"),
        ({"X-Hub-Signature-256": sign(b"{ }")}, "invalid signature"),
        ({"X-Hub-Signature-256": sign(b"{}", "")}, "invalid signature"),
        ({"X-Hub-Signature-256": RIGHT[:-1]}, "invalid signature"),
        ({"X-Hub-Signature-256": RIGHT + "0"}, "invalid signature"),
        ({"X-Hub-Signature-256": RIGHT.removeprefix("sha256=")}, "invalid signature"),
        ({"X-Hub-Signature-256": RIGHT.replace("sha256", "sha512")}, "invalid signature"),
        ({"X-Hub-Signature-256": "sha256="}, "invalid signature"),
        ({"X-Hub-Signature-256": f"{RIGHT}, {RIGHT}"}, "invalid signature"),
        ({"X-Hub-Signature-256": f"sha256={'é' * 64}"}, "invalid signature"),
        ({"X-Hub-Signature-256": f"sha256={'٣' * 64}"}, "invalid signature"),
        ({"X-Hub-Signature-256": f"sha256={'z' * 64}"}, "invalid signature"),
        ({"X-Hub-Signature-256": "********"}, "invalid signature"),
    ],
)
async def test_bad_signature(bot: Bot, signature: Headers, error: str) -> None:
    """Everything but the HMAC-SHA256 of the body is refused, and nothing is stored."""
    integration = await bot.integration()
    headers = {name: value for name, value in payloads.headers("ping", b"{}", SECRET).items()}
    del headers["X-Hub-Signature-256"]
    answer = await bot.send(integration, b"{}", {**headers, **signature})
    assert_problem(answer, 401, error)
    assert await stored(bot, integration) == []


@sqlite_only
@pytest.mark.parametrize("other", [RIGHT, sign(b"{}", "another-secret-entirely")])
@pytest.mark.parametrize("order", [1, -1])
async def test_two_signatures(bot: Bot, other: str, order: int) -> None:
    """Two signature headers are refused, even if one of them or both are right."""
    integration = await bot.integration()
    headers = [*payloads.headers("ping", b"{}", SECRET).items(), ("X-Hub-Signature-256", other)]
    path = f"{bot.url}/api/v1/integrations/{integration}/webhook/github"
    async with bot.session.post(path, data=b"{}", headers=headers[::order]) as response:
        assert response.status == 401
        assert (await response.json(content_type=None))["error"] == "invalid signature"


@sqlite_only
async def test_published_vector(bot: Bot) -> None:
    """GitHub's own example of a signature passes the check; then its body turns out no JSON."""
    secret = "It's a Secret to Everybody"
    integration = await bot.integration(config={"webhook_secret": secret})
    signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {
        **payloads.headers("ping", b"", secret),
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    assert_problem(await bot.send(integration, b"Hello, World!", headers), 400, "invalid JSON")
    assert_problem(await bot.send(integration, b"Hello, World?", headers), 401, "invalid signature")


@sqlite_only
async def test_secret_beyond_ascii(bot: Bot) -> None:
    """A secret is UTF-8, as GitHub signs with it."""
    secret = "ein-Geheimnis-für-Ärzte-🔑"
    integration = await bot.integration(config={"webhook_secret": secret})
    answer = await bot.deliver(integration, "ping", {"zen": "ü"}, secret=secret)
    assert (answer.status, answer.body) == (200, PROCESSED)


async def test_inactive(bot: Bot) -> None:
    """An inactive integration tells so to who knows the secret, stores nothing, and comes back."""
    integration = await bot.integration(is_active=False)
    path = f"/api/v1/integrations/{integration}"
    assert_problem(
        await bot.deliver(integration, "pull_request", pull_request(), guid=GUID),
        403,
        "integration inactive",
    )
    assert_problem(
        await bot.deliver(integration, "ping", {}, secret="a-wrong-webhook-secret"),
        401,
        "invalid signature",
    )
    assert await stored(bot, integration) == []
    assert (await bot.get(path)).body["last_delivery_at"] is None

    assert (await bot.patch(path, {"is_active": True})).status == 200
    answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
    assert (answer.status, answer.body) == (200, PROCESSED)

    assert (await bot.patch(path, {"is_active": False})).status == 200
    assert_problem(await bot.deliver(integration, "ping", {}), 403, "integration inactive")


@pytest.mark.parametrize("host", ["github.acme.example", "GitHub.com.evil.example", "", "["])
async def test_the_host_of_another_github(bot: Bot, host: str) -> None:
    """Whoever knows the secret learns so; nothing is stored but the integration's last error."""
    integration = await bot.integration()
    path, headers = f"/api/v1/integrations/{integration}", {"X-GitHub-Enterprise-Host": host}
    wrong = await bot.deliver(integration, "ping", {}, secret="a-wrong-secret!!", headers=headers)
    assert_problem(wrong, 401, "invalid signature")
    assert (await bot.get(path)).body["last_error"] is None
    answer = await bot.deliver(integration, "pull_request", pull_request(), headers=headers)
    assert_problem(answer, 403, "wrong host")
    assert await stored(bot, integration) == []
    shown = (await bot.get(path)).body
    assert "another GitHub than github.com" in shown["last_error"]
    assert shown["last_delivery_at"] is None
    bot.services._integrations.clear()
    assert (await bot.deliver(integration, "ping", {})).status == 200
    assert (await bot.get(path)).body["last_error"] is None


@sqlite_only
@pytest.mark.parametrize("host", ["github.com", "GitHub.com", "github.com:443", None])
async def test_the_host_of_its_own_github(bot: Bot, host: str | None) -> None:
    integration = await bot.integration()
    headers = {"X-GitHub-Enterprise-Host": host} if host is not None else {}
    answer = await bot.deliver(integration, "ping", {}, headers=headers)
    assert (answer.status, answer.body) == (200, PROCESSED)


@sqlite_only
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_methods(bot: Bot, method: str) -> None:
    path = f"/api/v1/integrations/{await bot.integration()}/webhook/github"
    answer = await bot.request(method, path)
    assert_problem(answer, 405)
    assert answer.headers["Allow"] == "POST"


# --- What may be sent


@sqlite_only
async def test_body_at_the_limit(bot: Bot) -> None:
    """25 MB pass to the last byte; one byte more is refused."""
    integration = await bot.integration()
    frame = b'{"zen":""}'
    body = frame[:-2] + b"z" * (door.MAX_BODY - len(frame)) + frame[-2:]
    answer = await bot.signed(integration, "ping", body)
    assert (answer.status, answer.body) == (200, PROCESSED)
    body += b" "
    headers = payloads.headers("ping", body, SECRET)
    assert_problem(await bot.send(integration, body, headers, expect100=True), 413)
    assert (await bot.deliver(integration, "ping", {})).status == 200
    assert len(await stored(bot, integration)) == 2


@sqlite_only
async def test_body_without_length_over_the_limit(bot: Bot) -> None:
    """A chunked body is refused once it has grown too large."""
    integration = await bot.integration()

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(26):
            yield b" " * 1024 * 1024

    answer = await bot.request(
        "POST",
        f"/api/v1/integrations/{integration}/webhook/github",
        token=None,
        data=chunks(),
        headers=payloads.headers("ping", b"", SECRET),
    )
    assert_problem(answer, 413)
    assert await stored(bot, integration) == []


@sqlite_only
@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/octet-stream"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "nonsense"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "br, identity"},
    ],
)
async def test_content_type(bot: Bot, headers: Headers) -> None:
    """Only plain JSON and forms are taken."""
    integration = await bot.integration()
    answer = await bot.deliver(integration, "ping", {}, headers=headers)
    assert_problem(answer, 415, "unsupported content type")
    assert await stored(bot, integration) == []


@sqlite_only
async def test_content_type_with_parameters(bot: Bot) -> None:
    integration = await bot.integration()
    answer = await bot.deliver(
        integration, "ping", {}, headers={"Content-Type": "Application/JSON; charset=utf-8"}
    )
    assert (answer.status, answer.body) == (200, PROCESSED)


async def send_form(bot: Bot, integration: str, body: bytes) -> Answer:
    headers = payloads.headers("pull_request", body, SECRET)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    return await bot.send(integration, body, headers)


async def test_form(bot: Bot) -> None:
    """A form's `payload` field counts as the payload; the signature is of the form."""
    integration = await bot.integration()
    await bot.experiment("checkout")
    text = json.dumps(pull_request(title="50 % + 1 & done = ünï"), ensure_ascii=False)
    answer = await send_form(bot, integration, urllib.parse.urlencode({"payload": text}).encode())
    assert (answer.status, answer.body) == (200, PROCESSED)
    (linked,) = await bot.walk("/api/v1/experiments/checkout/pull-requests")
    assert linked["title"] == "50 % + 1 & done = ünï"


@sqlite_only
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payload",
        b"Payload=%7B%7D",
        b"payload=%7B%7D&payload=%7B%7D",
        b"payload=%ff%7B%7D",
        b"payload={}" + b"&a=b" * 100,
        "payload={}é".encode(),
        b"payload=%5B%5D",
        b"payload=",
        b"{}",
    ],
)
async def test_bad_form(bot: Bot, body: bytes) -> None:
    """A form without exactly one readable JSON object in `payload`."""
    integration = await bot.integration()
    assert_problem(await send_form(bot, integration, body), 400)
    assert await stored(bot, integration) == []


@sqlite_only
@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-GitHub-Event", None),
        ("X-GitHub-Event", ""),
        ("X-GitHub-Event", "pull request"),
        ("X-GitHub-Event", "../ping"),
        ("X-GitHub-Event", "p" * 1000),
        ("X-GitHub-Event", "pïng"),
        ("X-GitHub-Delivery", None),
        ("X-GitHub-Delivery", ""),
        ("X-GitHub-Delivery", " "),
        ("X-GitHub-Delivery", "4" * 129),
        ("X-GitHub-Delivery", GUID.replace("6", "é")),
        ("X-GitHub-Delivery", "4\t2"),
    ],
)
async def test_bad_identity(bot: Bot, header: str, value: str | None) -> None:
    """A 400 says which of the two headers is missing or malformed."""
    integration = await bot.integration()
    headers = {**payloads.headers("ping", b"{}", SECRET)}
    del headers[header]
    if value is not None:
        headers[header] = value
    answer = await bot.send(integration, b"{}", headers)
    assert_problem(answer, 400)
    assert header in answer.body["detail"]
    assert await stored(bot, integration) == []


@sqlite_only
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "invalid JSON"),
        (b"{", "invalid JSON"),
        (b"{'a': 1}", "invalid JSON"),
        (b'{"a": 1,}', "invalid JSON"),
        (b"{} {}", "invalid JSON"),
        (b"payload=%7B%7D", "invalid JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"42", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"[{}]", "not a JSON object"),
    ],
)
async def test_not_a_json_object(bot: Bot, body: bytes, error: str) -> None:
    integration = await bot.integration()
    answer = await bot.signed(integration, "ping", body)
    assert_problem(answer, 400, error)
    assert await stored(bot, integration) == []
