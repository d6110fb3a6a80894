"""A second GitHub, which nobody here wrote: `emulate` of vercel-labs, from npm, with Node 22.

Our stand-in and the bot are by the same hands, and may share a mistake. Here the bot meets answers
and signed deliveries of others, with a token and as an App. `make emulate` fetches what it takes.

What this GitHub lacks, so that nothing of it is shown here: commit statuses (404: with a token
there is no check), reactions, `installation` events (one is made here of what its API answers),
GraphQL, deployments, `/app/hook/config`, issue types, ETags, redirects of renamed repositories, and
the headers that tell of scopes and hooks. It is wrong in two things, which the story goes round: an
App's deliveries have the time for an id, so that two of one millisecond count as one; and what it
delivers of comments and labels of a pull request looks as if that were an issue.
"""

import json
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from bot.outbox.loop import Outbox
from bot.settings import Settings
from tests.github import rsa_key
from tests.kit import running
from tests.kit.marks import leave, slow, sqlite_only
from tests.kit.ports import free_port
from tests.kit.running import SECRET, Bot, eventually

pytestmark = [slow, sqlite_only]

ROOT = Path(__file__).parents[2]
MODULES = ROOT / ".emulate" / "node_modules"
NODE, EMULATE = MODULES / "node" / "bin" / "node", MODULES / "emulate" / "dist" / "index.js"
PERSON, PERSONS_TOKEN = "mona", "ghp_of_mona"
BOT, TOKEN = "experimenter", "ghp_of_the_bot"
APP, INSTALLATION = 4242, 55
EVENTS = ["push", "pull_request", "issues", "issue_comment", "repository"]
PERMISSIONS = {
    "metadata": "read",
    "contents": "read",
    "issues": "write",
    "pull_requests": "write",
    "checks": "write",
}
KEY = "checkout-flow-v2"
SHOP, WEB = "acme/shop", "acme/web"  # of the App, and of the token


@dataclass
class Second:
    """The second GitHub, spoken to as the person who works there."""

    url: str
    session: aiohttp.ClientSession
    token: str = PERSONS_TOKEN

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.request(
            method, self.url + path, json=body, headers=headers
        ) as response:
            answer = await response.json()
            assert response.status < 300, (method, path, answer)
            return answer

    async def is_up(self) -> bool:
        try:
            return bool(await self.ask("GET", "/versions"))
        except aiohttp.ClientError:
            return False

    async def open(self, repository: str, body: str) -> int:
        """Commit to a branch of its own, and open a pull request of it; return its number."""
        at = f"/repos/{repository}"
        main = await self.ask("GET", f"{at}/git/ref/heads/main")
        branch = {"ref": "refs/heads/checkout", "sha": main["object"]["sha"]}
        await self.ask("POST", f"{at}/git/refs", branch)
        change = {"message": "One page", "content": "MQ==", "branch": "checkout"}
        await self.ask("PUT", f"{at}/contents/checkout.txt", change)
        pull = {"title": "One page checkout", "body": body, "head": "checkout", "base": "main"}
        return int((await self.ask("POST", f"{at}/pulls", pull))["number"])


@dataclass
class Scene:
    """The bot at the second GitHub, as an App in one repository and with a token in another."""

    bot: Bot
    github: Second
    outbox: Outbox
    app: str
    token: str

    async def until(self, check: Callable[[], Awaitable[Any]]) -> Any:
        """Let the bot work off what it owes until something is so; return what `check` does."""

        async def once() -> Any:
            await self.outbox.work_off()
            return await check()

        return await eventually(once, 20)

    async def look(self, integration: str) -> dict[str, str]:
        """Run the doctor; return what it finds, by subject."""
        answer = await self.bot.post(f"/api/v1/integrations/{integration}/check")
        found = answer.body["findings"]
        return {one["check"]: f"{one['status']}: {one['message']}" for one in found}

    async def owed(self, repository: str) -> list[dict[str, Any]]:
        actions = await self.bot.walk("/api/v1/actions")
        return [one for one in actions if one["repository"] == repository]


