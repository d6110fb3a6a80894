"""Queries for links between experiments and items or commits."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot import times
from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.joined import (
    CountedRepositoryExperiment,
    KeyedExperiment,
    LinkedCommit,
    LinkedItem,
    ListedItem,
    PlacedItem,
    PullRequestDay,
    RepositoryExperiment,
    Target,
    UnresolvedKey,
    UnresolvedLink,
)
from bot.storage.query import Part, Place
from bot.storage.rows import Link

# By what lists of items go: when its state came about, and when it was last heard of at all.
_STATE_AT = """CASE
    WHEN state = 'merged' AND merged_at IS NOT NULL THEN merged_at
    WHEN state <> 'open' AND closed_at IS NOT NULL THEN closed_at
    ELSE version_at END"""
_LAST_AT = """CASE
    WHEN version_at >= COALESCE(merged_at, 0) AND version_at >= COALESCE(closed_at, 0)
        THEN version_at
    WHEN COALESCE(merged_at, 0) >= COALESCE(closed_at, 0) THEN merged_at
    ELSE closed_at END"""
_OF_COMMIT = """SELECT repository_id, committed_at AS state_at, committed_at AS last_at
    FROM commits WHERE id = :target_id"""
_OF_ITEM = f"""SELECT repository_id, {_STATE_AT} AS state_at, {_LAST_AT} AS last_at
    FROM items WHERE id = :target_id"""
_ADD = """INSERT INTO links (experiment_key, kind, target_id, state, linked_by, linked_at,
        via_item_id, integration_id, repository_id, state_at, last_at, resolved)
    SELECT :experiment_key, :kind, :target_id, :state, :linked_by, :linked_at, :via_item_id,
        :integration_id, target.repository_id, target.state_at, target.last_at,
        CASE WHEN EXISTS (SELECT 1 FROM experiments WHERE key = :experiment_key)
            THEN 1 ELSE 0 END
    FROM ({target}) AS target WHERE TRUE
    ON CONFLICT DO NOTHING"""
_ADD_COMMIT, _ADD_ITEM = _ADD.format(target=_OF_COMMIT), _ADD.format(target=_OF_ITEM)
_FOLLOW = f"""UPDATE links SET state = item.state, state_at = item.state_at, last_at = item.last_at
    FROM (SELECT state, {_STATE_AT} AS state_at, {_LAST_AT} AS last_at
        FROM items WHERE id = :target_id) AS item
    WHERE links.target_id = :target_id AND links.kind = :kind"""


def add(
    tx: Transaction,
    experiment_key: str,
    kind: str,
    target_id: int,
    linked_by: str,
    linked_at: int,
    integration_id: str,
    *,
    state: str | None = None,
    via_item_id: int | None = None,
) -> bool:
    """Add a link; False if it is there already."""
    return (
        tx.run(
            _ADD_COMMIT if kind == "commit" else _ADD_ITEM,
            {
                "experiment_key": experiment_key,
                "kind": kind,
                "target_id": target_id,
                "state": state,
                "linked_by": linked_by,
                "linked_at": linked_at,
                "via_item_id": via_item_id,
                "integration_id": integration_id,
            },
        )
        == 1
    )


def of_target(tx: Transaction, kind: str, target_id: int) -> list[Link]:
    return query.select(
        tx,
        Link,
        "SELECT * FROM links WHERE target_id = :target_id AND kind = :kind ORDER BY id",
        {"kind": kind, "target_id": target_id},
    )


def of_targets_with_experiments(
    tx: Transaction, kind: str, target_id: int
) -> list[KeyedExperiment]:
    """Return a target's links with `name` and `status`, null while there is no such experiment."""
    return query.select(
        tx,
        KeyedExperiment,
        """SELECT links.experiment_key, links.linked_by, experiments.name, experiments.status
            FROM links LEFT JOIN experiments ON experiments.key = links.experiment_key
            WHERE links.target_id = :target_id AND links.kind = :kind ORDER BY links.id""",
        {"kind": kind, "target_id": target_id},
    )


def change(tx: Transaction, experiment_key: str, kind: str, target_id: int, **columns: Any) -> None:
    key = {"target_id": target_id, "kind": kind, "experiment_key": experiment_key}
    query.change(tx, Link, key, columns)


def follow_item(tx: Transaction, kind: str, target_id: int) -> None:
    """Let the links of an item know its state and times, by which they are listed."""
    tx.run(_FOLLOW, {"kind": kind, "target_id": target_id})


