"""Links by hand follow one rule, and a pull request is one thing, whoever links it or reads it."""

import json
from typing import Any, cast

import pytest

from bot import storage as store
from bot import times
from bot.demo import payloads as made
from bot.domain import snapshots
from bot.domain.allowed import Scope
from bot.domain.snapshots import Told
from bot.github import payloads
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene

KEY = "checkout-flow-v2"
AT = 1_752_000_000


async def by_api(scene: Scene, number: int) -> int:
    body = {"integration_id": scene.integration, "repository": REPOSITORY, "number": number}
    answer = await scene.bot.post(f"/api/v1/experiments/{KEY}/pull-requests", body)
    await scene.work()
    return answer.status


async def by_command(scene: Scene, number: int) -> list[str]:
    return scene.reactions(await scene.say(number, f"/experiment link {KEY}"))


async def decisions(scene: Scene) -> list[str]:
    def job(tx: store.Transaction) -> list[str]:
        rows = tx.all("SELECT verb, made_by FROM decisions ORDER BY id", {})
        return [f"{row['verb']} by {row['made_by']}" for row in rows]

    return await scene.bot.services.database.read(job)


async def linked_by(scene: Scene) -> list[str]:
    rows = await scene.bot.walk(f"/api/v1/experiments/{KEY}/pull-requests")
    return [one["linked_by"] for one in rows]


@sqlite_only
@token_only
@pytest.mark.parametrize("first", ["api", "command"])
async def test_a_link_by_hand_is_made_once_whoever_asks(scene: Scene, first: str) -> None:
    await scene.bot.experiment(KEY, status="active")
    number = await scene.open("No key here")
    if first == "command":
        assert await by_command(scene, number) == ["eyes", "rocket"]
    assert await by_api(scene, number) == 201
    assert await by_command(scene, number) == ["eyes", "rocket"]
    assert await by_api(scene, number) == 201
    # Of both, what a command has asked for is the stronger.
    assert await linked_by(scene) == ["command"]
    asked = [f"link by {one}" for one in dict.fromkeys((first, "command"))]
    assert await decisions(scene) == asked


@sqlite_only
@token_only
async def test_what_one_has_linked_the_other_unlinks_once(scene: Scene) -> None:
    await scene.bot.experiment(KEY, status="active")
    number = await scene.open(f"experiment_key: {KEY}")
    assert await by_api(scene, number) == 201
    comment = await scene.say(number, f"/experiment unlink {KEY}")
    assert scene.reactions(comment) == ["eyes", "rocket"]
    assert await linked_by(scene) == []
    path = f"/api/v1/experiments/{KEY}/pull-requests/{REPOSITORY}/{number}"
    assert (await scene.bot.delete(path)).status == 404
    comment = await scene.say(number, f"/experiment unlink {KEY}")
    assert scene.reactions(comment) == ["eyes", "confused"]
    assert await decisions(scene) == ["link by api", "unlink by command"]


def test_a_pull_request_is_the_same_delivered_or_asked_for() -> None:
    repository = made.repository("acme/shop")
    event = made.pull_request(
        "edited",
        7,
        times.render(AT * times.SECOND) or "",
        repo=repository,
        body=f"experiment_key: {KEY}",
    )
    delivered = payloads.read(event, payloads.PullRequestEvent).pull_request
    text = json.dumps(event["pull_request"]).replace(f"experiment_key: {KEY}", f"{KEY}\\u0000")
    answered = payloads.read_answer(event["pull_request"], payloads.PullRequest)
    about = payloads.read(repository, payloads.Repository)
    nobody = cast(Any, None)  # nothing is looked up: the head is in the repository itself
    source = Told(nobody, Scope("one", "github.com", None), "guid", times.now())
    first, second = (
        snapshots.of_pull_request(source, about, 1, one, "edited", "jane")
        for one in (delivered, answered)
    )
    assert first == second
    assert (first.keys, first.head_repository_id, first.state) == ({KEY: "body"}, 1, "open")
    # What no database keeps does not come in by an answer either.
    odd = payloads.read_answer(json.loads(text), payloads.PullRequest)
    assert odd.body == f"{KEY}\ufffd"
