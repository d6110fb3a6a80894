"""The pages of repositories, and of the keys that no experiment has."""

import re
from typing import Any

import pytest

from bot import storage as store
from bot.dashboard import repositories as pages
from bot.demo import payloads
from tests.kit.browsing import Browser, Page
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

AT = "2026-03-02T11:00:00Z"


async def pull(
    bot: Bot, integration: str, number: int, *keys: str, repo: str = "acme/shop", **more: Any
) -> None:
    state = "closed" if more.get("merged") else "open"
    told = payloads.pull_request(
        "closed" if more.get("merged") else "opened",
        number,
        AT,
        repo=payloads.repository(repo),
        body=f"experiment_key: {', '.join(keys)}",
        **{"state": state, "branch": f"branch-{number}", **more},
    )
    assert (await bot.deliver(integration, "pull_request", told)).status == 200


async def issue(bot: Bot, integration: str, number: int, key: str, repo: str = "acme/shop") -> None:
    told = payloads.issue(
        "opened", number, AT, repo=payloads.repository(repo), body=f"experiment_key: {key}"
    )
    assert (await bot.deliver(integration, "issues", told)).status == 200


async def push(bot: Bot, integration: str, key: str, repo: str = "acme/shop") -> None:
    told = payloads.push("main", [f"Try\n\nExperiment-Key: {key}"], repo=payloads.repository(repo))
    assert (await bot.deliver(integration, "push", told)).status == 200


def rows(page: Page) -> list[str]:
    """Return the words of each row of a page's tables, without those of their heads."""
    assert page.status == 200, page.words
    found = re.findall(r"<tr[^>]*>(.*?)</tr>", page.text, re.DOTALL)
    return [
        Page(200, one, "", None).words.replace(" ,", ",") for one in found if 'scope="row"' in one
    ]


# --- Repositories


