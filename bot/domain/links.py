"""Links: which items and commits belong to which experiment, and why."""

from collections.abc import Mapping, Sequence

from bot.domain import activity
from bot.domain.story import Item, Link, Snapshot
from bot.storage import activity as feed
from bot.storage import facts
from bot.storage import links as storage
from bot.storage.database import Row, Transaction

_FOREVER = 2**62


def of_item(transaction: Transaction, item: Item) -> dict[str, Link]:
    """Return the links of an item by experiment key."""
    return {
        row["experiment_key"]: Link(
            row["experiment_key"], row["linked_by"], row["linked_at"], row["integration_id"]
        )
        for row in storage.of_target(transaction, item.kind, item.id)
    }


def set_of_item(
    transaction: Transaction,
    item: Item,
    now: Snapshot,
    before: Mapping[str, Link],
    after: Mapping[str, Link],
) -> None:
    """Bring an item's links from `before` to `after`; the commits of its branch follow.

    `now` is the item's newest version, and what storage holds of it.
    """
    for key, link in after.items():
        old = before.get(key)
        if old is None:
            storage.add(
                transaction,
                key,
                item.kind,
                item.id,
                link.linked_by,
                link.linked_at,
                link.integration_id,
                state=now.state,
            )
        elif old != link:
            storage.change(transaction, key, item.kind, item.id, link.linked_by, link.linked_at)
    for key in before.keys() - after.keys():
        storage.remove(transaction, key, item.kind, item.id)
    if item.kind == "pull_request":
        for key in before.keys() - after.keys():
            _unlink_commits(transaction, key, storage.remove_via_item(transaction, key, item.id))
        if new := after.keys() - before.keys():
            follow_branch(transaction, now.head_repository_id, now.head_ref, (item.id, sorted(new)))


def link_commit(
    transaction: Transaction, commit: Row, keys: Sequence[str], ref: str, pushed_at: int
) -> None:
    """Link a commit to the keys of its message and to the pull requests of the branch `ref`."""
    for key in keys:
        _link_commit(transaction, commit, key, "message", None)
    repository_id = commit["repository_id"]
    pulls = facts.pull_requests_of_branch(transaction, repository_id, ref)
    for pull in pulls:
        since, until = _window(transaction, repository_id, ref, pull, pulls)
        if since < pushed_at <= until:
            for key in _keys_of(transaction, pull["id"]):
                _link_commit(transaction, commit, key, "branch", pull["id"])


def follow_branch(
    transaction: Transaction,
    repository_id: int | None,
    ref: str | None,
    only: tuple[int, Sequence[str]] | None = None,
) -> None:
    """Link what was pushed to a branch to its pull requests, each in its time, and nothing else.

    Called when a pull request's time has changed, which moves that of the next one on the same
    branch too; and, with `only` (item, keys), when links of one pull request are new.
    """
    if repository_id is None or ref is None:
        return
    commits = facts.commits_of_branch(transaction, repository_id, ref)
    if not commits:
        return
    pulls = facts.pull_requests_of_branch(transaction, repository_id, ref)
    outside: list[tuple[str, int]] = []
    for pull in pulls:
        if only is not None and pull["id"] != only[0]:
            continue
        keys = only[1] if only is not None else _keys_of(transaction, pull["id"])
        since, until = _window(transaction, repository_id, ref, pull, pulls)
        for commit in commits:
            for key in keys:
                if since < commit["on_branch_at"] <= until:
                    _link_commit(transaction, commit, key, "branch", pull["id"])
                elif storage.remove_via_item_of(transaction, key, pull["id"], commit["id"]):
                    outside.append((key, commit["id"]))
    for key, commit_id in outside:
        _unlink_commits(transaction, key, [commit_id])


def _keys_of(transaction: Transaction, item_id: int) -> list[str]:
    links = storage.of_target(transaction, "pull_request", item_id)
    return [link["experiment_key"] for link in links]


def _unlink_commits(transaction: Transaction, key: str, commit_ids: Sequence[int]) -> None:
    """Let the feed forget pushes whose link has gone, unless another pull request has them too."""
    for commit_id in commit_ids:
        feed.remove_of_commit(transaction, key, commit_id)
        commit = facts.get_commit(transaction, commit_id)
        for branch in facts.branches_of_commit(transaction, commit_id):
            link_commit(transaction, commit, (), branch["ref"], branch["pushed_at"])


def _window(
    transaction: Transaction, repository_id: int, ref: str, pull: Row, others: Sequence[Row]
) -> tuple[int, int]:
    """Return the times (since, until] in which a push to its branch belongs to a pull request.

    A branch may serve several pull requests in turn: the time begins where the one before ended,
    so that commits pushed before the pull request was opened belong to it too. On the default
    branch, where everything else goes by, it begins with the pull request itself.
    """
    until = pull["closed_at"] if pull["closed_at"] is not None else _FOREVER
    if facts.default_branch(transaction, repository_id) == ref:
        return pull["created_at"] - 1, until
    ends = [
        other["closed_at"]
        for other in others
        if other["id"] != pull["id"]
        and other["closed_at"] is not None
        and other["closed_at"] <= pull["created_at"]
    ]
    return max(ends, default=-_FOREVER), until


def _link_commit(
    transaction: Transaction,
    commit: Row,
    key: str,
    linked_by: str,
    via_item_id: int | None,
) -> None:
    added = storage.add(
        transaction,
        key,
        "commit",
        commit["id"],
        linked_by,
        commit["pushed_at"],
        commit["integration_id"],
        via_item_id=via_item_id,
    )
    if not added:
        return
    title = commit["message"].split("\n", 1)[0]
    news = activity.News(
        type="commit.pushed",
        experiment_key=key,
        occurred_at=commit["pushed_at"],
        actor=commit["actor"],
        summary=f"Pushed {commit['sha'][:7]}: {title or '(no message)'}",
        html_url=commit["html_url"],
        repository_id=commit["repository_id"],
        commit_id=commit["id"],
        guid=commit["guid"],
    )
    activity.record(transaction, [news])
