"""Commands in comments, as stories: somebody comments, GitHub sees this, the API says that."""

import re
from pathlib import Path

import pytest

from tests.commands.audit import KEY, commands, feed, linked, status_of
from tests.kit.golden import Golden
from tests.kit.marks import app_only, each_credential, slow, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene, set_to
from tests.kit.processes import app, environment

# --- What each does


@each_credential
async def test_link_and_unlink(scene: Scene, golden: Golden) -> None:
    await scene.bot.experiment(KEY, status="active")
    number = await scene.open("No key here")
    comment = await scene.say(number, f"Ours.\n\n/experiment link {KEY}\n")
    assert scene.reactions(comment) == ["eyes", "rocket"]
    assert scene.replies(number) == []
    assert await linked(scene) == [(number, "command")]
    assert scene.check(number) == "success"
    golden(scene, number, "commands/link")
    await scene.say(number, f"/experiment unlink {KEY}")
    golden(scene, number, "commands/unlink")
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
@app_only
async def test_status(scene: Scene, golden: Golden) -> None:
    await scene.bot.experiment(KEY, name="One | page @all", status="active", owner="@growth")
    await scene.bot.experiment("other", name="Other")
    number = await scene.open(f"experiment_key: {KEY}")
    await scene.say(number, "/experiment status")
    await scene.say(number, f"/experiment status other {KEY}")
    golden(scene, number, "commands/status")


@sqlite_only
@pytest.mark.parametrize(
    ("verb", "status"), [("start", "active"), ("pause", "paused"), ("complete", "completed")]
)
@app_only
async def test_the_status_is_changed(scene: Scene, golden: Golden, verb: str, status: str) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(f"experiment_key: {KEY}")
    await scene.say(number, f"/Experiment {verb.upper()} {KEY}")
    golden(scene, number, f"commands/{verb}")
    assert await status_of(scene) == status
    newest = await scene.bot.walk(f"/api/v1/experiments/{KEY}/activity")
    changed = next(one for one in newest if one["type"] == "experiment.status_changed")
    assert changed["actor"] == "jane"


@each_credential
async def test_an_issue_is_created_once(scene: Scene, golden: Golden) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(f"experiment_key: {KEY}")
    await scene.say(
        number, '/experiment issue “Clean up the flag” label="tech debt" assignee=@jane'
    )
    (issue,) = scene.github.issues(REPOSITORY)
    golden(scene, number, "commands/issue")
    golden(scene, issue["number"], "commands/issue, what it made")
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
@app_only
async def test_an_issue_that_github_refuses(scene: Scene, golden: Golden) -> None:
    await scene.bot.experiment(KEY)
    scene.github.repository(REPOSITORY).has_issues = False
    number = await scene.open(f"experiment_key: {KEY}")
    await scene.say(number, '/experiment issue "T"\n/experiment pause ' + KEY)
    golden(scene, number, "commands/issue, refused by GitHub")
    assert await status_of(scene) == "paused"
    paused, issue = await commands(scene)
    assert (issue["status"], issue["allowed"]) == ("failed", True)
    assert paused["status"] == "done"


@sqlite_only
@token_only
async def test_help_lists_every_command_and_who_may(scene: Scene, golden: Golden) -> None:
    await set_to(scene, commands={"complete": "maintain"})
    number = await scene.open("")
    for text in ("/experiment help", "/experiment"):
        await scene.say(number, text)
    golden(scene, number, "commands/help")
    for reply in scene.replies(number):
        assert not [line for line in reply.splitlines() if line.lstrip().startswith("/")]


@slow
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


REFUSED = {
    "a near miss": "/experiment lnik checkout-flow-v2",
    "no such command": "/experiment frobnicate",
    "unknown key": "/experiment link checkout-flow-2",
    "no key": "/experiment link",
    "two keys": f"/experiment start {KEY} other",
    "an option it has not": f"/experiment link {KEY} colour=red",
    "a near option": '/experiment issue "T" labels=x',
    "not linked": f"/experiment unlink {KEY}",
    "an open quote": '/experiment issue "T',
    "no title": "/experiment issue",
    "words without quotes": "/experiment issue Clean it up",
    "nothing linked": '/experiment issue "T"',
    "no login": f'/experiment issue "T" key={KEY} assignee="a b"',
    "status of nothing": "/experiment status",
    "markup": "/experiment link <b>@all</b>",
}


# --- What is refused


@sqlite_only
@token_only
@pytest.mark.parametrize("case", REFUSED)
async def test_what_was_wrong_is_said_once(scene: Scene, golden: Golden, case: str) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    await scene.say(number, REFUSED[case])
    golden(scene, number, f"commands/refused/{case}")
    (reply,) = scene.replies(number)
    assert not re.search(r"@\w", reply)
    assert not [line for line in reply.splitlines() if re.match(r"\W*/", line) and "`" not in line]
    (command,) = await commands(scene)
    assert command["status"] == "refused" and command["result"]
    assert (await status_of(scene), await linked(scene)) == ("draft", [])
    assert scene.github.issues(REPOSITORY) == []


@sqlite_only
@token_only
async def test_one_reply_for_all_that_went_wrong(scene: Scene, golden: Golden) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    text = f"/experiment link nope\n/experiment link {KEY}\n/experiment lnik\n"
    await scene.say(number, text)
    golden(scene, number, "commands/refused/several of one comment")
    assert await linked(scene) == [(number, "command")]


@sqlite_only
@token_only
async def test_ten_of_one_comment_run(scene: Scene, golden: Golden) -> None:
    for position in range(12):
        await scene.bot.experiment(f"key-{position}")
    number = await scene.open("")
    lines = [f"/experiment link key-{position}" for position in range(12)]
    await scene.say(number, "\n".join(lines))
    golden(scene, number, "commands/refused/more than ten")
    answer = await scene.bot.get(f"/api/v1/pull-requests/{REPOSITORY}/{number}")
    assert len(answer.body["experiments"]) == 10
