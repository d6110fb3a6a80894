"""Queries for links between experiments and items or commits."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage import heads, query, tallies
from bot.storage.commit_rows import Commit
from bot.storage.database import Statements, Transaction, lock_of_experiment
from bot.storage.joined import KeyedExperiment
from bot.storage.known_rows import KnownRows
from bot.storage.rows import Experiment, Item, Link


class _Known(KnownRows[Link]):
    """The links that a transaction knows, and of which targets it knows all."""

    found: Mapping[str, str] = {
        "resolved": """(SELECT COUNT(*) FROM experiments
            WHERE experiments.key = given.experiment_key)""",
        "owner": """COALESCE((SELECT owner FROM experiments
            WHERE experiments.key = given.experiment_key), '')""",
    }

    def __init__(self, tx: Transaction) -> None:
        super().__init__(tx, Link, ("target_id", "kind", "experiment_key"), "id")
        self.keys: dict[tuple[int, str], tuple[str, ...]] = {}

    def flush(self, statements: Statements) -> None:
        """Write them; whoever makes or removes their experiments comes before or after that."""
        shared, locked = tallies.to_lock(self._tx)
        if locked:
            statements.lock([lock_of_experiment(key) for key in sorted(locked)])
        if shared:
            statements.share([lock_of_experiment(key) for key in sorted(shared)])
        super().flush(statements)

    def add(self, row: Link) -> None:
        super().add(row)
        tallies.linked(self._tx, None, row)

    def change(self, row: Link, **columns: Any) -> Link:
        before = self.find(*self.key_of(row))
        now = super().change(row, **columns)
        tallies.linked(self._tx, before, now)
        return now

    def remove(self, row: Link) -> None:
        tallies.linked(self._tx, self.find(*self.key_of(row)), None)
        super().remove(row)


def known(tx: Transaction) -> _Known:
    """Return the links that a transaction knows."""
    found: _Known | None = tx.kept.get("links")
    if found is None:
        found = tx.kept["links"] = _Known(tx)
    return found


def of_target(tx: Transaction, kind: str, target_id: int) -> list[Link]:
    """Return the links of an item or commit in the order in which they were made."""
    here, target = known(tx), (target_id, kind)
    if target not in here.keys:
        sql = "SELECT * FROM links WHERE target_id = :target_id AND kind = :kind ORDER BY id"
        rows = query.select(tx.stored, Link, sql, kind=kind, target_id=target_id)
        for link in rows:
            here.know(link)
        here.keys[target] = tuple([link.experiment_key for link in rows])
    return [row for key in here.keys[target] if (row := here.find(*target, key)) is not None]


def load(tx: Transaction, targets: Sequence[tuple[int, str]]) -> None:
    """Read the links of some items and commits."""
    query.load(tx.stored, [loading(tx, targets)])


def loading(tx: Transaction, targets: Sequence[tuple[int, str]]) -> query.Load | None:
    """Return how to read the links of some items and commits, None if all are known."""
    here = known(tx)
    missing = [target for target in dict.fromkeys(targets) if target not in here.keys]
    if not missing:
        return None

    def accept(rows: list[Link]) -> None:
        here.keys.update(dict.fromkeys(missing, ()))
        for link in rows:
            here.know(link)
            here.keys[link.target_id, link.kind] += (link.experiment_key,)

    sql = """SELECT links.* FROM {keys} AS wanted CROSS JOIN links
        WHERE links.target_id = wanted.target_id AND links.kind = wanted.kind
        ORDER BY links.id"""
    return query.Load(Link, sql, ("target_id", "kind"), missing, accept)


def add(
    tx: Transaction,
    item: Item,
    experiment_key: str,
    linked_by: str,
    linked_at: int,
    integration_id: str,
) -> None:
    """Link an item, as it is by now; it has no link to that experiment yet."""
    here, target = known(tx), (item.id, item.kind)
    if target not in here.keys:
        of_target(tx, item.kind, item.id)
    others = [key for key in here.keys[target] if key != experiment_key]
    here.add(
        Link(
            id=0,  # is given when it is written
            experiment_key=experiment_key,
            kind=item.kind,
            target_id=item.id,
            linked_by=linked_by,
            linked_at=linked_at,
            via_item_id=None,
            integration_id=integration_id,
            resolved=False,  # is found out when it is written, and so is the owner
            owner="",
            repository_id=item.repository_id,
            **_listed_as(item),
        )
    )
    tx.put(here.keys, target, (*others, experiment_key))
    if item.head_repository_id is not None and item.head_ref is not None:
        heads.linked(tx, (item.head_repository_id, item.head_ref), item.id)


def _listed_as(item: Item) -> dict[str, Any]:
    """Return what lists of links go by.

    When the item's state came about, of an open one when it was last updated, and when it was last
    heard of at all.
    """
    state_at = item.version_at
    if item.state == "merged" and item.merged_at is not None:
        state_at = item.merged_at
    elif item.state != "open" and item.closed_at is not None:
        state_at = item.closed_at
    last_at = max(item.version_at, item.merged_at or 0, item.closed_at or 0)
    return {"state": item.state, "state_at": state_at, "last_at": last_at}


def of_targets_with_experiments(
    tx: Transaction, kind: str, target_id: int
) -> list[KeyedExperiment]:
    """Return a target's links with `name` and `status`, null while there is no such experiment."""
    sql = """SELECT links.experiment_key, links.linked_by, experiments.name, experiments.status
        FROM links LEFT JOIN experiments ON experiments.key = links.experiment_key
        WHERE links.target_id = :target_id AND links.kind = :kind ORDER BY links.id"""
    return query.select(tx, KeyedExperiment, sql, kind=kind, target_id=target_id)


