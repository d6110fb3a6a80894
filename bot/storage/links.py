"""Queries for links between experiments and items or commits."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot import times
from bot.storage.database import Row, Transaction, placeholders

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


def of_target(tx: Transaction, kind: str, target_id: int) -> Sequence[Row]:
    return tx.all(
        "SELECT * FROM links WHERE target_id = :target_id AND kind = :kind ORDER BY id",
        {"kind": kind, "target_id": target_id},
    )


def of_targets_with_experiments(tx: Transaction, kind: str, target_id: int) -> Sequence[Row]:
    """Return a target's links with `name` and `status`, null while there is no such experiment."""
    return tx.all(
        """SELECT links.experiment_key, links.linked_by, experiments.name, experiments.status
            FROM links LEFT JOIN experiments ON experiments.key = links.experiment_key
            WHERE links.target_id = :target_id AND links.kind = :kind ORDER BY links.id""",
        {"kind": kind, "target_id": target_id},
    )


def change(
    tx: Transaction,
    experiment_key: str,
    kind: str,
    target_id: int,
    linked_by: str,
    linked_at: int,
) -> None:
    tx.run(
        """UPDATE links SET linked_by = :linked_by, linked_at = :linked_at
            WHERE target_id = :target_id AND kind = :kind AND experiment_key = :experiment_key""",
        {
            "experiment_key": experiment_key,
            "kind": kind,
            "target_id": target_id,
            "linked_by": linked_by,
            "linked_at": linked_at,
        },
    )


def follow_item(tx: Transaction, kind: str, target_id: int) -> None:
    """Let the links of an item know its state and times, by which they are listed."""
    tx.run(_FOLLOW, {"kind": kind, "target_id": target_id})


def remove(tx: Transaction, experiment_key: str, kind: str, target_id: int) -> None:
    tx.run(
        """DELETE FROM links WHERE target_id = :target_id AND kind = :kind
            AND experiment_key = :experiment_key""",
        {"experiment_key": experiment_key, "kind": kind, "target_id": target_id},
    )


