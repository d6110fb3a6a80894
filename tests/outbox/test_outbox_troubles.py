"""GitHub fails, refuses, limits or goes away: nothing is lost, doubled or asked too often."""

import asyncio
from pathlib import Path

import pytest
import yaml

from bot import times
from bot.github.limits import Pace
from tests.github import Fault, primary_limit, secondary_limit, secondary_limit_bare
from tests.kit import outbound
from tests.kit.marks import app_only, slow, sqlite_only, token_only
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene
from tests.kit.running import eventually
from tests.outbox.stories import COMMENTS, KEY, LINE


@sqlite_only
@pytest.mark.parametrize("kind", ["timeout_after", "drop_after", "status_after"])
async def test_an_unknown_outcome_makes_no_second_comment(scene: Scene, kind: str) -> None:
    monkey = Fault(kind, template=COMMENTS, status=502, seconds=0.1)
    scene.github.fail(monkey)
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    forged = scene.comments(number)[0]
    scene.github.add_comment(REPOSITORY, number, "jane", forged)
    await scene.pass_time(60, 20)
    ours = [
        one for one in scene.github.comments(REPOSITORY, number) if one["user"]["login"] != "jane"
    ]
    assert len(ours) == 1
    part = await scene.part("status_comment")
    assert part["status"] == "done" and part["comment_id"] == ours[0]["id"]


@sqlite_only
@pytest.mark.parametrize("kind", ["drop_before", "status", "garbage"])
async def test_a_failure_before_the_comment_is_made_up_for(scene: Scene, kind: str) -> None:
    scene.github.fail(Fault(kind, template=COMMENTS, status=500))
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    waiting = await scene.part("status_comment")
    assert waiting["status"] == "pending" and waiting["error"]
    await scene.pass_time(60, 20)
    assert len(scene.comments(number)) == 1


@pytest.mark.parametrize("status", [403, 410, 422])
@sqlite_only
@token_only
async def test_a_refusal_fails_at_once(scene: Scene, status: int) -> None:
    scene.github.fail(Fault("status", template=COMMENTS, status=status, body={"message": "No."}))
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    (action,) = await scene.actions()
    assert action["status"] == "failed" and action["attempts"] == 1
    assert action["last_error"].startswith(f"Status comment: {status} No.")
    states = {name: part["status"] for name, part in action["result"].items()}
    assert states == {"check": "done", "status_comment": "failed", "label": "done"}
    integration = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    assert f"#{number}" in integration.body["last_error"]
    answer = await scene.bot.post(f"/api/v1/actions/{action['id']}/retry")
    assert answer.status == 200, answer.body
    await scene.work()
    assert len(scene.comments(number)) == 1
    integration = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    assert integration.body["last_error"] is None


@sqlite_only
@slow
async def test_an_hour_without_github_loses_nothing(scene: Scene) -> None:
    scene.github.down = True
    await scene.bot.experiment(KEY)
    numbers = [await scene.open(LINE) for _ in range(20)]
    await scene.pass_time(3600, 30)
    tried = len(scene.github.requests)
    assert tried < 60  # no action is tried on and on
    scene.github.down = False
    await scene.pass_time(900, 30)
    assert all(len(scene.comments(number)) == 1 for number in numbers)
    assert (
        len(scene.github.writes(COMMENTS))
        - sum(one.status is None or one.status >= 500 for one in scene.github.writes(COMMENTS))
        == 20
    )


@sqlite_only
@token_only
@slow
async def test_after_three_days_it_is_given_up(scene: Scene) -> None:
    scene.github.fail(Fault("status", template=COMMENTS, status=500, times=None))
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    await scene.pass_time(4 * 86_400, 3600)
    part = await scene.part("status_comment")
    assert part["status"] == "failed" and "three days" in part["error"]


