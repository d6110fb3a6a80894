"""Plays a week of a small company's GitHub over real HTTP, so that there is something to look at.

The week (week.py) ends a few minutes before now; apart from the clock and the secrets it is the
same every time.
"""

import asyncio
import secrets
import signal
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import click
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot import log, server, times
from bot.demo import payloads
from bot.demo.payloads import Payload
from bot.demo.week import (
    END,
    PLATFORM,
    WEEK,
    Create,
    Forgery,
    Issue,
    Line,
    Pull,
    Push,
    Rename,
    Star,
    Status,
    Tag,
    Transfer,
)
from bot.github.reach import WEBHOOK_PATH
from bot.services import Services
from bot.settings import Settings

# --- From the story to what is sent


@dataclass(frozen=True)
class Delivery:
    """What GitHub sends, and when it arrives."""

    at: datetime
    event: str
    payload: Payload
    guid: str
    is_forged: bool = False


@dataclass(frozen=True)
class Request:
    """What somebody asks of the API, and when."""

    at: datetime
    method: str
    path: str
    body: dict[str, Any]


_HOOK, _APP, _INSTALLATION = 511_803_441, 2_097_152, 74_120_033


def everything(now: datetime) -> list[Delivery | Request]:
    """Return the whole week that ends at `now`, in order of arrival."""
    calendar = Calendar(now.replace(microsecond=0))
    sent: list[Delivery | Request] = [_request(line, calendar) for line in PLATFORM]
    repositories = {name: Repository(name, calendar) for name in WEEK}
    sent += _arrival_of_the_app(calendar, [one.shown() for one in repositories.values()])
    for name, story in WEEK.items():
        for line in story:
            sent += repositories[name].tell(line, repositories)
    return sorted(sent, key=lambda one: one.at)


@dataclass(frozen=True)
class Calendar:
    """Knows when the moments of the week are."""

    now: datetime

    def time(self, moment: str, seconds: int = 0) -> datetime:
        return self.now - (_since_start(END) - _since_start(moment)) + timedelta(seconds=seconds)

    def text(self, moment: str, seconds: int = 0) -> str:
        """Return a moment as GitHub writes it."""
        return f"{self.time(moment, seconds):%Y-%m-%dT%H:%M:%SZ}"


def _since_start(moment: str) -> timedelta:
    day, clock = moment.split()
    hour, minute = clock.split(":")
    return timedelta(days=int(day) - 1, hours=int(hour), minutes=int(minute))


def _request(line: Create | Status, calendar: Calendar) -> Request:
    at, path = calendar.time(line.when), "/api/v1/experiments"
    if isinstance(line, Status):
        return Request(at, "PATCH", f"{path}/{line.key}", {"status": line.status})
    body = {name: getattr(line, name) for name in ("key", "name", "owner", "hypothesis", "status")}
    return Request(at, "POST", path, body)


def _arrival_of_the_app(calendar: Calendar, repos: list[Payload]) -> Iterator[Delivery]:
    ping = payloads.ping(_HOOK, calendar.text("1 08:20"))
    installed = payloads.installation(
        "created", _INSTALLATION, calendar.text("1 08:21"), repos=repos
    )
    yield Delivery(calendar.time("1 08:20", 1), "ping", ping, _guid("ping"))
    yield Delivery(calendar.time("1 08:21", 1), "installation", installed, _guid("installation"))


def _guid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{payloads.WEB}/{text}"))


