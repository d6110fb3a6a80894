"""What tests of the door look at."""

from typing import Any

from tests.kit.running import Bot

GUID = "6a1f0f6c-2f1b-4a52-9d33-0c4f1d7f5e10"


async def stored(bot: Bot, integration: str) -> list[dict[str, Any]]:
    return await bot.walk(f"/api/v1/integrations/{integration}/deliveries")
