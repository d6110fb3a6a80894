"""Guessing is limited, and neither guessers nor other sites can keep anybody out or let one in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot import storage as store
from bot.dashboard.sessions import FAILED_SIGN_INS
from bot.domain import experiments
from bot.settings import Settings
from bot.web.access import UNKNOWN_TOKENS, unknown_tokens
from bot.web.guesses import Guesses
from tests.github import SignIn
from tests.kit.browsing import Browser, begin, new_token, sign_in
from tests.kit.marks import slow, sqlite_only
from tests.kit.running import ADMIN_TOKEN, PATIENCE, Bot, start
from tests.kit.streams import STREAM, Stream, listening

# --- Signing in


@sqlite_only
async def test_a_callback_without_a_state_counts_for_nobody(app_bot: Bot) -> None:
    """Anybody can send it, so it would lock out all who share an address with whoever does."""
    await app_bot.get("/sign-in/github/callback", token=None)
    kept = Browser(app_bot)
    await begin(app_bot, kept)
    for number in range(2 * FAILED_SIGN_INS):
        for query in ("", "?code=x", f"?code=x&state={number}", "?state=%F0%9F%98%80&code=x"):
            page = await kept.get(f"/sign-in/github/callback{query}")
            assert page.status == 400 and "was not started in this browser" in page.words
    assert (await sign_in(app_bot, token="wrong")).status == 401
    assert (await sign_in(app_bot, token=ADMIN_TOKEN)).status == 303


@sqlite_only
async def test_a_right_token_gets_in_whoever_else_guesses(bot: Bot) -> None:
    for _ in range(FAILED_SIGN_INS):
        assert (await sign_in(bot, token="wrong")).status == 401
    async with bot.session.post(f"{bot.url}/sign-in", data={"token": "wrong"}) as refused:
        assert refused.status == 429 and 1 <= int(refused.headers["Retry-After"]) <= 60
        assert "Too many wrong tokens" in await refused.text()
    for _ in range(FAILED_SIGN_INS + 1):
        assert (await sign_in(bot, token=ADMIN_TOKEN)).status == 303
    browser = await Browser.sign_in(bot)
    assert (await browser.get("/experiments", follow=False)).status == 200


@sqlite_only
async def test_a_right_token_is_no_guess(bot: Bot) -> None:
    for _ in range(2 * FAILED_SIGN_INS):
        assert (await sign_in(bot, token=ADMIN_TOKEN)).status == 303
    assert (await sign_in(bot, token="wrong")).status == 401


@sqlite_only
async def test_sign_ins_that_github_refuses_lock_nobody_out(
    app_bot: Bot,
    stand: SignIn,
) -> None:
    """They are counted and told to wait; who is let in by GitHub and by a token gets in."""
    stand.memberships["acme"] = {"state": "active", "role": "admin"}
    guesser, member = Browser(app_bot), Browser(app_bot)
    leads = stand.authorize(await begin(app_bot, guesser)).replace("code=", "code=x")
    statuses = [(await guesser.get(leads)).status for _ in range(FAILED_SIGN_INS + 2)]
    assert statuses == [502] * FAILED_SIGN_INS + [429] * 2
    page = await guesser.get(leads)
    assert 1 <= int(page.headers["Retry-After"]) <= 60 and "Too many failed sign-ins" in page.words
    assert page.headers["Referrer-Policy"] == "no-referrer"
    page = await member.get(stand.authorize(await begin(app_bot, member, "?next=/outbox")))
    assert (page.status, page.path) == (200, "/outbox")
    assert (await sign_in(app_bot, token=ADMIN_TOKEN)).status == 303


@sqlite_only
async def test_a_github_that_is_away_is_nobodys_failure(
    app_bot: Bot,
    stand: SignIn,
) -> None:
    browser = Browser(app_bot)
    leads = stand.authorize(await begin(app_bot, browser))
    stand.failing = 503
    for _ in range(FAILED_SIGN_INS + 1):
        assert (await browser.get(leads)).status == 503
    assert (await sign_in(app_bot, token="wrong")).status == 401


TAKES_A_TOKEN = ("/api/v1/experiments", STREAM, "/api/v1/experiments/unknown", "/setup")


# --- The API


async def test_guesses_at_tokens_are_limited(bot: Bot) -> None:
    """Wherever a token is taken; one that is known is let in all the same."""
    known = await new_token(bot, "viewer")
    for number in range(UNKNOWN_TOKENS):
        path = TAKES_A_TOKEN[number % len(TAKES_A_TOKEN)]
        answer = await bot.get(path, token=f"xbot_guess_{number}")
        assert answer.status == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    for path in TAKES_A_TOKEN:
        answer = await bot.get(path, token="xbot_one_more")
        assert (answer.status, answer.body["error"]) == (429, "too many unknown tokens")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert (await bot.get("/api/v1/experiments", token=known)).status == 200
    assert (await bot.get("/api/v1/integrations", token=known)).status == 403
    assert (await bot.get("/api/v1/experiments", token=None)).status == 401, "that is no guess"
    assert (await bot.get("/api/v1/experiments", token="")).status == 401, "nor is that"
    assert (await sign_in(bot, token=known)).status == 303
    basic = {"Authorization": "Basic eGJvdDp4"}
    assert (await bot.get("/api/v1/experiments", token=None, headers=basic)).status == 401


@sqlite_only
async def test_each_address_has_its_own_minute(bot: Bot) -> None:
    now = 1000.0
    bot.services.shared(unknown_tokens).clock = lambda: now

    async def guess() -> int:
        return (await bot.get("/api/v1/experiments", token="wrong")).status

    for _ in range(UNKNOWN_TOKENS):
        assert await guess() == 401
        now += 0.5
    assert await guess() == 429
    connector = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with aiohttp.ClientSession(connector=connector) as elsewhere:
        headers = {"Authorization": "Bearer wrong"}
        async with elsewhere.get(f"{bot.url}/api/v1/experiments", headers=headers) as answer:
            assert answer.status == 401
    now += 9.9
    assert await guess() == 429
    now += 0.2
    assert await guess() == 401


@sqlite_only
@pytest.mark.parametrize("value", ["Bearer \xff\xfe", "Bearer " + "x" * 4000, "bearer  a b"])
async def test_a_token_of_odd_text_is_a_guess_like_another(bot: Bot, value: str) -> None:
    headers = {"Authorization": value}
    for status in [401] * UNKNOWN_TOKENS + [429]:
        answer = await bot.get("/api/v1/experiments", token=None, headers=headers)
        assert answer.status == status


def test_what_is_remembered_is_bounded() -> None:
    guesses = Guesses(1)
    for number in range(20_000):
        guesses.wrong(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(guesses._counted) <= 4096
    assert guesses.is_over("10.0.78.31"), "the last of them"


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::1", True),  # one machine has a whole /64
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        (None, "", True),
    ],
)
def test_what_counts_as_one_address(first: str | None, second: str, is_same: bool) -> None:
    guesses = Guesses(1)
    assert guesses.wrong(first) == 0
    assert guesses.is_over(second) == is_same


@asynccontextmanager
async def following(bot: Bot, token: str) -> AsyncIterator[Stream]:
    headers = {"Authorization": f"Bearer {token}"}
    async with bot.session.get(bot.url + STREAM, headers=headers) as response:
        assert response.status == 200
        stream = Stream(response)
        await bot.experiment("first")
        assert (await stream.item())["experiment_key"] == "first"
        yield stream


async def rest(stream: Stream) -> bytes:
    """What a stream still says, if it ends within a few seconds."""
    return await asyncio.wait_for(stream.response.content.read(), PATIENCE)


def end_and_go_on(tx: store.Transaction, sql: str) -> None:
    """End a token, and let something happen, in one moment."""
    assert tx.run(sql) == 1
    texts = dict.fromkeys(("hypothesis", "description", "owner", "url"))
    named = {"key": "secret", "name": "secret", "status": "draft"}
    values: dict[str, Any] = {**named, "tags": [], **texts}
    experiments.create(tx, values, "somebody")


ENDS = {
    "revoked": "UPDATE api_tokens SET revoked_at = 1 WHERE name = 'a viewer'",
    "deleted": "DELETE FROM api_tokens WHERE name = 'a viewer'",
}


# --- Streams


@pytest.mark.parametrize("end", ENDS)
async def test_a_stream_ends_with_its_token(bot: Bot, end: str) -> None:
    """At once, and without a word of what came after."""
    token = await new_token(bot, "viewer")
    async with following(bot, token) as stream:
        await bot.services.database.write(lambda tx: end_and_go_on(tx, ENDS[end]))
        assert b"secret" not in await rest(stream)
    assert not bot.services.open_streams
    assert (await bot.get(STREAM, token=token)).status == 401, "nor does it begin again"


@slow
async def test_a_stream_ends_where_another_process_revokes(bot: Bot, settings: Settings) -> None:
    token = await new_token(bot, "viewer")
    other = await start(settings)
    try:
        async with following(bot, token) as stream:
            await other.services.database.write(lambda tx: end_and_go_on(tx, ENDS["revoked"]))
            assert b"secret" not in await rest(stream)
    finally:
        await other.close()


async def test_revoking_on_the_page_ends_all_at_once(bot: Bot) -> None:
    """The API's streams, the pages' streams, the sessions, and the token itself."""
    token = await new_token(bot, "viewer")
    visitor, admin = await Browser.sign_in(bot, token=token), await Browser.sign_in(bot)
    (token_id,) = [
        row.id
        for row in await bot.services.database.read(store.tokens.listed)
        if row.name == "a viewer"
    ]
    async with following(bot, token) as stream, listening(visitor) as live:
        await admin.get("/tokens")
        await admin.post(f"/tokens/{token_id}/revoke")
        assert (await bot.get("/api/v1/experiments", token=token)).status == 401
        await rest(stream)
        await asyncio.wait_for(live.response.content.read(), PATIENCE)
    assert (await visitor.get("/experiments", follow=False)).status == 303


async def test_a_token_that_stays_keeps_its_stream(bot: Bot) -> None:
    """Whatever becomes of another one, and whatever role it gets."""
    token, other = await new_token(bot, "developer"), await new_token(bot, "viewer")
    async with following(bot, token) as stream:
        lower = "UPDATE api_tokens SET role = 'viewer' WHERE name = 'a developer'"
        await bot.services.database.write(lambda tx: tx.run(lower))
        await bot.services.database.write(lambda tx: end_and_go_on(tx, ENDS["revoked"]))
        assert (await stream.item())["experiment_key"] == "secret"
    assert (await bot.get(STREAM, token=other)).status == 401
