"""Queries for links between experiments and items or commits."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.joined import KeyedExperiment
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
    link = {
        "experiment_key": experiment_key,
        "kind": kind,
        "target_id": target_id,
        "state": state,
        "linked_by": linked_by,
        "linked_at": linked_at,
        "via_item_id": via_item_id,
        "integration_id": integration_id,
    }
    return tx.run(_ADD_COMMIT if kind == "commit" else _ADD_ITEM, link) == 1


def of_target(tx: Transaction, kind: str, target_id: int) -> list[Link]:
    sql = "SELECT * FROM links WHERE target_id = :target_id AND kind = :kind ORDER BY id"
    return query.select(tx, Link, sql, kind=kind, target_id=target_id)


def of_targets_with_experiments(
    tx: Transaction, kind: str, target_id: int
) -> list[KeyedExperiment]:
    """Return a target's links with `name` and `status`, null while there is no such experiment."""
    sql = """SELECT links.experiment_key, links.linked_by, experiments.name, experiments.status
        FROM links LEFT JOIN experiments ON experiments.key = links.experiment_key
        WHERE links.target_id = :target_id AND links.kind = :kind ORDER BY links.id"""
    return query.select(tx, KeyedExperiment, sql, kind=kind, target_id=target_id)


def change(tx: Transaction, experiment_key: str, kind: str, target_id: int, **columns: Any) -> None:
    key = {"target_id": target_id, "kind": kind, "experiment_key": experiment_key}
    query.change(tx, Link, key, columns)


def follow_item(tx: Transaction, kind: str, target_id: int) -> None:
    """Let the links of an item know its state and times, by which they are listed."""
    tx.run(_FOLLOW, {"kind": kind, "target_id": target_id})


def remove(tx: Transaction, experiment_key: str, kind: str, target_id: int) -> None:
    sql = """DELETE FROM links WHERE target_id = :target_id AND kind = :kind
        AND experiment_key = :experiment_key"""
    tx.run(sql, {"experiment_key": experiment_key, "kind": kind, "target_id": target_id})


def add_to_commits(tx: Transaction, links: Sequence[Mapping[str, Any]]) -> None:
    """Add links of commits, which are not there yet."""
    tx.run_many(_ADD_COMMIT, [{"kind": "commit", "state": None, **link} for link in links])


def places_of_commits(tx: Transaction, commit_ids: Sequence[int]) -> dict[tuple[int, str], Link]:
    """Return the links of some commits by commit and experiment key."""
    sql = "SELECT * FROM links WHERE kind = 'commit' AND target_id IN ({names})"
    found = query.in_parts(tx, Link, sql, commit_ids)
    return {(link.target_id, link.experiment_key): link for link in found}


def via_item(tx: Transaction, item_id: int, commit_ids: Sequence[int] | None = None) -> list[Link]:
    """Return the links of commits made through a pull request; with `commit_ids` of those only."""
    if commit_ids is None:
        sql = "SELECT * FROM links WHERE via_item_id = :item_id ORDER BY id"
        return query.select(tx, Link, sql, item_id=item_id)
    places = places_of_commits(tx, commit_ids)
    return [link for link in places.values() if link.via_item_id == item_id]


def set_via_item(tx: Transaction, link_id: int, item_id: int | None) -> None:
    """Let a link of a commit be one through another pull request."""
    query.change(tx, Link, {"id": link_id}, {"via_item_id": item_id})


def set_resolved(tx: Transaction, experiment_key: str, *, resolved: bool) -> None:
    sql = """UPDATE links SET resolved = :resolved
        WHERE experiment_key = :experiment_key AND resolved <> :resolved"""
    tx.run(sql, {"experiment_key": experiment_key, "resolved": int(resolved)})


def keys_of_targets(tx: Transaction, kind: str, target_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return the keys that each of some targets is linked to."""
    found: dict[int, list[str]] = {target_id: [] for target_id in target_ids}
    sql = "SELECT * FROM links WHERE kind = :kind AND target_id IN ({names}) ORDER BY id"
    links = query.in_parts(tx, Link, sql, list(found), kind=kind)
    for link in links:
        found[link.target_id].append(link.experiment_key)
    return found


def any_unresolved(tx: Transaction) -> bool:
    """Tell whether a link waits for its experiment."""
    return query.exists(tx, "SELECT 1 FROM links WHERE resolved = 0 LIMIT 1")


def any_pull_request(tx: Transaction) -> bool:
    """Tell whether an experiment has a pull request."""
    sql = """SELECT 1 FROM experiments WHERE EXISTS (SELECT 1 FROM links
        WHERE links.experiment_key = experiments.key AND links.kind = 'pull_request')
        LIMIT 1"""
    return query.exists(tx, sql)


def counts_by_kind(tx: Transaction, experiment_key: str) -> dict[str, int]:
    """Return how many links of each kind name a key."""
    found = {"pull_request": 0, "issue": 0, "commit": 0}
    sql = "SELECT kind, COUNT(*) AS count FROM links WHERE experiment_key = :key GROUP BY kind"
    for row in tx.all(sql, {"key": experiment_key}):
        found[row["kind"]] = row["count"]
    return found


def keys_of_versions_after(tx: Transaction, version_id: int, limit: int) -> list[str]:
    """Return the keys of what some deliveries have told of, from the first after a version."""
    sql = """SELECT DISTINCT links.experiment_key
        FROM (SELECT item_id FROM versions WHERE id > :id ORDER BY id LIMIT :limit) AS told
        JOIN items ON items.id = told.item_id
        JOIN links ON links.target_id = items.id AND links.kind = items.kind"""
    return query.values(tx, sql, id=version_id, limit=limit)