def seed(bot: Bot, integration: str) -> dict[str, Any]:
    """Return what this GitHub begins with; the App's webhook leads to its integration."""
    installation = {
        "installation_id": INSTALLATION,
        "account": "acme",
        "repository_selection": "selected",
        "repositories": [SHOP],
    }
    app = {
        "app_id": APP,
        "slug": "experiment-bot",
        "name": "Experiment Bot",
        "private_key": rsa_key(),
        "permissions": PERMISSIONS,
        "events": EVENTS,
        "webhook_url": f"{bot.url}/api/v1/integrations/{integration}/webhook/github",
        "webhook_secret": SECRET,
        "installations": [installation],
    }
    members = [{"login": login, "role": "admin"} for login in (PERSON, BOT)]
    repositories = [one.split("/") for one in (SHOP, WEB)]
    return {
        "tokens": {
            PERSONS_TOKEN: {"login": PERSON, "scopes": ["repo", "admin:repo_hook"]},
            TOKEN: {"login": BOT, "scopes": ["repo"]},
        },
        "github": {
            "users": [{"login": login, "name": login.title()} for login in (PERSON, BOT)],
            "orgs": [{"login": "acme", "name": "Acme", "members": members}],
            "repos": [
                {"owner": owner, "name": name, "auto_init": True} for owner, name in repositories
            ],
            "apps": [app],
        },
    }


