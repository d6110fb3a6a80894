"""What the bot does in GitHub: seen from a delivery to the pull request as GitHub shows it."""

import asyncio
from pathlib import Path

import pytest
import yaml

from bot import times
from bot.github.limits import Pace
from tests.github import Fault, primary_limit, secondary_limit, secondary_limit_bare
from tests.kit import outbound
from tests.kit.marks import each_credential
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene
from tests.kit.running import eventually

KEY = "checkout-flow-v2"
LINE = f"experiment_key: {KEY}"
COMMENTS = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
ISSUES = "POST /repos/{owner}/{repo}/issues"


sqlite_only = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
token_only = pytest.mark.parametrize("credential", ["token"], indirect=True)
app_only = pytest.mark.parametrize("credential", ["app"], indirect=True)


@each_credential
async def test_a_linked_pull_request_gets_comment_check_and_label(scene: Scene) -> None:
    await scene.bot.experiment(KEY, name="One page checkout", status="active", owner="@growth")
    number = await scene.open(LINE)
    await scene.work()
    (comment,) = scene.comments(number)
    assert KEY in comment and "active" in comment and "One page checkout" in comment
    assert f"/experiments/{KEY}" in comment and "experiment_key:" in comment
    assert "@growth" not in comment
    assert scene.check(number) == "success"
    assert scene.github.labels_of(REPOSITORY, number) == ["experiment"]
    actions = await scene.actions()
    assert {(one["kind"], one["status"]) for one in actions} == {
        ("status_comment", "done"),
        ("check", "done"),
        ("label", "done"),
    }
    assert all(one["repository"] == REPOSITORY and one["number"] == number for one in actions)
    assert all(one["attempts"] == 1 and one["last_error"] is None for one in actions)


async def test_nothing_is_said_where_nothing_is_linked(scene: Scene) -> None:
    number = await scene.open("Fix a typo")
    scene.github.push(REPOSITORY, number, "b" * 40)
    await scene.tell("synchronize", number)
    await scene.work()
    assert scene.github.requests == []
    assert await scene.actions() == []


async def test_the_comment_follows_the_experiment(scene: Scene) -> None:
    await scene.bot.experiment(KEY, status="active")
    number = await scene.open(LINE)
    await scene.work()
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "completed"})
    await scene.work()
    (comment,) = scene.comments(number)
    assert "completed" in comment and "active" not in comment
    assert scene.check(number) == "success"
    types = [one["type"] for one in await scene.bot.walk(f"/api/v1/experiments/{KEY}/activity")]
    assert "experiment.status_changed" in types


