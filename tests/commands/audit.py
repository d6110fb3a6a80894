"""What tests of commands look at."""

from typing import Any

from tests.kit.outbound import Scene

KEY = "checkout-flow-v2"
PERMISSION = "GET /repos/{owner}/{repo}/collaborators/{username}/permission"


async def commands(scene: Scene) -> list[dict[str, Any]]:
    return await scene.bot.walk("/api/v1/commands")


async def feed(scene: Scene, key: str = KEY) -> list[str]:
    return [one["type"] for one in await scene.bot.walk(f"/api/v1/experiments/{key}/activity")]


async def linked(
    scene: Scene, kind: str = "pull-requests", key: str = KEY
) -> list[tuple[int, str]]:
    rows = await scene.bot.walk(f"/api/v1/experiments/{key}/{kind}")
    return [(one["number"], one["linked_by"]) for one in rows]


async def status_of(scene: Scene, key: str = KEY) -> str:
    answer = await scene.bot.get(f"/api/v1/experiments/{key}")
    return str(answer.body["status"])
