"""Commands in comments that GitHub could not deliver, and that run late."""

from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import Scene, set_to
from tests.recovery.sweeping import BODY, KEY, miss, ready, recover

HOUR = 3600


@sqlite_only
@token_only
async def test_a_status_that_was_changed_since_stays(scene: Scene) -> None:
    """What is newer counts, whoever has said it; what nothing is newer than runs, in its order."""
    hook = await ready(scene)
    await set_to(scene, comments="on")
    number = await scene.open(BODY)
    path = f"/api/v1/experiments/{KEY}"

    async def late(*commands: str) -> str:
        for text in commands:
            told = scene.comment_payload(number, f"/experiment {text} {KEY}")
            miss(scene, hook, event="issue_comment", payload=told)
            scene.clock.ahead += 60
        scene.clock.ahead += HOUR
        return str((await scene.bot.get(path)).body["status"])

    async def recovered() -> str:
        await recover(scene)
        await scene.work()
        return str((await scene.bot.get(path)).body["status"])

    await late("start")
    assert await recovered() == "active"
    await late("pause")
    await scene.say(number, f"/experiment complete {KEY}")
    assert await recovered() == "completed"
    assert "has been changed since" in scene.replies(number)[-1]
    await late("start")
    await scene.bot.patch(path, {"status": "archived"})
    assert await recovered() == "archived"
    await late("start", "pause")
    assert await recovered() == "paused"