@dataclass
class Repository:
    """Tells a repository's story as GitHub would, and keeps in mind what was said before."""

    name: str
    calendar: Calendar
    id: int = field(init=False)
    updated_at: str = field(init=False)
    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)
    told: int = 0

    def __post_init__(self) -> None:
        self.id = payloads.number_of(self.name)
        self.updated_at = self.calendar.text("1 00:00")

    def shown(self) -> Payload:
        return payloads.repository(self.name, self.id, self.updated_at)

    def tell(self, line: Line, others: dict[str, "Repository"]) -> Iterator[Delivery]:
        """Yield the deliveries that a line of the story makes."""
        for after, event, payload in self._payloads(line, others):
            self.told += 1
            guid = _guid(f"repositories/{self.id}/{self.told}")
            whole = {**payload, "installation": {"id": _INSTALLATION}}
            at = self.calendar.time(line.arrives or line.when, after + 1)
            delivery = Delivery(at, event, whole, guid, isinstance(line, Forgery))
            yield delivery
            if line.again:
                yield replace(delivery, at=self.calendar.time(line.again, after + 1))

    def _payloads(
        self, line: Line, others: dict[str, "Repository"]
    ) -> Iterator[tuple[int, str, Payload]]:
        """Yield (seconds after the line's moment, event, payload)."""
        match line:
            case Push():
                yield from self._push(line)
            case Pull():
                yield from self._pull(line)
            case Issue():
                yield 0, "issues", self._issue(line)
            case Transfer():
                yield from self._transfer(line, others[line.to])
            case Tag():
                ref = f"refs/tags/{line.name}"
                yield 0, "push", self._pushed(line.when, 0, line.by, [], ref=ref)
            case Rename():
                yield 0, "repository", self._rename(line)
            case Star():
                at = self.calendar.text(line.when)
                yield 0, "star", payloads.star(at, repo=self.shown(), sender=line.by)
            case Forgery():
                forged = ["Nothing to see here\n\nExperiment-Key: checkout-flow-v2"]
                yield 0, "push", self._pushed(line.when, 0, "mallory", forged)

    def _pushed(
        self, when: str, after: int, by: str, messages: Sequence[str], **more: Any
    ) -> Payload:
        return payloads.push(
            more.pop("branch", "main"),
            list(messages),
            repo=self.shown(),
            pushed_at=int(self.calendar.time(when, after).timestamp()),
            author=by,
            at=self.calendar.text(when, after),
            **more,
        )

    def _push(self, line: Push) -> Iterator[tuple[int, str, Payload]]:
        pushed = self._pushed(line.when, 0, line.by, line.messages, branch=line.branch)
        self.heads[line.branch] = pushed["after"]
        yield 0, "push", pushed
        for number, known in self.pulls.items():
            if known["branch"] == line.branch and known["state"] == "open":
                known["sha"] = pushed["after"]
                told = self._pull_as_known("synchronize", number, line.by, line.when, 1)
                yield 1, "pull_request", told

    def _pull(self, line: Pull) -> Iterator[tuple[int, str, Payload]]:
        now = self.calendar.text(line.when)
        known = self.pulls.setdefault(line.number, {"author": line.by, "created_at": now})
        known.update(_given(line, "title", "body", "branch"))
        action = "closed" if line.action == "merged" else line.action
        if action == "opened":
            known.update(state="open", draft=line.draft, sha=self.heads[line.branch])
        elif action == "ready_for_review":
            known["draft"] = False
        elif action == "closed":
            known.update(state="closed", merged=line.action == "merged", closed_at=now)
        elif action == "reopened":
            known.update(state="open", closed_at=None)
        yield 0, "pull_request", self._pull_as_known(action, line.number, line.by, line.when)
        if line.action == "merged":
            squashed = [f"{known['title']} (#{line.number})"]
            yield 1, "push", self._pushed(line.when, 1, line.by, squashed)
            gone = {"branch": known["branch"], "deleted": True}
            yield 3, "push", self._pushed(line.when, 3, line.by, [], **gone)

    def _pull_as_known(
        self, action: str, number: int, by: str, when: str, after: int = 0
    ) -> Payload:
        known, at = self.pulls[number], self.calendar.text(when, after)
        return payloads.pull_request(
            action, number, at, repo=self.shown(), sender=by or None, **known
        )

    def _issue(self, line: Issue) -> Payload:
        now = self.calendar.text(line.when)
        new = {"author": line.by, "created_at": now, "labels": (), "state": "open"}
        known = self.issues.setdefault(line.number, new)
        known.update(_given(line, "title", "body"))
        if line.label:
            known["labels"] = (*known["labels"], line.label)
        if line.action == "closed":
            known.update(state="closed", closed_at=now)
        elif line.action == "reopened":
            known.update(state="open", closed_at=None)
        more: Any = {"label": {"name": line.label}} if line.action == "labeled" else {}
        return payloads.issue(
            line.action, line.number, now, repo=self.shown(), sender=line.by, **known, **more
        )

    def _transfer(self, line: Transfer, to: "Repository") -> Iterator[tuple[int, str, Payload]]:
        at, known = self.calendar.text(line.when), self.issues.pop(line.number)
        to.issues[line.new_number] = known
        old = payloads.issue_object(line.number, at, repo=self.shown(), **known)
        new = payloads.issue_object(line.new_number, at, repo=to.shown(), **known)
        sender = payloads.user(line.by)
        opened = {
            "action": "opened",
            "issue": new,
            "changes": {"old_issue": old, "old_repository": self.shown()},
            "repository": to.shown(),
            "sender": sender,
        }
        transferred = {
            "action": "transferred",
            "issue": old,
            "changes": {"new_issue": new, "new_repository": to.shown()},
            "repository": self.shown(),
            "sender": sender,
        }
        yield 0, "issues", opened
        yield 0, "issues", transferred

    def _rename(self, line: Rename) -> Payload:
        old_name, self.name = self.name.split("/")[1], line.to
        self.updated_at = self.calendar.text(line.when)
        changes = {"repository": {"name": {"from": old_name}}}
        return payloads.repository_event("renamed", self.shown(), changes)


