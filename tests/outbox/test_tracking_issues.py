"""Tracking issues ordered over the API: one each, linked, whatever GitHub answers or when."""

import asyncio
from typing import Any

import pytest

from bot.domain import tokens
from bot.domain.actors import CLI
from tests.github import Fault
from tests.kit.golden import Golden
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.running import Answer, eventually
from tests.outbox.stories import KEY

ISSUES = "POST /repos/{owner}/{repo}/issues"


async def test_a_tracking_issue(scene: Scene, golden: Golden) -> None:
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
        golden(scene, issue["number"], "issues/ordered over the API")
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


async def of_unknown_outcome(scene: Scene) -> tuple["asyncio.Task[Answer]", dict[str, Any]]:
    """Order an issue, made without an answer; return who waits for it, and the issue."""
    await scene.bot.experiment(KEY)
    scene.github.fail(Fault("drop_after", template=ISSUES, status=500))
    ordering = asyncio.create_task(scene.issue(KEY, title="Ramp up"))
    await eventually(scene.actions)
    await scene.work()
    (ours,) = scene.github.issues(REPOSITORY)
    return ordering, ours


@sqlite_only
@pytest.mark.parametrize("login", ["mallory", "ci[bot]"])
async def test_a_marker_that_somebody_has_copied(scene: Scene, login: str) -> None:
    """It makes their issue neither ours when it is delivered, nor when the attempt is repeated."""
    ordering, ours = await of_unknown_outcome(scene)
    copy = scene.github.open_issue(REPOSITORY, title="Mine", body=ours["body"], author=login)
    told = scene.github.issue_payload(REPOSITORY, copy.number)
    payload = {
        "action": "opened",
        "issue": told,
        "repository": scene.github.repository_payload(REPOSITORY),
    }
    await scene.bot.deliver(scene.integration, "issues", payload)
    assert {one["status"] for one in await scene.actions("?kind=tracking_issue")} == {"pending"}
    assert await scene.bot.walk(f"/api/v1/experiments/{KEY}/issues") == []
    await scene.pass_time(120, 10)
    await ordering
    (linked,) = await scene.bot.walk(f"/api/v1/experiments/{KEY}/issues")
    assert linked["number"] == ours["number"]
    assert len(scene.github.issues(REPOSITORY)) == 2


@sqlite_only
async def test_its_own_delivery_settles_one_of_unknown_outcome(scene: Scene) -> None:
    ordering, ours = await of_unknown_outcome(scene)
    repository = scene.github.repository_payload(REPOSITORY)
    payload = {"action": "opened", "issue": ours, "repository": repository}
    await scene.bot.deliver(scene.integration, "issues", payload)
    assert (await ordering).body["number"] == ours["number"]
    assert len(scene.github.calls("GET /repos/{owner}/{repo}/issues")) == 0


@sqlite_only
@token_only
async def test_two_tokens_with_one_idempotency_key(scene: Scene, impatient: None) -> None:
    """Neither hears of the other's issue."""
    await scene.bot.experiment(KEY)
    body = {"integration_id": scene.integration, "repository": REPOSITORY, "title": "T"}
    path = f"/api/v1/experiments/{KEY}/issues"
    issuing = scene.bot.services.database.write(
        lambda tx: tokens.issue(tx, "two", "developer", CLI)
    )
    _, secret = await issuing
    headers = {"Idempotency-Key": "once"}
    first = await scene.bot.post(path, body, headers=headers)
    again = await scene.bot.post(path, body, headers=headers)
    other = await scene.bot.request(
        "POST", path, token=secret, json={**body, "title": "U"}, headers=headers
    )
    assert (first.status, again.status, other.status) == (202, 202, 202), other.body
    assert first.body["action_id"] == again.body["action_id"] != other.body["action_id"]
    assert (await scene.bot.post(path, {**body, "title": "U"}, headers=headers)).status == 422


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
async def test_an_issue_that_takes_long_is_promised(scene: Scene, impatient: None) -> None:
    await scene.bot.experiment(KEY)
    answer = await scene.issue(KEY)
    assert answer.status == 202
    await scene.work()
    action = await scene.bot.get(f"/api/v1/actions/{answer.body['action_id']}")
    assert action.body["status"] == "done"
    assert action.body["result"]["number"] == scene.github.issues(REPOSITORY)[0]["number"]


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
