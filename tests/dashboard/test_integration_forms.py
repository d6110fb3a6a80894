"""Creating and changing integrations."""

import re

import pytest

from bot.api.integrations import PATH
from tests.dashboard.integrations import FORM, HOSTILE, OWN, PING, TOKEN, copied, stored
from tests.github import rsa_key
from tests.kit.browsing import Browser
from tests.kit.clock import Clock
from tests.kit.marks import sqlite_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.running import Bot

pytestmark = sqlite_only


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


async def test_each_line_that_is_wrong_is_told_of(bot: Bot) -> None:
    admin = await Browser.sign_in(bot)
    good = {"config.token": TOKEN, "config.webhook_secret": OWN}
    lines = {"config.repositories": "acme\nacme/shop\n*/shop"}
    page = await admin.post("/integrations/new", {**FORM, **good, **lines})
    assert page.status == 422
    told = [f"line {number} must be owner/name" in page.words for number in (1, 2, 3)]
    assert told == [True, False, True]


async def test_too_many_lines_are_no_characters(bot: Bot) -> None:
    admin = await Browser.sign_in(bot)
    good = {"config.token": TOKEN, "config.webhook_secret": OWN}
    lines = {"config.repositories": "acme/shop\n" * 1001}
    page = await admin.post("/integrations/new", {**FORM, **good, **lines})
    assert page.status == 422 and "must have at most 1000 entries" in page.words


BAD = [
    ({"name": ""}, "name", "is missing"),
    ({"name": "x" * 201}, "name", "must have at most 200 characters"),
    ({"config.token": ""}, "config.token", "is missing"),
    ({"config.token": "two words"}, "config.token", "must be printable ASCII"),
    ({"config.token": "********"}, "config.token", "is the mask"),
    ({"config.webhook_secret": ""}, "config.webhook_secret", "is missing"),
    (
        {"config.webhook_secret": "short"},
        "config.webhook_secret",
        "must have at least 16 characters",
    ),
    ({"generate": "yes", "name": ""}, "name", "is missing"),
    (
        {"config.repositories": "acme/shop\nacme"},
        "config.repositories",
        "line 2 must be owner/name",
    ),
    (
        {"config.token": "github_pat_11A", "config.repositories": "acme/shop\nglobex/shop"},
        "config.repositories",
        "line 2 is of another owner than acme",
    ),
    ({"config.label": "x" * 51}, "config.label", "must have at most 50 characters"),
    ({"config.api_url": "http://127.0.0.1:1"}, "config.api_url", "must be one of"),
    ({"auth": "app"}, "config.app_id", "is missing"),
    (
        {"auth": "app", "config.app_id": "5", "config.private_key": "no key"},
        "config.private_key",
        "must be an RSA private key",
    ),
    (
        {"auth": "app", "config.app_id": "five", "config.private_key": "no key"},
        "config.app_id",
        "must be a number",
    ),
    (
        {"auth": "app", "config.app_id": "1" * 5000, "config.private_key": "no key"},
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
    assert stored_secret is not None
    assert stored_secret.strip() == next(iter(secret.values())).strip()


async def test_what_is_kept_is_good_for_one_form_of_one_session(bot: Bot, clock: Clock) -> None:
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
    clock.ahead = 3601
    assert (await admin.post("/integrations/new", empty)).status == 422
    clock.ahead = 0
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
