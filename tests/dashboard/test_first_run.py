"""The way from nothing to the first linked pull request."""

import dataclasses
import re

import pytest

from bot.demo import payloads
from bot.settings import Settings
from tests.github import rsa_key
from tests.kit.browsing import Browser, Page
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot, start

pytestmark = sqlite_only
AT = "2026-03-02T11:00:00Z"
STEPS = (
    "Sign in",
    "Connect GitHub",
    "Receive the first delivery",
    "Create the first experiment",
    "Link the first pull request",
)


def states(page: Page) -> list[str]:
    """Return `done`, `next` or `to do` of each step, and check that one at most is marked."""
    found = re.findall(r'<h2>([^<]+)</h2> <span class="status [^"]*">([^<]+)</span>', page.text)
    assert [title for title, _ in found] == list(STEPS)
    marked = re.findall(r'aria-current="step">\s*<details id="step-[a-z-]+" open>', page.text)
    said = [state for _, state in found]
    assert len(marked) == said.count("next") <= 1
    return said


async def ping(bot: Bot, integration: str) -> None:
    assert (await bot.deliver(integration, "ping", payloads.ping(7, AT))).status == 200


async def link(bot: Bot, integration: str, key: str) -> None:
    told = payloads.pull_request(
        "opened", 1, AT, repo=payloads.repository("acme/shop"), body=f"experiment_key: {key}"
    )
    assert (await bot.deliver(integration, "pull_request", told)).status == 200


async def test_each_step_is_done_when_it_is(bot: Bot) -> None:
    visitor = await Browser.sign_in(bot)
    page = await visitor.get("/")
    assert page.path == "/start"
    assert states(page) == ["done", "next", "to do", "to do", "to do"]
    assert 'href="/setup"' in page.text and 'href="/integrations/new"' in page.text
    assert 'data-stream="/live"' in page.text

    integration = await bot.integration()
    page = await visitor.get("/")
    assert states(page) == ["done", "done", "next", "to do", "to do"]
    webhook = (await bot.get(f"/api/v1/integrations/{integration}")).body["webhook_url"]
    assert f'data-copy="{webhook}"' in page.text
    for wanted in ("application/json", "Pushes", "Pull requests", "Issues", "Issue comments"):
        assert wanted in page.words
    assert "Repositories" in page.words.partition("Let me select individual events")[2]

    await ping(bot, integration)
    page = await visitor.get("/")
    assert states(page) == ["done", "done", "done", "next", "to do"]
    assert 'href="/new-experiment"' in page.text

    await bot.experiment("checkout-flow-v2")
    assert (await visitor.get("/")).path == "/experiments"
    page = await visitor.get("/start")
    assert states(page) == ["done", "done", "done", "done", "next"]
    assert 'data-copy="experiment_key: checkout-flow-v2"' in page.text

    await link(bot, integration, "checkout-flow-v2")
    page = await visitor.get("/start")
    assert states(page) == ["done"] * 5
    assert "Everything is set up" in page.words
    assert 'href="/start"' in (await visitor.get("/experiments")).text, "there is a way back"


async def test_the_order_is_free(bot: Bot) -> None:
    visitor = await Browser.sign_in(bot)
    await bot.experiment("checkout")
    page = await visitor.get("/")
    assert page.path == "/start"
    assert states(page) == ["done", "next", "to do", "done", "to do"]


async def test_a_link_to_no_experiment_does_not_count(bot: Bot) -> None:
    integration = await bot.integration()
    await link(bot, integration, "checkout")
    page = await (await Browser.sign_in(bot)).get("/")
    assert states(page) == ["done", "done", "done", "next", "to do"]
    assert 'href="/unresolved"' in page.text
    await bot.experiment("another")
    page = await (await Browser.sign_in(bot)).get("/start")
    assert states(page)[-1] == "next"


async def test_what_an_integration_that_is_gone_heard_does_not_count(bot: Bot) -> None:
    integration = await bot.integration()
    await ping(bot, integration)
    await bot.delete(f"/api/v1/integrations/{integration}")
    page = await (await Browser.sign_in(bot)).get("/")
    assert states(page)[1:3] == ["next", "to do"]


@pytest.mark.parametrize("role", ["viewer", "developer"])
async def test_who_may_not_do_a_step_is_told_who_may(bot: Bot, role: str) -> None:
    visitor = await Browser.sign_in(bot, role)
    page = await visitor.get("/")
    assert f"This requires the admin role; you are {role}" in page.words
    assert "/integrations/new" not in page.text and 'href="/setup"' not in page.text
    integration = await bot.integration()
    page = await visitor.get("/")
    sees = role == "developer"
    assert (integration in page.text) is sees, "the webhook's address is for who sees integrations"
    assert ("This requires the developer role" in page.words) is not sees
    assert ("/new-experiment" in page.text) is sees


async def test_the_webhook_of_an_app_comes_with_it(bot: Bot) -> None:
    config = {
        "app_id": 4242,
        "private_key": rsa_key(),
        "webhook_secret": "a-webhook-secret-of-the-tests",
    }
    answer = await bot.post(
        "/api/v1/integrations", {"name": "App", "integration_type": "GITHUB", "config": config}
    )
    assert answer.status == 201, answer.body
    page = await (await Browser.sign_in(bot)).get("/")
    assert "sends deliveries once it is installed" in page.words
    assert "Add webhook" not in page.words


async def test_the_page_of_the_webhook_is_linked(bot: Bot) -> None:
    await bot.integration(config={"repositories": ["acme/shop", "acme/*"]})
    page = await (await Browser.sign_in(bot)).get("/")
    assert 'href="https://github.com/acme/shop/settings/hooks/new"' in page.text
    assert "acme/*" not in page.text


async def test_the_page_of_the_webhook_is_that_of_its_github(settings: Settings) -> None:
    api_urls = ("http://git.example/api/v3",)
    bot = await start(dataclasses.replace(settings, github_api_urls=api_urls))
    try:
        await bot.integration(config={"repositories": ["acme/shop"]})
        page = await (await Browser.sign_in(bot)).get("/")
        assert 'href="http://git.example/acme/shop/settings/hooks/new"' in page.text
    finally:
        await bot.close()


async def test_an_address_of_this_machine_is_said_to_be_none_for_github(
    settings: Settings,
) -> None:
    for public_url, reachable in (
        ("http://localhost:8000", False),
        ("http://127.0.0.1:8000", False),
        ("https://bot.example.com", True),
    ):
        bot = await start(dataclasses.replace(settings, public_url=public_url))
        try:
            page = await Browser(bot).get("/sign-in")
            assert page.status == 200
            visitor = await Browser.sign_in(bot)
            words = (await visitor.get("/start")).words
            assert ("GitHub cannot reach this address" in words) is not reachable
        finally:
            await bot.close()