@sqlite_only
async def test_an_unknown_key_gets_a_hint(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("experiment_key: checkout-flow-2")
    await scene.work()
    (comment,) = scene.comments(number)
    assert f"Did you mean `{KEY}`?" in comment
    assert scene.check(number) in ("action_required", "failure")
    await scene.bot.experiment("checkout-flow-2")
    await scene.work()
    assert "Did you mean" not in scene.comments(number)[0]
    assert scene.check(number) == "success"


@sqlite_only
async def test_the_last_link_goes(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    scene.github.edit_pull(REPOSITORY, number, body="Nothing any more")
    await scene.tell("edited", number)
    await scene.work()
    (comment,) = scene.comments(number)
    assert "no longer linked" in comment
    assert scene.github.labels_of(REPOSITORY, number) == []
    assert scene.check(number) in ("neutral", "success")


@sqlite_only
async def test_new_commits_get_the_check_again_and_nothing_else(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    before = len(scene.github.writes())
    scene.github.push(REPOSITORY, number, "c" * 40)
    await scene.tell("synchronize", number)
    await scene.work()
    assert scene.check(number) == "success"
    assert len(scene.github.writes()) == before + 1


@sqlite_only
async def test_a_deleted_comment_comes_back_only_with_news(scene: Scene) -> None:
    await scene.bot.experiment(KEY, status="active")
    number = await scene.open(LINE)
    await scene.work()
    scene.github.delete_comment(scene.github.comments(REPOSITORY, number)[0]["id"])
    scene.github.push(REPOSITORY, number, "d" * 40)
    await scene.tell("synchronize", number)
    await scene.work()
    assert scene.comments(number) == []
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "paused"})
    await scene.work()
    assert len(scene.comments(number)) == 1


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
    (action,) = [one for one in await scene.actions() if one["kind"] == "status_comment"]
    assert action["status"] == "done" and action["result"]["comment_id"] == ours[0]["id"]


@sqlite_only
@pytest.mark.parametrize("kind", ["drop_before", "status", "garbage"])
async def test_a_failure_before_the_comment_is_made_up_for(scene: Scene, kind: str) -> None:
    scene.github.fail(Fault(kind, template=COMMENTS, status=500))
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    (waiting,) = await scene.actions("?kind=status_comment")
    assert waiting["status"] == "pending" and waiting["last_error"]
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
    (action,) = await scene.actions("?kind=status_comment")
    assert action["status"] == "failed" and action["attempts"] == 1
    assert str(status) in action["last_error"]
    integration = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    assert f"#{number}" in integration.body["last_error"]
    answer = await scene.bot.post(f"/api/v1/actions/{action['id']}/retry")
    assert answer.status == 200, answer.body
    await scene.work()
    assert len(scene.comments(number)) == 1
    integration = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    assert integration.body["last_error"] is None


@sqlite_only
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
async def test_after_three_days_it_is_given_up(scene: Scene) -> None:
    scene.github.fail(Fault("status", template=COMMENTS, status=500, times=None))
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    await scene.pass_time(4 * 86_400, 3600)
    (action,) = await scene.actions("?kind=status_comment")
    assert action["status"] == "failed" and "three days" in action["last_error"]


@sqlite_only
@pytest.mark.parametrize("flavour", ["retry-after", "429", "primary", "bare"])
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
    (action,) = await scene.actions("?kind=status_comment")
    assert action["status"] == "pending" and "limit" in action["last_error"]
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
async def test_a_renamed_repository_is_followed(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    scene.github.rename_repository(REPOSITORY, "acme/store")
    await scene.work()
    assert len(scene.github.comments("acme/store", number)) == 1


@sqlite_only
@token_only
async def test_ten_thousand_pending_comments_collapse(scene: Scene) -> None:
    for position in range(50):
        await scene.bot.experiment(f"experiment-{position}")
    lines = "\n".join(f"experiment_key: experiment-{position}" for position in range(20))
    numbers = [await scene.open(lines) for _ in range(200)]
    for _ in range(50):
        await scene.bot.patch("/api/v1/experiments/experiment-0", {"name": "Another name"})
        await scene.bot.patch("/api/v1/experiments/experiment-0", {"name": "One name"})
    pending = await scene.actions("?kind=status_comment&status=pending")
    assert len(pending) == 200
    await scene.pass_time(7200, 60)
    assert all(len(scene.comments(number)) == 1 for number in numbers)
    assert len(scene.github.writes(COMMENTS)) == 200
    assert scene.github.most_writes_within(0.9, by="clock") <= 1
    assert scene.github.most_writes_within(60, content_only=True, by="clock") <= 80
    assert scene.github.most_writes_within(3600, content_only=True, by="clock") <= 500


async def test_a_tracking_issue(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    working = asyncio.create_task(scene.outbox.run())
    try:
        answer = await scene.issue(
            KEY, title="Ramp up", body="To 10 %", labels=["experiment", "growth"]
        )
        assert answer.status == 201, answer.body
        (issue,) = scene.github.issues(REPOSITORY)
        assert answer.body["number"] == issue["number"]
        assert answer.body["html_url"] == issue["html_url"]
        assert [one["name"] for one in issue["labels"]] == ["experiment", "growth"]
        payload = {
            "action": "opened",
            "issue": scene.github.issue_payload(REPOSITORY, issue["number"]),
            "repository": scene.github.repository_payload(REPOSITORY),
        }
        await scene.bot.deliver(scene.integration, "issues", payload)
        (linked,) = await scene.bot.walk(f"/api/v1/experiments/{KEY}/issues")
        assert linked["linked_by"] == "api" and linked["number"] == issue["number"]
        feed = await scene.bot.walk(f"/api/v1/experiments/{KEY}/activity")
        assert [one["type"] for one in feed if one["type"].startswith("issue.")] == [
            "issue.linked",
            "issue.created",
        ]
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


@sqlite_only
async def test_the_issues_own_delivery_comes_first(scene: Scene) -> None:
    await scene.bot.experiment(KEY)

    async def deliver(event: str, payload: dict[str, object]) -> None:
        answer = await scene.bot.deliver(scene.integration, event, payload)
        assert answer.body == {"processed": True}

    scene.github.subscribe(deliver)
    scene.github.deliver_before_answer = True
    working = asyncio.create_task(scene.outbox.run())
    try:
        answer = await scene.issue(KEY, title=f"Track experiment: {KEY}")
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert answer.status == 201, answer.body
    (linked,) = await scene.bot.walk(f"/api/v1/experiments/{KEY}/issues")
    assert linked["linked_by"] == "api"
    feed = await scene.bot.walk(f"/api/v1/experiments/{KEY}/activity")
    assert sorted(one["type"] for one in feed if one["type"].startswith("issue.")) == [
        "issue.created",
        "issue.linked",
    ]


@sqlite_only
@pytest.mark.parametrize("kind", ["timeout_after", "drop_after", "status_after"])
async def test_an_issue_of_unknown_outcome_is_found_again(scene: Scene, kind: str) -> None:
    await scene.bot.experiment(KEY)
    scene.github.fail(Fault(kind, template=ISSUES, status=500, seconds=0.1))
    ordering = asyncio.create_task(scene.issue(KEY, headers={"Idempotency-Key": "once"}))
    await eventually(scene.actions)
    await scene.work()
    await scene.pass_time(60, 20)
    answer = await ordering
    assert answer.status == 201, answer.body
    assert len(scene.github.issues(REPOSITORY)) == 1
    again = await scene.issue(KEY, headers={"Idempotency-Key": "once"})
    assert (again.status, again.body) == (201, answer.body)
    other = await scene.issue(KEY, title="Other", headers={"Idempotency-Key": "once"})
    assert other.status == 422


@sqlite_only
async def test_an_issue_that_takes_long_is_promised(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.api.linking.ANSWER_SECONDS", 0.2)
    await scene.bot.experiment(KEY)
    answer = await scene.issue(KEY)
    assert answer.status == 202
    await scene.work()
    action = await scene.bot.get(f"/api/v1/actions/{answer.body['action_id']}")
    assert action.body["status"] == "done"
    assert action.body["result"]["number"] == scene.github.issues(REPOSITORY)[0]["number"]


async def test_linking_by_hand(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("Nothing said", tell=False)
    body = {"integration_id": scene.integration, "repository": REPOSITORY, "number": number}
    path = f"/api/v1/experiments/{KEY}/pull-requests"
    unknown = await scene.bot.post("/api/v1/experiments/unknown/pull-requests", body)
    assert unknown.status == 404
    assert (await scene.bot.post(path, {**body, "number": 999})).status == 422
    answer = await scene.bot.post(path, body)
    assert answer.status == 201, answer.body
    assert answer.body["linked_by"] == "api" and answer.body["title"] == "One page checkout"
    await scene.work()
    assert len(scene.comments(number)) == 1
    await scene.tell("edited", number)
    assert len(await scene.bot.walk(path)) == 1
    assert (await scene.bot.delete(f"{path}/{REPOSITORY}/{number}")).status == 204
    assert (await scene.bot.delete(f"{path}/{REPOSITORY}/{number}")).status == 404
    await scene.work()
    assert "no longer linked" in scene.comments(number)[0]
    feed = await scene.bot.walk(f"/api/v1/experiments/{KEY}/activity")
    assert [one["type"] for one in feed][:2] == ["pull_request.unlinked", "pull_request.linked"]


@sqlite_only
@token_only
async def test_a_key_unlinked_by_hand_stays_so_until_its_line_comes_back(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    path = f"/api/v1/experiments/{KEY}/pull-requests"
    assert (await scene.bot.delete(f"{path}/{REPOSITORY}/{number}")).status == 204
    scene.clock.ahead += 5
    scene.github.edit_pull(REPOSITORY, number, title="Another title")
    await scene.tell("edited", number)
    assert await scene.bot.walk(path) == []
    scene.clock.ahead += 5
    scene.github.edit_pull(REPOSITORY, number, body="-")
    await scene.tell("edited", number)
    scene.clock.ahead += 5
    scene.github.edit_pull(REPOSITORY, number, body=LINE)
    await scene.tell("edited", number)
    (linked,) = await scene.bot.walk(path)
    assert linked["linked_by"] == "body"


@app_only
@sqlite_only
@pytest.mark.parametrize("action", ["rerequested", "requested_action"])
async def test_the_button_checks_again(scene: Scene, action: str) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    sha = scene.github.pull_payload(REPOSITORY, number)["head"]["sha"]
    before = scene.github.check_runs(REPOSITORY, sha)
    payload = {
        "action": action,
        "check_run": {"name": "experiment-bot", "head_sha": sha},
        "repository": scene.github.repository_payload(REPOSITORY),
        "installation": {"id": INSTALLATION},
    }
    answer = await scene.bot.deliver(scene.integration, "check_run", payload)
    assert answer.body == {"processed": True}
    await scene.work()
    assert len(scene.github.check_runs(REPOSITORY, sha)) == len(before) + 1


@sqlite_only
async def test_noise_settings(scene: Scene) -> None:
    async def set_to(**config: object) -> None:
        path = f"/api/v1/integrations/{scene.integration}"
        answer = await scene.bot.patch(path, {"config": config})
        assert answer.status == 200, answer.body
        assert {name: answer.body["config"][name] for name in config} == config

    await set_to(comments="off", label=None, check="off")
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    await scene.work()
    assert scene.github.requests == []
    await set_to(comments="once", label="a/b test", check="required")
    number = await scene.open(LINE)
    await scene.work()
    assert scene.github.labels_of(REPOSITORY, number) == ["a/b test"]
    before = scene.comments(number)
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "paused"})
    await scene.work()
    assert scene.comments(number) == before
    unlinked = await scene.open("Nothing")
    await scene.work()
    assert scene.check(unlinked) in ("action_required", "failure")
    assert scene.comments(unlinked) == []
    for config in ({"comments": "loud"}, {"check": None}, {"label": ""}, {"label": " x "}):
        path = f"/api/v1/integrations/{scene.integration}"
        assert (await scene.bot.patch(path, {"config": config})).status == 422


@token_only
async def test_two_workers_do_not_double_anything(scene: Scene) -> None:
    from bot.outbox.runner import Outbox

    await scene.bot.experiment(KEY)
    numbers = [await scene.open(LINE) for _ in range(3)]
    second = Outbox(scene.bot.services)
    await asyncio.gather(scene.work(), second.work_off())
    await asyncio.gather(scene.work(), second.work_off())
    assert [len(scene.comments(number)) for number in numbers] == [1, 1, 1]
    assert len(scene.github.writes(COMMENTS)) == 3
    assert len(scene.github.writes("POST /repos/{owner}/{repo}/statuses/{sha}")) == 3


@sqlite_only
@token_only
async def test_markup_of_users_does_not_work(scene: Scene) -> None:
    name = "`x` | @everyone <img src=x> **b** [l](http://e.example) #1 ``` \\|"
    await scene.bot.experiment(KEY, name=name, owner="a|b@acme/team")
    number = await scene.open(LINE)
    await scene.work()
    (comment,) = scene.comments(number)
    from selectolax.lexbor import LexborHTMLParser

    from bot.domain import cmark

    page = LexborHTMLParser(cmark.render(comment))
    assert page.body is not None
    assert len(page.css("td")) == 4
    assert page.css("img, b, a[href*='e.example']") == []
    for code in page.css("code"):
        code.decompose()
    text = page.body.text()
    assert "@" not in text and "#1" not in text and "<img" not in text


@sqlite_only
@token_only
async def test_no_secret_in_what_the_bot_shows(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.github.fail(Fault("status", template=COMMENTS, status=401))
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    await scene.work()
    shown = str(await scene.actions()) + (await scene.bot.get("/metrics")).body
    captured = capsys.readouterr()
    assert outbound.TOKEN not in shown + captured.err + captured.out


@sqlite_only
@token_only
async def test_metrics(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    await scene.work()
    text = (await scene.bot.get("/metrics")).body
    assert "experiment_bot_github_rate_limit_remaining{" in text
    assert "experiment_bot_github_content_remaining{" in text
    assert 'experiment_bot_actions_total{kind="status_comment",outcome="done"} 1.0' in text


@sqlite_only
@token_only
async def test_two_integrations_make_one_comment(scene: Scene) -> None:
    config = {**outbound.credentials("token"), "token": "ghp_another"}
    scene.github.add_token("ghp_another", "another")
    second = await scene.bot.integration(config=config)
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.bot.deliver(second, "pull_request", scene.payload("opened", number))
    await scene.work()
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    await scene.work()
    (comment,) = scene.github.comments(REPOSITORY, number)
    assert comment["user"]["login"] == outbound.LOGIN and "active" in comment["body"]
    # The one that posted is gone: the other goes on with a comment of its own.
    await scene.bot.delete(f"/api/v1/integrations/{scene.integration}")
    scene.github.edit_pull(REPOSITORY, number, body=f"{LINE}, another-key")
    await scene.bot.deliver(second, "pull_request", scene.payload("edited", number))
    await scene.work()
    assert [one["user"]["login"] for one in scene.github.comments(REPOSITORY, number)] == [
        outbound.LOGIN,
        "another",
    ]


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
    newer, older = await scene.actions("?kind=status_comment")
    assert older["result"] == {"superseded_by": newer["id"]}


async def running_comment(scene: Scene) -> bool:
    return bool(await scene.actions("?kind=status_comment&status=running"))


@sqlite_only
@token_only
async def test_the_issues_delivery_alone_is_enough(scene: Scene) -> None:
    """GitHub's answer is lost and GitHub is down from then on, but the delivery came."""
    await scene.bot.experiment(KEY)

    async def deliver(event: str, payload: dict[str, object]) -> None:
        await scene.bot.deliver(scene.integration, event, payload)
        scene.github.down = True

    scene.github.subscribe(deliver)
    scene.github.deliver_before_answer = True
    scene.github.fail(Fault("drop_after", template=ISSUES))
    ordering = asyncio.create_task(scene.issue(KEY))
    await eventually(scene.actions)
    await scene.work()
    answer = await ordering
    assert answer.status == 201, answer.body
    assert len(await scene.bot.walk(f"/api/v1/experiments/{KEY}/issues")) == 1


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
