"""Open pages are told what was committed: by whichever process, at once, and nothing else."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import psycopg
import pytest
from playwright.async_api import Page, expect

from bot import worker
from bot.dashboard import live
from bot.deliveries.life import retry_due
from bot.demo import payloads
from bot.domain.sessions import IDLE_SECONDS
from bot.outbox.loop import Outbox
from bot.settings import Settings
from bot.web import streams
from tests.kit.browsing import Browser
from tests.kit.chromium import Visitor, deliver_pull, step
from tests.kit.clock import Clock
from tests.kit.marks import slow, sqlite_only
from tests.kit.running import PATIENCE, Bot, start
from tests.kit.streams import listening

AT = "2026-03-02T11:00:00Z"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_SPACING", 0.01)
    monkeypatch.setattr(streams, "HEARTBEAT", 0.2)


# --- What is told


async def test_every_commit_is_told(bot: Bot, quick: None) -> None:
    visitor = await Browser.sign_in(bot, "viewer")
    async with listening(visitor) as first, listening(visitor) as second:
        for number in range(5):
            await bot.experiment(f"key-{number}")
            await asyncio.gather(first.change(), second.change())


@sqlite_only
async def test_pages_are_live_behind_tls(settings: Settings, quick: None) -> None:
    """There the session's cookie has another name."""
    bot = await start(replace(settings, public_url="https://bot.example"))
    try:
        visitor = await Browser.sign_in(bot, "viewer")
        async with listening(visitor) as stream:
            for key in ("checkout", "search"):
                await bot.experiment(key)
                await stream.change()
    finally:
        await bot.close()


async def test_what_is_committed_as_the_stream_opens_is_told(bot: Bot, quick: None) -> None:
    """A page looks when its stream is open: whatever comes after that has to be an event."""
    visitor = await Browser.sign_in(bot, "viewer")
    for number in range(10):
        async with listening(visitor) as stream:
            await bot.experiment(f"key-{number}")
            await stream.change()


