"""The type of a tracking issue: sent, compared with what GitHub made of it, and said if dropped."""

import pytest

from tests.github import Fault
from tests.kit.browsing import Browser
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import LOGIN, REPOSITORY, TOKEN, Scene
from tests.outbox.stories import KEY, LINE

ISSUES = "POST /repos/{owner}/{repo}/issues"
WITHOUT = "The issue was created without the type `Task`: GitHub drops the type"
pytestmark = [sqlite_only, token_only]


def has_types(scene: Scene) -> None:
    scene.github.issue_types["acme"] = ["Task", "Bug"]


async def test_it_is_sent_and_shown(working: Scene) -> None:
    has_types(working)
    answer = await working.issue(KEY, type="task")
    assert (answer.status, answer.body["type"], answer.body["warnings"]) == (201, "Task", [])
    (issue,) = working.github.issues(REPOSITORY)
    assert issue["type"]["name"] == "Task"
    answer = await working.issue(KEY)
    assert (answer.status, answer.body["type"], answer.body["warnings"]) == (201, None, [])
    assert "type" not in working.github.calls(ISSUES)[-1].body


@pytest.mark.parametrize("why", ["the organisation has none", "it may not push", "an old server"])
async def test_github_drops_it_in_silence(working: Scene, why: str) -> None:
    if why == "it may not push":
        has_types(working)
        working.github.add_token(TOKEN, LOGIN, pushes_to=[])
    if why == "an old server":
        working.github.left_out.add("type")
    answer = await working.issue(KEY, type="Task")
    assert (answer.status, answer.body["type"]) == (201, None)
    (warning,) = answer.body["warnings"]
    assert warning.startswith(WITHOUT)
    (action,) = await working.actions("?kind=tracking_issue")
    assert action["result"]["warning"] == warning
    assert (action["status"], action["last_error"]) == ("done", None)
    browser = await Browser.sign_in(working.bot)
    assert warning.replace("`", "") in (await browser.get("/outbox?status=done")).words.replace(
        "`", ""
    )


async def test_github_gives_it_another(working: Scene) -> None:
    made = {"number": 1, "title": "T", "html_url": "https://github.com/acme/shop/issues/1"}
    body = {**made, "type": {"name": "Bug"}}
    working.github.fail(Fault("status", template=ISSUES, status=201, body=body))
    answer = await working.issue(KEY, type="Task")
    assert (answer.status, answer.body["type"]) == (201, "Bug")
    assert answer.body["warnings"][0].startswith("The issue has the type `Bug` and not the type")


@pytest.mark.parametrize("field", ["type", "issue_type", ""])
async def test_one_that_is_unknown_is_the_callers(working: Scene, field: str) -> None:
    has_types(working)
    if field != "type":
        errors = [{"resource": "Issue", "field": field, "code": "invalid"}] if field else []
        message = "Validation Failed" if field else "Could not resolve to an IssueType"
        body = {"message": message, "errors": errors}
        working.github.fail(Fault("status", template=ISSUES, status=422, body=body))
    answer = await working.issue(KEY, type="Epic")
    assert answer.status == 422, answer.body
    assert [one["field"] for one in answer.body["errors"]] == ["type"]
    assert working.github.issues(REPOSITORY) == []
    answer = await working.issue(KEY, type="")
    assert [one["field"] for one in answer.body["errors"]] == ["type"]


async def test_the_form(working: Scene) -> None:
    browser = await Browser.sign_in(working.bot)
    page = await browser.get(f"/experiments/{KEY}")
    assert 'name="type"' in page.text
    form = {
        "integration_id": working.integration,
        "repository": REPOSITORY,
        "title": "T",
        "type": "Task",
    }
    page = await browser.post(f"/experiments/{KEY}/issues", form)
    assert WITHOUT in page.words and "#1" in page.words
    has_types(working)
    page = await browser.post(f"/experiments/{KEY}/issues", {**form, "type": "Epic"})
    assert page.status == 422 and "Is refused by GitHub" in page.words


async def test_the_command(scene: Scene) -> None:
    """A reply says it where the type was dropped, and the rest is done."""
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    comment = await scene.say(number, '/experiment issue "T" type=Task')
    await scene.work()
    assert scene.reactions(comment) == ["eyes", "rocket"]
    (reply,) = scene.replies(number)
    assert reply.startswith(WITHOUT)
    has_types(scene)
    comment = await scene.say(number, '/experiment issue "T" type=Task')
    await scene.work()
    assert scene.reactions(comment) == ["eyes", "rocket"] and len(scene.replies(number)) == 1
    assert [one["type"] and one["type"]["name"] for one in scene.github.issues(REPOSITORY)] == [
        None,
        "Task",
    ]
    await scene.say(number, '/experiment issue "T" type=Task type=Bug')
    assert "An issue has one type." in scene.replies(number)[-1]
