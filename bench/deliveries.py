"""The deliveries that the benchmarks send: signed, of 24 KB, each of another pull request.

They go to many repositories in turn, as an organisation's do. Most of each is what GitHub tells of
users and repositories, as in its own of that size; what fills it up is prose, which packs as what
people write packs. Their GUIDs are UUIDs of version 1, as GitHub's are.
"""

import hashlib
import hmac
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from bench.load import Request
from bench.rows import BIG, REPOSITORY, WEBHOOK_SECRET
from bot.demo import payloads

NUMBER = 876543219  # stands for the pull request's number in a template
FIRST_NUMBER = 100_000_000  # as many digits, so that every delivery has one size
SIZE = 24 * 1024
REVIEWERS = 5
AT = "2026-03-02T10:00:00Z"
_TEXT = (
    "the a and of to in for with when this that cart button price banner header shopper order "
    "checkout variant control group shows hides loads renders keeps fixes adds moves measures "
    "faster slower first second returning mobile desktop without because follows review before"
)
_WORDS = _TEXT.split()
_SENDER = random.getrandbits(48) | 1 << 40  # which is nobody's network address


@dataclass(frozen=True)
class Kind:
    """A kind of load: its event, and what the service answers and has stored by then."""

    name: str
    event: str
    linked: bool
    answer: bytes
    stored: str


_PROCESSED, _NO_HANDLER = b'{"processed":true}', b'{"processed":false,"reason":"no handler"}'
LINKED = Kind(
    "linked",
    "pull_request",
    True,
    _PROCESSED,
    "delivery, pull request, link, feed, what GitHub is owed",
)
UNLINKED = Kind("unlinked", "pull_request", False, _PROCESSED, "delivery, pull request")
UNHANDLED = Kind("unhandled", "pull_request_review", False, _NO_HANDLER, "delivery")
KINDS = {one.name: one for one in (LINKED, UNLINKED, UNHANDLED)}


@dataclass(frozen=True, slots=True)
class Delivery:
    """What has been sent, by which it is asked for afterwards."""

    event: str
    guid: str
    repository: str
    number: int | None = None  # of a pull request
    linked: bool = False

    def __str__(self) -> str:
        return f"{self.event} {self.guid} of {self.repository}#{self.number or ''}"


def new_guid() -> str:
    """Return the GUID of another delivery."""
    return str(uuid.uuid1(_SENDER))


def prose(size: int, seed: str) -> str:
    """Return lines of words, so many characters, the same ones for a seed."""
    words = random.Random(seed)
    lines = (" ".join(words.choices(_WORDS, k=12)) for _ in range(size // 30 + 1))
    return "\n".join(lines)[:size]


def repositories(count: int) -> list[str]:
    """Return the names of so many repositories; the first has what is BIG's in a filled one."""
    return [REPOSITORY, *(f"{REPOSITORY}-{number}" for number in range(1, count))]


def template(kind: Kind, repository: str) -> bytes:
    """Return a delivery of SIZE bytes, NUMBER wherever the pull request's number belongs."""

    def build(text: str) -> bytes:
        named = f"experiment_key: {BIG}" if kind.linked else "Nothing else changes."
        payload = payloads.pull_request(
            "opened",
            NUMBER,
            AT,
            repo=payloads.repository(repository),
            body=f"## What\n\nTries the new checkout.\n\n{named}\n\n{text}",
            branch=f"feature-{NUMBER}",
            sha=f"{NUMBER:040}",
        )
        payload["pull_request"]["requested_reviewers"] = [
            payloads.user(f"reviewer-{number}") for number in range(REVIEWERS)
        ]
        if kind is UNHANDLED:
            payload["action"] = "submitted"
            payload["review"] = {"user": payload["sender"], "body": None, "state": "approved"}
        return payloads.encode(payload)

    text = prose(SIZE - len(build("")), repository)
    text = text[: len(text) - text.count("\n")]  # which JSON writes as two characters
    return build(text + "." * (SIZE - len(build(text))))


def signed(path: str, event: str, body: bytes, guid: str, secret: str = WEBHOOK_SECRET) -> bytes:
    """Return a delivery as it goes over the wire."""
    signature = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"User-Agent: GitHub-Hookshot/044aadd\r\nX-GitHub-Event: {event}\r\n"
        f"X-GitHub-Delivery: {guid}\r\nX-Hub-Signature-256: sha256={signature}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


class Sender:
    """Makes the deliveries for one service, no number twice."""

    def __init__(self, path: str, names: list[str]) -> None:
        self.path, self.names = path, names
        self.sent = 0
        self._parts: dict[tuple[str, str], list[bytes]] = {}

    def requests(self, kind: Kind, count: int | None = None) -> Iterator[Request]:
        """Yield deliveries of a kind, so many at most."""
        first = self.sent
        while count is None or self.sent < first + count:
            name = self.names[self.sent % len(self.names)]
            number, self.sent = FIRST_NUMBER + self.sent, self.sent + 1
            guid = new_guid()
            body = (b"%d" % number).join(self._template(kind, name))
            text = signed(self.path, kind.event, body, guid)
            told = number if kind.event == "pull_request" else None
            yield Request(text, Delivery(kind.event, guid, name, told, kind.linked))

    def forged(self, kind: Kind) -> Request:
        """Return a delivery that is signed with another secret."""
        body = template(kind, self.names[0])
        guid = new_guid()
        return Request(signed(self.path, kind.event, body, guid, "another secret"), guid)

    def _template(self, kind: Kind, name: str) -> list[bytes]:
        parts = self._parts.get((kind.name, name))
        if parts is None:
            parts = template(kind, name).split(b"%d" % NUMBER)
            self._parts[kind.name, name] = parts
        return parts
