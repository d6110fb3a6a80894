"""No list, feed or page shows anybody's e-mail address; the stored payload keeps it."""

import re

import pytest

from bot import storage as store
from bot.demo import payloads
from tests.github import Fault
from tests.kit.browsing import Browser
from tests.kit.deliveries import REPO
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import Scene
from tests.kit.running import Bot

AT = "2026-03-02T10:05:00Z"
ADDRESSES = (
    "jane@example.com",
    "root@buildhost",
    "jane@localhost",
    "jane@10.0.0.1",
    "jane@[10.0.0.1]",
    "möp@exämple.com",
    "a+b@x",
    '"jane doe"@example.com',
)
AROUND = ("{}", "<{}>", "**{}**", "`{}`", "[x](mailto:{})", "({}).", "{}, thanks", "'{}'!")
PAGES = ("/experiments/a", "/unresolved", "/outbox", "/repositories/github.com/acme/shop", "/")


async def shown(bot: Bot, integration: str) -> str:
    """Return all that lists, feeds and pages say."""
    lists = [
        *(f"/api/v1/experiments/a/{name}" for name in ("commits", "pull-requests", "issues")),
        "/api/v1/experiments/a/activity",
        "/api/v1/links/unresolved",
        "/api/v1/commands",
        f"/api/v1/integrations/{integration}/deliveries",
    ]
    texts = [str(await bot.walk(path)) for path in lists]
    browser = await Browser.sign_in(bot)
    for path in PAGES:
        page = await browser.get(path)
        texts.append(page.words)
    return "\n".join(texts)


def addresses_in(text: str) -> list[str]:
    return re.findall(r"\S*(?:jane|root|buildhost|möp|a\+b|jane doe)\"?@\S*", text)


@pytest.mark.parametrize("address", ADDRESSES)
async def test_addresses_are_not_shown(bot: Bot, address: str) -> None:
    """In messages, names, titles and labels, whatever stands around them."""
    integration = await bot.integration()
    await bot.experiment("a")
    push = payloads.push(
        "feature",
        [
            f"Ask {one.format(address)} {number}\n\nExperiment-Key: a, b\nAcked-by: J <{address}>"
            for number, one in enumerate(AROUND)
        ],
        repo=REPO,
    )
    del push["sender"]
    push["pusher"]["name"] = address
    for commit in push["commits"]:
        commit["author"] = {"name": f"Jane <{address}>", "email": address}
    push["commits"][0]["author"]["name"] = address
    title = f"Pages for {address}"
    pull = payloads.pull_request(
        "opened", 7, AT, repo=REPO, title=title, body="experiment_key: a, b"
    )
    issue = payloads.issue(
        "labeled", 5, AT, repo=REPO, title=title, body="experiment_key: a, b", labels=(address,)
    )
    issue["label"] = {"name": address}
    for payload in (pull["pull_request"], issue["issue"]):
        payload["user"]["login"] = address
    for payload in (pull, issue):
        payload["sender"] = {"login": address}
    for event, payload in (("push", push), ("pull_request", pull), ("issues", issue)):
        answer = await bot.deliver(integration, event, payload)
        assert (answer.status, answer.body) == (200, {"processed": True})
    said = await shown(bot, integration)
    assert addresses_in(said) == []
    assert "Pages for" in said and "Ask" in said and "Acked-by: J" in said
    authors = {one["author"] for one in await bot.walk("/api/v1/experiments/a/commits")}
    assert authors == {"Jane", None}
    (delivery, *_) = await bot.walk(f"/api/v1/integrations/{integration}/deliveries")
    path = f"/api/v1/integrations/{integration}/deliveries/{delivery['id']}"
    assert address in str((await bot.get(path)).body["payload"])


async def test_what_only_looks_like_one_is_shown(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment("a")
    message = (
        "Bump react@18.2.0 and actions/checkout@v4 for @mona\n\n"
        "lodash@latest, @acme/shop@next, user@{upstream}, git@github.com:acme/shop.git\n\n"
        "Experiment-Key: a"
    )
    await bot.deliver(integration, "push", payloads.push("main", [message], repo=REPO))
    (commit,) = await bot.walk("/api/v1/experiments/a/commits")
    assert commit["message"] == message


async def test_what_was_stored_before_is_not_shown_either(bot: Bot) -> None:
    """An older version let some shapes through into its database."""
    integration = await bot.integration()
    await bot.experiment("a")
    push = payloads.push("main", ["Page\n\nExperiment-Key: a"], repo=REPO)
    await bot.deliver(integration, "push", push)

    def spoil(tx: store.Transaction) -> None:
        tx.run("UPDATE commits SET message = 'By root@buildhost', author = 'jane@x'")
        tx.run("UPDATE activity SET summary = 'By root@buildhost', actor = 'jane@x'")

    await bot.services.database.write(spoil)
    assert addresses_in(await shown(bot, integration)) == []
    (commit,) = await bot.walk("/api/v1/experiments/a/commits")
    assert (commit["message"], commit["author"]) == ("By ", None)


@sqlite_only
@token_only
async def test_the_bot_repeats_no_address(scene: Scene) -> None:
    """In replies to commands, and in the list of these."""
    await scene.bot.experiment("a")
    number = await scene.open("experiment_key: a")
    await scene.say(number, "/experiment link jane@localhost\n\n/experiment lonk root@buildhost")
    (reply,) = scene.replies(number)
    assert addresses_in(reply.replace("\u200b", "")) == []
    assert "There is no experiment" in reply and "lonk" in reply
    assert addresses_in(await shown(scene.bot, scene.integration)) == []


@sqlite_only
@token_only
async def test_what_github_repeats_is_not_shown(scene: Scene, impatient: None) -> None:
    """It may say in an error what it was given."""
    await scene.bot.experiment("a")
    said = {"message": "Validation Failed: jane@localhost is none, root@3f2a1b4c5d6e neither"}
    scene.github.fail(Fault("status", status=422, body=said, times=None))
    answer = await scene.issue("a", title="Ask jane@localhost")
    await scene.open("experiment_key: a")
    await scene.work()
    action = await scene.actions("?status=failed")
    assert all("Validation Failed" in one["last_error"] for one in action) and len(action) == 2
    path = f"/api/v1/integrations/{scene.integration}"
    integration = (await scene.bot.get(path)).body
    assert "Validation Failed" in integration["last_error"]
    pages = await shown(scene.bot, scene.integration)
    assert addresses_in(f"{answer.body} {action} {integration} {pages}") == []
