"""Deliveries as the API shows them: what came, what became of it, and running it again."""

import uuid
from typing import Any

import pytest

from bot import worker
from bot.deliveries.life import retry_due
from bot.deliveries.records import MAX_ATTEMPTS
from bot.demo import payloads
from tests.kit.breakage import Breakage
from tests.kit.clock import Clock
from tests.kit.deliveries import REPO, pull_request
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

GUID = "6a1f0f6c-2f1b-4a52-9d33-0c4f1d7f5e10"
OTHER = "0b8e4f6a-3a4c-4f0e-9b57-5f3f1f2d9c11"
NOBODY = "0f3d1c9e-7b5a-4f0e-8d2c-1a2b3c4d5e6f"


def path_of(integration: str) -> str:
    return f"/api/v1/integrations/{integration}/deliveries"


async def everything(bot: Bot, integration: str) -> list[Any]:
    """Return what the API shows of an experiment, its links, its feed and the deliveries."""
    experiment = "/api/v1/experiments/checkout"
    lists = ("pull-requests", "issues", "commits", "activity")
    return [
        (await bot.get(experiment)).body,
        [await bot.walk(f"{experiment}/{name}") for name in lists],
        await bot.walk("/api/v1/links/unresolved"),
        (await bot.get("/api/v1/pull-requests/acme/shop/7")).body,
        await bot.walk(path_of(integration)),
        (await bot.get(f"/api/v1/integrations/{integration}")).body,
    ]


@pytest.fixture
async def integration(bot: Bot) -> str:
    await bot.experiment("checkout")
    return await bot.integration()


# --- Lists


async def test_list(bot: Bot, integration: str) -> None:
    """Newest first, with all that tells one delivery from another."""
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    await bot.deliver(
        integration, "ping", {"zen": "Approachable is better than simple."}, guid=first
    )
    await bot.deliver(integration, "pull_request", pull_request(), guid=second)
    newest, oldest = (await bot.get(path_of(integration))).items
    assert newest.keys() == {
        *("id", "event", "action", "repository", "status"),
        *("received_at", "processed_at", "attempts", "error", "recovered"),
    }
    assert (newest["id"], newest["event"], newest["action"], newest["repository"]) == (
        second,
        "pull_request",
        "opened",
        "acme/shop",
    )
    assert (oldest["id"], oldest["event"], oldest["action"], oldest["repository"]) == (
        first,
        "ping",
        None,
        None,
    )
    for one in (newest, oldest):
        assert (one["status"], one["attempts"], one["error"]) == ("processed", 1, None)
        assert one["received_at"] <= one["processed_at"]
        assert one["received_at"].endswith("Z")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["ping", "star", "push", "pull_request", "ping"]),
        ("?event=ping", ["ping", "ping"]),
        ("?event=push", ["push"]),
        ("?event=deployment", []),
        ("?status=processed", ["ping", "push", "ping"]),
        ("?status=ignored", ["star"]),
        ("?status=retrying", ["pull_request"]),
        ("?status=failed", []),
        ("?status=processed&event=ping", ["ping", "ping"]),
        ("?status=ignored&event=ping", []),
    ],
)
async def test_filters(
    bot: Bot, integration: str, breakage: Breakage, query: str, expected: list[str]
) -> None:
    await bot.deliver(integration, "ping", {})
    await bot.deliver(integration, "pull_request", pull_request())
    await bot.deliver(integration, "push", payloads.push("main", ["one"], repo=REPO))
    await bot.deliver(integration, "star", {})
    await bot.deliver(integration, "ping", {})
    assert [one["event"] for one in (await bot.get(path_of(integration) + query)).items] == expected


@sqlite_only
@pytest.mark.parametrize(
    "query",
    [
        "status=lost",
        "status=",
        "status=processed&status=failed",
        "event=Ping",
        "event=a%20b",
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=ten",
        "cursor=",
        "cursor=nonsense",
        "cursor=WzEsMl0",
        "cursor=W10",
        "cursor=W25hbl0",
        "cursor=WzFlMzAwXQ",
        "page=1",
    ],
)
async def test_bad_queries(bot: Bot, integration: str, query: str) -> None:
    answer = await bot.get(f"{path_of(integration)}?{query}")
    assert answer.status == 422, answer.body
    assert answer.body["errors"][0]["field"] == query.partition("=")[0]


@pytest.mark.parametrize("limit", [1, 3, 4, 10])
@pytest.mark.parametrize("query", ["", "&status=processed&event=ping"])
async def test_walk(bot: Bot, integration: str, limit: int, query: str) -> None:
    """A walk shows what was there when it began, once each, while new ones come in."""
    guids = [str(uuid.uuid4()) for _ in range(10)]
    for guid in guids:
        await bot.deliver(integration, "ping", {}, guid=guid)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        after = f"&cursor={cursor}" if cursor else ""
        answer = await bot.get(f"{path_of(integration)}?limit={limit}{query}{after}")
        assert len(answer.items) <= limit
        seen += [one["id"] for one in answer.items]
        cursor = answer.body["next_cursor"]
        await bot.deliver(integration, "ping", {})
    assert seen == guids[::-1]


