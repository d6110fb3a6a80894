"""What deliveries leave behind."""

from tests.kit.running import Bot

DUPLICATE = {"processed": True, "duplicate": True}


async def numbers(bot: Bot, key: str = "checkout") -> list[int]:
    """Return the pull requests linked to an experiment."""
    return [one["number"] for one in await bot.walk(f"/api/v1/experiments/{key}/pull-requests")]
