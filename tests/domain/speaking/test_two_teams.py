"""Two teams and strangers on one bot: what each tries against the others, and what comes of it."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.domain.speaking.world import ACME, NOT_ALLOWED, RIVAL, World, token_of
from tests.kit.browsing import new_token
from tests.kit.marks import slow
from tests.kit.running import Answer

pytestmark = slow
INTEGRATIONS, EXPERIMENTS = "/api/v1/integrations", "/api/v1/experiments"
ACMES_SECRET = "a-webhook-secret-of-acme-alone"
OWN, NAME, OWNER = "checkout-of-acme", "One page checkout", "growth-of-acme"
PROCESSED = {"processed": True}


class Story:
    """What both teams have in GitHub and in the bot, and what is tried."""

    def __init__(self, world: World) -> None:
        self.world, self.github, self.bot = world, world.github, world.bot

    async def begin(self) -> None:
        github = self.github
        github.add_repository("acme/vault", id=1003, private=True)
        for team, repository in ((ACME, "acme/shop"), (RIVAL, "rival/tool")):
            github.repository(repository).collaborators[f"dev-of-{team}"] = "write"
        if self.world.kinds[ACME] == "token":
            github._tokens[token_of(ACME)].pushes_to = {"acme/shop", "acme/vault"}
        else:
            github.add_installation(4242, 55, "acme", repositories=["shop", "vault"])
        await self.change(ACME, {"webhook_secret": ACMES_SECRET})
        body = {"key": OWN, "name": NAME, "owner": OWNER, "repositories": ["acme/shop"]}
        assert (await self.bot.post(EXPERIMENTS, body)).status == 201
        for team, repository in ((ACME, "acme/shop"), (ACME, "acme/vault"), (RIVAL, "rival/tool")):
            pull = github.open_pull(
                repository, title="Ours", body=f"experiment_key: {OWN}", author=f"dev-of-{team}"
            )
            assert (await self.tell(team, repository, pull.number)).body == PROCESSED
        await self.world.outbox.work_off()

    async def change(self, team: str, config: dict[str, Any]) -> None:
        body = {"config": config, "secret_grace_seconds": 0}
        answer = await self.bot.patch(f"{INTEGRATIONS}/{self.world.integrations[team]}", body)
        assert answer.status == 200

    async def tell(self, team: str, repository: str, number: int, **more: Any) -> Answer:
        """Let a team's webhook tell of a pull request as GitHub has it, but for what is forged."""
        payload = {
            "action": "opened",
            "number": number,
            "pull_request": {**self.github.pull_payload(repository, number), **more},
            "repository": self.github.repository_payload(repository),
            "sender": {"login": "somebody"},
        }
        return await self.deliver(team, payload)

    async def deliver(self, team: str, payload: dict[str, Any], **options: Any) -> Answer:
        secret = {"secret": ACMES_SECRET} if team == ACME else {}
        return await self.world.send(team, payload, **{**secret, **options})

    async def say(self, team: str, repository: str, login: str, text: str, **more: Any) -> str:
        """Let somebody comment, and tell of it; return the reactions, and the bot's last words."""
        github, number = self.github, 1
        payload: dict[str, Any] = {
            "action": "created",
            "comment": {**github.add_comment(repository, number, login, text), **more},
            "issue": github.issue_payload(repository, number),
            "repository": github.repository_payload(repository),
            "sender": github.user_payload(login),
        }
        before = len(github.comments(repository, number))
        assert (await self.deliver(team, payload)).body == PROCESSED
        await self.world.outbox.work_off()
        said = [one["body"] for one in github.comments(repository, number)[before:]]
        shown = github.reactions(repository, payload["comment"]["id"])
        return " ".join([*shown, *said]).strip()

    async def status(self) -> str:
        found = (await self.bot.get(f"{EXPERIMENTS}/{OWN}")).body["status"]
        return str(found)


