"""Issues: what links them, what follows their events, and what becomes of them elsewhere."""

from typing import Any

import pytest

from bot.demo import payloads
from tests.kit.deliveries import REPO, at
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

OTHER = payloads.repository("acme/warehouse")


def issue(action: str, minute: int, number: int = 5, **values: Any) -> dict[str, Any]:
    return payloads.issue(action, number, at(minute), **{"repo": REPO, **values})


async def issues(bot: Bot, key: str) -> list[dict[str, Any]]:
    return await bot.walk(f"/api/v1/experiments/{key}/issues")


async def places(bot: Bot, key: str) -> list[tuple[str, int, str]]:
    """Where the issues of an experiment are, and what linked them."""
    found = await issues(bot, key)
    return sorted((one["repository"], one["number"], one["linked_by"]) for one in found)


async def feed(bot: Bot, key: str) -> list[str]:
    items = await bot.walk(f"/api/v1/experiments/{key}/activity")
    return [item["type"] for item in items if not item["type"].startswith("experiment.")]


async def test_a_linked_issue_has_these_fields(bot: Bot) -> None:
    """The contract's fields, from the delivery."""
    integration = await bot.integration()
    await bot.experiment("a")
    payload = issue(
        "opened", 0, title="Track it", body="experiment_key: a", labels=("bug", "experiment")
    )
    await bot.tell(integration, payload)
    assert await issues(bot, "a") == [
        {
            "repository": "acme/shop",
            "number": 5,
            "title": "Track it",
            "html_url": "https://github.com/acme/shop/issues/5",
            "state": "open",
            "labels": ["bug", "experiment"],
            "linked_by": "body",
            "linked_at": at(0),
            "integration_id": integration,
        }
    ]
    counts = (await bot.get("/api/v1/experiments/a")).body["counts"]
    assert counts == {"pull_requests": 0, "issues": 1, "commits": 0, "code": 0}


async def test_the_contract_sample(bot: Bot) -> None:
    """No repository, no times: the address tells where, and the title links."""
    integration = await bot.integration()
    await bot.experiment("checkout-flow-v2")
    sample = {
        "action": "opened",
        "issue": {
            "number": 101,
            "title": "Track experiment: checkout-flow-v2",
            "html_url": "https://github.com/your-org/your-repo/issues/101",
            "body": "Track the progress of the checkout flow experiment.",
            "labels": [{"name": "experiment"}],
        },
    }
    await bot.tell(integration, sample)
    (found,) = await issues(bot, "checkout-flow-v2")
    assert (found["repository"], found["number"]) == ("your-org/your-repo", 101)
    assert (found["linked_by"], found["state"]) == ("title", "open")
    assert found["labels"] == ["experiment"]


@sqlite_only
@pytest.mark.parametrize(
    "values, linked_by",
    [
        ({"title": "Track experiment: a"}, "title"),
        ({"title": "track EXPERIMENT:a"}, "title"),
        ({"title": "Track experiment: a", "body": "Experiment-Key: a"}, "body"),
        ({"body": "- **experiment key**: `a`"}, "body"),
        ({"title": "Track experiment: a and b"}, None),
        ({"title": "Please track experiment: a"}, None),
        ({"title": "Track experiment:"}, None),
        ({"title": "Track experiment: A"}, None),
        ({"title": "experiment_key: a"}, None),
        ({"body": "Track experiment: a"}, None),
        ({"body": "```\nexperiment_key: a\n```"}, None),
    ],
)
async def test_what_links_an_issue(bot: Bot, values: dict[str, Any], linked_by: str | None) -> None:
    """A key line of the body, or the whole title; the body's word goes first."""
    integration = await bot.integration()
    await bot.experiment("a")
    await bot.tell(integration, issue("opened", 0, **values))
    expected = [] if linked_by is None else [("acme/shop", 5, linked_by)]
    assert await places(bot, "a") == expected


async def test_a_link_made_by_the_title_follows_it(bot: Bot) -> None:
    """A new title moves the link; the body takes over where it names the same key."""
    integration = await bot.integration()
    for key in ("a", "b"):
        await bot.experiment(key)
    await bot.tell(integration, issue("opened", 0, title="Track experiment: a"))
    await bot.tell(integration, issue("edited", 1, title="Track experiment: b"))
    assert await places(bot, "a") == []
    assert await places(bot, "b") == [("acme/shop", 5, "title")]
    assert await feed(bot, "a") == ["issue.unlinked", "issue.linked"]
    assert await feed(bot, "b") == ["issue.linked"]
    payload = issue("edited", 2, title="Track experiment: b", body="experiment_key: b")
    await bot.tell(integration, payload)
    assert await places(bot, "b") == [("acme/shop", 5, "body")]
    assert (await issues(bot, "b"))[0]["linked_at"] == at(1)
    await bot.tell(integration, issue("edited", 3, title="Nothing"))
    assert await places(bot, "b") == []


