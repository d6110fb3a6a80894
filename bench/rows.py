"""The rows of a large database, the same ones on every run of one day, for `bench/fill.py`.

With `BENCH_PART=10` there is a tenth of everything that grows.
"""

import base64
import hashlib
import itertools
import os
import random
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from bot import storage as store
from bot import times
from bot.demo import payloads
from bot.domain import items  # noqa: F401 - its types of the feed are known then
from bot.domain.activity import TYPES
from bot.storage import Snapshot

# What the benchmarks share. None of it is secret.
SECRET_KEY = base64.urlsafe_b64encode(b"the key of every benchmark, 32 b").decode()
WEBHOOK_SECRET = "the-webhook-secret-of-a-benchmark"
INTEGRATION = "b0000000-0000-4000-8000-000000000001"  # has nine of ten deliveries
QUIET_INTEGRATION = "b0000000-0000-4000-8000-000000000002"  # has a few
PART = int(os.environ.get("BENCH_PART", "1"))
INTEGRATIONS = 200
EXPERIMENTS = 10_000 // PART
LARGE = 5  # experiments, the newest ones; BIG is the first of them
REPOSITORIES = 500
DELIVERIES = 1_000_000 // PART
WITH_PAYLOAD = 100_000 // PART  # of them, the newest
PULL_REQUESTS = 100_000 // PART
ISSUES = 100_000 // PART
COMMITS = 200_000 // PART
FEED = 1_000_000 // PART
UNRESOLVED = 60_000 // PART  # links to keys of no experiment
RARE = 40  # rows of a kind that a filter has to find among all the others

BIG, SMALL = "checkout", f"experiment-{EXPERIMENTS // 2:05}"
LONE = "experiment-00007"  # alone has its owner, its tag and, but for one item, its repository
REPOSITORY = "acme/shop"  # has what belongs to BIG
MONOREPO = "acme/service-2"  # has half of the experiments
LONE_REPOSITORY = "acme/lone"
_LONE_ITEM = FEED // 2  # of the feed: BIG's, in the repository of LONE

SPAN = 80 * 86_400 * times.SECOND  # the time in which it all happened: nothing is due to go

Rows = Iterator[tuple[Any, ...]]


@dataclass(frozen=True)
class Table:
    """How to make the rows of one table."""

    name: str
    columns: str
    count: int
    rows: Callable[[], Rows]