def add_to_commits(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add links of commits, which are not there yet."""
    tx.run_many(_ADD_COMMIT, [{"kind": "commit", "state": None, **row} for row in rows])


def places_of_commits(tx: Transaction, commit_ids: Sequence[int]) -> dict[tuple[int, str], Row]:
    """Return the links of some commits by commit and experiment key."""
    found: dict[tuple[int, str], Row] = {}
    for names, values in placeholders("id", commit_ids):
        rows = tx.all(
            f"SELECT * FROM links WHERE kind = 'commit' AND target_id IN ({names})",
            values,
        )
        found.update(((row["target_id"], row["experiment_key"]), row) for row in rows)
    return found


def via_item(tx: Transaction, item_id: int, commit_ids: Sequence[int] | None = None) -> list[Row]:
    """Return the links of commits made through a pull request; with `commit_ids` of those only."""
    if commit_ids is None:
        return list(
            tx.all(
                "SELECT * FROM links WHERE via_item_id = :item_id ORDER BY id", {"item_id": item_id}
            )
        )
    places = places_of_commits(tx, commit_ids)
    return [row for row in places.values() if row["via_item_id"] == item_id]


def set_via_item(tx: Transaction, link_id: int, item_id: int | None) -> None:
    """Let a link of a commit be one through another pull request."""
    tx.run(
        "UPDATE links SET via_item_id = :item_id WHERE id = :id",
        {"id": link_id, "item_id": item_id},
    )


def set_linked_at(
    tx: Transaction, experiment_key: str, kind: str, target_id: int, linked_at: int
) -> None:
    tx.run(
        """UPDATE links SET linked_at = :linked_at
            WHERE target_id = :target_id AND kind = :kind AND experiment_key = :experiment_key""",
        {
            "experiment_key": experiment_key,
            "kind": kind,
            "target_id": target_id,
            "linked_at": linked_at,
        },
    )


def set_resolved(tx: Transaction, experiment_key: str, *, resolved: bool) -> None:
    tx.run(
        """UPDATE links SET resolved = :resolved
            WHERE experiment_key = :experiment_key AND resolved <> :resolved""",
        {"experiment_key": experiment_key, "resolved": int(resolved)},
    )


def items_of_experiment(
    tx: Transaction,
    experiment_key: str,
    kind: str,
    state: str | None,
    before: tuple[int, int] | None,
    limit: int,
) -> Sequence[Row]:
    """Return linked items by what happened last, the latest first: of one state by when they
    came to it, of all by when they were last heard of.

    That time is `listed_at`; `before` is (listed_at, link_id).
    """
    at = "links.state_at" if state else "links.last_at"
    return tx.all(
        f"""SELECT links.id AS link_id, {at} AS listed_at, links.linked_by, links.linked_at,
                links.integration_id AS link_integration_id,
                repositories.full_name AS repository, items.*
            FROM links JOIN items ON items.id = links.target_id
            JOIN repositories ON repositories.id = items.repository_id
            WHERE links.experiment_key = :experiment_key AND links.kind = :kind
                {"AND links.state = :state" if state else ""}
                {f"AND ({at}, links.id) < (:at, :id)" if before else ""}
            ORDER BY {at} DESC, links.id DESC LIMIT :limit""",
        {
            "experiment_key": experiment_key,
            "kind": kind,
            "state": state,
            "at": before[0] if before else None,
            "id": before[1] if before else None,
            "limit": limit,
        },
    )


def item_of_experiment(tx: Transaction, experiment_key: str, kind: str, item_id: int) -> Row | None:
    """Return one linked item as `items_of_experiment` does."""
    return tx.one(
        """SELECT links.id AS link_id, links.linked_by, links.linked_at,
                links.integration_id AS link_integration_id,
                repositories.full_name AS repository, items.*
            FROM links JOIN items ON items.id = links.target_id
            JOIN repositories ON repositories.id = items.repository_id
            WHERE links.target_id = :item_id AND links.kind = :kind
                AND links.experiment_key = :experiment_key""",
        {"experiment_key": experiment_key, "kind": kind, "item_id": item_id},
    )


def commits_of_experiment(
    tx: Transaction, experiment_key: str, before: tuple[int, int] | None, limit: int
) -> Sequence[Row]:
    """Return linked commits, the one committed last first.

    That time is `listed_at`; `before` is (listed_at, link_id).
    """
    return tx.all(
        f"""SELECT links.id AS link_id, links.last_at AS listed_at, links.linked_by,
                links.linked_at,
                repositories.full_name AS repository, commits.*
            FROM links JOIN commits ON commits.id = links.target_id
            JOIN repositories ON repositories.id = commits.repository_id
            WHERE links.experiment_key = :experiment_key AND links.kind = 'commit'
                {"AND (links.last_at, links.id) < (:at, :id)" if before else ""}
            ORDER BY links.last_at DESC, links.id DESC LIMIT :limit""",
        {
            "experiment_key": experiment_key,
            "at": before[0] if before else None,
            "id": before[1] if before else None,
            "limit": limit,
        },
    )


def unresolved(tx: Transaction, before: int | None, limit: int) -> Sequence[Row]:
    """Return links whose experiment does not exist, the newest first; `before` is a link id."""
    return tx.all(
        f"""SELECT links.*, repositories.full_name AS repository, items.number,
                COALESCE(items.title, commits.message) AS title, commits.sha,
                COALESCE(items.html_url, commits.html_url) AS html_url
            FROM links
            LEFT JOIN items ON links.kind <> 'commit' AND items.id = links.target_id
            LEFT JOIN commits ON links.kind = 'commit' AND commits.id = links.target_id
            JOIN repositories
                ON repositories.id = COALESCE(items.repository_id, commits.repository_id)
            WHERE links.resolved = 0 {"AND links.id < :before" if before else ""}
            ORDER BY links.id DESC LIMIT :limit""",
        {"before": before, "limit": limit},
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


def experiments_of_repository(
    tx: Transaction,
    repository_id: int,
    after: str | None,
    limit: int,
    *,
    counted: bool = False,
) -> Sequence[Row]:
    """Return the keys linked in a repository, in their order; `after` is a key.

    Each with `name`, `status` and `last_activity`, null while there is no such experiment, and
    if wanted with how much of each kind is linked there, a thousand at most. The keys are
    stepped through one by one: some have very many links.
    """
    beyond = "AND experiment_key > :after" if after is not None else ""
    return tx.all(
        f"""WITH RECURSIVE keys(key) AS (
                SELECT MIN(experiment_key) FROM links WHERE repository_id = :id {beyond}
                UNION ALL
                SELECT (SELECT MIN(experiment_key) FROM links
                        WHERE repository_id = :id AND experiment_key > keys.key)
                    FROM keys WHERE keys.key IS NOT NULL)
            SELECT found.key, experiments.name, experiments.status, experiments.last_activity
                {"," + _COUNTS_HERE if counted else ""}
            FROM (SELECT key FROM keys WHERE key IS NOT NULL LIMIT :limit) AS found
            LEFT JOIN experiments ON experiments.key = found.key ORDER BY found.key""",
        {"id": repository_id, "after": after, "limit": limit},
    )


def items_of_repository(
    tx: Transaction,
    repository_id: int,
    kind: str,
    before: tuple[str, int, int] | None,
    limit: int,
) -> Sequence[Row]:
    """Return a repository's linked items: open before merged before closed, each by what happened
    last, which is `state_at`. `before` is (state, state_at, id).
    """
    return tx.all(
        f"""SELECT items.*, found.state_at FROM (SELECT DISTINCT state, state_at, target_id
                FROM links WHERE repository_id = :id AND kind = :kind AND state IS NOT NULL
                {"AND (state, state_at, target_id) < (:state, :at, :target_id)" if before else ""}
                ORDER BY state DESC, state_at DESC, target_id DESC LIMIT :limit) AS found
            JOIN items ON items.id = found.target_id
            ORDER BY found.state DESC, found.state_at DESC, found.target_id DESC""",
        {
            "id": repository_id,
            "kind": kind,
            "state": before[0] if before else None,
            "at": before[1] if before else None,
            "target_id": before[2] if before else None,
            "limit": limit,
        },
    )


def keys_of_targets(tx: Transaction, kind: str, target_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return the keys that each of some targets is linked to."""
    found: dict[int, list[str]] = {target_id: [] for target_id in target_ids}
    if not found:
        return found
    names = {f"id{position}": one for position, one in enumerate(found)}
    rows = tx.all(
        f"""SELECT target_id, experiment_key FROM links WHERE kind = :kind
                AND target_id IN ({", ".join(f":{name}" for name in names)}) ORDER BY id""",
        {"kind": kind, **names},
    )
    for row in rows:
        found[row["target_id"]].append(row["experiment_key"])
    return found


def unresolved_keys(tx: Transaction, text: str, after: str | None, limit: int) -> Sequence[Row]:
    """Return the keys that no experiment has, in their order, with how many links wait for each.

    `after` is a key, `text` a part of one. `first_at` is when the first of the links was made.
    """
    escaped = text.lower()
    for character in "!%_":
        escaped = escaped.replace(character, f"!{character}")
    counts = ", ".join(
        f"SUM(CASE WHEN kind = '{kind}' THEN 1 ELSE 0 END) AS {kind}s"
        for kind in ("pull_request", "issue", "commit")
    )
    return tx.all(
        f"""SELECT experiment_key, {counts}, MIN(linked_at) AS first_at FROM links
            WHERE resolved = 0
                {"AND LOWER(experiment_key) LIKE :pattern ESCAPE '!'" if text else ""}
                {"AND experiment_key > :after" if after is not None else ""}
            GROUP BY experiment_key ORDER BY experiment_key LIMIT :limit""",
        {"pattern": f"%{escaped}%", "after": after, "limit": limit},
    )


def some_of_key(tx: Transaction, experiment_key: str, limit: int) -> Sequence[Row]:
    """Return some links of a key as `unresolved` does, pull requests first."""
    return tx.all(
        """SELECT few.kind, repositories.full_name AS repository, items.number,
                COALESCE(items.title, commits.message) AS title, commits.sha,
                COALESCE(items.html_url, commits.html_url) AS html_url
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
    return tx.one("SELECT 1 FROM links WHERE resolved = 0 LIMIT 1") is not None


def any_pull_request(tx: Transaction) -> bool:
    """Tell whether an experiment has a pull request."""
    found = tx.one(
        """SELECT 1 FROM experiments WHERE EXISTS (SELECT 1 FROM links
            WHERE links.experiment_key = experiments.key AND links.kind = 'pull_request') LIMIT 1"""
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
        """SELECT kind, COUNT(*) AS count FROM links WHERE experiment_key = :key GROUP BY kind""",
        {"key": experiment_key},
    ):
        found[row["kind"]] = row["count"]
    return found


def pull_request_days(tx: Transaction, experiment_key: str) -> Sequence[Row]:
    """Return how many of all its pull requests were opened and merged on which day of UTC.

    Days are counted from 1970; `merged` is null for those that were not. It is one pass over the
    experiment's links; items are looked up one by one, so that nobody reads all there are.
    """
    return tx.all(
        """SELECT (SELECT created_at FROM items WHERE items.id = links.target_id) / :day AS opened,
                CASE WHEN state = 'merged' THEN
                    (SELECT merged_at FROM items WHERE items.id = links.target_id) / :day
                END AS merged,
                COUNT(*) AS count
            FROM links WHERE experiment_key = :key AND kind = 'pull_request' GROUP BY 1, 2""",
        {"key": experiment_key, "day": 86_400 * times.SECOND},
    )


def of_versions_after(tx: Transaction, version_id: int, limit: int) -> Sequence[Row]:
    """Return the keys of what some deliveries have told of, from the first after a version."""
    return tx.all(
        """SELECT DISTINCT links.experiment_key
            FROM (SELECT item_id FROM versions WHERE id > :id ORDER BY id LIMIT :limit) AS told
            JOIN items ON items.id = told.item_id
            JOIN links ON links.target_id = items.id AND links.kind = items.kind""",
        {"id": version_id, "limit": limit},
    )
