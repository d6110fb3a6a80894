"""Replacing the secret of a webhook, on a page."""

import re

import pytest

from bot.dashboard.rendering import exact
from tests.dashboard.integrations import PING, copied, stored
from tests.kit.browsing import Browser
from tests.kit.clock import Clock
from tests.kit.marks import sqlite_only
from tests.kit.running import SECRET, Bot

pytestmark = sqlite_only


async def test_rotate_step_by_step(bot: Bot) -> None:
    integration = await bot.integration()
    admin = await Browser.sign_in(bot)
    here = f"/integrations/{integration}/rotate"
    assert 'value="generate" checked' in (await admin.get(here)).text
    page = await admin.post(here, {"how": "generate"})
    assert page.status == 200
    secret = copied(page.text, "the new webhook secret")
    page = await admin.get(here)
    assert secret not in page.text
    assert "none yet" in page.words
    assert "none since the new one was stored" in page.words

    assert (await bot.deliver(integration, "ping", PING, secret=SECRET)).status == 200
    page = await admin.get(here)
    assert "Signed with the old one a delivery just now" in page.words
    assert "Signed with the new secret none yet" in page.words
    assert (await bot.deliver(integration, "ping", PING, secret=secret)).status == 200
    page = await admin.get(here)
    assert "Signed with the new secret a delivery just now" in page.words
    assert "You can finish now." in page.words

    page = await admin.post(f"{here}/finish")
    assert "Only the new webhook secret is accepted" in page.words
    assert (await bot.deliver(integration, "ping", PING, secret=SECRET)).status == 401
    assert (await bot.deliver(integration, "ping", PING, secret=secret)).status == 200
    assert (await stored(bot, integration))["previous_secret_until"] is None
    assert "Save the new secret" in (await admin.get(here)).words


async def test_the_old_secret_lasts_for_a_day(bot: Bot, clock: Clock) -> None:
    integration = await bot.integration()
    admin = await Browser.sign_in(bot)
    here = f"/integrations/{integration}/rotate"
    assert '<option value="86400" selected>For a day' in (await admin.get(here)).text
    await admin.post(here)
    clock.ahead += 60
    page = await admin.get(here)
    until = (await stored(bot, integration))["previous_secret_until"]
    assert exact(until) in page.words
    assert "Two webhook secrets are accepted" in (await admin.get("/integrations")).words
    clock.ahead += 86_330
    assert (await bot.deliver(integration, "ping", PING, secret=SECRET)).status == 200
    clock.ahead += 20
    assert (await bot.deliver(integration, "ping", PING, secret=SECRET)).status == 401
    admin = await Browser.sign_in(bot)
    assert "Save the new secret" in (await admin.get(here)).words


async def test_the_old_secret_lasts_as_long_as_was_chosen(bot: Bot, clock: Clock) -> None:
    integration = await bot.integration()
    admin = await Browser.sign_in(bot)
    here = f"/integrations/{integration}/rotate"
    for wrong in ("0", "2592001", "-1", "a day", ""):
        page = await admin.post(here, {"secret_grace_seconds": wrong})
        assert (page.status, "Not one of the allowed values" in page.words) == (422, True)
    await admin.post(here, {"secret_grace_seconds": "3600"})
    clock.ahead += 3590
    assert (await bot.deliver(integration, "ping", PING, secret=SECRET)).status == 200
    clock.ahead += 20
    assert (await bot.deliver(integration, "ping", PING, secret=SECRET)).status == 401


async def test_a_secret_that_was_lost_is_made_anew(bot: Bot) -> None:
    """What was seen of the one before says nothing of the new one."""
    integration = await bot.integration()
    admin = await Browser.sign_in(bot)
    here = f"/integrations/{integration}/rotate"
    first = copied((await admin.post(here)).text, "the new webhook secret")
    assert (await bot.deliver(integration, "ping", PING, secret=first)).status == 200
    assert "You can finish now" in (await admin.get(here)).words
    second = copied((await admin.post(here)).text, "the new webhook secret")
    assert second != first
    assert "Signed with the new secret none yet" in (await admin.get(here)).words
    for secret in (SECRET, first):
        assert (await bot.deliver(integration, "ping", PING, secret=secret)).status == 200
    assert "Signed with the new secret none yet" in (await admin.get(here)).words
    assert (await bot.deliver(integration, "ping", PING, secret=second)).status == 200
    assert "You can finish now" in (await admin.get(here)).words


async def test_a_process_that_knows_only_the_old_secret_does_not_take_it_for_the_new(
    bot: Bot,
) -> None:
    """What another process holds in memory for seconds must not tick the step off."""
    integration = await bot.integration()
    admin = await Browser.sign_in(bot)
    here = f"/integrations/{integration}/rotate"
    first = copied((await admin.post(here)).text, "the new webhook secret")
    assert (await bot.deliver(integration, "ping", PING, secret=first)).status == 200
    memory = await bot.services.integration(integration)
    assert memory is not None
    await admin.post(here)
    bot.services._integrations[integration] = memory
    assert (await bot.deliver(integration, "ping", PING, secret=first)).status == 200
    assert "Signed with the new secret none yet" in (await admin.get(here)).words


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"how": "own"}, "is missing"),
        ({"how": "own", "config.webhook_secret": "short"}, "must have at least 16 characters"),
        ({"how": "own", "config.webhook_secret": SECRET}, "is already in use"),
        ({"how": "generate", "config.webhook_secret": "short"}, "must have at least 16 characters"),
    ],
)
async def test_a_new_secret_that_cannot_be(bot: Bot, form: dict[str, str], message: str) -> None:
    integration = await bot.integration()
    admin = await Browser.sign_in(bot)
    page = await admin.post(f"/integrations/{integration}/rotate", form)
    assert page.status == 422
    assert re.search(rf'id="config.webhook_secret-error">[^<]*{message}', page.text)
    assert form.get("config.webhook_secret", "nothing") not in page.text
    assert (await stored(bot, integration))["previous_secret_until"] is None
    assert (await bot.deliver(integration, "ping", PING)).status == 200
