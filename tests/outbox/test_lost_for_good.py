"""Answers that were lost, when what they were about is not owed any more, or the process dies."""

import asyncio
from pathlib import Path

import aiohttp

from tests.github import REPO, Fault, GitHub
from tests.kit import outbound
from tests.kit.marks import app_only, slow, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, TOKEN, Scene
from tests.kit.processes import Process
from tests.kit.running import SECRET, eventually
from tests.outbox.lost import EDIT, RUNS, STATUSES, TAKE_LABEL, WRONG, each_kind, edit, lose, settle
from tests.outbox.stories import COMMENTS, KEY, LINE

pytestmark = slow

# --- What is not owed any more


@each_kind
@sqlite_only
@token_only
async def test_a_first_comment_when_the_key_line_goes(scene: Scene, kind: str) -> None:
    fault = lose(scene, kind, COMMENTS)
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    await scene.pass_time(3, 3)  # the check comes first
    assert fault.used == 1
    await edit(scene, number, "-")
    await settle(scene)
    if kind.endswith("_after"):
        (comment,) = scene.comments(number)
        assert "no longer linked" in comment
    else:
        assert scene.comments(number) == []
        assert len(scene.github.writes(COMMENTS)) == 1
    await edit(scene, number, LINE)
    await settle(scene)
    (comment,) = scene.comments(number)
    assert KEY in comment and "no longer" not in comment


@each_kind
@sqlite_only
async def test_a_first_check_when_the_key_line_goes(scene: Scene, kind: str) -> None:
    fault = lose(scene, kind, RUNS if scene.is_app else STATUSES)
    await scene.bot.experiment(KEY)
    number = await scene.open(WRONG)
    await scene.work()
    assert fault.used == 1
    await edit(scene, number, "-")
    await settle(scene)
    sha = scene.github.pull_payload(REPOSITORY, number)["head"]["sha"]
    if scene.is_app and not kind.endswith("_after"):
        assert scene.check(number) is None
    else:
        assert scene.check(number) in ("neutral", "success")
    assert len(scene.github.check_runs(REPOSITORY, sha)) <= 1
    await edit(scene, number, WRONG)
    await settle(scene)
    assert scene.check(number) in ("action_required", "failure")
    assert len(scene.github.check_runs(REPOSITORY, sha)) <= 1


@sqlite_only
@app_only
async def test_a_check_on_a_new_head_when_the_key_line_goes(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    fault = lose(scene, "drop_before", RUNS)
    scene.github.push(REPOSITORY, number, "c" * 40)
    await scene.tell("synchronize", number)
    await scene.work()
    assert fault.used == 1
    await edit(scene, number, "-")
    await settle(scene)
    assert scene.github.check_runs(REPOSITORY, "c" * 40) == []


@sqlite_only
@token_only
async def test_a_deleted_comment_is_not_made_to_say_that_nothing_is_linked(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    scene.github.delete_comment(scene.github.comments(REPOSITORY, number)[0]["id"])
    await edit(scene, number, "-")
    await settle(scene)
    assert scene.comments(number) == []
    answer = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    assert answer.body["last_error"] is None
    await edit(scene, number, LINE)
    await settle(scene)
    assert len(scene.comments(number)) == 1


# --- Once


@sqlite_only
@each_kind
@token_only
async def test_a_comment_made_anew_is_made_once(scene: Scene, kind: str) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    scene.github.delete_comment(scene.github.comments(REPOSITORY, number)[0]["id"])
    fault = lose(scene, kind, COMMENTS)
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    await settle(scene)
    assert fault.used == 1
    (comment,) = scene.comments(number)
    assert "active" in comment


@sqlite_only
@each_kind
@token_only
async def test_a_comment_that_is_written_once_stays_so(scene: Scene, kind: str) -> None:
    path = f"/api/v1/integrations/{scene.integration}"
    await scene.bot.patch(path, {"config": {"comments": "once"}})
    await scene.bot.experiment(KEY, status="draft")
    lose(scene, kind, COMMENTS)
    number = await scene.open(LINE)
    await settle(scene)
    (comment,) = scene.comments(number)
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    await settle(scene)
    assert scene.comments(number) == [comment]
    await scene.bot.patch(path, {"config": {"comments": "on"}})
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "paused"})
    await settle(scene)
    assert "paused" in scene.comments(number)[0] and len(scene.comments(number)) == 1


@sqlite_only
@token_only
async def test_pressed_again_while_a_call_fails(scene: Scene) -> None:
    """What the button asked for is done by whatever comes to stand for it."""
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    before = len(scene.github.writes(STATUSES))
    sha = scene.github.pull_payload(REPOSITORY, number)["head"]["sha"]
    slow = Fault("timeout_before", STATUSES, seconds=0.5)
    scene.github.fail(slow)
    payload = {
        "action": "rerequested",
        "check_run": {"name": "experiment-bot", "head_sha": sha},
        "repository": scene.github.repository_payload(REPOSITORY),
    }
    await scene.bot.deliver(scene.integration, "check_run", payload)
    working = scene.work_on()

    async def is_under_way() -> bool:
        return slow.used > 0

    await eventually(is_under_way)
    await edit(scene, number, WRONG)
    await edit(scene, number, LINE)
    working.cancel()
    await settle(scene)
    assert len([one for one in scene.github.writes(STATUSES)[before:] if one.status == 201]) == 1