@sqlite_only
@pytest.mark.parametrize("flavour", ["retry-after", "429", "primary", "bare"])
@slow
async def test_rate_limits_are_waited_out(scene: Scene, flavour: str) -> None:
    fault = {
        "retry-after": lambda: secondary_limit(120, template=COMMENTS),
        "429": lambda: secondary_limit(120, 429, template=COMMENTS),
        "primary": lambda: primary_limit(120, scene.clock, template=COMMENTS),
        "bare": lambda: secondary_limit_bare(template=COMMENTS),
    }[flavour]()
    scene.github.fail(fault)
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    part = await scene.part("status_comment")
    assert part["status"] == "pending" and "limit" in part["error"]
    before = len(scene.github.requests)
    await scene.pass_time(50, 10)
    assert len(scene.github.requests) == before
    await scene.pass_time(90, 30)
    assert len(scene.comments(number)) == 1


@app_only
@sqlite_only
async def test_an_installation_token_is_minted_once_and_again_when_refused(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    assert len(scene.github.mints) == 1
    scene.github.revoke_tokens(INSTALLATION)
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    await scene.work()
    assert len(scene.github.mints) == 2
    await scene.pass_time(3400)
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "paused"})
    await scene.work()
    assert len(scene.github.mints) == 3
    assert "paused" in scene.comments(number)[0]
    assert not [one for one in scene.github.requests[-3:] if one.status == 401]


@app_only
@sqlite_only
@pytest.mark.parametrize("drift", [-600.0, 600.0])
async def test_a_clock_that_is_wrong(scene: Scene, drift: float) -> None:
    here = scene.clock
    scene.github.clock = lambda: here() + drift
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    assert len(scene.comments(number)) == 1


@app_only
@sqlite_only
async def test_a_suspended_installation_is_not_called(scene: Scene) -> None:
    installation = {"id": INSTALLATION, "account": {"login": "acme"}}
    at = times.render(times.now())
    suspended = {"action": "suspend", "installation": {**installation, "suspended_at": at}}
    await scene.bot.deliver(scene.integration, "installation", suspended)
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    assert scene.github.requests == []
    actions = await scene.actions()
    assert all(one["status"] == "pending" for one in actions)
    assert [one for one in actions if "suspended" in (one["last_error"] or "")]
    await scene.bot.deliver(
        scene.integration, "installation", {"action": "unsuspend", "installation": installation}
    )
    await scene.work()
    assert len(scene.comments(number)) == 1
    await scene.bot.deliver(
        scene.integration, "installation", {"action": "deleted", "installation": installation}
    )
    before = len(scene.github.requests)
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "paused"})
    await scene.work()
    assert len(scene.github.requests) == before
    action = (await scene.actions())[0]
    assert action["status"] == "failed" and "install it again" in action["last_error"]


@sqlite_only
@token_only
@slow
async def test_ten_thousand_pending_comments_collapse(scene: Scene) -> None:
    for position in range(50):
        await scene.bot.experiment(f"experiment-{position}")
    lines = "\n".join(f"experiment_key: experiment-{position}" for position in range(20))
    numbers = [await scene.open(lines) for _ in range(200)]
    for _ in range(50):
        await scene.bot.patch("/api/v1/experiments/experiment-0", {"name": "Another name"})
        await scene.bot.patch("/api/v1/experiments/experiment-0", {"name": "One name"})
    pending = await scene.actions("?kind=pull_request&status=pending")
    assert len(pending) == 200
    await scene.pass_time(7200, 60)
    assert all(len(scene.comments(number)) == 1 for number in numbers)
    assert len(scene.github.writes(COMMENTS)) == 200
    # One a second as they are sent; on their way one may take longer than the next.
    assert scene.github.most_writes_within(0.5, by="clock") <= 1
    assert scene.github.most_writes_within(60, content_only=True, by="clock") <= 80
    assert scene.github.most_writes_within(3600, content_only=True, by="clock") <= 500


@token_only
async def test_two_workers_do_not_double_anything(scene: Scene) -> None:
    from bot.outbox.loop import Outbox

    await scene.bot.experiment(KEY)
    numbers = [await scene.open(LINE) for _ in range(3)]
    second = Outbox(scene.bot.services)
    await asyncio.gather(scene.work(), second.work_off())
    await asyncio.gather(scene.work(), second.work_off())
    assert [len(scene.comments(number)) for number in numbers] == [1, 1, 1]
    assert len(scene.github.writes(COMMENTS)) == 3
    assert len(scene.github.writes("POST /repos/{owner}/{repo}/statuses/{sha}")) == 3


