"""The form of /setup: who gets it, and the manifest in it."""

import dataclasses
import re
from urllib.parse import unquote, urlencode

import pytest
import yaml

from bot import storage as store
from bot.github import manifest
from bot.settings import Settings
from tests.dashboard.setup.visit import (
    CODE,
    PUBLIC_URL,
    add_token,
    begun,
    called_back,
    form_of,
    id_in,
    page,
    signed_in,
    stored,
)
from tests.github import CONVERT, GitHub
from tests.kit.marks import sqlite_only
from tests.kit.running import ADMIN_TOKEN, Bot, start

# --- Signing in


@sqlite_only
async def test_without_a_session_the_page_leads_to_the_sign_in(bot: Bot) -> None:
    answer = await page(bot, "/setup?name=x")
    assert answer.status == 303
    assert answer.headers["Location"] == "/sign-in?next=%2Fsetup%3Fname%3Dx"


@sqlite_only
async def test_an_admin_who_is_signed_in_gets_the_form(bot: Bot) -> None:
    shown = await page(bot, cookie=await signed_in(bot))
    form_of(shown)
    assert ADMIN_TOKEN not in shown.body


@sqlite_only
@pytest.mark.parametrize("role", ["viewer", "developer"])
async def test_only_an_admin_may(bot: Bot, role: str) -> None:
    secret = await add_token(bot, role)
    answer = await page(bot, cookie=await signed_in(bot, secret))
    assert answer.status == 403 and role in answer.body and "manifest" not in answer.body
    assert (await page(bot, token=secret)).status == 403
    assert (await page(bot, token="wrong")).status == 401


async def test_a_revoked_token_ends_its_session_and_its_registrations(
    bot: Bot, github: GitHub
) -> None:
    secret = await add_token(bot, "admin")
    cookie = await signed_in(bot, secret)
    _, _, state = form_of(await page(bot, cookie=cookie))
    change = "UPDATE api_tokens SET revoked_at = 1 WHERE name = 'a admin'"
    await bot.services.database.write(lambda tx: tx.run(change))
    github.add_manifest_code(CODE)
    assert (await page(bot, cookie=cookie)).status == 303
    answer = await called_back(bot, state)
    assert answer.status == 400 and "revoked" in answer.body
    assert not github.calls(CONVERT) and not await stored(bot)


# --- The form


@sqlite_only
async def test_the_manifest_is_app_yml_with_the_addresses(bot: Bot) -> None:
    _, completed, _ = await begun(bot)
    template = yaml.safe_load(manifest.path().read_text())
    assert completed == {
        **template,
        "name": "experiment-bot-bot-example",
        "url": PUBLIC_URL,
        "hook_attributes": {
            "url": f"{PUBLIC_URL}/api/v1/integrations/{id_in(completed)}/webhook/github",
            "active": True,
        },
        "redirect_url": f"{PUBLIC_URL}/setup/callback",
        "callback_urls": [f"{PUBLIC_URL}/sign-in/github/callback"],
        "public": False,
    }
    _, again, _ = await begun(bot, "?name=Our%20%3Cbot%3E")
    assert again["name"] == "Our <bot>" and id_in(again) != id_in(completed)


@sqlite_only
async def test_who_is_a_member_is_only_asked_where_members_may_sign_in(settings: Settings) -> None:
    bot = await start(dataclasses.replace(settings, sign_in_organizations=("acme",)))
    _, completed, _ = await begun(bot)
    template = yaml.safe_load(manifest.path().read_text())
    permissions = {**template["default_permissions"], "members": "read"}
    assert completed["default_permissions"] == permissions
    await bot.close()


@pytest.mark.parametrize(
    ("public_url", "name"),
    [
        ("http://localhost:8000", "experiment-bot"),
        ("https://203.0.113.9:8443", "experiment-bot-203-0-113-9"),
        ("https://bot.engineering.example.com/x", "experiment-bot-bot-engineering-exa"),
        ("https://engineering-bots.example", "experiment-bot-engineering-bots-ex"),
        ("https://engineering-robots.example", "experiment-bot-engineering-robots"),
    ],
)
def test_an_app_has_a_name_of_its_own(public_url: str, name: str) -> None:
    assert manifest.default_name(manifest.read(), public_url) == name
    assert len(name) <= manifest.MAX_NAME


