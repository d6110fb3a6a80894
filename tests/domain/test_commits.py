"""Commits: linked by their message, or through the pull request whose branch they are pushed to."""

import asyncio
import itertools
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot import storage as store
from bot.demo import payloads
from tests.domain.pushes import FORK, commits, pull, push, pushes_in_feed
from tests.kit.deliveries import REPO, at
from tests.kit.marks import slow, sqlite_only
from tests.kit.running import Bot

_numbers = itertools.count(1)


async def test_a_linked_commit_has_these_fields(bot: Bot) -> None:
    """The contract's fields, and an item of the feed."""
    integration = await bot.integration()
    await bot.experiment("a")
    message = "Try the new checkout\n\nExperiment-Key: a"
    payload = push("feature", 3, message)
    payload["commits"][0]["timestamp"] = "2026-03-02T11:02:00+01:00"
    guid = str(uuid.uuid4())
    await bot.deliver(integration, "push", payload, guid=guid)
    sha = payload["commits"][0]["id"]
    (item,) = (await bot.get("/api/v1/experiments/a/commits")).items
    assert item == {
        "repository": "acme/shop",
        "sha": sha,
        "message": message,
        "author": "mona",
        "html_url": f"https://github.com/acme/shop/commit/{sha}",
        "ref": "refs/heads/feature",
        "committed_at": "2026-03-02T10:02:00Z",
        "linked_by": "message",
        "replaced": False,
        "integration_id": integration,
    }
    (news,) = (await bot.get("/api/v1/experiments/a/activity?type=commit.pushed")).items
    assert news["summary"] == f"Pushed {sha[:7]}: Try the new checkout"
    assert (news["occurred_at"], news["actor"]) == (at(3), "mona")
    assert (news["html_url"], news["delivery_id"]) == (item["html_url"], guid)
    counts = (await bot.get("/api/v1/experiments/a")).body["counts"]
    assert counts == {"pull_requests": 0, "issues": 0, "commits": 1, "code": 0}


async def test_the_contract_sample(bot: Bot) -> None:
    """A push with hardly any field is taken, and reaches the pull request of its branch."""
    integration = await bot.integration()
    await bot.experiment("a")
    sample: dict[str, Any] = {
        "ref": "refs/heads/main",
        "commits": [
            {
                "id": "abc123",
                "message": "feat: add new checkout flow",
                "author": {"name": "Jane Smith", "email": "jane@example.com"},
                "url": "https://github.com/your-org/your-repo/commit/abc123",
            }
        ],
        "repository": {"full_name": "your-org/your-repo"},
    }
    await bot.tell(integration, sample)
    assert await commits(bot) == {}
    linked = {**sample["commits"][0], "id": "abc124", "message": "feat: more\n\nexperiment_key: a"}
    await bot.tell(integration, {**sample, "commits": [linked]})
    (item,) = (await bot.get("/api/v1/experiments/a/commits")).items
    assert (item["sha"], item["author"]) == ("abc124", "Jane Smith")
    assert "jane@example.com" not in str(item)


@sqlite_only
@pytest.mark.parametrize(
    "message, keys",
    [
        ("Subject\n\nExperiment-Key: a", ["a"]),
        ("Subject\n\nSigned-off-by: Mona\nExperiment-Key: a\nExperiment-Key: b", ["a", "b"]),
        ("Subject\n\nexperiment_key: a, b", ["a", "b"]),
        ("experiment key: a", ["a"]),
        ("* experiment_key: `a`", ["a"]),
        ("Subject\r\n\r\nExperiment-Key: a\r\n", ["a"]),
        ("Subject experiment_key: a", []),
        ("Experiment: a", []),
        ("Experiment-Key:", []),
        ("", []),
    ],
)
async def test_keys_of_messages(bot: Bot, message: str, keys: list[str]) -> None:
    """A trailer or key line of the message names the experiments."""
    integration = await bot.integration()
    for key in ("a", "b"):
        await bot.experiment(key)
    await bot.tell(integration, push("main", 0, message))
    for key in ("a", "b"):
        expected = {message: "message"} if key in keys else {}
        assert await commits(bot, key) == expected


async def test_a_commit_is_one_per_repository_and_host(bot: Bot) -> None:
    """Two integrations that see one push make one commit; a fork has its own."""
    first, second = await bot.integration(), await bot.integration()
    await bot.experiment("a")
    payload = push("main", 1, "One\n\nExperiment-Key: a")
    for integration, guid in ((first, None), (second, None), (first, None)):
        await bot.deliver(integration, "push", payload, guid=guid)
    (item,) = (await bot.get("/api/v1/experiments/a/commits")).items
    assert item["integration_id"] == first
    assert await pushes_in_feed(bot) == ["One"]
    forked = {**payload, "repository": FORK}
    await bot.deliver(second, "push", forked)
    items = (await bot.get("/api/v1/experiments/a/commits")).items
    assert {item["repository"] for item in items} == {"acme/shop", "octo/shop"}


