"""Two people, or programs, at one thing: nobody changes back what they have not seen."""

import asyncio
import html
import re
from typing import Any

import pytest
from multidict import CIMultiDict
from playwright.async_api import expect

from bot.demo import payloads
from tests.dashboard.test_browser import Visitor, browser  # noqa: F401
from tests.kit.browsing import Browser, Page
from tests.kit.running import ADMIN_TOKEN, SECRET, Answer, Bot

sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
ONE = "/api/v1/experiments/checkout"
FIELDS = {
    "name": "One page checkout",
    "status": "draft",
    "owner": "growth",
    "hypothesis": "Fewer steps.\nFewer lost carts.",
    "description": "More of it.",
    "url": "https://example.org/board",
    "tags": ["web", "cart"],
}


@pytest.fixture
async def checkout(bot: Bot) -> None:
    """An experiment that is there."""
    await bot.experiment("checkout", **FIELDS)


@pytest.fixture
async def etag(bot: Bot, checkout: None) -> str:
    """Its ETag."""
    value = (await bot.get(ONE)).headers["ETag"]
    assert re.fullmatch(r'"[!#-~]+"', value), "a strong one"
    return str(value)


async def ask(bot: Bot, method: str, body: Any = None, **conditions: str) -> Answer:
    headers = {name.replace("_", "-"): value for name, value in conditions.items()}
    return await bot.request(method, ONE, json=body, headers=headers)


async def stored(bot: Bot) -> dict[str, Any]:
    body: dict[str, Any] = (await bot.get(ONE)).body
    return {name: body[name] for name in FIELDS}


WRITES: list[tuple[str, Any, int]] = [
    ("PATCH", {"name": "Theirs"}, 200),
    ("PUT", {"name": "Theirs"}, 200),
    ("DELETE", None, 204),
]
writes = pytest.mark.parametrize(("method", "body", "done"), WRITES, ids=[one[0] for one in WRITES])

# --- The API: If-Match


@writes
async def test_what_has_changed_since_is_not_overwritten(
    bot: Bot, etag: str, method: str, body: Any, done: int
) -> None:
    await bot.patch(ONE, {"owner": "search"})
    before = await stored(bot)
    answer = await ask(bot, method, body, If_Match=etag)
    assert (answer.status, answer.body["error"]) == (412, "precondition failed")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "changed since" in answer.body["detail"]
    assert await stored(bot) == before
    now = (await bot.get(ONE)).headers["ETag"]
    assert now != etag
    assert (await ask(bot, method, body, If_Match=now)).status == done


@writes
@pytest.mark.parametrize(
    ("given", "is_met"),
    [
        ("{etag}", True),
        ("*", True),
        (' "other" , {etag}', True),
        ('{etag}, W/"other"', True),
        ('"other"', False),
        ("W/{etag}", False),  # If-Match compares strongly
        ('W/{etag}, "other"', False),
        ("other", False),
        ("", False),
        ('"', False),
        ('"*"', False),
        ('{etag}"', True),
    ],
)
async def test_what_if_match_takes(
    bot: Bot, etag: str, method: str, body: Any, done: int, given: str, is_met: bool
) -> None:
    answer = await ask(bot, method, body, If_Match=given.replace("{etag}", etag))
    assert answer.status == (done if is_met else 412), answer.body
    if not is_met:
        assert await stored(bot) == FIELDS


@sqlite
async def test_an_if_match_of_two_lines_is_one_list(bot: Bot, etag: str) -> None:
    headers = [("If-Match", '"other"'), ("If-Match", etag)]
    many = CIMultiDict([*headers, ("Authorization", f"Bearer {ADMIN_TOKEN}")])
    async with bot.session.patch(bot.url + ONE, json={"name": "Mine"}, headers=many) as response:
        assert response.status == 200


@sqlite
async def test_why_a_tag_does_not_match_is_said(bot: Bot, etag: str) -> None:
    weak = await ask(bot, "PATCH", {}, If_Match=f"W/{etag}")
    assert "A weak tag (W/) never matches" in weak.body["detail"]
    bare = await ask(bot, "PATCH", {}, If_Match=etag.strip('"'))
    assert "with its quotation marks" in bare.body["detail"]