@pytest.fixture
async def story(world: World) -> AsyncIterator[Story]:
    found = Story(world)
    await found.begin()
    yield found
    stray = [one for one in world.github.requests if not _may_carry(one.path, one.credential)]
    assert [(one.method, one.path, one.credential) for one in stray if one.is_write] == []
    # Where both spoke for one repository, each was asked for with its own team's credential.
    asked = {(one.path, one.credential) for one in stray}
    own = {one.credential for one in world.github.requests if RIVAL in one.path}
    assert all(re.match(r"/(repos/acme/|repositories/)", path) for path, _ in asked), asked
    assert {credential for _, credential in asked} <= own | {"app:4343"}, asked


def _may_carry(path: str, credential: str) -> bool:
    """Tell whether a request about a team's repository carries that team's credential."""
    team = next((one for one in (ACME, RIVAL) if path.startswith(f"/repos/{one}/")), None)
    labels = {ACME: ("pat:acme", "app:4242", "installation:55"), RIVAL: ("pat:rival", "app:4343")}
    labels[RIVAL] += ("installation:66",)
    return (team is None and not path.startswith("/repositories/")) or any(
        credential.startswith(label) for label in labels.get(team or "", ())
    )


Try = Callable[[Story], Awaitable[object]]


async def close_by_secret(story: Story) -> object:
    return (await story.tell(RIVAL, "acme/shop", 1, state="closed", title="Forged")).body


async def tell_of_private(story: Story) -> object:
    return (await story.tell(RIVAL, "acme/vault", 1, title="Forged")).body


async def sign_for_another(story: Story) -> object:
    payload = story.world.pull()
    return (await story.deliver(ACME, payload, secret="a-webhook-secret-of-the-tests")).status


async def unsigned(story: Story) -> object:
    headers = {"Content-Type": "application/json", "X-GitHub-Event": "push"}
    return (await story.bot.send(story.world.integrations[ACME], b"{}", headers)).status


async def command_elsewhere(story: Story) -> object:
    text = await story.say(RIVAL, "rival/tool", "dev-of-rival", f"/experiment complete {OWN}")
    return text[:13], "may not change" in text, await story.status()


async def command_made_up(story: Story) -> object:
    """In the rival's own repository, in the name of somebody else."""
    await story.say(
        RIVAL,
        "rival/tool",
        "mallory",
        f"/experiment complete {OWN}",
        user={"login": "dev-of-rival", "type": "User"},
    )
    return await story.status()


async def command_of_stranger(story: Story) -> object:
    said = await story.say(ACME, "acme/shop", "mallory", "/experiment status")
    return said[:13], NAME in said, OWNER in said


async def command_of_own(story: Story) -> object:
    said = await story.say(ACME, "acme/shop", "dev-of-acme", f"/experiment start {OWN}")
    return said, await story.status()


async def pull_of_stranger(story: Story) -> object:
    pull = story.github.open_pull(
        "acme/shop",
        title="Mine",
        body=f"experiment_key: {OWN}, nothing",
        author="mallory",
        head_repo="mallory/shop",
    )
    assert (await story.tell(ACME, "acme/shop", pull.number)).body == PROCESSED
    await story.world.outbox.work_off()
    (comment,) = story.github.comments("acme/shop", pull.number)
    text = str(comment["body"])
    return f"`{OWN}`" in text, "`nothing`" in text, NAME in text, OWNER in text


def with_role(role: str | None, method: str, path: str, body: Any = None) -> Try:
    """Return what tries a call of the API with a token of a role, or without any."""

    async def attempt(story: Story) -> object:
        token = await new_token(story.bot, role) if role is not None else None
        place = path.format(acme=story.world.integrations[ACME])
        options = {} if body is None else {"json": body}
        answer = await story.bot.request(method, place, token=token, **options)
        secrets = (token_of(ACME), ACMES_SECRET, "PRIVATE KEY")
        assert not any(one in str(answer.body) for one in secrets)
        return answer.status

    return attempt


def page(path: str) -> Try:
    async def attempt(story: Story) -> object:
        async with story.bot.session.get(story.bot.url + path, allow_redirects=False) as answer:
            text = await answer.text()
            return answer.status, NAME in text or OWNER in text

    return attempt