def remove(tx: Transaction, experiment_key: str, kind: str, target_id: int) -> None:
    tx.run(
        """DELETE FROM links WHERE target_id = :target_id AND kind = :kind
            AND experiment_key = :experiment_key""",
        {"experiment_key": experiment_key, "kind": kind, "target_id": target_id},
    )


def add_to_commits(tx: Transaction, links: Sequence[Mapping[str, Any]]) -> None:
    """Add links of commits, which are not there yet."""
    tx.run_many(_ADD_COMMIT, [{"kind": "commit", "state": None, **link} for link in links])


def places_of_commits(tx: Transaction, commit_ids: Sequence[int]) -> dict[tuple[int, str], Link]:
    """Return the links of some commits by commit and experiment key."""
    sql = "SELECT * FROM links WHERE kind = 'commit' AND target_id IN ({names})"
    found = query.in_parts(tx, Link, sql, "id", commit_ids)
    return {(link.target_id, link.experiment_key): link for link in found}


def via_item(tx: Transaction, item_id: int, commit_ids: Sequence[int] | None = None) -> list[Link]:
    """Return the links of commits made through a pull request; with `commit_ids` of those only."""
    if commit_ids is None:
        return query.select(
            tx,
            Link,
            "SELECT * FROM links WHERE via_item_id = :item_id ORDER BY id",
            {"item_id": item_id},
        )
    places = places_of_commits(tx, commit_ids)
    return [link for link in places.values() if link.via_item_id == item_id]


def set_via_item(tx: Transaction, link_id: int, item_id: int | None) -> None:
    """Let a link of a commit be one through another pull request."""
    query.change(tx, Link, {"id": link_id}, {"via_item_id": item_id})


def set_resolved(tx: Transaction, experiment_key: str, *, resolved: bool) -> None:
    tx.run(
        """UPDATE links SET resolved = :resolved
            WHERE experiment_key = :experiment_key AND resolved <> :resolved""",
        {"experiment_key": experiment_key, "resolved": int(resolved)},
    )


_LINKED_ITEM = """links.id AS link_id, links.linked_by, links.linked_at,
        links.integration_id AS link_integration_id,
        repositories.full_name AS repository, items.*
    FROM links JOIN items ON items.id = links.target_id
    JOIN repositories ON repositories.id = items.repository_id"""


def items_of_experiment(
    tx: Transaction,
    experiment_key: str,
    kind: str,
    state: str | None,
    before: Place | None,
    limit: int,
) -> Part[ListedItem]:
    """Return linked items by what happened last, the latest first: of one state by when they
    came to it, of all by when they were last heard of. That time is `listed_at`.
    """
    at = "links.state_at" if state else "links.last_at"
    return query.page(
        tx,
        ListedItem,
        f"SELECT {at} AS listed_at, {_LINKED_ITEM}",
        {"experiment_key": experiment_key, "kind": kind, "state": state},
        {at: "listed_at", "links.id": "link_id"},
        before,
        limit,
        where=[
            "links.experiment_key = :experiment_key",
            "links.kind = :kind",
            "links.state = :state" if state else None,
        ],
    )


def item_of_experiment(
    tx: Transaction, experiment_key: str, kind: str, item_id: int
) -> LinkedItem | None:
    """Return one linked item as `items_of_experiment` does."""
    return query.first(
        tx,
        LinkedItem,
        f"""SELECT {_LINKED_ITEM} WHERE links.target_id = :item_id AND links.kind = :kind
            AND links.experiment_key = :experiment_key""",
        {"experiment_key": experiment_key, "kind": kind, "item_id": item_id},
    )


def commits_of_experiment(
    tx: Transaction, experiment_key: str, before: Place | None, limit: int
) -> Part[LinkedCommit]:
    """Return linked commits, the one committed last first. That time is `listed_at`."""
    return query.page(
        tx,
        LinkedCommit,
        """SELECT links.id AS link_id, links.last_at AS listed_at, links.linked_by,
                links.linked_at, repositories.full_name AS repository, commits.*
            FROM links JOIN commits ON commits.id = links.target_id
            JOIN repositories ON repositories.id = commits.repository_id""",
        {"experiment_key": experiment_key},
        {"links.last_at": "listed_at", "links.id": "link_id"},
        before,
        limit,
        where=["links.experiment_key = :experiment_key", "links.kind = 'commit'"],
    )


_TARGET = """repositories.full_name AS repository, items.number,
        COALESCE(items.title, commits.message) AS title, commits.sha,
        COALESCE(items.html_url, commits.html_url) AS html_url"""


