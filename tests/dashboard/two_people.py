"""An experiment that two people have at hand."""

from typing import Any

from tests.kit.running import Bot

ONE = "/api/v1/experiments/checkout"
FIELDS = {
    "name": "One page checkout",
    "status": "draft",
    "owner": "growth",
    "hypothesis": "Fewer steps.\nFewer lost carts.",
    "description": "More of it.",
    "url": "https://example.org/board",
    "tags": ["web", "cart"],
}


async def stored(bot: Bot) -> dict[str, Any]:
    body: dict[str, Any] = (await bot.get(ONE)).body
    return {name: body[name] for name in FIELDS}
