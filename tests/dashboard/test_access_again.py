"""Who came through GitHub is asked about again: a session goes on as long as the access does."""

import asyncio
import io
from dataclasses import replace
from typing import Any

import pytest

from bot.dashboard.confirmation import ASKED_AFTER, LONGEST
from bot.settings import Settings
from tests.github import SignIn
from tests.kit.browsing import Browser, begin
from tests.kit.clock import Clock
from tests.kit.marks import slow, sqlite_only
from tests.kit.running import Bot, start
from tests.kit.streams import listening

QUARTER = 15 * 60  # seconds, by which it must have been asked
OWNER, MEMBER = ({"state": "active", "role": role} for role in ("admin", "member"))


async def signed_in(bot: Bot, stand: SignIn, membership: dict[str, Any] = OWNER) -> Browser:
    stand.memberships["acme"] = membership
    browser = Browser(bot)
    page = await browser.get(stand.authorize(await begin(bot, browser, "?next=/outbox")))
    assert (page.status, page.path) == (200, "/outbox")
    stand.asked.clear()
    return browser


async def is_in(browser: Browser) -> bool:
    return (await browser.get("/experiments", follow=False)).status == 200


async def rows(bot: Bot) -> list[dict[str, Any]]:
    found = await bot.services.database.read(lambda tx: tx.all("SELECT * FROM sessions"))
    return [dict(row) for row in found]


async def test_it_is_asked_once_a_quarter_and_no_more(
    app_bot: Bot, stand: SignIn, clock: Clock
) -> None:
    browser = await signed_in(app_bot, stand)
    for _ in range(3):
        assert await is_in(browser)
        clock.ahead += ASKED_AFTER - 60
        assert await is_in(browser) and stand.asked == []
        clock.ahead += 120
        assert await is_in(browser) and await is_in(browser)
        assert stand.asked == ["/user", "/user/memberships/orgs/acme"]
        stand.asked.clear()
    assert ASKED_AFTER < QUARTER


async def test_a_session_ends_with_the_access(
    app_bot: Bot, stand: SignIn, clock: Clock, log_stream: io.StringIO
) -> None:
    browser = await signed_in(app_bot, stand)
    stand.memberships.clear()
    clock.ahead += QUARTER
    assert not await is_in(browser)
    assert await rows(app_bot) == [], "the token went with the row"
    assert "no access any more" in log_stream.getvalue()
    stand.memberships["acme"] = OWNER
    assert not await is_in(browser), "it does not come to life again"


async def test_a_session_has_the_role_that_its_owner_has_by_now(
    app_bot: Bot, stand: SignIn, clock: Clock
) -> None:
    browser = await signed_in(app_bot, stand)
    assert (await browser.get("/tokens")).status == 200
    stand.memberships["acme"] = MEMBER
    clock.ahead += QUARTER
    assert (await browser.get("/tokens")).status == 403
    assert (await browser.get("/integrations")).status == 200, "members are developers"
    stand.memberships["acme"] = OWNER
    clock.ahead += QUARTER
    assert (await browser.get("/tokens")).status == 200


@sqlite_only
@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_session_ends_if_github_refuses(
    app_bot: Bot, stand: SignIn, clock: Clock, status: int
) -> None:
    browser = await signed_in(app_bot, stand)
    stand.failing = status
    clock.ahead += QUARTER
    assert not await is_in(browser) and await rows(app_bot) == []


@sqlite_only
async def test_a_session_goes_on_for_another_quarter_while_github_is_away(
    app_bot: Bot, stand: SignIn, clock: Clock
) -> None:
    browser = await signed_in(app_bot, stand)
    stand.failing = 503
    clock.ahead += ASKED_AFTER + 1
    for _ in range(3):
        assert await is_in(browser)
    assert stand.asked == ["/user"], "not at every request"
    clock.ahead += 121
    assert await is_in(browser) and stand.asked == ["/user", "/user"]
    clock.ahead = LONGEST - 1
    assert await is_in(browser)
    clock.ahead = LONGEST + 1
    assert not await is_in(browser) and await rows(app_bot) == []


@sqlite_only
async def test_github_that_is_back_is_asked_before_the_time_is_over(
    app_bot: Bot, stand: SignIn, clock: Clock
) -> None:
    browser = await signed_in(app_bot, stand)
    stand.failing = 500
    clock.ahead = LONGEST - 10
    assert await is_in(browser)
    stand.failing = 0
    clock.ahead = LONGEST + 60
    assert await is_in(browser)
    clock.ahead += ASKED_AFTER - 60
    stand.failing = 500
    assert await is_in(browser)


@sqlite_only
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE integrations SET is_active = 0",
        "UPDATE integrations SET deleted_at = 1, secrets = '', config = '{}'",
        "UPDATE integrations SET config = REPLACE(config, 'Iv1.tests', 'Iv1.another')",
    ],
    ids=["deactivated", "deleted", "another client"],
)
async def test_a_session_ends_when_the_app_goes(app_bot: Bot, stand: SignIn, change: str) -> None:
    browser = await signed_in(app_bot, stand)
    await app_bot.services.database.write(lambda tx: tx.run(change))
    assert not await is_in(browser) and await rows(app_bot) == []


