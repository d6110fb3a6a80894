"""One sweep: what it reads, what it takes in, and what it says of the rest."""

import asyncio
import uuid
from typing import Any

import pytest

from bot import times
from bot.demo import payloads
from bot.outbox.loop import Outbox
from bot.web.in_flight import MOST_HELD, InFlight
from tests.github import Fault
from tests.kit.breakage import broken
from tests.kit.marks import app_only, sqlite_only, token_only
from tests.kit.outbound import APP, LOGIN, REPOSITORY, TOKEN, Scene, set_to
from tests.kit.running import eventually
from tests.recovery import story
from tests.recovery.story import OTHER, SHOP
from tests.recovery.sweeping import (
    KEY,
    delivery,
    last_error,
    linked,
    miss,
    name,
    ready,
    recover,
    recover_in_time,
)

DAY = 86_400


@sqlite_only
async def test_three_days_of_deliveries_cost_few_calls(scene: Scene) -> None:
    """Of 7,000 only the 270 that matter are read."""
    hook = await ready(scene)
    start = scene.clock() - 3 * DAY + 600
    for number in range(7000):
        at = start + number * 36
        if number % 26 == 0 and number // 26 < 270:
            miss(scene, hook, number + 1, at=at)
        elif number % 3:
            star = payloads.star("2026-03-02T10:00:00Z", repo=SHOP, sender="jane")
            miss(scene, hook, at=at, event="star", payload=star)
        else:
            miss(scene, hook, number + 1, at=at, repo=OTHER, status_code=200)
    scene.github.requests.clear()
    told = await recover(scene)
    lists = [one for one in scene.github.requests if "delivery_id" not in (one.template or "")]
    assert len(lists) <= 71
    assert len(scene.github.requests) - len(lists) == 270
    assert (told["listed"], told["taken_in"], told["lost"]) == (7000, 270, 0)
    assert told["not_handled"] + told["not_allowed"] == 7000 - 270
    scene.github.requests.clear()
    told = await recover(scene)
    assert (told["taken_in"], told["listed"]) == (0, 17), "ten minutes are read again"
    assert len(scene.github.requests) <= 3


@sqlite_only
async def test_odd_rows_of_the_list(scene: Scene) -> None:
    hook = await ready(scene)
    guid = str(uuid.uuid4())
    miss(scene, hook, 1, guid=guid, at=scene.clock() - 90)["throttled_at"] = "2026-03-02T10:00:00Z"
    miss(scene, hook, 1, guid=guid.upper(), at=scene.clock() - 60, redelivery=True, status_code=0)
    pushed = payloads.push("main", ["Change\n\nExperiment-Key: checkout"], repo=SHOP)
    miss(scene, hook, event="push", payload=pushed)["repository_id"] = None
    miss(scene, hook, event="ping", payload=payloads.ping(hook.id, "2026-03-02T10:00:00Z"))
    miss(scene, hook, 2, headers={"X-GitHub-Enterprise-Host": "github.example"})
    hook.deliveries.append({**miss(scene, hook, 3), "id": 2**64, "guid": "no\u00fc"})
    told = await recover(scene)
    assert (told["taken_in"], told["not_handled"], told["not_allowed"]) == (3, 1, 1)
    assert await linked(scene) == [1, 3]
    found = await delivery(scene, guid)
    assert found["recovered"] and found["status"] == "processed"
    assert times.parse(found["received_at"]) == times.parse(hook.deliveries[0]["delivered_at"])
    assert found["payload"]["number"] == 1
    assert "X-Hub-Signature-256" not in found["headers"]
    assert "another GitHub" in (await last_error(scene) or "")