async def test_each_answer_has_the_tag_of_what_it_shows(bot: Bot) -> None:
    """So that changes can follow one another without a GET between them."""
    created = await bot.post("/api/v1/experiments", {"key": "checkout", "name": "One"})
    tags = [created.headers["ETag"]]
    for method, body in (
        ("PATCH", {"name": "Two"}),
        ("PATCH", {"tags": ["a"]}),
        ("PUT", {"name": "Three"}),
        ("PATCH", {"status": "active"}),
    ):
        answer = await ask(bot, method, body, If_Match=tags[-1])
        assert answer.status == 200
        tags.append(answer.headers["ETag"])
    assert len(set(tags)) == len(tags)
    assert (await bot.get(ONE)).headers["ETag"] == tags[-1]
    same = await ask(bot, "PATCH", {"status": "active"}, If_Match=tags[-1])
    assert same.headers["ETag"] == tags[-1], "nothing has changed"


@pytest.mark.parametrize("name", FIELDS)
async def test_a_change_of_any_field_is_a_change(bot: Bot, etag: str, name: str) -> None:
    other = {"status": "active", "url": "https://example.org/other", "tags": ["cart", "web"]}
    change = {name: other.get(name, "Another")}
    assert (await bot.patch(ONE, change)).headers["ETag"] != etag
    assert (await ask(bot, "PATCH", {"name": "Theirs"}, If_Match=etag)).status == 412
    await bot.patch(ONE, {name: FIELDS[name]})
    assert (await ask(bot, "PATCH", {"name": "Theirs"}, If_Match=etag)).status == 412, (
        "there and back is a change, too"
    )


async def test_a_push_makes_no_change_of_anybodys_fail(bot: Bot, etag: str) -> None:
    """What is linked is nobody's edit; yet who asks for what is new gets the new counts."""
    integration = await bot.integration()
    repo = payloads.repository("acme/shop")
    push = payloads.push("main", ["Try\n\nExperiment-Key: checkout"], repo=repo)
    await bot.deliver(integration, "push", push)
    fresh = await ask(bot, "GET", If_None_Match=etag)
    assert (fresh.status, fresh.body["counts"]["commits"]) == (200, 1)
    assert fresh.headers["ETag"] != etag
    assert (await ask(bot, "PATCH", {"name": "Mine"}, If_Match=etag)).status == 200


async def test_one_that_is_gone(bot: Bot, etag: str) -> None:
    """A 404, or for PUT a 412: it would make what was to be replaced."""
    await bot.delete(ONE)
    for given in (etag, "*"):
        assert (await ask(bot, "PATCH", {"name": "x"}, If_Match=given)).status == 404
        assert (await ask(bot, "DELETE", If_Match=given)).status == 404
        assert (await ask(bot, "PUT", {"name": "x"}, If_Match=given)).status == 412
    assert (await bot.get(ONE)).status == 404
    await bot.experiment("checkout", **FIELDS)
    assert (await ask(bot, "PATCH", {"name": "x"}, If_Match=etag)).status == 412, "it is another"


async def test_of_many_at_once_one_wins(bot: Bot, etag: str) -> None:
    answers = await asyncio.gather(
        *(ask(bot, "PATCH", {"name": f"Number {n}"}, If_Match=etag) for n in range(12))
    )
    won = [answer for answer in answers if answer.status == 200]
    assert len(won) == 1 and {answer.status for answer in answers} == {200, 412}
    assert (await stored(bot))["name"] == won[0].body["name"]


@sqlite
async def test_what_is_wrong_otherwise_is_said_first(bot: Bot, etag: str) -> None:
    assert (await ask(bot, "PATCH", {"status": "on"}, If_Match='"other"')).status == 422
    headers = {"If-Match": '"other"'}
    assert (await bot.patch(ONE, {}, token=None, headers=headers)).status == 401


# --- The API: If-None-Match


async def test_who_has_it_already_gets_no_body(bot: Bot, etag: str) -> None:
    for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = await ask(bot, "GET", If_None_Match=given)
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, "", etag), given
    for given in ('"other"', "other", ""):
        assert (await ask(bot, "GET", If_None_Match=given)).status == 200
    assert (await ask(bot, "GET", If_Match='"other"')).status == 200, "GET takes no If-Match"
    await bot.patch(ONE, {"owner": "search"})
    assert (await ask(bot, "GET", If_None_Match=etag)).status == 200
    await bot.delete(ONE)
    assert (await ask(bot, "GET", If_None_Match="*")).status == 404


