"""GitHub's answer: the App is stored once, under the id in its webhook's address, or not at all."""

import asyncio
import dataclasses
import io
import json
import uuid
from typing import Any

import pytest

from bot import storage as store
from bot import times
from bot.demo import payloads
from bot.settings import Settings
from tests.api.auditing import audit
from tests.dashboard.setup.visit import (
    CODE,
    INTEGRATIONS,
    PUBLIC_URL,
    back_in,
    begun,
    called_back,
    form_of,
    id_in,
    page,
    signed_in,
    stored,
)
from tests.github import CONVERT, Fault, GitHub, rsa_key
from tests.kit.marks import sqlite_only
from tests.kit.running import ADMIN_TOKEN, Bot, start


async def test_an_app_is_stored_under_the_id_in_its_webhook_url(
    bot: Bot, github: GitHub, log_stream: io.StringIO
) -> None:
    github.add_manifest_code(CODE, name="Our bot", webhook_secret="a-secret-that-github-made")
    _, completed, state = await begun(bot)
    answer = await called_back(bot, state)
    assert answer.status == 303, answer.body
    assert answer.headers["Location"] == f"{github.web_url}/apps/our-bot/installations/new"
    assert answer.headers["Cache-Control"] == "no-store"

    (one,) = await stored(bot)
    assert one["id"] == id_in(completed) and one["name"] == "Our bot" and one["is_active"]
    assert one["webhook_url"] == completed["hook_attributes"]["url"]
    config = one["config"]
    (app,) = github.apps.values()
    assert (config["auth"], config["app_id"], config["api_url"]) == ("app", app.id, github.url)
    assert config["private_key"] == config["webhook_secret"] == "********"
    opened = await bot.services.integration(one["id"], fresh=True)
    assert opened is not None and opened.private_key == app.key

    ping = payloads.ping(1, "2026-03-02T10:00:00Z")
    good = await bot.deliver(one["id"], "ping", ping, secret="a-secret-that-github-made")
    assert 200 <= good.status < 300, good.body
    assert (await bot.deliver(one["id"], "ping", ping, secret="another secret")).status == 401

    (call,) = github.calls(CONVERT)
    assert "authorization" not in {name.lower() for name in call.headers}
    logged = log_stream.getvalue()
    assert "integration created" in logged
    key_line = app.key.splitlines()[1]
    for secret in (ADMIN_TOKEN, CODE, "a-secret-that-github-made", key_line, state):
        assert secret not in logged


@pytest.mark.parametrize("kind", ["token", "session"])
async def test_the_audit_tells_who_has_set_an_app_up(bot: Bot, github: GitHub, kind: str) -> None:
    """It is told by whom it was begun, with none of what GitHub handed out."""
    github.add_manifest_code(CODE, name="Our bot", webhook_secret="a-secret-that-github-made")
    _, completed, state = await begun(bot)
    if kind == "session":
        _, completed, state = form_of(await page(bot, cookie=await signed_in(bot)))
    for status in (303, 200):
        assert (await called_back(bot, state)).status == status
    (row,) = await audit(bot, "?type=integration.created")
    assert row["target"] == {"kind": "integration", "id": id_in(completed), "name": "Our bot"}
    assert (row["actor"]["kind"], row["actor"]["name"]) == (kind, "admin")
    config = row["after"]["config"]
    assert config["private_key"] == config["webhook_secret"] == config["client_secret"]
    (app,) = github.apps.values()
    shown = str(row)
    assert "a-secret-that-github-made" not in shown and app.key.splitlines()[1] not in shown


async def test_a_registration_is_completed_once(bot: Bot, github: GitHub) -> None:
    github.add_manifest_code(CODE)
    github.add_manifest_code("another-code")
    _, completed, state = await begun(bot, "?organization=acme")
    assert (await called_back(bot, state)).status == 303
    for _ in range(2):
        answer = await called_back(bot, state, "another-code")
        assert answer.status == 200 and id_in(completed) in answer.body
        assert f"{github.web_url}/organizations/acme/settings/apps" in answer.body
        assert f'href="{github.web_url}/apps/experiment-bot/installations/new"' in answer.body
    assert len(github.calls(CONVERT)) == 1 and len(await stored(bot)) == 1
    assert (await bot.delete(f"{INTEGRATIONS}/{id_in(completed)}")).status == 204
    answer = await called_back(bot, state, "another-code")
    assert answer.status == 400 and "deleted" in answer.body
    assert len(github.calls(CONVERT)) == 1 and not await stored(bot)