async def test_a_commit_may_wait_for_its_experiment(bot: Bot) -> None:
    """It stands among the unresolved links, by its subject, until the experiment exists."""
    integration = await bot.integration()
    await bot.tell(integration, push("main", 1, "Subject\n\nExperiment-Key: a"))
    (waiting,) = (await bot.get("/api/v1/links/unresolved")).items
    assert (waiting["kind"], waiting["title"], waiting["number"]) == ("commit", "Subject", None)
    await bot.experiment("a")
    assert (await bot.get("/api/v1/links/unresolved")).items == []
    assert await commits(bot) == {"Subject\n\nExperiment-Key: a": "message"}


ADDRESS = "jane.doe+git@mail.example.com"
MESSAGES = [
    f"Subject\n\nSigned-off-by: Jane Doe <{ADDRESS}>\nExperiment-Key: a",
    f"Subject\n\nCo-authored-by: Jane <{ADDRESS}>\nExperiment-Key: a",
    f"Mail {ADDRESS} about it\n\nExperiment-Key: a",
    f"Reported by ({ADDRESS}), thanks\n\nExperiment-Key: a",
    f"<{ADDRESS}>\n\nExperiment-Key: a",
    f"Ask mailto:{ADDRESS}.\n\nExperiment-Key: a",
]


@sqlite_only
@pytest.mark.parametrize("message", MESSAGES)
async def test_addresses_in_messages_are_not_shown(bot: Bot, message: str) -> None:
    """No list, feed or page shows them; the words around them stay."""
    integration = await bot.integration()
    await bot.tell(integration, push("main", 1, message))
    unresolved = await bot.get("/api/v1/links/unresolved")
    await bot.experiment("a")
    for page in ("/api/v1/experiments/a/commits", "/api/v1/experiments/a/activity"):
        answer = await bot.get(page)
        assert "@" not in str(answer.body)
    assert "@" not in str(unresolved.body)
    (shown,) = await commits(bot)
    assert "Experiment-Key: a" in shown


@sqlite_only
async def test_who_has_pushed_first_has_no_address_either(bot: Bot) -> None:
    """A push that was before the one known is told of like any other."""
    integration = await bot.integration()
    await bot.experiment("a")
    for second in (100, 50):
        payload = push("main", second, "One\n\nExperiment-Key: a")
        payload["sender"], payload["pusher"] = None, {"name": ADDRESS}
        await bot.tell(integration, payload)

    def actors(tx: store.Transaction) -> list[Any]:
        sql = "SELECT actor FROM commits UNION ALL SELECT actor FROM activity"
        return [row["actor"] for row in tx.all(sql)]

    assert "@" not in str(await bot.services.database.read(actors))


@sqlite_only
@pytest.mark.parametrize(
    "author, expected",
    [
        ({"name": "Jane Doe", "email": ADDRESS}, "Jane Doe"),
        ({"name": "Jane Doe", "email": ADDRESS, "username": "jane"}, "jane"),
        ({"name": ADDRESS, "email": ADDRESS}, None),
        ({"name": f"Jane <{ADDRESS}>", "email": ADDRESS}, "Jane"),
        ({"name": "", "email": ADDRESS}, None),
        (None, None),
    ],
)
async def test_authors_have_names_and_no_addresses(bot: Bot, author: Any, expected: Any) -> None:
    """The GitHub login where there is one, else the git name without any address in it."""
    integration = await bot.integration()
    await bot.experiment("a")
    payload = push("main", 1, "One\n\nExperiment-Key: a")
    payload["commits"][0]["author"] = author
    payload["sender"] = None
    payload["pusher"] = {"name": ADDRESS, "email": ADDRESS}
    await bot.tell(integration, payload)
    (item,) = (await bot.get("/api/v1/experiments/a/commits")).items
    assert item["author"] == expected
    feed = await bot.get("/api/v1/experiments/a/activity")
    assert "@" not in str(item) + str(feed.body)


async def test_a_large_push(bot: Bot) -> None:
    """500 commits arrive in one delivery, each linked once, in the order of the walk."""
    integration = await bot.integration()
    await bot.experiment("a")
    messages = [f"Commit {number}" for number in range(500)]
    payload = push("feature", 2, *messages)
    await bot.tell(integration, pull("opened", 1), payload, payload)
    items = await bot.walk("/api/v1/experiments/a/commits", limit=200)
    assert sorted(item["message"] for item in items) == sorted(messages)
    assert (await bot.get("/api/v1/experiments/a")).body["counts"]["commits"] == 500
    assert len(await pushes_in_feed(bot)) == 500


