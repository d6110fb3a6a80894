"""Who gets in, how long they stay, and what a form needs to be believed."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bot.dashboard import sessions
from bot.settings import Settings
from tests.github import SignIn
from tests.kit import running
from tests.kit.browsing import Browser, begin, new_token, sign_in
from tests.kit.clock import Clock
from tests.kit.marks import sqlite_only
from tests.kit.running import ADMIN_TOKEN, Bot

pytestmark = sqlite_only


# --- With a token


async def test_the_cookie_is_kept_from_scripts_and_other_sites(bot: Bot) -> None:
    response = await sign_in(bot, token=ADMIN_TOKEN)
    cookie = response.cookies[sessions.COOKIE]
    assert cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["path"] == "/"
    assert not cookie["secure"]
    assert ADMIN_TOKEN not in cookie.value


async def test_behind_tls_the_cookie_stays_there(settings: Settings) -> None:
    bot = await running.start(replace(settings, public_url="https://bot.example/experiments-bot"))
    try:
        response = await sign_in(bot, token=ADMIN_TOKEN)
        cookie = response.cookies[sessions.COOKIE]
        assert cookie["secure"] and cookie["path"] == "/experiments-bot"
        assert response.headers["Location"] == "/experiments-bot/"
    finally:
        await bot.close()


async def test_a_wrong_token_is_not_repeated(bot: Bot) -> None:
    async with bot.session.post(f"{bot.url}/sign-in", data={"token": "xbot_wrong"}) as response:
        text = await response.text()
    assert response.status == 401 and "not valid" in text and "xbot_wrong" not in text
    assert sessions.COOKIE not in response.cookies


@pytest.mark.parametrize(
    ("back", "leads"),
    [
        ("/outbox?status=failed", "/outbox?status=failed"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/\r\nSet-Cookie: a=b", "/"),
        ("", "/"),
    ],
)
async def test_it_leads_back_to_our_pages_alone(bot: Bot, back: str, leads: str) -> None:
    response = await sign_in(bot, token=ADMIN_TOKEN, next=back)
    assert (response.status, response.headers["Location"]) == (303, leads)


async def test_a_page_asks_to_sign_in_and_leads_back(bot: Bot) -> None:
    async with bot.session.get(f"{bot.url}/outbox?kind=check", allow_redirects=False) as response:
        assert response.status == 303
        assert response.headers["Location"] == "/sign-in?next=%2Foutbox%3Fkind%3Dcheck"


async def test_a_session_ends_by_itself(bot: Bot, clock: Clock) -> None:
    browser = await Browser.sign_in(bot)

    async def is_in(seconds: int) -> bool:
        clock.ahead += seconds
        return (await browser.get("/experiments", follow=False)).status == 200

    for _ in range(21):
        assert await is_in(sessions.IDLE_SECONDS - 60)
    assert not await is_in(sessions.IDLE_SECONDS - 60), "not longer than a week, used or not"
    browser = await Browser.sign_in(bot)
    assert not await is_in(sessions.IDLE_SECONDS + 60)


async def test_a_page_that_refreshes_itself_is_no_use(bot: Bot, clock: Clock) -> None:
    browser = await Browser.sign_in(bot)
    hours = sessions.IDLE_SECONDS // 3600
    for hour in range(1, hours + 2):
        clock.ahead = hour * 3600
        page = await browser.get("/experiments", follow=False, headers={"X-Live": "1"})
        assert page.status == (200 if hour < hours else 303)


async def test_signing_out_here_and_everywhere(bot: Bot) -> None:
    first, second = await Browser.sign_in(bot), await Browser.sign_in(bot)
    stolen = dict(first.cookies)
    assert (await first.post("/sign-out")).path == "/sign-in"
    first.cookies = stolen
    assert (await first.get("/experiments", follow=False)).status == 303
    assert (await second.get("/experiments", follow=False)).status == 200
    third = await Browser.sign_in(bot)
    await second.post("/sign-out", {"everywhere": "yes"})
    assert (await third.get("/experiments", follow=False)).status == 303


async def test_a_session_has_the_role_of_its_token_and_ends_with_it(bot: Bot) -> None:
    token = await new_token(bot, "viewer")
    browser = await Browser.sign_in(bot, token=token)
    assert (await browser.get("/tokens")).status == 403
    await change(bot, "UPDATE api_tokens SET role = 'admin' WHERE role = 'viewer'")
    assert (await browser.get("/tokens")).status == 200
    await change(bot, "UPDATE api_tokens SET revoked_at = 1 WHERE name = 'a viewer'")
    assert (await browser.get("/tokens", follow=False)).status == 303


async def change(bot: Bot, sql: str) -> None:
    await bot.services.database.write(lambda tx: tx.run(sql))


@pytest.mark.parametrize("value", ["", "x", "gAAAAA", "é", "a" * 5000])
async def test_a_cookie_that_is_not_ours_is_none(bot: Bot, value: str) -> None:
    browser = Browser(bot, {sessions.COOKIE: value})
    assert (await browser.get("/experiments", follow=False)).status == 303


# --- What a form needs


async def test_no_form_is_believed_without_its_proof(bot: Bot) -> None:
    """Of every page that takes a form: no token, a wrong one and another session's are refused."""
    browser, other = await Browser.sign_in(bot), await Browser.sign_in(bot)
    paths = {
        route.resource.canonical
        for route in bot.runner.app.router.routes()
        if route.method == "POST" and route.resource is not None
        if not route.resource.canonical.startswith(("/api/", "/sign-in"))
    }
    assert len(paths) > 12
    values = {"key": "some-key", "owner": "acme", "repo": "shop", "number": "1"}
    for name in ("integration_id", "delivery_id", "action_id", "token_id"):
        values[name] = "11111111-1111-4111-8111-111111111111"
    for path in sorted(paths):
        address = path.format_map(values)
        for csrf in ("", "wrong", other.csrf, "é"):
            page = await browser.post(address, {"csrf": csrf})
            assert (page.status, "not from here" in page.words.lower()) == (403, True), path
        nobody = Browser(bot)
        assert (await nobody.post(address, {"csrf": browser.csrf})).status == 401, path