async def test_a_page_that_is_loaded_twice_at_once_spends_one_code(
    bot: Bot, github: GitHub
) -> None:
    github.add_manifest_code(CODE)
    _, _, state = await begun(bot)
    answers = await asyncio.gather(*(called_back(bot, state) for _ in range(3)))
    assert sorted(one.status for one in answers) == [200, 200, 303]
    assert len(github.calls(CONVERT)) == 1 and len(await stored(bot)) == 1


@sqlite_only
async def test_what_belongs_to_the_app_is_kept_as_long_as_it_is_that_app(
    bot: Bot, github: GitHub
) -> None:
    names = {"client_id", "client_secret", "slug", "html_url"}

    async def kept(identifier: str) -> set[str]:
        sql = "SELECT config, secrets FROM integrations WHERE id = :id"
        row = await bot.services.database.read(lambda tx: tx.one(sql, {"id": identifier}))
        assert row is not None and "client_secret" not in row["config"]
        about = store.integrations.about(identifier)
        config, opened = json.loads(row["config"]), bot.services.vault.open(row["secrets"], about)
        return {name for name in names if name in config or name in opened}

    app_config = {"webhook_secret": "0123456789abcdef", "private_key": rsa_key()}
    for change, remain in (
        ({"webhook_secret": "another-secret-of-this-one"}, names),
        ({"private_key": rsa_key()}, names),
        ({"app_id": 77, **app_config}, set[str]()),
        ({"token": "ghp_of_somebody"}, set[str]()),
    ):
        code = uuid.uuid4().hex
        github.add_manifest_code(code, name="Our bot", client_secret="a-clients-secret")
        _, completed, state = await begun(bot)
        assert (await called_back(bot, state, code)).status == 303
        identifier = id_in(completed)
        assert await kept(identifier) == names
        shown = await bot.get(f"{INTEGRATIONS}/{identifier}")
        assert not names & shown.body["config"].keys() and "a-clients" not in str(shown.body)
        changed = await bot.patch(f"{INTEGRATIONS}/{identifier}", {"config": change})
        assert changed.status == 200, changed.body
        assert await kept(identifier) == remain
    refused = await bot.patch(
        f"{INTEGRATIONS}/{identifier}", {"config": {"client_secret": "a-new-one"}}
    )
    assert refused.status == 422


@sqlite_only
async def test_a_state_that_is_not_ours_is_refused(bot: Bot, github: GitHub) -> None:
    github.add_manifest_code(CODE)
    _, _, state = await begun(bot)
    vault, about = bot.services.vault, "registration"
    opened = vault.open(state, about)
    past = str(times.now() - 1)
    forged = [
        "",
        "é",
        "nonsense",
        f"{state[:-8]}AAAAAAA=",
        vault.seal({"webhook_secret": "of an integration"}, about),
        vault.seal(opened, "notice"),
        vault.seal({**opened, "until": past}, about),
        vault.seal({**opened, "api_url": "https://evil.example"}, about),
        vault.seal({**opened, "browser": "another"}, about),
    ]
    for one in forged:
        answer = await back_in(bot, state.cookie, one)
        assert answer.status == 400 and "Start again" in answer.body, one
    for code in ("", "../../user", "a" * 300):
        assert (await called_back(bot, state, code)).status == 400
    assert not github.calls() and not await stored(bot)