async def test_labels_follow_the_events(bot: Bot) -> None:
    """Every new label is told of; the list is always the newest."""
    integration = await bot.integration()
    await bot.experiment("a")
    body: dict[str, Any] = {"body": "experiment_key: a"}
    await bot.tell(integration, issue("opened", 0, **body))
    await bot.tell(integration, issue("labeled", 1, labels=("one {x}",), **body))
    await bot.tell(integration, issue("labeled", 2, labels=("one {x}", "two"), **body))
    await bot.tell(integration, issue("unlabeled", 3, labels=("two",), **body))
    assert (await issues(bot, "a"))[0]["labels"] == ["two"]
    page = "/api/v1/experiments/a/activity?type=issue.labeled"
    summaries = [item["summary"] for item in (await bot.get(page)).items]
    assert len(summaries) == 2
    assert "two" in summaries[0] and "one {x}" in summaries[1]


async def test_states_follow_the_events(bot: Bot) -> None:
    """Closed and reopened, in the list, its filter and the feed."""
    integration = await bot.integration()
    await bot.experiment("a")
    body: dict[str, Any] = {"body": "experiment_key: a", "title": "Track it"}
    page = "/api/v1/experiments/a/issues?state="
    await bot.tell(integration, issue("opened", 0, **body))
    for minute, action, state, other in (
        (1, "closed", "closed", "open"),
        (2, "reopened", "open", "closed"),
        (3, "closed", "closed", "open"),
    ):
        await bot.tell(integration, issue(action, minute, state=state, sender="hubot", **body))
        assert [one["state"] for one in (await bot.get(page + state)).items] == [state]
        assert (await bot.get(page + other)).items == []
    assert await feed(bot, "a") == [
        "issue.closed",
        "issue.reopened",
        "issue.closed",
        "issue.linked",
    ]
    newest = (await bot.get("/api/v1/experiments/a/activity?type=issue.closed")).items[0]
    assert (newest["actor"], newest["occurred_at"]) == ("hubot", at(3))
    assert "#5" in newest["summary"] and "Track it" in newest["summary"]


async def test_an_issue_is_no_pull_request(bot: Bot) -> None:
    """Numbers are shared on GitHub, lists are not."""
    integration = await bot.integration()
    await bot.experiment("a")
    await bot.tell(integration, issue("opened", 0, body="experiment_key: a"))
    assert (await bot.get("/api/v1/pull-requests/acme/shop/5")).status == 404
    assert (await bot.get("/api/v1/experiments/a/pull-requests")).items == []


LIFE = [
    issue("opened", 0, body="experiment_key: a"),
    issue("edited", 1, body="experiment_key: a", title="Track experiment: b"),
    issue("deleted", 2, body="experiment_key: a", title="Track experiment: b"),
]


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 2, 1], [2, 0, 1], [1, 2, 0], [2, 1, 0]])
async def test_a_deleted_issue_loses_its_links(bot: Bot, order: list[int]) -> None:
    """Whenever the deletion is told, nothing older brings the issue back."""
    integration = await bot.integration()
    for key in ("a", "b"):
        await bot.experiment(key)
    await bot.tell(integration, *(LIFE[position] for position in order))
    assert await places(bot, "a") == []
    assert await places(bot, "b") == []
    assert (await bot.get("/api/v1/experiments/a")).body["counts"]["issues"] == 0


async def test_a_deletion_is_told_of(bot: Bot) -> None:
    """Every experiment that had the issue reads that it is gone."""
    integration = await bot.integration()
    for key in ("a", "b"):
        await bot.experiment(key)
    await bot.tell(integration, *LIFE, LIFE[2])
    assert await feed(bot, "a") == ["issue.unlinked", "issue.linked"]
    assert await feed(bot, "b") == ["issue.unlinked", "issue.linked"]


