"""Queries for what is known of GitHub: repositories, pull requests and issues."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage.database import Row, Transaction

# The columns of an item that follow its newest version.
ITEM_FACTS = (
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
    "base_since",
    "labels",
    "created_at",
    "closed_at",
    "merged_at",
    "version_at",
    "version_rank",
)
_ADD_ITEM = f"""INSERT INTO items (repository_id, kind, number, integration_id,
        {", ".join(ITEM_FACTS)})
    VALUES (:repository_id, :kind, :number, :integration_id,
        {", ".join(f":{name}" for name in ITEM_FACTS)})
    ON CONFLICT DO NOTHING RETURNING id"""
_UPDATE_ITEM = f"""UPDATE items SET gone_at = NULL,
        {", ".join(f"{name} = :{name}" for name in ITEM_FACTS)} WHERE id = :id"""


def repository_by_github_id(tx: Transaction, host: str, github_id: int) -> Row | None:
    return tx.one(
        "SELECT * FROM repositories WHERE host = :host AND github_id = :github_id",
        {"host": host, "github_id": github_id},
    )


def repositories_by_name(tx: Transaction, host: str, full_name: str) -> Sequence[Row]:
    """Return the repositories that were last seen under a name, the present holder first."""
    return tx.all(
        """SELECT * FROM repositories WHERE host = :host AND name_key = :name_key
            ORDER BY deleted_at IS NOT NULL, COALESCE(named_at, 0) DESC, id DESC""",
        {"host": host, "name_key": full_name.lower()},
    )


def add_repository(
    tx: Transaction,
    host: str,
    github_id: int | None,
    full_name: str,
    named_at: int | None,
    default_branch: str | None,
) -> Row:
    row = tx.one(
        """INSERT INTO repositories
                (host, github_id, full_name, name_key, named_at, default_branch)
            VALUES (:host, :github_id, :full_name, :name_key, :named_at, :default_branch)
            ON CONFLICT (host, github_id) DO UPDATE SET host = excluded.host
            RETURNING *""",
        {
            "host": host,
            "github_id": github_id,
            "full_name": full_name,
            "name_key": full_name.lower(),
            "named_at": named_at,
            "default_branch": default_branch,
        },
    )
    assert row is not None
    return row


def get_repository(tx: Transaction, repository_id: int) -> Row:
    row = tx.one("SELECT * FROM repositories WHERE id = :id", {"id": repository_id})
    assert row is not None
    return row


def default_branch(tx: Transaction, repository_id: int) -> str | None:
    row = tx.one("SELECT default_branch FROM repositories WHERE id = :id", {"id": repository_id})
    return row["default_branch"] if row else None


def set_default_branch(tx: Transaction, repository_id: int, branch: str) -> None:
    tx.run(
        "UPDATE repositories SET default_branch = :branch WHERE id = :id",
        {"id": repository_id, "branch": branch},
    )


def set_visibility(
    tx: Transaction, repository_id: int, visibility: str, visibility_at: int | None
) -> None:
    tx.run(
        """UPDATE repositories SET visibility = :visibility, visibility_at = :visibility_at
            WHERE id = :id""",
        {"id": repository_id, "visibility": visibility, "visibility_at": visibility_at},
    )


def name_repository(
    tx: Transaction, repository_id: int, full_name: str, named_at: int | None
) -> None:
    tx.run(
        """UPDATE repositories SET full_name = :full_name, name_key = :name_key,
            named_at = :named_at WHERE id = :id""",
        {
            "id": repository_id,
            "full_name": full_name,
            "name_key": full_name.lower(),
            "named_at": named_at,
        },
    )


def identify_repository(tx: Transaction, repository_id: int, github_id: int) -> None:
    tx.run(
        "UPDATE repositories SET github_id = :github_id WHERE id = :id",
        {"id": repository_id, "github_id": github_id},
    )


def set_repository_deleted(tx: Transaction, repository_id: int, deleted_at: int | None) -> None:
    tx.run(
        "UPDATE repositories SET deleted_at = :deleted_at WHERE id = :id",
        {"id": repository_id, "deleted_at": deleted_at},
    )


def find_item(tx: Transaction, repository_id: int, kind: str, number: int) -> Row | None:
    return tx.one(
        """SELECT * FROM items WHERE repository_id = :repository_id AND kind = :kind
            AND number = :number""",
        {"repository_id": repository_id, "kind": kind, "number": number},
    )


def item_by_name(tx: Transaction, full_name: str, kind: str, number: int) -> Row | None:
    """Return an item with its `repository` by the repository's present name, on any host."""
    return tx.one(
        """SELECT items.*, repositories.full_name AS repository FROM items
            JOIN repositories ON repositories.id = items.repository_id
            WHERE repositories.name_key = :name_key AND items.kind = :kind
                AND items.number = :number AND items.gone_at IS NULL
            ORDER BY repositories.deleted_at IS NOT NULL,
                COALESCE(repositories.named_at, 0) DESC, repositories.id DESC LIMIT 1""",
        {"name_key": full_name.lower(), "kind": kind, "number": number},
    )


