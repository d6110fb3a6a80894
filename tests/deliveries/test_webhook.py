"""The door in: who may pass, what is answered, and that what is acknowledged is stored, once."""

import asyncio
import hashlib
import hmac
import json
import sqlite3
import urllib.parse
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from bot import storage as store
from bot.deliveries import door
from bot.deliveries.life import retry_due
from bot.deliveries.records import MAX_ATTEMPTS
from bot.demo import payloads
from bot.domain import items
from bot.settings import Settings
from tests.kit.clock import Clock
from tests.kit.deliveries import PROCESSED, REPO, assert_problem, pull_request, sign
from tests.kit.marks import sqlite_only
from tests.kit.running import SECRET, Answer, Bot, start

GUID = "6a1f0f6c-2f1b-4a52-9d33-0c4f1d7f5e10"
DUPLICATE = {"processed": True, "duplicate": True}
WILL_BE_RETRIED = {"processed": False, "reason": "will be retried"}
NOT_ALLOWED = {"processed": False, "reason": "repository not allowed"}
NO_HANDLER = {"processed": False, "reason": "no handler"}

Headers = dict[str, str]


async def stored(bot: Bot, integration: str) -> list[dict[str, Any]]:
    return await bot.walk(f"/api/v1/integrations/{integration}/deliveries")


async def numbers(bot: Bot, key: str = "checkout") -> list[int]:
    """Return the pull requests linked to an experiment."""
    return [one["number"] for one in await bot.walk(f"/api/v1/experiments/{key}/pull-requests")]


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


# --- What is done with it


async def test_handled(bot: Bot) -> None:
    """The effects are there the moment the answer is."""
    integration = await bot.integration()
    await bot.experiment("checkout")
    answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
    assert (answer.status, answer.body) == (200, PROCESSED)
    assert await numbers(bot) == [7]
    (delivery,) = await stored(bot, integration)
    assert delivery["processed_at"] is not None
    assert (delivery["id"], delivery["event"], delivery["action"], delivery["repository"]) == (
        GUID,
        "pull_request",
        "opened",
        "acme/shop",
    )
    assert (delivery["status"], delivery["attempts"], delivery["error"]) == ("processed", 1, None)


async def test_ping(bot: Bot) -> None:
    """A ping is enough to see that GitHub reaches the integration."""
    integration = await bot.integration()
    path = f"/api/v1/integrations/{integration}"
    assert (await bot.get(path)).body["last_delivery_at"] is None
    answer = await bot.deliver(integration, "ping", {"zen": "Keep it logically awesome."})
    assert (answer.status, answer.body) == (200, PROCESSED)
    (delivery,) = await stored(bot, integration)
    assert (await bot.get(path)).body["last_delivery_at"] == delivery["received_at"]


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("star", {"action": "created", "repository": REPO}),
        ("no_such_event_yet", {}),
        ("repository", {"action": "archived", "repository": REPO}),
        ("repository", {"action": "anything else"}),
    ],
)
async def test_no_handler(bot: Bot, event: str, payload: payloads.Payload) -> None:
    """What nobody handles is welcome and kept."""
    integration = await bot.integration()
    answer = await bot.deliver(integration, event, payload, guid=GUID)
    assert (answer.status, answer.body) == (200, NO_HANDLER)
    answer = await bot.deliver(integration, event, payload, guid=GUID)
    assert (answer.status, answer.body) == (200, DUPLICATE)
    (delivery,) = await stored(bot, integration)
    assert (delivery["status"], delivery["event"]) == ("ignored", event)


@sqlite_only
@pytest.mark.parametrize(
    ("allowed", "repository", "passes"),
    [
        (None, "acme/shop", True),
        (["acme/shop"], "acme/shop", True),
        (["ACME/Shop"], "acme/shop", True),
        (["acme/shop"], "Acme/SHOP", True),
        (["acme/*"], "acme/shop", True),
        (["Acme/*"], "aCME/shop", True),
        (["other/one", "acme/shop"], "acme/shop", True),
        (["acme/shop"], "acme/shop2", False),
        (["acme/shop"], "acme/sho", False),
        (["acme/*"], "acme2/shop", False),
        (["acme/*"], "other/acme", False),
        (["acme/sh.p"], "acme/shop", False),
    ],
)
async def test_allow_list(
    bot: Bot, allowed: list[str] | None, repository: str, passes: bool
) -> None:
    integration = await bot.integration(config={"repositories": allowed})
    await bot.experiment("checkout")
    payload = pull_request(repo=payloads.repository(repository))
    answer = await bot.deliver(integration, "pull_request", payload)
    assert (answer.status, answer.body) == (200, PROCESSED if passes else NOT_ALLOWED)
    assert await numbers(bot) == ([7] if passes else [])


