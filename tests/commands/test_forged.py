"""Signed deliveries that say of a comment what GitHub does not: nothing runs, none is hindered."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.commands.audit import KEY, commands, linked, status_of
from tests.github import Fault
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene, credentials

COMMENT = "GET /repos/{owner}/{repo}/issues/comments/{comment_id}"


async def deliver(scene: Scene, payload: dict[str, Any], integration: str | None = None) -> None:
    answer = await scene.bot.deliver(integration or scene.integration, "issue_comment", payload)
    assert (answer.status, answer.body) == (200, {"processed": True})


def said_by(login: str) -> Callable[[dict[str, Any]], None]:
    def forge(payload: dict[str, Any]) -> None:
        payload["comment"]["user"] = payload["sender"] = {"login": login, "type": "User"}

    return forge


def saying(text: str) -> Callable[[dict[str, Any]], None]:
    def forge(payload: dict[str, Any]) -> None:
        payload["comment"]["body"] = text

    return forge


FORGED = {
    "another author": said_by("jane"),
    "another text": saying(f"/experiment complete {KEY}"),
    "more arguments behind the beginning of a long line": saying(
        f"/experiment link {KEY} {' ' * 500} another"
    ),
}


@pytest.mark.parametrize("how", FORGED)
async def test_what_github_does_not_say_runs_nothing(scene: Scene, how: str) -> None:
    """Then the true delivery of the same comment comes, and runs once."""
    await scene.bot.experiment(KEY)
    await scene.bot.experiment("another")
    scene.github.repository(REPOSITORY).collaborators["sam"] = "write"
    number = await scene.open("")
    text = (
        f"/experiment link {KEY} {' ' * 500}" if "long line" in how else f"/experiment link {KEY}"
    )
    payload = scene.comment_payload(number, text, "sam")
    true = {**payload, "comment": {**payload["comment"]}}
    FORGED[how](payload)
    await deliver(scene, payload)
    await scene.work()
    comment = payload["comment"]["id"]
    assert await linked(scene) == [] == await linked(scene, key="another")
    assert (await status_of(scene), scene.reactions(comment)) == ("draft", [])
    (refused,) = await commands(scene)
    assert (refused["status"], refused["allowed"]) == ("refused", False)
    for _ in range(2):
        await deliver(scene, true)
        await scene.work()
    assert await linked(scene) == [(number, "command")]
    assert scene.reactions(comment) == ["eyes", "rocket"]
    assert [one["status"] for one in await commands(scene)] == ["done", "refused"]
    (told,) = [
        one
        for one in await scene.bot.walk(f"/api/v1/experiments/{KEY}/activity")
        if one["type"] == "command.executed"
    ]
    assert told["actor"] == "sam"


@sqlite_only
async def test_a_forged_one_between_the_true_one_and_its_run(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    payload = scene.comment_payload(number, f"/experiment link {KEY}")
    for text in (f"/experiment pause {KEY}", f"/experiment link {KEY}", "/experiment help"):
        await deliver(scene, {**payload, "comment": {**payload["comment"], "body": text}})
    await scene.work()
    assert await linked(scene) == [(number, "command")]
    assert await status_of(scene) == "draft"
    assert scene.reactions(payload["comment"]["id"]) == ["eyes", "rocket"]


@sqlite_only
async def test_a_comment_of_another_issue(scene: Scene) -> None:
    """Its author has written the command, but not there."""
    await scene.bot.experiment(KEY)
    here, there = await scene.open(""), await scene.open("")
    payload = scene.comment_payload(here, f"/experiment link {KEY}")
    true = {**payload}
    payload["issue"] = scene.github.issue_payload(REPOSITORY, there)
    await deliver(scene, payload)
    await scene.work()
    assert await linked(scene) == []
    assert "somewhere else" in (await commands(scene))[0]["result"]
    await deliver(scene, {**true, "issue": scene.github.issue_payload(REPOSITORY, here)})
    await scene.work()
    assert await linked(scene) == [(here, "command")]


@sqlite_only
@pytest.mark.parametrize("where", ["acme/other", "acme/shop.evil", "x/acme/shop", None])
async def test_a_comment_of_another_repository(scene: Scene, where: str | None) -> None:
    """One that was transferred, say, to whose new place GitHub's answer leads."""
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    payload = scene.comment_payload(number, f"/experiment link {KEY}")
    url = f"{scene.github.url}/repos/{where}/issues/{number}" if where else None
    found = {**payload["comment"], "issue_url": url, "html_url": None}
    scene.github.fail(Fault("status", COMMENT, times=None, status=200, body=found))
    await deliver(scene, payload)
    await scene.work()
    assert await linked(scene) == []
    assert "somewhere else" in (await commands(scene))[0]["result"]