@sqlite_only
@pytest.mark.parametrize(
    "blob",
    ["x" * 60_000, "x@" * 1_500, "x@x." * 15_000, "<x" * 30_000, " " * 20_000, "- " * 30_000],
    ids=lambda blob: repr(blob[:4]),
)
async def test_a_message_with_a_blob_is_read_quickly(bot: Bot, blob: str) -> None:
    """Whatever somebody commits, it must not keep the other deliveries waiting."""
    integration = await bot.integration()
    message = f"Blob\n\n{blob}.\n\nExperiment-Key: a"
    started = time.monotonic()
    await bot.tell(integration, push("main", 1, message))
    assert time.monotonic() - started < 5


@sqlite_only
@pytest.mark.parametrize("sha", ["", "not a sha!", "a" * 65, None])
async def test_a_malformed_commit_is_left_out(bot: Bot, sha: Any) -> None:
    """The other commits of the push count."""
    integration = await bot.integration()
    await bot.experiment("a")
    payload = push("main", 1, "One\n\nExperiment-Key: a", "Two\n\nExperiment-Key: a")
    payload["commits"][1]["id"] = sha
    await bot.tell(integration, payload)
    assert len(await commits(bot)) == 1


STORY: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
    lambda repo: push("feature", 0, "Before", repo=repo),
    lambda repo: pull("opened", 1, repo=repo),
    lambda repo: push("feature", 2, "Open", repo=repo),
    lambda repo: pull("edited", 3, repo=repo, body="experiment_key: b"),
    lambda repo: push("feature", 4, "For b", "Own\n\nExperiment-Key: a", repo=repo),
    lambda repo: pull("edited", 5, repo=repo, body="experiment_key: a, b"),
    lambda repo: pull("closed", 6, repo=repo, body="experiment_key: a, b", state="closed"),
    lambda repo: push("feature", 7, "Too late", repo=repo),
    lambda repo: push("other", 8, "Before", repo=repo),
]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations(range(len(STORY))))
@slow
async def test_commits_are_the_same_in_any_order(bot: Bot, order: list[int]) -> None:
    """Which commits belong to an experiment does not depend on the order of arrival."""
    for key in ("a", "b"):
        await bot.put(f"/api/v1/experiments/{key}", {"name": key})
    integration = await bot.integration()
    name = f"acme/shop-{next(_numbers)}"
    repo = payloads.repository(name)
    await bot.tell(integration, *(STORY[position](repo) for position in order))
    found = {}
    for key in ("a", "b"):
        items = await bot.walk(f"/api/v1/experiments/{key}/commits", limit=200)
        mine = [item for item in items if item["repository"] == name]
        found[key] = sorted((item["message"].split("\n")[0], item["linked_by"]) for item in mine)
        news = await bot.walk(f"/api/v1/experiments/{key}/activity?type=commit.pushed", limit=200)
        told = [item["summary"].partition(": ")[2] for item in news if item["repository"] == name]
        assert sorted(told) == [message for message, _ in found[key]]
    assert found == {
        "a": [("Before", "branch"), ("For b", "branch"), ("Open", "branch"), ("Own", "message")],
        "b": [("Before", "branch"), ("For b", "branch"), ("Open", "branch"), ("Own", "branch")],
    }


async def test_replays_change_nothing(bot: Bot) -> None:
    """Running the handlers of any delivery again links and tells of nothing twice."""
    integration = await bot.integration()
    for key in ("a", "b"):
        await bot.experiment(key)
    await bot.tell(integration, *(deliver(REPO) for deliver in STORY))

    async def known() -> list[Any]:
        pages = ("commits", "activity", "pull-requests")
        return [
            await bot.walk(f"/api/v1/experiments/{key}/{page}") for key in "ab" for page in pages
        ]

    before = await known()
    page = f"/api/v1/integrations/{integration}/deliveries"
    for delivery in (await bot.get(page)).items:
        answer = await bot.post(f"{page}/{delivery['id']}/replay")
        assert (answer.status, answer.body["status"]) == (200, "processed")
        assert await known() == before


async def test_pushes_side_by_side(bot: Bot) -> None:
    """Many pushes at once lose nothing."""
    integration = await bot.integration()
    await bot.experiment("a")
    deliveries = [push("feature", 2, f"Commit {number}") for number in range(40)]
    await bot.tell(integration, pull("opened", 1))
    await asyncio.gather(*(bot.tell(integration, one) for one in deliveries))
    assert len(await commits(bot)) == 40
