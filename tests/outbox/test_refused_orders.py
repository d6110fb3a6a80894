"""What GitHub refuses of what the caller has named is the caller's to correct; its troubles not."""

import asyncio
from typing import Any

import pytest

from tests.github import Fault
from tests.kit import outbound
from tests.kit.marks import app_only, sqlite_only, token_only
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene
from tests.kit.running import Answer, eventually
from tests.outbox.stories import KEY, LINE
from tests.outbox.test_access import give, take, tell

ISSUES = "POST /repos/{owner}/{repo}/issues"
LABELS = "POST /repos/{owner}/{repo}/labels"
PULL = "GET /repos/{owner}/{repo}/pulls/{pull_number}"
pytestmark = sqlite_only


def wrong(answer: Answer) -> list[tuple[str, str]]:
    """Return which fields an answer calls wrong, and why."""
    assert (answer.status, answer.body["error"]) == (422, "invalid request"), answer.body
    return [(one["field"], one["message"]) for one in answer.body["errors"]]


def invalid(*errors: Any, **options: Any) -> Fault:
    body = {"message": "Validation Failed", "errors": list(errors)}
    return Fault("status", template=ISSUES, status=422, body=body, **options)


async def is_well(scene: Scene) -> bool:
    """Tell whether the integration shows no error: what was asked for was wrong, not it."""
    answer = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    return answer.body["last_error"] is None


async def test_an_issue_in_a_repository_that_is_not_there(working: Scene) -> None:
    answer = await working.issue(KEY, repository="acme/nowhere")
    ((field, message),) = wrong(answer)
    assert field == "repository" and "is not on GitHub" in message
    assert "/retry" in answer.body["detail"]
    assert await is_well(working)


async def test_what_was_refused_is_not_done_behind_the_callers_back(working: Scene) -> None:
    """They may have ordered it again since, in the right place."""
    wrong(await working.issue(KEY, repository="acme/nowhere"))
    (action,) = await working.actions("?kind=tracking_issue")
    changed = {"description": "another"}
    await working.bot.patch(f"/api/v1/integrations/{working.integration}", changed)
    (now,) = await working.actions("?kind=tracking_issue")
    assert (now["status"], now["attempts"]) == ("failed", action["attempts"])


@app_only
@pytest.mark.parametrize("is_told", [True, False])
async def test_an_app_that_is_gone_is_not_the_callers(working: Scene, is_told: bool) -> None:
    """The issue is made by itself once the App is back, which the answer says."""
    await working.open(LINE)
    working.github.remove_installation(INSTALLATION)
    if is_told:
        await tell(working, "deleted")
    answer = await working.issue(KEY)
    assert (answer.status, answer.body["error"]) == (502, "refused by GitHub")
    assert "nstall" in answer.body["detail"] and "by itself" in answer.body["detail"]
    assert not await is_well(working)


@app_only
async def test_an_order_is_answered_at_once_where_people_are_waited_for(working: Scene) -> None:
    await working.open(LINE)
    await take(working)
    answer = await asyncio.wait_for(working.issue(KEY), 4)
    assert answer.status == 202
    await give(working)

    async def is_there() -> bool:
        return len(working.github.issues(REPOSITORY)) == 1

    await eventually(is_there)


async def test_an_issue_in_an_archived_repository_waits(working: Scene) -> None:
    repository = working.github.repository(REPOSITORY)
    repository.archived = True
    answer = await working.issue(KEY)
    assert answer.status == 202
    (action,) = await working.actions("?kind=tracking_issue")
    assert action["status"] == "pending" and "archived" in action["last_error"]
    repository.archived = False
    assert (await working.bot.post(f"/api/v1/actions/{action['id']}/retry")).status < 300


async def test_a_repository_that_takes_no_issues(working: Scene) -> None:
    repository = working.github.repository(REPOSITORY)
    repository.has_issues = False
    ((field, message),) = wrong(await working.issue(KEY))
    assert field == "repository" and "issues switched off" in message
    assert await is_well(working)
    repository.has_issues = True
    (action,) = await working.actions("?kind=tracking_issue")
    assert action["result"]["status"] == 410
    again = await working.bot.post(f"/api/v1/actions/{action['id']}/retry")
    assert again.status < 300