@slow
async def test_what_is_committed_between_two_heartbeats_is_told(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_SPACING", 0.01)
    monkeypatch.setattr(streams, "HEARTBEAT", 0.01)
    visitor = await Browser.sign_in(bot, "viewer")
    async with listening(visitor) as stream:
        for number in range(30):
            assert await stream.event() in ("", "change")
            await bot.experiment(f"key-{number}")
            await stream.change()


@slow
async def test_a_commit_of_another_process_is_told(
    bot: Bot, settings: Settings, quick: None
) -> None:
    other = await start(settings)
    try:
        async with listening(await Browser.sign_in(bot, "viewer")) as stream:
            await other.experiment("checkout")
            await stream.change()
    finally:
        await other.close()


async def test_an_idle_service_tells_nothing(bot: Bot, settings: Settings) -> None:
    """Its worker looks for work every second, in transactions that change nothing."""
    database = bot.services.database
    await bot.experiment("first")  # the first use of a token is noted
    await worker.clear_some(bot.services)  # the time is kept every few minutes
    await asyncio.sleep(0.2)  # and others are told of it a moment later
    notified = await _listener(settings)
    commit = asyncio.create_task(database.wait_for_commit(60))
    await asyncio.sleep(0)
    await worker.clear_some(bot.services)
    await retry_due(bot.services)
    await Outbox(bot.services).work_off()
    assert not commit.done()
    await bot.experiment("checkout")
    assert await commit
    assert await notified() <= 1


async def _listener(settings: Settings) -> Any:
    """Return what tells how many times other processes were notified until a commit."""
    if settings.database_url.startswith("sqlite"):

        async def none() -> int:
            return 0

        return none
    connection = await psycopg.AsyncConnection.connect(settings.database_url, autocommit=True)
    await connection.execute("LISTEN experiment_bot_commits")

    async def count() -> int:
        found = [one async for one in connection.notifies(timeout=1)]
        await connection.close()
        assert found, "nothing was notified at all"
        return len(found)

    return count


@sqlite_only
@slow
async def test_an_experiments_page_is_told_of_what_it_shows(bot: Bot, quick: None) -> None:
    """Its feed, the experiment itself, and what GitHub says of what is linked; nothing else."""
    integration = await bot.integration()
    await bot.experiment("checkout")
    await bot.experiment("other")
    visitor = await Browser.sign_in(bot, "viewer")

    async def tell(number: int, key: str, **more: Any) -> None:
        told = payloads.pull_request(
            more.pop("action", "opened"),
            number,
            more.pop("at", AT),
            repo=payloads.repository("acme/shop"),
            body=f"experiment_key: {key}",
            **more,
        )
        assert (await bot.deliver(integration, "pull_request", told)).status == 200

    async with listening(visitor, "/live?experiment=checkout") as stream:
        await tell(1, "other")
        await bot.patch("/api/v1/experiments/other", {"hypothesis": "None of this page's."})
        for _ in range(3):
            assert await stream.event() == "", "what concerns others is no news"
        await tell(2, "checkout")
        await stream.change()
        await tell(2, "checkout", action="edited", at="2026-03-02T12:00:00Z", title="Better")
        await stream.change()
        await bot.patch("/api/v1/experiments/checkout", {"hypothesis": "Fewer steps."})
        await stream.change()
        await bot.delete("/api/v1/experiments/checkout")
        await stream.change()


# --- Its beginning and its end


async def test_only_who_is_signed_in_is_told(bot: Bot) -> None:
    page = await Browser(bot).get("/live", follow=False)
    assert (page.status, page.text) == (204, ""), "which keeps an EventSource from coming back"


@pytest.mark.parametrize("everywhere", [True, False])
async def test_it_ends_with_the_session(bot: Bot, quick: None, everywhere: bool) -> None:
    visitor = await Browser.sign_in(bot, "viewer")
    async with listening(visitor) as stream:
        await visitor.post("/sign-out", {"everywhere": "yes"} if everywhere else {})
        await stream.end()


@sqlite_only
async def test_an_open_page_is_no_use_of_the_session(bot: Bot, quick: None, clock: Clock) -> None:
    """A page that nobody looks at must not keep its session from running out."""
    visitor = await Browser.sign_in(bot, "viewer")
    for _ in range(3):
        clock.ahead += IDLE_SECONDS // 2 - 60
        page = await visitor.get("/repositories", headers={"X-Live": "1"}, follow=False)
        if clock.ahead < IDLE_SECONDS:
            assert page.status == 200
    assert page.status == 303 and page.headers["Location"].startswith("/sign-in")


@sqlite_only
async def test_it_ends_with_the_service(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = await start(settings)
    visitor = await Browser.sign_in(bot, "viewer")
    async with listening(visitor) as stream:
        assert bot.services.open_streams
        monkeypatch.setattr("bot.listening._STOP_SECONDS", 2 * PATIENCE)  # if it waits for it
        await asyncio.wait_for(bot.runner.cleanup(), PATIENCE)
        with pytest.raises((EOFError, aiohttp.ClientError)):
            while True:
                await stream.event()
    assert not bot.services.open_streams
    await bot.close()


# --- What a page does with it, in a real browser


@pytest.fixture
async def visitor(browser: Any, bot: Bot) -> AsyncIterator[Visitor]:
    """Somebody signed in in front of a browser, whose console stays quiet."""
    visitor = await Visitor.come(browser, bot, viewport={"width": 1280, "height": 720})
    await visitor.sign_in()
    yield visitor
    assert visitor.console == []


def looks(page: Page) -> list[str]:
    """Return the list to which each look of the page for what is new is added."""
    found: list[str] = []

    def note(request: Any) -> None:
        if "x-live" in request.headers:
            found.append(request.url)

    page.on("request", note)
    return found


async def feed(bot: Bot, integration: str, numbers: range, key: str = "checkout") -> None:
    for number in numbers:
        at = (datetime.now(UTC) + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = payloads.pull_request(
            "opened",
            number,
            at,
            created_at=at,
            repo=payloads.repository("acme/shop"),
            title=f"Change {number}",
            body=f"experiment_key: {key}",
        )
        assert (await bot.deliver(integration, "pull_request", told)).status == 200


@sqlite_only
async def test_a_page_on_which_nothing_happens_looks_once(bot: Bot, visitor: Visitor) -> None:
    page = visitor.page
    await worker.clear_some(bot.services)  # the time is kept every few minutes
    while await bot.services.database.wait_for_commit(1.5):
        pass  # what signing in has changed is announced again by who looks for other processes
    seen = looks(page)
    await visitor.go("/repositories")
    await page.evaluate("document.querySelector('#repositories').firstElementChild.same = true")
    await worker.clear_some(bot.services)
    await page.wait_for_timeout(1500)
    mine = [one for one in seen if one.endswith("/repositories")]
    assert len(mine) == 1, "only when the stream had opened"
    kept = "document.querySelector('#repositories').firstElementChild.same"
    assert await page.evaluate(kept), "what is the same is not replaced"


@sqlite_only
async def test_a_feed_that_grows_moves_nobody(bot: Bot, visitor: Visitor) -> None:
    """Place, focus and open parts stay; only the feed's newest is read out."""
    integration = await bot.integration()
    await bot.experiment("checkout")
    await feed(bot, integration, range(1, 20))
    page = visitor.page
    await visitor.go("/experiments/checkout")
    link = page.locator("#feed a[href$='/pull/8']").last
    await link.focus()
    await link.evaluate("one => one.scrollIntoView({block: 'center'})")
    before = await link.evaluate("one => one.getBoundingClientRect().top")
    await feed(bot, integration, range(20, 23))
    await expect(page.locator("#feed a[href$='/pull/22']").first).to_be_attached()
    await expect(page.locator("[data-news-of=feed]")).to_contain_text("#22")
    assert abs(await link.evaluate("one => one.getBoundingClientRect().top") - before) < 2
    await expect(link).to_be_focused()
    assert await page.locator("main [aria-live]").count() == 0


@sqlite_only
async def test_what_stays_in_a_list_is_the_same_element(bot: Bot, visitor: Visitor) -> None:
    """So marked text stays marked, and focus stays where it is; only what is new is new."""
    integration = await bot.integration()
    for key in ("first", "second", "third"):
        await bot.experiment(key)
    page = visitor.page
    await visitor.go("/experiments")
    rows = page.locator("#list tbody tr")
    await expect(rows.nth(2)).to_contain_text("first")
    await page.locator("#list tbody").evaluate(
        "body => [...body.rows].forEach((row) => row.old = 1)"
    )
    await page.get_by_role("link", name="third").focus()
    await page.get_by_role("link", name="second").evaluate(
        "link => getSelection().selectAllChildren(link)"
    )
    await bot.experiment("fourth")
    await feed(bot, integration, range(60, 61), "first")
    await expect(rows.nth(0)).to_contain_text("first")
    await expect(rows).to_have_count(4)
    olds = "[...document.querySelectorAll('#list tbody tr')].map((row) => row.old)"
    assert await page.evaluate(olds) == [1, None, 1, 1]
    assert await page.evaluate("getSelection().toString()") == "second"
    await expect(page.get_by_role("link", name="third")).to_be_focused()


@sqlite_only
async def test_what_somebody_opened_or_typed_stays(bot: Bot, visitor: Visitor) -> None:
    integration = await bot.integration()
    page = visitor.page
    await visitor.go("/start")
    await page.locator("#step-pull-request summary").click()
    await page.locator("#step-webhook summary").click()
    await bot.deliver(integration, "ping", payloads.ping(7, AT))
    await expect(step(page, "Receive the first delivery")).to_contain_text("done")
    await expect(page.locator("#step-pull-request")).to_have_attribute("open", "")
    await expect(page.locator("#step-webhook")).not_to_have_attribute("open", "")
    # What was not touched follows the server: the next step has opened.
    await expect(page.locator("#step-experiment")).to_have_attribute("open", "")
    # Who has focus in what goes stays near, rather than at the top of the page.
    await page.locator("#step-experiment a").first.focus()
    await bot.experiment("checkout")
    await expect(step(page, "Create the first experiment")).to_contain_text("done")
    assert await page.evaluate("document.activeElement.closest('#setup') !== null")


@sqlite_only
async def test_a_page_catches_up_after_the_service_was_away(
    settings: Settings,
    browser: Any,
) -> None:
    bot = await start(settings)
    port = int(bot.url.rpartition(":")[2])
    visitor = await Visitor.come(browser, bot)
    await visitor.sign_in()
    await visitor.go("/unresolved")
    integration = await bot.integration()
    await bot.close()
    again = await start(settings, port)
    try:
        await deliver_pull(again, integration)
        keys = visitor.page.locator("#keys")
        await expect(keys).to_contain_text("checkout-flow-v2", timeout=20_000)
    finally:
        await again.close()


@sqlite_only
async def test_a_page_says_that_the_session_has_ended(bot: Bot, visitor: Visitor) -> None:
    page = visitor.page
    await visitor.go("/unresolved")
    other = await visitor.context.new_page()
    await other.goto(f"{bot.url}/start")
    await other.locator("details.who summary").click()
    await other.get_by_role("button", name="Sign out everywhere").click()
    await expect(other.get_by_label("API token")).to_be_visible()
    await page.bring_to_front()
    await bot.experiment("checkout")
    await expect(page.get_by_role("alert")).to_contain_text("You are signed out")
    await page.get_by_role("link", name="Sign in again").click()
    await expect(page).to_have_url(re.compile(r"/sign-in\?next=%2Funresolved"))


@sqlite_only
async def test_a_page_that_is_not_seen_does_not_listen(bot: Bot, visitor: Visitor) -> None:
    page = visitor.page
    await visitor.go("/unresolved")
    await page.wait_for_function("() => stream && stream.readyState === 1")
    hide = (
        "hidden => Object.defineProperty(document, 'hidden', {value: hidden, configurable: true})"
    )
    tell = "document.dispatchEvent(new Event('visibilitychange'))"
    await page.evaluate(hide, True)
    await page.evaluate(tell)
    assert await page.evaluate("stream.readyState") == 2
    await deliver_pull(bot, await bot.integration())
    await page.evaluate(hide, False)
    await page.evaluate(tell)
    await expect(page.locator("#keys")).to_contain_text("checkout-flow-v2")
