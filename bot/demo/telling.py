"""From the story of the week (week.py) to what GitHub and the platform send, and when.

Apart from the clock it is the same every time.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bot.demo import lines, payloads, week
from bot.demo.payloads import Payload

_HOOK, INSTALLATION = 511_803_441, 74_120_033


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


def everything(now: datetime) -> list[Delivery | Request]:
    """Return the whole week that ends at `now`, in order of arrival."""
    calendar = Calendar(now.replace(microsecond=0))
    sent: list[Delivery | Request] = [_request(line, calendar) for line in week.PLATFORM]
    repositories = {name: Repository(name, calendar) for name in week.WEEK}
    sent += _arrival_of_the_app(calendar, [one.shown() for one in repositories.values()])
    for name, story in week.WEEK.items():
        for line in story:
            sent += repositories[name].tell(line, repositories)
    return sorted(sent, key=lambda one: one.at)


@dataclass(frozen=True)
class Calendar:
    """Knows when the moments of the week are."""

    now: datetime

    def time(self, moment: str, seconds: int = 0) -> datetime:
        ago = _since_start(week.END) - _since_start(moment)
        return self.now - ago + timedelta(seconds=seconds)

    def text(self, moment: str, seconds: int = 0) -> str:
        """Return a moment as GitHub writes it."""
        return f"{self.time(moment, seconds):%Y-%m-%dT%H:%M:%SZ}"


def _since_start(moment: str) -> timedelta:
    day, clock = moment.split()
    hour, minute = clock.split(":")
    return timedelta(days=int(day) - 1, hours=int(hour), minutes=int(minute))


def _request(line: lines.Create | lines.Status, calendar: Calendar) -> Request:
    at, path = calendar.time(line.when), "/api/v1/experiments"
    if isinstance(line, lines.Status):
        return Request(at, "PATCH", f"{path}/{line.key}", {"status": line.status})
    body = {name: getattr(line, name) for name in ("key", "name", "owner", "hypothesis", "status")}
    return Request(at, "POST", path, body)


def _arrival_of_the_app(calendar: Calendar, repos: list[Payload]) -> Iterator[Delivery]:
    ping = payloads.ping(_HOOK, calendar.text("1 08:20"))
    installed = payloads.installation(
        "created", INSTALLATION, calendar.text("1 08:21"), repos=repos
    )
    yield Delivery(calendar.time("1 08:20", 1), "ping", ping, _guid("ping"))
    yield Delivery(calendar.time("1 08:21", 1), "installation", installed, _guid("installation"))


def _guid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{payloads.WEB}/{text}"))


class Repository:
    """Tells a repository's story as GitHub would, and keeps in mind what was said before."""

    def __init__(self, name: str, calendar: Calendar) -> None:
        self.name, self.calendar = name, calendar
        self.id, self.updated_at = payloads.number_of(name), calendar.text("1 00:00")
        self.pulls: dict[int, dict[str, Any]] = {}
        self.issues: dict[int, dict[str, Any]] = {}
        self.heads: dict[str, str] = {}
        self.told = 0

    def shown(self) -> Payload:
        return payloads.repository(self.name, self.id, self.updated_at)

    def tell(self, line: lines.Line, others: dict[str, "Repository"]) -> Iterator[Delivery]:
        """Yield the deliveries that a line of the story makes."""
        for after, event, payload in self._payloads(line, others):
            self.told += 1
            guid = _guid(f"repositories/{self.id}/{self.told}")
            whole = {**payload, "installation": {"id": INSTALLATION}}
            at = self.calendar.time(line.arrives or line.when, after + 1)
            delivery = Delivery(at, event, whole, guid, isinstance(line, lines.Forgery))
            yield delivery
            if line.again:
                yield replace(delivery, at=self.calendar.time(line.again, after + 1))

    def _payloads(
        self, line: lines.Line, others: dict[str, "Repository"]
    ) -> Iterator[tuple[int, str, Payload]]:
        """Yield (seconds after the line's moment, event, payload)."""
        match line:
            case lines.Push():
                yield from self._push(line)
            case lines.Pull():
                yield from self._pull(line)
            case lines.Issue():
                yield 0, "issues", self._issue(line)
            case lines.Transfer():
                yield from self._transfer(line, others[line.to])
            case lines.Tag():
                ref = f"refs/tags/{line.name}"
                yield 0, "push", self._pushed(line.when, 0, line.by, [], ref=ref)
            case lines.Rename():
                yield 0, "repository", self._rename(line)
            case lines.Star():
                at = self.calendar.text(line.when)
                yield 0, "star", payloads.star(at, repo=self.shown(), sender=line.by)
            case lines.Forgery():
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

    def _push(self, line: lines.Push) -> Iterator[tuple[int, str, Payload]]:
        pushed = self._pushed(line.when, 0, line.by, line.messages, branch=line.branch)
        self.heads[line.branch] = pushed["after"]
        yield 0, "push", pushed
        for number, known in self.pulls.items():
            if known["branch"] == line.branch and known["state"] == "open":
                known["sha"] = pushed["after"]
                told = self._pull_as_known("synchronize", number, line.by, line.when, 1)
                yield 1, "pull_request", told

    def _pull(self, line: lines.Pull) -> Iterator[tuple[int, str, Payload]]:
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
        is_merged = line.action == "merged"
        squashed = [f"{known['title']} (#{line.number})"] if is_merged else []
        landed = self._pushed(line.when, 1, line.by, squashed)
        if is_merged:
            known["merge_sha"] = landed["after"]
        yield 0, "pull_request", self._pull_as_known(action, line.number, line.by, line.when)
        if is_merged:
            yield 1, "push", landed
            gone = {"branch": known["branch"], "deleted": True}
            yield 3, "push", self._pushed(line.when, 3, line.by, [], **gone)

    def _pull_as_known(
        self, action: str, number: int, by: str, when: str, after: int = 0
    ) -> Payload:
        known, at = self.pulls[number], self.calendar.text(when, after)
        return payloads.pull_request(
            action, number, at, repo=self.shown(), sender=by or None, **known
        )

    def _issue(self, line: lines.Issue) -> Payload:
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

    def _transfer(
        self, line: lines.Transfer, to: "Repository"
    ) -> Iterator[tuple[int, str, Payload]]:
        at, known = self.calendar.text(line.when), self.issues.pop(line.number)
        to.issues[line.new_number] = known
        said = {**known, "sender": line.by}
        new = payloads.issue("opened", line.new_number, at, repo=to.shown(), **said)
        old = payloads.issue("transferred", line.number, at, repo=self.shown(), **said)
        new["changes"] = {"old_issue": old["issue"], "old_repository": self.shown()}
        old["changes"] = {"new_issue": new["issue"], "new_repository": to.shown()}
        yield 0, "issues", new
        yield 0, "issues", old

    def _rename(self, line: lines.Rename) -> Payload:
        old_name, self.name = self.name.split("/")[1], line.to
        self.updated_at = self.calendar.text(line.when)
        changes = {"repository": {"name": {"from": old_name}}}
        return payloads.repository_event("renamed", self.shown(), changes)


def _given(line: lines.Pull | lines.Issue, *names: str) -> dict[str, str]:
    return {name: value for name in names if (value := getattr(line, name))}