def open_items(tx: Transaction, repository_id: int) -> Sequence[Row]:
    return tx.all(
        """SELECT * FROM items WHERE repository_id = :repository_id AND state = 'open'
            AND gone_at IS NULL""",
        {"repository_id": repository_id},
    )


def get_item(tx: Transaction, item_id: int) -> Row:
    row = tx.one("SELECT * FROM items WHERE id = :id", {"id": item_id})
    assert row is not None
    return row


def open_pull_requests(
    tx: Transaction, repository_id: int, before: int | None, limit: int
) -> Sequence[Row]:
    """Return open pull requests of a repository, newest first; `before` is a number."""
    return tx.all(
        f"""SELECT * FROM items WHERE repository_id = :repository_id AND kind = 'pull_request'
                {"AND number < :before" if before is not None else ""}
                AND state = 'open' AND gone_at IS NULL ORDER BY number DESC LIMIT :limit""",
        {"repository_id": repository_id, "before": before, "limit": limit},
    )


def posted_on(tx: Transaction, repository_id: int, before: int | None, limit: int) -> Sequence[Row]:
    """Return the pull requests of a repository that show something of the bot's, newest first.

    Whatever their state. `before` is a number.
    """
    return tx.all(
        f"""SELECT items.* FROM items JOIN posts ON posts.item_id = items.id
            WHERE items.repository_id = :repository_id AND items.kind = 'pull_request'
                {"AND items.number < :before" if before is not None else ""}
                AND (posts.comment_id IS NOT NULL OR posts.check_sha IS NOT NULL)
                AND items.gone_at IS NULL ORDER BY items.number DESC LIMIT :limit""",
        {"repository_id": repository_id, "before": before, "limit": limit},
    )


def repositories_with_open_pull_requests(tx: Transaction, integration_id: str) -> Sequence[Row]:
    """Return the repositories with open pull requests that an integration saw first."""
    return tx.all(
        """SELECT * FROM repositories WHERE deleted_at IS NULL AND id IN (
                SELECT repository_id FROM items WHERE integration_id = :integration_id
                    AND kind = 'pull_request' AND state = 'open' AND gone_at IS NULL)
            ORDER BY id""",
        {"integration_id": integration_id},
    )


def open_pull_requests_of_experiment(tx: Transaction, key: str) -> Sequence[Row]:
    return tx.all(
        """SELECT items.* FROM links JOIN items ON items.id = links.target_id
            WHERE links.experiment_key = :key AND links.kind = 'pull_request'
                AND links.state = 'open' AND items.gone_at IS NULL ORDER BY items.id""",
        {"key": key},
    )


def open_pull_requests_of_head(tx: Transaction, repository_id: int, sha: str) -> Sequence[Row]:
    """Return the open pull requests of a repository whose head is a commit."""
    return tx.all(
        """SELECT * FROM items WHERE repository_id = :repository_id AND kind = 'pull_request'
            AND head_sha = :sha AND state = 'open' AND gone_at IS NULL ORDER BY id""",
        {"repository_id": repository_id, "sha": sha},
    )


def set_item_decided(tx: Transaction, item_id: int) -> None:
    tx.run("UPDATE items SET decided = 1 WHERE id = :id", {"id": item_id})


def add_decision(tx: Transaction, values: Mapping[str, Any]) -> bool:
    """Keep a link or an unlinking by hand; False if it is there already."""
    return (
        tx.run(
            """INSERT INTO decisions (item_id, guid, verb, experiment_key, made_by, actor,
                    integration_id, made_at, version_at, version_rank)
                VALUES (:item_id, :guid, :verb, :experiment_key, :made_by, :actor,
                    :integration_id, :made_at, :version_at, :version_rank)
                ON CONFLICT DO NOTHING""",
            values,
        )
        == 1
    )


