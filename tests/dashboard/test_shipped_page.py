"""The page of what shipped: the list of the API, with the same filters in its address."""

import re
from typing import Any

import pytest

from bot.demo import payloads
from tests.kit.browsing import Browser
from tests.kit.deliveries import REPO, at
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

OTHER = payloads.repository("acme/app")


async def merged(bot: Bot, integration: str, number: int, keys: str, repo: Any = REPO) -> None:
    payload = payloads.pull_request(
        "closed",
        number,
        at(number),
        repo=repo,
        title=f"Pull {number}",
        body=f"experiment_key: {keys}",
        state="closed",
        merged=True,
        created_at=at(0),
    )
    await bot.tell(integration, payload)


async def shown(browser: Browser, query: str = "") -> list[int]:
    page = await browser.get(f"/shipped{query}")
    assert page.status == 200
    return [int(one) for one in re.findall(r">Pull (\d+)</a>", page.text)]


@pytest.fixture
async def browser(bot: Bot) -> Browser:
    await bot.experiment("a", name="One page checkout", owner="growth", status="active")
    await bot.experiment("b", owner="mobile & web")
    integration = await bot.integration()
    await merged(bot, integration, 1, "a")
    await merged(bot, integration, 2, "a, b", repo=OTHER)
    await merged(bot, integration, 3, "unknown")
    return await Browser.sign_in(bot, "viewer")


async def test_it_shows_what_shipped(browser: Browser) -> None:
    page = await browser.get("/shipped")
    assert 'href="/shipped" aria-current="page"' in page.text
    assert await shown(browser) == [2, 1]
    assert re.search(
        r"Pull 2 acme/app#2 One page checkout active growth b .*?2 minutes", page.words
    )
    assert 'href="https://github.com/acme/app/pull/2"' in page.text
    for address in ("/experiments/a", "/pull-requests/acme/app/2"):
        assert f'href="{address}"' in page.text
        assert (await browser.get(address)).status == 200


async def test_filters_stand_in_the_address_and_the_form(browser: Browser) -> None:
    for query, expected in (
        ("?owner=growth", [2, 1]),
        ("?owner=mobile+%26+web", [2]),
        ("?experiment=b", [2]),
        ("?repository=acme/shop", [1]),
        ("?repository=acme/shop&owner=mobile+%26+web", []),
        ("?since=2026-03-02&until=2026-03-03", [2, 1]),
        ("?until=2026-03-02", []),
        ("?since=2026-03-02&until=&owner=&experiment=&repository=+acme/app+", [2]),
        ("?other=1", [2, 1]),
    ):
        assert await shown(browser, query) == expected, query
    page = await browser.get("/shipped?owner=growth&since=2026-03-01")
    for value in ('name="owner" type="text" value="growth"', 'type="date" value="2026-03-01"'):
        assert value in page.text
    assert "Nothing found" in (await browser.get("/shipped?owner=nobody")).words


@sqlite_only
async def test_a_filter_that_is_none_is_marked_beside_what_was_typed(browser: Browser) -> None:
    page = await browser.get("/shipped?repository=shop&owner=growth")
    assert page.status == 422
    assert "Enter it as owner/name." in page.words and 'value="growth"' in page.text
    assert "Pull 1" not in page.words
    assert (await browser.get("/shipped?since=soon")).status == 422
    assert (await browser.get("/shipped?cursor=x")).status == 422


@sqlite_only
async def test_a_page_leads_to_the_next(bot: Bot) -> None:
    await bot.experiment("a", owner="growth")
    integration = await bot.integration()
    browser = await Browser.sign_in(bot)
    assert "Nothing yet" in (await browser.get("/shipped")).words
    for number in range(1, 53):
        await merged(bot, integration, number, "a")
    page = await browser.get("/shipped?owner=growth")
    more = re.search(r'href="(/shipped\?[^"]+)" rel="next"', page.text)
    assert more is not None and "owner=growth" in more[1]
    rest = (await browser.get(more[1].replace("&amp;", "&"))).text
    assert re.findall(r">Pull (\d+)</a>", rest) == ["2", "1"]
    assert 'rel="next"' not in rest
