"""Loops, floods, comments that change, and failures in the middle of a command."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.commands.audit import KEY, PERMISSION, commands, linked, status_of
from tests.github import Fault
from tests.kit import outbound
from tests.kit.marks import slow, sqlite_only, token_only
from tests.kit.outbound import INSTALLATION, REPOSITORY, TOKEN, Scene, command
from tests.kit.processes import Process
from tests.kit.running import SECRET, eventually

REACTIONS = "POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions"
COMMENTS = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
ISSUES = "POST /repos/{owner}/{repo}/issues"


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


@sqlite_only
async def test_the_bots_own_mark_makes_nobody_the_bot(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    marked = f"/experiment link {KEY}\n\n<!-- experiment-bot:reply x -->"
    assert "rocket" in scene.reactions(await scene.say(number, marked, "jane"))
    assert await linked(scene) == [(number, "command")]


@sqlite_only
@token_only
async def test_where_github_does_not_say_who_the_bot_is_its_mark_does(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    scene.github.fail(Fault("status", "GET /user", times=None, status=404))
    marked = f"/experiment link {KEY}\n\n<!-- experiment-bot:reply x -->"
    assert scene.reactions(await scene.say(number, marked, outbound.LOGIN)) == []
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
@slow
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
@slow
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
                text = (
                    "/experiment link key\n"
                    f'/experiment issue "Issue {number}"\n'
                    "/experiment link nope\n"
                )
                comments.append(await command(bot, github, integration, number, text))
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


async def _is_used(fault: Fault) -> bool:
    return fault.used > 0


async def _all_ended(bot: Process) -> bool:
    found = await bot.walk("/api/v1/commands", limit=200)
    actions = await bot.walk("/api/v1/actions", limit=200)
    return all(one["status"] in ("done", "refused") for one in found) and all(
        one["status"] == "done" for one in actions
    )
