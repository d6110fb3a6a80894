"""Random histories of a repository: what is linked, GitHub's page of the pull request has listed.

A small model of git makes branches, merges, squashes, force pushes, merge queues and pull requests,
and the deliveries that GitHub would send of them; nothing answers the bot's questions, so that only
what pushes tell is linked, and replaced.
"""

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.demo import payloads
from tests.kit.marks import each, slow
from tests.kit.running import Bot

pytestmark = slow

HEADS = ("feature", "develop", "other")
_numbers = itertools.count(1)


class History:
    """Commits by name with their parents, the tips of branches, and what was delivered of them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.time = datetime(2026, 3, 2, 10, tzinfo=UTC)
        self.parents: dict[str, tuple[str, ...]] = {"before the bot": ()}
        self.tips = {"main": "before the bot"}
        self.pushed = {"before the bot"}
        self.pulls: dict[int, tuple[str, str, datetime]] = {}  # head, base, when opened
        self.open: set[int] = set()
        self.pages: dict[int, set[str]] = {}  # all that each pull request has ever listed
        self.landed: dict[int, str] = {}  # the commit as which each was merged or squashed
        self.had: dict[int, set[str]] = {}  # what the head of each had in the end
        self.dropped: dict[int, set[str]] = {}  # heads that force pushes took out of each
        self.events: list[tuple[str, dict[str, Any]]] = []
        for _ in range(self.random.randrange(50, 90)):
            self.time += timedelta(seconds=5)
            steps = (self.commit, self.commit, self.update, self.begin, self.end, self.amend)
            self.random.choice(steps)()
        for number in self.open:
            self.had[number] = self.reached(self.pulls[number][0])

    def commit(self) -> None:
        branch = self.random.choice(("main", *HEADS))
        self.push(branch, self.made(branch, self.tips.get(branch, self.tips["main"])))

    def update(self) -> None:
        """Merge one branch into another, as "Update branch" does."""
        into, source = self.random.choice(HEADS), self.random.choice(("main", *HEADS))
        if {into, source} <= self.tips.keys() and self.tips[source] not in self.reached(into):
            self.push(into, self.made("update", self.tips[into], self.tips[source]))

    def amend(self) -> None:
        """Force push another commit in the place of the last one, or nothing."""
        branch = self.random.choice(HEADS)
        tip = self.tips.get(branch)
        if tip is None or not self.parents[tip]:
            return
        onto = self.parents[tip][0]
        self.push(branch, self.random.choice((self.made(branch, onto), onto)), is_forced=True)
        for number in self.open:
            if self.pulls[number][0] == branch:
                self.dropped.setdefault(number, set()).add(tip)

    def begin(self) -> None:
        head, base = self.random.choice(HEADS), self.random.choice(("main", "main", *HEADS))
        is_free = all(self.pulls[number][0] != head for number in self.open)
        if not {head, base} <= self.tips.keys() or not is_free:
            return
        if self.reached(head) - self.reached(base):
            number = len(self.pulls) + 1
            self.pulls[number] = (head, base, self.time)
            self.open.add(number)
            self.look()
            self.tell(number, "opened")

    def end(self) -> None:
        if not self.open:
            return
        number = self.random.choice(sorted(self.open))
        head, base, _ = self.pulls[number]
        self.open.discard(number)
        self.had[number] = self.reached(head)
        is_squashed = self.random.random() < 0.3
        parents = (self.tips[base],) if is_squashed else (self.tips[base], self.tips[head])
        commit = self.landed[number] = self.made("merge", *parents)
        self.tell(number, "closed", state="closed", merged=True)
        if base == "main" and self.random.random() < 0.5:
            queue = f"gh-readonly-queue/main/pr-{number}-{'a' * 40}"
            self.push(queue, commit)
            del self.tips[queue]
        self.push(base, commit)

    def made(self, name: str, *parents: str) -> str:
        commit = f"{name} {len(self.parents)}"
        self.parents[commit] = parents
        return commit

    def reached(self, branch: str) -> set[str]:
        found: set[str] = set()
        waiting = [self.tips[branch]]
        while waiting:
            commit = waiting.pop()
            if commit not in found:
                found.add(commit)
                waiting += self.parents[commit]
        return found

    def push(self, branch: str, tip: str, *, is_forced: bool = False) -> None:
        is_created, before = branch not in self.tips, self.tips.get(branch, "")
        had = self.reached("main" if is_created else branch)
        self.tips[branch] = tip
        listed = [commit for commit in self.parents if commit in self.reached(branch) - had]
        payload = payloads.push(
            branch,
            listed,
            repo=payloads.repository("acme/shop"),
            pushed_at=int(self.time.timestamp()),
        )
        payload["created"] = is_created
        if is_forced:
            payload.update(forced=True, before=sha_of(before), after=sha_of(tip))
        for commit in payload["commits"]:
            commit["distinct"] = commit["message"] not in self.pushed
        self.pushed.update(listed)
        self.events.append(("push", payload))
        self.look()

    def look(self) -> None:
        """Read the pages of the open pull requests."""
        for number in self.open:
            head, base, _ = self.pulls[number]
            listed = self.reached(head) - self.reached(base)
            self.pages.setdefault(number, set()).update(listed)

    def tell(self, number: int, action: str, **more: Any) -> None:
        head, base, created_at = self.pulls[number]
        payload = payloads.pull_request(
            action,
            number,
            self.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            repo=payloads.repository("acme/shop"),
            branch=head,
            base=base,
            created_at=created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            body=f"experiment_key: number-{number}",
            **more,
        )
        if number in self.landed:
            payload["pull_request"]["merge_commit_sha"] = sha_of(self.landed[number])
        self.events.append(("pull_request", payload))


def sha_of(commit: str) -> str:
    return payloads.sha_of(f"acme/shop {commit}")


Linked = dict[str, tuple[str, bool]]  # where commits live, and whether they were replaced


async def linked(bot: Bot, history: History, *, shuffled: bool) -> dict[int, Linked]:
    """Deliver a history, to a repository of its own, and return what is linked in the end."""
    name = f"acme/shop-{next(_numbers)}"
    integration = await bot.integration()
    events = list(history.events)
    if shuffled:
        history.random.shuffle(events)
    for event, payload in events:
        text = payloads.encode(payload).decode().replace("acme/shop", name)
        identifier = payloads.number_of("acme/shop")
        body = text.replace(f'"id":{identifier},', f'"id":{payloads.number_of(name)},').encode()
        signed = payloads.headers(event, body, "a-webhook-secret-of-the-tests")
        answer = await bot.send(integration, body, signed)
        assert (answer.status, answer.body) == (200, {"processed": True})
    found = {}
    for number in history.pulls:
        page = f"/api/v1/experiments/number-{number}/commits"
        commits = await bot.walk(page, limit=200)
        found[number] = {
            one["message"]: (one["ref"].removeprefix("refs/heads/"), one["replaced"])
            for one in commits
            if one["repository"] == name
        }
    return found


def check(history: History, number: int, commits: Linked) -> None:
    """What is linked was listed or has landed, and what is replaced is to be found no more."""
    base = history.pulls[number][1]
    landed = history.landed.get(number)
    assert commits.keys() <= history.pages[number] | {landed}
    assert not any(ref.startswith("gh-readonly-queue") for ref, _ in commits.values())
    if base != "main":  # what another had from its beginning, no push tells
        return
    if landed is not None:
        assert not commits[landed][1]
    there = history.reached("main")
    for commit, (ref, is_replaced) in commits.items():
        assert (ref == "main") == (commit in there)
        is_dropped = commit not in history.had[number]
        if is_replaced:
            assert commit not in there
            assert is_dropped
        elif commit not in there:
            assert not is_dropped or commit not in history.dropped.get(number, ())


@each("seed", range(10))
async def test_random_histories(bot: Bot, seed: int) -> None:
    """Nothing is linked that the page never listed, and no order of arrival changes it."""
    history = History(seed)
    for number in history.pulls:
        await bot.experiment(f"number-{number}")
    in_order = await linked(bot, history, shuffled=False)
    for number, commits in in_order.items():
        check(history, number, commits)
    assert any(in_order.values())
    for _ in range(2):
        assert await linked(bot, history, shuffled=True) == in_order


def test_histories_are_worth_the_while() -> None:
    """There are pull requests in them, and pages with commits."""
    histories = [History(seed) for seed in range(15)]
    assert sum(len(history.pulls) for history in histories) > 30
    assert sum(len(page) for one in histories for page in one.pages.values()) > 100
