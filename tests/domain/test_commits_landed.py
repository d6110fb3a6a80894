"""What a pull request landed as: when it is linked, on pages, and from a fork."""

from bot.demo import payloads
from tests.domain.landings import (
    BRANCH,
    COUNTED,
    KEYED,
    MESSAGE,
    NEW,
    Place,
    pull,
    push,
    shown,
)
from tests.kit.browsing import Browser
from tests.kit.running import Bot


async def test_the_pages_say_what_was_replaced(bot: Bot) -> None:
    integration = await bot.integration()
    place = Place(payloads.repository("acme/shop"), "a")
    await bot.experiment("a")
    await bot.tell(integration, pull("opened", 1)(place), push("feature", 2, ("One", NEW))(place))
    browser = await Browser.sign_in(bot, "viewer")
    pages = ("/experiments/a", "/experiments/a/commits")
    for page in pages:
        assert "replaced" not in (await browser.get(page)).words
    forced = push("feature", 3, ("Two", NEW), force=("One", "Two"))
    await bot.tell(integration, forced(place))
    for page in pages:
        assert (await browser.get(page)).words.count("replaced, not counted") == 1


async def test_a_fork_that_sends_its_pushes(bot: Bot) -> None:
    """What it has pushed comes to the base as it is, and is there once."""
    integration = await bot.integration()
    place = Place(payloads.repository("acme/shop"), "a")
    fork = payloads.repository("octo/shop")
    await bot.experiment("a")
    theirs = push("feature", 2, ("One", NEW))(place)
    theirs["repository"] = {**theirs["repository"], **fork}
    closed = pull("closed", 3, merge="One", head_repo=fork)(place)
    ours = push("main", 3, ("One", NEW))(place)
    await bot.tell(integration, pull("opened", 1, head_repo=fork)(place), theirs, closed, ours)
    assert list((await shown(bot, place)).values()) == [("feature", BRANCH, COUNTED)]


async def test_a_pull_request_that_is_linked_after_it_was_merged(bot: Bot) -> None:
    """It gets what it landed as, and loses that with its link."""
    integration = await bot.integration()
    place = Place(payloads.repository("acme/shop"), "a")
    await bot.experiment("a")
    for build in (
        pull("opened", 1, body=""),
        push("feature", 2, ("One", NEW), (KEYED, NEW)),
        pull("closed", 3, merge="Squashed", body=""),
        push("main", 3, ("Squashed", NEW)),
    ):
        await bot.tell(integration, build(place))
    alone = {place.sha(KEYED): ("feature", MESSAGE, COUNTED)}
    assert await shown(bot, place) == alone
    link = {"integration_id": integration, "repository": "acme/shop", "number": 7}
    await bot.post("/api/v1/experiments/a/pull-requests", link)
    assert await shown(bot, place) == {
        place.sha("One"): ("feature", BRANCH, COUNTED),
        place.sha(KEYED): ("feature", MESSAGE, COUNTED),
        place.sha("Squashed"): ("main", BRANCH, COUNTED),
    }
    await bot.delete("/api/v1/experiments/a/pull-requests/acme/shop/7")
    assert await shown(bot, place) == alone