@token_only
@pytest.mark.parametrize(
    ("error", "field"),
    [
        ({"resource": "Issue", "field": "assignees", "code": "invalid", "value": "bo"}, "[1]"),
        ({"resource": "Issue", "field": "assignees", "code": "invalid"}, ""),
        ({"resource": "Issue", "field": "title", "code": "custom", "message": "No"}, "title"),
        ({"resource": "Label", "field": "name", "code": "invalid", "value": "b"}, "labels[1]"),
        ({"resource": "Issue", "field": "milestone", "code": "invalid"}, "repository"),
        ("Something is wrong", "repository"),
    ],
)
async def test_githubs_422_names_the_field(working: Scene, error: Any, field: str) -> None:
    working.github.fail(invalid(error))
    answer = await working.issue(KEY, labels=["a", "b"], assignees=["jane", "bo"])
    ((named, message),) = wrong(answer)
    expected = field if field[:1].isalpha() else f"assignees{field}"
    assert named == expected and "422 Validation Failed" in message
    assert await is_well(working)


@token_only
async def test_a_label_that_cannot_be_made(working: Scene) -> None:
    """One that somebody else has made this very moment is as good as ours."""
    taken = {"resource": "Label", "field": "name", "code": "already_exists"}
    odd = {"resource": "Label", "field": "name", "code": "invalid"}
    for error in (taken, odd):
        working.github.fail(
            Fault("status", LABELS, status=422, body={"message": "No", "errors": [error]})
        )
    working.github.add_label(REPOSITORY, "a")
    ((field, _),) = wrong(await working.issue(KEY, labels=["a", "odd-label", "odd"]))
    assert field == "labels[2]"
    assert working.github.issues(REPOSITORY) == []


@token_only
@pytest.mark.parametrize("status", [401, 403])
async def test_what_the_credential_may_not_do_is_not_the_callers(
    working: Scene, status: int
) -> None:
    body = {"message": "Bad credentials"}
    working.github.fail(Fault("status", template=ISSUES, status=status, body=body))
    answer = await working.issue(KEY)
    assert (answer.status, answer.body["error"]) == (502, "refused by GitHub")
    assert not await is_well(working)
    assert "by itself" in answer.body["detail"]
    await outbound.set_to(working, comments="on")

    async def is_there() -> bool:
        return len(working.github.issues(REPOSITORY)) == 1

    await eventually(is_there)


@token_only
async def test_githubs_own_trouble_is_not_the_callers(working: Scene, impatient: None) -> None:
    working.github.fail(Fault("status", template=ISSUES, times=None, status=502))
    assert (await working.issue(KEY)).status == 202


async def link(scene: Scene, repository: str, number: int) -> Answer:
    body = {"integration_id": scene.integration, "repository": repository, "number": number}
    return await scene.bot.post(f"/api/v1/experiments/{KEY}/pull-requests", body)


async def test_a_link_says_what_github_does_not_know(working: Scene) -> None:
    assert [one for one, _ in wrong(await link(working, "acme/nowhere", 1))] == ["repository"]
    assert [one for one, _ in wrong(await link(working, REPOSITORY, 999))] == ["number"]
    issue = working.github.open_issue(REPOSITORY, title="No pull request")
    assert [one for one, _ in wrong(await link(working, REPOSITORY, issue.number))] == ["number"]


@token_only
@pytest.mark.parametrize(("status", "expected"), [(410, 422), (422, 422), (403, 502), (500, 503)])
async def test_what_a_link_is_answered(working: Scene, status: int, expected: int) -> None:
    working.github.fail(Fault("status", template=PULL, status=status, body={"message": "No"}))
    assert (await link(working, REPOSITORY, 999)).status == expected


@token_only
async def test_a_command_is_told_what_it_has_named_wrongly(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    scene.github.fail(invalid({"resource": "Issue", "field": "assignees", "code": "invalid"}))
    await scene.say(number, f'/experiment issue "T" key={KEY} assignee=nobody-here')
    (reply,) = scene.replies(number)
    assert "assignees" in reply
    assert await is_well(scene)


async def test_a_command_where_issues_are_off_is_no_error_of_the_integration(scene: Scene) -> None:
    """Whoever asked is told, and nobody else can do anything about it."""
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    scene.github.repository(REPOSITORY).has_issues = False
    await scene.say(number, f'/experiment issue "T" key={KEY}')
    (reply,) = scene.replies(number)
    assert "Issues has been disabled" in reply
    assert await is_well(scene)