TABLE: dict[str, tuple[Try, object]] = {
    # Who holds the rival's webhook secret
    "secret: closes acme's pull request": (close_by_secret, NOT_ALLOWED),
    "secret: tells of acme's private repository": (tell_of_private, NOT_ALLOWED),
    "secret: signs for acme's integration": (sign_for_another, 401),
    "secret: makes up who wrote a command": (command_made_up, "draft"),
    # Who may write in the rival's repository
    "writer: completes acme's experiment": (
        command_elsewhere,
        ("eyes confused", True, "draft"),
    ),
    # Strangers on GitHub, in acme's public repository
    "stranger: asks for experiments": (command_of_stranger, ("eyes confused", False, False)),
    "stranger: opens a pull request": (pull_of_stranger, (True, True, False, False)),
    # Strangers on the internet
    "nobody: sends unsigned": (unsigned, 401),
    "nobody: reads experiments": (with_role(None, "GET", EXPERIMENTS), 401),
    "nobody: reads the audit": (with_role(None, "GET", "/api/v1/audit"), 401),
    "nobody: opens the dashboard": (page("/experiments"), (303, False)),
    "nobody: opens a public pull request's page": (
        page("/pull-requests/acme/shop/1"),
        (200, False),
    ),
    "nobody: opens a private one's page": (page("/pull-requests/acme/vault/1"), (303, False)),
    # Roles
    "viewer: reads experiments": (with_role("viewer", "GET", EXPERIMENTS), 200),
    "viewer: reads integrations": (with_role("viewer", "GET", INTEGRATIONS), 403),
    "viewer: changes an experiment": (
        with_role("viewer", "PATCH", f"{EXPERIMENTS}/{OWN}", {"status": "active"}),
        403,
    ),
    "developer: reads an integration": (
        with_role("developer", "GET", f"{INTEGRATIONS}/{{acme}}"),
        200,
    ),
    "developer: changes an integration": (
        with_role("developer", "PATCH", f"{INTEGRATIONS}/{{acme}}", {"is_active": False}),
        403,
    ),
    "developer: corrects a repository": (
        with_role("developer", "PATCH", "/api/v1/repositories/acme/shop", {"full_name": "a/b"}),
        403,
    ),
    "developer: forgets a repository": (
        with_role("developer", "DELETE", "/api/v1/repositories/acme/shop"),
        403,
    ),
    "developer: deletes an experiment": (
        with_role("developer", "DELETE", f"{EXPERIMENTS}/{OWN}"),
        403,
    ),
    "developer: reads the audit": (with_role("developer", "GET", "/api/v1/audit"), 403),
    "developer: lists tokens": (with_role("developer", "GET", "/api/v1/tokens"), 403),
    "developer: lists sessions": (with_role("developer", "GET", "/api/v1/sessions"), 403),
    "admin: reads an integration": (with_role("admin", "GET", f"{INTEGRATIONS}/{{acme}}"), 200),
    "admin: reads the audit": (with_role("admin", "GET", "/api/v1/audit"), 200),
    # And what is one's own goes on
    "acme: starts its experiment": (command_of_own, ("eyes rocket", "active")),
}


async def test_what_each_tries_against_the_others(story: Story) -> None:
    for name, (attempt, expected) in TABLE.items():
        assert (name, await attempt(story)) == (name, expected)
    pulls = await story.world.pulls(OWN)
    assert pulls == [
        ("acme/shop", 1, "open", "Ours"),
        ("acme/shop", 2, "open", "Mine"),
        ("acme/vault", 1, "open", "Ours"),
        ("rival/tool", 1, "open", "Ours"),
    ]
    assert story.github.violations == []


async def test_what_the_rival_told_first_and_where_its_token_would_write(world: World) -> None:
    """Its facts make nobody's credential write on acme's pull request."""
    story = Story(world)
    world.github.open_pull("acme/shop", title="Ours", body="experiment_key: a")
    assert (await story.deliver(RIVAL, world.pull(1))).body == PROCESSED
    assert (await world.send(ACME, world.pull(1))).body == PROCESSED
    await world.outbox.work_off()
    writes = [one.credential for one in world.github.writes() if "/acme/shop/" in one.path]
    assert writes and not any("rival" in one or "66" in one for one in writes)
