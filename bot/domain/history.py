"""Decides, without touching storage, what a pull request's or issue's versions amount to.

GitHub delivers late, twice and out of order. Every delivery that tells something of an item is
one version of it. What somebody decided by hand, through the API or a command, or what was found
in the code, has its place in the history after the version that was the newest then. What is known
after each of them is a History, which the next one takes a step on (`apply`, `decide`); stories.py
says from where on, so that any order of arrival ends in the same facts, links and feed.

What was read from GitHub later (`fetched`) is a version like any other, but tells the feed only
what it can date: that the item was merged or closed, and what links it. A story that is known from
such a version alone begins with one that says when the item was made: whatever comes next was so
from then on, unless it is the delivery of that very moment.
"""

from dataclasses import dataclass, field

import msgspec

from bot.domain.activity import News, Type
from bot.storage import Decision, Item, Known, Snapshot, Tie
from bot.storage.columns import MADE

_TYPES = {
    one.name: one
    for one in (
        Type("pull_request.opened", 2, "+", "Opened {subject}"),
        Type("pull_request.linked", 3, "∞", "Linked {subject}"),
        Type("pull_request.updated", 4, "↑", "New commits in {subject}"),
        Type("pull_request.ready_for_review", 5, "?", "Ready for review: {subject}"),
        Type("pull_request.merged", 6, "✓", "Merged {subject}"),
        Type("pull_request.closed", 6, "✕", "Closed {subject}"),
        Type("pull_request.reopened", 6, "↺", "Reopened {subject}"),
        Type("pull_request.unlinked", 7, "⊘", "Unlinked {subject}"),
        Type("issue.linked", 3, "∞", "Linked {subject}"),
        Type("issue.labeled", 4, "#", "Labeled {subject} ({labels})"),
        Type("issue.closed", 6, "✓", "Closed {subject}"),
        Type("issue.reopened", 6, "↺", "Reopened {subject}"),
        Type("issue.unlinked", 7, "⊘", "Unlinked {subject}"),
    )
}


# What a version that is silent about it has from the one before.
CARRIED = (
    "title",
    "html_url",
    "state",
    "draft",
    "author",
    "author_writes",
    "head_repository_id",
    "head_ref",
    "head_sha",
    "base_ref",
    "labels",
    "created_at",
)


@dataclass(slots=True)
class History:
    """What is known after some versions: the facts, the links and what the feed has to say.

    See `Known` for the kinds of links; `news` is what came of the steps that were taken.
    """

    facts: Snapshot | None = None
    named: dict[str, Tie] = field(default_factory=dict)
    by_hand: dict[str, Tie] = field(default_factory=dict)
    code: dict[str, Tie] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    cut_code: dict[str, str] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)

    @property
    def links(self) -> dict[str, Tie]:
        """All links by key: one made by hand goes before one that the text names, then the code."""
        if not self.code:
            return {**self.named, **self.by_hand}
        code = {key: tie for key, tie in self.code.items() if key not in self.cut_code}
        return {**code, **self.named, **self.by_hand}

    def holds_without_text(self, key: str) -> bool:
        """Tell whether a key is linked whatever the text says."""
        return key in self.by_hand or (key in self.code and key not in self.cut_code)

    @classmethod
    def of(cls, known: Known, told: Snapshot | None) -> "History":
        """Return the history up to a version that told this, or a decision, as it was kept."""
        facts = known.facts or told
        return cls(
            facts,
            dict(known.named),
            dict(known.by_hand),
            dict(known.code),
            set(known.cut),
            dict(known.cut_code),
        )

    def known(self, told: Snapshot | None) -> Known:
        """Return what is to be kept of it beside a version that told this, or a decision."""
        return Known(
            facts=None if self.facts == told else self.facts,
            named=dict(self.named),
            by_hand=dict(self.by_hand),
            cut=tuple(sorted(self.cut)),
            code=dict(self.code),
            cut_code=dict(self.cut_code),
        )

    def tell(
        self,
        item: Item,
        verb: str,
        key: str,
        told: Snapshot | Decision,
        time: int,
        *,
        backfilled: bool = False,
        **values: str,
    ) -> None:
        """Add to the feed what a version or decision has brought about for a key."""
        assert self.facts is not None
        noun = _NOUNS[item.kind]
        subject = f"{noun} #{item.number}: {self.facts.title or '(no title)'}"
        type_ = _TYPES[f"{item.kind}.{verb}"]
        self.news.append(
            News(
                type=type_,
                experiment_key=key,
                occurred_at=time,
                actor=told.actor,
                summary=type_.says(subject=subject, **values),
                html_url=self.facts.html_url,
                repository_id=item.repository_id,
                item_id=item.id,
                guid=told.guid,
                backfilled=backfilled,
            )
        )


