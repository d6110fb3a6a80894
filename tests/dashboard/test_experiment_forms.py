"""Creating, editing and deleting experiments, and who may."""

import asyncio
import re
from urllib.parse import urlsplit

from tests.dashboard.experiments import KEY, part, pull
from tests.kit.browsing import Browser, Page
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.running import Bot

# --- Create, edit, delete


@sqlite_only
async def test_create_an_experiment(bot: Bot) -> None:
    browser = await Browser.sign_in(bot, "developer")
    form = await browser.get("/new-experiment?key=given-key")
    assert 'value="given-key"' in form.text
    made = await browser.post(
        "/new-experiment",
        {
            "key": "new",  # a key like any other
            "name": "The new one",
            "status": "active",
            "owner": "growth",
            "hypothesis": "One.\r\nTwo.",
            "description": "",
            "url": "https://example.org/x?y=1",
            "tags": "web, cart,web",
            "aliases": "newFlow, NEW_FLOW",
            "repositories": "acme/shop, acme/api",
        },
    )
    assert urlsplit(made.path).path == "/experiments/new"
    assert made.status == 200
    assert "Created." in made.words
    stored = (await bot.get("/api/v1/experiments/new")).body
    assert (stored["hypothesis"], stored["description"]) == ("One.\nTwo.", None)
    assert (stored["tags"], stored["url"]) == (["web", "cart"], "https://example.org/x?y=1")
    assert stored["repositories"] == ["acme/shop", "acme/api"]
    assert "Changed by commands in acme/shop, acme/api only" in made.words
    assert "In code also newFlow , NEW_FLOW" in made.words


@sqlite_only
async def test_a_form_that_cannot_be_keeps_what_was_typed(bot: Bot) -> None:
    await bot.experiment(KEY)
    browser = await Browser.sign_in(bot)
    for fields, field, message in (
        ({"key": "no blanks", "name": "N"}, "key", "Start with a letter or digit"),
        ({"key": KEY, "name": "N"}, "key", f"There already is an experiment {KEY}"),
        ({"key": "k", "name": ""}, "name", "Enter a name"),
        ({"key": "k", "name": "N", "url": "javascript:alert(1)"}, "url", "Enter a full URL"),
        ({"key": "k", "name": "N", "status": "king"}, "status", "Choose one"),
        ({"key": "k", "name": "N", "repositories": "shop"}, "repositories", "Name each as"),
        ({"key": "k", "name": "N", "tags": "x" * 101}, "tags", "Use at most 50 tags"),
    ):
        page = await browser.post("/new-experiment", {"owner": "me & you", **fields})
        assert page.status == 422, fields
        assert re.search(rf'id="{field}-error">{re.escape(message)}', page.text), page.words
        assert re.search(rf'id="{field}"[^>]*aria-invalid="true"', page.text)
        assert 'value="me &amp; you"' in page.text
    assert len((await bot.get("/api/v1/experiments")).items) == 1


@sqlite_only
async def test_edit_an_experiment(bot: Bot) -> None:
    tags = ["one, two", "three"]
    await bot.experiment(KEY, name="Old", owner="growth", hypothesis="a\nb", tags=tags)
    browser = await Browser.sign_in(bot, "developer")
    path = f"/experiments/{KEY}/edit"
    form = await browser.get(path)
    assert ">a\nb</textarea>" in form.text
    sent = {
        "name": "New",
        "status": "draft",
        "owner": "",
        "hypothesis": "a\r\nb",
        "description": "",
        "url": "",
        "tags": "one, two, three",
    }
    page = await browser.post(path, sent)
    assert urlsplit(page.path).path == f"/experiments/{KEY}"
    assert "Saved." in page.words
    stored = (await bot.get(f"/api/v1/experiments/{KEY}")).body
    # Nobody touched the tags, so the one with a comma stays whole.
    assert (stored["name"], stored["owner"], stored["tags"]) == ("New", None, tags)
    assert (stored["hypothesis"], stored["status"]) == ("a\nb", "draft")
    await browser.post(path, {**sent, "tags": "four"})
    assert (await bot.get(f"/api/v1/experiments/{KEY}")).body["tags"] == ["four"]
    wrong = await browser.post(path, {**sent, "name": ""})
    assert wrong.status == 422
    assert (await browser.get("/experiments/unknown/edit")).status == 404


@sqlite_only
async def test_delete_an_experiment(bot: Bot) -> None:
    await bot.experiment(KEY)
    developer, admin = await Browser.sign_in(bot, "developer"), await Browser.sign_in(bot)
    path = f"/experiments/{KEY}/delete"
    assert "Delete this experiment" not in (await developer.get(f"/experiments/{KEY}/edit")).text
    assert (await developer.post(path)).status == 403
    assert "Delete this experiment" in (await admin.get(f"/experiments/{KEY}/edit")).text
    page = await admin.post(path)
    assert (page.status, urlsplit(page.path).path) == (200, "/experiments")
    assert (await bot.get(f"/api/v1/experiments/{KEY}")).status == 404


# --- Forms