def unresolved(tx: Transaction, before: Place | None, limit: int) -> Part[UnresolvedLink]:
    """Return links whose experiment does not exist, the newest first."""
    return query.page(
        tx,
        UnresolvedLink,
        f"""SELECT links.*, {_TARGET} FROM links
            LEFT JOIN items ON links.kind <> 'commit' AND items.id = links.target_id
            LEFT JOIN commits ON links.kind = 'commit' AND commits.id = links.target_id
            JOIN repositories
                ON repositories.id = COALESCE(items.repository_id, commits.repository_id)""",
        {},
        {"links.id": "id"},
        before,
        limit,
        where=["links.resolved = 0"],
    )


_COUNTED = 1000  # of one experiment in one repository; a list counts no further
_COUNTS_HERE = ", ".join(
    f"""(SELECT COUNT(*) FROM (SELECT 1 FROM links WHERE links.repository_id = :id
            AND links.experiment_key = found.key AND links.kind = '{kind}' {state}
            LIMIT {_COUNTED}) AS linked) AS {name}"""
    for name, kind, state in (
        ("open_pull_requests", "pull_request", "AND links.state = 'open'"),
        ("merged_pull_requests", "pull_request", "AND links.state = 'merged'"),
        ("issues", "issue", ""),
        ("commits", "commit", ""),
    )
)


def _of_repository(counts: str, is_behind: str | None = None) -> str:
    """Return the query of the experiments of a repository, which steps from key to key."""
    return f"""WITH RECURSIVE keys(key) AS (
            SELECT MIN(experiment_key) FROM links
                WHERE repository_id = :id {f"AND {is_behind}" if is_behind else ""}
            UNION ALL
            SELECT (SELECT MIN(experiment_key) FROM links
                    WHERE repository_id = :id AND experiment_key > keys.key)
                FROM keys WHERE keys.key IS NOT NULL)
        SELECT found.key, experiments.name, experiments.status, experiments.last_activity {counts}
        FROM (SELECT key FROM keys WHERE key IS NOT NULL LIMIT :limit) AS found
        LEFT JOIN experiments ON experiments.key = found.key ORDER BY found.key"""


def keys_of_repository(
    tx: Transaction, repository_id: int, limit: int
) -> list[RepositoryExperiment]:
    """Return the keys linked in a repository, in their order, `limit` at most."""
    sql = _of_repository("")
    return query.select(tx, RepositoryExperiment, sql, {"id": repository_id, "limit": limit})


def experiments_of_repository(
    tx: Transaction, repository_id: int, after: Place | None, limit: int
) -> Part[CountedRepositoryExperiment]:
    """Return the keys linked in a repository, in their order, with how much is linked there."""
    is_behind, place = query.behind(["experiment_key"], after, ">")
    rows = query.select(
        tx,
        CountedRepositoryExperiment,
        _of_repository(f", {_COUNTS_HERE}", is_behind),
        {"id": repository_id, "limit": limit + 1, **place},
    )
    return query.part(rows, limit, ["key"])


def items_of_repository(
    tx: Transaction, repository_id: int, kind: str, before: Place | None, limit: int
) -> Part[PlacedItem]:
    """Return a repository's linked items: open before merged before closed, each by what happened
    last, which is `state_at`.
    """
    is_behind, place = query.behind(["state", "state_at", "target_id"], before)
    rows = query.select(
        tx,
        PlacedItem,
        f"""SELECT items.*, found.state_at FROM (SELECT DISTINCT state, state_at, target_id
                FROM links WHERE repository_id = :id AND kind = :kind AND state IS NOT NULL
                {f"AND {is_behind}" if is_behind else ""}
                ORDER BY state DESC, state_at DESC, target_id DESC LIMIT :limit) AS found
            JOIN items ON items.id = found.target_id
            ORDER BY found.state DESC, found.state_at DESC, found.target_id DESC""",
        {"id": repository_id, "kind": kind, "limit": limit + 1, **place},
    )
    return query.part(rows, limit, ["state", "state_at", "id"])


