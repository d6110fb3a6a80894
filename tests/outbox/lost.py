"""Calls whose answers are lost."""

import pytest

from tests.github import REPO, Fault
from tests.kit.outbound import REPOSITORY, Scene
from tests.outbox.stories import LINE

WRONG = f"{LINE}, no-such-key"
EDIT = f"PATCH {REPO}/issues/comments/{{comment_id}}"
STATUSES = f"POST {REPO}/statuses/{{sha}}"
RUNS = f"POST {REPO}/check-runs"
TAKE_LABEL = f"DELETE {REPO}/issues/{{issue_number}}/labels/{{name}}"
ALL_KINDS = ("drop_after", "timeout_after", "status_after", "drop_before", "status", "garbage")
each_kind = pytest.mark.parametrize("kind", ALL_KINDS)


def lose(scene: Scene, kind: str, template: str, times: int | None = 1) -> Fault:
    """Let a call be carried out and its answer be lost (`…_after`), or be lost itself."""
    return scene.github.fail(Fault(kind, template, times=times, status=502, seconds=0.1))


async def edit(scene: Scene, number: int, body: str) -> None:
    """Change the description, and deliver it."""
    scene.clock.ahead += 1
    scene.github.edit_pull(REPOSITORY, number, body=body)
    await scene.tell("edited", number)


async def settle(scene: Scene) -> None:
    await scene.pass_time(120, 20)
    assert {one["status"] for one in await scene.actions()} == {"done"}
