"""Experiments with pull requests, issues and commits, for pages to show."""

import re
from typing import Any

from bot import times
from bot.demo import payloads
from tests.kit.browsing import Page
from tests.kit.running import Bot

SHOP = payloads.repository("acme/shop")
KEY = "checkout-flow-v2"
DAY = 86_400 * times.SECOND


def ago(days: float) -> str:
    """Return a time of the past as GitHub writes it."""
    return str(times.render(times.now() // times.SECOND * times.SECOND - int(days * DAY)))


async def pull(bot: Bot, integration: str, number: int, state: str = "open", **values: Any) -> None:
    """Deliver that a pull request was opened, two days ago, and perhaps what became of it."""
    values.setdefault("body", f"experiment_key: {KEY}")
    common: dict[str, Any] = {"repo": SHOP, "created_at": ago(2), **values}
    opened = payloads.pull_request("opened", number, ago(2), **common)
    await bot.tell(integration, opened)
    if state != "open":
        ended = payloads.pull_request(
            "closed", number, ago(1), state="closed", merged=state == "merged", **common
        )
        await bot.tell(integration, ended)


def names(page: Page) -> list[str]:
    """Return the names of the experiments that a list shows."""
    assert page.status == 200, page.text
    return re.findall(r'<a class="name" href="[^"]*">([^<]*)</a>', page.text)


def part(page: Page, identifier: str) -> str:
    """Return the words of the part of a page with an id."""
    found = re.search(
        rf'<(?:section|div)[^>]* id="{identifier}".*?(?=<section|</main>|<details class="card")',
        page.text,
        re.DOTALL,
    )
    assert found is not None, f"{identifier} is not on the page"
    return Page(200, found[0], "", None).words