@sqlite_only
async def test_change_the_status(bot: Bot) -> None:
    await bot.experiment(KEY)
    browser = await Browser.sign_in(bot, "developer")
    page = await browser.post(f"/experiments/{KEY}/status", {"status": "paused"})
    assert "The status is now paused." in page.words
    assert (await bot.get(f"/api/v1/experiments/{KEY}")).body["status"] == "paused"
    wrong = await browser.post(f"/experiments/{KEY}/status", {"status": "king"})
    assert wrong.status == 422
    assert 'id="status-error">Choose one of the statuses.' in wrong.text
    assert (await browser.post("/experiments/unknown/status", {"status": "draft"})).status == 404


@sqlite_only
@token_only
async def test_link_a_pull_request_by_its_address_and_unlink_it(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("No line", tell=False)
    browser = await Browser.sign_in(scene.bot, "developer")
    host = urlsplit(scene.github.url).netloc
    url = f"http://{host}/{REPOSITORY}/pull/{number}/files?w=1#diff"
    page = await browser.post(f"/experiments/{KEY}/pull-requests", {"url": url})
    assert page.status == 200
    assert f"Linked {REPOSITORY}#{number}: One page checkout" in page.words
    assert "linked by hand" in part(page, "pulls")
    path = f"/experiments/{KEY}/pull-requests/{REPOSITORY}/{number}/unlink"
    assert f'action="{path}"' in page.text
    page = await browser.post(path)
    assert f"Unlinked {REPOSITORY}#{number}." in page.words
    assert "None are linked." in part(page, "pulls")
    assert (await browser.post(path)).status == 404


@sqlite_only
@token_only
async def test_an_address_that_cannot_be_linked(scene: Scene) -> None:
    bot = scene.bot
    await bot.experiment(KEY)
    browser = await Browser.sign_in(bot)
    host = urlsplit(scene.github.url).netloc
    await bot.patch(
        f"/api/v1/integrations/{scene.integration}",
        {"config": {"repositories": [REPOSITORY]}},
    )
    for url, message in (
        ("", "Enter the URL of a pull request"),
        ("nonsense", "Enter the URL of a pull request"),
        (f"http://{host}/../b/pull/1", "Enter the URL of a pull request"),
        (f"http://{host}/a/../pull/1", "Enter the URL of a pull request"),
        (f"http://{host}/./b/pull/1", "Enter the URL of a pull request"),
        ("http://[", "Enter the URL of a pull request"),
        ("javascript:alert(1)//pull/1", "Enter the URL of a pull request"),
        (f"http://{host}/acme/shop", "Enter the URL of a pull request"),
        (f"http://{host}/acme/shop/issues/3", "This is an issue."),
        (f"http://{host}/acme/shop/pull/9999999999", "no pull request with this number"),
        (
            "https://github.com/acme/shop/pull/1",
            f"There is no active integration for github.com; the active ones are for {host}.",
        ),
        (f"http://{host}/acme/other/pull/1", "No active integration allows acme/other"),
        (f"{host}/acme/shop/pull/77", "No integration can reach a pull request acme/shop#77."),
    ):
        page = await browser.post(f"/experiments/{KEY}/pull-requests", {"url": url})
        assert page.status == 422, url
        assert re.search(rf'id="url-error">[^<]*{re.escape(message)}', page.text), page.words
        assert '<details class="card" id="link" open>' in page.text
        assert f'name="url" type="url" value="{url}"' in page.text
    await bot.patch(f"/api/v1/integrations/{scene.integration}", {"is_active": False})
    page = await browser.post(f"/experiments/{KEY}/pull-requests", {"url": f"{host}/a/b/pull/1"})
    assert "set one up first" in page.words


@sqlite_only
@token_only
async def test_the_integration_that_reaches_it_links_it(scene: Scene) -> None:
    """The first one asked has a credential that GitHub does not know."""
    bot = scene.bot
    await bot.experiment(KEY)
    number = await scene.open("No line", tell=False)
    stale = await bot.integration(
        name="Stale", config={"token": "ghp_unknown", "repositories": [REPOSITORY]}
    )
    browser = await Browser.sign_in(bot)
    url = f"http://{urlsplit(scene.github.url).netloc}/{REPOSITORY}/pull/{number}"
    page = await browser.post(f"/experiments/{KEY}/pull-requests", {"url": url})
    assert page.status == 200, page.words
    pulls = (await bot.get(f"/api/v1/experiments/{KEY}/pull-requests")).items
    assert [one["integration_id"] for one in pulls] == [scene.integration]
    assert stale != scene.integration


def issue_form(page: Page, scene: Scene, **fields: str) -> dict[str, str]:
    """Return the form for a tracking issue as a page fills it, with `fields`."""
    once = re.search(r'name="once" value="([^"]+)"', page.text)
    assert once is not None
    return {
        "once": once[1],
        "integration_id": scene.integration,
        "repository": REPOSITORY,
        "title": "Track it",
        "body": "",
        "labels": "experiment, growth",
        "assignees": "@jane",
        **fields,
    }


@sqlite_only
@token_only
async def test_create_a_tracking_issue(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    browser = await Browser.sign_in(scene.bot, "developer")
    form = issue_form(await browser.get(f"/experiments/{KEY}"), scene)
    working = asyncio.create_task(scene.outbox.run())
    try:
        page = await browser.post(f"/experiments/{KEY}/issues", form)
        again = await browser.post(f"/experiments/{KEY}/issues", form)  # pressed twice
    finally:
        working.cancel()
    for answer in (page, again):
        assert answer.status == 200, answer.words
        assert re.search(rf"Created the issue {REPOSITORY}#\d+: https?://", answer.words)
    issues = scene.github.issues(REPOSITORY)
    assert len(issues) == 1
    assert issues[0]["title"] == "Track it"
    assert {one["name"] for one in issues[0]["labels"]} == {"experiment", "growth"}
    assert [one["login"] for one in issues[0]["assignees"]] == ["jane"]


@sqlite_only
@token_only
async def test_a_tracking_issue_that_takes_long(scene: Scene, impatient: None) -> None:
    await scene.bot.experiment(KEY)
    browser = await Browser.sign_in(scene.bot)
    form = issue_form(await browser.get(f"/experiments/{KEY}"), scene, assignees="")
    page = await browser.post(f"/experiments/{KEY}/issues", form)
    assert page.status == 200
    assert "The issue has not been created yet" in page.words
    await scene.work()
    assert len(scene.github.issues(REPOSITORY)) == 1


@sqlite_only
@token_only
async def test_a_tracking_issue_that_cannot_be(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    browser = await Browser.sign_in(scene.bot)
    path = f"/experiments/{KEY}"
    form = issue_form(await browser.get(path), scene)
    for wrong, field, message in (
        ({"title": ""}, "title", "Enter a title"),
        ({"repository": "nonsense"}, "repository", "Enter it as owner/repository."),
        ({"integration_id": "x"}, "integration_id", "Must be the id of an integration"),
        ({"labels": "x" * 51}, "labels", "Use at most 20 labels"),
        ({"assignees": "not a login"}, "assignees", "Enter at most 10"),
    ):
        page = await browser.post(f"{path}/issues", {**form, "body": "Kept & shown", **wrong})
        assert page.status == 422, wrong
        assert re.search(rf'id="{field}-error">{re.escape(message)}', page.text), page.words
        assert ">Kept &amp; shown</textarea>" in page.text
        assert '<details class="card" id="track" open>' in page.text
        assert f'name="once" value="{form["once"]}"' in page.text
    assert await scene.actions() == []
    scene.github.repository(REPOSITORY).has_issues = False
    working = asyncio.create_task(scene.outbox.run())
    try:
        page = await browser.post(f"{path}/issues", form)
    finally:
        working.cancel()
    assert page.status == 422
    assert "/api/v1/" not in page.words
    assert 'id="repository-error">Has issues switched off on GitHub' in page.text
    assert f'name="once" value="{form["once"]}"' not in page.text


@sqlite_only
async def test_without_an_integration_nothing_can_be_written(bot: Bot) -> None:
    await bot.experiment(KEY)
    page = await (await Browser.sign_in(bot)).get(f"/experiments/{KEY}")
    assert "No integration is active" in page.words
    assert "/issues" not in re.findall(r'<form[^>]*action="[^"]*?(/[a-z-]+)"', page.text)


# --- Who may


@sqlite_only
async def test_a_viewer_sees_all_and_changes_nothing(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment(KEY)
    await pull(bot, integration, 1)
    viewer = await Browser.sign_in(bot, "viewer")
    page = await viewer.get(f"/experiments/{KEY}")
    assert page.status == 200
    actions = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]*)"', page.text)
    assert actions == ["/sign-out"]
    assert 'href="/new-experiment' not in page.text
    assert "/edit" not in page.text
    for path in ("/new-experiment", f"/experiments/{KEY}/edit"):
        assert (await viewer.get(path)).status == 403
    for path in (
        "/new-experiment",
        f"/experiments/{KEY}/edit",
        f"/experiments/{KEY}/status",
        f"/experiments/{KEY}/issues",
        f"/experiments/{KEY}/pull-requests",
        f"/experiments/{KEY}/pull-requests/acme/shop/1/unlink",
        f"/experiments/{KEY}/delete",
    ):
        assert (await viewer.post(path, {"status": "paused"})).status == 403, path
    stored = (await bot.get(f"/api/v1/experiments/{KEY}")).body
    assert (stored["status"], stored["counts"]["pull_requests"]) == ("draft", 1)


@sqlite_only
async def test_a_form_from_elsewhere_changes_nothing(bot: Bot) -> None:
    await bot.experiment(KEY)
    browser = await Browser.sign_in(bot)
    for csrf in ("", "guessed", "é"):
        fields = {"status": "paused", "csrf": csrf}
        assert (await browser.post(f"/experiments/{KEY}/status", fields)).status == 403
    assert (await bot.get(f"/api/v1/experiments/{KEY}")).body["status"] == "draft"
