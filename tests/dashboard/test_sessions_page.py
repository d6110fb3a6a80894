"""An admin sees who is signed in and who made which token, and ends what is not to go on."""

import asyncio
import re

import pytest

from bot.domain.sessions import IDLE_SECONDS
from bot.worker import clear_some
from tests.dashboard.test_access_again import MEMBER, OWNER, is_in, signed_in
from tests.github import SignIn
from tests.kit.browsing import Browser, new_token
from tests.kit.clock import Clock
from tests.kit.marks import slow, sqlite_only
from tests.kit.running import ADMIN_TOKEN, PATIENCE, Bot, start
from tests.kit.streams import STREAM, listening

SESSIONS, TOKENS = "/api/v1/sessions", "/api/v1/tokens"


async def made(browser: Browser, name: str, role: str = "admin") -> str:
    """Make a token on the page; return it."""
    await browser.get("/tokens")
    page = await browser.post("/tokens", {"name": name, "role": role})
    (secret,) = re.findall(r"<code tabindex=\"0\">(xbot_[^<]+)</code>", page.text)
    return str(secret)


async def id_of(bot: Bot, name: str) -> str:
    rows = await bot.walk(TOKENS)
    return str(next(row["id"] for row in rows if row["name"] == name))


async def test_everybody_is_listed(app_bot: Bot, stand: SignIn) -> None:
    jane = await signed_in(app_bot, stand, MEMBER)
    await jane.get("/experiments")
    admin = await Browser.sign_in(app_bot)
    page = await admin.get("/sessions")
    assert (
        "Jane developer 127.0.0.1" in page.words and "admin (this one) admin a token" in page.words
    )
    first, second = (await app_bot.get(SESSIONS)).items
    assert first["actor"] == {"kind": "token", "id": await id_of(app_bot, "admin"), "name": "admin"}
    assert first["confirmed_at"] is None and second["confirmed_at"].endswith("Z")
    assert second["actor"]["kind"] == "github" and second["actor"]["id"].endswith(":5")
    assert (second["actor"]["name"], second["role"]) == ("Jane", "developer")
    assert not any("ghu_" in str(one) or "hash" in one for one in (first, second))


async def test_a_session_is_ended_with_its_streams(app_bot: Bot, stand: SignIn) -> None:
    jane, again = await signed_in(app_bot, stand), await signed_in(app_bot, stand)
    admin = await Browser.sign_in(app_bot)
    await admin.get("/sessions")
    newest = (await app_bot.get(SESSIONS)).items[1]
    async with listening(again) as stream:
        page = await admin.post(f"/sessions/{newest['id']}/end")
        assert page.status == 200 and "A session of Jane was ended." in page.words
        await stream.end()
    assert not await is_in(again) and await is_in(jane) and await is_in(admin)
    assert (await admin.post(f"/sessions/{newest['id']}/end")).status == 404
    (oldest,) = (await app_bot.get(SESSIONS)).items[1:]
    assert (await app_bot.delete(f"{SESSIONS}/{oldest['id'].upper()}")).status == 204
    assert not await is_in(jane)
    assert (await app_bot.delete(f"{SESSIONS}/{oldest['id']}")).status == 404


@sqlite_only
async def test_all_sessions_of_somebody_are_ended(app_bot: Bot, stand: SignIn) -> None:
    janes = [await signed_in(app_bot, stand) for _ in range(3)]
    admin = await Browser.sign_in(app_bot)
    await admin.get("/sessions")
    newest = (await app_bot.get(SESSIONS)).items[1]
    page = await admin.post(f"/sessions/{newest['id']}/end", {"everywhere": "yes"})
    assert "All sessions of Jane were ended." in page.words
    assert [await is_in(one) for one in janes] == [False] * 3 and await is_in(admin)
    own = (await app_bot.get(SESSIONS)).items[0]
    assert (await admin.post(f"/sessions/{own['id']}/end")).path == "/sign-in"


async def test_what_has_run_out_is_not_listed(bot: Bot, clock: Clock) -> None:
    await Browser.sign_in(bot)
    assert len((await bot.get(SESSIONS)).items) == 1
    clock.ahead += IDLE_SECONDS + 1
    assert (await bot.get(SESSIONS)).items == []
    await Browser.sign_in(bot)
    await clear_some(bot.services)
    sql = "SELECT COUNT(*) AS number FROM sessions"
    (row,) = await bot.services.database.read(lambda tx: tx.all(sql))
    assert row["number"] == 1, "the worker takes it away, and with it the person's token"


@slow
async def test_a_stream_ends_that_another_process_serves(app_bot: Bot, stand: SignIn) -> None:
    jane = await signed_in(app_bot, stand)
    other = await start(app_bot.services.settings)
    try:
        async with listening(jane) as stream:
            (session,) = (await other.get(SESSIONS)).items
            assert (await other.delete(f"{SESSIONS}/{session['id']}")).status == 204
            await stream.end()
    finally:
        await other.close()


# --- Tokens


