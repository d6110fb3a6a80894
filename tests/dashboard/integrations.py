"""Integrations as forms fill them in."""

import re
from typing import Any

from bot.api.integrations import PATH
from tests.kit.running import Bot

TOKEN = "ghp_hXq4tT9vKwPz1aBcD2eF3gH5iJ6kL7mN"
OWN = "a-secret-of-ones-own-0d9f8e7c"
PING = {"zen": "Z", "hook_id": 1}
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
FORM = {
    "auth": "token",
    "name": "Acme",
    "is_active": "yes",
    "config.comments": "on",
    "config.check": "on",
    "config.label": "experiment",
}


async def stored(bot: Bot, integration: str) -> dict[str, Any]:
    body: dict[str, Any] = (await bot.get(f"{PATH}/{integration}")).body
    return body


def copied(text: str, label: str) -> str:
    """Return what a page's button copies."""
    found = re.search(rf'data-copy="([^"]+)">Copy<span class="sr"> {label}', text)
    assert found is not None, text
    return found[1]
