"""Decides, without touching storage, what a pull request's or issue's versions amount to.

GitHub delivers late, twice and out of order. Every delivery that tells something of an item is
one version of it. A version newer than all others is one `step` on from what is known; one that
arrives late is sorted among its neighbours and the whole story is told again (`retell`), so that
any order of arrival ends in the same facts, links and feed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from bot.domain.activity import News

Kind = Literal["pull_request", "issue"]
BY_HAND = frozenset({"command", "api"})  # links that stay, whatever the text says

# Within one second GitHub's `updated_at` cannot tell what came first, but some actions can.
_RANKS = {"opened": 0, "closed": 2, "reopened": 2, "deleted": 3}


@dataclass(frozen=True, slots=True)
class Item:
    """A pull request or an issue."""

    id: int
    repository_id: int
    kind: Kind
    number: int


@dataclass(frozen=True, slots=True)
class Link:
    """A link of an item to an experiment, from `linked_at` on."""

    key: str
    linked_by: str
    linked_at: int
    integration_id: str


class Snapshot(msgspec.Struct, omit_defaults=True, frozen=True):
    """What one delivery says of an item; None where it is silent. Times in microseconds.

    `keys` maps each experiment key that the text names to what names it (`body` or `title`).
    """

    guid: str
    at: int
    action: str
    integration_id: str
    keys: dict[str, str]
    title: str | None = None
    html_url: str | None = None
    state: str | None = None  # open, closed, merged
    draft: bool | None = None
    author: str | None = None
    actor: str | None = None
    head_repository_id: int | None = None
    head_ref: str | None = None
    head_sha: str | None = None
    base_ref: str | None = None
    labels: list[str] | None = None
    label: str | None = None  # the one that a `labeled` event is about
    created_at: int | None = None
    closed_at: int | None = None
    merged_at: int | None = None

    @property
    def order(self) -> tuple[int, int]:
        """The place of this version among the others of its item."""
        return (self.at, _RANKS.get(self.action, 1))


_CARRIED = (
    "title",
    "html_url",
    "state",
    "draft",
    "author",
    "head_repository_id",
    "head_ref",
    "head_sha",
    "base_ref",
    "labels",
    "created_at",
)


@dataclass(slots=True)
class Story:
    """What is known after some versions: the facts, the links and what the feed has to say.

    `named` are the links that follow the text, `by_hand` those that do not.
    """

    facts: Snapshot | None = None
    named: dict[str, Link] = field(default_factory=dict)
    by_hand: Mapping[str, Link] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)

    @property
    def links(self) -> dict[str, Link]:
        """All links by key; one made by hand goes before one that the text names."""
        return {**self.named, **self.by_hand}


def step(story: Story, item: Item, snapshot: Snapshot) -> None:
    """Take `story` one version on, in place; `snapshot` is not older than what it holds."""
    before, now = story.facts, carried_forward(story.facts, snapshot)
    subject = f"{_NOUNS[item.kind]} #{item.number}: {now.title or '(no title)'}"
    by_hand = {key for key, link in story.by_hand.items() if link.linked_at <= now.at}

    def tell(verb: str, key: str, summary: str, time: int) -> None:
        story.news.append(
            News(
                type=f"{item.kind}.{verb}",
                experiment_key=key,
                occurred_at=time,
                actor=now.actor,
                summary=summary,
                html_url=now.html_url,
                repository_id=item.repository_id,
                item_id=item.id,
                guid=now.guid,
            )
        )

    for key in [key for key in story.named if key not in now.keys]:
        del story.named[key]
        if key not in by_hand:
            tell("unlinked", key, f"Unlinked {subject}", now.at)
    for key, source in now.keys.items():
        old = story.named.get(key)
        if old is None and key not in by_hand:
            tell("linked", key, f"Linked {subject}", now.at)
        since = now.at if old is None else old.linked_at
        seen_by = now.integration_id if old is None else old.integration_id
        story.named[key] = Link(key, source, since, seen_by)
    changes = (_pull_request_changes if item.kind == "pull_request" else _issue_changes)(
        before, now
    )
    for verb, summary, time in changes:
        for key in sorted({*story.named, *by_hand}):
            tell(verb, key, summary.format(subject), time)
    story.facts = now


def retell(item: Item, by_hand: Mapping[str, Link], versions: Sequence[Snapshot]) -> Story:
    """Tell an item's story from its beginning, `versions` in their true order."""
    story = Story(by_hand=by_hand)
    for version in versions:
        step(story, item, version)
    return story


_NOUNS = {"pull_request": "pull request", "issue": "issue"}


def carried_forward(before: Snapshot | None, snapshot: Snapshot) -> Snapshot:
    """Return `snapshot` with what it is silent about taken from the version before it."""
    values = (
        {name: getattr(before, name) for name in _CARRIED if getattr(snapshot, name) is None}
        if before
        else {}
    )
    state = snapshot.state or values.get("state") or "open"
    closed_at, merged_at = snapshot.closed_at, snapshot.merged_at
    if state == "open":
        closed_at = merged_at = None
    else:
        if before and before.state == state:
            closed_at, merged_at = closed_at or before.closed_at, merged_at or before.merged_at
        closed_at = closed_at or merged_at or snapshot.at
        merged_at = (merged_at or closed_at) if state == "merged" else None
    values.update(state=state, closed_at=closed_at, merged_at=merged_at)
    if snapshot.created_at is None and values.get("created_at") is None:
        values["created_at"] = snapshot.at
    return msgspec.structs.replace(snapshot, **values)


def _old_state(before: Snapshot | None, now: Snapshot) -> str | None:
    """Return the state before this version; of the first one seen, what its action implies."""
    if before is not None:
        return before.state
    return {"closed": "open", "reopened": "closed"}.get(now.action, now.state)


def _pull_request_changes(before: Snapshot | None, now: Snapshot) -> list[tuple[str, str, int]]:
    """Return what a version changed: the feed's verb, a summary of `{}` and the time."""
    changes = []
    if now.action == "opened" and (before is None or before.action != "opened"):
        changes.append(("opened", "Opened {}", now.created_at or now.at))
    if before is None:
        has_new_commits, is_made_ready = (
            now.action == "synchronize",
            now.action == "ready_for_review",
        )
    else:
        has_new_commits = bool(before.head_sha) and before.head_sha != now.head_sha
        is_made_ready = bool(before.draft) and not now.draft
    if has_new_commits:
        changes.append(("updated", "New commits in {}", now.at))
    if is_made_ready:
        changes.append(("ready_for_review", "Ready for review: {}", now.at))
    if now.state != _old_state(before, now):
        if now.state == "merged":
            changes.append(("merged", "Merged {}", now.merged_at or now.at))
        elif now.state == "closed":
            changes.append(("closed", "Closed {}", now.closed_at or now.at))
        else:
            changes.append(("reopened", "Reopened {}", now.at))
    return changes


def _issue_changes(before: Snapshot | None, now: Snapshot) -> list[tuple[str, str, int]]:
    """Return what a version changed: the feed's verb, a summary of `{}` and the time."""
    changes = []
    if before is not None:
        labels = [name for name in now.labels or () if name not in (before.labels or ())]
    else:
        labels = [now.label] if now.action == "labeled" and now.label else []
    if labels:
        names = ", ".join(labels).replace("{", "{{").replace("}", "}}")
        changes.append(("labeled", f"Labeled {{}} ({names})", now.at))
    if now.state != _old_state(before, now):
        if now.state == "open":
            changes.append(("reopened", "Reopened {}", now.at))
        else:
            changes.append(("closed", "Closed {}", now.closed_at or now.at))
    return changes