def _given(line: Pull | Issue, *names: str) -> dict[str, str]:
    """Return what a line says of `names`."""
    return {name: value for name in names if (value := getattr(line, name))}


# --- Playing it


@contextmanager
def throw_away_settings(settings: Settings) -> Iterator[Settings]:
    """Yield `settings` with a database and a key of their own, which are removed at the end."""
    with tempfile.TemporaryDirectory(prefix="experiment-bot-demo-") as folder:
        database_url = f"sqlite:///{Path(folder, 'bot.db')}"
        yield replace(settings, data_dir=Path(folder), database_url=database_url, secret_keys=())


async def run(services: Services, token: str | None) -> None:
    """Serve, play the week, say what there is to see, and stay up until told to stop.

    Raises OSError if the address is taken, and what went wrong if the week could not be played.
    """
    assert token is not None, "a new database has a new admin token"
    playing: list[asyncio.Task[None]] = []

    def start() -> None:
        playing.append(task := asyncio.create_task(_play(services, token)))
        task.add_done_callback(_stop_if_failed)

    settings = services.settings
    if settings.log_level in ("debug", "info"):  # a line per request would tear the progress bar
        log.configure("warning", settings.log_format)
    await server.serve(services, with_worker=True, on_start=start)
    for task in playing:
        task.cancel()  # does nothing to one that is over
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(outcome, aiohttp.ClientError):
            raise click.ClickException(f"the week was cut short: {outcome}")
        if isinstance(outcome, Exception):
            raise outcome


def _stop_if_failed(playing: "asyncio.Task[None]") -> None:
    if not playing.cancelled() and playing.exception() is not None:
        signal.raise_signal(signal.SIGTERM)  # as Ctrl-C would


async def _play(services: Services, token: str) -> None:
    settings = services.settings
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        api = Api(session, _local_url(settings), token)
        answers = await play_week(api)
        summary = await _summary(api, answers, settings.public_url)
    log.configure(settings.log_level, settings.log_format)
    click.echo(summary)


def _local_url(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


@dataclass(frozen=True)
class Api:
    """The service as a client sees it."""

    session: aiohttp.ClientSession
    url: str
    token: str

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of a good answer; raises ClickException for another."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.request(
            method, self.url + path, json=body, headers=headers
        ) as response:
            if not response.ok:
                raise _unexpected(f"{method} {path}", response.status, await response.text())
            return await response.json()

    async def deliver(self, path: str, delivery: Delivery, secret: str) -> str:
        """Send a delivery and return what became of it in a word."""
        body = payloads.encode(delivery.payload)
        headers = payloads.headers(delivery.event, body, secret, delivery.guid)
        async with self.session.post(self.url + path, data=body, headers=headers) as response:
            answer = await response.json(content_type=None)
            if response.status == 401 and delivery.is_forged:
                return "refused"
            if response.status != 200 or delivery.is_forged:
                raise _unexpected(delivery.event, response.status, await response.text())
            if answer.get("duplicate"):
                return "duplicate"
            return "processed" if answer["processed"] else "ignored"


