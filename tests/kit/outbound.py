"""A bot that acts on the stand-in GitHub, under either kind of credential."""

import asyncio
import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot import handlers
from bot.outbox.loop import Outbox
from bot.settings import Settings
from tests.github import GitHub, rsa_key
from tests.kit import running
from tests.kit.clock import Clock
from tests.kit.running import SECRET, Answer, Bot

REPOSITORY = "acme/shop"
TOKEN = "ghp_a-token-of-the-tests"
LOGIN = "experiment-bot"
APP, INSTALLATION = 4242, 55
PERMISSIONS = {name: one.level for name, one in handlers.registered().events.permissions.items()}


@dataclass
class Scene:
    """A bot, a GitHub with one repository, an integration, and the bot's outbox."""

    bot: Bot
    github: GitHub
    integration: str
    credential: str
    outbox: Outbox
    clock: Clock

    @property
    def is_app(self) -> bool:
        return self.credential == "app"

    def payload(self, action: str, number: int, **more: Any) -> dict[str, Any]:
        """Return the delivery that tells of a pull request as GitHub has it."""
        found: dict[str, Any] = {
            "action": action,
            "number": number,
            "pull_request": self.github.pull_payload(REPOSITORY, number),
            "repository": self.github.repository_payload(REPOSITORY),
            "sender": {"login": "jane", "type": "User"},
            **more,
        }
        if self.is_app:
            found["installation"] = {"id": INSTALLATION}
        return found

    async def tell(self, action: str, number: int, **more: Any) -> Answer:
        """Deliver what has become of a pull request."""
        answer = await self.bot.deliver(
            self.integration, "pull_request", self.payload(action, number, **more)
        )
        assert answer.status == 200, answer.body
        return answer

    async def open(self, body: str, *, tell: bool = True, **more: Any) -> int:
        """Open a pull request in GitHub and deliver it; return its number."""
        pull = self.github.open_pull(REPOSITORY, title="One page checkout", body=body, **more)
        if tell:
            await self.tell("opened", pull.number)
        return pull.number

    def comment_payload(
        self, number: int, body: str, login: str = "jane", action: str = "created"
    ) -> dict[str, Any]:
        """Let somebody comment in GitHub, and return the delivery that tells of it."""
        found = comment_payload(self.github, number, body, login, action)
        if self.is_app:
            found["installation"] = {"id": INSTALLATION}
        return found

    async def say(self, number: int, body: str, login: str = "jane", *, work: bool = True) -> int:
        """Let somebody comment, deliver it, and let the outbox work; return the comment's id."""
        payload = self.comment_payload(number, body, login)
        answer = await self.bot.deliver(self.integration, "issue_comment", payload)
        assert (answer.status, answer.body) == (200, {"processed": True})
        if work:
            await self.work()
        identifier: int = payload["comment"]["id"]
        return identifier

    def reactions(self, comment_id: int) -> list[str]:
        return self.github.reactions(REPOSITORY, comment_id)

    def replies(self, number: int) -> list[str]:
        """Return what the bot wrote below a pull request or issue, its status comment aside."""
        return [one for one in self.comments(number) if "<!-- experiment-bot:reply" in one]

    def work_on(self) -> "asyncio.Task[None]":
        """Let the outbox work until the task is cancelled."""
        return asyncio.create_task(self.outbox.run())

    async def work(self) -> None:
        """Let the outbox do everything that is due."""
        await self.outbox.work_off()

    async def restart(self, **settings: Any) -> None:
        """Stop the bot, and start it again with other settings on the same database."""
        await self.outbox.stop(1)
        await self.bot.close()
        self.bot = await running.start(dataclasses.replace(self.bot.services.settings, **settings))
        self.outbox = Outbox(self.bot.services)

    async def pass_time(self, seconds: float, step: float | None = None) -> None:
        """Put the clock forward, and let the outbox do what becomes due."""
        passed = 0.0
        while passed < seconds:
            self.clock.ahead += step or seconds
            passed += step or seconds
            await self.work()

    async def actions(self, query: str = "") -> list[dict[str, Any]]:
        return await self.bot.walk(f"/api/v1/actions{query}", limit=200)

    async def part(self, name: str, number: int | None = None) -> dict[str, Any]:
        """Return what the API tells of a part of what a pull request is owed.

        That is the pull request of a number, or the only one.
        """
        actions = await self.actions("?kind=pull_request")
        (action,) = [one for one in actions if number in (None, one["number"])]
        found: dict[str, Any] = action["result"][name]
        return found

    def comments(self, number: int) -> list[str]:
        return [str(one["body"]) for one in self.github.comments(REPOSITORY, number)]

    def check(self, number: int) -> str | None:
        """Return what the check of a pull request's head says, as GitHub shows it."""
        sha = self.github.pull_payload(REPOSITORY, number)["head"]["sha"]
        if self.is_app:
            runs = self.github.check_runs(REPOSITORY, sha)
            return str(max(runs, key=lambda one: one["id"])["conclusion"]) if runs else None
        return self.github.combined(REPOSITORY, sha).get("experiment-bot")

    async def issue(self, key: str, **body: Any) -> Answer:
        """Order a tracking issue while the outbox is at work."""
        headers = body.pop("headers", {})
        return await self.bot.post(
            f"/api/v1/experiments/{key}/issues",
            {"integration_id": self.integration, "repository": REPOSITORY, "title": "T", **body},
            headers=headers,
        )


