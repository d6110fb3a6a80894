"""Which addresses the bot calls: those in GITHUB_API_URLS, and nothing outside of them.

Real servers stand where it must not go, and keep every request that reaches them.
"""

from typing import Any

import aiohttp
import pytest

from bot import storage as store
from bot.domain import integrations
from bot.domain.actors import SYSTEM
from bot.github import addresses
from tests.github import rsa_key
from tests.kit import outbound
from tests.kit.browsing import Browser
from tests.kit.marks import app_only, slow, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.running import SECRET
from tests.outbox.addresses import Decoy, last_error
from tests.outbox.stories import KEY, LINE

NAMED = "GITHUB_API_URLS"


# --- After a restart with another list


async def test_what_is_owed_waits_while_its_address_is_not_listed(
    scene: Scene, decoy: Decoy
) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.restart(github_api_urls=(decoy.url,))
    other = await scene.open(LINE)
    comment = await scene.say(other, f"/experiment pause {KEY}")
    await scene.pass_time(3600, 300)
    assert scene.github.requests == [] and decoy.requests == []
    actions = await scene.actions()
    assert len(actions) == 3
    for one in actions:
        # An action that is not the first of its pull request has not been looked at.
        assert one["status"] == "pending" and one["attempts"] == 0
        assert one["last_error"] is None or NAMED in one["last_error"]
    assert len([one for one in actions if one["last_error"]]) >= 2
    assert NAMED in await last_error(scene) and scene.github.url in await last_error(scene)
    listed = (await scene.bot.get("/api/v1/integrations")).items
    assert NAMED in str(listed[0]["last_error"])

    await scene.restart(github_api_urls=(decoy.url, scene.github.url))
    await scene.work()
    assert await last_error(scene) == "None"
    assert {one["status"] for one in await scene.actions()} == {"done"}
    assert len(scene.comments(number)) == 1 and scene.check(other) == "success"
    assert scene.reactions(comment) == ["eyes", "rocket"]
    assert decoy.requests == []


@sqlite_only
async def test_everybody_who_would_call_says_so(scene: Scene, decoy: Decoy) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("Nothing said")
    await scene.restart(github_api_urls=(decoy.url,))
    doctor = await scene.bot.post(f"/api/v1/integrations/{scene.integration}/check")
    assert doctor.status == 200
    (finding,) = [one for one in doctor.body["findings"] if one["check"] == "github"]
    assert finding["status"] == "problem" and NAMED in finding["message"]
    body = {"integration_id": scene.integration, "repository": REPOSITORY, "number": number}
    answer = await scene.bot.post(f"/api/v1/experiments/{KEY}/pull-requests", body)
    assert answer.status == 422 and NAMED in str(answer.body)
    answer = await scene.issue(KEY)
    assert answer.status == 422 and NAMED in str(answer.body)
    assert scene.github.requests == [] and decoy.requests == []


@sqlite_only
@slow
async def test_all_but_a_new_address_can_be_changed(scene: Scene, decoy: Decoy) -> None:
    path = f"/api/v1/integrations/{scene.integration}"
    await scene.restart(github_api_urls=(decoy.url,))
    credential = outbound.credentials(scene.credential)
    changes: list[dict[str, Any]] = [
        {"name": "Another name", "description": "Of the old server"},
        {"is_active": False},
        {"is_active": True},
        {"config": {"webhook_secret": "another-secret-of-the-tests"}, "secret_grace_seconds": 0},
        {"config": credential},
        {"config": {"comments": "off", "label": None, "repositories": ["acme/*"]}},
        {"config": {"api_url": scene.github.url}},
    ]
    for change in changes:
        for method in ("PATCH", "PUT"):
            answer = await scene.bot.request(method, path, json=change)
            assert answer.status == 200, answer.body
            assert answer.body["config"]["api_url"] == scene.github.url
    for url in ("https://elsewhere.example", f"{decoy.url}/x", f"{scene.github.url}/x"):
        answer = await scene.bot.patch(path, {"config": {"api_url": url}})
        assert answer.status == 422
        assert answer.body["errors"][0]["field"] == "config.api_url"
    answer = await scene.bot.patch(path, {"config": {"api_url": decoy.url}})
    assert answer.status == 200 and answer.body["last_error"] is None
    # Left once, it does not come back.
    answer = await scene.bot.patch(path, {"config": {"api_url": scene.github.url}})
    assert answer.status == 422
    assert scene.github.requests == []
    new = {"name": "N", "integration_type": "GITHUB"}
    config = {**credential, "api_url": scene.github.url}
    answer = await scene.bot.post("/api/v1/integrations", {**new, "config": config})
    assert answer.status == 422