def transfer(**values: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two deliveries that tell of a transfer of acme/shop#5 to acme/warehouse#9."""
    old = {"title": "Track it", "created_at": at(0), **values}
    leaves = issue("transferred", 3, **old)
    arrives = payloads.issue("opened", 9, at(3), repo=OTHER, **old)
    leaves["changes"] = {"new_issue": arrives["issue"], "new_repository": OTHER}
    arrives["changes"] = {"old_issue": leaves["issue"], "old_repository": REPO}
    return leaves, arrives


@pytest.mark.parametrize("arrival_first", [False, True], ids=["leaves first", "arrives first"])
@pytest.mark.parametrize(
    "values, linked_by",
    [({"body": "experiment_key: a"}, "body"), ({"title": "Track experiment: a"}, "title")],
)
@pytest.mark.parametrize("known", [True, False], ids=["known", "never seen before"])
async def test_a_transferred_issue_takes_its_links_along(
    bot: Bot, values: dict[str, Any], linked_by: str, known: bool, arrival_first: bool
) -> None:
    """One link before, one after, in whatever order the two deliveries come."""
    integration = await bot.integration()
    await bot.experiment("a")
    leaves, arrives = transfer(**values)
    if known:
        await bot.tell(integration, issue("opened", 0, **values))
        assert await places(bot, "a") == [("acme/shop", 5, linked_by)]
    await bot.tell(integration, *([arrives, leaves] if arrival_first else [leaves, arrives]))
    assert await places(bot, "a") == [("acme/warehouse", 9, linked_by)]
    late = issue("edited", 2, **values)
    await bot.tell(integration, late, leaves, arrives)
    assert await places(bot, "a") == [("acme/warehouse", 9, linked_by)]
    gone = payloads.issue("edited", 9, at(5), repo=OTHER, title="Nothing", body=None)
    await bot.tell(integration, gone)
    assert await places(bot, "a") == []
    await bot.tell(integration, leaves, arrives)
    assert await places(bot, "a") == []


@pytest.mark.parametrize("which", [0, 1], ids=["leaves", "arrives"])
async def test_one_delivery_of_a_transfer_is_enough(bot: Bot, which: int) -> None:
    """The other may be lost, as long as deliveries have told of both repositories."""
    integration = await bot.integration()
    await bot.experiment("a")
    body: dict[str, Any] = {"body": "experiment_key: a"}
    there = payloads.issue("opened", 1, at(0), repo=OTHER, title="Nothing", body=None)
    await bot.tell(integration, issue("opened", 0, **body), there, transfer(**body)[which])
    assert await places(bot, "a") == [("acme/warehouse", 9, "body")]


async def test_a_transfer_to_where_nobody_speaks_leaves_the_issue_where_it_was(bot: Bot) -> None:
    """Who tells of one repository says nothing of another."""
    integration = await bot.integration()
    await bot.experiment("a")
    body: dict[str, Any] = {"body": "experiment_key: a"}
    leaves, arrives = transfer(**body)
    await bot.tell(integration, issue("opened", 0, **body), leaves)
    assert await places(bot, "a") == [("acme/shop", 5, "body")]
    await bot.tell(integration, arrives)
    assert await places(bot, "a") == [("acme/warehouse", 9, "body")]


async def test_a_replayed_transfer_changes_nothing(bot: Bot) -> None:
    """Neither brings links back nor tells of anything twice."""
    integration = await bot.integration()
    await bot.experiment("a")
    body: dict[str, Any] = {"body": "experiment_key: a"}
    await bot.tell(integration, issue("opened", 0, **body), *transfer(**body))
    told = await feed(bot, "a")
    page = f"/api/v1/integrations/{integration}/deliveries"
    for delivery in (await bot.get(page)).items:
        assert (await bot.post(f"{page}/{delivery['id']}/replay")).status == 200
    assert await places(bot, "a") == [("acme/warehouse", 9, "body")]
    assert await feed(bot, "a") == told


@sqlite_only
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"issue": None}, "issue"),
        ({"issue": {"title": "No number"}}, "issue.number"),
        ({"issue": {"number": 0}}, "issue.number"),
        ({"repository": None, "issue": {"number": 1}}, "repository"),
    ],
)
async def test_an_issue_that_cannot_be_told_is_passed_over(
    bot: Bot, change: dict[str, Any], field: str
) -> None:
    """The answer names the field that is missing."""
    integration = await bot.integration()
    answer = await bot.deliver(integration, "issues", {**issue("opened", 0), **change})
    assert (answer.status, answer.body["processed"]) == (200, False)
    assert f"`{field}`" in answer.body["detail"]
