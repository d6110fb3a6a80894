"""Two people, or programs, at one thing: nobody changes back what they have not seen."""

import html
import re
from typing import Any

import pytest
from playwright.async_api import expect

from bot.demo import payloads
from tests.dashboard.two_people import FIELDS, ONE, stored
from tests.kit.browsing import Browser, Page
from tests.kit.chromium import Visitor
from tests.kit.marks import sqlite_only
from tests.kit.running import SECRET, Bot


def form_of(page: Page, action: str) -> dict[str, str]:
    """The fields of a form as a browser would send them untouched."""
    found = re.search(rf'<form[^>]*action="{re.escape(action)}"[^>]*>(.*?)</form>', page.text, re.S)
    assert found, f"no form {action}"
    fields: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", found[1]):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and (
            ('type="checkbox"' not in tag and 'type="radio"' not in tag) or "checked" in tag
        ):
            fields[name[1]] = html.unescape(value[1]) if value else ""
    for name, text in re.findall(
        r'<textarea[^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', found[1], re.S
    ):
        fields[name] = html.unescape(text)
    for name, options in re.findall(
        r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', found[1], re.S
    ):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(
            r'value="([^"]*)"', options
        )
        assert chosen
        fields[name] = html.unescape(chosen[1])
    return fields


STATUS = "/experiments/checkout/status"
EDIT = "/experiments/checkout/edit"


# --- Forms


async def test_change_untouched_reverts_nothing(bot: Bot, checkout: None) -> None:
    """The control showed `draft` while a colleague started the experiment."""
    visitor = await Browser.sign_in(bot, "developer")
    untouched = form_of(await visitor.get("/experiments/checkout"), STATUS)
    assert untouched["status"] == "draft"
    await bot.patch(ONE, {"status": "active"})
    page = await visitor.post(STATUS, untouched)
    assert page.status == 412 and "The status is now active" in page.words
    assert form_of(page, STATUS)["status"] == "active", "nothing was chosen"
    assert (await stored(bot))["status"] == "active"
    feed = (await bot.get(f"{ONE}/activity?type=experiment.status_changed")).items
    assert len(feed) == 1, "nothing was told either"


async def test_a_choice_is_kept_and_can_be_made_again(bot: Bot, checkout: None) -> None:
    visitor = await Browser.sign_in(bot, "developer")
    chosen = {**form_of(await visitor.get("/experiments/checkout"), STATUS), "status": "paused"}
    await bot.patch(ONE, {"status": "active"})
    page = await visitor.post(STATUS, chosen)
    assert page.status == 412 and "Currently active." in page.words
    again = form_of(page, STATUS)
    assert (again["status"], again["seen"]) == ("paused", "active")
    page = await visitor.post(STATUS, again)
    assert "The status is now paused." in page.words
    assert (await stored(bot))["status"] == "paused"


async def test_what_else_changed_does_not_matter_to_the_status(bot: Bot, checkout: None) -> None:
    visitor = await Browser.sign_in(bot, "developer")
    form = {**form_of(await visitor.get("/experiments/checkout"), STATUS), "status": "active"}
    await bot.patch(ONE, {"name": "Other", "owner": "search"})
    assert "The status is now active." in (await visitor.post(STATUS, form)).words


async def test_an_edit_keeps_what_others_changed(bot: Bot, checkout: None) -> None:
    """It is refused, with what is there now in the fields that were left alone."""
    visitor = await Browser.sign_in(bot, "developer")
    form = form_of(await visitor.get(EDIT), EDIT)
    theirs = {
        "name": "Theirs",
        "status": "active",
        "hypothesis": "Other <b>words</b>.",
        "tags": ["mobile"],
    }
    await bot.patch(ONE, theirs)
    form.update(name="Mine", owner="my team", hypothesis="My words.")
    page = await visitor.post(EDIT, form)
    assert page.status == 412 and "Changed meanwhile" in page.words
    assert await stored(bot) == {**FIELDS, **theirs}
    kept = form_of(page, EDIT)
    assert (kept["name"], kept["owner"], kept["hypothesis"]) == ("Mine", "my team", "My words.")
    assert (kept["status"], kept["tags"]) == ("active", "mobile"), "they were left alone"
    assert "It is now “Theirs”." in page.words
    assert "It is now “Other &lt;b&gt;words&lt;/b&gt;.”." in page.text
    assert page.words.count("This is the current value.") == 4, (
        "of status and tags, above and beside"
    )
    assert kept["description"] == FIELDS["description"]
    page = await visitor.post(EDIT, kept)
    assert page.status == 200 and "Saved." in page.words
    mine = {"name": "Mine", "owner": "my team", "hypothesis": "My words."}
    assert await stored(bot) == {**FIELDS, **theirs, **mine}


