"""Queries for links between experiments and items or commits."""

from collections.abc import Sequence

from bot.storage.database import Row, Transaction

_ADD = """INSERT INTO links (experiment_key, kind, target_id, state, linked_by, linked_at,
        via_item_id, integration_id, resolved)
    VALUES (:experiment_key, :kind, :target_id, :state, :linked_by, :linked_at, :via_item_id,
        :integration_id,
        CASE WHEN EXISTS (SELECT 1 FROM experiments WHERE key = :experiment_key)
            THEN 1 ELSE 0 END)
    ON CONFLICT DO NOTHING"""


def add(
    transaction: Transaction,
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
        transaction.run(
            _ADD,
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


def of_target(transaction: Transaction, kind: str, target_id: int) -> Sequence[Row]:
    return transaction.all(
        "SELECT * FROM links WHERE target_id = :target_id AND kind = :kind ORDER BY id",
        {"kind": kind, "target_id": target_id},
    )


def of_targets_with_experiments(
    transaction: Transaction, kind: str, target_id: int
) -> Sequence[Row]:
    """Return a target's links with `name` and `status`, null while there is no such experiment."""
    return transaction.all(
        """SELECT links.experiment_key, links.linked_by, experiments.name, experiments.status
            FROM links LEFT JOIN experiments ON experiments.key = links.experiment_key
            WHERE links.target_id = :target_id AND links.kind = :kind ORDER BY links.id""",
        {"kind": kind, "target_id": target_id},
    )


def change(
    transaction: Transaction,
    experiment_key: str,
    kind: str,
    target_id: int,
    linked_by: str,
    linked_at: int,
) -> None:
    transaction.run(
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


def set_state(transaction: Transaction, kind: str, target_id: int, state: str) -> None:
    """Let the links of an item know its state, by which they are listed."""
    transaction.run(
        """UPDATE links SET state = :state
            WHERE target_id = :target_id AND kind = :kind AND state <> :state""",
        {"kind": kind, "target_id": target_id, "state": state},
    )


def remove(transaction: Transaction, experiment_key: str, kind: str, target_id: int) -> None:
    transaction.run(
        """DELETE FROM links WHERE target_id = :target_id AND kind = :kind
            AND experiment_key = :experiment_key""",
        {"experiment_key": experiment_key, "kind": kind, "target_id": target_id},
    )


def remove_via_item(transaction: Transaction, experiment_key: str, item_id: int) -> list[int]:
    """Remove the links of commits made through a pull request; return the commits' ids."""
    rows = transaction.all(
        """DELETE FROM links WHERE via_item_id = :item_id AND experiment_key = :experiment_key
            RETURNING target_id""",
        {"item_id": item_id, "experiment_key": experiment_key},
    )
    return [row["target_id"] for row in rows]


def remove_via_item_of(
    transaction: Transaction, experiment_key: str, item_id: int, commit_id: int
) -> bool:
    """Remove one commit's link made through a pull request; False if there is none."""
    return (
        transaction.run(
            """DELETE FROM links WHERE target_id = :commit_id AND kind = 'commit'
                AND experiment_key = :experiment_key AND via_item_id = :item_id""",
            {"item_id": item_id, "experiment_key": experiment_key, "commit_id": commit_id},
        )
        == 1
    )


def set_resolved(transaction: Transaction, experiment_key: str, *, resolved: bool) -> None:
    transaction.run(
        """UPDATE links SET resolved = :resolved
            WHERE experiment_key = :experiment_key AND resolved <> :resolved""",
        {"experiment_key": experiment_key, "resolved": int(resolved)},
    )


def items_of_experiment(
    transaction: Transaction,
    experiment_key: str,
    kind: str,
    state: str | None,
    before: int | None,
    limit: int,
) -> Sequence[Row]:
    """Return linked items, the newest link first; `before` is a link id.

    The order is that in which links were made here: a late delivery may still move `linked_at`.
    """
    return transaction.all(
        f"""SELECT links.id AS link_id, links.linked_by, links.linked_at,
                links.integration_id AS link_integration_id,
                repositories.full_name AS repository, items.*
            FROM links JOIN items ON items.id = links.target_id
            JOIN repositories ON repositories.id = items.repository_id
            WHERE links.experiment_key = :experiment_key AND links.kind = :kind
                {"AND links.state = :state" if state else ""}
                {"AND links.id + 0 < :before" if before is not None else ""}
            ORDER BY links.id + 0 DESC LIMIT :limit""",
        {
            "experiment_key": experiment_key,
            "kind": kind,
            "state": state,
            "before": before,
            "limit": limit,
        },
    )


def item_of_experiment(
    transaction: Transaction, experiment_key: str, kind: str, item_id: int
) -> Row | None:
    """Return one linked item as `items_of_experiment` does."""
    return transaction.one(
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
    transaction: Transaction, experiment_key: str, before: int | None, limit: int
) -> Sequence[Row]:
    """Return linked commits, the newest link first; `before` is a link id."""
    return transaction.all(
        f"""SELECT links.id AS link_id, links.linked_by, links.linked_at,
                repositories.full_name AS repository, commits.*
            FROM links JOIN commits ON commits.id = links.target_id
            JOIN repositories ON repositories.id = commits.repository_id
            WHERE links.experiment_key = :experiment_key AND links.kind = 'commit'
                {"AND links.id + 0 < :before" if before is not None else ""}
            ORDER BY links.id + 0 DESC LIMIT :limit""",
        {
            "experiment_key": experiment_key,
            "before": before,
            "limit": limit,
        },
    )


def unresolved(transaction: Transaction, before: int | None, limit: int) -> Sequence[Row]:
    """Return links whose experiment does not exist, the newest first; `before` is a link id."""
    return transaction.all(
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
