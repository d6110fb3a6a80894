"""The pages of integrations: health, forms, the doctor, and the change of a webhook secret."""

import io
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from bot import log, times
from bot.api.integrations import PATH
from bot.demo import payloads
from bot.settings import Settings
from tests.github import rsa_key
from tests.kit import outbound
from tests.kit.browsing import Browser
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.running import ADMIN_TOKEN, SECRET, Bot

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

TOKEN = "ghp_hXq4tT9vKwPz1aBcD2eF3gH5iJ6kL7mN"
OWN = "a-secret-of-ones-own-0d9f8e7c"
PING = {"zen": "Z", "hook_id": 1}
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
FORM = {
    "auth": "token",
    "name": "Acme",
    "is_active": "yes",
    "config.comments": "on",
    "config.check": "on",
    "config.label": "experiment",
}


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that the service logs."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    log.configure("debug", "json", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


async def stored(bot: Bot, integration: str) -> dict[str, Any]:
    body: dict[str, Any] = (await bot.get(f"{PATH}/{integration}")).body
    return body


def copied(text: str, label: str) -> str:
    """Return what a page's button copies."""
    found = re.search(rf'data-copy="([^"]+)">Copy<span class="sr"> {label}', text)
    assert found is not None, text
    return found[1]


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
        assert "Outbox 3 pending" in page.words
        assert "4,321 left core" in page.words
    page = await browser.get("/integrations")
    assert "acme/shop" in page.words
    assert (await browser.get("/integrations?cursor=rubbish")).status == 422


def _failing(*args: Any, **options: Any) -> None:
    raise RuntimeError(f"no sense in jane@example.com's {HOSTILE}")


