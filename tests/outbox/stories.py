"""A key, the calls that a linked pull request leads to, and how one is owed them."""

from tests.github import REPO
from tests.kit.outbound import Scene

KEY = "checkout-flow-v2"
LINE = f"experiment_key: {KEY}"
COMMENTS = f"POST {REPO}/issues/{{issue_number}}/comments"


async def open_one(scene: Scene) -> int:
    """Let a pull request name a draft, and be shown that; return its number."""
    await scene.bot.experiment(KEY, status="draft")
    number = await scene.open(LINE)
    await scene.work()
    return number


async def change(scene: Scene, status: str) -> None:
    """Let the experiment have another status, which its pull requests are to show."""
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": status})
    await scene.work()