def change(tx: Transaction, link: Link, **columns: Any) -> None:
    """Set columns of a link."""
    known(tx).change(link, **columns)


def follow_item(tx: Transaction, item: Item) -> None:
    """Let the links of an item know its state and times, by which they are listed."""
    for link in of_target(tx, item.kind, item.id):
        known(tx).change(link, **_listed_as(item))


def remove(tx: Transaction, link: Link) -> None:
    """Remove a link."""
    known(tx).remove(link)


def add_to_commit(
    tx: Transaction,
    commit: Commit,
    experiment_key: str,
    linked_by: str,
    via_item_id: int | None,
) -> None:
    """Link a commit, which has no link to that experiment yet."""
    here, target = known(tx), (commit.id, "commit")
    others = [link.experiment_key for link in of_target(tx, "commit", commit.id)]
    here.add(
        Link(
            id=0,  # is given when it is written
            experiment_key=experiment_key,
            kind="commit",
            target_id=commit.id,
            state=None,
            linked_by=linked_by,
            linked_at=commit.pushed_at,
            via_item_id=via_item_id,
            integration_id=commit.integration_id,
            resolved=False,  # is found out when it is written, and so is the owner
            owner="",
            repository_id=commit.repository_id,
            state_at=commit.committed_at,
            last_at=commit.committed_at,
        )
    )
    tx.put(here.keys, target, (*others, experiment_key))


def places_of_commits(tx: Transaction, commit_ids: Sequence[int]) -> dict[tuple[int, str], Link]:
    """Return the links of some commits by commit and experiment key."""
    load(tx, [(commit_id, "commit") for commit_id in commit_ids])
    return {
        (commit_id, link.experiment_key): link
        for commit_id in commit_ids
        for link in of_target(tx, "commit", commit_id)
    }


def via_item(tx: Transaction, item_id: int, commit_ids: Sequence[int] | None = None) -> list[Link]:
    """Return the links of commits made through a pull request; with `commit_ids` of those only."""
    if commit_ids is None:
        sql = "SELECT * FROM links WHERE via_item_id = :item_id ORDER BY id"
        rows = query.select(tx, Link, sql, item_id=item_id)
        for row in rows:
            known(tx).know(row)
        return rows
    places = places_of_commits(tx, commit_ids)
    return [link for link in places.values() if link.via_item_id == item_id]


def follow_experiment(tx: Transaction, experiment_key: str, row: Experiment | None) -> None:
    """Let the links of an experiment know whether there is one, and whose it is."""
    known = {"resolved": int(row is not None), "owner": (row and row.owner) or ""}
    sql = """UPDATE links SET resolved = :resolved, owner = :owner
        WHERE experiment_key = :experiment_key AND (resolved <> :resolved OR owner <> :owner)"""
    tx.run(sql, {"experiment_key": experiment_key, **known})


def follow_owner(tx: Transaction, row: Experiment) -> None:
    """Let the links of an experiment know whose it is now: those by whose owner is looked for.

    Of commits and issues, which may be many more, nobody asks that.
    """
    sql = """UPDATE links SET owner = :owner
        WHERE experiment_key = :key AND kind = 'pull_request' AND owner <> :owner"""
    tx.run(sql, {"key": row.key, "owner": row.owner or ""})


def keys_of_targets(tx: Transaction, kind: str, target_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return the keys that each of some targets is linked to."""
    load(tx, [(target_id, kind) for target_id in target_ids])
    return {
        target_id: [link.experiment_key for link in of_target(tx, kind, target_id)]
        for target_id in target_ids
    }


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
        FROM (SELECT item_id FROM versions WHERE id > :id AND id <= :last
            ORDER BY id LIMIT :limit) AS told
        JOIN items ON items.id = told.item_id
        JOIN links ON links.target_id = items.id AND links.kind = items.kind"""
    last = tx.stored.settled("versions")
    return query.values(tx, sql, id=version_id, last=last, limit=limit)
