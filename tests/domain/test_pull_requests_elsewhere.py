"""Pull requests of forks, of other integrations and of other hosts."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from bot.demo import payloads
from bot.settings import Settings
from tests.domain.pulls import MERGED, PAGE, feed, linked, tell
from tests.kit.deliveries import REPO, at
from tests.kit.marks import sqlite_only
from tests.kit.running import ADMIN_TOKEN, Bot, start


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
