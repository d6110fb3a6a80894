"""Who gets in, how long they stay, and what a form needs to be believed."""

import asyncio
import io
from dataclasses import replace
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bot.dashboard import sessions
from bot.domain.sessions import IDLE_SECONDS
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


@pytest.mark.parametrize(
    ("public_url", "name", "path"),
    [
        ("https://bot.example", f"__Host-{sessions.COOKIE}", "/"),
        ("https://bot.example/experiments-bot", f"__Secure-{sessions.COOKIE}", "/experiments-bot"),
    ],
)
async def test_behind_tls_the_cookie_stays_there(
    settings: Settings, public_url: str, name: str, path: str
) -> None:
    bot = await running.start(replace(settings, public_url=public_url))
    try:
        response = await sign_in(bot, token=ADMIN_TOKEN)
        ((found, cookie),) = response.cookies.items()
        assert (found, cookie["path"], cookie["domain"]) == (name, path, "")
        assert cookie["secure"] and cookie["httponly"] and cookie["samesite"] == "Lax"
        assert response.headers["Location"] == f"{path.rstrip('/')}/"
        browser = await Browser.sign_in(bot)
        plain = Browser(bot, {sessions.COOKIE: browser.cookies[name]})
        assert (await plain.get("/experiments", follow=False)).status == 303, "another name is none"
        left = await browser.post("/sign-out", follow=False)
        (dropped,) = [SimpleCookie(one)[name] for one in left.headers.getall("Set-Cookie")]
        assert dropped["max-age"] == "0" and dropped["path"] == path
        assert dropped["secure"], "or a browser would not heed it"
    finally:
        await bot.close()


async def test_a_browser_that_has_come_over_tls_comes_back_over_tls_alone(
    bot: Bot, settings: Settings
) -> None:
    paths = ("/sign-in", "/api/v1/experiments", "/healthz", "/nowhere")
    secure = await running.start(replace(settings, public_url="https://bot.example"))
    try:
        integration = await secure.integration()
        answers = [await secure.get(path) for path in paths]
        answers.append(await secure.deliver(integration, "ping", {}))
        assert {one.headers.get("Strict-Transport-Security") for one in answers} == {
            "max-age=31536000"
        }
    finally:
        await secure.close()
    for path in paths:
        assert "Strict-Transport-Security" not in (await bot.get(path)).headers


async def test_a_cookie_of_bytes_that_are_no_text_is_none(
    bot: Bot, log_stream: io.StringIO
) -> None:
    """Whatever bytes somebody sends for one of ours."""
    port = int(bot.url.rpartition(":")[2])
    for name in (sessions.COOKIE, "experiment_bot_state", "experiment_bot_setup"):
        for path in ("/sign-in", "/experiments", "/sign-in/github/callback", "/setup/callback"):
            for value in (b"\xff", b"gAAAAA", '"é"'.encode(), b"\xed\xa0\x80"):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: {name}="
                writer.write(head.encode() + value + b"\r\n\r\n")
                assert (await reader.read()).split(b" ", 2)[1] in (b"200", b"303", b"400")
                writer.close()
    assert "request failed" not in log_stream.getvalue()


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
        assert await is_in(IDLE_SECONDS - 60)
    assert not await is_in(IDLE_SECONDS - 60), "not longer than a week, used or not"
    browser = await Browser.sign_in(bot)
    assert not await is_in(IDLE_SECONDS + 60)


