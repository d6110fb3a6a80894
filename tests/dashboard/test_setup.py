"""Setting the GitHub App up: post the manifest, take GitHub's answer, go and install."""

import asyncio
import dataclasses
import html
import io
import json
import logging
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import pytest
import structlog
import yaml

from bot import log, times
from bot import storage as store
from bot.demo import payloads
from bot.github import manifest
from bot.settings import Settings
from tests.github import CONVERT, Fault, GitHub, rsa_key
from tests.kit.running import ADMIN_TOKEN, Answer, Bot, start

# What does not touch the database in a way of its own is tried on one engine alone.
one_engine = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
PUBLIC_URL = "https://bot.example"
CODE = "a180b1a3d263c81bc6441d7b990bae27d4c10679"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
INTEGRATIONS = "/api/v1/integrations"


@pytest.fixture
async def github() -> AsyncIterator[GitHub]:
    running = await GitHub.start(prefix="/api/v3")
    yield running
    await running.close()


@pytest.fixture
async def bot(settings: Settings, github: GitHub) -> AsyncIterator[Bot]:
    running = await start(
        dataclasses.replace(settings, github_api_urls=(github.url,), public_url=PUBLIC_URL)
    )
    yield running
    await running.close()


@pytest.fixture
def log_stream() -> Iterator[io.StringIO]:
    """All that the service logs."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    log.configure("debug", "json", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


async def page(bot: Bot, path: str = "/setup", cookie: str | None = None, **options: Any) -> Answer:
    headers = {**({"Cookie": cookie} if cookie else {}), **options.pop("headers", {})}
    token = options.pop("token", None)
    return await bot.request(
        options.pop("method", "GET"),
        path,
        token=token,
        headers=headers,
        allow_redirects=False,
        **options,
    )


async def post(bot: Bot, path: str, cookie: str | None = None, **fields: str) -> Answer:
    return await page(bot, path, cookie, method="POST", data=urlencode(fields), headers=FORM)


def cookie_of(answer: Answer) -> str:
    cookies = SimpleCookie(answer.headers["Set-Cookie"])
    ((name, morsel),) = cookies.items()
    return f"{name}={morsel.value}"


async def signed_in(bot: Bot, token: str = ADMIN_TOKEN) -> str:
    answer = await post(bot, "/sign-in", token=token, next="/setup")
    assert (answer.status, answer.headers["Location"]) == (303, "/setup")
    return cookie_of(answer)


async def add_token(bot: Bot, role: str) -> str:
    secret = store.new_token()
    await bot.services.database.write(
        lambda tx: store.tokens.add(
            tx, str(uuid.uuid4()), f"a {role}", role, store.hash_token(secret), times.now()
        )
    )
    return secret


def form_of(answer: Answer) -> tuple[str, dict[str, Any], str]:
    """Return where the page's form goes, the manifest in it and the state."""
    assert answer.status == 200, answer.body
    action = re.search(r'<form method="post" action="(http[^"]+)"', answer.body)
    value = re.search(r'name="manifest" value="([^"]+)"', answer.body)
    assert action and value
    address = html.unescape(action[1])
    (state,) = parse_qs(urlsplit(address).query)["state"]
    return address.partition("?")[0], json.loads(html.unescape(value[1])), state


async def begun(bot: Bot, query: str = "") -> tuple[str, dict[str, Any], str]:
    return form_of(await page(bot, f"/setup{query}", token=ADMIN_TOKEN))


async def called_back(bot: Bot, state: str, code: str = CODE) -> Answer:
    return await page(bot, f"/setup/callback?{urlencode({'code': code, 'state': state})}")


async def stored(bot: Bot) -> list[dict[str, Any]]:
    return (await bot.get(INTEGRATIONS)).items


def id_in(completed: dict[str, Any]) -> str:
    found = re.fullmatch(
        rf"{PUBLIC_URL}/api/v1/integrations/([0-9a-f-]{{36}})/webhook/github",
        completed["hook_attributes"]["url"],
    )
    assert found
    return found[1]


# --- Signing in


@one_engine
async def test_without_a_session_the_page_leads_to_the_sign_in(bot: Bot) -> None:
    answer = await page(bot, "/setup?name=x")
    assert answer.status == 303
    assert answer.headers["Location"] == "/sign-in?next=%2Fsetup%3Fname%3Dx"