async def test_requests_that_come_together_ask_once(
    app_bot: Bot, stand: SignIn, clock: Clock
) -> None:
    browser = await signed_in(app_bot, stand)
    clock.ahead += QUARTER
    assert await asyncio.gather(*(is_in(browser) for _ in range(20))) == [True] * 20
    assert stand.asked == ["/user", "/user/memberships/orgs/acme"]


async def test_processes_that_have_a_session_in_common_ask_once(
    app_bot: Bot, stand: SignIn, clock: Clock
) -> None:
    """A refresh token is good once: the second of two would have lost the session."""
    stand.expires_in = 600
    browser = await signed_in(app_bot, stand)
    other = await start(app_bot.services.settings)
    elsewhere = Browser(other, dict(browser.cookies))
    try:
        for ahead in (QUARTER, 3600):  # also where it was not used for longer than an answer counts
            clock.ahead += ahead
            stand.asked.clear()
            both = [is_in(one) for one in (browser, elsewhere) for _ in range(3)]
            assert await asyncio.gather(*both) == [True] * 6
            assert stand.asked == ["refresh", "/user", "/user/memberships/orgs/acme"]
    finally:
        await other.close()


async def test_a_token_that_expires_is_renewed(app_bot: Bot, stand: SignIn, clock: Clock) -> None:
    stand.expires_in = 8 * 3600
    browser = await signed_in(app_bot, stand)
    for _ in range(40):
        clock.ahead += QUARTER
        assert await is_in(browser)
    assert stand.asked.count("refresh") == 1
    stand.refresh_tokens.clear()
    for _ in range(40):
        clock.ahead += QUARTER
        if not await is_in(browser):
            break
    else:
        pytest.fail("a refresh token that is refused ends the session")
    assert await rows(app_bot) == []


@sqlite_only
async def test_the_tokens_are_sealed_for_their_session(
    app_bot: Bot, stand: SignIn, clock: Clock, log_stream: io.StringIO
) -> None:
    stand.expires_in = 600
    first = await signed_in(app_bot, stand)
    await signed_in(app_bot, stand)
    secrets = {*stand.tokens, *stand.refresh_tokens}
    clock.ahead += QUARTER
    assert await is_in(first)
    secrets |= {*stand.tokens, *stand.refresh_tokens}
    stored = str(await rows(app_bot))
    assert len(secrets) == 6 and not any(one in stored for one in secrets)
    assert not any(one in log_stream.getvalue() for one in secrets)
    copied = """UPDATE sessions SET credential = (SELECT credential FROM sessions
        WHERE seq = (SELECT MAX(seq) FROM sessions))"""
    await app_bot.services.database.write(lambda tx: tx.run(copied))
    clock.ahead += QUARTER
    assert not await is_in(first), "with the token of another session"


async def test_an_open_page_is_told_nothing_more(app_bot: Bot, stand: SignIn, clock: Clock) -> None:
    """Nor does it have to be asked for: the stream asks itself, as it hears of something."""
    browser = await signed_in(app_bot, stand)
    async with listening(browser) as stream:
        await app_bot.experiment("first")
        await stream.change()
        stand.memberships.clear()
        clock.ahead += QUARTER
        await app_bot.experiment("second")
        await stream.end()
    assert await rows(app_bot) == []


@slow
async def test_a_stream_on_which_nothing_happens_asks_too(
    app_bot: Bot, stand: SignIn, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.web.streams.HEARTBEAT", 0.1)
    browser = await signed_in(app_bot, stand)
    async with listening(browser) as stream:
        stand.memberships.clear()
        clock.ahead += QUARTER
        await stream.end()


@sqlite_only
async def test_a_request_that_is_given_up_does_not_stop_the_question(
    app_bot: Bot, stand: SignIn, clock: Clock
) -> None:
    browser = await signed_in(app_bot, stand)
    clock.ahead += QUARTER
    stand.held = asyncio.Event()
    impatient = asyncio.create_task(is_in(browser))
    while not stand.asked:
        await asyncio.sleep(0.01)
    impatient.cancel()
    patient = asyncio.create_task(is_in(browser))
    await asyncio.sleep(0.05)
    stand.held.set()
    assert await patient
    assert stand.asked == ["/user", "/user/memberships/orgs/acme"]


@sqlite_only
async def test_who_signs_out_meanwhile_stays_out(app_bot: Bot, stand: SignIn, clock: Clock) -> None:
    browser = await signed_in(app_bot, stand)
    clock.ahead += QUARTER
    stand.held = asyncio.Event()
    asking = asyncio.create_task(is_in(browser))
    while not stand.asked:
        await asyncio.sleep(0.01)
    await app_bot.services.database.write(lambda tx: tx.run("DELETE FROM sessions"))
    stand.held.set()
    assert not await asking and await rows(app_bot) == []


@sqlite_only
async def test_a_collaborator_is_asked_about_too(app_bot: Bot, stand: SignIn, clock: Clock) -> None:
    settings: Settings = app_bot.services.settings
    app_bot.services.settings = replace(settings, sign_in_collaborators="developer")
    stand.repositories = [{"full_name": "acme/shop", "permissions": {"push": True}}]
    browser = Browser(app_bot)
    await browser.get(stand.authorize(await begin(app_bot, browser)))
    clock.ahead += QUARTER
    assert await is_in(browser)
    app_bot.services.settings = settings
    clock.ahead += QUARTER
    assert not await is_in(browser), "the setting was taken back"