async def test_failures_show_with_their_error(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    integration = await bot.integration()
    monkeypatch.setattr("bot.handlers.dispatch.Dispatcher.run", _failing)
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
    assert "Outbox 3 pending" in (await browser.get(f"/integrations/{scene.integration}")).words
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


# --- Creating


async def test_create_with_a_token_and_a_secret_that_is_made_here(bot: Bot) -> None:
    admin = await Browser.sign_in(bot)
    form = await admin.get("/integrations/new")
    assert 'id="config.token" name="config.token" type="password" value=""' in form.text
    page = await admin.post(
        "/integrations/new",
        {
            **FORM,
            "description": "For the monorepo",
            "config.token": TOKEN,
            "generate": "yes",
            "config.comments": "once",
            "config.check": "required",
            "config.label": "",
            "config.repositories": "acme/shop\r\n\r\n acme-labs/*",
            "config.commands.status": "triage",
        },
    )
    assert page.status == 201
    secret = copied(page.text, "the webhook secret")
    assert len(secret) >= 32
    (integration,) = (await bot.get(PATH)).items
    assert copied(page.text, "the payload URL") == integration["webhook_url"]
    assert integration["name"] == "Acme"
    assert integration["description"] == "For the monorepo"
    assert integration["is_active"] is True
    config = integration["config"]
    assert config["repositories"] == ["acme/shop", "acme-labs/*"]
    assert (config["comments"], config["check"], config["label"]) == ("once", "required", None)
    assert config["commands"] == {"status": "triage"}
    assert (await bot.deliver(integration["id"], "ping", PING, secret=secret)).status == 200
    for path in ("", "/edit", "/rotate", "/deliveries"):
        again = await admin.get(f"/integrations/{integration['id']}{path}")
        assert again.status == 200
        assert secret not in again.text
        assert TOKEN not in again.text


async def test_create_with_an_app_and_a_secret_of_ones_own(bot: Bot) -> None:
    admin = await Browser.sign_in(bot)
    assert 'name="config.app_id"' in (await admin.get("/integrations/new?auth=app")).text
    app = {**FORM, "auth": "app", "config.app_id": "4242", "config.webhook_secret": OWN}
    for number, key in enumerate((rsa_key(), rsa_key().replace("\n", " "))):
        form = {**app, "config.private_key": key, "config.installation_id": "55", "is_active": ""}
        page = await admin.post("/integrations/new", form)
        assert page.status == 200
        assert "The integration was created" in page.words
        items = (await bot.get(PATH)).items
        assert len(items) == number + 1
        assert items[0]["config"]["app_id"] == 4242
        assert items[0]["config"]["installation_id"] == 55
        assert items[0]["is_active"] is False
        assert OWN not in page.text


BAD = [
    ({"name": ""}, "name", "is missing"),
    ({"name": "x" * 201}, "name", "must have at most 200 characters"),
    ({"config.token": ""}, "config.token", "is missing"),
    ({"config.token": "two words"}, "config.token", "wants printable ASCII"),
    ({"config.token": "********"}, "config.token", "is the mask"),
    ({"config.webhook_secret": ""}, "config.webhook_secret", "is missing"),
    (
        {"config.webhook_secret": "short"},
        "config.webhook_secret",
        "must have at least 16 characters",
    ),
    ({"generate": "yes", "name": ""}, "name", "is missing"),
    ({"config.repositories": "acme/shop\nacme"}, "config.repositories", "line 2 wants owner/name"),
    ({"config.label": "x" * 51}, "config.label", "must have at most 50 characters"),
    ({"config.api_url": "http://127.0.0.1:1"}, "config.api_url", "must be one of"),
    ({"auth": "app"}, "config.app_id", "is missing"),
    (
        {"auth": "app", "config.app_id": "5", "config.private_key": "no key"},
        "config.private_key",
        "wants an RSA private key",
    ),
    (
        {"auth": "app", "config.app_id": "five", "config.private_key": "no key"},
        "config.app_id",
        "must be a number",
    ),
]


@pytest.mark.parametrize(("wrong", "field", "message"), BAD)
async def test_what_is_wrong_is_said_at_its_field(
    bot: Bot, wrong: dict[str, str], field: str, message: str
) -> None:
    """The form comes back with what was typed, but shows no secret."""
    admin = await Browser.sign_in(bot)
    good = {"config.token": TOKEN, "config.webhook_secret": OWN, "description": f"D {HOSTILE}"}
    page = await admin.post("/integrations/new", {**FORM, **good, **wrong})
    assert page.status == 422
    assert re.search(rf'id="{re.escape(field)}-error">[^<]*{re.escape(message)}', page.text)
    for secret in (TOKEN, OWN, "no key", "two words", "********"):
        assert secret not in page.text
    assert "<script>alert" not in page.text
    assert "D &#34;&gt;&lt;script&gt;" in page.text
    assert (await bot.get(PATH)).items == []


def kept(text: str) -> dict[str, str]:
    """Return the hidden field of a refused form with the secrets that were typed into it."""
    found = re.search(r'<input type="hidden" name="kept" value="([^"]+)">', text)
    return {"kept": found[1]} if found else {}


@pytest.mark.parametrize("wrong", [{"name": ""}, {"config.webhook_secret": "short"}])
@pytest.mark.parametrize("auth", ["token", "app"])
async def test_what_was_typed_into_a_refused_form_is_not_typed_again(
    bot: Bot, wrong: dict[str, str], auth: str
) -> None:
    """Not even the secrets, though they are never shown."""
    admin = await Browser.sign_in(bot)
    secret = {"config.token": TOKEN} if auth == "token" else {"config.private_key": rsa_key()}
    form = {**FORM, "auth": auth, "config.app_id": "5", "description": "D", "is_active": ""}
    page = await admin.post(
        "/integrations/new", {**form, **secret, "config.webhook_secret": OWN, **wrong}
    )
    assert page.status == 422
    assert 'name="is_active" value="yes">' in page.text and 'value="D"' in page.text
    for text in (TOKEN, OWN, *rsa_key().splitlines()[1:3]):
        assert text not in page.text
    assert "What you entered was kept" in page.words
    (name,) = secret
    required = re.search(rf'<(?:input|textarea) id="{re.escape(name)}"[^>]*>', page.text)
    assert required is not None and " required" not in required[0]
    again = {**form, **{name: "" for name in secret}, **kept(page.text)}
    again["config.webhook_secret"] = OWN if "config.webhook_secret" in wrong else ""
    page = await admin.post("/integrations/new", again)
    assert page.status == 200, page.words
    (integration,) = (await bot.get(PATH)).items
    assert integration["config"]["auth"] == auth
    assert (await bot.patch(f"{PATH}/{integration['id']}", {"is_active": True})).status == 200
    assert (await bot.deliver(integration["id"], "ping", PING, secret=OWN)).status == 200
    opened = await bot.services.integration(integration["id"], fresh=True)
    assert opened is not None
    stored_secret = opened.token if auth == "token" else opened.private_key
    assert stored_secret.strip() == next(iter(secret.values())).strip()


async def test_what_is_kept_is_good_for_one_form_of_one_session(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, other = await Browser.sign_in(bot), await Browser.sign_in(bot)
    integration = await bot.integration()
    form = {**FORM, "config.token": TOKEN, "config.webhook_secret": OWN}
    page = await admin.post("/integrations/new", {**form, "name": ""})
    sealed = kept(page.text)
    empty = {**FORM, **sealed}
    assert (await other.post("/integrations/new", empty)).status == 422
    app = {**empty, "auth": "app"}
    assert (await admin.post(f"/integrations/{integration}/edit", app)).status == 422
    for broken in ("x", "\u00e9", sealed["kept"][:-3]):
        assert (await admin.post("/integrations/new", {**FORM, "kept": broken})).status == 422
    with monkeypatch.context() as patched:
        now = times.now() + 3601 * times.SECOND
        patched.setattr(times, "now", lambda: now)
        assert (await admin.post("/integrations/new", empty)).status == 422
    assert len((await bot.get(PATH)).items) == 1
    assert (await admin.post("/integrations/new", empty)).status == 200


async def test_a_new_token_of_a_refused_change_is_not_typed_again(bot: Bot) -> None:
    integration = await bot.integration()
    admin = await Browser.sign_in(bot)
    here = f"/integrations/{integration}/edit"
    page = await admin.post(here, {**FORM, "config.token": TOKEN, "config.label": "x" * 51})
    assert page.status == 422 and TOKEN not in page.text
    assert (await admin.post(here, {**FORM, **kept(page.text)})).status == 200
    opened = await bot.services.integration(integration, fresh=True)
    assert opened is not None and opened.token == TOKEN


async def test_a_secret_of_ones_own_is_taken_though_the_box_is_checked(bot: Bot) -> None:
    """The box is checked when the form is opened: who types a secret below means that secret."""
    admin = await Browser.sign_in(bot)
    form = {**FORM, "config.token": TOKEN, "config.webhook_secret": OWN, "generate": "yes"}
    page = await admin.post("/integrations/new", form)
    assert (page.status, "with the webhook secret that you entered" in page.words) == (200, True)
    (integration,) = (await bot.get(PATH)).items
    assert (await bot.deliver(integration["id"], "ping", PING, secret=OWN)).status == 200
    other = "another-secret-of-ones-own"
    page = await admin.post(
        f"/integrations/{integration['id']}/rotate",
        {"how": "generate", "config.webhook_secret": other},
    )
    assert "Your secret is stored." in page.words
    assert (await bot.deliver(integration["id"], "ping", PING, secret=other)).status == 200


async def test_who_checks_the_box_afterwards_gets_a_secret_made(bot: Bot) -> None:
    admin = await Browser.sign_in(bot)
    form = {**FORM, "config.token": TOKEN, "config.webhook_secret": OWN, "generate": "yes"}
    page = await admin.post("/integrations/new", {**form, "name": ""})
    assert 'name="generate" value="yes">' in page.text, "not checked: there is one of ones own"
    again = {**FORM, **kept(page.text), "generate": "yes"}
    page = await admin.post("/integrations/new", again)
    assert page.status == 201
    secret = copied(page.text, "the webhook secret")
    (integration,) = (await bot.get(PATH)).items
    assert (await bot.deliver(integration["id"], "ping", PING, secret=secret)).status == 200
    assert (await bot.deliver(integration["id"], "ping", PING, secret=OWN)).status == 401


async def test_a_field_that_is_none_of_the_choices(bot: Bot) -> None:
    admin = await Browser.sign_in(bot)
    good = {**FORM, "config.token": TOKEN, "config.webhook_secret": OWN}
    for name in ("config.comments", "config.check", "config.commands.status"):
        page = await admin.post("/integrations/new", {**good, name: HOSTILE})
        assert page.status == 422
        assert "<script>alert" not in page.text
    assert (await bot.get(PATH)).items == []


# --- Changing


async def test_what_is_left_empty_on_edit_is_kept(scene: Scene) -> None:
    bot = scene.bot
    admin = await Browser.sign_in(bot)
    here = f"/integrations/{scene.integration}"
    page = await admin.get(f"{here}/edit")
    auth = "app" if scene.is_app else "token"
    assert f'name="auth" value="{auth}"' in page.text
    form = {**FORM, "auth": auth, "name": HOSTILE, "config.repositories": REPOSITORY}
    if scene.is_app:
        form["config.app_id"] = "4242"
    page = await admin.post(f"{here}/edit", form)
    assert page.status == 200
    assert "Saved." in page.words
    assert "<script>alert" not in page.text
    changed = await stored(bot, scene.integration)
    assert changed["name"] == HOSTILE
    assert changed["config"]["repositories"] == [REPOSITORY]
    await bot.experiment("checkout")
    number = await scene.open("experiment_key: checkout")
    await scene.work()
    assert scene.comments(number)  # the credential is the same as before


async def test_another_kind_of_credential_is_wanted_whole(bot: Bot) -> None:
    integration = await bot.integration()
    admin = await Browser.sign_in(bot)
    here = f"/integrations/{integration}/edit"
    page = await admin.get(f"{here}?auth=app")
    assert "switches to the other kind of credential" in page.words
    app = {**FORM, "auth": "app", "config.app_id": "5"}
    page = await admin.post(here, app)
    assert page.status == 422
    assert 'id="config.private_key-error">is missing' in page.text
    assert (await stored(bot, integration))["config"]["auth"] == "token"
    assert (await admin.post(here, {**app, "config.private_key": rsa_key()})).status == 200
    assert (await stored(bot, integration))["config"]["auth"] == "app"
    page = await admin.post(here, {**FORM, "auth": "token"})
    assert page.status == 422
    assert (await stored(bot, integration))["config"]["auth"] == "app"


async def test_delete_takes_a_second_button(bot: Bot) -> None:
    integration = await bot.integration(name=HOSTILE)
    admin = await Browser.sign_in(bot)
    page = await admin.get(f"/integrations/{integration}")
    details = re.search(r"<details[^>]*>\s*<summary>Delete.*?</details>", page.text, re.S)
    assert details is not None
    assert f'action="/integrations/{integration}/delete"' in details[0]
    page = await admin.post(f"/integrations/{integration}/delete")
    assert page.status == 200
    assert "The integration was deleted." in page.words
    assert (await bot.get(PATH)).items == []


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


@pytest.mark.parametrize("credential", ["token"], indirect=True)
async def test_the_doctor_without_github(scene: Scene) -> None:
    await scene.github.close()
    developer = await Browser.sign_in(scene.bot, "developer")
    page = await developer.post(f"/integrations/{scene.integration}/check")
    assert page.status == 200
    assert "problem" in page.words
    assert "What to do:" in page.words


# --- The change of a webhook secret


async def test_rotate_step_by_step(bot: Bot) -> None:
    integration = await bot.integration()
    admin = await Browser.sign_in(bot)
    here = f"/integrations/{integration}/rotate"
    assert 'value="generate" checked' in (await admin.get(here)).text
    page = await admin.post(here, {"how": "generate"})
    assert page.status == 200
    secret = copied(page.text, "the new webhook secret")
    page = await admin.get(here)
    assert secret not in page.text
    assert "none yet" in page.words
    assert "none since the new one was stored" in page.words

    assert (await bot.deliver(integration, "ping", PING, secret=SECRET)).status == 200
    page = await admin.get(here)
    assert "Signed with the old one a delivery just now" in page.words
    assert "Signed with the new secret none yet" in page.words
    assert (await bot.deliver(integration, "ping", PING, secret=secret)).status == 200
    page = await admin.get(here)
    assert "Signed with the new secret a delivery just now" in page.words
    assert "You can finish now." in page.words

    page = await admin.post(f"{here}/finish")
    assert "Only the new webhook secret is accepted" in page.words
    assert (await bot.deliver(integration, "ping", PING, secret=SECRET)).status == 401
    assert (await bot.deliver(integration, "ping", PING, secret=secret)).status == 200
    assert (await stored(bot, integration))["previous_secret_until"] is None
    assert "Save the new secret" in (await admin.get(here)).words


async def test_the_old_secret_lasts_as_long_as_it_can(bot: Bot) -> None:
    integration = await bot.integration()
    admin = await Browser.sign_in(bot)
    page = await admin.post(f"/integrations/{integration}/rotate")
    assert "expires in 4 weeks" in page.words
    assert "Two webhook secrets are accepted" in (await admin.get("/integrations")).words


async def test_a_secret_that_was_lost_is_made_anew(bot: Bot) -> None:
    """What was seen of the one before says nothing of the new one."""
    integration = await bot.integration()
    admin = await Browser.sign_in(bot)
    here = f"/integrations/{integration}/rotate"
    first = copied((await admin.post(here)).text, "the new webhook secret")
    assert (await bot.deliver(integration, "ping", PING, secret=first)).status == 200
    assert "You can finish now" in (await admin.get(here)).words
    second = copied((await admin.post(here)).text, "the new webhook secret")
    assert second != first
    assert "Signed with the new secret none yet" in (await admin.get(here)).words
    for secret in (SECRET, first):
        assert (await bot.deliver(integration, "ping", PING, secret=secret)).status == 200
    assert "Signed with the new secret none yet" in (await admin.get(here)).words
    assert (await bot.deliver(integration, "ping", PING, secret=second)).status == 200
    assert "You can finish now" in (await admin.get(here)).words


async def test_a_process_that_knows_only_the_old_secret_does_not_take_it_for_the_new(
    bot: Bot,
) -> None:
    """What another process holds in memory for seconds must not tick the step off."""
    integration = await bot.integration()
    admin = await Browser.sign_in(bot)
    here = f"/integrations/{integration}/rotate"
    first = copied((await admin.post(here)).text, "the new webhook secret")
    assert (await bot.deliver(integration, "ping", PING, secret=first)).status == 200
    memory = await bot.services.integration(integration)
    assert memory is not None
    await admin.post(here)
    bot.services._integrations[integration] = memory
    assert (await bot.deliver(integration, "ping", PING, secret=first)).status == 200
    assert "Signed with the new secret none yet" in (await admin.get(here)).words


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"how": "own"}, "is missing"),
        ({"how": "own", "config.webhook_secret": "short"}, "must have at least 16 characters"),
        ({"how": "own", "config.webhook_secret": SECRET}, "is already in use"),
        ({"how": "generate", "config.webhook_secret": "short"}, "must have at least 16 characters"),
    ],
)
async def test_a_new_secret_that_cannot_be(bot: Bot, form: dict[str, str], message: str) -> None:
    integration = await bot.integration()
    admin = await Browser.sign_in(bot)
    page = await admin.post(f"/integrations/{integration}/rotate", form)
    assert page.status == 422
    assert re.search(rf'id="config.webhook_secret-error">[^<]*{message}', page.text)
    assert form.get("config.webhook_secret", "nothing") not in page.text
    assert (await stored(bot, integration))["previous_secret_until"] is None
    assert (await bot.deliver(integration, "ping", PING)).status == 200


# --- Secrets


async def test_no_page_and_no_log_tells_a_secret(settings: Settings, logged: io.StringIO) -> None:
    """Those of both kinds of credentials, through every form and page, well and badly filled."""
    scene = await outbound.scene(settings, "token")
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
    texts = {"log": logged.getvalue(), **{page.path: page.text for page in seen}}
    assert all(texts.values())
    secrets = (TOKEN, OWN, SECRET, outbound.TOKEN, ADMIN_TOKEN, made, *lines)
    assert {(name, one) for name in texts for one in secrets if one in texts[name]} == set()
