"""Queries for clean-up issues: one for each repository and experiment that was ever to have one."""

from collections.abc import Collection
from typing import Any

import msgspec

from bot.storage import query
from bot.storage.clean_up_rows import CleanUp, LeftIn
from bot.storage.code_rows import CodeReference
from bot.storage.database import Transaction


def find(tx: Transaction, repository_id: int, key: str) -> CleanUp | None:
    return query.by_key(tx, CleanUp, repository_id=repository_id, experiment_key=key)


def by_marker(tx: Transaction, marker: str) -> CleanUp | None:
    return query.by_key(tx, CleanUp, marker=marker)


def of_experiment(tx: Transaction, key: str) -> list[CleanUp]:
    sql = "SELECT * FROM clean_ups WHERE experiment_key = :key ORDER BY repository_id"
    return query.select(tx, CleanUp, sql, key=key)


def of_repository(tx: Transaction, repository_id: int) -> list[CleanUp]:
    """Return those about the code of a repository, wherever the issues are by now."""
    sql = "SELECT * FROM clean_ups WHERE repository_id = :repository_id ORDER BY experiment_key"
    return query.select(tx, CleanUp, sql, repository_id=repository_id)


def at_home(tx: Transaction, repository_id: int) -> list[CleanUp]:
    """Return those whose issues are in a repository, whosever code they are about."""
    sql = "SELECT * FROM clean_ups WHERE home_id = :home_id ORDER BY repository_id"
    return query.select(tx, CleanUp, sql, home_id=repository_id)


def put(tx: Transaction, row: CleanUp) -> None:
    """Keep a row in place of the one that is there of its repository and experiment."""
    values = msgspec.structs.asdict(row)
    if not query.insert_new(tx, CleanUp, values):
        change(tx, row.repository_id, row.experiment_key, **values)


def change(tx: Transaction, repository_id: int, key: str, /, **columns: Any) -> None:
    whose = {"repository_id": repository_id, "experiment_key": key}
    query.change(tx, CleanUp, whose, columns)


def remove(tx: Transaction, repository_id: int) -> None:
    """Forget the issues about a repository's code, and those that are in it."""
    sql = "DELETE FROM clean_ups WHERE repository_id = :id OR home_id = :id"
    tx.run(sql, {"id": repository_id})


# --- What of experiments stands in the default branches, as the maps of them say


def left(tx: Transaction, repository_id: int, key: str, limit: int) -> list[CodeReference]:
    """Return where an experiment stands in a default branch, by path and line."""
    sql = """SELECT * FROM code_references
        WHERE repository_id = :repository_id AND experiment_key = :key
        ORDER BY path, line, alias LIMIT :limit"""
    return query.select(tx, CodeReference, sql, repository_id=repository_id, key=key, limit=limit)


def count_left(tx: Transaction, repository_id: int, key: str) -> LeftIn:
    """Return how often an experiment stands in a default branch."""
    sql = """SELECT COUNT(*) AS count, COUNT(DISTINCT path) AS files FROM code_references
        WHERE repository_id = :repository_id AND experiment_key = :key"""
    return query.the(tx, LeftIn, sql, repository_id=repository_id, key=key)


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


def where_left(tx: Transaction, key: str) -> list[LeftIn]:
    """Return the repositories in whose code an experiment stands, and how often."""
    sql = """SELECT COUNT(*) AS count, COUNT(DISTINCT path) AS files, repository_id
        FROM code_references
        WHERE experiment_key = :key GROUP BY repository_id ORDER BY repository_id"""
    return query.select(tx, LeftIn, sql, key=key)


def over_anywhere(tx: Transaction) -> list[int]:
    """Return the repositories in whose code experiments stand that are over."""
    sql = """SELECT DISTINCT code_references.repository_id FROM experiments
        JOIN code_references ON code_references.experiment_key = experiments.key
        WHERE experiments.status IN ('completed', 'archived')
        ORDER BY code_references.repository_id"""
    return query.values(tx, sql)
