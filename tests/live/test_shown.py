"""Where it is said what is live: the comment, the pages; and who is warned."""

import dataclasses
import re

import pytest

from bot.domain import live
from tests.kit import markup
from tests.kit.browsing import Browser, Page
from tests.kit.golden import Golden
from tests.kit.marks import app_only, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.live.shipping import KEY, LIST, Shipping

pytestmark = [sqlite_only]


def edits(ship: Shipping) -> int:
    return sum(
        one.method == "PATCH" and "/issues/comments/" in one.path
        for one in ship.scene.github.requests
    )


@app_only
async def test_the_comment(ship: Shipping, golden: Golden) -> None:
    """It follows production, and that of its own pull request alone."""
    await ship.scene.open(f"experiment_key: {KEY}", head_ref="another")
    other = await ship.merge()
    base = ship.main[-1]
    number = await ship.merge()
    await ship.scene.work()
    before = edits(ship)
    for name in ("staging", "docs"):
        await ship.deploy(ship.main[-1], name)
    assert edits(ship) == before
    await ship.deploy(base)
    assert edits(ship) == before + 1
    await ship.deploy(ship.main[-1])
    assert edits(ship) == before + 2
    golden(ship.scene, number, "live/production")
    golden(ship.scene, other, "live/another_in_production")
    await ship.deploy(ship.main[-1], "later")
    assert edits(ship) == before + 2
    await ship.deploy(base)
    assert edits(ship) == before + 3
    golden(ship.scene, number, "live/rolled_back")