@sqlite_only
@token_only
async def test_the_pages_say_so(scene: Scene, decoy: Decoy) -> None:
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    await scene.restart(github_api_urls=(decoy.url,))
    await scene.work()
    browser = await Browser.sign_in(scene.bot)
    for path in (f"/integrations/{scene.integration}", "/integrations", "/outbox"):
        assert NAMED in (await browser.get(path)).words, path


@sqlite_only
@app_only
async def test_nobody_is_sent_to_sign_in_at_an_address_that_is_not_listed(
    scene: Scene, decoy: Decoy
) -> None:
    config = {
        "app_id": 4711,
        "private_key": rsa_key(),
        "webhook_secret": SECRET,
        "client_id": "Iv1.tests",
        "client_secret": "a-client-secret-of-the-tests",
    }
    services = scene.bot.services

    def job(tx: store.Transaction) -> Any:
        values = {"name": "App", "integration_type": "GITHUB", "config": config}
        urls = services.settings.github_api_urls
        return integrations.create(tx, services.vault, urls, values, SYSTEM).id

    app = await services.database.write(job)
    path = f"/sign-in/github/{app}"

    async def begin() -> tuple[int, str, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{scene.bot.url}{path}", allow_redirects=False) as response,
        ):
            return response.status, response.headers.get("Location", ""), await response.text()

    status, location, _ = await begin()
    assert status == 303 and location.startswith(scene.github.url)
    await scene.restart(github_api_urls=(decoy.url,))
    status, location, text = await begin()
    assert status == 503 and location == "" and NAMED in text


# --- Names


@sqlite_only
@token_only
@pytest.mark.parametrize(
    "name", ["acme/..", "../shop", "./shop", "acme/.", "../..", "acme/%2e%2e", "..%2f../x"]
)
async def test_no_name_of_a_repository_leaves_the_api_url(enterprise: Scene, name: str) -> None:
    scene = enterprise
    await scene.bot.experiment(KEY)
    payload = scene.payload("opened", await scene.open(LINE, tell=False))
    payload["repository"] = {"full_name": name}
    payload["pull_request"]["head"]["repo"] = payload["pull_request"]["base"]["repo"] = None
    payload["pull_request"]["html_url"] = f"https://github.acme.example/{name}/pull/1"
    answer = await scene.bot.deliver(scene.integration, "pull_request", payload)
    assert answer.status < 500
    body = {"integration_id": scene.integration, "repository": name, "number": 1}
    answer = await scene.bot.post(f"/api/v1/experiments/{KEY}/pull-requests", body)
    assert 400 <= answer.status < 503
    issue = {"integration_id": scene.integration, "repository": name, "title": "T"}
    scene.work_on()
    answer = await scene.bot.post(f"/api/v1/experiments/{KEY}/issues", issue)
    assert 400 <= answer.status < 503
    await scene.pass_time(120, 20)
    assert scene.github.requests == []


@sqlite_only
@token_only
@pytest.mark.parametrize("label", [".", ".."])
async def test_no_label_leaves_the_api_url(enterprise: Scene, label: str) -> None:
    scene = enterprise
    await scene.bot.experiment(KEY)
    path = f"/api/v1/integrations/{scene.integration}"
    answer = await scene.bot.patch(path, {"config": {"label": label}})
    assert answer.status == 422 and answer.body["errors"][0]["field"] == "config.label"
    number = await scene.open(LINE)
    await scene.work()
    before = len(scene.github.requests)
    comment = await scene.say(number, f'/experiment issue "T" label={label}')
    await scene.pass_time(70, 10)
    assert scene.reactions(comment) == ["eyes", "confused"]
    allowed = ("comments", "reactions", "permission", "user", "shop")
    asked = [one.path for one in scene.github.requests[before:]]
    assert all(one.rpartition("/")[2] in allowed or "comments" in one for one in asked), asked


BASE = "https://github.acme.example/api/v3"


@pytest.mark.parametrize(
    "path",
    [
        "/repos/acme/shop",
        "/repos/acme/.github/issues?per_page=100&since=2026-01-01T00:00:00Z",
        "/repos/acme/shop/labels/a%2Fb%20test%3B",
        "/repos/acme/shop/labels/100%25",
        "/repos/acme/a..b/labels/...",
        "/repositories/1/issues/2/comments?page=2",
    ],
)
def test_what_github_needs_is_sent_as_it_is(path: str) -> None:
    assert str(addresses.below(BASE, f"{BASE}{path}")) == f"{BASE}{path}"