@sqlite_only
async def test_a_new_credential_makes_up_for_refusals(scene: Scene) -> None:
    scene.github.fail(Fault("status", status=401, times=None))
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    assert {one["status"] for one in await scene.actions()} == {"failed"}
    scene.github.heal()
    config = outbound.credentials(scene.credential)
    path = f"/api/v1/integrations/{scene.integration}"
    assert (await scene.bot.patch(path, {"config": config})).status == 200
    await scene.work()
    assert len(scene.comments(number)) == 1


@sqlite_only
async def test_only_the_api_url_is_called(scene: Scene) -> None:
    from tests.github import GitHub

    elsewhere = await GitHub.start()
    scene.github.fail(
        Fault("redirect_away", template=COMMENTS, headers={"Location": f"{elsewhere.url}/x"})
    )
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    await scene.work()
    assert elsewhere.requests == []
    await elsewhere.close()


@sqlite_only
@token_only
async def test_an_inactive_integration_and_other_repositories_are_not_called(scene: Scene) -> None:
    path = f"/api/v1/integrations/{scene.integration}"
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.bot.patch(path, {"is_active": False})
    await scene.work()
    assert scene.github.requests == []
    await scene.bot.patch(path, {"is_active": True, "config": {"repositories": ["acme/other"]}})
    await scene.work()
    assert scene.github.requests == []
    assert "does not allow" in str(await scene.actions("?status=failed"))
    answer = await scene.issue(KEY)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "repository")
    body = {"integration_id": scene.integration, "repository": REPOSITORY, "number": number}
    answer = await scene.bot.post(f"/api/v1/experiments/{KEY}/pull-requests", body)
    assert answer.status == 422


@sqlite_only
@app_only
async def test_every_permission_asked_for_is_used(scene: Scene) -> None:
    """Write permissions by a call; read permissions by the events that come with them."""
    asked = yaml.safe_load((Path(__file__).parents[2] / "app.yml").read_text("utf-8"))
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    ordering = asyncio.create_task(scene.issue(KEY, labels=["growth"]))
    await eventually(lambda: scene.actions("?kind=tracking_issue"))
    await scene.work()
    assert (await ordering).status == 201
    wanted = {(name, level) for name, level in asked["default_permissions"].items()}
    assert {one for one in wanted if one[1] == "write"} <= scene.github.permissions_used
    assert asked["default_permissions"] == outbound.PERMISSIONS
    events_of = {
        "contents": "push",
        "metadata": "repository",
        "merge_queues": "merge_group",
        "deployments": "deployment_status",
    }
    read = {name for name, level in wanted if level == "read"}
    assert read == events_of.keys() and set(events_of.values()) <= set(asked["default_events"])


@sqlite_only
@token_only
async def test_news_while_an_attempt_fails(scene: Scene) -> None:
    """What fails while something newer waits gives way to it, and the newer one looks first."""
    scene.github.fail(Fault("timeout_after", template=COMMENTS, seconds=0.5))
    await scene.bot.experiment(KEY, status="draft")
    number = await scene.open(LINE)
    working = asyncio.create_task(scene.work())
    await eventually(lambda: running_comment(scene))
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    await working
    await scene.pass_time(60, 20)
    (comment,) = scene.comments(number)
    assert "active" in comment
    newer, older = await scene.actions("?kind=pull_request")
    assert older["result"]["superseded_by"] == newer["id"]


async def running_comment(scene: Scene) -> bool:
    is_begun = bool(scene.github.calls(COMMENTS))
    return is_begun and bool(await scene.actions("?status=running"))


@pytest.mark.parametrize(("limit", "span"), [(80, 60.0), (500, 3600.0)])
def test_content_creating_calls_stay_within_githubs_numbers(limit: int, span: float) -> None:
    now = 1_000_000.0
    for made, content, waits in (
        (limit, True, True),
        (limit - 1, True, False),
        (limit, False, False),
    ):
        pace = Pace([(now - span / 2, content)] * made)
        assert (pace.wait(now, content=True) > 1.0) is waits
        assert pace.wait(now, content=False) <= 1.0
        assert pace.wait(now + span, content=True) == 0.0