async def test_an_edit_left_alone_changes_nothing_back(bot: Bot, checkout: None) -> None:
    visitor = await Browser.sign_in(bot, "developer")
    form = form_of(await visitor.get(EDIT), EDIT)
    await bot.patch(ONE, {"owner": "search", "status": "completed"})
    page = await visitor.post(EDIT, form)
    assert page.status == 412
    assert await stored(bot) == {**FIELDS, "owner": "search", "status": "completed"}


async def test_an_edit_of_what_nobody_else_touched_is_saved(bot: Bot, checkout: None) -> None:
    visitor = await Browser.sign_in(bot, "developer")
    form = form_of(await visitor.get(EDIT), EDIT)
    integration = await bot.integration()
    push = payloads.push(
        "main", ["Try\n\nExperiment-Key: checkout"], repo=payloads.repository("acme/shop")
    )
    await bot.deliver(integration, "push", push)
    page = await visitor.post(EDIT, {**form, "owner": "search"})
    assert (page.status, await stored(bot)) == (200, {**FIELDS, "owner": "search"})


@sqlite_only
async def test_a_mistake_does_not_make_one_blind(bot: Bot, checkout: None) -> None:
    """The form that comes back for a mistake knows what it showed, and so does the next one."""
    visitor = await Browser.sign_in(bot, "developer")
    form = {**form_of(await visitor.get(EDIT), EDIT), "url": "nonsense"}
    page = await visitor.post(EDIT, form)
    assert page.status == 422
    again = {**form_of(page, EDIT), "url": ""}
    await bot.patch(ONE, {"name": "Theirs"})
    assert (await visitor.post(EDIT, again)).status == 412
    assert (await stored(bot))["name"] == "Theirs"


async def test_nobody_deletes_what_they_have_not_seen(bot: Bot, checkout: None) -> None:
    visitor = await Browser.sign_in(bot, "admin")
    action = "/experiments/checkout/delete"
    form = form_of(await visitor.get(EDIT), action)
    await bot.patch(ONE, {"status": "active"})
    page = await visitor.post(action, form)
    assert page.status == 412 and form_of(page, EDIT)["status"] == "active"
    assert (await stored(bot))["status"] == "active"
    assert "Deleted checkout." in (await visitor.post(action, form_of(page, action))).words
    assert (await bot.get(ONE)).status == 404


@sqlite_only
@pytest.mark.parametrize("seen", ["", "{", "[]", '{"name": 1}', "\u0000"])
async def test_nonsense_in_a_hidden_field_loses_nothing(
    bot: Bot, checkout: None, seen: str
) -> None:
    visitor = await Browser.sign_in(bot, "developer")
    form = form_of(await visitor.get(EDIT), EDIT)
    page = await visitor.post(EDIT, {**form, "version": 'no "version"', "seen": seen, "name": "x"})
    assert page.status == 412 and form_of(page, EDIT)["name"] == "x"
    assert await stored(bot) == FIELDS


PATH = "/api/v1/integrations"


# --- Integrations


async def test_two_admins_at_one_integration(bot: Bot) -> None:
    identifier = await bot.integration(config={"label": "experiment", "repositories": ["acme/*"]})
    edit = f"/integrations/{identifier}/edit"
    visitor = await Browser.sign_in(bot, "admin")
    form = form_of(await visitor.get(edit), edit)
    theirs = {"is_active": False, "config": {"label": "theirs", "repositories": ["acme/shop"]}}
    await bot.patch(f"{PATH}/{identifier}", theirs)
    form.update({"name": "Mine", "config.label": "mine"})
    page = await visitor.post(edit, form)
    assert page.status == 412 and "Somebody changed this integration" in page.words
    assert "It is now “theirs”." in page.words
    now = (await bot.get(f"{PATH}/{identifier}")).body
    assert (now["name"], now["config"]["label"], now["is_active"]) == ("Tests", "theirs", False)
    kept = form_of(page, edit)
    assert (kept["name"], kept["config.label"]) == ("Mine", "mine")
    assert kept["config.repositories"] == "acme/shop" and "is_active" not in kept
    assert (await visitor.post(edit, kept)).status == 200
    now = (await bot.get(f"{PATH}/{identifier}")).body
    assert (now["name"], now["config"]["label"], now["is_active"]) == ("Mine", "mine", False)
    assert now["config"]["repositories"] == ["acme/shop"]


