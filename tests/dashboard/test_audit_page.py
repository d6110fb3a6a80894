"""`/audit`, and what people who sign in and fill in forms leave there."""

import io
import re
from typing import Any

import pytest

from bot import storage as store
from bot.operations import sign_ins
from tests.api.auditing import audit, told
from tests.github import SignIn
from tests.kit.browsing import Browser, begin, new_token, sign_in
from tests.kit.marks import sqlite_only
from tests.kit.running import ADMIN_TOKEN, Bot

LOCAL = "127.0.0.1"


# --- Who signs in


async def test_signing_in_and_out_with_a_token(bot: Bot) -> None:
    (admin,) = await bot.services.database.read(store.tokens.listed)
    for everywhere in ({}, {"everywhere": "yes"}):
        browser = await Browser.sign_in(bot)
        stolen = dict(browser.cookies)
        await browser.post("/sign-out", everywhere)
        browser.cookies = stolen
        await browser.post("/sign-out")  # nobody is signed in any more
    assert await told(bot, "session") == [
        ("sign_in", None, {"role": "admin", "address": LOCAL}),
        ("sign_out", None, {"everywhere": False}),
        ("sign_in", None, {"role": "admin", "address": LOCAL}),
        ("sign_out", None, {"everywhere": True}),
    ]
    rows = await audit(bot, f"?actor={admin.id}")
    assert {row["actor"]["kind"] for row in rows} == {"session"} and len(rows) == 4
    assert ADMIN_TOKEN not in str(rows)


async def test_signing_in_with_github(app_bot: Bot, stand: SignIn) -> None:
    stand.memberships["acme"] = {"state": "active", "role": "admin"}
    browser = Browser(app_bot)
    await browser.get(stand.authorize(await begin(app_bot, browser)))
    (row,) = await audit(app_bot, "?type=sign_in")
    assert row["actor"]["kind"] == "session" and row["actor"]["id"].startswith("github:")
    assert row["after"] == {"role": "admin", "address": LOCAL}


async def test_a_refusal_of_github_is_told_with_its_reason(app_bot: Bot, stand: SignIn) -> None:
    browser = Browser(app_bot)
    page = await browser.get(stand.authorize(await begin(app_bot, browser)))
    assert page.status == 403
    assert await told(app_bot, "address") == [
        ("sign_in.refused", None, {"reason": "access denied"})
    ]


async def test_a_flood_of_wrong_tokens_is_one_row(bot: Bot, log_stream: io.StringIO) -> None:
    """The log has some more of them, and a right token gets in all the same."""
    for _ in range(30):
        assert (await sign_in(bot, token="a-wrong-token")).status in (401, 429)
    (row,) = await audit(bot, "?type=sign_in.refused")
    assert row["target"] == {"kind": "address", "id": LOCAL, "name": LOCAL}
    assert row["actor"]["kind"] == "system" and row["after"] == {"reason": "unknown token"}
    assert 20 <= log_stream.getvalue().count("sign-in refused") <= 30
    assert "a-wrong-token" not in str(row) + log_stream.getvalue()
    assert (await sign_in(bot, token=ADMIN_TOKEN)).status == 303


@sqlite_only
async def test_a_flood_from_everywhere_is_bounded(bot: Bot) -> None:
    for number in range(200):
        await sign_ins.refused(bot.services, f"10.0.{number}.1", "unknown token")
    assert len(await audit(bot, "?type=sign_in.refused")) == 60


@sqlite_only
async def test_who_is_refused_is_told_so_while_nothing_can_be_stored(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(*_: Any, **__: Any) -> None:
        raise store.StorageUnavailable("a full disk")

    with monkeypatch.context() as broken:
        broken.setattr(bot.services.database, "write", unavailable)
        assert (await sign_in(bot, token="wrong")).status == 401
    assert await audit(bot, "?type=sign_in.refused") == []


# --- What forms leave


async def test_tokens_made_and_revoked_on_the_page(bot: Bot) -> None:
    admin = await Browser.sign_in(bot)
    before = len(await audit(bot))
    page = await admin.post("/tokens", {"name": "Ana's laptop", "role": "viewer"})
    (secret,) = re.findall(r"<code tabindex=\"0\">(xbot_[^<]+)</code>", page.text)
    await admin.post("/tokens", {"name": "", "role": "viewer"})
    (row,) = [
        one
        for one in await bot.services.database.read(store.tokens.listed)
        if one.name == "Ana's laptop"
    ]
    for status in (200, 404):
        assert (await admin.post(f"/tokens/{row.id}/revoke")).status == status
    made, revoked = (await audit(bot))[before:]
    values = {"name": "Ana's laptop", "role": "viewer"}
    assert (made["type"], made["before"], made["after"]) == ("token.created", None, values)
    assert (revoked["type"], revoked["before"], revoked["after"]) == (
        "token.revoked",
        values,
        None,
    )
    assert made["target"] == {"kind": "token", "id": row.id, "name": "Ana's laptop"}
    assert made["actor"]["kind"] == "session"
    assert secret not in str([made, revoked]) and store.hash_token(secret) not in str(made)


async def test_the_status_of_an_experiment_on_its_page(bot: Bot) -> None:
    await bot.experiment("checkout", name="Checkout")
    browser = await Browser.sign_in(bot, "developer")
    await browser.get("/experiments/checkout")
    await browser.post("/experiments/checkout/status", {"status": "active"})
    (row,) = await audit(bot, "?type=experiment.status_changed")
    assert (row["before"], row["after"]) == ({"status": "draft"}, {"status": "active"})
    assert (row["actor"]["kind"], row["actor"]["name"]) == ("session", "a developer")


# --- The page


@sqlite_only
async def test_it_shows_filters_and_leads_on(bot: Bot) -> None:
    integration = await bot.integration(name="Shop <b>")
    for number in range(60):
        await bot.experiment(f"key-{number}", name=f"Number {number}")
    await bot.patch("/api/v1/experiments/key-0", {"owner": "growth", "tags": ["a", "b"]})
    await bot.patch(f"/api/v1/integrations/{integration}", {"config": {"token": "ghp_new"}})
    admin = await Browser.sign_in(bot)
    page = await admin.get("/audit")
    assert page.words.count("Experiment created") == 1 + 50 - 3  # with that of the filter
    assert "owner growth" in page.words and 'tags ["a", "b"]' in page.words
    assert "config.token ******** → ********" in page.words and "ghp_" not in page.text
    (older,) = re.findall(r'href="([^"]+)" rel="next"', page.text)
    page = await admin.get(older.replace("&amp;", "&"))
    assert "Shop <b>" in page.words and "<b>" not in page.text.replace("Signed in as <b>", "")
    page = await admin.get("/audit?type=experiment.changed&actor=admin")
    assert "Number 0" in page.words and "Number 1" not in page.words
    assert "No matching entries" in (await admin.get("/audit?actor=nobody")).words
    assert (await admin.get("/audit?type=nothing")).status == 422


@sqlite_only
async def test_admins_alone_are_led_there(bot: Bot) -> None:
    admin = await Browser.sign_in(bot)
    assert 'href="/audit"' in (await admin.get("/experiments")).text
    for role in ("developer", "viewer"):
        browser = await Browser.sign_in(bot, token=await new_token(bot, role))
        assert 'href="/audit"' not in (await browser.get("/experiments")).text
        assert (await browser.get("/audit")).status == 403
    assert (await Browser(bot).get("/audit", follow=False)).status == 303