async def test_a_token_says_who_made_it(app_bot: Bot, stand: SignIn) -> None:
    jane = await signed_in(app_bot, stand)
    first = await made(jane, "first")
    with_first = await Browser.sign_in(app_bot, token=first)
    await made(with_first, "second")
    page = await jane.get("/tokens")
    assert "first admin just now by Jane (127.0.0.1" in page.words
    assert re.search(r"second admin just now by Jane \(127\.0\.0\.1:\d+\) , with first", page.words)
    assert "admin admin just now just now Revoke" in page.words, "it has no maker"
    second, of_first, bootstrap = await app_bot.walk(TOKENS, limit=1)
    (session,) = [
        one for one in (await app_bot.get(SESSIONS)).items if one["actor"]["kind"] == "github"
    ]
    assert of_first["created_by"] == session["actor"], "the same as their sessions"
    expected = {"kind": "token", "id": of_first["id"], "name": "first"}
    assert second["created_by"] == expected and bootstrap["created_by"] is None
    assert bootstrap["is_bootstrap"] and first not in str((second, of_first))


async def test_all_that_somebody_made_is_revoked(app_bot: Bot, stand: SignIn) -> None:
    """Also what they made with it, whose sessions end; nothing of anybody else."""
    jane = await signed_in(app_bot, stand)
    first = await made(jane, "first")
    with_first = await Browser.sign_in(app_bot, token=first)
    second = await made(with_first, "second")
    with_second = await Browser.sign_in(app_bot, token=second)
    admin = await Browser.sign_in(app_bot)
    other = await made(admin, "other")
    await admin.get("/tokens")
    headers = {"Authorization": f"Bearer {second}"}
    async with app_bot.session.get(app_bot.url + STREAM, headers=headers) as stream:
        path = f"/tokens/{await id_of(app_bot, 'second')}/revoke"
        page = await admin.post(path, {"all": "yes"})
        assert "All that Jane made was revoked: 2 tokens." in page.words
        await asyncio.wait_for(stream.content.read(), PATIENCE)
    for token, status in ((first, 401), (second, 401), (other, 200), (ADMIN_TOKEN, 200)):
        assert (await app_bot.get("/api/v1/experiments", token=token)).status == status
    for browser, stays in ((with_first, False), (with_second, False), (jane, True), (admin, True)):
        assert await is_in(browser) == stays
    assert "revoked just now" in (await admin.get("/tokens")).words


@sqlite_only
async def test_what_the_command_line_made_has_no_maker(bot: Bot) -> None:
    await new_token(bot, "viewer")
    admin = await Browser.sign_in(bot)
    assert "Revoke all that" not in (await admin.get("/tokens")).words
    path = f"/tokens/{await id_of(bot, 'a viewer')}/revoke"
    assert (await admin.post(path, {"all": "yes"})).status == 404


async def test_the_api_revokes_as_the_page_does(bot: Bot) -> None:
    token = await new_token(bot, "viewer")
    viewer = await Browser.sign_in(bot, token=token)
    path = f"{TOKENS}/{await id_of(bot, 'a viewer')}"
    assert (await bot.delete(path)).status == 204
    assert (await bot.get("/api/v1/experiments", token=token)).status == 401
    assert not await is_in(viewer) and (await bot.get(SESSIONS)).items == []
    assert (await bot.delete(path)).status == 404
    assert [one["revoked_at"] is None for one in await bot.walk(TOKENS)] == [False, True]


@sqlite_only
@pytest.mark.parametrize("role", ["viewer", "developer"])
async def test_it_is_for_admins(bot: Bot, role: str) -> None:
    token = await new_token(bot, role)
    visitor = await Browser.sign_in(bot, token=token)
    for path in (SESSIONS, TOKENS):
        assert (await bot.get(path, token=token)).status == 403
        first = (await bot.get(path)).items[0]
        assert (await bot.delete(f"{path}/{first['id']}", token=token)).status == 403
    session = (await bot.get(SESSIONS)).items[0]
    assert (await visitor.get("/sessions")).status == 403
    assert (await visitor.post(f"/sessions/{session['id']}/end")).status == 403


@sqlite_only
async def test_an_admin_who_came_through_github_can_set_an_app_up(
    app_bot: Bot, stand: SignIn, clock: Clock
) -> None:
    """Who has lost the access meanwhile has begun in vain."""
    jane = await signed_in(app_bot, stand, OWNER)

    async def called_back() -> str:
        page = await jane.get("/setup")
        (state,) = re.findall(r"state=([^\"&]+)", page.text)
        return (await jane.get(f"/setup/callback?code=unknown&state={state}")).words

    assert "GitHub did not hand out" in await called_back()
    page = await jane.get("/setup")
    (state,) = re.findall(r"state=([^\"&]+)", page.text)
    stand.memberships["acme"] = MEMBER
    clock.ahead += 15 * 60
    answer = await jane.get(f"/setup/callback?code=unknown&state={state}")
    assert "is no admin any more" in answer.words
