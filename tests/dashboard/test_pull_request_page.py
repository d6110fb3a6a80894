"""Where the check leads: a pull request's own page, for everybody of a public repository."""

import dataclasses
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.kit import markup
from tests.kit.browsing import Browser, Page
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene, check_of, set_to
from tests.kit.strangers import BODY, KEY, OVER, TYPO, assert_nothing_is_told, experiments, tell

pytestmark = [sqlite_only, token_only]
HTML = {"Accept": "text/html"}


def main_of(page: Page) -> str:
    """Return what the page says, without what surrounds it on every page."""
    assert markup.troubles(page.text) == []
    found = re.search(r"<main.*</main>", page.text, re.DOTALL)
    assert found is not None
    return re.sub(r" (?=[.,:])", "", dataclasses.replace(page, text=found[0]).words)


async def path_of(scene: Scene, number: int) -> str:
    """Return where the check of a pull request leads, as a path of ours."""
    await scene.work()
    found = check_of(scene, number)
    assert found is not None
    assert found[3].startswith(f"{scene.bot.services.settings.public_url}/")
    path = urlsplit(found[3]).path
    assert path == f"/pull-requests/{REPOSITORY}/{number}"
    return path


async def test_the_check_leads_to_it(scene: Scene) -> None:
    await experiments(scene)
    path = await path_of(scene, await scene.open(BODY))
    page = await (await Browser.sign_in(scene.bot, "viewer")).get(path, headers=HTML)
    assert page.status == 200
    assert main_of(page) == (
        f"Repositories {REPOSITORY}#1 On GitHub One page checkout open The check failure Unknown "
        f"experiment: {TYPO} Experiments {KEY} One page checkout active Owner: growth-team {OVER} "
        f"The old banner completed {TYPO} There is no experiment with this key. See what else "
        f"names it: {TYPO} What to do No experiment has the key {TYPO}. Correct it in the "
        "description of the pull request, or create the experiment. The check is then "
        "updated automatically."
    )
    links = [one["href"] for one in markup.read(page.text).all("main")[0].all("a")]
    assert f"/experiments/{KEY}" in links and f"/unresolved?q={TYPO}" in links


async def test_of_a_public_repository_everybody_sees_it_without_names(scene: Scene) -> None:
    await experiments(scene)
    path = await path_of(scene, await scene.open(BODY))
    page = await Browser(scene.bot).get(path, follow=False, headers=HTML)
    assert page.status == 200
    known = "There is an experiment with this key."
    assert main_of(page) == (
        f"{REPOSITORY}#1 On GitHub The check failure Unknown experiment: {TYPO} Experiments "
        f"{KEY} {known} {OVER} {known} {TYPO} There is no experiment with this key. "
        f"What to do No experiment has the key {TYPO}. Correct it in the description of the pull "
        "request, or create the experiment. The check is then updated automatically. "
        "Sign in to see more."
    )
    assert_nothing_is_told(page.text)
    back = Browser(scene.bot)
    (sign_in,) = [
        one["href"] for one in markup.read(page.text).all("a") if one["href"].startswith("/sign-in")
    ]
    assert path in (await back.get(sign_in)).text


async def test_a_completed_experiment_is_a_warning_to_who_is_signed_in(scene: Scene) -> None:
    await experiments(scene)
    path = await path_of(scene, await scene.open(f"experiment_key: {OVER}"))
    page = await Browser(scene.bot).get(path, headers=HTML)
    assert f"success Part of {OVER}" in main_of(page)
    assert "Nothing: every key belongs to an experiment." in main_of(page)
    assert_nothing_is_told(page.text)
    page = await (await Browser.sign_in(scene.bot, "viewer")).get(path, headers=HTML)
    assert f"success Warning: {OVER} is completed" in main_of(page)
    assert "Merge this pull request if it removes what is left of it" in main_of(page)


HIDDEN: dict[str, dict[str, Any]] = {
    "private": {"private": True, "visibility": "private"},
    "internal": {"private": True, "visibility": "internal"},
    "unknown": {"private": None, "visibility": None},
}


@pytest.mark.parametrize("which", HIDDEN)
async def test_of_others_the_sign_in_leads_back(scene: Scene, which: str) -> None:
    """And is the same whether or not there is such a pull request, or repository."""
    await experiments(scene)
    number = scene.github.open_pull(REPOSITORY, title="T", body=BODY).number
    # Of an unknown one the head must not tell either: it comes from a fork.
    head = {**scene.github.pull_payload(REPOSITORY, number)["head"], "repo": None}
    await tell(scene, number, repository=HIDDEN[which], pull={"head": head})
    answers = []
    paths = [f"/pull-requests/{REPOSITORY}/{one}" for one in (number, 99_999)]
    for path in (*paths, "/pull-requests/acme/none/1"):
        page = await Browser(scene.bot).get(path, follow=False, headers=HTML)
        assert page.status == 303, page.text
        location = page.headers["Location"]
        assert location == "/sign-in?next=" + path.replace("/", "%2F")
        headers = {name: page.headers[name] for name in page.headers if name != "Location"}
        for varying in ("Date", "X-Request-ID"):
            headers.pop(varying, None)
        answers.append((page.status, page.text, headers))
    assert answers[0] == answers[1] == answers[2]
    visitor = await Browser.sign_in(scene.bot, "viewer")
    shown = [(await visitor.get(path, headers=HTML)).status for path in paths]
    assert shown == [200, 404]


async def test_of_a_public_repository_an_unknown_number_leads_to_the_sign_in(scene: Scene) -> None:
    await scene.open("")
    page = await Browser(scene.bot).get(
        f"/pull-requests/{REPOSITORY}/99999", follow=False, headers=HTML
    )
    assert page.status == 303


@pytest.mark.parametrize(
    ("setting", "said", "to_do"),
    [
        ("on", "No check: the pull request names no experiment", "Nothing. If the pull"),
        ("always", "success No experiment is named", "Nothing. If the pull"),
        ("required", "failure No experiment is named, and this", "must name an experiment"),
        ("off", "The check is switched off.", "Nothing. If the pull"),
    ],
)
async def test_a_pull_request_that_names_none(
    scene: Scene, setting: str, said: str, to_do: str
) -> None:
    await set_to(scene, check=setting)
    number = await scene.open("")
    path = f"/pull-requests/{REPOSITORY.upper()}/{number}"  # names ignore case
    for visitor in (Browser(scene.bot), await Browser.sign_in(scene.bot, "viewer")):
        page = await visitor.get(path, headers=HTML)
        assert said in main_of(page) and to_do in main_of(page)


async def test_one_that_is_closed(scene: Scene) -> None:
    number = await scene.open("")
    scene.github.edit_pull(REPOSITORY, number, merged_at=scene.clock())
    scene.clock.ahead += 5
    await scene.tell("closed", number)
    page = await Browser(scene.bot).get(f"/pull-requests/{REPOSITORY}/{number}", headers=HTML)
    assert "Only open pull requests are checked; this one is merged." in main_of(page)


async def test_it_is_reached_from_the_repository(scene: Scene) -> None:
    await experiments(scene)
    number = await scene.open(BODY)
    visitor = await Browser.sign_in(scene.bot, "viewer")
    page = await visitor.get(f"/repositories/{REPOSITORY}", headers=HTML)
    assert f'href="/pull-requests/{REPOSITORY}/{number}"' in page.text
