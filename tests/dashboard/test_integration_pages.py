"""Integrations at a glance, who may see what, and that no page tells a secret."""

import io

from bot.api.integrations import PATH
from bot.demo import payloads
from bot.settings import Settings
from tests.dashboard.integrations import FORM, HOSTILE, OWN, PING, TOKEN, copied, stored
from tests.github import rsa_key
from tests.kit import outbound
from tests.kit.breakage import failing
from tests.kit.browsing import Browser
from tests.kit.clock import Clock
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import Scene
from tests.kit.running import ADMIN_TOKEN, SECRET, Bot

pytestmark = sqlite_only


# --- At a glance


async def test_without_integrations_the_list_says_what_to_do(bot: Bot) -> None:
    admin = await Browser.sign_in(bot)
    page = await admin.get("/integrations")
    assert "No integrations yet" in page.words
    assert 'href="/setup"' in page.text
    assert 'href="/integrations/new"' in page.text
    developer = await Browser.sign_in(bot, "developer")
    page = await developer.get("/integrations")
    assert "requires the admin role" in page.words
    assert 'href="/integrations/new"' not in page.text


async def test_health_at_a_glance(bot: Bot) -> None:
    integration = await bot.integration(name="Acme", config={"repositories": ["acme/shop"]})
    browser = await Browser.sign_in(bot, "developer")
    for path in ("/integrations", f"/integrations/{integration}"):
        page = await browser.get(path)
        assert "Last delivery None yet" in page.words
        assert "Failed deliveries None in the last 7 days" in page.words
        assert "Outbox Empty" in page.words
        assert "API rate limit unknown" in page.words
    repository = payloads.repository("acme/shop")
    await bot.experiment("checkout")
    opened = payloads.pull_request(
        "opened", 7, "2026-03-02T10:00:00Z", repo=repository, body="experiment_key: checkout"
    )
    await bot.deliver(integration, "pull_request", opened)
    bot.services.metrics.rate_limit_remaining.labels(f"{integration} token", "core").set(4321)
    for path in ("/integrations", f"/integrations/{integration}"):
        page = await browser.get(path)
        assert "Last delivery just now" in page.words
        assert "Outbox 1 pending" in page.words
        assert "4,321 left core" in page.words
    page = await browser.get("/integrations")
    assert "acme/shop" in page.words
    assert (await browser.get("/integrations?cursor=rubbish")).status == 422


async def test_failures_show_with_their_error(bot: Bot) -> None:
    integration = await bot.integration()
    with failing(f"no sense in jane@example.com's {HOSTILE}"):
        assert (await bot.deliver(integration, "ping", PING)).status == 202
    browser = await Browser.sign_in(bot, "developer")
    for path in ("/integrations", f"/integrations/{integration}"):
        page = await browser.get(path)
        assert "1 retrying" in page.words
        assert f"/integrations/{integration}/deliveries?status=retrying" in page.text
        assert "no sense in" in page.words
        assert "jane@example.com" not in page.text
        assert "<script>alert" not in page.text


async def test_what_belongs_to_another_integration_is_not_counted(scene: Scene) -> None:
    other = await scene.bot.integration(name="Other")
    await scene.bot.experiment("checkout")
    await scene.open("experiment_key: checkout")
    browser = await Browser.sign_in(scene.bot)
    assert "Outbox 1 pending" in (await browser.get(f"/integrations/{scene.integration}")).words
    assert "Outbox Empty" in (await browser.get(f"/integrations/{other}")).words
    await scene.work()
    page = await browser.get(f"/integrations/{scene.integration}")
    assert "Outbox Empty" in page.words
    assert "API rate limit unknown" not in page.words  # GitHub told of its limit meanwhile


# --- Who may


async def test_each_role_sees_what_it_may(bot: Bot) -> None:
    integration = await bot.integration()
    here = f"/integrations/{integration}"
    viewer = await Browser.sign_in(bot, "viewer")
    developer = await Browser.sign_in(bot, "developer")
    for path in ("/integrations", here, "/integrations/new", f"{here}/edit", f"{here}/rotate"):
        assert (await viewer.get(path)).status == 403
        for_developers = path in ("/integrations", here)
        assert (await developer.get(path)).status == (200 if for_developers else 403)
    page = await developer.get(here)
    for way in ("/edit", "/rotate", "/delete"):
        assert f"{here}{way}" not in page.text
    assert (await viewer.post(f"{here}/check")).status == 403
    assert (await developer.post(f"{here}/check")).status == 200
    for path in ("/integrations/new", *(f"{here}/{way}" for way in _WAYS)):
        assert (await developer.post(path, FORM)).status == 403
    assert (await stored(bot, integration))["name"] == "Tests"


