"""Commands in comments, as stories: somebody comments, GitHub sees this, the API says that."""

import asyncio
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.github import Fault, GitHub
from tests.kit import outbound
from tests.kit.marks import app_only, sqlite_only, token_only
from tests.kit.outbound import INSTALLATION, REPOSITORY, TOKEN, Scene
from tests.kit.processes import Process, app, environment
from tests.kit.running import SECRET, eventually

KEY = "checkout-flow-v2"
REACTIONS = "POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions"
PERMISSION = "GET /repos/{owner}/{repo}/collaborators/{username}/permission"
COMMENTS = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
ISSUES = "POST /repos/{owner}/{repo}/issues"


async def commands(scene: Scene) -> list[dict[str, Any]]:
    return await scene.bot.walk("/api/v1/commands")


async def feed(scene: Scene, key: str = KEY) -> list[str]:
    return [one["type"] for one in await scene.bot.walk(f"/api/v1/experiments/{key}/activity")]


async def linked(
    scene: Scene, kind: str = "pull-requests", key: str = KEY
) -> list[tuple[int, str]]:
    rows = await scene.bot.walk(f"/api/v1/experiments/{key}/{kind}")
    return [(one["number"], one["linked_by"]) for one in rows]


async def status_of(scene: Scene, key: str = KEY) -> str:
    answer = await scene.bot.get(f"/api/v1/experiments/{key}")
    return str(answer.body["status"])


# --- What each does


async def test_link_and_unlink(scene: Scene) -> None:
    await scene.bot.experiment(KEY, status="active")
    number = await scene.open("No key here")
    comment = await scene.say(number, f"Ours.\n\n/experiment link {KEY}\n")
    assert scene.reactions(comment) == ["eyes", "rocket"]
    assert scene.replies(number) == []
    assert await linked(scene) == [(number, "command")]
    assert scene.check(number) == "success"
    assert len(scene.comments(number)) == 2  # jane's, and the status comment
    comment = await scene.say(number, f"/experiment unlink {KEY}")
    assert scene.reactions(comment) == ["eyes", "rocket"]
    assert await linked(scene) == []
    first, second = reversed(await commands(scene))
    assert (first["command"], first["actor"], first["number"]) == ("link", "jane", number)
    assert (first["status"], first["allowed"], first["permission"]) == ("done", True, "write")
    assert (first["text"], first["kind"]) == (f"/experiment link {KEY}", "pull_request")
    assert second["command"] == "unlink" and second["result"] is None
    types = await feed(scene)
    assert types.count("command.executed") == 2
    assert "pull_request.linked" in types and "pull_request.unlinked" in types


