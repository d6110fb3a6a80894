"""Comment, check and label follow what a pull request is linked to."""

import pytest

from bot.demo import payloads
from tests.github import Fault
from tests.kit import outbound
from tests.kit.golden import Golden
from tests.kit.marks import app_only, each_credential, sqlite_only, token_only
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene
from tests.outbox.stories import COMMENTS, KEY, LINE


@each_credential
async def test_a_linked_pull_request_gets_comment_check_and_label(
    scene: Scene, golden: Golden
) -> None:
    await scene.bot.experiment(KEY, name="One page checkout", status="active", owner="@growth")
    number = await scene.open(LINE)
    await scene.work()
    golden(scene, number, "pull requests/linked")
    (action,) = await scene.actions()
    assert (action["kind"], action["status"]) == ("pull_request", "done")
    assert {name: part["status"] for name, part in action["result"].items()} == {
        "check": "done",
        "status_comment": "done",
        "label": "done",
    }
    assert (action["repository"], action["number"]) == (REPOSITORY, number)
    assert (action["attempts"], action["last_error"]) == (1, None)


async def test_nothing_is_said_where_nothing_is_linked(scene: Scene) -> None:
    number = await scene.open("Fix a typo")
    scene.github.push(REPOSITORY, number, "b" * 40)
    await scene.tell("synchronize", number)
    await scene.work()
    assert scene.github.requests == []
    assert await scene.actions() == []


async def test_the_comment_follows_the_experiment(scene: Scene, golden: Golden) -> None:
    await scene.bot.experiment(KEY, status="active")
    number = await scene.open(LINE)
    await scene.work()
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "completed"})
    await scene.work()
    golden(scene, number, "pull requests/its experiment is completed")
    types = [one["type"] for one in await scene.bot.walk(f"/api/v1/experiments/{KEY}/activity")]
    assert "experiment.status_changed" in types


@sqlite_only
async def test_an_unknown_key_gets_a_hint(scene: Scene, golden: Golden) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("experiment_key: checkout-flow-2")
    await scene.work()
    golden(scene, number, "pull requests/unknown key")
    await scene.bot.experiment("checkout-flow-2")
    await scene.work()
    golden(scene, number, "pull requests/unknown key, created since")


@sqlite_only
async def test_the_last_link_goes(scene: Scene, golden: Golden) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    scene.github.edit_pull(REPOSITORY, number, body="Nothing any more")
    await scene.tell("edited", number)
    await scene.work()
    golden(scene, number, "pull requests/no longer linked")


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
async def test_a_renamed_repository_is_followed(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    scene.github.rename_repository(REPOSITORY, "acme/store")
    await scene.work()
    assert len(scene.github.comments("acme/store", number)) == 1


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
    copy = {**payload, "repository": payloads.repository("acme/copy")}  # which has the commit too
    assert (await scene.bot.deliver(scene.integration, "check_run", copy)).status == 200
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
    for part in ("check", "status_comment", "label"):
        assert f'experiment_bot_actions_total{{kind="{part}",outcome="done"}} 1.0' in text


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