def keys_of_targets(tx: Transaction, kind: str, target_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return the keys that each of some targets is linked to."""
    found: dict[int, list[str]] = {target_id: [] for target_id in target_ids}
    links = query.in_parts(
        tx,
        Link,
        "SELECT * FROM links WHERE kind = :kind AND target_id IN ({names}) ORDER BY id",
        "id",
        list(found),
        {"kind": kind},
    )
    for link in links:
        found[link.target_id].append(link.experiment_key)
    return found


def unresolved_keys(
    tx: Transaction, text: str, after: Place | None, limit: int
) -> Part[UnresolvedKey]:
    """Return the keys that no experiment has, in their order, with how many links wait for each.

    `text` is a part of a key. `first_at` is when the first of the links was made.
    """
    counts = ", ".join(
        f"SUM(CASE WHEN kind = '{kind}' THEN 1 ELSE 0 END) AS {kind}s"
        for kind in ("pull_request", "issue", "commit")
    )
    is_behind, place = query.behind(["experiment_key"], after, ">")
    rows = query.select(
        tx,
        UnresolvedKey,
        f"""SELECT experiment_key, {counts}, MIN(linked_at) AS first_at FROM links
            WHERE resolved = 0
                {"AND LOWER(experiment_key) LIKE :pattern ESCAPE '!'" if text else ""}
                {f"AND {is_behind}" if is_behind else ""}
            GROUP BY experiment_key ORDER BY experiment_key LIMIT :limit""",
        {"pattern": query.containing(text.lower()), "limit": limit + 1, **place},
    )
    return query.part(rows, limit, ["experiment_key"])


def some_of_key(tx: Transaction, experiment_key: str, limit: int) -> list[Target]:
    """Return what some links of a key lead to, pull requests first."""
    return query.select(
        tx,
        Target,
        f"""SELECT few.kind, {_TARGET}
            FROM (SELECT * FROM links WHERE experiment_key = :experiment_key
                ORDER BY kind DESC, last_at DESC, id DESC LIMIT :limit) AS few
            LEFT JOIN items ON few.kind <> 'commit' AND items.id = few.target_id
            LEFT JOIN commits ON few.kind = 'commit' AND commits.id = few.target_id
            JOIN repositories ON repositories.id = few.repository_id
            ORDER BY few.kind DESC, few.last_at DESC, few.id DESC""",
        {"experiment_key": experiment_key, "limit": limit},
    )


def any_unresolved(tx: Transaction) -> bool:
    """Tell whether a link waits for its experiment."""
    return query.value(tx, "SELECT 1 FROM links WHERE resolved = 0 LIMIT 1") is not None


def any_pull_request(tx: Transaction) -> bool:
    """Tell whether an experiment has a pull request."""
    found = query.value(
        tx,
        """SELECT 1 FROM experiments WHERE EXISTS (SELECT 1 FROM links
            WHERE links.experiment_key = experiments.key AND links.kind = 'pull_request')
            LIMIT 1""",
    )
    return found is not None


def counts_by_state(tx: Transaction, experiment_key: str) -> dict[str, dict[str, int]]:
    """Return how many pull requests and issues of each state an experiment has."""
    found: dict[str, dict[str, int]] = {"pull_request": {}, "issue": {}}
    for row in tx.all(
        """SELECT kind, state, COUNT(*) AS count FROM links
            WHERE experiment_key = :key AND kind IN ('pull_request', 'issue')
                AND state IS NOT NULL
            GROUP BY kind, state""",
        {"key": experiment_key},
    ):
        found[row["kind"]][row["state"]] = row["count"]
    return found


def counts_by_kind(tx: Transaction, experiment_key: str) -> dict[str, int]:
    """Return how many links of each kind name a key."""
    found = {"pull_request": 0, "issue": 0, "commit": 0}
    for row in tx.all(
        "SELECT kind, COUNT(*) AS count FROM links WHERE experiment_key = :key GROUP BY kind",
        {"key": experiment_key},
    ):
        found[row["kind"]] = row["count"]
    return found


def pull_request_days(tx: Transaction, experiment_key: str) -> list[PullRequestDay]:
    """Return how many of all its pull requests were opened and merged on which day of UTC.

    Days are counted from 1970; `merged` is null for those that were not. It is one pass over the
    experiment's links; items are looked up one by one, so that nobody reads all there are.
    """
    return query.select(
        tx,
        PullRequestDay,
        """SELECT (SELECT created_at FROM items WHERE items.id = links.target_id) / :day AS opened,
                CASE WHEN state = 'merged' THEN
                    (SELECT merged_at FROM items WHERE items.id = links.target_id) / :day
                END AS merged,
                COUNT(*) AS count
            FROM links WHERE experiment_key = :key AND kind = 'pull_request' GROUP BY 1, 2""",
        {"key": experiment_key, "day": 86_400 * times.SECOND},
    )


def keys_of_versions_after(tx: Transaction, version_id: int, limit: int) -> list[str]:
    """Return the keys of what some deliveries have told of, from the first after a version."""
    return query.values(
        tx,
        """SELECT DISTINCT links.experiment_key
            FROM (SELECT item_id FROM versions WHERE id > :id ORDER BY id LIMIT :limit) AS told
            JOIN items ON items.id = told.item_id
            JOIN links ON links.target_id = items.id AND links.kind = items.kind""",
        {"id": version_id, "limit": limit},
    )