PUT_LABEL = f"POST {REPO}/issues/{{issue_number}}/labels"
STEPS = [EDIT, STATUSES, TAKE_LABEL]


# --- The process dies


@sqlite_only
@slow
async def test_killed_before_the_answer_was_kept(engine: str, tmp_path: Path) -> None:
    """Side by side, since most of it is to wait until the lease of who was killed runs out."""
    kinds = "timeout_before", "timeout_after"
    await asyncio.gather(*(_killed_before(tmp_path / kind, kind) for kind in kinds))


async def _killed_before(folder: Path, kind: str) -> None:
    github = await outbound.github_for("token")
    made = [github.open_pull(REPOSITORY, title="T", body=LINE) for _ in STEPS]
    numbers = [one.number for one in made]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        bot = Process(folder, session, GITHUB_API_URLS=github.url)
        await bot.start()
        try:
            integration = await bot.integration(config={"token": TOKEN, "webhook_secret": SECRET})
            await bot.experiment(KEY)
            for number in numbers:
                await _tell(bot, github, integration, number, "opened")
            await eventually(lambda: _all_done(bot), 60)
            before = [github.comments(REPOSITORY, number)[0]["body"] for number in numbers]
            for number, template in zip(numbers, STEPS, strict=True):
                fault = github.fail(Fault(kind, template, seconds=60))
                github.edit_pull(REPOSITORY, number, body="-")
                await _tell(bot, github, integration, number, "edited")
                await eventually(lambda fault=fault: _is_used(fault), 60)
                await bot.kill()
                await bot.start()
                github.edit_pull(REPOSITORY, number, body=LINE)
                await _tell(bot, github, integration, number, "edited")
                await eventually(lambda: _all_done(bot), 60)
            for number, text in zip(numbers, before, strict=True):
                assert [one["body"] for one in github.comments(REPOSITORY, number)] == [text]
                assert github.labels_of(REPOSITORY, number) == ["experiment"]
                sha = github.pull_payload(REPOSITORY, number)["head"]["sha"]
                newest = github.statuses(REPOSITORY, sha)[0]
                assert newest["state"] == "success" and KEY in newest["description"]
        finally:
            await bot.kill()
            await github.close()
    assert github.violations == []


@sqlite_only
@slow
async def test_killed_after_some_parts_were_answered(engine: str, tmp_path: Path) -> None:
    """What became of them is kept with what became of the rest: until then nobody knows."""
    both = "token", "app"
    await asyncio.gather(*(_killed_after_some(tmp_path / one, one) for one in both))


async def _killed_after_some(folder: Path, credential: str) -> None:
    github = await outbound.github_for(credential)
    number = github.open_pull(REPOSITORY, title="T", body=LINE).number
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        bot = Process(folder, session, GITHUB_API_URLS=github.url)
        await bot.start()
        try:
            config = outbound.credentials(credential)
            body = {"name": "Tests", "integration_type": "GITHUB", "config": config}
            integration = (await bot.post("/api/v1/integrations", body)).body["id"]
            await bot.experiment(KEY)
            fault = github.fail(Fault("timeout_after", PUT_LABEL, seconds=60))
            await _tell(bot, github, integration, number, "opened")
            await eventually(lambda: _is_used(fault), 60)
            assert len(github.comments(REPOSITORY, number)) == 1
            await bot.kill()
            await bot.start()
            await eventually(lambda: _all_done(bot), 60)
        finally:
            await bot.kill()
            await github.close()
    assert len(github.comments(REPOSITORY, number)) == 1
    assert github.labels_of(REPOSITORY, number) == ["experiment"]
    sha = github.pull_payload(REPOSITORY, number)["head"]["sha"]
    if credential == "app":
        assert len(github.check_runs(REPOSITORY, sha)) == 1
    assert github.violations == []


async def _tell(bot: Process, github: GitHub, integration: str, number: int, action: str) -> None:
    payload = {
        "action": action,
        "number": number,
        "pull_request": github.pull_payload(REPOSITORY, number),
        "repository": github.repository_payload(REPOSITORY),
        "installation": {"id": outbound.INSTALLATION},
    }
    assert (await bot.deliver(integration, "pull_request", payload)).status == 200


async def _is_used(fault: Fault) -> bool:
    return fault.used > 0


async def _all_done(bot: Process) -> bool:
    return all(one["status"] == "done" for one in await bot.walk("/api/v1/actions", limit=200))