@sqlite_only
async def test_what_is_lost_is_said_until_it_is_old(scene: Scene) -> None:
    """A payload that GitHub has no longer, or that is none; the rest is taken in."""
    hook = await ready(scene)
    gone = miss(scene, hook, 1, is_kept=False)
    odd = miss(scene, hook, 2)
    odd["payload"] = ["no object"]
    huge = miss(scene, hook, 3)
    huge["payload"] = {**huge["payload"], "padding": "x" * (52 * 1024 * 1024)}
    miss(scene, hook, 4)
    told = await recover(scene)
    assert (told["taken_in"], told["lost"]) == (1, 3)
    (problem,) = told["problems"]
    assert problem["where"].startswith("3 deliveries")
    assert (await last_error(scene) or "").startswith("recovery: 3 deliveries")
    assert await linked(scene) == [4]
    again = await recover(scene)
    assert (again["lost"], len(again["problems"])) == (0, 1), "they are not asked for again"
    answer = await scene.bot.deliver(
        scene.integration, "pull_request", miss(scene, hook, 1)["payload"], guid=gone["guid"]
    )
    assert answer.body == {"processed": True}
    await recover(scene)
    assert (await last_error(scene) or "").startswith("recovery: 2 deliveries")
    scene.clock.ahead += 3 * DAY + 60
    await name(scene, hook)
    await recover(scene)
    assert await last_error(scene) is None


@sqlite_only
@token_only
async def test_a_permission_that_is_missing(scene: Scene) -> None:
    """Its absence is said, with the remedy, and is nobody else's failure; then it is given."""
    hook = await ready(scene)
    miss(scene, hook, 1)
    scene.github.add_token(TOKEN, "experiment-bot", fine_grained={"metadata": "read"})
    told = await recover(scene)
    assert told["taken_in"] == 0
    problem = next(
        one for one in told["problems"] if one["where"] == f"the webhook of {REPOSITORY}"
    )
    assert problem["permission"] == "Webhooks: read, of the repository"
    assert "read:repo_hook" in problem["remedy"]
    error = await last_error(scene)
    assert error is not None and error.startswith("recovery: ") and "Webhooks: read" in error
    await name(scene, hook)
    assert await last_error(scene) == error
    checked = await scene.bot.post(f"/api/v1/integrations/{scene.integration}/check")
    findings = [one for one in checked.body["findings"] if one["check"] == "recovery"]
    assert [one["status"] for one in findings] == ["warning"]
    assert "Webhooks: read" in findings[0]["remedy"]
    permissions = {"metadata": "read", "repository_hooks": "read", "organization_hooks": "read"}
    scene.github.add_token(TOKEN, "experiment-bot", fine_grained=permissions)
    told = await recover(scene)
    assert (told["taken_in"], told["problems"]) == (1, [])
    assert await last_error(scene) is None


@sqlite_only
@token_only
async def test_webhooks_are_looked_for_by_hand(scene: Scene) -> None:
    """Nothing was ever delivered: those are found that lead here, wherever that is from outside."""
    await set_to(scene, repositories=["acme/*"], **story.QUIET)
    await scene.bot.experiment(KEY)
    scene.github.add_token(TOKEN, "experiment-bot", scopes=["repo", "admin:org_hook"])
    told = await recover(scene)
    assert told["taken_in"] == 0, told
    hook = story.hook_of(scene)
    scene.github.repository(REPOSITORY).collaborators[LOGIN] = "admin"
    path = f"/internal/api/v1/integrations/{scene.integration}/webhook/github"
    ours = scene.github.add_organization_hook("acme", f"https://inside.example{path}", ["*"])
    another = scene.github.add_organization_hook("acme", "https://inside.example/other", ["*"])
    for number, one in enumerate((hook, ours, another), start=1):
        miss(scene, one, number)
    told = await recover(scene)
    assert (told["problems"], told["taken_in"]) == ([], 2)
    assert await linked(scene) == [1, 2]


@sqlite_only
@token_only
async def test_a_webhook_that_was_deleted_is_forgotten(scene: Scene) -> None:
    """That is no permission that is missing."""
    old = await ready(scene)
    miss(scene, old, 1)
    assert (await recover(scene))["taken_in"] == 1
    del scene.github.repository(REPOSITORY).hooks[old.id]
    hook = story.hook_of(scene)
    miss(scene, hook, 2)
    await name(scene, hook)
    told = await recover(scene)
    assert (told["problems"], told["taken_in"]) == ([], 1)
    assert await last_error(scene) is None


