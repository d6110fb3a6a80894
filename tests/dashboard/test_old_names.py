"""The page of a check under the name that its repository had when the check was set."""

import pytest

from bot.demo import payloads
from tests.kit.browsing import Browser
from tests.kit.deliveries import at
from tests.kit.running import Bot


async def renamed(bot: Bot, *, private: bool = False) -> str:
    """Let a repository with a linked pull request be renamed; return the integration."""
    await bot.experiment("a")
    integration = await bot.integration()
    old, new = [
        {**payloads.repository(name, 1, updated_at=at(minute)), "private": private}
        for minute, name in enumerate(("acme/shop", "acme-inc/shop"))
    ]
    for one in (old, new):
        one["visibility"] = "private" if private else "public"
    changes = {"owner": {"from": {"organization": {"login": "acme", "id": 9}}}}
    told = payloads.pull_request("opened", 1, at(0), repo=old, body="experiment_key: a")
    await bot.tell(integration, told, payloads.repository_event("transferred", new, changes))
    return integration


async def test_an_old_name_leads_to_the_new_one(bot: Bot) -> None:
    """Unless there is no such thing, or another has taken it."""
    integration = await renamed(bot)
    visitor = await Browser.sign_in(bot)
    page = await visitor.get("/pull-requests/Acme/Shop/1", follow=False)
    assert (page.status, page.headers["Location"]) == (303, "/pull-requests/acme-inc/shop/1")
    assert (await visitor.get("/pull-requests/acme/shop/1")).status == 200
    for unknown in ("acme/shop/9", "acme/other/1"):
        assert (await visitor.get(f"/pull-requests/{unknown}")).status == 404
    taken = payloads.repository("acme/shop", 2, updated_at=at(5))
    newcomer = payloads.pull_request("opened", 2, at(5), repo=taken)
    await bot.tell(integration, newcomer)
    page = await visitor.get("/pull-requests/acme/shop/1", follow=False)
    assert page.status == 404


@pytest.mark.parametrize("private", [True, False])
async def test_who_is_not_signed_in_learns_no_name(bot: Bot, private: bool) -> None:
    """That a private repository was renamed is told to nobody else."""
    await renamed(bot, private=private)
    address = f"{bot.url}/pull-requests/acme/shop/1"
    async with bot.session.get(address, allow_redirects=False) as response:
        leads_to = response.headers["Location"]
    assert response.status == 303
    if private:
        assert leads_to.startswith("/sign-in") and "acme-inc" not in leads_to
    else:
        assert leads_to == "/pull-requests/acme-inc/shop/1"