def fetch() -> None:
    """Have it here; skips, or fails in CI, where npm cannot get it."""
    try:
        subprocess.run(["make", "emulate"], cwd=ROOT, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        leave(f"emulate is not here, and `make emulate` cannot fetch it with npm: {error}")
    assert NODE.exists() and EMULATE.exists()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
async def bot(settings: Settings, port: int) -> AsyncIterator[Bot]:
    made = await running.start(replace(settings, github_api_urls=(f"http://127.0.0.1:{port}",)))
    yield made
    await made.close()


@pytest.fixture
async def scene(bot: Bot, port: int, tmp_path: Path) -> AsyncIterator[Scene]:
    fetch()
    token = await bot.integration(config={"token": TOKEN, "repositories": [WEB]})
    config = {
        "app_id": APP,
        "private_key": rsa_key(),
        "webhook_secret": SECRET,
        "repositories": [SHOP],
    }
    body = {"name": "App", "integration_type": "GITHUB", "config": config}
    app = (await bot.post("/api/v1/integrations", body)).body["id"]
    (tmp_path / "seed.json").write_text(json.dumps(seed(bot, app)))
    async with aiohttp.ClientSession() as session:
        github = Second(f"http://127.0.0.1:{port}", session)
        with emulating(tmp_path, github.url, port):
            await eventually(github.is_up, 20)
            yield Scene(bot, github, Outbox(bot.services), app, token)


@contextmanager
def emulating(folder: Path, url: str, port: int) -> Iterator[None]:
    """Let the second GitHub run, which begins with `seed.json` of a folder."""
    options = ["--service", "github", "--port", str(port), "--base-url", url]
    with (folder / "emulate.log").open("wb") as log:
        process = subprocess.Popen(
            [NODE, EMULATE, "start", *options, "--seed", folder / "seed.json"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


async def installed(scene: Scene) -> dict[str, Any]:
    """Tell the bot of the installation, in GitHub's form of the event, as the API describes it."""
    now = int(time.time())
    claims = {"iat": now - 60, "exp": now + 300, "iss": str(APP)}
    as_app = replace(scene.github, token=jwt.encode(claims, rsa_key(), algorithm="RS256"))
    (installation,) = await as_app.ask("GET", "/app/installations")
    payload = {"action": "created", "installation": installation, "repositories": []}
    answer = await scene.bot.deliver(scene.app, "installation", payload)
    assert answer.body == {"processed": True}
    (known,) = (await scene.bot.get(f"/api/v1/integrations/{scene.app}")).body["installations"]
    shown: dict[str, Any] = known
    return shown


async def hooked(scene: Scene) -> None:
    """Add the webhook of the repository that the token serves, as its owner does by hand."""
    url = f"{scene.bot.url}/api/v1/integrations/{scene.token}/webhook/github"
    config = {"url": url, "content_type": "json", "secret": SECRET}
    await scene.github.ask("POST", f"/repos/{WEB}/hooks", {"events": EVENTS, "config": config})


async def test_as_an_app_and_with_a_token(scene: Scene) -> None:
    """From the installation to comment, check, label and issue, each read back from there."""
    known = await installed(scene)
    assert (known["account"], known["permissions"]) == ("acme", PERMISSIONS)
    lacks = [one["permission"] for one in known["lacks"]]
    assert lacks == ["merge_queues: read", "deployments: read"]
    await hooked(scene)
    for integration, reached in ((scene.app, SHOP), (scene.token, WEB)):
        found = await scene.look(integration)
        assert found["credential"].startswith("ok"), found
        assert found["repositories"] == f"ok: It reaches {reached}."
        assert found["api_version"].startswith("ok: GitHub serves the version 2022-11-28")
    await scene.bot.experiment(KEY)
    await story(scene, SHOP, scene.app, "experiment-bot[bot]")
    await story(scene, WEB, scene.token, BOT)
    pulls = await scene.bot.walk(f"/api/v1/experiments/{KEY}/pull-requests?state=merged")
    assert {one["repository"] for one in pulls} == {SHOP, WEB}
    issues = await scene.bot.walk(f"/api/v1/experiments/{KEY}/issues")
    tracked = [one["repository"] for one in issues if one["title"] == "Track it"]
    assert sorted(tracked) == [SHOP, WEB]


async def story(scene: Scene, repository: str, integration: str, login: str) -> None:
    """A pull request that names an experiment, and a command on it, until it is merged."""
    github, at = scene.github, f"/repos/{repository}"
    number = await github.open(repository, f"experiment_key: {KEY}")
    comment = await scene.until(lambda: commented(github, at, number, login, "draft"))
    pull = await scene.until(lambda: labelled(github, at, number))
    runs = await github.ask("GET", f"{at}/commits/{pull['head']['sha']}/check-runs")
    (owed,) = [one for one in await scene.owed(repository) if one["kind"] == "pull_request"]
    if integration == scene.app:
        (run,) = runs["check_runs"]
        assert (run["name"], run["conclusion"]) == ("experiment-bot", "success")
        assert KEY in run["output"]["title"]
    else:  # it has no commit statuses; that holds up nothing else
        assert runs["check_runs"] == [] and "404" in owed["result"]["check"]["error"]
    assert owed["result"]["label"]["status"] == owed["result"]["status_comment"]["status"] == "done"
    order = {"body": '/experiment issue "Track it" label=growth'}
    await github.ask("POST", f"{at}/issues/{number}/comments", order)
    issue = await scene.until(lambda: tracked_in(github, at))
    assert issue["user"]["login"] == login
    assert [one["name"] for one in issue["labels"]] == ["growth"]
    status = "active" if integration == scene.app else "paused"
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": status})
    edited = await scene.until(lambda: commented(github, at, number, login, status))
    assert edited["id"] == comment["id"]
    await github.ask("PUT", f"{at}/pulls/{number}/merge", {"merge_method": "squash"})
    path = f"/api/v1/pull-requests/{repository}/{number}"
    await scene.until(lambda: merged(scene, path))
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "draft"})


async def commented(github: Second, at: str, number: int, login: str, text: str) -> Any:
    """Return the bot's one comment once it says something."""
    found = [
        one
        for one in await github.ask("GET", f"{at}/issues/{number}/comments")
        if one["user"]["login"] == login and "<!-- experiment-bot:status" in one["body"]
    ]
    assert len(found) < 2
    return next((one for one in found if text in one["body"]), None)


async def labelled(github: Second, at: str, number: int) -> Any:
    pull = await github.ask("GET", f"{at}/pulls/{number}")
    return pull if [one["name"] for one in pull["labels"]] == ["experiment"] else None


async def tracked_in(github: Second, at: str) -> Any:
    found = [one for one in await github.ask("GET", f"{at}/issues") if one["title"] == "Track it"]
    assert len(found) < 2
    return found[0] if found else None


async def merged(scene: Scene, path: str) -> bool:
    return bool((await scene.bot.get(path)).body["state"] == "merged")
