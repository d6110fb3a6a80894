"""Has sweeps made, and puts into GitHub's list what is to be missed."""

from typing import Any

from bot.demo import payloads
from tests.github.model import Hook
from tests.kit.outbound import REPOSITORY, Scene, set_to
from tests.recovery import story
from tests.recovery.story import SHOP

KEY = "checkout"
BODY = f"experiment_key: {KEY}"


async def recover(scene: Scene) -> dict[str, Any]:
    """Have a sweep made, and return what is told of it."""
    path = f"/api/v1/integrations/{scene.integration}/recover"
    answer = await scene.bot.post(path)
    assert answer.status == 202, answer.body
    await scene.work()
    action = (await scene.bot.get(f"/api/v1/actions/{answer.body['action_id']}")).body
    assert action["status"] == "done", action
    found: dict[str, Any] = (await scene.bot.get(path)).body
    assert not found["running"]
    return found


async def recover_in_time(scene: Scene, minutes: int) -> dict[str, Any]:
    """Have a sweep made that waits for GitHub, and return what is told of it after some minutes."""
    path = f"/api/v1/integrations/{scene.integration}/recover"
    assert (await scene.bot.post(path)).status == 202
    await scene.work()
    for _ in range(minutes):
        await scene.pass_time(60)
    found: dict[str, Any] = (await scene.bot.get(path)).body
    return found


async def ready(scene: Scene, **config: Any) -> Hook:
    """Return the webhook of a scene, which a delivery has named and in which a sweep was made."""
    await set_to(scene, repositories=[REPOSITORY], **story.QUIET, **config)
    await scene.bot.experiment(KEY)
    hook = story.hook_of(scene)
    await name(scene, hook)
    return hook


async def name(scene: Scene, hook: Hook, payload: dict[str, Any] | None = None) -> None:
    """Let a webhook deliver something."""
    told = payload or payloads.push("main", ["Nothing"], repo=SHOP)
    told = story.with_installation(told, is_app=scene.is_app)
    named = story.headers_of(hook, scene.github, is_app=scene.is_app)
    answer = await scene.bot.deliver(scene.integration, "push", told, headers=named)
    assert answer.status == 200, answer.body


def miss(scene: Scene, hook: Hook, number: int = 7, **more: Any) -> dict[str, Any]:
    """Let GitHub fail to deliver a pull request of the experiment; return what it lists."""
    event = more.pop("event", "pull_request")
    payload = more.pop("payload", None) or payloads.pull_request(
        "opened", number, "2026-03-02T10:00:00Z", repo=more.pop("repo", SHOP), body=BODY
    )
    payload = story.with_installation(payload, is_app=scene.is_app)
    return scene.github.add_delivery(hook, event, payload, **{"status_code": 502, **more})


async def linked(scene: Scene) -> list[int]:
    """Return the pull requests of the experiment."""
    rows = await scene.bot.walk(f"/api/v1/experiments/{KEY}/pull-requests")
    return sorted(row["number"] for row in rows)


async def delivery(scene: Scene, guid: str) -> dict[str, Any]:
    path = f"/api/v1/integrations/{scene.integration}/deliveries/{guid}"
    found: dict[str, Any] = (await scene.bot.get(path)).body
    return found


async def last_error(scene: Scene) -> str | None:
    found = (await scene.bot.get(f"/api/v1/integrations/{scene.integration}")).body
    error: str | None = found["last_error"]
    return error