@one_engine
async def test_an_admin_who_is_signed_in_gets_the_form(bot: Bot) -> None:
    shown = await page(bot, cookie=await signed_in(bot))
    form_of(shown)
    assert ADMIN_TOKEN not in shown.body


@one_engine
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
    await bot.services.database.write(lambda tx: store.tokens.revoke(tx, "a admin", times.now()))
    github.add_manifest_code(CODE)
    assert (await page(bot, cookie=cookie)).status == 303
    answer = await called_back(bot, state)
    assert answer.status == 400 and "revoked" in answer.body
    assert not github.calls(CONVERT) and not await stored(bot)


# --- The form


@one_engine
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


@one_engine
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


@one_engine
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


@one_engine
async def test_a_single_github_needs_no_choice(bot: Bot) -> None:
    shown = await page(bot, token=ADMIN_TOKEN)
    assert "<select" not in shown.body and 'id="organization"' in shown.body


@one_engine
@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("organization=acme%2Fshop", "organisation"),
        ("organization=" + "a" * 40, "organisation"),
        ("api_url=https%3A%2F%2Fevil.example", "GITHUB_API_URLS"),
        ("name=" + "a" * 35, "name"),
        ("name=a%00b", "name"),
    ],
)
async def test_what_cannot_be_is_explained(bot: Bot, query: str, word: str) -> None:
    answer = await page(bot, f"/setup?{query}", token=ADMIN_TOKEN)
    assert answer.status == 422 and word in answer.body
    assert 'name="manifest"' not in answer.body and "evil" not in answer.body
    name, _, typed = query.partition("=")
    if name != "api_url":  # which is chosen from a list
        assert f'value="{unquote(typed)}"' in answer.body, "what was typed is there to be corrected"


@one_engine
async def test_every_page_is_locked_down(bot: Bot) -> None:
    cookie = await signed_in(bot)
    for path, referrer in (("/setup", "same-origin"), ("/setup/callback", "no-referrer")):
        answer = await page(bot, path, cookie=cookie)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == referrer


@one_engine
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


# --- GitHub's answer


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


@one_engine
async def test_what_belongs_to_the_app_is_kept_as_long_as_it_is_that_app(
    bot: Bot, github: GitHub
) -> None:
    names = {"client_id", "client_secret", "slug", "html_url"}

    async def kept(identifier: str) -> set[str]:
        sql = "SELECT config, secrets FROM integrations WHERE id = :id"
        row = await bot.services.database.read(lambda tx: tx.one(sql, {"id": identifier}))
        assert row is not None and "client_secret" not in row["config"]
        config, opened = json.loads(row["config"]), bot.services.vault.open(row["secrets"])
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


@one_engine
async def test_a_state_that_is_not_ours_is_refused(bot: Bot, github: GitHub) -> None:
    github.add_manifest_code(CODE)
    _, _, state = await begun(bot)
    vault = bot.services.vault
    opened = vault.open(state)
    past = str(times.now() - 1)
    forged = [
        "",
        "é",
        "nonsense",
        f"{state[:-8]}AAAAAAA=",
        vault.seal({"webhook_secret": "of an integration"}),
        vault.seal({**opened, "purpose": "another"}),
        vault.seal({**opened, "until": past}),
        vault.seal({**opened, "api_url": "https://evil.example"}),
    ]
    for one in forged:
        answer = await called_back(bot, one)
        assert answer.status == 400 and "Start again" in answer.body, one
    for code in ("", "../../user", "a" * 300):
        assert (await called_back(bot, state, code)).status == 400
    assert not github.calls() and not await stored(bot)


@one_engine
async def test_a_code_that_github_does_not_know_stores_nothing(bot: Bot) -> None:
    _, _, state = await begun(bot)
    answer = await called_back(bot, state)
    assert answer.status == 502 and "does not know the code" in answer.body
    assert answer.headers["Content-Type"].startswith("text/html")
    assert not await stored(bot)


@one_engine
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


@one_engine
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


@one_engine
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


@one_engine
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


# --- app.yml and the vault


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


@one_engine
async def test_a_derived_key_serves_one_purpose(bot: Bot) -> None:
    vault = bot.services.vault
    assert len(vault.derive("one")) == 32
    assert vault.derive("one") == vault.derive("one") != vault.derive("two")
    with pytest.raises(store.VaultError):
        vault.open("gAAAAA")
