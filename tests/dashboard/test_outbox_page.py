"""The page of what the bot owes GitHub: what is pending or failed, why, and trying again."""

import re

import pytest

from bot.dashboard import outbox as pages
from tests.github import REPO, Fault
from tests.kit.browsing import Browser, Page
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.running import Bot

pytestmark = sqlite_only

HOSTILE = "</td><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
COMMENTS = f"POST {REPO}/issues/{{issue_number}}/comments"
NO_PERMISSION = "Resource not accessible by personal access token"


def kinds(page: Page) -> list[str]:
    """Return what a page lists, in order."""
    return re.findall(r'<th scope="row">([^<]+)', page.text)


def forbid(scene: Scene, times: int = 1, message: str = NO_PERMISSION) -> None:
    """Let GitHub refuse comments for want of a permission."""
    headers = {"X-Accepted-GitHub-Permissions": "issues=write; pull_requests=write"}
    body = {"message": message}
    scene.github.fail(
        Fault("status", COMMENTS, times=times, status=403, headers=headers, body=body)
    )


async def owing(scene: Scene, count: int = 1) -> list[int]:
    """Let pull requests be opened that the bot has not written to yet."""
    await scene.bot.experiment("checkout")
    return [await scene.open("experiment_key: checkout") for _ in range(count)]


async def refused(scene: Scene) -> int:
    """Let GitHub refuse every comment for want of a permission."""
    (number,) = await owing(scene)
    forbid(scene)
    await scene.work()
    return number


async def test_nothing_is_owed(bot: Bot) -> None:
    viewer = await Browser.sign_in(bot, "viewer")
    page = await viewer.get("/outbox")
    assert "Nothing to do" in page.words
    assert "Retry" not in page.text
    page = await viewer.get("/outbox?status=failed")
    assert "No matching actions" in page.words


@token_only
async def test_what_is_owed_shows_until_it_is_done(scene: Scene) -> None:
    (number,) = await owing(scene)
    viewer = await Browser.sign_in(scene.bot, "viewer")
    page = await viewer.get("/outbox")
    assert kinds(page) == ["Comment, check and label"]
    assert "pending" in page.words
    assert 'href="/experiments/checkout"' in page.text
    assert f"{REPOSITORY}#{number}</a>" in page.text
    assert "One page checkout" in page.words
    assert re.search(r'<time datetime="[^"]+" title="[^"]+ UTC">', page.text)
    page = await viewer.get("/outbox?kind=pull_request&status=")
    assert len(kinds(page)) == 1
    assert kinds(await viewer.get("/outbox?kind=commands&status=")) == []
    await scene.work()
    assert "Nothing to do" in (await viewer.get("/outbox")).words
    page = await viewer.get("/outbox?status=done")
    assert len(kinds(page)) == 1
    for wrong in ("status=x", "kind=x", "cursor=x"):
        assert (await viewer.get(f"/outbox?{wrong}")).status == 422