async def test_lists_are_apart(bot: Bot, integration: str) -> None:
    """An integration shows its own deliveries alone, and its cursor leads to no other's."""
    other = await bot.integration()
    await bot.deliver(integration, "ping", {}, guid=GUID)
    for _ in range(3):
        await bot.deliver(other, "ping", {})
    assert [one["id"] for one in await bot.walk(path_of(integration))] == [GUID]
    cursor = (await bot.get(f"{path_of(other)}?limit=1")).body["next_cursor"]
    answer = await bot.get(f"{path_of(integration)}?cursor={cursor}")
    assert [one["id"] for one in answer.items] == [GUID]
    (shown,) = (await bot.get(f"{path_of(other)}?cursor={cursor}&limit=1")).items
    assert (await bot.get(f"{path_of(integration)}/{shown['id']}")).status == 404


# --- One


async def test_detail(bot: Bot, integration: str) -> None:
    """The payload is what came, the headers are GitHub's own without the signature."""
    payload = pull_request(title="Ünï → 🔑 \\u0000 text", body="a\r\nb\ttab")
    sent = {
        "X-GitHub-Hook-ID": "292430182",
        "X-GitHub-Hook-Installation-Target-ID": "79929171",
        "X-GitHub-Hook-Installation-Target-Type": "repository",
        "X-Hub-Signature": "sha1=0123456789abcdef0123456789abcdef01234567",
        "Cookie": "session=of-somebody",
        "Authorization": "Bearer of-somebody",
        "X-Forwarded-For": "192.0.2.7",
    }
    await bot.deliver(integration, "pull_request", payload, guid=GUID, headers=sent)
    answer = await bot.get(f"{path_of(integration)}/{GUID}")
    assert answer.status == 200
    (listed,) = (await bot.get(path_of(integration))).items
    assert {name: answer.body[name] for name in listed} == listed
    assert answer.body["payload"] == payload
    headers = answer.body["headers"]
    assert headers["X-GitHub-Event"] == "pull_request"
    assert headers["X-GitHub-Delivery"] == GUID
    assert headers["X-GitHub-Hook-ID"] == "292430182"
    assert headers["User-Agent"].startswith("GitHub-Hookshot/")
    for name in ("Signature", "Cookie", "Authorization", "Forwarded"):
        assert name.lower() not in str(headers).lower()
    assert (await bot.get(f"{path_of(integration)}/{GUID.upper()}")).body == answer.body


@sqlite_only
async def test_detail_of_a_form(bot: Bot, integration: str) -> None:
    """The payload of a form is shown as that of any other."""
    body = b"payload=%7B%22zen%22%3A+%22a%2Bb%22%7D"
    headers = payloads.headers("ping", body, "a-webhook-secret-of-the-tests", GUID)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    assert (await bot.send(integration, body, headers)).status == 200
    answer = await bot.get(f"{path_of(integration)}/{GUID}")
    assert answer.body["payload"] == {"zen": "a+b"}
    assert answer.body["headers"]["Content-Type"] == "application/x-www-form-urlencoded"


@sqlite_only
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("integration_id", "guid"),
    [("{id}", NOBODY), ("{id}", "7"), (NOBODY, GUID), ("7", GUID), ("{other}", GUID)],
)
async def test_not_found(
    bot: Bot, integration: str, method: str, integration_id: str, guid: str
) -> None:
    """Unknown deliveries and integrations, and a delivery under another's address."""
    await bot.deliver(integration, "ping", {}, guid=GUID)
    integration_id = integration_id.format(id=integration, other=await bot.integration())
    path = f"{path_of(integration_id)}/{guid}" + ("/replay" if method == "POST" else "")
    answer = await bot.request(method, path)
    assert (answer.status, answer.body["error"]) == (404, "not found")


@sqlite_only
async def test_list_of_unknown_integration(bot: Bot) -> None:
    assert (await bot.get(path_of(NOBODY))).status == 404


