"""Errors: pages for people in front of a browser, problem+json for programs."""

import re
from typing import Any

import pytest

from bot import storage as store
from bot.dashboard import rendering
from bot.web.problems import CONTENT_TYPE
from tests.kit.browsing import Browser, Page
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

pytestmark = sqlite_only
HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def is_page(page: Page) -> bool:
    kind = page.headers["Content-Type"]
    if kind.startswith("text/html"):
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert len(re.findall("<h1[ >]", page.text)) == 1
        return True
    assert kind.startswith(CONTENT_TYPE)
    return False


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/experiments/checkout/nowhere", 404),
        ("GET", "/static/0/none.css", 404),
        ("GET", "/setup/nowhere", 404),
        ("GET", "/sign-out", 405),
        ("PUT", "/sign-in", 405),
    ],
)
async def test_an_address_that_is_none(bot: Bot, method: str, path: str, status: int) -> None:
    for visitor in (Browser(bot), await Browser.sign_in(bot, "viewer")):
        page = await visitor._ask(method, path, False, headers=HTML)
        assert page.status == status and is_page(page)
        assert ("Signed in as" in page.words) is bool(visitor.cookies), "the way on is there"
        for accepted in ("*/*", "application/json"):
            answer = await visitor._ask(method, path, False, headers={"Accept": accepted})
            assert answer.status == status and not is_page(answer)
        if status == 405:
            assert "Allow" in page.headers


async def test_the_api_speaks_json_whoever_asks(bot: Bot) -> None:
    for path, status in (("/api/v1/nowhere", 404), ("/api/v1/experiments", 401)):
        page = await Browser(bot).get(path, headers=HTML)
        assert page.status == status and not is_page(page)


async def test_a_fault_has_a_number_to_find_it_by(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a fault of the tests <b>")

    visitor = await Browser.sign_in(bot)
    monkeypatch.setattr("bot.storage.deliveries.any_received", fail)
    page = await visitor.get("/", headers={**HTML, "X-Request-ID": "the-number-7"})
    assert page.status == 500 and is_page(page)
    assert page.headers["X-Request-ID"] == "the-number-7"
    assert "the-number-7" in page.words and "a fault of the tests" not in page.text
    assert not is_page(await visitor.get("/"))


async def test_a_database_that_is_away_is_a_page_too(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await Browser.sign_in(bot)

    async def away(*_: Any) -> None:
        raise store.StorageUnavailable("the tests took it")

    monkeypatch.setattr(bot.services.database, "read", away)
    page = await visitor.get("/experiments", headers=HTML)
    assert page.status == 503 and is_page(page)
    assert page.headers["Retry-After"] == "5"
    assert "the tests took it" not in page.text


async def test_a_page_for_the_fault_of_all_pages(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """When no page can be made at all, the answer is JSON rather than none."""

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no template")

    monkeypatch.setattr(rendering, "page", fail)
    page = await Browser(bot).get("/nowhere", headers=HTML)
    assert page.status == 404 and not is_page(page)