def decisions_of_item(tx: Transaction, item_id: int) -> Sequence[Row]:
    return tx.all(
        "SELECT * FROM decisions WHERE item_id = :item_id ORDER BY id", {"item_id": item_id}
    )


def add_item(tx: Transaction, values: Mapping[str, Any]) -> int | None:
    """Add an item and return its id; None if another transaction was first."""
    row = tx.one(_ADD_ITEM, values)
    return row["id"] if row else None


def update_item(tx: Transaction, item_id: int, values: Mapping[str, Any]) -> None:
    tx.run(_UPDATE_ITEM, {**values, "id": item_id})


def set_item_gone(tx: Transaction, item_id: int, gone_at: int) -> None:
    tx.run(
        "UPDATE items SET gone_at = :gone_at WHERE id = :id",
        {"id": item_id, "gone_at": gone_at},
    )


def add_version(
    tx: Transaction, item_id: int, guid: str, order: tuple[int, int], snapshot: str
) -> bool:
    """Keep a version; False if that delivery's version is there already."""
    return (
        tx.run(
            """INSERT INTO versions (item_id, guid, version_at, version_rank, snapshot)
                VALUES (:item_id, :guid, :version_at, :version_rank, :snapshot)
                ON CONFLICT DO NOTHING""",
            {
                "item_id": item_id,
                "guid": guid,
                "version_at": order[0],
                "version_rank": order[1],
                "snapshot": snapshot,
            },
        )
        == 1
    )


def versions_of_item(tx: Transaction, item_id: int) -> list[str]:
    """Return an item's snapshots in their true order; those of one moment as they arrived."""
    rows = tx.all(
        """SELECT snapshot FROM versions WHERE item_id = :item_id
            ORDER BY version_at, version_rank, id""",
        {"item_id": item_id},
    )
    return [row["snapshot"] for row in rows]


def last_version(tx: Transaction) -> int:
    row = tx.one("SELECT MAX(id) AS id FROM versions")
    return (row["id"] if row else None) or 0


_COUNTED = 1000  # a list of repositories counts no further
_IN_REPOSITORY = ", ".join(
    f"""(SELECT COUNT(*) FROM (SELECT DISTINCT state_at, target_id FROM links
            WHERE links.repository_id = repositories.id AND links.kind = '{kind}'
                AND links.state = '{state}' LIMIT {_COUNTED}) AS linked) AS {state}_{kind}s"""
    for kind, state in (
        ("pull_request", "open"),
        ("pull_request", "merged"),
        ("issue", "open"),
        ("issue", "closed"),
    )
)


def repositories_heard_of(
    tx: Transaction, text: str, before: tuple[int, int] | None, limit: int
) -> Sequence[Row]:
    """Return repositories in which something is linked, the last one heard of first.

    Each has how many `open_pull_requests`, `merged_pull_requests`, `open_issues` and
    `closed_issues` are linked, a thousand at most. `before` is (last_activity, id), `text` a part
    of the name.
    """
    escaped = text.lower()
    for character in "!%_":
        escaped = escaped.replace(character, f"!{character}")
    return tx.all(
        f"""SELECT repositories.*, {_IN_REPOSITORY} FROM repositories WHERE last_activity > 0
                {"AND name_key LIKE :pattern ESCAPE '!'" if text else ""}
                {"AND (last_activity, id) < (:last_activity, :id)" if before else ""}
            ORDER BY last_activity DESC, id DESC LIMIT :limit""",
        {
            "pattern": f"%{escaped}%",
            "last_activity": before[0] if before else None,
            "id": before[1] if before else None,
            "limit": limit,
        },
    )


def repository_heard_of(tx: Transaction, full_name: str, host: str | None = None) -> Row | None:
    """Return a repository, with counts as in the list, by its present name; on any host if None."""
    return tx.one(
        f"""SELECT repositories.*, {_IN_REPOSITORY} FROM repositories
            WHERE name_key = :name_key {"AND host = :host" if host else ""}
            ORDER BY deleted_at IS NOT NULL, COALESCE(named_at, 0) DESC, id DESC LIMIT 1""",
        {"name_key": full_name.lower(), "host": host},
    )
