"""The code of pull requests: when it is read, and what is known of it.

The diff of an open pull request is read once for each head and base (bot/outbox/diff.py).
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from bot import storage as store
from bot import times
from bot.domain import actions, fingerprints
from bot.domain.last_references import removes_last
from bot.domain.rules import code_is_on
from bot.github.names import permalink

CODE = actions.Kind(
    "code", title="Code of a pull request", priority=0, follows_rules=True, in_bulk=True
)
Status = Literal["read", "partial", "off", "pending"]
# Between the readings of many pull requests: of those of the past, and of those of a repository.
_LEISURE, _STEADILY = 12 * times.SECOND, 2 * times.SECOND
_TOO_LATE = store.Unread("it was closed before its last commits were read")


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be read: the head of a pull request and the branch that it leads into."""

    head_sha: str
    base_ref: str


@dataclass(frozen=True, slots=True)
class Code:
    """What is known of the code of a pull request, for whoever shows it.

    Its references are of the commits `head_sha` and `base_sha`, the merge base.
    """

    status: Status = "off"
    references: Sequence[store.DiffReference] = ()
    unread: Sequence[store.Unread] = ()
    unread_count: int = 0
    base_sha: str | None = None
    head_sha: str | None = None
    last: Collection[str] = ()  # keys whose last references in the repository it removes

    def of_key(self, key: str) -> list[store.DiffReference]:
        """Return the references of one experiment."""
        return [one for one in self.references if one.experiment_key == key]


UNREAD = Code()


def target_of(item: store.Item) -> Target | None:
    """Return what is to be read of an item, None if nothing is."""
    is_open = item.kind == "pull_request" and item.state == "open" and item.gone_at is None
    return Target(item.head_sha, item.base_ref or "") if is_open and item.head_sha else None


def item_changed(
    tx: store.Transaction,
    item: store.Item,
    before: store.Item | None,
    integration_id: str,
    *,
    fetched: bool = False,
) -> None:
    """Have the code of a pull request read if there is something new to read; `before`: as it was.

    `integration_id` has told of it. What is `fetched` is of the past, and has its turn in time.
    """
    target = target_of(item)
    if target is None or (before is not None and target_of(before) == target):
        return
    integration = _reading(tx, item, integration_id)
    if integration is None:
        return
    # That it was read before, which is seldom, costs no call: its action sees to that.
    now = times.now()
    at = store.backfills.take_slot(tx, integration.credential, now, _LEISURE) if fetched else now
    ask(tx, integration, item, after=at - now)


def ask_where_unread(tx: store.Transaction, item: store.Item, integration_id: str | None) -> None:
    """Have the code of a pull request read unless it was."""
    target = target_of(item)
    integration = _reading(tx, item, integration_id) if target is not None else None
    if integration is None:
        return
    read = store.diffs.find(tx, item.id)
    if read is None or Target(read.head_sha, read.base_ref) != target:
        ask(tx, integration, item)


def _reading(
    tx: store.Transaction, item: store.Item, integration_id: str | None
) -> store.Integration | None:
    """Return who reads the code of a pull request, None if nobody does."""
    found = actions.acting(tx, item, integration_id)
    if (
        found is None
        or not code_is_on(tx, found, item.repository_id)
        or store.vocabulary.is_empty(tx)
    ):
        return None
    return found


def ask(
    tx: store.Transaction,
    integration: store.Integration,
    item: store.Item,
    *,
    look: int = 1,
    after: int = 0,
) -> None:
    """Enqueue the reading. `look` counts the times that GitHub has answered for an older head.

    `after` is how long to wait before, in microseconds.
    """
    wanted = actions.Wanted(
        kind=CODE,
        request={"look": look, "head_sha": item.head_sha},
        ordering_key=_name_of(item),  # holds nothing up
        dedup_key=_name_of(item),
        item_id=item.id,
        number=item.number,
        after=after,
    )
    actions.enqueue(tx, integration, item.repository_id, wanted)


def look_again(tx: store.Transaction, repository_id: int, names: Collection[str] | None) -> int:
    """Have open pull requests of a repository read that may hold one of some names; None: all.

    So are those that were never read. Returns how many there are.
    """
    read = {one.item_id: one for one in store.diffs.of_repository(tx, repository_id)}
    asked: list[tuple[store.Integration, store.Item]] = []
    for item in store.items.open_in(tx, repository_id):
        diff = read.get(item.id)
        is_hopeless = diff is not None and not _may_hold(diff, names)
        if is_hopeless or target_of(item) is None:
            continue
        integration = _reading(tx, item, item.integration_id)
        if integration is not None:
            asked.append((integration, item))
    _ask_in_turn(tx, asked)
    return len(asked)


def _may_hold(diff: store.Diff, names: Collection[str] | None) -> bool:
    return names is None or fingerprints.may_hold(diff.words, names)


def _ask_in_turn(
    tx: store.Transaction, asked: Sequence[tuple[store.Integration, store.Item]]
) -> None:
    """Ask for readings with pauses between all those of a credential, in whichever repositories.

    Its comments and checks wait in the same queue. What waits already keeps its turn.
    """
    waiting = store.actions.pending_among(tx, [_name_of(item) for _, item in asked])
    new = Counter(who.credential for who, item in asked if _name_of(item) not in waiting)
    now = times.now()
    after = {
        one: store.backfills.take_slot(tx, f"{one}:code", now, count * _STEADILY) - now
        for one, count in new.items()
    }
    for who, item in asked:
        ask(tx, who, item, after=after.get(who.credential, 0))
        if _name_of(item) not in waiting:
            after[who.credential] += _STEADILY


def _name_of(item: store.Item) -> str:
    return f"{CODE.name}:{item.id}"


def code_of(tx: store.Transaction, item: store.Item) -> Code:
    """Return what is known of the code of a pull request."""
    integration = actions.acting(tx, item, None)
    diff = store.diffs.find(tx, item.id)
    is_off = integration is None or not code_is_on(tx, integration, item.repository_id)
    if diff is None:
        if is_off or item.state != "open":
            return Code("off")
        return Code("pending")
    is_current = (diff.head_sha, diff.base_ref) == (item.head_sha, item.base_ref or "")
    status: Status = diff.status
    unread, count = diff.unread, diff.unread_count
    if not is_current and item.state != "open":
        status, unread, count = "partial", (_TOO_LATE, *unread), count + 1
    elif is_off:
        status = "off"
    elif not is_current:
        status = "pending"
    # Of an older head of an open one they say nothing: their lines are others by now.
    is_shown = is_current or item.state != "open"
    references = store.diffs.references_of(tx, item.id) if is_shown else []
    removed = {one.experiment_key for one in references if one.change == "removed"}
    removed -= {one.experiment_key for one in references if one.change == "added"}
    return Code(
        status=status,
        references=references,
        unread=unread,
        unread_count=count,
        base_sha=diff.base_sha,
        head_sha=diff.head_sha,
        last=[
            key
            for key in sorted(removed)
            if status == "read" and removes_last(tx, item.repository_id, item.id, key)
        ],
    )


def address_of(
    repository: store.Repository, item: store.Item, code: Code, one: store.DiffReference
) -> str:
    """Return the address of a line on GitHub, for good; of the diff where that is not known."""
    sha = code.base_sha if one.change == "removed" else code.head_sha
    if sha is None:
        return f"{item.html_url}/files"
    return permalink(repository.host, repository.full_name, sha, one.path, one.line)
