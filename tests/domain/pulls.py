"""Pull requests of acme/shop, and what is known of them."""

from typing import Any

from bot.demo import payloads
from tests.kit.deliveries import REPO, at
from tests.kit.running import Bot

PAGE = "/api/v1/pull-requests/acme/shop/7"


async def tell(
    bot: Bot, integration: str, action: str, minute: int, number: int = 7, **values: Any
) -> None:
    """Deliver a version of a pull request of acme/shop."""
    payload = payloads.pull_request(action, number, at(minute), **{"repo": REPO, **values})
    answer = await bot.deliver(integration, "pull_request", payload)
    assert (answer.status, answer.body) == (200, {"processed": True})


async def linked(bot: Bot, key: str) -> list[int]:
    return [item["number"] for item in await bot.walk(f"/api/v1/experiments/{key}/pull-requests")]


async def feed(bot: Bot, key: str) -> list[str]:
    """The types of an experiment's feed, newest first, without its own creation."""
    items = await bot.walk(f"/api/v1/experiments/{key}/activity")
    return [item["type"] for item in items if not item["type"].startswith("experiment.")]


MERGED: dict[str, Any] = {"state": "closed", "merged": True}
