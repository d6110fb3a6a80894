"""Which addresses the bot calls: those in GITHUB_API_URLS, and nothing outside of them.

Real servers stand where it must not go, and keep every request that reaches them.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot import storage as store
from bot.domain import integrations
from bot.github import addresses
from bot.settings import Settings
from tests.github import Fault, rsa_key
from tests.kit import outbound
from tests.kit.browsing import Browser
from tests.kit.clock import Clock
from tests.kit.marks import app_only, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.running import SECRET

KEY = "checkout-flow-v2"
LINE = f"experiment_key: {KEY}"
COMMENTS = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
LIST = "GET /repos/{owner}/{repo}/issues/{issue_number}/comments"
NAMED = "GITHUB_API_URLS"


@dataclass
class Decoy:
    """A server that must never be called; `requests` are (path, Authorization)."""

    url: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append((request.raw_path, request.headers.get("Authorization")))
        return web.Response(
            text=json.dumps({"id": 1, "login": "x"}), content_type="application/json"
        )


@pytest.fixture
async def decoy() -> AsyncIterator[Decoy]:
    made = Decoy()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    running = web.AppRunner(app, access_log=None)
    await running.setup()
    await web.TCPSite(running, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{running.addresses[0][1]}"
    yield made
    await running.cleanup()


@pytest.fixture
async def enterprise(settings: Settings, credential: str, clock: Clock) -> AsyncIterator[Scene]:
    """A bot on an Enterprise Server, whose API is below a path of its host."""
    opened = await outbound.scene(settings, credential, clock, prefix="/api/v3")
    yield opened
    await outbound.close(opened)


async def last_error(scene: Scene) -> str:
    answer = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    return str(answer.body["last_error"])


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
    assert len(actions) == 7
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
        return integrations.create(tx, services.vault, urls, values).id

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


# --- Where GitHub, or whoever answers in its name, leads to


def away(decoy: Decoy, url: str) -> list[str]:
    """Return addresses that lead out of an API at `url`, which ends in /api/v3."""
    host = url.removeprefix("http://").removesuffix("/api/v3")
    other = decoy.url.removeprefix("http://")
    return [
        f"{decoy.url}/api/v3/x",
        f"//{other}/api/v3/x",
        f"\\\\{other}\\x",
        f"/\\{other}/x",
        f"http://{host}@{other}/api/v3/x",
        f"http://x@{host}/api/v3/x",
        f"HTTP://{other.upper()}/api/v3/x",
        f"http://{host.partition(':')[0]}/api/v3/x",
        f"https://{host}/api/v3/x",
        f"http://{host}.evil.example/api/v3/x",
        f"http:///{other}/api/v3/x",
        "/x",
        "/api/v3",
        "/api/v33/x",
        "/api/v3/../../x",
        "/api/v3/%2e%2e/%2E%2E/x",
        "/api/v3/%2e./x",
        "/api/v3/%252e%252e/x",
        "/api/v3%2f..%2f..%2fx",
        "/api/v3/..%2f..%2fx",
        "/api/v3/..%5c..%5cx",
        "/api/v3/..\\..\\x",
        "/api/v3/..;/..;a=b/x",
        "/api/v3//x",
        "/api/v3/./x",
        f"{url}/../../x",
        f"{url}/%2e%2e/%2e%2e/x",
        "../../../../../../../x",
        "..",
        f"/api/v3/\t//{other}/x",
        "http://[::1/x",
        f"http://{host}:99999/api/v3/x",
    ]


@sqlite_only
async def test_no_redirect_leaves_the_api_url(enterprise: Scene, decoy: Decoy) -> None:
    scene = enterprise
    await scene.bot.experiment(KEY)
    await scene.bot.experiment("another-key")
    number = await scene.open(LINE)
    await scene.work()
    (made,) = scene.comments(number)
    edit = "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}"
    for position, location in enumerate(away(decoy, scene.github.url)):
        if "\t" in location:
            continue  # cannot be in a header
        fault = scene.github.fail(Fault("redirect_away", edit, headers={"Location": location}))
        before = len(scene.github.requests)
        await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"name": f"Name {position}"})
        await scene.work()
        assert fault.used == 1, location
        # GitHub was asked that once, and nothing else.
        assert [one.template for one in scene.github.requests[before:]] == [edit], location
        assert scene.comments(number) == [made], location
        (action,) = [one for one in await scene.actions("?kind=status_comment&status=pending")]
        assert "not followed" in action["last_error"]
        await scene.pass_time(30, 10)
        (made,) = scene.comments(number)
        assert f"Name {position}" in made
    assert decoy.requests == []


@sqlite_only
async def test_redirects_within_it_are_followed(enterprise: Scene) -> None:
    scene = enterprise
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    repository = scene.github.repository(REPOSITORY).id
    where = f"/api/v3/repositories/{repository}/issues/{number}/comments"
    upper = scene.github.url.replace("http://127.0.0.1", "HTTP://127.0.0.1")
    for location in (where, f"{upper.removesuffix('/api/v3')}{where}"):
        scene.github.fail(Fault("redirect_away", COMMENTS, headers={"Location": location}))
    await scene.work()
    assert len(scene.comments(number)) == 1
    assert [one.status for one in scene.github.writes(COMMENTS)] == [301, 301, 201]


@sqlite_only
@token_only
async def test_redirects_end(enterprise: Scene) -> None:
    scene = enterprise
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    scene.github.fail(Fault("redirect_loop", COMMENTS, times=None))
    await scene.work()
    assert len(scene.github.writes(COMMENTS)) == 4
    scene.github.heal()


@sqlite_only
async def test_no_next_page_leaves_the_api_url(enterprise: Scene, decoy: Decoy) -> None:
    scene = enterprise
    await scene.bot.experiment(KEY)
    locations = [one for one in away(decoy, scene.github.url) if "\t" not in one]
    for location in (locations[0], locations[4], f"{scene.github.url}/../../x", "//x/y", "/x"):
        # An answer is lost, so the comments are listed; the list leads elsewhere.
        scene.github.fail(Fault("drop_before", COMMENTS))
        link = {"Link": f'<{location}>; rel="next"'}
        body: Any = [{"id": 1, "body": "x", "user": {"login": "jane"}}]
        scene.github.fail(Fault("status", LIST, status=200, headers=link, body=body))
        number = await scene.open(LINE)
        await scene.pass_time(120, 20)
        assert len(scene.comments(number)) == 1, location
    assert decoy.requests == []


@sqlite_only
@token_only
async def test_pages_that_go_on_for_ever_end(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    scene.github.fail(Fault("drop_before", COMMENTS))
    number = await scene.open(LINE)
    again = f"{scene.github.url}/repos/{REPOSITORY}/issues/{number}/comments?per_page=100"
    body: Any = [{"id": 1, "body": "x", "user": {"login": "jane"}}]
    link = {"Link": f'<{again}>; rel="next"'}
    scene.github.fail(Fault("status", LIST, times=None, status=200, headers=link, body=body))
    await scene.work()
    await scene.pass_time(10)
    assert len(scene.github.calls(LIST)) <= 3
    (action,) = await scene.actions("?kind=status_comment")
    assert "no end" in action["last_error"]
    scene.github.heal()


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
    allowed = ("comments", "reactions", "permission", "user")
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
