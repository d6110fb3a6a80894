"""What tests of the audit look at."""

from typing import Any

from tests.kit.running import Bot

PATH = "/api/v1/audit"


async def audit(bot: Bot, query: str = "", limit: int = 50) -> list[dict[str, Any]]:
    """Return what the audit tells, the oldest first."""
    return (await bot.walk(f"{PATH}{query}", limit))[::-1]


async def told(bot: Bot, about: str, query: str = "") -> list[tuple[str, Any, Any]]:
    """Return type, before and after of all that is told of a kind of target, the oldest first."""
    return [
        (row["type"], row["before"], row["after"])
        for row in await audit(bot, query)
        if row["target"]["kind"] == about
    ]