@sqlite_only
@token_only
async def test_an_organisations_webhook_that_a_delivery_names(scene: Scene) -> None:
    await ready(scene)
    scene.github.add_token(TOKEN, "experiment-bot", scopes=["repo", "admin:org_hook"])
    url = story.hook_of(scene).config["url"]
    ours = scene.github.add_organization_hook("acme", url, ["*"])
    named = {
        "X-GitHub-Hook-ID": str(ours.id),
        "X-GitHub-Hook-Installation-Target-Type": "organization",
        "X-GitHub-Hook-Installation-Target-ID": "77",
    }
    pushed = payloads.push("main", ["Nothing"], repo=SHOP)
    await scene.bot.deliver(scene.integration, "push", pushed, headers=named)
    miss(scene, ours, 1)
    assert (await recover(scene))["taken_in"] == 1


@sqlite_only
@token_only
async def test_a_webhook_of_others_is_not_read(scene: Scene) -> None:
    """Who sends a delivery again may name any: GitHub says where it leads."""
    await ready(scene)
    made = scene.github.add_hook(REPOSITORY, "https://another.example/hook", ["*"])
    another = scene.github.repository(REPOSITORY).hooks[made]
    miss(scene, another, 1)
    await name(scene, another)
    told = await recover(scene)
    assert told["taken_in"] == 0 and await linked(scene) == []
    asked = [one.path for one in scene.github.requests]
    assert not any(f"{another.id}/deliveries" in path for path in asked)


@sqlite_only
@app_only
async def test_another_integration_sweeps_the_app(scene: Scene) -> None:
    hook = await ready(scene)
    config = {"config": story.QUIET}
    body = (await scene.bot.get(f"/api/v1/integrations/{scene.integration}")).body
    made = await scene.bot.integration(config={**config["config"], "api_url": scene.github.url})
    hook.config["url"] = hook.config["url"].replace(scene.integration, made)
    miss(scene, hook, 1)
    told = await recover(scene)
    assert (told["note"], told["taken_in"]) == ("another integration sweeps this App", 0)
    scene.github.apps[APP].hook.config["url"] = "https://nobody.example/"
    told = await recover(scene)
    assert body["webhook_url"] in told["note"]
    assert await last_error(scene) is None
    scene.github.fail(Fault("status", "GET /app/hook/config", status=404))
    told = await recover(scene)
    assert (told["note"], told["problems"]) == (
        "GitHub does not tell where the App's webhook leads",
        [],
    )
    assert await last_error(scene) is None


@sqlite_only
async def test_half_of_the_hours_calls_are_left_to_others(scene: Scene) -> None:
    hook = await ready(scene)
    for number in range(1, 9):
        miss(scene, hook, number)
    scene.github.set_limit(2505, reset_in=1800)
    path = f"/api/v1/integrations/{scene.integration}/recover"
    assert (await scene.bot.post(path)).status == 202
    await scene.work()
    told = (await scene.bot.get(path)).body
    assert told["running"] and "half of the hour's calls" in told["waits_for"]
    assert 0 < told["taken_in"] < 8
    await scene.pass_time(1802)
    told = (await scene.bot.get(path)).body
    assert (told["running"], told["taken_in"]) == (False, 8)
    assert await linked(scene) == list(range(1, 9))


@sqlite_only
@token_only
async def test_github_fails_in_between(scene: Scene) -> None:
    """A page and a payload are asked for again; one that never comes does not stop the others."""
    hook = await ready(scene)
    for number in range(1, 4):
        miss(scene, hook, number)
    hooks = "/repos/{owner}/{repo}/hooks/{hook_id}"
    scene.github.fail(Fault("status", f"GET {hooks}/deliveries"))
    one = f"GET {hooks}/deliveries/{{delivery_id}}"
    scene.github.fail(Fault("status", one, times=4, after=1))
    told = await recover_in_time(scene, 8)
    assert (told["running"], told["taken_in"], told["lost"]) == (False, 2, 0)
    assert await linked(scene) == [1, 3]
    scene.github.heal()
    assert (await recover(scene))["taken_in"] == 1
    assert await linked(scene) == [1, 2, 3]


