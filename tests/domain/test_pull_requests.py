"""Pull requests: what is known of them, what they link to, and what the feed tells."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from bot.demo import payloads
from bot.settings import Settings
from tests.kit.deliveries import REPO, at
from tests.kit.marks import sqlite_only
from tests.kit.running import ADMIN_TOKEN, Bot, start

PAGE = "/api/v1/pull-requests/acme/shop/7"
OPENED_AT = "2026-03-02T10:00:00Z"


async def tell(
    bot: Bot, integration: str, action: str, minute: int, number: int = 7, **values: Any
) -> None:
    """Deliver a version of a pull request of acme/shop."""
    payload = payloads.pull_request(action, number, at(minute), **{"repo": REPO, **values})
    answer = await bot.deliver(integration, "pull_request", payload)
    assert (answer.status, answer.body) == (200, {"processed": True})


async def linked(bot: Bot, key: str) -> list[int]:
    return [item["number"] for item in await bot.walk(f"/api/v1/experiments/{key}/pull-requests")]


async def feed(bot: Bot, key: str) -> list[str]:
    """The types of an experiment's feed, newest first, without its own creation."""
    items = await bot.walk(f"/api/v1/experiments/{key}/activity")
    return [item["type"] for item in items if not item["type"].startswith("experiment.")]


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
    }
    (item,) = (await bot.get("/api/v1/experiments/checkout/pull-requests")).items
    assert item == {**fields, "linked_by": "body", "linked_at": OPENED_AT}
    assert (await bot.get(PAGE)).body == {
        **fields,
        "experiments": [
            {"key": "checkout", "name": "Checkout", "status": "active", "linked_by": "body"}
        ],
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
    }


CLOSED: dict[str, Any] = {"state": "closed"}
MERGED: dict[str, Any] = {"state": "closed", "merged": True}
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
        assert counts == {"pull_requests": 1, "issues": 0, "commits": 0}


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


@sqlite_only
@pytest.mark.parametrize(
    "page, status",
    [
        ("acme/shop/7", 200),
        ("ACME/Shop/7", 200),
        ("acme/shop/8", 404),
        ("acme/other/7", 404),
        ("acme/shop/07", 404),
        ("acme/shop/x", 404),
        ("acme/shop/99999999999999999999", 404),
    ],
)
async def test_looking_up_a_pull_request(bot: Bot, page: str, status: int) -> None:
    """Names ignore case, and what was never seen is a 404."""
    integration = await bot.integration()
    await tell(bot, integration, "opened", 0)
    answer = await bot.get(f"/api/v1/pull-requests/{page}")
    assert answer.status == status
    if status == 200:
        assert answer.body["repository"] == "acme/shop"


@pytest.mark.parametrize("has_repository", [True, False])
async def test_the_contract_sample(bot: Bot, has_repository: bool) -> None:
    """A delivery with hardly any field works; the address stands in for the repository."""
    integration = await bot.integration()
    await bot.experiment("checkout-flow-v2")
    payload: dict[str, Any] = {
        "action": "opened",
        "number": 42,
        "pull_request": {
            "title": "feat: Add new checkout flow experiment",
            "html_url": "https://github.com/your-org/your-repo/pull/42",
            "head": {"ref": "feat/checkout-experiment", "sha": "abc123"},
            "base": {"ref": "main"},
            "body": "experiment_key: checkout-flow-v2",
        },
    }
    if has_repository:
        payload["repository"] = {"full_name": "your-org/your-repo"}
    answer = await bot.deliver(integration, "pull_request", payload)
    assert (answer.status, answer.body) == (200, {"processed": True})
    (item,) = (await bot.get("/api/v1/experiments/checkout-flow-v2/pull-requests")).items
    assert (item["repository"], item["number"], item["state"]) == ("your-org/your-repo", 42, "open")
    assert (item["head_ref"], item["head_sha"]) == ("feat/checkout-experiment", "abc123")
    assert await feed(bot, "checkout-flow-v2") == ["pull_request.linked", "pull_request.opened"]


@pytest.mark.parametrize("fork", ["there", "deleted"])
async def test_pull_requests_from_forks(bot: Bot, fork: str) -> None:
    """The pull request belongs to the base's repository, also when its fork is gone."""
    integration = await bot.integration()
    await bot.experiment("a")
    payload = payloads.pull_request(
        "opened",
        7,
        at(0),
        repo=REPO,
        head_repo=payloads.repository("octo/shop"),
        body="experiment_key: a",
    )
    if fork == "deleted":
        payload["pull_request"]["head"]["repo"] = None
    assert (await bot.deliver(integration, "pull_request", payload)).body == {"processed": True}
    (item,) = (await bot.get("/api/v1/experiments/a/pull-requests")).items
    assert (item["repository"], item["head_ref"]) == ("acme/shop", "feature")
    assert (await bot.get("/api/v1/pull-requests/octo/shop/7")).status == 404