async def test_a_form_of_another_kind_or_size_is_refused(bot: Bot) -> None:
    browser = await Browser.sign_in(bot)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    for body, kind, status in (
        (b'{"csrf": "x"}', "application/json", 415),
        (b"a=" + b"x" * 300_000, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"a%d=1" % n for n in range(300)), "application/x-www-form-urlencoded", 400),
        (b"a=\xff\xfe", "application/x-www-form-urlencoded", 400),
    ):
        async with bot.session.post(
            f"{bot.url}/sign-out",
            data=body,
            headers={"Cookie": cookie, "Content-Type": kind},
            allow_redirects=False,
        ) as response:
            assert response.status == status
    assert (await browser.get("/experiments", follow=False)).status == 200


# --- With GitHub


REPOSITORY = {"full_name": "acme/shop", "private": False}
WHO: dict[str, tuple[dict[str, Any] | None, dict[str, bool] | None, bool, str | None]] = {
    "an owner": ({"state": "active", "role": "admin"}, None, False, "admin"),
    "a member": ({"state": "active", "role": "member"}, None, False, "viewer"),
    "a member who may push": (
        {"state": "active", "role": "member"},
        {"push": True},
        False,
        "developer",
    ),
    "somebody invited": ({"state": "pending", "role": "admin"}, None, False, None),
    "a collaborator": (None, {"push": True, "pull": True}, False, "developer"),
    "a maintainer": (None, {"maintain": True}, False, "developer"),
    "an admin of a repository": (None, {"admin": True}, False, "developer"),
    "one who triages": (None, {"triage": True, "pull": True}, False, "viewer"),
    "a reader of a private one": (None, {"pull": True}, True, "viewer"),
    "a stranger": (None, {"pull": True}, False, None),
    "one who sees nothing": (None, None, False, None),
}


