"""Clean-up issues that somebody asks for: over the API, by a command, on the experiment's page."""

from tests.code.clean_up import (
    CODE,
    KEY,
    Shop,
    ask,
    begin,
    change,
    close,
    issue_of,
    set_status,
    state_of,
)
from tests.kit.browsing import Browser
from tests.kit.golden import Golden
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY


@sqlite_only
@token_only
async def test_two_integrations_of_one_repository_make_one_issue(shop: Shop) -> None:
    """The settings of the first hold; the other goes on where that is out of service."""
    await begin(shop, cleanup="off")
    shop.github.add_token("ghp_another-token", "other-bot")
    other = await shop.bot.integration(config={"token": "ghp_another-token", "cleanup": "on"})
    push = ("push", shop.project.push_payload("old", "0" * 40, shop.project.git.tip()))
    await shop.bot.deliver(other, *push)  # so it speaks for the repository, too
    await set_status(shop, "completed")
    assert shop.github.issues(REPOSITORY) == []
    first = await ask(shop, repository=REPOSITORY)
    second = await ask(shop, integration_id=other)
    assert (first.status, second.status) == (202, 202), (first.body, second.body)
    await shop.work()
    assert issue_of(shop)["user"]["login"] == "experiment-bot"
    path = f"/api/v1/integrations/{shop.integration}"
    await shop.bot.patch(path, {"is_active": False})
    shop.project.integration = other
    await change(shop, {})
    assert state_of(shop)[0] == "open"
    await shop.bot.patch(path, {"is_active": True})


@sqlite_only
@token_only
async def test_what_cannot_be_ordered(shop: Shop) -> None:
    await shop.bot.experiment(KEY, status="completed")
    unknown = await ask(shop, repository=REPOSITORY)
    assert (unknown.status, unknown.body["error"]) == (409, "code not read")
    nowhere = await ask(shop)
    assert (nowhere.status, nowhere.body["error"]) == (409, "nothing in the code")
    await shop.bot.delete(f"/api/v1/experiments/{KEY}")
    assert (await ask(shop)).status == 404
    await begin(shop)
    for body in ({}, {"repository": REPOSITORY}):
        active = await ask(shop, **body)
        assert (active.status, active.body["error"]) == (409, "experiment not over")
    await set_status(shop, "archived")
    wrong = await ask(shop, integration_id="0" * 8 + "-0000-4000-8000-" + "0" * 12)
    assert [one["field"] for one in wrong.body["errors"]] == ["integration_id"]
    ordered = await ask(shop)
    assert [one["repository"] for one in ordered.body["items"]] == [REPOSITORY]
    await shop.work()
    (action,) = [one["action_id"] for one in ordered.body["items"]]
    found = await shop.bot.get(f"/api/v1/actions/{action}")
    assert found.body["result"]["number"] == issue_of(shop)["number"]
    await change(shop, {})
    gone = await ask(shop, repository=REPOSITORY)
    assert (gone.status, gone.body["error"]) == (409, "nothing in the code")


async def test_the_commands(shop: Shop, golden: Golden) -> None:
    shop.github.repository(REPOSITORY).private = True
    await begin(shop, cleanup="off")
    many = {"src/a.ts": range(1, 22), **CODE}
    await change(shop, many)
    number = shop.github.open_issue(REPOSITORY, 100, title="Chores").number
    await shop.say(number, f"/experiment cleanup {KEY}")
    await shop.say(number, "/experiment code nothing-there")
    await shop.say(number, f"/experiment code {KEY}")
    await set_status(shop, "completed")
    await shop.say(number, f"/experiment cleanup {KEY}")
    await change(shop, {})
    await shop.say(number, f"/experiment cleanup {KEY}\n/experiment code {KEY}")
    golden(shop, number, "clean-up/commands")
    (linked,) = await shop.bot.walk(f"/api/v1/experiments/{KEY}/issues")
    assert linked["linked_by"] == "command"
    assert shop.github.issue_payload(REPOSITORY, linked["number"])["state"] == "closed"


@sqlite_only
@token_only
async def test_strangers_are_told_whether_a_key_is_known(shop: Shop) -> None:
    path = f"/api/v1/integrations/{shop.integration}"
    await begin(shop, commands={"code": "read", "cleanup": "read"})
    shop.github.repository(REPOSITORY).collaborators["mallory"] = "read"
    number = shop.github.open_issue(REPOSITORY, 100, title="Chores").number
    await shop.say(number, f"/experiment code {KEY}", "mallory")
    await shop.say(number, f"/experiment cleanup {KEY}", "mallory")
    said = "\n".join(shop.replies(number))
    assert "active" not in said and "src/" not in said and path not in said


@sqlite_only
@token_only
async def test_the_experiments_page(shop: Shop) -> None:
    """Whoever may write orders the issue there, and everybody sees how it is."""
    await begin(shop, cleanup="off")
    browser = await Browser.sign_in(shop.bot)
    assert "clean-up-title" not in (await browser.get(f"/experiments/{KEY}")).text
    await set_status(shop, "completed")
    page = await browser.get(f"/experiments/{KEY}")
    assert "acme/shop 4 references left Create the issue in acme/shop" in page.words
    form = {"integration_id": shop.integration, "repository": REPOSITORY}
    done = await browser.post(f"/experiments/{KEY}/clean-up", form)
    assert "The clean-up issue in acme/shop was ordered." in done.words
    await shop.work()
    page = await browser.get(f"/experiments/{KEY}")
    assert f"open Clean up experiment: {KEY} acme/shop 4 references left" in page.words
    assert issue_of(shop)["html_url"] in page.text
    await close(shop, "not_planned")
    page = await browser.get(f"/experiments/{KEY}")
    assert "4 references left closed by somebody as not planned Open the issue" in page.words
    viewer = await Browser.sign_in(shop.bot, "viewer")
    assert "Open the issue" not in (await viewer.get(f"/experiments/{KEY}")).words
    await change(shop, {})
    wrong = await browser.post(f"/experiments/{KEY}/clean-up", form)
    assert wrong.status == 409 and "Nothing of the experiment" in wrong.words