def apply(history: History, item: Item, snapshot: Snapshot, now: Snapshot | None = None) -> None:
    """Take `history` one version on, in place; `snapshot` is not older than what it holds.

    `now` is what is known with it, where the caller has carried that forward.
    """
    if snapshot.action == MADE:
        history.facts = history.facts or snapshot
        return
    before, made_at = history.facts, None
    is_begun = before is not None and before.action == MADE
    if before is not None and is_begun:
        made_at = before.created_at if snapshot.action != "opened" else None
        snapshot = _made(before, snapshot)
        before = None
    now = history.facts = now or carried_forward(before, snapshot)
    since, is_late = (now.at, now.fetched) if made_at is None else (made_at, True)
    history.cut &= now.keys.keys()
    named = {key: source for key, source in now.keys.items() if key not in history.cut}
    for key in [key for key in history.named if key not in named]:
        del history.named[key]
        if not history.holds_without_text(key):
            history.tell(item, "unlinked", key, now, now.at, backfilled=now.fetched)
    for key, source in named.items():
        old = history.named.get(key)
        if old is None and not history.holds_without_text(key):
            history.tell(item, "linked", key, now, since, backfilled=is_late)
        linked_at = since if old is None else old.linked_at
        seen_by = now.integration_id if old is None else old.integration_id
        history.named[key] = Tie(source, linked_at, seen_by)
    find_changes = _in_pull_request if item.kind == "pull_request" else _in_issue
    told = [(*one, now.fetched) for one in (() if now.fetched else find_changes(before, now))]
    if made_at is not None and item.kind == "pull_request":
        told.append(("opened", made_at, {}, True))
    is_untold = now.fetched or (is_begun and now.action != "closed")
    told += [(*one, is_untold) for one in _of_state(before, now, is_begun=is_begun)]
    keys = sorted(history.links)
    for verb, time, values, backfilled in told:
        for key in keys:
            history.tell(item, verb, key, now, time, backfilled=backfilled, **values)


def _made(beginning: Snapshot, snapshot: Snapshot) -> Snapshot:
    """Return the first version of a story whose beginning is known."""
    if snapshot.created_at is not None:
        return snapshot
    return msgspec.structs.replace(snapshot, created_at=beginning.created_at)


def decide(history: History, item: Item, decision: Decision) -> None:
    """Take `history` one decision on, in place; it has at least one version."""
    assert history.facts is not None
    key = decision.experiment_key
    was_linked = key in history.links
    _DECIDED[decision.verb](history, item, decision)
    if (key in history.links) != was_linked:
        verb = "unlinked" if was_linked else "linked"
        history.tell(item, verb, key, decision, decision.made_at)


def _link(history: History, item: Item, decision: Decision) -> None:
    key = decision.experiment_key
    history.cut.discard(key)
    history.cut_code.pop(key, None)
    made, before = _tie(decision), history.by_hand.get(key)
    if before is None:
        history.by_hand[key] = made
    elif (before.linked_by, made.linked_by) == ("api", "command"):  # the stronger is told
        history.by_hand[key] = msgspec.structs.replace(before, linked_by="command")