def _unexpected(what: str, status: int, text: str) -> click.ClickException:
    return click.ClickException(f"the week was cut short: {what} was answered {status}: {text}")


async def play_week(api: Api) -> Counter[str]:
    """Send the whole week and return how many deliveries got which answer.

    Meanwhile the clock of this process shows the moment that is played, so that experiments and
    deliveries, too, bear the times of the week.
    """
    week = everything(datetime.now(UTC))
    clock = [_microseconds(week[0].at)]
    answers: Counter[str] = Counter()
    with mock.patch.object(times, "now", lambda: clock[0]):
        secret = secrets.token_urlsafe(32)
        integration = await _create_integration(api, secret)
        webhook = WEBHOOK_PATH.format(integration_id=integration)
        with click.progressbar(week, label="Playing a week of deliveries") as bar:
            for one in bar:
                clock[0] = _microseconds(one.at)
                if isinstance(one, Request):
                    await api.ask(one.method, one.path, one.body)
                else:
                    known = secrets.token_urlsafe(32) if one.is_forged else secret
                    answers[await api.deliver(webhook, one, known)] += 1
    return answers


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp()) * times.SECOND


async def _create_integration(api: Api, webhook_secret: str) -> str:
    key = await asyncio.to_thread(rsa.generate_private_key, 65_537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    config = {
        "app_id": _APP,
        "private_key": pem.decode(),
        "installation_id": _INSTALLATION,
        "webhook_secret": webhook_secret,
        # These repositories are made up, so the bot has nothing to say in them.
        "comments": "off",
        "label": None,
        "check": "off",
    }
    body = {
        "name": "Acme on GitHub",
        "integration_type": "GITHUB",
        "description": "The App of the demo; its credentials open nothing.",
        "config": config,
    }
    created = await api.ask("POST", "/api/v1/integrations", body)
    return str(created["id"])


async def _summary(api: Api, answers: Counter[str], public_url: str) -> str:
    """Return what the week left behind, and where to look at it."""
    experiments = (await api.ask("GET", "/api/v1/experiments?limit=200"))["items"]
    unresolved = (await api.ask("GET", "/api/v1/links/unresolved?limit=200"))["items"]
    lines = [
        "",
        f"{answers.total()} deliveries: {answers['processed']} processed, "
        f"{answers['duplicate']} sent twice and applied once, "
        f"{answers['ignored']} of no interest, "
        f"{answers['refused']} refused (wrong signature)",
        "",
        f"{'Experiment':24}{'Status':12}{'Pull requests':>13}{'Commits':>9}{'Issues':>8}",
    ]
    for one in reversed(experiments):
        counts = one["counts"]
        lines.append(
            f"{one['key']:24}{one['status']:12}{counts['pull_requests']:>13}"
            f"{counts['commits']:>9}{counts['issues']:>8}"
        )
    lines.append("")
    by_key = Counter(link["experiment_key"] for link in unresolved)
    for key, count in by_key.items():
        lines.append(f"No experiment is called {key}: {count} links wait for it.")
    key = experiments[-1]["key"] if experiments else "KEY"
    lines += [
        "",
        f"Dashboard  {public_url}   (sign in with {api.token})",
        f"API        {public_url}/api/v1/docs",
        "",
        f"What happened to {key}:",
        f"  curl -H 'Authorization: Bearer {api.token}' \\",
        f"    '{public_url}/api/v1/experiments/{key}/activity?limit=20'",
        "",
        "Ctrl-C ends the service and removes the throw-away database.",
    ]
    return "\n".join(lines)