@sqlite_only
async def test_allow_list_without_repository_field(bot: Bot) -> None:
    """Where a payload lacks `repository`, the address of its subject counts."""
    integration = await bot.integration(config={"repositories": ["acme/shop"]})
    payload = pull_request(repo=payloads.repository("other/shop"))
    del payload["repository"]
    answer = await bot.deliver(integration, "pull_request", payload)
    assert (answer.status, answer.body) == (200, NOT_ALLOWED)


async def test_allow_list_is_widened(bot: Bot) -> None:
    """A delivery that was not allowed takes effect when it is sent again and allowed by then."""
    integration = await bot.integration(config={"repositories": ["acme/other"]})
    await bot.experiment("checkout")
    for _ in range(2):
        answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
        assert (answer.status, answer.body) == (200, NOT_ALLOWED)
    path = f"/api/v1/integrations/{integration}"
    assert (await bot.patch(path, {"config": {"repositories": ["acme/*"]}})).status == 200
    answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
    assert (answer.status, answer.body) == (200, PROCESSED)
    assert await numbers(bot) == [7]


SAMPLE_PUSH = """{"ref": "refs/heads/main", "commits": [{"id": "abc123", "message":
    "feat: add new checkout flow", "author": {"name": "Jane Smith", "email": "jane@example.com"},
    "url": "https://github.com/your-org/your-repo/commit/abc123"}],
    "repository": {"full_name": "your-org/your-repo"}}"""
SAMPLE_PULL_REQUEST = """{"action": "opened", "number": 42, "pull_request": {"title":
    "feat: Add new checkout flow experiment", "html_url":
    "https://github.com/your-org/your-repo/pull/42", "head": {"ref": "feat/checkout-experiment",
    "sha": "abc123"}, "base": {"ref": "main"}, "body": "experiment_key: checkout-flow-v2"},
    "repository": {"full_name": "your-org/your-repo"}}"""
SAMPLE_ISSUE = """{"action": "opened", "issue": {"number": 101, "title":
    "Track experiment: checkout-flow-v2", "html_url":
    "https://github.com/your-org/your-repo/issues/101", "body":
    "Track the progress of the checkout flow experiment.", "labels": [{"name": "experiment"}]}}"""


async def test_samples(bot: Bot) -> None:
    """The documented samples work as they stand, without ids, times and even `repository`."""
    integration = await bot.integration()
    await bot.experiment("checkout-flow-v2")
    for event, text in (
        ("push", SAMPLE_PUSH),
        ("pull_request", SAMPLE_PULL_REQUEST),
        ("issues", SAMPLE_ISSUE),
    ):
        body = text.encode()
        answer = await bot.signed(integration, event, body)
        assert (answer.status, answer.body) == (200, PROCESSED)
    path = "/api/v1/experiments/checkout-flow-v2"
    (pull,) = await bot.walk(f"{path}/pull-requests")
    assert (pull["repository"], pull["number"], pull["state"], pull["linked_by"]) == (
        "your-org/your-repo",
        42,
        "open",
        "body",
    )
    (issue,) = await bot.walk(f"{path}/issues")
    assert (issue["repository"], issue["number"], issue["labels"], issue["linked_by"]) == (
        "your-org/your-repo",
        101,
        ["experiment"],
        "title",
    )
    assert await bot.walk(f"{path}/commits") == []


# --- Once


async def test_duplicate(bot: Bot) -> None:
    """The same delivery again, with the guid in any case, changes nothing."""
    integration = await bot.integration()
    await bot.experiment("checkout")
    await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
    feed = await bot.walk("/api/v1/experiments/checkout/activity")
    first = await stored(bot, integration)
    for guid in (GUID, GUID.upper()):
        answer = await bot.deliver(integration, "pull_request", pull_request(8), guid=guid)
        assert (answer.status, answer.body) == (200, DUPLICATE)
    assert await numbers(bot) == [7]
    assert await bot.walk("/api/v1/experiments/checkout/activity") == feed
    assert await stored(bot, integration) == first