@token_only
async def test_many_comments_follow_a_deployment_in_their_turn(
    ship: Shipping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happens meanwhile does not wait for all that a first deployment has."""
    monkeypatch.setattr(live, "_MOST_EDITED", 1)
    numbers = [await ship.merge() for _ in range(4)]
    await ship.scene.work()
    before = edits(ship)
    await ship.deploy(ship.main[-1])
    assert edits(ship) <= before + 2  # the newest, and the first of the others
    assert "Live in `production`" in ship.scene.comments(numbers[-1])[0]
    await ship.scene.pass_time(60, 12)
    assert edits(ship) == before + 4


@token_only
@pytest.mark.parametrize("comments", ["off", "once"])
async def test_no_comment_is_made_or_edited_where_that_is_not_wanted(
    ship: Shipping, comments: str
) -> None:
    path = f"/api/v1/integrations/{ship.scene.integration}"
    await ship.scene.bot.patch(path, {"config": {"comments": comments}})
    number = await ship.merge()
    await ship.scene.work()
    said = ship.scene.comments(number)
    assert len(said) == (0 if comments == "off" else 1)
    if comments == "off":
        await ship.scene.bot.patch(path, {"config": {"comments": "on"}})
    await ship.deploy(ship.main[-1])
    assert ship.scene.comments(number) == said
    assert await ship.live(number) == ["production"]


@token_only
async def test_a_stranger_is_told_nothing(ship: Shipping) -> None:
    ship.scene.github.add_user("stranger")
    ship.now()
    number = await ship.scene.open(
        f"experiment_key: {KEY}", author="stranger", head_repo="stranger/shop"
    )
    pull = ship.scene.github.repository(REPOSITORY).pulls[number]
    pull.merge_sha = ship.commit("from a fork")
    ship.scene.github.edit_pull(REPOSITORY, number, merged_at=ship.now())
    await ship.scene.tell("closed", number)
    await ship.scene.work()
    said = ship.scene.comments(number)
    assert len(said) == 1
    await ship.deploy(ship.main[-1])
    assert (await ship.live(number), ship.scene.comments(number)) == (["production"], said)
    page = await ship.scene.bot.get(f"/pull-requests/{REPOSITORY}/{number}", token=None)
    assert page.status == 200 and "roduction" not in page.body


# --- Warnings


async def start(scene: Scene, status: str) -> list[str]:
    answer = await scene.bot.patch(LIST, {"status": status})
    assert answer.status == 200, answer.body
    found: list[str] = answer.body["warnings"]
    return found


@token_only
async def test_who_starts_or_completes_is_warned(ship: Shipping) -> None:
    scene = ship.scene
    await scene.bot.patch(LIST, {"status": "draft"})
    merged = await ship.merge()
    assert await start(scene, "active") == []  # nothing is deployed here
    await start(scene, "draft")
    await ship.deploy(ship.main[0])
    said = f"1 merged pull request is not live in production: {REPOSITORY}#{merged}."
    assert await start(scene, "active") == [said]
    assert await start(scene, "active") == []  # it is
    body = {"name": KEY, "status": "draft"}
    assert (await scene.bot.put(LIST, body)).body["warnings"] == []
    assert (await scene.bot.put(LIST, {**body, "status": "active"})).body["warnings"] == [said]
    await ship.deploy(ship.main[-1])
    await start(scene, "paused")
    assert await start(scene, "active") == []
    numbers = [await scene.open(f"experiment_key: {KEY}", head_ref=f"f{n}") for n in range(5)]
    listed = ", ".join(f"{REPOSITORY}#{number}" for number in numbers[:1:-1])
    assert await start(scene, "completed") == [
        f"5 pull requests are still open: {listed} and 2 more."
    ]


@token_only
async def test_who_makes_one_that_has_started_is_warned(ship: Shipping) -> None:
    """Its code was linked before; in the API and on the page."""
    number = await ship.merge(body="experiment_key: early, late")
    await ship.deploy(ship.main[0])
    said = f"1 merged pull request is not live in production: {REPOSITORY}#{number}."
    body = {"key": "early", "name": "Early", "status": "active"}
    assert (await ship.scene.bot.post("/api/v1/experiments", body)).body["warnings"] == [said]
    browser = await Browser.sign_in(ship.scene.bot, "developer")
    form = {"key": "late", "name": "Late", "status": "active"}
    assert said in (await browser.post("/new-experiment", form)).words


@app_only
@pytest.mark.parametrize("is_live", [False, True])
async def test_the_reply_to_a_command_warns(ship: Shipping, golden: Golden, is_live: bool) -> None:
    number = await ship.merge()
    await ship.deploy(ship.main[-1 if is_live else 0])
    await ship.scene.bot.patch(LIST, {"status": "draft"})
    comment = await ship.scene.say(number, f"/experiment start {KEY}")
    assert "rocket" in ship.scene.reactions(comment)
    if is_live:
        assert ship.scene.replies(number) == []
    else:
        golden(ship.scene, number, "live/warned")
    await ship.scene.open(f"experiment_key: {KEY}", head_ref="removal")
    await ship.scene.say(number, f"/experiment complete {KEY}")
    assert "is still open" in ship.scene.replies(number)[-1]


@token_only
async def test_a_reply_names_no_pull_request_of_another_repository(ship: Shipping) -> None:
    """Whoever reads along need not know that there is such a repository."""
    scene = ship.scene
    number = await scene.open(f"experiment_key: {KEY}")
    scene.github.add_repository("acme/secret", private=True)
    payload = scene.payload("opened", number)
    payload["repository"] = scene.github.repository_payload("acme/secret")
    del payload["pull_request"]["base"]["repo"]
    await scene.bot.tell(scene.integration, payload)
    await scene.say(number, f"/experiment complete {KEY}")
    (said,) = scene.replies(number)
    assert f"2 pull requests are still open: `{REPOSITORY}#{number}` and 1 more." in said
    assert "secret" not in said
    await start(scene, "active")
    assert "acme/secret#1" in (await start(scene, "completed"))[0]


# --- Pages


def main_of(page: Page) -> str:
    """Return what the page says, without what surrounds it on every page."""
    assert markup.troubles(page.text) == []
    found = re.search(r"<main.*</main>", page.text, re.DOTALL)
    assert found is not None
    return dataclasses.replace(page, text=found[0]).words


@token_only
async def test_the_pages_say_it(ship: Shipping) -> None:
    """Names of environments are somebody's own, and shown as they are."""
    number = await ship.merge()
    paths = [f"/pull-requests/{REPOSITORY}/{number}", f"/experiments/{KEY}", "/shipped"]
    browser = await Browser.sign_in(ship.scene.bot, "developer")
    pages = [main_of(await browser.get(path)) for path in paths]
    assert all(" live " not in page.lower() for page in pages)
    odd = "<script>alert(1)</script>"
    for name in ("production", odd):
        await ship.deploy(ship.main[-1], name)
    pull, experiment, shipped = [main_of(await browser.get(path)) for path in paths]
    assert "Live in production since" in pull and f"Live in {odd} since" in pull
    assert f"1 of 1 merged is live in production 1 of 1 merged is live in {odd}" in experiment
    assert "live in production" in shipped and "live in <script>alert(" in shipped
    await ship.deploy(ship.main[0])
    pull, experiment, shipped = [main_of(await browser.get(path)) for path in paths]
    assert "No longer live in production since" in pull
    assert "0 of 1 merged are live in production" in experiment
    assert "live in production" not in shipped


@token_only
async def test_the_page_warns_after_the_change(ship: Shipping) -> None:
    await ship.scene.bot.patch(LIST, {"status": "draft"})
    number = await ship.merge()
    await ship.deploy(ship.main[0])
    browser = await Browser.sign_in(ship.scene.bot, "developer")
    said = f"1 merged pull request is not live in production: {REPOSITORY}#{number}."
    after = await browser.post(f"/experiments/{KEY}/status", {"status": "active"})
    assert f"The status is now active. {said}" in after.words
