"""A GitHub that does not know yet what it told of."""

from typing import Any

from tests.github import Fault
from tests.kit.outbound import Scene

NOT_FOUND = {"message": "Not Found"}


def lag(
    scene: Scene,
    template: str,
    times: int | None = 3,
    status: int = 404,
    body: dict[str, Any] | None = None,
) -> Fault:
    """Let GitHub not know what a call is about, so many times."""
    return scene.github.fail(
        Fault("status", template, times=times, status=status, body=body or NOT_FOUND)
    )


async def last_error(scene: Scene) -> Any:
    answer = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    return answer.body["last_error"]
