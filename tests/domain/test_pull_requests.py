"""Pull requests: what is known of them, what they link to, and what the feed tells."""

import uuid
from typing import Any

import pytest

from bot.demo import payloads
from tests.domain.pulls import MERGED, PAGE, feed, linked, tell
from tests.kit.deliveries import REPO, at
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

OPENED_AT = "2026-03-02T10:00:00Z"


async def experiments_of(bot: Bot, page: str = PAGE) -> list[str]:
    return [one["key"] for one in (await bot.get(page)).body["experiments"]]


async def test_a_linked_pull_request_has_these_fields(bot: Bot) -> None:
    """The contract's fields, from the delivery, on both addresses."""
    integration = await bot.integration()
    await bot.experiment("checkout", name="Checkout", status="active")
    await tell(
        bot,
        integration,
        "opened",
        0,
        title="Try it",
        body="experiment_key: checkout",
        branch="try-it",
        base="develop",
        sha="c" * 40,
        author="mona",
        sender="hubot",
    )
    fields = {
        "repository": "acme/shop",
        "number": 7,
        "title": "Try it",
        "html_url": "https://github.com/acme/shop/pull/7",
        "state": "open",
        "draft": False,
        "author": "mona",
        "head_ref": "try-it",
        "head_sha": "c" * 40,
        "base_ref": "develop",
        "created_at": OPENED_AT,
        "merged_at": None,
        "closed_at": None,
        "integration_id": integration,
        "live": [],
    }
    (item,) = (await bot.get("/api/v1/experiments/checkout/pull-requests")).items
    assert item == {**fields, "linked_by": "body", "linked_at": OPENED_AT}
    assert (await bot.get(PAGE)).body == {
        **fields,
        "experiments": [
            {"key": "checkout", "name": "Checkout", "status": "active", "linked_by": "body"}
        ],
        "code": [],
        "code_status": "off",
        "code_unread": [],
    }


async def test_feed_items_have_these_fields(bot: Bot) -> None:
    """The contract's fields of an item, each with a value that the delivery gave."""
    integration = await bot.integration()
    await bot.experiment("a")
    guid = str(uuid.uuid4())
    payload = payloads.pull_request(
        "opened", 7, at(0), repo=REPO, body="experiment_key: a", title="Try it", sender="hubot"
    )
    await bot.deliver(integration, "pull_request", payload, guid=guid)
    item = (await bot.get("/api/v1/experiments/a/activity?type=pull_request.linked")).items[0]
    assert uuid.UUID(item.pop("id"))
    assert item.pop("recorded_at").endswith("Z")
    assert "#7" in item["summary"] and "Try it" in item.pop("summary")
    assert item == {
        "type": "pull_request.linked",
        "experiment_key": "a",
        "occurred_at": OPENED_AT,
        "actor": "hubot",
        "html_url": "https://github.com/acme/shop/pull/7",
        "repository": "acme/shop",
        "delivery_id": guid,
        "backfilled": False,
    }


CLOSED: dict[str, Any] = {"state": "closed"}
STATES = {
    "open": ([("opened", {})], ("open", False, None, None)),
    "draft": ([("opened", {"draft": True})], ("open", True, None, None)),
    "ready": (
        [("opened", {"draft": True}), ("ready_for_review", {})],
        ("open", False, None, None),
    ),
    "back to draft": (
        [("opened", {}), ("converted_to_draft", {"draft": True})],
        ("open", True, None, None),
    ),
    "closed": ([("opened", {}), ("closed", CLOSED)], ("closed", False, at(1), None)),
    "merged": ([("opened", {}), ("closed", MERGED)], ("merged", False, at(1), at(1))),
    "reopened": (
        [("opened", {}), ("closed", CLOSED), ("reopened", {})],
        ("open", False, None, None),
    ),
    "closed again": (
        [("opened", {}), ("closed", CLOSED), ("reopened", {}), ("closed", CLOSED)],
        ("closed", False, at(3), None),
    ),
    "edited after its merge": (
        [("opened", {}), ("closed", MERGED), ("edited", {**MERGED, "closed_at": at(1)})],
        ("merged", False, at(1), at(1)),
    ),
    "seen first when it is closed": ([("closed", CLOSED)], ("closed", False, at(0), None)),
    "seen first when it is merged": ([("closed", MERGED)], ("merged", False, at(0), at(0))),
}


@sqlite_only
@pytest.mark.parametrize("story, expected", STATES.values(), ids=STATES.keys())
async def test_states(bot: Bot, story: Any, expected: Any) -> None:
    """State, draft and times after some deliveries."""
    integration = await bot.integration()
    for minute, (action, values) in enumerate(story):
        await tell(bot, integration, action, minute, **values)
    found = (await bot.get(PAGE)).body
    assert (found["state"], found["draft"], found["closed_at"], found["merged_at"]) == expected


async def test_facts_follow_every_event(bot: Bot) -> None:
    """Title, branches and head move with any action, also one that has no meaning to us."""
    integration = await bot.integration()
    await tell(bot, integration, "opened", 0)
    await tell(
        bot, integration, "labeled", 1, title="New", branch="other", base="next", sha="d" * 40
    )
    found = (await bot.get(PAGE)).body
    assert (found["title"], found["head_ref"], found["base_ref"], found["head_sha"]) == (
        "New",
        "other",
        "next",
        "d" * 40,
    )


