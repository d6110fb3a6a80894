"""Queries for what is read again because nobody has heard of it for long."""

from collections.abc import Iterable

from bot.storage import query
from bot.storage.backfill_rows import Stale
from bot.storage.database import Transaction

_LOOKED = {"repository_id": 0, "number": 0}  # the row that has when this was last looked for


def begin(tx: Transaction, now: int, before: int) -> bool:
    """Note that this look has begun; False if another had after `before`, in whichever process."""
    sql = """INSERT INTO reconciled (repository_id, number, read_at)
        VALUES (:repository_id, :number, :now)
        ON CONFLICT (repository_id, number) DO UPDATE SET read_at = excluded.read_at
            WHERE reconciled.read_at <= :before"""
    return tx.run(sql, {**_LOOKED, "now": now, "before": before}) == 1


def last_begun(tx: Transaction) -> int | None:
    """Return when it was last looked for."""
    sql = """SELECT read_at FROM reconciled WHERE repository_id = :repository_id
        AND number = :number"""
    return query.number(tx, sql, **_LOOKED)


def stale_pull_requests(tx: Transaction, before: int, each: int, limit: int) -> list[Stale]:
    """Return open pull requests that are linked, and of which nothing was heard since a time.

    Those first that were never read again, or that long ago; `each` of an integration at most.
    """
    sql = """SELECT items.repository_id, items.number, items.id AS item_id,
            COALESCE(reconciled.read_at, 0) AS read_at, items.version_at AS heard_at,
            items.integration_id
        FROM (SELECT DISTINCT target_id FROM links
                WHERE kind = 'pull_request' AND state = 'open') AS linked
        JOIN items ON items.id = linked.target_id
        JOIN repositories ON repositories.id = items.repository_id
        LEFT JOIN reconciled ON reconciled.repository_id = items.repository_id
            AND reconciled.number = items.number
        WHERE items.state = 'open' AND items.gone_at IS NULL AND items.version_at < :before
            AND repositories.deleted_at IS NULL AND COALESCE(reconciled.read_at, 0) < :before
"""
    return _some_of_each(tx, sql, before, each, limit)


def stale_repositories(tx: Transaction, before: int, each: int, limit: int) -> list[Stale]:
    """Return repositories in which something is linked, and which were not read since a time."""
    sql = """SELECT repositories.id AS repository_id, 0 AS number, CAST(NULL AS BIGINT) AS item_id,
            COALESCE(reconciled.read_at, 0) AS read_at, 0 AS heard_at,
            COALESCE(repositories.speaker_id, '') AS integration_id
        FROM repositories LEFT JOIN reconciled
            ON reconciled.repository_id = repositories.id AND reconciled.number = 0
        WHERE repositories.last_activity > 0 AND repositories.deleted_at IS NULL
            AND repositories.full_name <> '' AND COALESCE(reconciled.read_at, 0) < :before"""
    return _some_of_each(tx, sql, before, each, limit)


def _some_of_each(tx: Transaction, sql: str, before: int, each: int, limit: int) -> list[Stale]:
    """Return of what a query finds the longest silent, so that no integration waits for another."""
    order = "read_at, heard_at, repository_id, number"
    sql = f"""SELECT repository_id, number, item_id, integration_id FROM (
            SELECT stale.*, ROW_NUMBER() OVER (PARTITION BY integration_id ORDER BY {order}) AS turn
            FROM ({sql}) AS stale) AS ordered
        WHERE turn <= :each ORDER BY turn, {order} LIMIT :limit"""
    return query.select(tx, Stale, sql, before=before, each=each, limit=limit)


def read(tx: Transaction, rows: Iterable[Stale], now: int) -> None:
    """Note that some are read again now."""
    sql = """INSERT INTO reconciled (repository_id, number, read_at)
        VALUES (:repository_id, :number, :now)
        ON CONFLICT (repository_id, number) DO UPDATE SET read_at = excluded.read_at"""
    places = [{"repository_id": one.repository_id, "number": one.number} for one in rows]
    tx.run_many(sql, [{**place, "now": now} for place in places])