class Filling:
    """The rows, each from its number alone, so that tables agree with one another."""

    def __init__(self, today: int) -> None:
        self.start = today - SPAN

    def at(self, number: int, of: int) -> int:
        """Return when the `number`th of so many things happened."""
        return self.start + SPAN * number // of

    def guid(self, number: int) -> str:
        return str(uuid.UUID(int=random.Random(number).getrandbits(128), version=4))

    def key(self, number: int) -> str:
        """Return the key of the experiment with a number; the last LARGE are the large ones."""
        return BIG if number == EXPERIMENTS - LARGE else f"experiment-{number:05}"

    def experiment_of(self, number: int, of: int) -> str:
        """Return whose the `number`th of so many is: 60 % BIG's, 20 % of the other large ones."""
        share = number * 7919 % 10
        if share < 6:
            return BIG
        if share < 8:
            return self.key(EXPERIMENTS - LARGE + 1 + number // 10 % (LARGE - 1))
        return self.key(number // 10 % (EXPERIMENTS - LARGE))

    def repository_of(self, key: str) -> int:
        if key == BIG:
            return 1
        if key == LONE:
            return REPOSITORIES
        place = zlib.crc32(key.encode())
        return 2 + (place % (REPOSITORIES - 2) if place % 2 else 0)

    def tables(self) -> list[Table]:
        item = (
            "id, repository_id, kind, number, title, html_url, state, draft, author, "
            "head_repository_id, head_ref, head_sha, base_ref, labels, created_at, closed_at, "
            "merged_at, version_at, version_rank, integration_id"
        )
        return [
            Table(
                "integrations",
                "seq, id, name, integration_type, is_active, config, secrets, created_at, "
                "updated_at",
                INTEGRATIONS,
                self.integrations,
            ),
            Table(
                "experiments",
                "seq, key, name, status, owner, hypothesis, tags, search, created_at, updated_at",
                EXPERIMENTS,
                self.experiments,
            ),
            Table(
                "repositories",
                "id, host, github_id, full_name, name_key, named_at, default_branch",
                REPOSITORIES,
                self.repositories,
            ),
            Table("items", item, PULL_REQUESTS + ISSUES, self.items),
            Table(
                "versions",
                "id, item_id, guid, version_at, version_rank, snapshot",
                PULL_REQUESTS + ISSUES,
                self.versions,
            ),
            Table(
                "commits",
                "id, repository_id, sha, message, author, actor, html_url, ref, committed_at, "
                "pushed_at, integration_id, guid",
                COMMITS,
                self.commits,
            ),
            Table(
                "branch_commits",
                "id, repository_id, ref, commit_id, pushed_at",
                COMMITS,
                self.branch_commits,
            ),
            Table(
                "links",
                "id, experiment_key, kind, target_id, state, linked_by, linked_at, integration_id, "
                "resolved",
                PULL_REQUESTS + ISSUES + COMMITS + UNRESOLVED,
                self.links,
            ),
            Table(
                "activity",
                "seq, type, experiment_key, position, recorded_at, actor, summary, html_url, "
                "repository_id, item_id, commit_id, guid",
                FEED,
                self.feed,
            ),
            Table(
                "deliveries",
                "seq, integration_seq, guid, event, action, repository, status, received_at, "
                "processed_at, attempts, next_attempt_at, error, headers, payload",
                DELIVERIES,
                self.deliveries,
            ),
        ]

    def integrations(self) -> Rows:
        vault = store.Vault([SECRET_KEY])
        config = '{"auth":"token","api_url":"https://api.github.com"}'
        for number in range(INTEGRATIONS):
            one = INTEGRATION[:-12] + f"{number + 1:012}"
            at = self.at(number, INTEGRATIONS)
            secrets = {"token": "ghp_benchmark", "webhook_secret": WEBHOOK_SECRET}
            sealed = vault.seal(secrets, store.integrations.about(one))
            yield number + 1, one, f"Integration {number}", "GITHUB", 1, config, sealed, at, at

    def experiments(self) -> Rows:
        for number in range(EXPERIMENTS):
            status = ("draft", "active", "active", "paused", "completed")[number % 5]
            if number < RARE:
                status = "archived"
            at = self.at(number, EXPERIMENTS)
            key, name = self.key(number), f"Experiment number {number}"
            owner = "team-lone" if key == LONE else f"team-{number % 40}"
            tags = ["lone"] if key == LONE else ["checkout", f"quarter-{number % 4}"]
            yield (
                number + 1,
                key,
                name,
                status,
                owner,
                "Fewer steps lose fewer carts.",
                msgspec.json.encode(tags).decode(),
                store.experiments.folded(key, name, owner),
                at,
                at,
            )

    def repositories(self) -> Rows:
        for number in range(1, REPOSITORIES + 1):
            name = f"acme/service-{number}"
            name = {1: REPOSITORY, REPOSITORIES: LONE_REPOSITORY}.get(number, name)
            github_id = payloads.number_of(name)
            yield number, "github.com", github_id, name, name.lower(), self.start, "main"

    def items(self) -> Rows:
        for number in range(PULL_REQUESTS):
            repository = self.repository_of(self.experiment_of(number, PULL_REQUESTS))
            at = self.at(number, PULL_REQUESTS)
            state = self.state_of("pull_request", number)
            ended = None if state == "open" else at + 3_600 * times.SECOND
            yield (
                number + 1,
                repository,
                "pull_request",
                number + 1,
                f"Try the new checkout, part {number}",
                f"https://github.com/acme/service-{repository}/pull/{number + 1}",
                state,
                0,
                "mona",
                repository,
                f"feature/{number}",
                hashlib.sha1(b"%d" % number).hexdigest(),
                "main",
                "[]",
                at,
                ended,
                ended if state == "merged" else None,
                ended or at,
                1,
                INTEGRATION,
            )
        for number in range(ISSUES):
            repository = self.repository_of(self.experiment_of(number, ISSUES))
            at = self.at(number, ISSUES)
            yield (
                PULL_REQUESTS + number + 1,
                repository,
                "issue",
                PULL_REQUESTS + number + 1,
                f"Track what happens to part {number}",
                f"https://github.com/acme/service-{repository}/issues/{number + 1}",
                "open",
                0,
                "mona",
                *(None,) * 4,
                '["experiment"]',
                at,
                None,
                None,
                at,
                1,
                INTEGRATION,
            )

    def versions(self) -> Rows:
        for number in range(PULL_REQUESTS + ISSUES):
            place = number % PULL_REQUESTS
            at = self.at(place, PULL_REQUESTS)
            guid = self.guid(number)
            key = self.experiment_of(place, PULL_REQUESTS)
            snapshot = Snapshot(
                guid=guid,
                at=at,
                action="edited",
                integration_id=INTEGRATION,
                keys={key: "body"},
                title=f"Try the new checkout, part {place}",
                author="mona",
                state="open",
                created_at=at,
            )
            yield number + 1, number + 1, guid, at, 1, msgspec.json.encode(snapshot).decode()

    def commits(self) -> Rows:
        for number in range(COMMITS):
            repository = self.repository_of(self.experiment_of(number, COMMITS))
            at = self.at(number, COMMITS)
            sha = hashlib.sha1(b"commit %d" % number).hexdigest()
            yield (
                number + 1,
                repository,
                sha,
                f"Ask for less, step {number}\n\nExperiment-Key: checkout",
                "Mona Lisa",
                "mona",
                f"https://github.com/acme/service-{repository}/commit/{sha}",
                f"feature/{number // 2}",
                at,
                at,
                INTEGRATION,
                self.guid(DELIVERIES - 1 - number),
            )

    def state_of(self, kind: str, number: int) -> str | None:
        if kind == "pull_request":
            return "closed" if number < RARE * 2 else ("merged", "merged", "open")[number % 3]
        return "open" if kind == "issue" else None

    def branch_commits(self) -> Rows:
        for number in range(COMMITS):
            repository = self.repository_of(self.experiment_of(number, COMMITS))
            ref, at = f"feature/{number // 2}", self.at(number, COMMITS)
            yield number + 1, repository, ref, number + 1, at

    def links(self) -> Rows:
        ids = itertools.count(1)
        for kind, count, first in (
            ("pull_request", PULL_REQUESTS, 1),
            ("issue", ISSUES, PULL_REQUESTS + 1),
            ("commit", COMMITS, 1),
        ):
            by = "message" if kind == "commit" else "body"
            for number in range(count):
                key, at = self.experiment_of(number, count), self.at(number, count)
                state = self.state_of(kind, number)
                yield next(ids), key, kind, first + number, state, by, at, INTEGRATION, 1
        for number in range(UNRESOLVED):
            at = self.at(number, UNRESOLVED)
            key = f"typo-{number % 1000}"
            yield next(ids), key, "commit", number + 1, None, "message", at, INTEGRATION, 0

    def feed(self) -> Rows:
        for number in range(FEED):
            at = self.at(number, FEED)
            kind = ("commit.pushed", "pull_request.linked", "pull_request.merged")[number % 3]
            if number % 20 == 0:  # and all other types, now and then
                kind = sorted(TYPES)[number // 20 % len(TYPES)]
            if number < RARE * 5:
                kind = "issue.labeled"
            key = BIG if number == _LONE_ITEM else self.experiment_of(number, FEED)
            is_commit = kind == "commit.pushed"
            yield (
                number + 1,
                kind,
                key,
                at // times.MILLISECOND * times.MILLISECOND + TYPES[kind].rank,
                at,
                "mona",
                f"What happened as number {number}",
                f"https://github.com/acme/shop/pull/{number}",
                self.repository_of(LONE if number == _LONE_ITEM else key),
                None if is_commit else number % PULL_REQUESTS + 1,
                number % COMMITS + 1 if is_commit else None,
                self.guid(number),
            )

    def deliveries(self) -> Rows:
        headers = msgspec.json.encode(
            {
                "User-Agent": "GitHub-Hookshot/0123abc",
                "Content-Type": "application/json",
                "X-GitHub-Hook-ID": "480000000",
                "X-GitHub-Hook-Installation-Target-ID": "760000000",
                "X-GitHub-Hook-Installation-Target-Type": "repository",
            }
        ).decode()
        body = payloads.encode(
            payloads.pull_request(
                "opened", 1, "2026-03-02T10:00:00Z", repo=payloads.repository(REPOSITORY), body=""
            )
        )
        payload = zlib.compress(body, 1)
        kinds = (("push", None), ("pull_request", "synchronize"), ("issues", "labeled"))
        for number in range(DELIVERIES):
            event, action = kinds[number % 3]
            status, error = "processed", None
            if number % 10 == 9:
                event, action, status = "workflow_run", "completed", "ignored"
            if number < RARE:
                status, error = "failed", "ValueError: could not be worked in"
            if RARE <= number < RARE * 2:
                event = "repository"
            integration = 1
            if number % 10 == 7:
                integration = 2 + number * 7919 % (INTEGRATIONS - 1)
            at = self.at(number, DELIVERIES)
            yield (
                number + 1,
                integration,
                self.guid(number),
                event,
                action,
                REPOSITORY,
                status,
                at,
                at if status == "processed" else None,
                1,
                None,
                error,
                headers,
                payload if number >= DELIVERIES - WITH_PAYLOAD else None,
            )
