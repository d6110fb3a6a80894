"""What a page says after a form: in the colour of what has happened, and on the way to sign in."""

import html
import re
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import pytest

from bot import handlers
from bot.demo import payloads
from bot.handlers.dispatch import Dispatcher
from tests.kit.breakage import failing
from tests.kit.browsing import Browser, Page
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import Scene
from tests.kit.running import ADMIN_TOKEN, Bot

pytestmark = sqlite_only
SHOP = payloads.repository("acme/shop")
AT = "2026-03-02T10:00:00Z"
ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
CLASSES = {"success": "notice", "warning": "warn", "error": "alert"}


def notice(page: Page) -> tuple[str, str]:
    """Return the kind of the notice at the top of a page, and its words."""
    found = re.search(
        r'<main[^>]*>\s*<p class="(\w+)" role="(\w+)">([^<]*)</p>', page.text, re.DOTALL
    )
    assert found is not None, page.words
    kinds = {name: kind for kind, name in CLASSES.items()}
    assert (found[2] == "status") == (kinds[found[1]] == "success")
    return kinds[found[1]], html.unescape(found[3])


async def test_what_failed_again_does_not_stand_in_green(bot: Bot) -> None:
    integration = await bot.integration()
    browser = await Browser.sign_in(bot)
    here = f"/integrations/{integration}/deliveries"
    with failing():
        for guid in (ONE, TWO):
            sent = await bot.deliver(integration, "ping", {"zen": "Z"}, guid=guid)
            assert sent.status == 202
        await browser.get(here)
        assert notice(await browser.post(f"{here}/{ONE}/replay")) == (
            "error",
            "Replayed, but it failed again. The reason is below.",
        )
        kind, said = notice(await browser.post(f"{here}/replay"))
        assert (kind, "2 failed again" in said) == ("error", True)
    kind, said = notice(await browser.post(f"{here}/{ONE}/replay"))
    assert (kind, "taken effect" in said) == ("success", True)
    kind, said = notice(await browser.post(f"{here}/replay"))
    assert (kind, "1 succeeded" in said) == ("success", True)
    kind, said = notice(await browser.post(f"{here}/replay"))
    assert (kind, "Nothing to replay" in said) == ("warning", True)


async def test_some_that_failed_again_are_a_warning(bot: Bot) -> None:
    integration = await bot.integration()
    browser = await Browser.sign_in(bot)
    here = f"/integrations/{integration}/deliveries"
    run = bot.services.shared(handlers.dispatcher).run

    def some(handlers: Any, event: Any, delivery: Any) -> None:
        if event.delivery_id == ONE:
            raise RuntimeError("out of order")
        run(handlers, event, delivery)

    with failing():
        for guid in (ONE, TWO):
            await bot.deliver(integration, "ping", {"zen": "Z"}, guid=guid)
    with mock.patch.object(Dispatcher, "run", lambda _, *given: some(*given)):
        await browser.get(here)
        kind, said = notice(await browser.post(f"{here}/replay"))
    assert (kind, "1 succeeded, 1 failed again" in said) == ("warning", True)


async def test_a_replay_that_fails_of_what_had_taken_effect_says_so(bot: Bot) -> None:
    """It stays processed, so its status alone would call the failure a success."""
    integration = await bot.integration()
    assert (await bot.deliver(integration, "ping", {"zen": "Z"}, guid=ONE)).status == 200
    browser = await Browser.sign_in(bot)
    path = f"/integrations/{integration}/deliveries/{ONE}"
    await browser.get(path)
    with failing():
        kind, said = notice(await browser.post(f"{path}/replay"))
        assert (kind, "out of order" in said) == ("error", True)
        answer = await bot.post(f"/api/v1{path}/replay")
    assert (answer.status, answer.body["status"]) == (200, "processed")
    assert answer.body["error"] == "RuntimeError: out of order"
    stored = await bot.get(f"/api/v1{path}")
    assert (stored.body["status"], stored.body["error"]) == ("processed", None)


async def test_an_event_that_nobody_handles_is_no_success(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.deliver(integration, "star", payloads.star(AT, repo=SHOP, sender="m"), guid=ONE)
    browser = await Browser.sign_in(bot)
    path = f"/integrations/{integration}/deliveries/{ONE}"
    await browser.get(path)
    kind, said = notice(await browser.post(f"{path}/replay"))
    assert (kind, "nothing has changed" in said) == ("warning", True)


@token_only
async def test_the_doctor_and_the_outbox_say_how_it_went(scene: Scene) -> None:
    browser = await Browser.sign_in(scene.bot)
    await browser.get("/outbox")
    assert notice(await browser.post("/outbox/retry")) == ("success", "Nothing has failed.")
    here = f"/integrations/{scene.integration}"
    await scene.github.close()
    page = await browser.post(f"{here}/check")
    assert re.search(r'<p class="alert" role="alert"><b>\d+ problems?</b>', page.text)


async def test_what_went_well_is_green(bot: Bot) -> None:
    browser = await Browser.sign_in(bot)
    page = await browser.post("/new-experiment", {"key": "checkout", "name": "Checkout"})
    kind, said = notice(page)
    assert (kind, said.startswith("Created.")) == ("success", True)


# --- On the way to sign in

WANTED = "/outbox?status=failed&kind=check"


async def ask(bot: Bot, fields: dict[str, str]) -> tuple[int, str, Any]:
    async with bot.session.post(
        f"{bot.url}/sign-in", data=fields, allow_redirects=False
    ) as response:
        return response.status, await response.text(), response.headers


def kept(text: str) -> str:
    found = re.search(r'name="next" value="([^"]*)"', text)
    assert found is not None
    return html.unescape(found[1])


async def test_a_mistyped_token_does_not_lose_the_page_one_wanted(bot: Bot) -> None:
    fields = {"next": WANTED}
    for _ in range(3):
        status, text, _ = await ask(bot, {**fields, "token": "mistyped"})
        assert (status, kept(text)) == (401, WANTED)
        fields = {"next": kept(text)}
    status, _, headers = await ask(bot, {**fields, "token": ADMIN_TOKEN})
    assert (status, headers["Location"]) == (303, WANTED)


@pytest.mark.parametrize(
    "back",
    [
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "//[",
        "/" + "x" * 5_000,
    ],
)
async def test_a_mistyped_token_leads_nowhere_else(bot: Bot, back: str) -> None:
    status, text, _ = await ask(bot, {"next": back, "token": "mistyped"})
    assert (status, kept(text)) == (401, "")


async def test_a_page_whose_address_is_too_long_to_keep_can_still_be_signed_in_for(
    bot: Bot,
) -> None:
    page = await Browser(bot).get(f"/experiments?q={'x' * 3_000}")
    assert (page.status, page.path) == (200, "/sign-in")


async def test_a_form_of_a_session_that_ended_leads_back_to_its_page(bot: Bot) -> None:
    await bot.experiment("checkout")
    for path, page_of in (
        ("/experiments/checkout/status", "/experiments/checkout"),
        ("/experiments/checkout/edit", "/experiments/checkout/edit"),
        ("/outbox/retry", "/outbox"),
        ("/tokens", "/tokens"),
        ("/sign-out", None),
    ):
        page = await Browser(bot).post(path, {})
        assert page.status == 401
        found = re.search(r'class="button" href="([^"]*)">Sign in', page.text)
        assert found is not None
        asked = parse_qs(urlsplit(html.unescape(found[1])).query)
        assert asked.get("next", [None])[0] == page_of