_WAYS = ("edit", "rotate", "rotate/finish", "delete")


async def test_forms_of_other_pages_are_refused(bot: Bot) -> None:
    integration = await bot.integration()
    admin = await Browser.sign_in(bot)
    for path in ("new", *(f"{integration}/{way}" for way in (*_WAYS, "check"))):
        page = await admin.post(f"/integrations/{path}", {**FORM, "csrf": "x" * 32})
        assert page.status == 403
    assert len((await bot.get(PATH)).items) == 1


async def test_there_is_no_page_of_what_is_not_there(bot: Bot) -> None:
    admin = await Browser.sign_in(bot)
    nowhere = "/integrations/00000000-0000-4000-8000-000000000000"
    for path in ("", "/edit", "/rotate", "/deliveries"):
        assert (await admin.get(nowhere + path)).status == 404
    for path in ("/edit", "/rotate", "/rotate/finish", "/check", "/delete", "/deliveries/replay"):
        assert (await admin.post(nowhere + path, FORM)).status == 404


# --- The doctor


async def test_the_doctor_tells_what_to_do(scene: Scene) -> None:
    developer = await Browser.sign_in(scene.bot, "developer")
    here = f"/integrations/{scene.integration}"
    page = await developer.post(f"{here}/check")
    assert page.status == 200
    answer = await scene.bot.post(f"{PATH}/{scene.integration}/check")
    for finding in answer.body["findings"]:
        assert finding["check"].replace("_", " ").capitalize() in page.words
        if finding["remedy"]:
            assert f"What to do: {finding['remedy']}" in page.words
    page = await developer.get(f"{here}/check")  # as by loading the answer again
    assert page.path == here


@token_only
async def test_the_doctor_without_github(scene: Scene) -> None:
    await scene.github.close()
    developer = await Browser.sign_in(scene.bot, "developer")
    page = await developer.post(f"/integrations/{scene.integration}/check")
    assert page.status == 200
    assert "problem" in page.words
    assert "What to do:" in page.words


# --- Secrets


async def test_no_page_and_no_log_tells_a_secret(
    settings: Settings, clock: Clock, log_stream: io.StringIO
) -> None:
    """Those of both kinds of credentials, through every form and page, well and badly filled."""
    scene = await outbound.scene(settings, "token", clock)
    bot = scene.bot
    try:
        admin = await Browser.sign_in(bot)
        key = rsa_key()
        good = {**FORM, "config.token": TOKEN, "config.webhook_secret": OWN}
        app = {**good, "auth": "app", "config.app_id": "5", "config.private_key": key}
        seen = []
        for form in (good, app, {**good, "name": ""}, {**app, "config.app_id": "x"}):
            seen.append(await admin.post("/integrations/new", form))
        for item in (await bot.get(PATH)).items:
            here = f"/integrations/{item['id']}"
            await bot.deliver(item["id"], "ping", PING, secret=OWN)
            for way in ("", "/edit", "/rotate", "/deliveries"):
                seen.append(await admin.get(here + way))
            seen.append(await admin.post(f"{here}/check"))
            seen.append(await admin.post(f"{here}/edit", {**app, "name": ""}))
            seen.append(
                await admin.post(f"{here}/rotate", {"how": "own", "config.webhook_secret": OWN})
            )
        seen += [await admin.get("/integrations"), await admin.get("/outbox")]
        made = copied(
            (
                await admin.post(
                    "/integrations/new", {**FORM, "config.token": TOKEN, "generate": "x"}
                )
            ).text,
            "the webhook secret",
        )
    finally:
        await outbound.close(scene)
    lines = key.strip().splitlines()[1:-1]
    texts = {"log": log_stream.getvalue(), **{page.path: page.text for page in seen}}
    assert all(texts.values())
    secrets = (TOKEN, OWN, SECRET, outbound.TOKEN, ADMIN_TOKEN, made, *lines)
    assert {(name, one) for name in texts for one in secrets if one in texts[name]} == set()
