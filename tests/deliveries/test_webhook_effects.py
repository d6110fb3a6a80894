"""What is acknowledged is stored, and once."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.demo import payloads
from tests.deliveries.storing import DUPLICATE, GUID, numbers, stored
from tests.kit.deliveries import PROCESSED, REPO, pull_request
from tests.kit.marks import slow, sqlite_only
from tests.kit.running import Bot

NOT_ALLOWED = {"processed": False, "reason": "repository not allowed"}
NO_HANDLER = {"processed": False, "reason": "no handler"}


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
        ("repository", {"action": "edited", "repository": REPO}),
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
@slow
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