@token_only
async def test_older_ones_are_on_further_pages(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_ON_PAGE", 2)
    await owing(scene, 5)
    viewer = await Browser.sign_in(scene.bot, "viewer")
    path, sizes = "/outbox?kind=", []
    while path:
        page = await viewer.get(path)
        sizes.append(len(kinds(page)))
        more = re.search(r'href="([^"]+)" rel="next"', page.text)
        path = more[1].replace("&amp;", "&") if more else ""
    assert sizes == [2, 2, 1]


@token_only
async def test_a_missing_permission_stands_out_with_its_remedy(scene: Scene) -> None:
    await refused(scene)
    viewer = await Browser.sign_in(scene.bot, "viewer")
    page = await viewer.get("/outbox?status=failed")
    assert kinds(page) == ["Comment, check and label"]
    assert "Status comment: 403" in page.words
    remedy = re.search(r'<p class="remedy"><b>What to do:</b> ([^<]+)</p>', page.text)
    assert remedy is not None
    assert remedy[1].startswith("the credential may not do this: give it the permission")
    assert "issues=write" in remedy[1]
    assert "Resource not accessible by personal access token" in page.words
    assert page.words.count("issues=write") == 1


@token_only
async def test_github_that_does_not_answer_is_told_of(scene: Scene) -> None:
    await owing(scene)
    await scene.github.close()
    await scene.work()
    viewer = await Browser.sign_in(scene.bot, "viewer")
    page = await viewer.get("/outbox")
    assert "GitHub cannot be reached" in page.words
    assert re.search(r'data-label="Next attempt"[^>]*><time [^>]*title="[^"]+ UTC">', page.text)


@token_only
async def test_retry_one(scene: Scene) -> None:
    number = await refused(scene)
    (action,) = await scene.actions("?status=failed")
    viewer = await Browser.sign_in(scene.bot, "viewer")
    path = f"/outbox/{action['id']}/retry"
    assert path not in (await viewer.get("/outbox")).text
    assert (await viewer.post(path)).status == 403
    developer = await Browser.sign_in(scene.bot, "developer")
    assert f'formaction="{path}"' in (await developer.get("/outbox")).text
    assert (await developer.post(path, {"csrf": "x" * 32})).status == 403
    assert len(await scene.actions("?status=failed")) == 1
    page = await developer.post(path)
    assert page.path.startswith("/outbox")
    assert "Comment, check and label: retrying now." in page.words
    await scene.work()
    assert len(scene.comments(number)) == 1
    page = await developer.post(path)
    assert page.status == 409
    assert "The action is done." in page.words
    nowhere = "/outbox/00000000-0000-4000-8000-000000000000/retry"
    assert (await developer.post(nowhere)).status == 404


@token_only
async def test_retry_all_failed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "AT_ONCE", 2)
    numbers = await owing(scene, 3)
    forbid(scene, times=3)
    await scene.work()
    assert len(await scene.actions("?status=failed")) == 3
    viewer = await Browser.sign_in(scene.bot, "viewer")
    assert "Retry all failed" not in (await viewer.get("/outbox")).words
    assert (await viewer.post("/outbox/retry")).status == 403
    developer = await Browser.sign_in(scene.bot, "developer")
    assert "Retry all failed" in (await developer.get("/outbox")).words
    page = await developer.post("/outbox/retry")
    assert "2 actions are being retried. There are more" in page.words
    page = await developer.post("/outbox/retry")
    assert "1 action is being retried." in page.words
    assert "Nothing has failed." in (await developer.post("/outbox/retry")).words
    await scene.work()
    assert [len(scene.comments(number)) for number in numbers] == [1, 1, 1]


@token_only
async def test_an_issue_names_its_experiment(scene: Scene, impatient: None) -> None:
    await scene.bot.experiment("checkout")
    await scene.github.close()
    await scene.issue("checkout", title=f"Track {HOSTILE}")
    viewer = await Browser.sign_in(scene.bot, "viewer")
    page = await viewer.get("/outbox")
    assert kinds(page) == ["Tracking issue"]
    assert 'href="/experiments/checkout"' in page.text
    assert "Track &lt;/td&gt;" in page.text
    assert "<script>alert" not in page.text


@token_only
async def test_markup_changes_nothing(scene: Scene) -> None:
    """In the title of a pull request, and in what GitHub answers."""
    await scene.bot.experiment("checkout")
    number = await scene.open("experiment_key: checkout", tell=False)
    payload = scene.payload("opened", number)
    payload["pull_request"]["title"] = HOSTILE
    payload["pull_request"]["html_url"] = "javascript:alert(1)"
    await scene.bot.deliver(scene.integration, "pull_request", payload)
    forbid(scene, message=f"no {HOSTILE} for jane@example.com")
    await scene.work()
    viewer = await Browser.sign_in(scene.bot, "developer")
    for path in ("/outbox", "/outbox?status=all", f"/integrations/{scene.integration}"):
        page = await viewer.get(path)
        assert page.status == 200
        assert "no &lt;/td&gt;" in page.text
        for markup in ("<script>alert", "<img src=x", 'href="javascript', "jane@example.com"):
            assert markup not in page.text
    assert "alert(1)" in (await viewer.get("/outbox")).words


@token_only
async def test_what_failed_before_the_upgrade_shows_its_whole_error(scene: Scene) -> None:
    """Before, reason and remedy were kept as one text alone."""
    await refused(scene)
    await scene.bot.services.database.write(
        lambda tx: tx.run("UPDATE actions SET reason = NULL, remedy = NULL")
    )
    page = await (await Browser.sign_in(scene.bot, "viewer")).get("/outbox?status=failed")
    assert 'class="remedy"' not in page.text
    assert "the credential may not do this: give it the permission issues=write" in page.words