async def test_a_key_without_an_experiment_waits_for_it(bot: Bot) -> None:
    """Unresolved until the experiment is created, and again once it is deleted."""
    integration = await bot.integration()
    await tell(bot, integration, "opened", 0, body="experiment_key: later", title="Try it")
    (waiting,) = (await bot.get("/api/v1/links/unresolved")).items
    assert {name: waiting[name] for name in ("experiment_key", "kind", "repository", "number")} == {
        "experiment_key": "later",
        "kind": "pull_request",
        "repository": "acme/shop",
        "number": 7,
    }
    assert (waiting["title"], waiting["linked_by"], waiting["linked_at"]) == (
        "Try it",
        "body",
        at(0),
    )
    nobody = {"key": "later", "name": None, "status": None, "linked_by": "body"}
    assert (await bot.get(PAGE)).body["experiments"] == [nobody]
    assert (await bot.get("/api/v1/experiments/later/pull-requests")).status == 404

    await bot.experiment("later", name="Later", status="paused")
    assert (await bot.get("/api/v1/links/unresolved")).items == []
    assert (await bot.get(PAGE)).body["experiments"] == [
        {**nobody, "name": "Later", "status": "paused"}
    ]
    assert await linked(bot, "later") == [7]
    assert await feed(bot, "later") == ["pull_request.linked", "pull_request.opened"]

    assert (await bot.delete("/api/v1/experiments/later")).status == 204
    (again,) = (await bot.get("/api/v1/links/unresolved")).items
    assert again == waiting
    assert (await bot.get(PAGE)).body["experiments"] == [nobody]


@pytest.mark.parametrize("one_guid", [True, False], ids=["one guid", "two guids"])
@pytest.mark.parametrize("late", [False, True], ids=["in turn", "one after the other"])
async def test_two_integrations_make_one_of_everything(
    bot: Bot, one_guid: bool, late: bool
) -> None:
    """Facts belong to the repository; the integration that told first is the one shown."""
    first, second = await bot.integration(), await bot.integration()
    await bot.experiment("a")
    body = {"body": "experiment_key: a"}
    story: list[tuple[str, dict[str, Any]]] = [
        ("opened", body),
        ("synchronize", {**body, "sha": "f" * 40}),
        ("closed", {**body, "sha": "f" * 40, **MERGED}),
    ]
    guids = [str(uuid.uuid4()) for _ in story]
    steps = [(step, who) for step in range(3) for who in (first, second)]
    for step, integration in sorted(steps, key=lambda one: one[1] != first) if late else steps:
        action, values = story[step]
        payload = payloads.pull_request(action, 7, at(step), repo=REPO, **values)
        guid = guids[step] if one_guid else None
        answer = await bot.deliver(integration, "pull_request", payload, guid=guid)
        assert answer.body == {"processed": True}
    (item,) = (await bot.get("/api/v1/experiments/a/pull-requests")).items
    assert (item["state"], item["integration_id"]) == ("merged", first)
    assert await feed(bot, "a") == [
        "pull_request.merged",
        "pull_request.updated",
        "pull_request.linked",
        "pull_request.opened",
    ]
    counts = (await bot.get("/api/v1/experiments/a")).body["counts"]
    assert counts["pull_requests"] == 1
    for integration in (first, second):
        page = f"/api/v1/integrations/{integration}/deliveries"
        assert [one["status"] for one in (await bot.get(page)).items] == ["processed"] * 3


async def test_each_github_has_its_own_pull_requests(tmp_path: Path) -> None:
    """The same name on another GitHub host is another repository."""
    environment = {
        "DATA_DIR": str(tmp_path),
        "ADMIN_TOKEN": ADMIN_TOKEN,
        "GITHUB_API_URLS": "https://api.github.com,https://ghe.example/api/v3",
    }
    bot = await start(Settings.from_environment(environment))
    try:
        await bot.experiment("a")
        for address in ("https://api.github.com", "https://ghe.example/api/v3"):
            integration = await bot.integration(config={"api_url": address})
            await tell(bot, integration, "opened", 0, body="experiment_key: a", title=address)
        items = (await bot.get("/api/v1/experiments/a/pull-requests")).items
        assert len({item["title"] for item in items}) == 2
    finally:
        await bot.close()


async def test_no_list_shows_an_address(bot: Bot) -> None:
    """E-mail addresses of people stay in the stored payload."""
    integration = await bot.integration()
    await bot.experiment("a")
    payload = payloads.pull_request("opened", 7, at(0), repo=REPO, body="experiment_key: a, b")
    for person in (payload["pull_request"]["user"], payload["sender"]):
        person["email"] = "mona@secret.example"
    await bot.deliver(integration, "pull_request", payload)
    for page in (
        "/api/v1/experiments/a/pull-requests",
        "/api/v1/experiments/a/activity",
        "/api/v1/links/unresolved",
        f"/api/v1/integrations/{integration}/deliveries",
        PAGE,
    ):
        answer = await bot.get(page)
        assert answer.status == 200
        assert "secret.example" not in str(answer.body)


@sqlite_only
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"number": None, "pull_request": {"title": "No number"}}, "number"),
        ({"pull_request": None}, "pull_request"),
        ({"pull_request": {"updated_at": "yesterday"}, "number": "x"}, "number"),
        ({"repository": {"full_name": "no slash"}, "pull_request": {}}, "repository"),
        ({"repository": None, "pull_request": {}}, "repository"),
    ],
)
async def test_a_pull_request_that_cannot_be_told_is_passed_over(
    bot: Bot, change: dict[str, Any], field: str
) -> None:
    """The answer names the field that is missing, and no pull request is made up."""
    integration = await bot.integration()
    payload = payloads.pull_request("opened", 7, at(0), repo=REPO)
    answer = await bot.deliver(integration, "pull_request", {**payload, **change})
    assert (answer.status, answer.body["processed"]) == (200, False)
    assert f"`{field}`" in answer.body["detail"]
    assert (await bot.get(PAGE)).status == 404
    (kept,) = (await bot.get(f"/api/v1/integrations/{integration}/deliveries")).items
    assert (kept["status"], f"`{field}`" in kept["error"]) == ("ignored", True)