@sqlite_only
async def test_another_browser_than_the_one_that_began_stores_nothing(
    bot: Bot, github: GitHub
) -> None:
    """Nobody can have an admin's browser store an App of theirs, nor store an admin's."""
    github.add_manifest_code(CODE)
    _, _, state = await begun(bot)
    _, _, of_another = await begun(bot)
    assert state.cookie and state.cookie.startswith("__Host-experiment_bot_setup=")
    for cookie in (None, of_another.cookie, "__Host-experiment_bot_setup=made-up"):
        answer = await back_in(bot, cookie, state)
        assert answer.status == 400 and "not started in this browser" in answer.body
    assert not github.calls() and not await stored(bot)
    assert (await called_back(bot, state)).status == 303


@sqlite_only
async def test_a_browser_may_have_the_form_in_several_tabs(bot: Bot, github: GitHub) -> None:
    github.add_manifest_code(CODE)
    github.add_manifest_code("another-code")
    _, _, first = await begun(bot)
    shown = await page(bot, "/setup", first.cookie, token=ADMIN_TOKEN)
    _, _, second = form_of(shown)
    assert (await back_in(bot, second.cookie, first)).status == 303
    assert (await back_in(bot, second.cookie, second, "another-code")).status == 303
    assert len(await stored(bot)) == 2


@sqlite_only
async def test_a_code_that_github_does_not_know_stores_nothing(bot: Bot) -> None:
    _, _, state = await begun(bot)
    answer = await called_back(bot, state)
    assert answer.status == 502 and "does not know the code" in answer.body
    assert answer.headers["Content-Type"].startswith("text/html")
    assert not await stored(bot)


@sqlite_only
@pytest.mark.parametrize("kind", ["status", "drop_before", "garbage"])
async def test_after_a_failure_of_github_it_can_be_tried_again(
    bot: Bot, github: GitHub, kind: str
) -> None:
    github.add_manifest_code(CODE)
    _, _, state = await begun(bot)
    github.fail(Fault(kind, template=CONVERT, times=None, status=500))
    answer = await called_back(bot, state)
    assert answer.status in (502, 503) and not await stored(bot)
    assert "othing was stored" in answer.body
    github.heal()
    github.add_manifest_code(CODE)
    assert (await called_back(bot, state)).status == 303
    assert len(await stored(bot)) == 1


@sqlite_only
@pytest.mark.parametrize(
    "extra",
    [{"webhook_secret": None}, {"pem": ""}, {"id": "one"}, {"pem": "no key"}],
    ids=["no secret", "no key", "no id", "a key that is none"],
)
async def test_an_incomplete_answer_is_explained(
    bot: Bot, github: GitHub, extra: dict[str, Any]
) -> None:
    _, _, state = await begun(bot)
    github.fail(
        Fault(
            "status",
            template=CONVERT,
            status=201,
            body={
                "id": 7,
                "name": "Our bot",
                "pem": "-----BEGIN",
                "webhook_secret": "0123456789abcdef",
                **extra,
            },
        )
    )
    answer = await called_back(bot, state)
    assert answer.status == 502 and "elete the App" in answer.body
    assert "0123456789abcdef" not in answer.body and not await stored(bot)


@sqlite_only
async def test_an_api_behind_a_proxy_leads_on_to_github_com(settings: Settings) -> None:
    github = await GitHub.start()
    bot = await start(
        dataclasses.replace(settings, github_api_urls=(github.url,), public_url=PUBLIC_URL)
    )
    github.add_manifest_code(CODE)
    _, _, state = await begun(bot)
    answer = await called_back(bot, state)
    expected = "https://github.com/apps/experiment-bot/installations/new"
    assert (answer.status, answer.headers["Location"]) == (303, expected)
    await bot.close()
    await github.close()


@sqlite_only
@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/apps/bot",
        "https://github.com.evil.example/apps/bot",
        "javascript:alert(1)",
        "",
        None,
    ],
)
async def test_nobody_is_sent_elsewhere(bot: Bot, github: GitHub, address: str | None) -> None:
    github.add_manifest_code(CODE, html_url=address or "")
    _, _, state = await begun(bot)
    answer = await called_back(bot, state)
    assert answer.status == 200 and "by hand" in answer.body and "evil" not in answer.body
    assert len(await stored(bot)) == 1
