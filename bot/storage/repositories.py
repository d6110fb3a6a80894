"""Queries for repositories."""

from typing import Any

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.joined import CountedRepository
from bot.storage.query import Part, Place
from bot.storage.rows import Repository


def by_github_id(tx: Transaction, host: str, github_id: int) -> Repository | None:
    return query.by_key(tx, Repository, host=host, github_id=github_id)


def by_name(tx: Transaction, host: str, full_name: str) -> list[Repository]:
    """Return the repositories that were last seen under a name, the present holder first."""
    sql = """SELECT * FROM repositories WHERE host = :host AND name_key = :name_key
        ORDER BY deleted_at IS NOT NULL, COALESCE(named_at, 0) DESC, id DESC"""
    return query.select(tx, Repository, sql, host=host, name_key=full_name.lower())


def add(
    tx: Transaction,
    host: str,
    github_id: int | None,
    full_name: str,
    named_at: int | None,
    default_branch: str | None,
) -> Repository:
    sql = """INSERT INTO repositories
            (host, github_id, full_name, name_key, named_at, default_branch)
        VALUES (:host, :github_id, :full_name, :name_key, :named_at, :default_branch)
        ON CONFLICT (host, github_id) DO UPDATE SET host = excluded.host
        RETURNING *"""
    return query.the(
        tx,
        Repository,
        sql,
        host=host,
        github_id=github_id,
        full_name=full_name,
        name_key=full_name.lower(),
        named_at=named_at,
        default_branch=default_branch,
    )


def get(tx: Transaction, repository_id: int) -> Repository:
    return query.the(tx, Repository, "SELECT * FROM repositories WHERE id = :id", id=repository_id)


def change(tx: Transaction, repository_id: int, **columns: Any) -> None:
    query.change(tx, Repository, {"id": repository_id}, columns)


def rename(tx: Transaction, repository_id: int, full_name: str, named_at: int | None) -> None:
    change(tx, repository_id, full_name=full_name, name_key=full_name.lower(), named_at=named_at)


def with_open_pull_requests(tx: Transaction, integration_id: str) -> list[Repository]:
    """Return the repositories with open pull requests that an integration saw first."""
    sql = """SELECT * FROM repositories WHERE deleted_at IS NULL AND id IN (
            SELECT repository_id FROM items WHERE integration_id = :integration_id
                AND kind = 'pull_request' AND state = 'open' AND gone_at IS NULL)
        ORDER BY id"""
    return query.select(tx, Repository, sql, integration_id=integration_id)


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


def heard_of(
    tx: Transaction, text: str, before: Place | None, limit: int
) -> Part[CountedRepository]:
    """Return repositories in which something is linked, the last one heard of first.

    Each has how many pull requests and issues of each state are linked, a thousand at most. `text`
    is a part of the name.
    """
    sql = f"SELECT repositories.*, {_IN_REPOSITORY} FROM repositories"
    where = ["last_activity > 0", "name_key LIKE :pattern ESCAPE '!'" if text else None]
    by, pattern = {"last_activity": "last_activity", "id": "id"}, query.containing(text.lower())
    return query.page(tx, CountedRepository, sql, where, by, before, limit, pattern=pattern)


def find(tx: Transaction, full_name: str, host: str | None = None) -> CountedRepository | None:
    """Return a repository, with counts as in the list, by its present name; on any host if None."""
    sql = f"""SELECT repositories.*, {_IN_REPOSITORY} FROM repositories
        WHERE name_key = :name_key {"AND host = :host" if host else ""}
        ORDER BY deleted_at IS NOT NULL, COALESCE(named_at, 0) DESC, id DESC LIMIT 1"""
    return query.first(tx, CountedRepository, sql, name_key=full_name.lower(), host=host)