@sqlite_only
async def test_an_unlinked_key_stays_so_until_its_line_comes_back(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    body = f"experiment_key: {KEY}"
    number = await scene.open(body)
    await scene.say(number, f"/experiment unlink {KEY}")
    scene.clock.ahead += 60
    scene.github.edit_pull(REPOSITORY, number, title="Another", body=body)
    await scene.tell("edited", number)
    assert await linked(scene) == []
    for text in ("", body):
        scene.clock.ahead += 60
        scene.github.edit_pull(REPOSITORY, number, body=text)
        await scene.tell("edited", number)
    assert await linked(scene) == [(number, "body")]


@sqlite_only
async def test_an_issue_is_linked_as_a_pull_request_is(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = scene.github.open_issue(REPOSITORY, title="Flicker on the last page").number
    comment = await scene.say(number, f"/experiment link {KEY}")
    assert scene.reactions(comment) == ["eyes", "rocket"]
    assert await linked(scene, "issues") == [(number, "command")]
    assert "issue.linked" in await feed(scene)
    await scene.say(number, f"/experiment unlink {KEY}")
    assert await linked(scene, "issues") == []


@sqlite_only
async def test_a_pull_request_that_the_bot_never_saw_is_fetched(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("Older than the bot", tell=False)
    await scene.say(number, f"/experiment link {KEY}")
    (found,) = await scene.bot.walk(f"/api/v1/experiments/{KEY}/pull-requests")
    assert (found["title"], found["head_ref"]) == ("One page checkout", "feature")
    assert scene.check(number) == "success"


@sqlite_only
async def test_status(scene: Scene) -> None:
    await scene.bot.experiment(KEY, name="One | page @all", status="active", owner="@growth")
    await scene.bot.experiment("other", name="Other")
    number = await scene.open(f"experiment_key: {KEY}")
    comment = await scene.say(number, "/experiment status")
    assert scene.reactions(comment) == ["eyes", "rocket"]
    (reply,) = scene.replies(number)
    assert KEY in reply and "active" in reply and f"/experiments/{KEY}" in reply
    assert "other" not in reply
    assert "@all" not in reply and "@growth" not in reply and "growth" in reply
    row = next(line for line in reply.splitlines() if KEY in line)
    assert row.endswith("| 1 | 0 |")
    await scene.say(number, f"/experiment status other {KEY}")
    assert "Other" in scene.replies(number)[1] and KEY in scene.replies(number)[1]


@sqlite_only
@pytest.mark.parametrize(
    ("verb", "status"), [("start", "active"), ("pause", "paused"), ("complete", "completed")]
)
async def test_the_status_is_changed(scene: Scene, verb: str, status: str) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(f"experiment_key: {KEY}")
    comment = await scene.say(number, f"/Experiment {verb.upper()} {KEY}")
    assert scene.reactions(comment) == ["eyes", "rocket"]
    assert await status_of(scene) == status
    assert scene.replies(number) == []
    ours = [one for one in scene.comments(number) if "experiment-bot:status" in one]
    assert len(ours) == 1 and status in ours[0]
    newest = await scene.bot.walk(f"/api/v1/experiments/{KEY}/activity")
    changed = next(one for one in newest if one["type"] == "experiment.status_changed")
    assert changed["actor"] == "jane"


async def test_an_issue_is_created_once(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(f"experiment_key: {KEY}")
    comment = await scene.say(
        number, '/experiment issue “Clean up the flag” label="tech debt" assignee=@jane'
    )
    assert scene.reactions(comment) == ["eyes", "rocket"]
    assert scene.replies(number) == []
    (issue,) = scene.github.issues(REPOSITORY)
    assert issue["title"] == "Clean up the flag"
    assert [one["name"] for one in issue["labels"]] == ["tech debt"]
    assert [one["login"] for one in issue["assignees"]] == ["jane"]
    assert f"#{number}" in issue["body"]
    assert await linked(scene, "issues") == [(issue["number"], "command")]
    (command,) = await commands(scene)
    assert command["status"] == "done" and f"#{issue['number']}" in command["result"]
    types = await feed(scene)
    assert types.count("issue.created") == types.count("command.executed") == 1


@sqlite_only
async def test_each_run_creates_an_issue_of_its_own(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    line = f'/experiment issue "T" key={KEY}'
    comment = await scene.say(number, f"{line}\n{line}\n/experiment status {KEY}")
    assert scene.reactions(comment) == ["eyes", "rocket"]
    assert len(scene.github.issues(REPOSITORY)) == 2
    assert "| 0 | 2 |" in scene.replies(number)[0]


@sqlite_only
async def test_an_issue_that_github_refuses(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    scene.github.repository(REPOSITORY).has_issues = False
    number = await scene.open(f"experiment_key: {KEY}")
    comment = await scene.say(number, '/experiment issue "T"\n/experiment pause ' + KEY)
    assert scene.reactions(comment) == ["eyes", "confused"]
    (reply,) = scene.replies(number)
    assert "disabled" in reply and '/experiment issue "T"' in reply
    assert await status_of(scene) == "paused"
    paused, issue = await commands(scene)
    assert (issue["status"], issue["allowed"]) == ("failed", True)
    assert paused["status"] == "done"


@sqlite_only
async def test_help_lists_every_command_and_who_may(scene: Scene) -> None:
    await scene.bot.patch(
        f"/api/v1/integrations/{scene.integration}",
        {"config": {"commands": {"complete": "maintain"}}},
    )
    number = await scene.open("")
    for text in ("/experiment help", "/experiment"):
        comment = await scene.say(number, text)
        assert scene.reactions(comment) == ["eyes", "rocket"]
    for reply in scene.replies(number):
        for name in ("link", "unlink", "status", "issue", "start", "pause", "complete", "help"):
            assert f"`/experiment {name}" in reply  # as it can be copied
        assert re.search(r"complete KEY` \|.*\| `maintain` \|", reply)
        assert re.search(r"unlink KEY…` \|.*\| `write` \|", reply)
        assert not [line for line in reply.splitlines() if line.lstrip().startswith("/")]


async def test_the_page_is_what_is_registered(tmp_path: Path) -> None:
    code, out, _ = await app("commands", env=environment(tmp_path / "data"))
    page = Path(__file__).parents[2] / "docs" / "commands.md"
    assert (code, out) == (0, page.read_text()), "python app.py commands > docs/commands.md"


@sqlite_only
@token_only
async def test_the_audit_list(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    for text in ("help", "nonsense", f"link {KEY}", "link nope"):
        await scene.say(number, f"/experiment {text}")
    found = await scene.bot.walk("/api/v1/commands", limit=1)
    assert [one["command"] for one in found] == ["link", "link", "nonsense", "help"]
    assert all(f"issues/{number}#" in one["html_url"] or one["html_url"] for one in found)
    refused = await scene.bot.walk("/api/v1/commands?status=refused")
    assert [(one["text"], one["allowed"]) for one in refused] == [
        ("/experiment link nope", True),
        ("/experiment nonsense", None),
    ]
    assert (await scene.bot.get("/api/v1/commands", token=None)).status == 401
    assert (await scene.bot.get("/api/v1/commands?status=odd")).status == 422


# --- What is refused


REFUSED = {
    "a near miss": ("/experiment lnik checkout-flow-v2", "Did you mean `link`?"),
    "no such command": ("/experiment frobnicate", "There is no command `frobnicate`"),
    "unknown key": ("/experiment link checkout-flow-2", "Closest: `checkout-flow-v2`"),
    "no key": ("/experiment link", "`/experiment link KEY…`"),
    "two keys": (f"/experiment start {KEY} other", "key of one experiment"),
    "an option it has not": (f"/experiment link {KEY} colour=red", "no option `colour=`"),
    "a near option": ('/experiment issue "T" labels=x', "Did you mean `label=`?"),
    "not linked": (f"/experiment unlink {KEY}", "is not linked here"),
    "an open quote": ('/experiment issue "T', "quot"),
    "no title": ("/experiment issue", "wants a title"),
    "words without quotes": ("/experiment issue Clean it up", '/experiment issue "Clean it up"'),
    "nothing linked": ('/experiment issue "T"', "key=KEY"),
    "no login": (f'/experiment issue "T" key={KEY} assignee="a b"', "is no login"),
    "status of nothing": ("/experiment status", "No experiment is linked here"),
    "markup": ("/experiment link <b>@all</b>", "There is no experiment"),
}


@sqlite_only
@token_only
@pytest.mark.parametrize("case", REFUSED)
async def test_what_was_wrong_is_said_once(scene: Scene, case: str) -> None:
    text, reason = REFUSED[case]
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    comment = await scene.say(number, text)
    assert scene.reactions(comment) == ["eyes", "confused"]
    (reply,) = scene.replies(number)
    assert reason in reply
    assert not re.search(r"@\w", reply)
    assert not [line for line in reply.splitlines() if re.match(r"\W*/", line) and "`" not in line]
    (command,) = await commands(scene)
    assert command["status"] == "refused" and command["result"]
    assert (await status_of(scene), await linked(scene)) == ("draft", [])
    assert scene.github.issues(REPOSITORY) == []


@sqlite_only
@token_only
async def test_one_reply_for_all_that_went_wrong(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    text = f"/experiment link nope\n/experiment link {KEY}\n/experiment lnik\n"
    comment = await scene.say(number, text)
    assert scene.reactions(comment) == ["eyes", "confused"]
    (reply,) = scene.replies(number)
    assert "`nope`" in reply and "`lnik`" in reply and f"link {KEY}`" not in reply
    assert await linked(scene) == [(number, "command")]


@sqlite_only
@token_only
async def test_ten_of_one_comment_run(scene: Scene) -> None:
    for position in range(12):
        await scene.bot.experiment(f"key-{position}")
    number = await scene.open("")
    lines = [f"/experiment link key-{position}" for position in range(12)]
    comment = await scene.say(number, "\n".join(lines))
    assert scene.reactions(comment) == ["eyes", "confused"]
    (reply,) = scene.replies(number)
    assert "key-10" in reply and "first 10" in reply and "key-9" not in reply
    answer = await scene.bot.get(f"/api/v1/pull-requests/{REPOSITORY}/{number}")
    assert len(answer.body["experiments"]) == 10


# --- Who may


WHO = {
    "a reader of a private repository": ("read", True, {"status", "help"}),
    "triage": ("triage", True, {"status", "help"}),
    "a stranger on a public repository": (None, False, set()),
    "triage on a public repository": ("triage", False, set()),
    "nobody on a private repository": (None, True, set()),
    "a maintainer": ("maintain", False, {"status", "help", "link", "pause"}),
    "a role of the organisation's own": ("write", False, {"status", "help", "link", "pause"}),
}


@sqlite_only
@pytest.mark.parametrize("who", WHO)
async def test_who_may_what(scene: Scene, who: str) -> None:
    role, is_private, may = WHO[who]
    repository = scene.github.repository(REPOSITORY)
    repository.private = is_private
    scene.github.add_user("sam")
    if role is not None:
        repository.collaborators["sam"] = role
    await scene.bot.experiment(KEY, status="active")
    number = await scene.open("")
    for text in (f"status {KEY}", "help", f"link {KEY}", f"pause {KEY}"):
        comment = await scene.say(number, f"/experiment {text}", "sam")
        allowed = text.split()[0] in may
        assert scene.reactions(comment) == ["eyes", "rocket" if allowed else "confused"], text
        if not allowed:
            reply = scene.replies(number)[-1]
            assert "`sam` has" in reply and "needs" in reply and "`write`" in reply
            assert (role or ("read" if not is_private else "no permission")) in reply
        command = (await commands(scene))[0]
        assert command["allowed"] is allowed
        assert command["permission"] == (role or ("none" if is_private else "read"))
    done = "link" in may
    assert await linked(scene) == ([(number, "command")] if done else [])
    assert await status_of(scene) == ("paused" if done else "active")
    if not done:
        assert "command.refused" in await feed(scene)


@sqlite_only
@token_only
async def test_the_author_of_a_fork_may_not(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    scene.github.add_repository("sam/shop")
    number = await scene.open("", author="sam", head_repo="sam/shop")
    comment = await scene.say(number, f"/experiment link {KEY}", "sam")
    assert scene.reactions(comment) == ["eyes", "confused"]
    assert "`sam` has `read` permission" in scene.replies(number)[0]
    assert await linked(scene) == []


@sqlite_only
@token_only
async def test_an_integration_may_ask_for_another_permission(scene: Scene) -> None:
    path = f"/api/v1/integrations/{scene.integration}"
    wanted = {"link": "triage", "pause": "admin"}
    answer = await scene.bot.patch(path, {"config": {"commands": wanted}})
    assert answer.body["config"]["commands"] == wanted
    scene.github.add_user("sam")
    scene.github.repository(REPOSITORY).collaborators["sam"] = "triage"
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    assert "rocket" in scene.reactions(await scene.say(number, f"/experiment link {KEY}", "sam"))
    comment = await scene.say(number, f"/experiment pause {KEY}", "jane")
    assert "confused" in scene.reactions(comment)
    assert "needs `admin`" in scene.replies(number)[0]
    answer = await scene.bot.patch(path, {"config": {"commands": None}})
    assert answer.body["config"]["commands"] == {}
    for wrong in ({"lnik": "read"}, {"link": "owner"}):
        answer = await scene.bot.patch(path, {"config": {"commands": wrong}})
        assert answer.status == 422
        assert answer.body["errors"][0]["field"].startswith("config.commands")


@sqlite_only
@token_only
async def test_github_down_delays_a_command_and_lets_nothing_through(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    fault = Fault("status", PERMISSION, times=None, status=500)
    scene.github.fail(fault)
    comment = await scene.say(number, f"/experiment link {KEY}")
    await scene.pass_time(1800, 60)
    assert scene.reactions(comment) == ["eyes"]
    assert await linked(scene) == []
    assert (await commands(scene))[0]["status"] == "pending"
    scene.github.heal()
    await scene.pass_time(3600, 120)
    assert scene.reactions(comment) == ["eyes", "rocket"]
    assert await linked(scene) == [(number, "command")]


@sqlite_only
@token_only
async def test_github_will_not_say_who_may(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    body = {"message": "Must have push access to view collaborator permission."}
    scene.github.fail(Fault("status", PERMISSION, times=None, status=403, body=body))
    comment = await scene.say(number, f"/experiment link {KEY}")
    assert scene.reactions(comment) == ["eyes", "confused"]
    assert "does not tell the bot" in scene.replies(number)[0]
    assert await linked(scene) == []
    answer = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    assert "push access" in answer.body["last_error"]


@sqlite_only
@app_only
@pytest.mark.parametrize("action", ["suspend", "deleted"])
async def test_a_suspended_installation_runs_nothing(scene: Scene, action: str) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(f"experiment_key: {KEY}")
    await scene.work()
    calls = len(scene.github.requests)
    installation = {"id": INSTALLATION, "account": {"login": "acme"}}
    await scene.bot.deliver(
        scene.integration, "installation", {"action": action, "installation": installation}
    )
    await scene.say(number, f"/experiment pause {KEY}")
    assert len(scene.github.requests) == calls
    (command,) = await commands(scene)
    assert (command["status"], command["allowed"]) == ("refused", False)
    assert ("suspended" if action == "suspend" else "no longer installed") in command["result"]
    assert await status_of(scene) == "draft"
    assert "command.refused" in await feed(scene)


@sqlite_only
@app_only
async def test_an_installation_suspended_meanwhile_runs_nothing(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    await scene.say(number, f"/experiment link {KEY}", work=False)
    installation = {"id": INSTALLATION, "account": {"login": "acme"}}
    told = {"action": "suspend", "installation": installation}
    await scene.bot.deliver(scene.integration, "installation", told)
    await scene.work()
    await scene.bot.deliver(scene.integration, "installation", {**told, "action": "unsuspend"})
    await scene.pass_time(3600, 600)
    (command,) = await commands(scene)
    assert command["status"] == "refused" and "suspended" in command["result"]
    assert await linked(scene) == []


# --- Loops and abuse


@sqlite_only
async def test_bots_run_nothing(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    for login in ("dependabot[bot]", "renovate[bot]"):
        comment = await scene.say(number, f"/experiment link {KEY}", login)
        assert scene.reactions(comment) == []
    payload = scene.comment_payload(number, f"/experiment link {KEY}", "jane")
    payload["sender"] = {"login": "acme-ci", "type": "Bot"}
    await scene.bot.deliver(scene.integration, "issue_comment", payload)
    await scene.work()
    assert await commands(scene) == [] and await linked(scene) == []
    assert scene.github.requests == []


@sqlite_only
async def test_the_bot_itself_runs_nothing(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    login = f"{outbound.LOGIN}[bot]" if scene.is_app else outbound.LOGIN
    comment = await scene.say(number, f"/experiment link {KEY}", login)
    assert scene.reactions(comment) == [] and scene.replies(number) == []
    assert await linked(scene) == []
    marked = f"/experiment link {KEY}\n\n<!-- experiment-bot:reply x -->"
    assert scene.reactions(await scene.say(number, marked, "jane")) == []
    assert await linked(scene) == []


@sqlite_only
async def test_what_the_bot_writes_runs_nothing_when_it_comes_back(scene: Scene) -> None:
    """Every delivery of what the bot itself does reaches it, as in GitHub."""

    async def deliver(event: str, payload: dict[str, Any]) -> None:
        if scene.is_app:
            payload["installation"] = {"id": INSTALLATION}
        await scene.bot.deliver(scene.integration, event, payload)

    scene.github.subscribe(deliver)
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    await scene.say(number, "/experiment help\n/experiment link /experiment\n")
    for _ in range(5):
        await asyncio.sleep(0.05)
        await scene.work()
    assert len(scene.replies(number)) == 1
    assert len(await commands(scene)) == 2
    quoted = scene.replies(number)[0].replace("<!--", "").replace("-->", "")
    await scene.say(number, quoted)
    assert len(await commands(scene)) == 2


@sqlite_only
async def test_a_comment_runs_once(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    payload = scene.comment_payload(number, f'/experiment issue "T" key={KEY}')
    guid = "11111111-1111-4111-8111-111111111111"
    for another in (guid, guid, None):
        await scene.bot.deliver(scene.integration, "issue_comment", payload, guid=another)
        await scene.work()
    await scene.bot.post(f"/api/v1/integrations/{scene.integration}/deliveries/{guid}/replay")
    await scene.work()
    twin = await scene.bot.post(
        "/api/v1/integrations",
        {
            "name": "Twin",
            "integration_type": "GITHUB",
            "config": outbound.credentials(scene.credential),
        },
    )
    await scene.bot.deliver(twin.body["id"], "issue_comment", payload)
    await scene.work()
    assert len(scene.github.issues(REPOSITORY)) == 1
    assert len(await commands(scene)) == 1


@sqlite_only
async def test_edits_and_deletions_run_nothing(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    for action in ("edited", "deleted"):
        payload = scene.comment_payload(number, f"/experiment link {KEY}", action=action)
        answer = await scene.bot.deliver(scene.integration, "issue_comment", payload)
        assert answer.body == {"processed": False, "reason": "no handler"}
    await scene.work()
    assert await linked(scene) == [] and scene.github.requests == []


@sqlite_only
@token_only
async def test_a_comment_deleted_before_its_turn_runs_nothing(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    comment = await scene.say(number, f"/experiment link {KEY}", work=False)
    scene.github.delete_comment(comment)
    await scene.work()
    assert (await commands(scene))[0]["status"] == "pending"  # GitHub may not know it yet
    await scene.pass_time(70, 5)
    assert await linked(scene) == [] and scene.replies(number) == []
    assert (await commands(scene))[0]["status"] == "refused"


@sqlite_only
@token_only
async def test_a_comment_deleted_while_it_runs_gets_no_answer(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    comment = await scene.say(number, f"/experiment link {KEY}\n/experiment help", work=False)
    scene.github.fail(Fault("status", PERMISSION, status=500))
    await scene.work()
    scene.github.delete_comment(comment)
    await scene.pass_time(60, 20)
    assert await linked(scene) == [(number, "command")]
    assert scene.replies(number) == []
    assert {one["status"] for one in await scene.actions("?kind=commands")} == {"done"}


@sqlite_only
@token_only
async def test_more_than_twenty_a_minute_are_refused_once(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    verbs = ("pause", "start")
    for position in range(20):
        await scene.say(number, f"/experiment {verbs[position % 2]} {KEY}")
    comment = await scene.say(number, f"/experiment complete {KEY}")
    assert scene.reactions(comment) == ["eyes", "confused"]
    (reply,) = scene.replies(number)
    assert "20 commands a minute" in reply
    for _ in range(3):
        scene.clock.ahead += 120
        ignored = await scene.say(number, f"/experiment complete {KEY}")
        assert scene.reactions(ignored) == []
    assert len(scene.replies(number)) == 1
    assert await status_of(scene) == "active"
    scene.github.add_user("sam")
    scene.github.repository(REPOSITORY).collaborators["sam"] = "write"
    await scene.say(number, f"/experiment pause {KEY}", "sam")
    assert await status_of(scene) == "paused"
    scene.clock.ahead += 600
    await scene.say(number, f"/experiment complete {KEY}")
    assert await status_of(scene) == "completed"


@sqlite_only
@token_only
async def test_a_flood_in_few_comments_is_cut_at_twenty(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    payloads = [
        scene.comment_payload(number, "\n".join([f"/experiment start {KEY}"] * 7)) for _ in range(5)
    ]
    await asyncio.gather(
        *(scene.bot.deliver(scene.integration, "issue_comment", one) for one in payloads)
    )
    await scene.work()
    statuses = [one["status"] for one in await commands(scene)]
    assert statuses.count("done") == 20 and statuses.count("refused") == 1
    assert len(scene.replies(number)) == 1


# --- Failures in the middle


@sqlite_only
@token_only
@pytest.mark.parametrize("kind", ["timeout_after", "drop_after", "status_after", "status"])
@pytest.mark.parametrize("template", [REACTIONS, COMMENTS, ISSUES])
async def test_an_unknown_outcome_doubles_nothing(scene: Scene, template: str, kind: str) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    scene.github.fail(Fault(kind, template, status=502, seconds=0.1))
    comment = await scene.say(
        number, f'/experiment issue "T" key={KEY}\n/experiment link nope\n/experiment link {KEY}'
    )
    await scene.pass_time(120, 20)
    assert scene.reactions(comment) == ["eyes", "confused"]
    assert len(scene.replies(number)) == 1
    assert len(scene.github.issues(REPOSITORY)) == 1
    assert await linked(scene) == [(number, "command")]
    assert [one["status"] for one in await commands(scene)] == ["done", "refused", "done"]


STEPS = [
    (template, kind, after)
    for template, after in (
        (REACTIONS, 0),
        (PERMISSION, 0),
        (ISSUES, 0),
        (REACTIONS, 1),
        (COMMENTS, 0),
    )
    for kind in ("timeout_before", "timeout_after")
]


@sqlite_only
async def test_killed_at_each_step_it_ends_done_and_once(engine: str, tmp_path: Path) -> None:
    """A comment for each call that a run makes: the process dies before or after it is done."""
    github = await outbound.github_for("token")
    pulls = [github.open_pull(REPOSITORY, title="T", body="").number for _ in range(len(STEPS))]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        bot = Process(tmp_path / "data", session, GITHUB_API_URLS=github.url)
        await bot.start()
        try:
            config = {"token": TOKEN, "webhook_secret": SECRET, "comments": "off", "check": "off"}
            integration = await bot.integration(config={**config, "label": None})
            await bot.experiment("key")
            comments = []
            for number, (template, kind, after) in zip(pulls, STEPS, strict=True):
                fault = github.fail(Fault(kind, template, after=after, seconds=60))
                comments.append(await _comment(bot, github, integration, number))
                await eventually(lambda fault=fault: _is_used(fault), 30)
                await bot.kill()
                await bot.start()
            await eventually(lambda: _all_ended(bot), 60)
            for number, comment in zip(pulls, comments, strict=True):
                assert github.reactions(REPOSITORY, comment) == ["eyes", "confused"]
                replies = github.comments(REPOSITORY, number)
                assert len(replies) == 2, replies
                titles = [one["title"] for one in github.issues(REPOSITORY)]
                assert titles.count(f"Issue {number}") == 1
            assert len(await bot.walk("/api/v1/experiments/key/pull-requests")) == len(STEPS)
        finally:
            await bot.kill()
            await github.close()
    assert github.violations == []


async def _comment(bot: Process, github: GitHub, integration: str, number: int) -> int:
    text = f'/experiment link key\n/experiment issue "Issue {number}"\n/experiment link nope\n'
    author = f"dev-{number}"  # each has only so many commands a minute
    github.repository(REPOSITORY).collaborators[author] = "write"
    payload = outbound.comment_payload(github, number, text, author)
    answer = await bot.deliver(integration, "issue_comment", payload)
    assert answer.body == {"processed": True}
    identifier: int = payload["comment"]["id"]
    return identifier


async def _is_used(fault: Fault) -> bool:
    return fault.used > 0


async def _all_ended(bot: Process) -> bool:
    found = await bot.walk("/api/v1/commands", limit=200)
    actions = await bot.walk("/api/v1/actions", limit=200)
    return all(one["status"] in ("done", "refused") for one in found) and all(
        one["status"] == "done" for one in actions
    )
