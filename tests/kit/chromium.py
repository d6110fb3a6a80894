"""A visitor in a real browser: Debian's Chromium, found on the path.

Without it these tests are skipped; where CI is set they fail, so that they are never forgotten.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import (
    Browser,
    BrowserContext,
    Page,
    ViewportSize,
    async_playwright,
    expect,
)

from bot.demo import payloads, play
from tests.kit.marks import leave
from tests.kit.running import ADMIN_TOKEN, Bot

expect.set_options(timeout=15_000)  # milliseconds; a busy machine is slow
KEY = "checkout-flow-v2"
WIDE = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=360, height=740)
AXE = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}


@asynccontextmanager
async def launched(*arguments: str) -> AsyncIterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        why = "no chromium on the path; on Debian: apt-get install chromium"
        leave(why)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(arguments))
        yield browser
        await browser.close()


class Visitor:
    """Somebody in front of a browser. What its console says is kept: a page says nothing there."""

    def __init__(self, bot: Bot, context: BrowserContext, page: Page) -> None:
        self.bot, self.context, self.page = bot, context, page
        self.console: list[str] = []
        page.on("console", lambda message: self._hear(message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))

    def _hear(self, text: str) -> None:
        if "status of 422" not in text:  # a form that was not right
            self.console.append(text)

    @classmethod
    async def come(cls, browser: Browser, bot: Bot, **options: Any) -> "Visitor":
        context = await browser.new_context(
            **{"viewport": WIDE, "reduced_motion": "reduce", **options}
        )
        context.set_default_timeout(15_000)
        return cls(bot, context, await context.new_page())

    async def go(self, path: str) -> None:
        answer = await self.page.goto(self.bot.url + path)
        assert answer is not None and answer.status == 200, (path, answer)

    async def sign_in(self, token: str = ADMIN_TOKEN) -> None:
        await self.go("/sign-in")
        await self.page.get_by_label("API token").fill(token)
        await self.page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(self.page.get_by_role("navigation", name="Main")).to_be_visible()

    async def overflow(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(await self.page.evaluate(width))

    async def violations(self) -> list[str]:
        """Return what axe-core finds wrong with the page."""
        found = await Axe().run(self.page, options=AXE)
        return [
            f"{one['id']}: " + "; ".join(node["html"] for node in one["nodes"])
            for one in found.response["violations"]
        ]


async def demo(bot: Bot) -> str:
    """Play the demo's week; return its integration's id."""
    await play.play_week(play.Api(bot.session, bot.url, ADMIN_TOKEN))
    return str((await bot.get("/api/v1/integrations")).items[0]["id"])


async def pages_of(bot: Bot, integration: str) -> dict[str, str]:
    """Return the address of one page of every kind, by a name for it."""
    deliveries = await bot.get(f"/api/v1/integrations/{integration}/deliveries?status=processed")
    delivery = deliveries.items[0]["id"]
    key = (await bot.get("/api/v1/experiments")).items[-1]["key"]
    pull = (await bot.get(f"/api/v1/experiments/{key}/pull-requests")).items[0]
    return {
        "experiments": "/experiments",
        "experiment": f"/experiments/{key}",
        "new-experiment": "/new-experiment",
        "edit-experiment": f"/experiments/{key}/edit",
        "shipped": "/shipped",
        "repositories": "/repositories",
        "repository": f"/repositories/{pull['repository']}",
        "pull-request": f"/pull-requests/{pull['repository']}/{pull['number']}",
        "unresolved": "/unresolved",
        "integrations": "/integrations",
        "integration": f"/integrations/{integration}",
        "edit-integration": f"/integrations/{integration}/edit",
        "rotate-secret": f"/integrations/{integration}/rotate",
        "deliveries": f"/integrations/{integration}/deliveries",
        "delivery": f"/integrations/{integration}/deliveries/{delivery}",
        "outbox": "/outbox",
        "tokens": "/tokens",
        "audit": "/audit",
        "sessions": "/sessions",
        "first-run": "/start",
        "setup": "/setup",
    }


def step(page: Page, title: str) -> Any:
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=title))


async def deliver_pull(bot: Bot, integration: str, **more: Any) -> None:
    payload = payloads.pull_request(
        "opened",
        7,
        datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        repo=payloads.repository("acme/shop"),
        body=f"experiment_key: {KEY}",
        **more,
    )
    answer = await bot.deliver(integration, "pull_request", payload)
    assert answer.status == 200
