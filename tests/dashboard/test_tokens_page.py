"""`/tokens`: a token is shown once, works, and is revoked with the sessions that it began."""

import re

import pytest

from tests.kit.browsing import Browser
from tests.kit.marks import sqlite_only
from tests.kit.running import ADMIN_TOKEN, Bot

pytestmark = sqlite_only


async def test_a_token_is_created_used_and_revoked(bot: Bot) -> None:
    admin = await Browser.sign_in(bot)
    made = await admin.post("/tokens", {"name": "Ana's laptop", "role": "viewer"})
    (secret,) = re.findall(r"<code tabindex=\"0\">(xbot_[^<]+)</code>", made.text)
    assert secret not in (await admin.get("/tokens")).text
    assert (await bot.get("/api/v1/experiments", token=secret)).status == 200
    answer = await bot.post("/api/v1/experiments", {"key": "k", "name": "K"}, token=secret)
    assert answer.status == 403
    viewer = await Browser.sign_in(bot, token=secret)
    page = await admin.get("/tokens")
    assert "Ana's laptop" in page.words and "(yours)" in page.words
    (token_id,) = re.findall(
        r'revoke-([0-9a-f-]{36})">\s*<summary>Revoke<span[^>]*> Ana', page.text
    )
    page = await admin.post(f"/tokens/{token_id}/revoke")
    assert page.status == 200 and "was revoked" in page.words
    assert (await viewer.get("/experiments", follow=False)).status == 303
    assert (await bot.get("/api/v1/experiments", token=secret)).status == 401
    assert (await admin.post(f"/tokens/{token_id}/revoke")).status == 404


async def test_revoking_ones_own_token_signs_out(bot: Bot) -> None:
    admin = await Browser.sign_in(bot)
    page = await admin.get("/tokens")
    (own,) = re.findall(r'revoke-([0-9a-f-]{36})"', page.text)
    assert "first start" in page.words
    page = await admin.post(f"/tokens/{own}/revoke")
    assert page.path.startswith("/sign-in")
    assert ADMIN_TOKEN not in page.text


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": "", "role": "viewer"}, "1 to 100"),
        ({"name": "x" * 101, "role": "viewer"}, "1 to 100"),
        ({"name": "a\x07b", "role": "viewer"}, "1 to 100"),
        ({"name": "ok", "role": "owner"}, "one of viewer"),
        ({}, "1 to 100"),
    ],
)
async def test_what_cannot_be(bot: Bot, fields: dict[str, str], reason: str) -> None:
    admin = await Browser.sign_in(bot)
    page = await admin.post("/tokens", fields)
    assert page.status == 422 and reason in page.words and "xbot_" not in page.text


@pytest.mark.parametrize("role", ["viewer", "developer"])
async def test_it_is_for_admins(bot: Bot, role: str) -> None:
    visitor = await Browser.sign_in(bot, role)
    assert (await visitor.get("/tokens")).status == 403
    page = await visitor.post("/tokens", {"name": "mine", "role": "admin"})
    assert page.status == 403 and "xbot_" not in page.text
    assert "Tokens" not in (await visitor.get("/experiments")).words