async def test_one_event_through_two_integrations(bot: Bot) -> None:
    """Both process the guid they share; the facts, the link and the feed hold it once."""
    first, second = await bot.integration(), await bot.integration()
    await bot.experiment("checkout")
    for integration in (first, second):
        answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
        assert (answer.status, answer.body) == (200, PROCESSED)
        (delivery,) = await stored(bot, integration)
        assert (delivery["id"], delivery["status"]) == (GUID, "processed")
    (linked,) = await bot.walk("/api/v1/experiments/checkout/pull-requests")
    assert linked["integration_id"] == first
    kinds = [one["type"] for one in await bot.walk("/api/v1/experiments/checkout/activity")]
    assert sorted(kinds) == ["experiment.created", "pull_request.linked", "pull_request.opened"]


async def everything(bot: Bot) -> dict[str, list[str]]:
    """Return all that the service knows, row by row."""
    tables = """integrations deliveries experiments repositories items versions commits links
        activity installations installation_repositories"""
    return await bot.services.database.read(
        lambda tx: {
            table: sorted(map(repr, (tuple(row) for row in tx.all(f"SELECT * FROM {table}"))))
            for table in tables.split()
        }
    )


@pytest.mark.parametrize(
    ("engine", "with_key"),
    [("sqlite", False), ("sqlite", True), ("postgresql", True)],
    indirect=["engine"],
)
async def test_every_published_example_twice(
    bot: Bot, shared: Callable[[str], Path], with_key: bool
) -> None:
    """Every delivery that GitHub publishes is taken; sent again it changes no row at all."""
    integration = await bot.integration()
    await bot.experiment("checkout")
    examples = [
        (event["name"], example, str(uuid.uuid4()))
        for event in json.loads(shared("webhook-examples.json").read_text("utf-8"))
        for example in event["examples"]
    ]
    assert len(examples) == 329
    for _, example, _ in examples:
        for name in ("pull_request", "issue"):
            if with_key and isinstance(example.get(name), dict):
                example[name]["body"] = "experiment_key: checkout"

    for event, example, guid in examples:
        answer = await bot.deliver(integration, event, example, guid=guid)
        assert answer.status == 200, (event, answer.body)
        assert answer.body in (PROCESSED, NO_HANDLER), event
    before = await everything(bot)
    assert len(before["deliveries"]) == len(examples)
    assert bool(before["links"]) == with_key
    for event, example, guid in examples:
        answer = await bot.deliver(integration, event, example, guid=guid)
        assert (answer.status, answer.body) == (200, DUPLICATE), event
    assert await everything(bot) == before


# --- When something fails