async def test_create_and_never_replace(bot: Bot) -> None:
    answers = await asyncio.gather(
        *(ask(bot, "PUT", {"name": f"Number {n}"}, If_None_Match="*") for n in range(5))
    )
    assert sorted(answer.status for answer in answers) == [201, 412, 412, 412, 412]
    refused = next(answer for answer in answers if answer.status == 412)
    assert "There is one already" in refused.body["detail"]
    etag = (await bot.get(ONE)).headers["ETag"]
    assert (await ask(bot, "PUT", {"name": "Other"}, If_None_Match=etag)).status == 412
    assert (await ask(bot, "PUT", {"name": "Other"}, If_None_Match='"other"')).status == 200


@sqlite
async def test_conditions_are_described(bot: Bot) -> None:
    described = (await bot.get("/api/v1/openapi.json")).body["paths"]["/api/v1/experiments/{key}"]
    sent = {
        method: [one["name"] for one in operation["parameters"] if one["in"] == "header"]
        for method, operation in described.items()
    }
    assert sent == {
        "get": ["If-None-Match"],
        "put": ["If-Match", "If-None-Match"],
        "patch": ["If-Match"],
        "delete": ["If-Match"],
    }
    assert all("412" in described[method]["responses"] for method in ("put", "patch", "delete"))
    assert "304" in described["get"]["responses"]
    for method, status in (("get", "200"), ("put", "201"), ("put", "200"), ("patch", "200")):
        assert "ETag" in described[method]["responses"][status]["headers"]


# --- Forms


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


@sqlite
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


@sqlite
@pytest.mark.parametrize("seen", ["", "{", "[]", '{"name": 1}', "\u0000"])
async def test_nonsense_in_a_hidden_field_loses_nothing(
    bot: Bot, checkout: None, seen: str
) -> None:
    visitor = await Browser.sign_in(bot, "developer")
    form = form_of(await visitor.get(EDIT), EDIT)
    page = await visitor.post(EDIT, {**form, "version": 'no "version"', "seen": seen, "name": "x"})
    assert page.status == 412 and form_of(page, EDIT)["name"] == "x"
    assert await stored(bot) == FIELDS


# --- Integrations

PATH = "/api/v1/integrations"


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


@sqlite
async def test_deliveries_make_no_edit_of_an_integration_fail(bot: Bot) -> None:
    identifier = await bot.integration()
    edit = f"/integrations/{identifier}/edit"
    visitor = await Browser.sign_in(bot, "admin")
    form = form_of(await visitor.get(edit), edit)
    await bot.deliver(identifier, "ping", {"zen": "Keep it logically awesome."})
    assert (await visitor.post(edit, {**form, "name": "Mine"})).status == 200
    assert (await bot.get(f"{PATH}/{identifier}")).body["name"] == "Mine"


@sqlite
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


@sqlite
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


@sqlite
async def test_the_control_is_live_while_it_is_left_alone(
    bot: Bot,
    checkout: None,
    browser: Any,  # noqa: F811
) -> None:
    visitor = await Visitor.come(browser, bot)
    await visitor.sign_in()
    await visitor.go("/experiments/checkout")
    control = visitor.page.get_by_label("Status", exact=True)
    await expect(control).to_have_value("draft")
    await bot.patch(ONE, {"status": "active"})
    await expect(control).to_have_value("active")
    await visitor.page.get_by_role("button", name="Change").click()
    await expect(visitor.page.get_by_text("The status is now active.")).to_be_visible()
    assert (await stored(bot))["status"] == "active"
    assert visitor.console == []


@sqlite
async def test_what_somebody_has_chosen_stays_chosen(
    bot: Bot,
    checkout: None,
    browser: Any,  # noqa: F811
) -> None:
    """Also when the control is not in focus any more; sending it says what it is now."""
    visitor = await Visitor.come(browser, bot)
    await visitor.sign_in()
    await visitor.go("/experiments/checkout")
    control = visitor.page.get_by_label("Status", exact=True)
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


@sqlite
async def test_a_choice_taken_back_is_live_again(
    bot: Bot,
    checkout: None,
    browser: Any,  # noqa: F811
) -> None:
    visitor = await Visitor.come(browser, bot)
    await visitor.sign_in()
    await visitor.go("/experiments/checkout")
    control = visitor.page.get_by_label("Status", exact=True)
    await control.select_option("paused")
    await control.select_option("draft")
    await control.blur()
    await bot.patch(ONE, {"status": "active"})
    await expect(control).to_have_value("active")
