"""What deliveries leave behind."""

from typing import Any

from tests.kit.running import Bot

DUPLICATE = {"processed": True, "duplicate": True}
GUID = "6a1f0f6c-2f1b-4a52-9d33-0c4f1d7f5e10"


async def stored(bot: Bot, integration: str) -> list[dict[str, Any]]:
    return await bot.walk(f"/api/v1/integrations/{integration}/deliveries")


async def numbers(bot: Bot, key: str = "checkout") -> list[int]:
    """Return the pull requests linked to an experiment."""
    return [one["number"] for one in await bot.walk(f"/api/v1/experiments/{key}/pull-requests")]