@sqlite_only
async def test_a_repository_that_is_renamed_before_the_command_runs(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    await scene.say(number, f"/experiment link {KEY}", work=False)
    scene.github.rename_repository(REPOSITORY, "acme/store")
    await scene.work()
    assert await linked(scene) == [(number, "command")]


@sqlite_only
@pytest.mark.parametrize("type_", ["User", "Bot"])
async def test_a_bot_that_a_delivery_calls_a_person(scene: Scene, type_: str) -> None:
    await scene.bot.experiment(KEY)
    scene.github.add_user("acme-ci", type_)
    scene.github.repository(REPOSITORY).collaborators["acme-ci"] = "write"
    number = await scene.open("")
    payload = scene.comment_payload(number, f"/experiment link {KEY}", "acme-ci")
    said_by("acme-ci")(payload)
    await deliver(scene, payload)
    await scene.work()
    assert bool(await linked(scene)) is (type_ == "User")


@sqlite_only
@token_only
async def test_forged_ones_use_up_nothing_of_the_victims_minute(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    scene.github.add_user("mallory")
    for _ in range(5):
        payload = scene.comment_payload(number, "\n".join(["/experiment help"] * 9), "mallory")
        said_by("jane")(payload)
        await deliver(scene, payload)
    await scene.say(number, f"/experiment link {KEY}", "jane")
    assert await linked(scene) == [(number, "command")]
    assert scene.replies(number) == []


@sqlite_only
@token_only
async def test_a_delivery_through_what_cannot_read_the_comment_hinders_none(scene: Scene) -> None:
    """Another integration's token does not reach the repository: to it the comment is not there."""
    await scene.bot.experiment(KEY)
    scene.github.add_token("ghp_of-somebody-else", "mallory", repositories=["mallory/shop"])
    scene.github.repository(REPOSITORY).private = True
    config = {**credentials("token"), "token": "ghp_of-somebody-else"}
    body = {"name": "Other", "integration_type": "GITHUB", "config": config}
    other = (await scene.bot.post("/api/v1/integrations", body)).body["id"]
    number = await scene.open("", tell=False)
    payload = scene.comment_payload(number, f"/experiment link {KEY}")
    await deliver(scene, payload, other)
    await scene.tell("opened", number)
    await deliver(scene, payload)
    await scene.pass_time(120, 10)
    assert await linked(scene) == [(number, "command")]
    assert scene.reactions(payload["comment"]["id"]) == ["eyes", "rocket"]


@sqlite_only
async def test_one_comment_through_two_integrations_is_fetched_once(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    body = {"name": "Twin", "integration_type": "GITHUB", "config": credentials(scene.credential)}
    twin = (await scene.bot.post("/api/v1/integrations", body)).body["id"]
    number = await scene.open("")
    payload = scene.comment_payload(number, f"/experiment link {KEY}")
    await deliver(scene, payload)
    await deliver(scene, payload, twin)
    await scene.work()
    assert [one["status"] for one in await commands(scene)] == ["done"]
    assert len(scene.github.calls(COMMENT)) == 1
