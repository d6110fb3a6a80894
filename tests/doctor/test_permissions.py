"""What the doctor says of permissions and events that are missing."""

from pathlib import Path
from typing import Any

from bot import handlers
from bot.demo import payloads
from tests.doctor.scene import EVENTS, INSTALLATION, Scene, app_is, troubles
from tests.github.values import stamp
from tests.kit.marks import sqlite_only
from tests.kit.outbound import PERMISSIONS

ROOT = Path(__file__).parents[2]
NEEDED = handlers.registered().events.permissions


def said(findings: list[dict[str, Any]], check: str) -> list[tuple[str, str]]:
    return [(one["status"], one["message"]) for one in findings if one["check"] == check]


OLD = {name: level for name, level in PERMISSIONS.items() if NEEDED[name].is_vital}
QUEUES = (
    "Without merge_queues: read the bot hears of a merge queue by its pushes alone; if one is "
    "missed, the queue waits forever for a required check."
)
LIVE = "Without deployments: read it cannot be told which merged pull requests are live."


@sqlite_only
async def test_an_app_that_was_registered_before(scene: Scene) -> None:
    """It goes on working; the doctor says what does not, and what is to be done."""
    await scene.with_app()
    app_is(permissions=OLD, events=[one for one in EVENTS if one != "merge_group"])(scene)
    scene.github.installations[INSTALLATION].permissions = OLD
    findings = await scene.check()
    assert said(troubles(findings), "permissions") == [
        (
            "warning",
            f"The App does not ask for merge_queues: read, deployments: read. {QUEUES} {LIVE}",
        )
    ]
    assert [one["check"] for one in troubles(findings)] == ["permissions"]
    assert "has to accept" in troubles(findings)[0]["remedy"]


@sqlite_only
async def test_an_installation_that_has_not_accepted_yet(scene: Scene) -> None:
    await scene.with_app()
    scene.github.installations[INSTALLATION].permissions = OLD
    findings = troubles(await scene.check())
    assert said(findings, "installation") == [
        (
            "warning",
            "The installation on acme (55) has not accepted merge_queues: read, deployments: read "
            f"yet. {QUEUES} {LIVE}",
        )
    ]
    assert len(findings) == 1 and "accepted by the account's owner" in findings[0]["remedy"]
    # What GitHub said is kept, and told without asking it again.
    asked = len(scene.github.requests)
    (known,) = (await scene.bot.get(f"/api/v1/integrations/{scene.id}")).body["installations"]
    assert (known["account"], known["permissions"]) == ("acme", OLD)
    assert [one["permission"] for one in known["lacks"]] == [
        "merge_queues: read",
        "deployments: read",
    ]
    scene.github.installations[INSTALLATION].permissions = PERMISSIONS
    assert troubles(await scene.check()) == []
    (known,) = (await scene.bot.get(f"/api/v1/integrations/{scene.id}")).body["installations"]
    assert known["lacks"] == [] and asked < len(scene.github.requests)


@sqlite_only
async def test_an_installation_that_only_a_check_has_told_of_can_end(scene: Scene) -> None:
    """The event of its end says when it was changed last, which was before the check."""
    await scene.with_app()
    created = stamp(scene.github.installations[INSTALLATION].created_at)
    await scene.check()
    path = f"/api/v1/integrations/{scene.id}"
    assert len((await scene.bot.get(path)).body["installations"]) == 1
    assert created is not None
    payload = payloads.installation("deleted", INSTALLATION, created, repos=[])
    answer = await scene.bot.deliver(scene.id, "installation", payload)
    assert answer.body == {"processed": True}, answer.body
    assert (await scene.bot.get(path)).body["installations"] == []


@sqlite_only
async def test_what_does_not_work_is_said_of_each(scene: Scene) -> None:
    await scene.with_app()
    scene.app.permissions = {}
    scene.github.installations[INSTALLATION].permissions = {}
    messages = " ".join(one["message"] for one in troubles(await scene.check()))
    for name, one in NEEDED.items():
        assert f"Without {name}: {one.level} {one.without}." in messages
    await scene.change(check="off")
    messages = " ".join(one["message"] for one in troubles(await scene.check()))
    assert "checks" not in messages and "merge_queues" not in messages


@sqlite_only
async def test_an_app_that_may_and_does_not_hear_of_it(scene: Scene) -> None:
    await scene.with_app()
    scene.app.events = [one for one in EVENTS if one != "merge_group"]
    findings = troubles(await scene.check())
    assert [one["status"] for one in findings] == ["warning"]
    assert findings[0]["message"].startswith("The App does not receive merge_group: ")