@sqlite_only
async def test_the_form_goes_to_the_chosen_github(settings: Settings) -> None:
    urls = {
        "https://api.github.com": "https://github.com",
        "https://git.example/api/v3": "https://git.example",
        "https://api.acme.ghe.com": "https://acme.ghe.com",
        "http://127.0.0.1:9": "http://127.0.0.1:9",
    }
    bot = await start(dataclasses.replace(settings, github_api_urls=tuple(urls)))
    for api_url, web in urls.items():
        query = urlencode({"api_url": api_url})
        action, _, _ = await begun(bot, f"?{query}")
        assert action == f"{web}/settings/apps/new"
        shown = await page(bot, f"/setup?{query}&organization=acme-2", token=ADMIN_TOKEN)
        assert form_of(shown)[0] == f"{web}/organizations/acme-2/settings/apps/new"
        assert f"form-action 'self' {web};" in shown.headers["Content-Security-Policy"]
        assert f'<option value="{api_url}" selected>{web}</option>' in shown.body
    assert (await begun(bot))[0] == "https://github.com/settings/apps/new"
    await bot.close()


@sqlite_only
async def test_a_single_github_needs_no_choice(bot: Bot) -> None:
    shown = await page(bot, token=ADMIN_TOKEN)
    assert "<select" not in shown.body and 'id="organization"' in shown.body


@sqlite_only
@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("organization=acme%2Fshop", "organisation"),
        ("organization=" + "a" * 40, "organisation"),
        ("api_url=https%3A%2F%2Fevil.example", "GITHUB_API_URLS"),
        ("name=" + "a" * 35, "name"),
        ("name=a%01b", "name"),
    ],
)
async def test_what_cannot_be_is_explained(bot: Bot, query: str, word: str) -> None:
    answer = await page(bot, f"/setup?{query}", token=ADMIN_TOKEN)
    assert answer.status == 422 and word in answer.body
    assert 'name="manifest"' not in answer.body and "evil" not in answer.body
    name, _, typed = query.partition("=")
    if name != "api_url":  # which is chosen from a list
        assert f'value="{unquote(typed)}"' in answer.body, "what was typed is there to be corrected"


@sqlite_only
async def test_every_page_is_locked_down(bot: Bot) -> None:
    cookie = await signed_in(bot)
    for path, referrer in (("/setup", "same-origin"), ("/setup/callback", "no-referrer")):
        answer = await page(bot, path, cookie=cookie)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == referrer


@sqlite_only
@pytest.mark.parametrize(
    ("public_url", "is_local"),
    [
        ("http://localhost:8000", True),
        ("http://127.0.0.1:8000", True),
        ("http://[::1]:8000", True),
        ("http://0.0.0.0", True),
        ("https://bot.example", False),
        ("https://203.0.113.9", False),
    ],
)
async def test_a_local_public_url_is_warned_of(
    settings: Settings, public_url: str, is_local: bool
) -> None:
    bot = await start(dataclasses.replace(settings, public_url=public_url))
    shown = await page(bot, token=ADMIN_TOKEN)
    assert ("GitHub cannot reach this address" in shown.body) is is_local
    await bot.close()


def test_app_yml_asks_for_the_least_and_says_why() -> None:
    template = manifest.read()
    assert template["default_permissions"] == {
        "metadata": "read",
        "contents": "read",
        "pull_requests": "write",
        "issues": "write",
        "checks": "write",
        "merge_queues": "read",
        "deployments": "read",
    }
    assert len(template["name"]) <= manifest.MAX_NAME
    lines = manifest.path().read_text().splitlines()
    wanted = [f"{name}: {level}" for name, level in template["default_permissions"].items()]
    wanted += [f"- {event}" for event in template["default_events"]]
    for asked in wanted:
        (line,) = [one for one in lines if re.match(rf"\s+{re.escape(asked)}\s", one)]
        assert len(line.partition("#")[2].split()) >= 4, line


@sqlite_only
async def test_a_derived_key_serves_one_purpose(bot: Bot) -> None:
    vault = bot.services.vault
    assert len(vault.derive("one")) == 32
    assert vault.derive("one") == vault.derive("one") != vault.derive("two")
    with pytest.raises(store.VaultError):
        vault.open("gAAAAA", "one")