async def set_to(scene: Scene, **config: Any) -> None:
    path = f"/api/v1/integrations/{scene.integration}"
    answer = await scene.bot.patch(path, {"config": config})
    assert answer.status == 200, answer.body
    assert {name: answer.body["config"][name] for name in config} == config


def shown(scene: Scene, sha: str) -> tuple[str, str, str, str] | None:
    """Return what GitHub shows on a commit: conclusion, title, summary, address of the details.

    A commit status has no summary.
    """
    if scene.is_app:
        runs = scene.github.check_runs(REPOSITORY, sha)
        if not runs:
            return None
        run = max(runs, key=lambda one: int(one["id"]))
        output = run["output"]
        return run["conclusion"], output["title"], output["summary"], run["details_url"]
    statuses = scene.github.statuses(REPOSITORY, sha)
    if not statuses:
        return None
    last = max(statuses, key=lambda one: int(one["id"]))
    return last["state"], last["description"], "", last["target_url"]


def check_of(scene: Scene, number: int) -> tuple[str, str, str, str] | None:
    return shown(scene, scene.github.pull_payload(REPOSITORY, number)["head"]["sha"])


def credentials(credential: str) -> dict[str, Any]:
    """Return the config of an integration with a kind of credential, which reads no past."""
    if credential == "app":
        own: dict[str, Any] = {"app_id": APP, "private_key": rsa_key()}
    else:
        own = {"token": TOKEN}
    return {**own, "webhook_secret": SECRET, "backfill_days": 0, "code": "off"}


def comment_payload(
    github: GitHub, number: int, body: str, login: str, action: str = "created"
) -> dict[str, Any]:
    """Let somebody comment in GitHub; return the delivery that tells of it."""
    return {
        "action": action,
        "comment": github.add_comment(REPOSITORY, number, login, body),
        "issue": github.issue_payload(REPOSITORY, number),
        "repository": github.repository_payload(REPOSITORY),
        "sender": github.user_payload(login),
    }


async def command(bot: Bot, github: GitHub, integration: str, number: int, text: str) -> int:
    """Let a developer, another one on each pull request, write commands; return the comment."""
    author = f"dev-{number}"  # each has only so many commands a minute
    github.repository(REPOSITORY).collaborators[author] = "write"
    payload = comment_payload(github, number, text, author)
    answer = await bot.deliver(integration, "issue_comment", payload)
    assert answer.body == {"processed": True}
    identifier: int = payload["comment"]["id"]
    return identifier


async def github_for(
    credential: str, clock: Callable[[], float] = time.time, prefix: str = ""
) -> GitHub:
    """Return a GitHub with one repository that a kind of credential reaches."""
    github = await GitHub.start(clock=clock, prefix=prefix)
    github.add_repository(REPOSITORY)
    github.add_user("jane")
    github.repository(REPOSITORY).collaborators["jane"] = "write"
    if credential == "app":
        github.add_app(APP, rsa_key(), LOGIN, permissions=PERMISSIONS, events=["pull_request"])
        github.add_installation(APP, INSTALLATION, "acme", repositories="all")
    elif credential == "fine-grained":
        needed = {**PERMISSIONS, "statuses": "write"}
        needed.pop("checks")
        github.add_token(TOKEN, LOGIN, fine_grained=needed)
    else:
        github.add_token(TOKEN, LOGIN)
    return github


async def scene(
    settings: Settings,
    credential: str,
    clock: Clock,
    prefix: str = "",
    github: GitHub | None = None,
    **config: Any,
) -> Scene:
    """Start a GitHub, unless there is one, and a bot with an integration for it.

    The outbox runs when it is told to.
    """
    github = github or await github_for(credential, clock, prefix)
    bot = await running.start(dataclasses.replace(settings, github_api_urls=(github.url,)))
    answer = await bot.post(
        "/api/v1/integrations",
        {
            "name": "Tests",
            "integration_type": "GITHUB",
            "config": {**credentials(credential), **config},
        },
    )
    assert answer.status == 201, answer.body
    return Scene(bot, github, answer.body["id"], credential, Outbox(bot.services), clock)


async def close(open_scene: Scene) -> None:
    """End it; GitHub must have had nothing to complain of."""
    await open_scene.outbox.stop(1)
    await open_scene.bot.close()
    await open_scene.github.close()
    assert open_scene.github.violations == []
    assert open_scene.github.concurrent_writes <= 1