async def test_a_repository_shows_its_experiments(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment("checkout", name="One page checkout", status="active")
    await bot.experiment("search", status="paused")
    await pull(bot, integration, 1, "checkout", "search")
    await pull(bot, integration, 2, "checkout", merged=True)
    await issue(bot, integration, 3, "checkout")
    await push(bot, integration, "typo")
    await push(bot, integration, "search", repo="acme/api")
    visitor = await Browser.sign_in(bot, "viewer")
    shop, api = sorted(rows(await visitor.get("/repositories")), reverse=True)
    assert shop.startswith("acme/shop")
    assert "checkout active" in shop and "search paused" in shop and "typo no experiment" in shop
    assert "1 open, 1 merged" in shop, "a pull request of two experiments is one"
    assert "1 open, 0 closed" in shop
    assert api.startswith("acme/api") and "search paused" in api and "0 open, 0 merged" in api

    page = await visitor.get("/repositories/acme/shop")
    found = rows(page)
    assert found[0].startswith("checkout active One page checkout 1 open, 1 merged 1 0")
    assert found[1].startswith("search paused 1 open, 0 merged 0 0")
    assert found[2].startswith("typo no experiment 0 open, 0 merged 0 1")
    assert found[3].startswith("#1 Try the new checkout open checkout search")
    assert found[4].startswith("#2 Try the new checkout merged checkout")
    assert found[5].startswith("#3 Something to track open checkout")
    assert 'href="https://github.com/acme/shop"' in page.text
    assert (await visitor.get("/repositories/ACME/Shop")).status == 200


@sqlite_only
async def test_the_repository_last_heard_of_comes_first(bot: Bot) -> None:
    integration = await bot.integration()
    for hour, repo in ((10, "acme/a"), (12, "acme/b"), (11, "acme/c")):
        told = payloads.pull_request(
            "opened",
            1,
            f"2026-03-02T{hour}:00:00Z",
            created_at=f"2026-03-02T{hour}:00:00Z",
            repo=payloads.repository(repo),
            body="experiment_key: checkout",
        )
        await bot.deliver(integration, "pull_request", told)
    visitor = await Browser.sign_in(bot, "viewer")
    found = [one.split()[0] for one in rows(await visitor.get("/repositories"))]
    assert found == ["acme/b", "acme/c", "acme/a"]


@sqlite_only
async def test_repositories_are_filtered_and_walked(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_ON_PAGE", 2)
    integration = await bot.integration()
    for name in ("shop", "api", "app", "a_pi", "web"):
        await pull(bot, integration, 1, "checkout", repo=f"acme/{name}")
    visitor = await Browser.sign_in(bot, "viewer")
    assert await walked(visitor, "/repositories") == {
        "acme/shop": 1,
        "acme/api": 1,
        "acme/app": 1,
        "acme/a_pi": 1,
        "acme/web": 1,
    }
    assert await walked(visitor, "/repositories?q=AP") == {"acme/api": 1, "acme/app": 1}
    assert await walked(visitor, "/repositories?q=_") == {"acme/a_pi": 1}
    assert "has “%” in its name" in (await visitor.get("/repositories?q=%25")).words


async def walked(visitor: Browser, path: str) -> dict[str, int]:
    """Return how often the first word of each row shows up when one goes on to the end."""
    found: dict[str, int] = {}
    for _ in range(100):
        page = await visitor.get(path)
        for row in rows(page):
            first = row.split()[0]
            found[first] = found.get(first, 0) + 1
        more = re.search(r'href="([^"]*)" rel="next"', page.text)
        if more is None:
            return found
        path = more[1].replace("&amp;", "&")
    raise AssertionError("the list never ends")


async def test_everything_of_a_repository_is_walked(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_IN_LIST", 2)
    monkeypatch.setattr(pages, "_IN_SECTION", 1)
    integration = await bot.integration()
    for number in range(1, 6):
        await pull(bot, integration, number, f"key-{number}", merged=number % 2 == 0)
        await issue(bot, integration, number + 10, f"key-{number}")
    visitor = await Browser.sign_in(bot, "viewer")
    page = await visitor.get("/repositories/acme/shop")
    assert len(rows(page)) == 3
    for show, expected in (
        ("experiments", {f"key-{number}": 1 for number in range(1, 6)}),
        ("pull-requests", {f"#{number}": 1 for number in range(1, 6)}),
        ("issues", {f"#{number + 10}": 1 for number in range(1, 6)}),
    ):
        assert f"show={show}" in page.text
        assert await walked(visitor, f"/repositories/acme/shop?show={show}") == expected
    found = rows(await visitor.get("/repositories/acme/shop?show=pull-requests"))
    assert [one.split()[0] for one in found] == ["#5", "#3"], "the open ones first"


@sqlite_only
async def test_many_experiments_are_counted_as_far_as_it_is_cheap(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_NAMED", 2)
    monkeypatch.setattr(pages, "_COUNTED", 4)
    integration = await bot.integration()
    visitor = await Browser.sign_in(bot, "viewer")
    keys = [f"key-{number}" for number in range(6)]
    await pull(bot, integration, 1, *keys[:4])
    assert "and 2 more" in rows(await visitor.get("/repositories"))[0]
    await pull(bot, integration, 2, *keys)
    assert "and more than 2 more" in rows(await visitor.get("/repositories"))[0]


@sqlite_only
async def test_a_repository_follows_its_name_and_its_end(bot: Bot) -> None:
    integration = await bot.integration()
    await pull(bot, integration, 1, "checkout")
    renamed = payloads.repository("acme/store", payloads.number_of("acme/shop"), AT)
    changes = {"repository": {"name": {"from": "shop"}}}
    await bot.deliver(
        integration, "repository", payloads.repository_event("renamed", renamed, changes)
    )
    visitor = await Browser.sign_in(bot, "viewer")
    assert rows(await visitor.get("/repositories"))[0].startswith("acme/store")
    assert (await visitor.get("/repositories/acme/store")).status == 200
    assert (await visitor.get("/repositories/acme/shop")).status == 404
    await bot.deliver(integration, "repository", payloads.repository_event("deleted", renamed))
    assert "acme/store deleted" in rows(await visitor.get("/repositories"))[0]
    assert "was deleted on GitHub" in (await visitor.get("/repositories/acme/store")).words


@sqlite_only
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/repositories/acme/unknown", 404),
        ("/repositories/unresolved", 404),
        ("/repositories?cursor=nonsense", 422),
        ("/repositories/acme/shop?show=nonsense", 422),
        ("/repositories/acme/shop?show=issues&cursor=nonsense", 422),
        ("/repositories/acme/shop?show=experiments&cursor=%20", 422),
        ("/repositories/acme/shop?host=elsewhere", 404),
        ("/unresolved?after=%20", 422),
    ],
)
async def test_what_is_not_there_is_said(bot: Bot, path: str, status: int) -> None:
    await pull(bot, await bot.integration(), 1, "checkout")
    visitor = await Browser.sign_in(bot, "viewer")
    page = await visitor.get(path, headers={"Accept": "text/html"})
    assert page.status == status
    assert "<h1>" in page.text and "To the dashboard" in page.words


@sqlite_only
async def test_empty_pages_say_what_to_do(bot: Bot) -> None:
    visitor = await Browser.sign_in(bot, "viewer")
    page = await visitor.get("/repositories")
    assert "No repositories yet" in page.words and "/start" in page.text
    assert "Every key has an experiment" in (await visitor.get("/unresolved")).words


async def test_links_know_where_they_are(bot: Bot) -> None:
    """What was linked before the column was there is found too."""
    integration = await bot.integration()
    await pull(bot, integration, 1, "checkout")
    await push(bot, integration, "search")

    def job(tx: store.Transaction) -> list[str]:
        found = tx.all("SELECT DISTINCT repository_id FROM links")
        (repository,) = [row["repository_id"] for row in found]
        known = store.linked.experiments_of_repository(tx, repository, None, 10)
        return [row.key for row in known]

    assert await bot.services.database.read(job) == ["checkout", "search"]


# --- Keys without an experiment


async def test_a_key_without_an_experiment(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment("checkout-flow-v2")
    await pull(bot, integration, 1, "chekout-flow-v2", title="Wallet buttons")
    await issue(bot, integration, 2, "chekout-flow-v2")
    await push(bot, integration, "chekout-flow-v2", repo="acme/api")
    await push(bot, integration, "quite-another")
    visitor = await Browser.sign_in(bot, "developer")
    page = await visitor.get("/unresolved")
    near, other = rows(page)
    assert near.startswith("chekout-flow-v2 1 pull request, 1 issue, 1 commit")
    assert "acme/shop#1 Wallet buttons" in near and "acme/shop#2 Something to track" in near
    assert re.search(r"acme/api [0-9a-f]{7} Try", near)
    assert "checkout-flow-v2 Create the experiment chekout-flow-v2" in near
    assert " none " in other
    assert 'href="/new-experiment?key=chekout-flow-v2"' in page.text
    assert 'href="/experiments/checkout-flow-v2"' in page.text

    viewer = await (await Browser.sign_in(bot, "viewer")).get("/unresolved")
    assert "/new-experiment" not in viewer.text and "requires the developer role" in viewer.words
    await bot.experiment("chekout-flow-v2")
    assert [one.split()[0] for one in rows(await visitor.get("/unresolved"))] == ["quite-another"]


async def test_keys_are_filtered_and_walked(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_ON_PAGE", 2)
    integration = await bot.integration()
    keys = ["alpha", "beta", "gamma", "Delta", "epsilon_1"]
    await pull(bot, integration, 1, *keys)
    visitor = await Browser.sign_in(bot, "viewer")
    assert await walked(visitor, "/unresolved") == dict.fromkeys(keys, 1)
    assert await walked(visitor, "/unresolved?q=ELTA") == {"Delta": 1}
    assert await walked(visitor, "/unresolved?q=_") == {"epsilon_1": 1}
    assert "contains “zzz”" in (await visitor.get("/unresolved?q=zzz")).words


@sqlite_only
async def test_of_many_links_some_are_shown(bot: Bot) -> None:
    integration = await bot.integration()
    for number in range(1, 6):
        await pull(bot, integration, number, "typo")
    (row,) = rows(await (await Browser.sign_in(bot, "viewer")).get("/unresolved"))
    assert "5 pull requests" in row and "and 2 more" in row and "#5" in row