class Breakage:
    """Breaks what the handlers of pull requests call, for all or one number, until it is mended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._observe = items.observe
        self.is_mended = False
        self.number: int | None = None
        monkeypatch.setattr(items, "observe", self)

    def __call__(self, *args: Any) -> None:
        self._observe(*args)
        if not self.is_mended and self.number in (None, args[3]):
            raise RuntimeError("the gears are stuck")


@pytest.fixture
def breakage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Breakage]:
    with capture_logs():  # to render the tracebacks of failures that are meant takes long
        yield Breakage(monkeypatch)


async def test_handler_failure_and_retry(bot: Bot, clock: Clock, breakage: Breakage) -> None:
    """What failed is stored without half of its effects, and tried again when its time comes."""
    integration = await bot.integration()
    await bot.experiment("checkout")
    answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
    assert (answer.status, answer.body) == (202, WILL_BE_RETRIED)
    assert await numbers(bot) == []
    (delivery,) = await stored(bot, integration)
    assert (delivery["status"], delivery["attempts"]) == ("retrying", 1)
    assert "the gears are stuck" in delivery["error"]
    assert delivery["processed_at"] is None
    shown = (await bot.get(f"/api/v1/integrations/{integration}")).body
    assert "the gears are stuck" in shown["last_error"]

    breakage.is_mended = True
    await retry_due(bot.services)
    assert await numbers(bot) == []
    clock.ahead += 60
    await retry_due(bot.services)
    assert await numbers(bot) == [7]
    (delivery,) = await stored(bot, integration)
    assert (delivery["status"], delivery["attempts"], delivery["error"]) == ("processed", 2, None)
    assert delivery["processed_at"] is not None


async def test_gives_up_in_the_end(bot: Bot, clock: Clock, breakage: Breakage) -> None:
    """The waits grow, and after the last attempt the delivery is shown as failed."""
    integration = await bot.integration()
    await bot.deliver(integration, "pull_request", pull_request())
    waits: list[float] = []
    for attempts in range(2, MAX_ATTEMPTS + 1):
        waited = 0.0
        while (await stored(bot, integration))[0]["attempts"] < attempts:
            step = 10 + waited / 4
            clock.ahead += step
            waited += step
            assert waited < 4 * 3600
            await retry_due(bot.services)
        waits.append(waited)
        (delivery,) = await stored(bot, integration)
        assert delivery["status"] == ("failed" if attempts == MAX_ATTEMPTS else "retrying")
    assert waits[0] < 60 < waits[4] < waits[-1]
    clock.ahead += 30 * 24 * 3600
    await retry_due(bot.services)
    assert (await stored(bot, integration))[0]["attempts"] == MAX_ATTEMPTS


@pytest.mark.parametrize("in_the_end", [False, True])
async def test_redelivery_of_what_failed(
    bot: Bot, clock: Clock, breakage: Breakage, in_the_end: bool
) -> None:
    """GitHub's Redeliver works for what failed, once the handler is mended."""
    integration = await bot.integration()
    await bot.experiment("checkout")
    for _ in range(2):
        answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
        assert (answer.status, answer.body) == (202, WILL_BE_RETRIED)
    for _ in range(MAX_ATTEMPTS if in_the_end else 0):
        clock.ahead += 4 * 3600
        await retry_due(bot.services)
    (delivery,) = await stored(bot, integration)
    assert delivery["status"] == ("failed" if in_the_end else "retrying")

    breakage.is_mended = True
    answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
    assert (answer.status, answer.body) == (200, PROCESSED)
    assert await numbers(bot) == [7]
    answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
    assert (answer.status, answer.body) == (200, DUPLICATE)
    shown = (await bot.get(f"/api/v1/integrations/{integration}")).body
    assert shown["last_error"] is None
    clock.ahead += 4 * 3600
    await retry_due(bot.services)
    (delivery,) = await stored(bot, integration)
    assert (delivery["status"], delivery["error"]) == ("processed", None)


async def test_a_failure_spoils_nothing_else(bot: Bot, breakage: Breakage) -> None:
    """Deliveries that arrive together with one that fails are processed."""
    breakage.number = 13
    integration = await bot.integration()
    await bot.experiment("checkout")
    answers = await asyncio.gather(
        *(bot.deliver(integration, "pull_request", pull_request(number)) for number in range(9, 16))
    )
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 202, 200, 200]
    assert sorted(await numbers(bot)) == [9, 10, 11, 12, 14, 15]


@contextmanager
def locked(database_url: str) -> Iterator[None]:
    """Keep everyone else from writing."""
    if database_url.startswith("sqlite"):
        blocker = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
        blocker.execute("BEGIN EXCLUSIVE")
        yield
        blocker.close()
    else:
        with psycopg.connect(database_url) as connection:
            connection.execute("LOCK TABLE schema_version IN ACCESS EXCLUSIVE MODE")
            yield


async def test_storage_down(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be stored is not acknowledged; the same delivery passes once it can be."""
    monkeypatch.setattr(store.sqlite, "BUSY_TIMEOUT", 0.1)
    monkeypatch.setattr(store.postgres, "PATIENCE", 0.1)
    monkeypatch.setitem(store.postgres._OPTIONS, "options", "-c lock_timeout=100ms")
    bot = await start(settings)
    try:
        integration = await bot.integration()
        await bot.experiment("checkout")
        with locked(settings.database_url):
            answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
            assert_problem(answer, 503, "storage unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            assert (await bot.get("/healthz")).status == 200
        assert await stored(bot, integration) == []
        answer = await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
        assert (answer.status, answer.body) == (200, PROCESSED)
        assert await numbers(bot) == [7]
    finally:
        await bot.close()
