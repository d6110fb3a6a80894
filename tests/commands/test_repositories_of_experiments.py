"""Experiments that name the repositories whose commands may change them."""

from typing import Any

import pytest

from bot.demo import payloads
from tests.commands.audit import KEY, commands, linked, status_of
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.running import Bot

HERE = f"/api/v1/experiments/{KEY}"


async def only(scene: Scene, *repositories: str) -> None:
    answer = await scene.bot.patch(HERE, {"repositories": list(repositories) or None})
    assert answer.body["repositories"] == (list(repositories) or None)


@token_only
@pytest.mark.parametrize("verb", ["start", "pause", "complete"])
async def test_another_repository_changes_nothing(scene: Scene, verb: str) -> None:
    await scene.bot.experiment(KEY, name="One page checkout")
    await only(scene, "acme/private-plans", "acme/api")
    number = await scene.open("")
    comment = await scene.say(number, f"/experiment {verb} {KEY}")
    assert scene.reactions(comment) == ["eyes", "confused"]
    assert await status_of(scene) == "draft"
    (reply,) = scene.replies(number)
    assert f"Commands in this repository may not change `{KEY}`" in reply
    assert f"/experiments/{KEY})" in reply and "private-plans" not in reply
    (command,) = await commands(scene)
    assert (command["status"], command["allowed"]) == ("refused", True)
    await only(scene, "acme/api", "Acme/Shop")
    assert "rocket" in scene.reactions(await scene.say(number, f"/experiment {verb} {KEY}"))
    assert await status_of(scene) != "draft"


@sqlite_only
@token_only
async def test_what_is_about_the_pull_request_works_everywhere(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    await only(scene, "acme/api")
    number = await scene.open("")
    for text in (f"link {KEY}", "status", f'issue "T" key={KEY}', f"unlink {KEY}"):
        assert "rocket" in scene.reactions(await scene.say(number, f"/experiment {text}")), text
    assert await linked(scene) == []
    assert len(await linked(scene, "issues")) == 1


@sqlite_only
@token_only
async def test_who_may_not_write_is_not_led_to_the_page(scene: Scene) -> None:
    await scene.bot.patch(
        f"/api/v1/integrations/{scene.integration}", {"config": {"commands": {"pause": "triage"}}}
    )
    scene.github.add_user("sam")
    scene.github.repository(REPOSITORY).collaborators["sam"] = "triage"
    await scene.bot.experiment(KEY)
    await only(scene, "acme/api")
    number = await scene.open("")
    await scene.say(number, f"/experiment pause {KEY}", "sam")
    (reply,) = scene.replies(number)
    assert "may not change" in reply and "/experiments/" not in reply


async def rename(scene: Scene, old: str, new: str) -> None:
    scene.github.rename_repository(old, new)
    told = scene.github.repository_payload(new)
    event = payloads.repository_event(
        "renamed", told, {"repository": {"name": {"from": old.split("/")[1]}}}
    )
    answer = await scene.bot.deliver(scene.integration, "repository", event)
    assert answer.status == 200, answer.body


@sqlite_only
@token_only
@pytest.mark.parametrize("when", ["known before", "first by a command"])
async def test_a_renamed_repository_keeps_its_place(scene: Scene, when: str) -> None:
    """Whoever takes its name does not get in by it."""
    await scene.bot.experiment(KEY, repositories=[REPOSITORY] if when != "known before" else None)
    number = await scene.open("")
    if when == "known before":
        await only(scene, REPOSITORY)
    await scene.say(number, f"/experiment start {KEY}")
    assert await status_of(scene) == "active"
    await rename(scene, REPOSITORY, "acme/store")
    await scene.bot.patch(HERE, {"repositories": [REPOSITORY], "owner": "growth"})
    payload = payload_of(scene, "acme/store", number, f"/experiment pause {KEY}")
    await scene.bot.deliver(scene.integration, "issue_comment", payload)
    await scene.work()
    assert await status_of(scene) == "paused"
    scene.github.add_repository(REPOSITORY)
    scene.github.repository(REPOSITORY).collaborators["jane"] = "write"
    other = await scene.open("")
    comment = await scene.say(other, f"/experiment complete {KEY}")
    assert scene.reactions(comment) == ["eyes", "confused"]
    assert await status_of(scene) == "paused"


def payload_of(scene: Scene, repository: str, number: int, text: str) -> dict[str, Any]:
    github = scene.github
    return {
        "action": "created",
        "comment": github.add_comment(repository, number, "jane", text),
        "issue": github.issue_payload(repository, number),
        "repository": github.repository_payload(repository),
        "sender": github.user_payload("jane"),
    }


async def test_in_the_api(bot: Bot) -> None:
    names = ["Acme/Shop", "acme/api", "acme/SHOP"]
    body = {"key": KEY, "name": "N", "repositories": names}
    created = await bot.post("/api/v1/experiments", body)
    assert (created.status, created.body["repositories"]) == (201, ["Acme/Shop", "acme/api"])
    assert (await bot.get(HERE)).body["repositories"] == ["Acme/Shop", "acme/api"]
    assert (await bot.patch(HERE, {"owner": "x"})).body["repositories"] == ["Acme/Shop", "acme/api"]
    assert (await bot.patch(HERE, {"repositories": None})).body["repositories"] is None
    replaced = await bot.put(HERE, {"name": "N", "repositories": ["acme/shop"]})
    assert replaced.body["repositories"] == ["acme/shop"]
    assert (await bot.put(HERE, {"name": "N"})).body["repositories"] is None
    for wrong, field in (
        ([], "repositories"),
        ("acme/shop", "repositories"),
        (["acme"], "repositories[0]"),
        (["acme/shop", "acme/*"], "repositories[1]"),
        (["acme/.."], "repositories[0]"),
        (["./shop"], "repositories[0]"),
        (["acme/shop\n"], "repositories[0]"),
        ([f"acme/r{n}" for n in range(101)], "repositories"),
    ):
        answer = await bot.patch(HERE, {"repositories": wrong})
        assert answer.status == 422, wrong
        assert answer.body["errors"][0]["field"].startswith(field), answer.body
