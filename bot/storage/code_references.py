"""Queries for the lines of default branches in which experiments are named."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from bot.storage import query, repositories
from bot.storage.code_rows import CodeCount, CodeReference, DiffCount, PlacedReference
from bot.storage.database import Transaction
from bot.storage.query import Part, Place

_PLACED = """SELECT code_references.*, repositories.full_name AS repository, repositories.host,
        code_maps.sha
    FROM code_references
    JOIN repositories ON repositories.id = code_references.repository_id
    JOIN code_maps ON code_maps.repository_id = code_references.repository_id"""
_ORDER = ("path", "line", "experiment_key", "alias")


def change(
    tx: Transaction, came: Iterable[CodeReference], went: Iterable[CodeReference] = ()
) -> None:
    """Keep the references that have come, and forget those that are gone."""
    sql = """DELETE FROM code_references WHERE repository_id = :repository_id AND path = :path
        AND line = :line AND experiment_key = :experiment_key AND alias = :alias"""
    gone = [msgspec.structs.asdict(row) for row in went]
    if gone:
        tx.run_many(sql, gone)
    query.insert_many(tx, CodeReference, [msgspec.structs.asdict(row) for row in came])


def in_files(
    tx: Transaction, repository_id: int, paths: Sequence[str] | None
) -> list[CodeReference]:
    """Return the references of some files of a repository; None for all files."""
    sql = "SELECT * FROM code_references WHERE repository_id = :id"
    if paths is None:
        return query.select(tx, CodeReference, sql, id=repository_id)
    sql += " AND path IN ({names})"
    return query.in_parts(tx, CodeReference, sql, paths, id=repository_id)


def counted(tx: Transaction, repository_id: int) -> Counter[str]:
    """Return how many references each experiment has in a repository."""
    sql = """SELECT experiment_key, repository_id, COUNT(*) AS number FROM code_references
        WHERE repository_id = :id GROUP BY experiment_key, repository_id"""
    rows = query.select(tx, CodeCount, sql, id=repository_id)
    return Counter({row.experiment_key: row.number for row in rows})


def of_key(
    tx: Transaction, repository_id: int, key: str, limit: int | None = None
) -> list[CodeReference]:
    """Return the references of an experiment in a repository, the first by path and line."""
    sql = """SELECT * FROM code_references WHERE repository_id = :id AND experiment_key = :key
        ORDER BY path, line, alias"""
    place: dict[str, Any] = {"id": repository_id, "key": key}
    if limit is not None:
        sql, place = f"{sql} LIMIT :limit", {**place, "limit": limit}
    return query.select(tx, CodeReference, sql, **place)


def count(tx: Transaction, repository_id: int, key: str) -> CodeCount:
    """Return how many references an experiment has in a repository, and in how many files."""
    sql = """SELECT experiment_key, repository_id, COUNT(*) AS number, COUNT(DISTINCT path) AS files
        FROM code_references WHERE repository_id = :id AND experiment_key = :key
        GROUP BY experiment_key, repository_id"""
    found = query.first(tx, CodeCount, sql, id=repository_id, key=key)
    return found or CodeCount(key, repository_id, 0)


def counts(tx: Transaction, keys: Sequence[str]) -> Mapping[str, int]:
    """Return how many references some experiments have, those that have any."""
    sql = """SELECT experiment_key, 0 AS repository_id, COUNT(*) AS number FROM code_references
        WHERE experiment_key IN ({names}) GROUP BY experiment_key"""
    return {row.experiment_key: row.number for row in query.in_parts(tx, CodeCount, sql, keys)}


def by_repository(tx: Transaction, key: str, limit: int = 2**31) -> list[CodeCount]:
    """Return in which repositories an experiment is named, and how often, the most first."""
    sql = """SELECT experiment_key, repository_id, COUNT(*) AS number FROM code_references
        WHERE experiment_key = :key GROUP BY experiment_key, repository_id
        ORDER BY COUNT(*) DESC, repository_id LIMIT :limit"""
    return query.select(tx, CodeCount, sql, key=key, limit=limit)


def of_experiment(
    tx: Transaction, key: str, repository: str | None, behind: Place | None, limit: int
) -> Part[PlacedReference]:
    """Return a part of an experiment's references, by repository, path and line.

    `behind` has how many come before.
    """
    where: list[str] = ["code_references.experiment_key = :key"]
    known: dict[str, Any] = {"key": key}
    if repository is not None:
        ids = repositories.ids_named(tx, repository)
        if not ids:
            return Part([], None)
        known |= {f"id{number}": one for number, one in enumerate(ids)}
        names = ", ".join(f":id{number}" for number in range(len(ids)))
        where.append(f"code_references.repository_id IN ({names})")
    return _page(tx, where, ("repository_id", "path", "line", "alias"), behind, limit, known)


def of_repository(
    tx: Transaction, repository_id: int, behind: Place | None, limit: int
) -> Part[PlacedReference]:
    """Return a part of the references in a repository, by path and line."""
    where = ["code_references.repository_id = :id"]
    return _page(tx, where, _ORDER, behind, limit, {"id": repository_id})


def _page(
    tx: Transaction,
    where: Sequence[str],
    by: Sequence[str],
    behind: Place | None,
    limit: int,
    known: Mapping[str, Any],
) -> Part[PlacedReference]:
    order = ", ".join(f"code_references.{name}" for name in by)
    sql = f"""{_PLACED} {query.where_all(*where)}
        ORDER BY {order} LIMIT :limit OFFSET :skip"""
    skip = behind[0] if behind is not None else 0
    rows = query.select(tx, PlacedReference, sql, **known, skip=skip, limit=limit + 1)
    return Part(rows[:limit], (skip + limit,) if len(rows) > limit else None)


def in_diff(tx: Transaction, item_id: int, key: str) -> list[DiffCount]:
    """Return what the diff of a pull request does with an experiment, by file."""
    sql = """SELECT diffs.status, diffs.base_ref, change, path, COUNT(*) AS number
        FROM diffs JOIN diff_references ON diff_references.item_id = diffs.item_id
        WHERE diffs.item_id = :item_id AND experiment_key = :key
        GROUP BY diffs.status, diffs.base_ref, change, path"""
    return query.select(tx, DiffCount, sql, item_id=item_id, key=key)


def remove_names(tx: Transaction, key: str, aliases: Collection[str] | None) -> Sequence[int]:
    """Forget an experiment's references, or those by some aliases; return in which repositories."""
    found: set[int] = set()
    for alias in [None] if aliases is None else sorted(aliases):
        where = "experiment_key = :key" + ("" if alias is None else " AND alias = :alias")
        known = {"key": key, "alias": alias}
        sql = f"SELECT DISTINCT repository_id FROM code_references WHERE {where}"
        found.update(query.values(tx, sql, **known))
        tx.run(f"DELETE FROM code_references WHERE {where}", known)
    return sorted(found)


_STANDS = """status IN ('completed', 'archived') AND EXISTS (
    SELECT 1 FROM code_references WHERE code_references.experiment_key = experiments.key
        AND code_references.repository_id = :repository_id)"""


def over_in(tx: Transaction, repository_id: int, keys: Collection[str] | None) -> list[str]:
    """Return experiments that are over and still stand in a repository's code.

    They are among `keys`, None for any.
    """
    if keys is None:
        sql = f"SELECT key FROM experiments WHERE {_STANDS} ORDER BY key"
        return query.values(tx, sql, repository_id=repository_id)
    sql = f"SELECT key FROM experiments WHERE key IN ({{names}}) AND {_STANDS}"
    return query.values_in_parts(tx, sql, sorted(keys), repository_id=repository_id)


def over_anywhere(tx: Transaction) -> list[int]:
    """Return the repositories in whose code experiments stand that are over."""
    sql = """SELECT DISTINCT code_references.repository_id FROM experiments
        JOIN code_references ON code_references.experiment_key = experiments.key
        WHERE experiments.status IN ('completed', 'archived')
        ORDER BY code_references.repository_id"""
    return query.values(tx, sql)