@sqlite_only
async def test_deliveries_make_no_edit_of_an_integration_fail(bot: Bot) -> None:
    identifier = await bot.integration()
    edit = f"/integrations/{identifier}/edit"
    visitor = await Browser.sign_in(bot, "admin")
    form = form_of(await visitor.get(edit), edit)
    await bot.deliver(identifier, "ping", {"zen": "Keep it logically awesome."})
    assert (await visitor.post(edit, {**form, "name": "Mine"})).status == 200
    assert (await bot.get(f"{PATH}/{identifier}")).body["name"] == "Mine"


@sqlite_only
async def test_nobody_rotates_past_a_colleague(bot: Bot) -> None:
    """A second rotation that did not know of the first could cut off what GitHub signs with."""
    identifier = await bot.integration()
    rotate = f"/integrations/{identifier}/rotate"
    visitor = await Browser.sign_in(bot, "admin")
    first = form_of(await visitor.get(rotate), rotate)
    await bot.patch(f"{PATH}/{identifier}", {"config": {"webhook_secret": f"{SECRET}-theirs"}})
    page = await visitor.post(rotate, first)
    assert page.status == 412 and "Somebody changed this integration" in page.words
    finish = form_of(page, f"{rotate}/finish")
    await bot.patch(f"{PATH}/{identifier}", {"config": {"webhook_secret": f"{SECRET}-again"}})
    assert (await visitor.post(f"{rotate}/finish", finish)).status == 412
    for secret in (SECRET, f"{SECRET}-theirs", f"{SECRET}-again"):
        assert (await bot.deliver(identifier, "ping", {}, secret=secret)).status == 200
    page = await visitor.get(rotate)
    page = await visitor.post(f"{rotate}/finish", form_of(page, f"{rotate}/finish"))
    assert "Only the new webhook secret is accepted" in page.words


@sqlite_only
async def test_nobody_deletes_an_integration_they_have_not_seen(bot: Bot) -> None:
    identifier = await bot.integration()
    path = f"/integrations/{identifier}"
    visitor = await Browser.sign_in(bot, "admin")
    form = form_of(await visitor.get(path), f"{path}/delete")
    await bot.patch(f"{PATH}/{identifier}", {"description": "Do not delete"})
    page = await visitor.post(f"{path}/delete", form)
    assert page.status == 412 and "so it was not deleted" in page.words
    form = form_of(await visitor.get(path), f"{path}/delete")
    assert "The integration was deleted." in (await visitor.post(f"{path}/delete", form)).words


# --- In a real browser


async def at_the_control(bot: Bot, browser: Any) -> tuple[Visitor, Any]:
    """Return somebody on the page of an experiment, and where its status is chosen there."""
    visitor = await Visitor.come(browser, bot)
    await visitor.sign_in()
    await visitor.go("/experiments/checkout")
    return visitor, visitor.page.get_by_label("Status", exact=True)


@sqlite_only
async def test_the_control_is_live_while_it_is_left_alone(
    bot: Bot,
    checkout: None,
    browser: Any,
) -> None:
    visitor, control = await at_the_control(bot, browser)
    await expect(control).to_have_value("draft")
    await bot.patch(ONE, {"status": "active"})
    await expect(control).to_have_value("active")
    await visitor.page.get_by_role("button", name="Change").click()
    await expect(visitor.page.get_by_text("The status is now active.")).to_be_visible()
    assert (await stored(bot))["status"] == "active"
    assert visitor.console == []


@sqlite_only
async def test_what_somebody_has_chosen_stays_chosen(
    bot: Bot,
    checkout: None,
    browser: Any,
) -> None:
    """Also when the control is not in focus any more; sending it says what it is now."""
    visitor, control = await at_the_control(bot, browser)
    await control.select_option("paused")
    await control.blur()
    await bot.patch(ONE, {"status": "active"})
    await expect(visitor.page.locator("#about").get_by_text("active", exact=True)).to_be_visible()
    await expect(control).to_have_value("paused")
    await visitor.page.get_by_role("button", name="Change").click()
    await expect(visitor.page.get_by_role("alert")).to_contain_text("The status is now active")
    await expect(control).to_have_value("paused")
    await visitor.page.get_by_role("button", name="Change").click()
    await expect(visitor.page.get_by_text("The status is now paused.")).to_be_visible()


@sqlite_only
async def test_a_choice_taken_back_is_live_again(
    bot: Bot,
    checkout: None,
    browser: Any,
) -> None:
    _, control = await at_the_control(bot, browser)
    await control.select_option("paused")
    await control.select_option("draft")
    await control.blur()
    await bot.patch(ONE, {"status": "active"})
    await expect(control).to_have_value("active")
