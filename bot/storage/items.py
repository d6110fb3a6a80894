"""Queries for pull requests and issues: what is known of them, their versions and decisions."""

from collections.abc import Mapping
from typing import Any

from bot.storage import query
from bot.storage.columns import Snapshot
from bot.storage.database import Transaction
from bot.storage.joined import NamedItem
from bot.storage.query import Part, Place
from bot.storage.rows import Decision, Item, Version


def find(tx: Transaction, repository_id: int, kind: str, number: int) -> Item | None:
    return query.by_key(tx, Item, repository_id=repository_id, kind=kind, number=number)


def by_name(tx: Transaction, full_name: str, kind: str, number: int) -> NamedItem | None:
    """Return an item with its `repository` by the repository's present name, on any host."""
    sql = """SELECT items.*, repositories.full_name AS repository FROM items
        JOIN repositories ON repositories.id = items.repository_id
        WHERE repositories.name_key = :name_key AND items.kind = :kind
            AND items.number = :number AND items.gone_at IS NULL
        ORDER BY repositories.deleted_at IS NOT NULL,
            COALESCE(repositories.named_at, 0) DESC, repositories.id DESC LIMIT 1"""
    return query.first(tx, NamedItem, sql, name_key=full_name.lower(), kind=kind, number=number)


def open_in(tx: Transaction, repository_id: int) -> list[Item]:
    sql = """SELECT * FROM items WHERE repository_id = :repository_id AND state = 'open'
        AND gone_at IS NULL"""
    return query.select(tx, Item, sql, repository_id=repository_id)


def get(tx: Transaction, item_id: int) -> Item:
    return query.the(tx, Item, "SELECT * FROM items WHERE id = :id", id=item_id)


def open_pull_requests(
    tx: Transaction, repository_id: int, before: Place | None, limit: int
) -> Part[Item]:
    """Return open pull requests of a repository, newest first."""
    where = ["repository_id = :id", "kind = 'pull_request'", "state = 'open'", "gone_at IS NULL"]
    sql, by = "SELECT * FROM items", {"number": "number"}
    return query.page(tx, Item, sql, where, by, before, limit, id=repository_id)


def posted_on(tx: Transaction, repository_id: int, before: Place | None, limit: int) -> Part[Item]:
    """Return the pull requests of a repository that show something of the bot's, newest first.

    Whatever their state.
    """
    sql = "SELECT items.* FROM items JOIN posts ON posts.item_id = items.id"
    where = [
        "items.repository_id = :id",
        "items.kind = 'pull_request'",
        "(posts.comment_id IS NOT NULL OR posts.check_sha IS NOT NULL)",
        "items.gone_at IS NULL",
    ]
    by = {"items.number": "number"}
    return query.page(tx, Item, sql, where, by, before, limit, id=repository_id)


def open_pull_requests_of_experiment(tx: Transaction, key: str) -> list[Item]:
    sql = """SELECT items.* FROM links JOIN items ON items.id = links.target_id
        WHERE links.experiment_key = :key AND links.kind = 'pull_request'
            AND links.state = 'open' AND items.gone_at IS NULL ORDER BY items.id"""
    return query.select(tx, Item, sql, key=key)


def open_pull_requests_of_head(tx: Transaction, repository_id: int, sha: str) -> list[Item]:
    """Return the open pull requests of a repository whose head is a commit."""
    sql = """SELECT * FROM items WHERE repository_id = :repository_id AND kind = 'pull_request'
        AND head_sha = :sha AND state = 'open' AND gone_at IS NULL ORDER BY id"""
    return query.select(tx, Item, sql, repository_id=repository_id, sha=sha)


def add_decision(tx: Transaction, columns: Mapping[str, Any]) -> bool:
    """Keep a link or an unlinking by hand; False if it is there already."""
    return query.insert_new(tx, Decision, columns)


def decisions_of(tx: Transaction, item_id: int) -> list[Decision]:
    sql = "SELECT * FROM decisions WHERE item_id = :item_id ORDER BY id"
    return query.select(tx, Decision, sql, item_id=item_id)


def add(tx: Transaction, columns: Mapping[str, Any]) -> Item | None:
    """Add an item and return it; None if another transaction was first."""
    return query.insert_returning(tx, Item, columns)


def change(tx: Transaction, item_id: int, columns: Mapping[str, Any]) -> None:
    query.change(tx, Item, {"id": item_id}, columns)


def add_version(tx: Transaction, item_id: int, guid: str, snapshot: Snapshot) -> bool:
    """Keep a version; False if that delivery's version is there already."""
    version_at, version_rank = snapshot.order
    columns = {"version_at": version_at, "version_rank": version_rank, "snapshot": snapshot}
    return query.insert_new(tx, Version, {"item_id": item_id, "guid": guid, **columns})


def versions_of(tx: Transaction, item_id: int) -> list[Version]:
    """Return an item's versions in their true order; those of one moment as they arrived."""
    sql = "SELECT * FROM versions WHERE item_id = :item_id ORDER BY version_at, version_rank, id"
    return query.select(tx, Version, sql, item_id=item_id)


def last_version(tx: Transaction) -> int:
    return query.number(tx, "SELECT MAX(id) FROM versions") or 0