async def test_the_list_filters_by_state(bot: Bot) -> None:
    """`state` shows open, closed or merged ones; anything else is refused."""
    integration = await bot.integration()
    await bot.experiment("a")
    for number, values in ((1, {}), (2, CLOSED), (3, MERGED)):
        await tell(bot, integration, "edited", number, number, body="experiment_key: a", **values)
    page = "/api/v1/experiments/a/pull-requests"
    assert [item["number"] for item in (await bot.get(page)).items] == [3, 2, 1]
    for state, number in (("open", 1), ("closed", 2), ("merged", 3)):
        assert [one["number"] for one in (await bot.get(f"{page}?state={state}")).items] == [number]
    assert (await bot.get(f"{page}?state=draft")).status == 422


async def test_edits_link_and_unlink(bot: Bot) -> None:
    """Links follow the body; a key that stays keeps the time of its link."""
    integration = await bot.integration()
    for key in ("a", "b"):
        await bot.experiment(key)
    await tell(bot, integration, "opened", 0, body="experiment_key: a")
    await tell(bot, integration, "edited", 1, body="experiment_key: a, b")
    await tell(bot, integration, "edited", 2, body="experiment_key: b")
    assert await linked(bot, "a") == []
    (item,) = (await bot.get("/api/v1/experiments/b/pull-requests")).items
    assert item["linked_at"] == at(1)
    assert await experiments_of(bot) == ["b"]
    assert await feed(bot, "a") == [
        "pull_request.unlinked",
        "pull_request.linked",
        "pull_request.opened",
    ]
    assert await feed(bot, "b") == ["pull_request.linked"]
    await tell(bot, integration, "edited", 3, body=None)
    assert await linked(bot, "b") == []
    await tell(bot, integration, "edited", 4, body="experiment_key: b")
    (item,) = (await bot.get("/api/v1/experiments/b/pull-requests")).items
    assert item["linked_at"] == at(4)


async def test_several_experiments_hear_of_everything(bot: Bot) -> None:
    """Each key of a body gets the link and the news, in the order in which it happened."""
    integration = await bot.integration()
    for key in ("a", "b"):
        await bot.experiment(key)
    body: dict[str, Any] = {"body": "experiment_key: a\nexperiment_key: b"}
    await tell(bot, integration, "opened", 0, draft=True, **body)
    await tell(bot, integration, "ready_for_review", 1, **body)
    await tell(bot, integration, "synchronize", 2, sha="e" * 40, **body)
    await tell(bot, integration, "closed", 3, sha="e" * 40, **CLOSED, **body)
    await tell(bot, integration, "reopened", 4, sha="e" * 40, **body)
    await tell(bot, integration, "closed", 5, sha="e" * 40, **MERGED, **body)
    for key in ("a", "b"):
        assert await feed(bot, key) == [
            "pull_request.merged",
            "pull_request.reopened",
            "pull_request.closed",
            "pull_request.updated",
            "pull_request.ready_for_review",
            "pull_request.linked",
            "pull_request.opened",
        ]
        counts = (await bot.get(f"/api/v1/experiments/{key}")).body["counts"]
        assert counts == {"pull_requests": 1, "issues": 0, "commits": 0, "code": 0}


@sqlite_only
@pytest.mark.parametrize(
    "action, values, expected",
    [
        ("closed", CLOSED, ["pull_request.closed", "pull_request.linked"]),
        ("closed", MERGED, ["pull_request.merged", "pull_request.linked"]),
        ("reopened", {}, ["pull_request.reopened", "pull_request.linked"]),
        ("ready_for_review", {}, ["pull_request.ready_for_review", "pull_request.linked"]),
        ("synchronize", {}, ["pull_request.updated", "pull_request.linked"]),
        ("labeled", {}, ["pull_request.linked"]),
    ],
)
async def test_a_story_may_begin_in_the_middle(
    bot: Bot, action: str, values: dict[str, Any], expected: list[str]
) -> None:
    """The bot may be installed long after a pull request was opened."""
    integration = await bot.integration()
    await bot.experiment("a")
    await tell(bot, integration, action, 1, body="experiment_key: a", **values)
    assert await feed(bot, "a") == expected


async def test_what_is_not_linked_tells_nothing(bot: Bot) -> None:
    """News reaches an experiment only from its link on, and only until the link goes."""
    integration = await bot.integration()
    await bot.experiment("a")
    await tell(bot, integration, "opened", 0)
    await tell(bot, integration, "synchronize", 1, sha="1" * 40)
    await tell(bot, integration, "edited", 2, sha="1" * 40, body="experiment_key: a")
    await tell(bot, integration, "edited", 3, sha="1" * 40)
    await tell(bot, integration, "closed", 4, sha="1" * 40, **MERGED)
    assert await feed(bot, "a") == ["pull_request.unlinked", "pull_request.linked"]


async def test_a_pull_request_without_links_is_known(bot: Bot) -> None:
    """Whatever GitHub told of is found, with no experiments."""
    integration = await bot.integration()
    await tell(bot, integration, "opened", 0, body="Nothing to see")
    assert await experiments_of(bot) == []