async def test_a_page_that_refreshes_itself_is_no_use(bot: Bot, clock: Clock) -> None:
    browser = await Browser.sign_in(bot)
    hours = IDLE_SECONDS // 3600
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
    for name in ("integration_id", "delivery_id", "action_id", "token_id", "session_id"):
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
MEMBER = {"state": "active", "role": "member"}
# The membership, the permissions on a repository and whether that is private; the role where
# SIGN_IN_COLLABORATORS is `off`, `viewer` and `developer`.
Roles = tuple[str | None, str | None, str | None]
WHO: dict[str, tuple[dict[str, Any] | None, dict[str, bool] | None, bool, Roles]] = {
    "an owner": ({"state": "active", "role": "admin"}, None, False, ("admin",) * 3),
    "a member": (MEMBER, None, False, ("developer",) * 3),
    "a member who may push": (MEMBER, {"push": True}, False, ("developer",) * 3),
    "somebody invited": ({"state": "pending", "role": "admin"}, None, False, (None,) * 3),
    "a collaborator": (None, {"push": True, "pull": True}, False, (None, "viewer", "developer")),
    "a maintainer": (None, {"maintain": True}, False, (None, "viewer", "developer")),
    "an admin of a repository": (None, {"admin": True}, False, (None, "viewer", "developer")),
    "one who triages": (None, {"triage": True, "pull": True}, False, (None, "viewer", "viewer")),
    "a reader of a private one": (None, {"pull": True}, True, (None, "viewer", "viewer")),
    "a stranger": (None, {"pull": True}, False, (None, None, None)),
    "one who sees nothing": (None, None, False, (None, None, None)),
}


@pytest.mark.parametrize("number", range(3), ids=["off", "viewer", "developer"])
@pytest.mark.parametrize("who", WHO)
async def test_who_gets_in_with_which_role(
    app_bot: Bot, stand: SignIn, who: str, number: int
) -> None:
    membership, permissions, is_private, roles = WHO[who]
    role, most = roles[number], ("off", "viewer", "developer")[number]
    app_bot.services.settings = replace(app_bot.services.settings, sign_in_collaborators=most)
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
    if most == "off":
        assert not any(path.startswith("/user/installations") for path in stand.asked)


async def test_one_who_may_push_to_the_second_repository_is_a_developer(
    app_bot: Bot, stand: SignIn
) -> None:
    settings = app_bot.services.settings
    app_bot.services.settings = replace(settings, sign_in_collaborators="developer")
    may = ({"triage": True}, {"push": True}, {"pull": True})
    stand.repositories = [{**REPOSITORY, "permissions": one} for one in may]
    browser = Browser(app_bot)
    page = await browser.get(stand.authorize(await begin(app_bot, browser)))
    assert "Signed in as Jane , developer" in page.words


async def test_who_works_on_what_is_not_served_stays_out(app_bot: Bot, stand: SignIn) -> None:
    """An App that others may install, too, is installed where they can push: on what they made."""
    settings = app_bot.services.settings
    app_bot.services.settings = replace(settings, sign_in_collaborators="developer")
    identifier = (await app_bot.get("/api/v1/integrations")).items[0]["id"]
    listed = {"config": {"repositories": ["Acme/*"]}}
    assert (await app_bot.patch(f"/api/v1/integrations/{identifier}", listed)).status == 200
    stand.repositories = [{"full_name": "mallory/acme", "id": 8, "permissions": {"push": True}}]
    browser = Browser(app_bot)
    page = await browser.get(stand.authorize(await begin(app_bot, browser)))
    assert page.status == 403 and "no access to a repository" in page.words
    stand.repositories.append({"full_name": "acme/shop", "id": 9, "permissions": {"triage": True}})
    page = await browser.get(stand.authorize(await begin(app_bot, browser)))
    assert "Signed in as Jane , viewer" in page.words


async def test_an_installation_that_is_suspended_keeps_nobody_out(
    app_bot: Bot, stand: SignIn
) -> None:
    settings = app_bot.services.settings
    app_bot.services.settings = replace(settings, sign_in_collaborators="developer")
    stand.suspended = [4]
    stand.repositories = [{**REPOSITORY, "permissions": {"push": True}}]
    browser = Browser(app_bot)
    page = await browser.get(stand.authorize(await begin(app_bot, browser)))
    assert "Signed in as Jane , developer" in page.words


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