# --- Replay


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("pull_request", pull_request()),
        ("pull_request", pull_request(action="edited", body=None)),
        ("pull_request", pull_request(action="closed", state="closed", merged=True)),
        ("push", payloads.push("feature", ["one\n\nExperiment-Key: checkout"], repo=REPO)),
        (
            "issues",
            payloads.issue(
                "opened", 3, "2026-03-02T10:00:00Z", repo=REPO, title="Track experiment: checkout"
            ),
        ),
        ("repository", payloads.repository_event("renamed", {**REPO, "full_name": "acme/new"})),
        ("ping", {}),
    ],
)
async def test_replay_of_what_had_succeeded(
    bot: Bot, integration: str, event: str, payload: payloads.Payload
) -> None:
    """It changes nothing, neither at once nor when newer deliveries have come in between."""
    replay = f"{path_of(integration)}/{GUID}/replay"
    await bot.deliver(integration, "pull_request", pull_request(title="Before it"))
    await bot.deliver(integration, event, payload, guid=GUID)
    before = await everything(bot, integration)
    answer = await bot.post(replay)
    assert (answer.status, answer.body["id"]) == (200, GUID)
    assert answer.body["status"] == "processed"
    assert await everything(bot, integration) == before

    newer = payloads.pull_request("reopened", 7, "2026-03-05T10:00:00Z", repo=REPO, title="After")
    await bot.deliver(integration, "pull_request", newer)
    before = await everything(bot, integration)
    assert (await bot.post(replay)).status == 200
    assert await everything(bot, integration) == before


async def test_replay_of_what_nobody_handles(
    bot: Bot, integration: str, breakage: Breakage
) -> None:
    """It says so; the integration's last error is of another delivery, and stays."""
    await bot.deliver(integration, "pull_request", pull_request())
    await bot.deliver(integration, "star", {"action": "created"}, guid=GUID)
    answer = await bot.post(f"{path_of(integration)}/{GUID}/replay")
    assert (answer.status, answer.body["status"], answer.body["error"]) == (200, "ignored", None)
    shown = (await bot.get(f"/api/v1/integrations/{integration}")).body
    assert "the gears are stuck" in shown["last_error"]


async def test_a_delivery_that_works_again_forgets_its_own_error_alone(
    bot: Bot, integration: str, breakage: Breakage
) -> None:
    await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
    await bot.deliver(integration, "pull_request", pull_request(), guid=OTHER)
    breakage.is_mended = True
    for guid, expected in ((GUID, "the gears are stuck"), (OTHER, None)):
        answer = await bot.deliver(integration, "pull_request", pull_request(), guid=guid)
        assert answer.body == {"processed": True}
        shown = (await bot.get(f"/api/v1/integrations/{integration}")).body["last_error"]
        assert shown is None if expected is None else expected in shown


@pytest.mark.parametrize("in_the_end", [False, True])
async def test_replay_of_what_failed(
    bot: Bot,
    integration: str,
    breakage: Breakage,
    clock: Clock,
    in_the_end: bool,
) -> None:
    """A replay that fails again says so; once the handler is mended it takes effect."""
    replay = f"{path_of(integration)}/{GUID}/replay"
    await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
    if in_the_end:
        for _ in range(1, MAX_ATTEMPTS):
            clock.ahead += 4 * 3600
            await retry_due(bot.services)
    (before,) = (await bot.get(path_of(integration))).items
    assert before["status"] == ("failed" if in_the_end else "retrying")

    answer = await bot.post(replay)
    assert answer.status == 200
    assert (answer.body["status"], answer.body["attempts"]) == (
        before["status"],
        before["attempts"] + 1,
    )
    assert "the gears are stuck" in answer.body["error"]
    assert await bot.walk("/api/v1/experiments/checkout/pull-requests") == []

    breakage.is_mended = True
    answer = await bot.post(replay)
    assert (answer.status, answer.body["status"], answer.body["error"]) == (200, "processed", None)
    assert answer.body["processed_at"] is not None
    (linked,) = await bot.walk("/api/v1/experiments/checkout/pull-requests")
    assert linked["number"] == 7
    before_again = await everything(bot, integration)
    await retry_due(bot.services)
    assert await everything(bot, integration) == before_again


async def test_replay_without_payload(bot: Bot, integration: str, clock: Clock) -> None:
    """What is no longer kept, or was never allowed in, cannot be run again: a 409 says so."""
    narrow = await bot.integration(config={"repositories": ["acme/other"]})
    await bot.deliver(narrow, "pull_request", pull_request(), guid=GUID)
    await bot.deliver(integration, "pull_request", pull_request(), guid=GUID)
    clock.ahead += bot.services.settings.payload_days * 86_400 + 60
    await worker.clear_some(bot.services)
    for owner in (narrow, integration):
        answer = await bot.get(f"{path_of(owner)}/{GUID}")
        assert (answer.status, answer.body["payload"]) == (200, None)
        answer = await bot.post(f"{path_of(owner)}/{GUID}/replay")
        assert (answer.status, answer.body["error"]) == (409, "payload not kept")
    assert len(await bot.walk("/api/v1/experiments/checkout/pull-requests")) == 1