@pytest.mark.parametrize("who", WHO)
async def test_who_gets_in_with_which_role(app_bot: Bot, stand: SignIn, who: str) -> None:
    membership, permissions, is_private, role = WHO[who]
    if membership:
        stand.memberships["acme"] = membership
    if permissions:
        stand.repositories = [{**REPOSITORY, "private": is_private, "permissions": permissions}]
    browser = Browser(app_bot)
    page = await browser.get(stand.authorize(await begin(app_bot, browser, "?next=/outbox")))
    if role is None:
        assert page.status == 403 and "not a member of an allowed organisation" in page.words
        assert (await browser.get("/experiments", follow=False)).status == 303
    else:
        assert (page.status, page.path) == (200, "/outbox")
        assert f"Signed in as Jane , {role}" in page.words
    stored = await app_bot.services.database.read(lambda tx: tx.all("SELECT * FROM sessions"))
    assert not any(token in str([dict(one) for one in stored]) for token in stand.tokens)


async def test_an_answer_to_another_browser_is_refused(app_bot: Bot, stand: SignIn) -> None:
    stand.memberships["acme"] = {"state": "active", "role": "admin"}
    attacker, victim = Browser(app_bot), Browser(app_bot)
    leads = stand.authorize(await begin(app_bot, attacker))
    page = await victim.get(leads)
    assert page.status == 400 and "was not started in this browser" in page.words
    await begin(app_bot, victim)
    assert (await victim.get(leads)).status == 400
    assert stand.tokens == set(), "the code is not even asked about"


async def test_a_code_is_good_for_the_browser_that_asked_alone(app_bot: Bot, stand: SignIn) -> None:
    """PKCE: a code that somebody else's request got is refused, though the state is right."""
    stand.memberships["acme"] = {"state": "active", "role": "admin"}
    attacker, victim = Browser(app_bot), Browser(app_bot)
    stolen = stand.authorize(await begin(app_bot, victim))
    code = parse_qs(urlsplit(stolen).query)["code"][0]
    own = stand.authorize(await begin(app_bot, attacker))
    state = parse_qs(urlsplit(own).query)["state"][0]
    page = await attacker.get(f"/sign-in/github/callback?code={code}&state={state}")
    assert page.status == 502 and stand.tokens == set()


async def test_what_goes_wrong_is_said(app_bot: Bot, stand: SignIn) -> None:
    browser = Browser(app_bot)
    leads = stand.authorize(await begin(app_bot, browser))
    state = parse_qs(urlsplit(leads).query)["state"][0]
    denied = await browser.get(f"/sign-in/github/callback?error=access_denied&state={state}")
    assert denied.status == 403 and "did not allow GitHub to tell" in denied.words
    assert (await browser.get(f"/sign-in/github/callback?state={state}")).status == 400
    stand.failing = 503
    assert (await browser.get(leads)).status == 503
    stand.failing = 0
    page = await browser.get(leads.replace("code=", "code=x"))
    assert page.status == 502 and "Sign in again" in page.words
    unknown = "11111111-1111-4111-8111-111111111111"
    assert (await browser.get(f"/sign-in/github/{unknown}")).status == 404


async def test_a_sign_in_that_github_refuses_does_not_lose_the_page_one_wanted(
    app_bot: Bot, stand: SignIn
) -> None:
    browser = Browser(app_bot)
    wanted = "?next=%2Foutbox%3Fstatus%3Dfailed%26kind%3Dcheck"
    leads = stand.authorize(await begin(app_bot, browser, wanted))
    state = parse_qs(urlsplit(leads).query)["state"][0]
    denied = await browser.get(f"/sign-in/github/callback?error=access_denied&state={state}")
    assert 'href="/sign-in?next=/outbox%3Fstatus%3Dfailed%26kind%3Dcheck"' in denied.text
    begun = await begin(app_bot, browser, "?next=//evil.example/")
    state = parse_qs(urlsplit(begun).query)["state"][0]
    denied = await browser.get(f"/sign-in/github/callback?error=access_denied&state={state}")
    assert 'href="/sign-in">' in denied.text and "evil" not in denied.text


async def test_an_integration_that_is_not_active_lets_nobody_in(
    app_bot: Bot, stand: SignIn
) -> None:
    browser = Browser(app_bot)
    leads = stand.authorize(await begin(app_bot, browser))
    identifier = (await app_bot.get("/api/v1/integrations")).items[0]["id"]
    await app_bot.patch(f"/api/v1/integrations/{identifier}", {"is_active": False})
    assert "Sign in with GitHub" not in (await browser.get("/sign-in")).words
    assert (await browser.get(leads)).status == 404