def _unlink(history: History, item: Item, decision: Decision) -> None:
    assert history.facts is not None
    key = decision.experiment_key
    history.named.pop(key, None)
    history.by_hand.pop(key, None)
    if key in history.facts.keys:
        history.cut.add(key)
    if item.kind == "pull_request":  # whether its code was read by then, or is only later
        history.cut_code[key] = history.facts.head_sha or ""


def _find(history: History, item: Item, decision: Decision) -> None:
    assert history.facts is not None
    key = decision.experiment_key
    if key not in history.code and history.cut_code.get(key) != (history.facts.head_sha or ""):
        history.cut_code.pop(key, None)  # it was not there when that was decided
    history.code.setdefault(key, _tie(decision))


def _lose(history: History, item: Item, decision: Decision) -> None:
    key = decision.experiment_key
    history.code.pop(key, None)
    history.cut_code.pop(key, None)


def _tie(decision: Decision) -> Tie:
    return Tie(decision.made_by, decision.made_at, decision.integration_id)


_DECIDED = {"link": _link, "unlink": _unlink, "found": _find, "lost": _lose}
_NOUNS = {"pull_request": "pull request", "issue": "issue"}


def carried_forward(before: Snapshot | None, snapshot: Snapshot) -> Snapshot:
    """Return `snapshot` with what it is silent about taken from the version before it."""
    values = (
        {name: getattr(before, name) for name in CARRIED if getattr(snapshot, name) is None}
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
    if state == "merged" and before is not None:
        values["merge_sha"] = snapshot.merge_sha or before.merge_sha
    if before is not None:
        is_other_base = snapshot.base_ref not in (None, before.base_ref)
        is_retargeted = is_other_base and before.base_ref is not None
        values["base_since"] = snapshot.at if is_retargeted else before.base_since
    if snapshot.created_at is None and values.get("created_at") is None:
        values["created_at"] = snapshot.at
    return msgspec.structs.replace(snapshot, **values)


# The feed's verb, the time, and what its words have gaps for beside the subject
_Change = tuple[str, int, dict[str, str]]


def _of_state(before: Snapshot | None, now: Snapshot, *, is_begun: bool) -> list[_Change]:
    """Return how the state has changed. Where an item `is_begun` it was open in the beginning."""
    if before is not None:
        old = before.state
    else:  # of the first version seen, what its action implies
        usual = "open" if is_begun else now.state
        old = {"closed": "open", "reopened": "closed"}.get(now.action, usual)
    if now.state == old:
        return []
    if now.state == "merged":
        return [("merged", now.merged_at or now.at, {})]
    if now.state == "closed":
        return [("closed", now.closed_at or now.at, {})]
    return [] if now.fetched else [("reopened", now.at, {})]


def _in_pull_request(before: Snapshot | None, now: Snapshot) -> list[_Change]:
    changes: list[_Change] = []
    if now.action == "opened" and (before is None or before.action != "opened"):
        changes.append(("opened", now.created_at or now.at, {}))
    if before is None:
        has_new_commits = now.action == "synchronize"
        is_made_ready = now.action == "ready_for_review"
    else:
        has_new_commits = bool(before.head_sha) and before.head_sha != now.head_sha
        is_made_ready = bool(before.draft) and not now.draft
    if has_new_commits:
        changes.append(("updated", now.at, {}))
    if is_made_ready:
        changes.append(("ready_for_review", now.at, {}))
    return changes


def _in_issue(before: Snapshot | None, now: Snapshot) -> list[_Change]:
    if before is not None:
        labels = [name for name in now.labels or () if name not in (before.labels or ())]
    else:
        labels = [now.label] if now.action == "labeled" and now.label else []
    return [("labeled", now.at, {"labels": ", ".join(labels)})] if labels else []
