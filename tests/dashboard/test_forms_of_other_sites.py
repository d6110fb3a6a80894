"""Forms that other sites send are refused, with TLS and without."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import expect

from bot.dashboard import sessions
from bot.settings import Settings
from tests.kit.browsing import Browser
from tests.kit.chromium import launched
from tests.kit.marks import sqlite_only
from tests.kit.running import ADMIN_TOKEN, Answer, Bot, start


async def post(bot: Bot, path: str, fields: dict[str, str], headers: dict[str, str]) -> Answer:
    return await bot.request(
        "POST", path, token=None, data=fields, headers=headers, allow_redirects=False
    )


# What a browser says of where a form stood; `here` is the address that it asked.
PUBLIC = "https://bot.example/experiments-bot"
OWN: list[dict[str, str]] = [
    {},  # no browser
    {"Origin": "{here}"},
    {"Origin": "https://bot.example"},
    {"Origin": "https://bot.example:443", "Host": "inside:8000"},
    {"Referer": "{here}/sign-in?next=%2F"},
    {"Referer": "https://bot.example/experiments-bot/sign-in"},
    {"Origin": "https://other.example", "Host": "other.example"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.example"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "none", "Origin": "{here}"},
]
FOREIGN: list[dict[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://bot.example"},  # anybody on the way could have written that page
    {"Origin": "http://bot.example", "Host": "bot.example"},
    {"Origin": "https://bot.example:8443"},
    {"Origin": "https://bot.example.evil.example"},
    {"Origin": "https://evil.example/bot.example"},
    {"Origin": "https://bot.example@evil.example"},
    {"Origin": "https://[bot.example"},
    {"Origin": "file://bot.example"},
    {"Origin": "https://evil.example", "Referer": "https://bot.example/"},
    {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example"},
    {"Referer": "https://evil.example/?https://bot.example"},
    {"Referer": "about:blank"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://bot.example"},
    {"Sec-Fetch-Site": "none", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "nonsense"},
]


@pytest.fixture
async def public_bot(settings: Settings) -> AsyncIterator[Bot]:
    running = await start(replace(settings, public_url=PUBLIC))
    yield running
    await running.close()


def filled(headers: dict[str, str], bot: Bot) -> dict[str, str]:
    return {name: value.replace("{here}", bot.url) for name, value in headers.items()}


@sqlite_only
@pytest.mark.parametrize("headers", OWN, ids=str)
async def test_a_form_from_here_signs_in(public_bot: Bot, headers: dict[str, str]) -> None:
    bot = public_bot
    answer = await post(bot, "/sign-in", {"token": ADMIN_TOKEN}, filled(headers, bot))
    assert answer.status == 303 and sessions.COOKIE in answer.headers["Set-Cookie"]


@sqlite_only
@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_a_form_from_elsewhere_signs_nobody_in(
    public_bot: Bot, headers: dict[str, str]
) -> None:
    """Not even with a right token: it would be somebody else's."""
    bot = public_bot
    answer = await post(bot, "/sign-in", {"token": ADMIN_TOKEN}, filled(headers, bot))
    assert answer.status == 403 and "Set-Cookie" not in answer.headers
    assert "from a page of another site" in answer.body and PUBLIC in answer.body


@sqlite_only
async def test_no_form_is_taken_from_elsewhere(bot: Bot) -> None:
    """Of every page that takes one, whoever is signed in and with the right proof."""
    browser = await Browser.sign_in(bot)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    paths = {
        route.resource.canonical
        for route in bot.runner.app.router.routes()
        if route.method == "POST" and route.resource is not None
        if not route.resource.canonical.startswith("/api/")
    }
    assert len(paths) > 12 and "/sign-in" in paths and "/sign-out" in paths
    values: dict[str, Any] = {"key": "some-key", "owner": "acme", "repo": "shop", "number": "1"}
    for name in ("integration_id", "delivery_id", "action_id", "token_id", "session_id"):
        values[name] = "11111111-1111-4111-8111-111111111111"
    for path in sorted(paths):
        for origin in ("https://evil.example", "null"):
            answer = await post(
                bot,
                path.format_map(values),
                {"csrf": browser.csrf, "token": ADMIN_TOKEN},
                {"Cookie": cookie, "Origin": origin},
            )
            assert answer.status == 403, (path, origin)
            assert "from a page of another site" in answer.body
    assert (await browser.get("/experiments", follow=False)).status == 200


@pytest.fixture
async def evil() -> AsyncIterator[int]:
    """Another site, whose page sends a form to the address in its query; its port."""

    async def page(request: web.Request) -> web.Response:
        address, policy = request.query["to"], request.query["policy"]
        return web.Response(
            content_type="text/html",
            headers={"Referrer-Policy": policy},
            text=f'<form method="post" action="{address}"><input name="token" '
            f'value="{ADMIN_TOKEN}"><button>Win a prize</button></form>',
        )

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield int(site.name.rpartition(":")[2])
    await runner.cleanup()


@sqlite_only
@pytest.mark.browser
async def test_a_real_browser_without_tls(bot: Bot, evil: int) -> None:
    """There it sends no `Sec-Fetch-Site`: our own forms are taken, and those of others are not."""
    await bot.experiment("checkout", status="draft")
    here = f"http://bot.test:{bot.url.rpartition(':')[2]}"
    async with launched("--host-resolver-rules=MAP *.test 127.0.0.1") as browser:
        page = await browser.new_page()
        for policy in ("unsafe-url", "no-referrer"):
            await page.goto(f"http://evil.test:{evil}/?to={here}/sign-in&policy={policy}")
            await page.get_by_role("button").click()
            await expect(page.get_by_role("heading")).to_have_text("Not from here")
        assert await page.context.cookies() == []
        await page.goto(f"{here}/sign-in?next=/experiments/checkout")
        await page.get_by_label("API token").fill(ADMIN_TOKEN)
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await page.get_by_label("Status", exact=True).select_option("active")
        await page.get_by_role("button", name="Change").click()
        await expect(page.get_by_text("The status is now active.")).to_be_visible()