@sqlite_only
@token_only
async def test_a_handler_that_fails_is_tried_again(scene: Scene) -> None:
    hook = await ready(scene)
    one = miss(scene, hook, 1)
    with broken():
        assert (await recover(scene))["taken_in"] == 1
        found = await delivery(scene, one["guid"])
        assert (found["status"], found["recovered"]) == ("retrying", True)


@story.EACH
async def test_taken_in_once_whoever_is_first(scene: Scene) -> None:
    """Two processes sweep, and GitHub delivers the same again meanwhile."""
    hook = await ready(scene)
    missed = [miss(scene, hook, number) for number in range(1, 13)]
    scene.github.fail(Fault("slow", times=None, seconds=0.01))
    path = f"/api/v1/integrations/{scene.integration}/recover"
    ids = {(await scene.bot.post(path)).body["action_id"] for _ in range(3)}
    assert len(ids) == 1
    others = [Outbox(scene.bot.services) for _ in range(2)]
    working = [asyncio.create_task(one.run()) for one in (scene.outbox, *others)]
    answers = [
        await scene.bot.deliver(scene.integration, "pull_request", one["payload"], guid=one["guid"])
        for one in missed[::-2]
    ]
    assert {answer.status for answer in answers} == {200}

    async def is_over() -> bool:
        return (await scene.bot.get(path)).body["running"] is False

    await eventually(is_over)
    for task, outbox in zip(working, (scene.outbox, *others), strict=True):
        task.cancel()
        await outbox.stop(1)
    told = (await scene.bot.get(path)).body
    live = sum(answer.body == {"processed": True} for answer in answers)
    assert told["taken_in"] + live == 12
    assert await linked(scene) == list(range(1, 13))
    feed = await scene.bot.walk("/api/v1/experiments/checkout/activity", 200)
    assert sum(one["type"] == "pull_request.linked" for one in feed) == 12
    payload_calls = [one.path for one in scene.github.requests if "/deliveries/" in one.path]
    assert len(payload_calls) == len(set(payload_calls))


@sqlite_only
@token_only
async def test_large_payloads_make_way(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read within the room that requests leave, and nothing of them is kept."""
    hook = await ready(scene)
    for number in (1, 2):
        one = miss(scene, hook, number)
        one["payload"] = {**one["payload"], "padding": "x" * (20 * 1024 * 1024)}
    in_flight = scene.bot.services.shared(InFlight)
    in_flight.held += MOST_HELD // 2 - 10 * 1024 * 1024
    path = f"/api/v1/integrations/{scene.integration}/recover"
    await scene.bot.post(path)
    await scene.work()
    told = (await scene.bot.get(path)).body
    assert told["running"] and "no room" in told["waits_for"]
    in_flight.held -= MOST_HELD // 2 - 10 * 1024 * 1024
    assert in_flight.held == 0
    await scene.pass_time(6)
    assert (await scene.bot.get(path)).body["taken_in"] == 2
    assert await linked(scene) == [1, 2]
    assert in_flight.held == 0


@sqlite_only
@token_only
async def test_who_may_have_it_done(scene: Scene) -> None:
    path = f"/api/v1/integrations/{scene.integration}/recover"
    told = (await scene.bot.get(path)).body
    assert (told["started_at"], told["running"], told["problems"]) == (None, False, [])
    assert (await scene.bot.post(path.replace(scene.integration, str(uuid.uuid4())))).status == 404
    assert (await scene.bot.post(path, token=None)).status == 401
    told = await recover(scene)
    assert "no webhook is known" in told["note"]
    await scene.bot.patch(f"/api/v1/integrations/{scene.integration}", {"is_active": False})
    answer: Any = await scene.bot.post(path)
    assert (answer.status, answer.body["error"]) == (409, "integration inactive")
