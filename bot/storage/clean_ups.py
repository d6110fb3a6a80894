"""Queries for clean-up issues: one for each repository and experiment that was ever to have one."""

from typing import Any

import msgspec

from bot.storage import query
from bot.storage.clean_up_rows import CleanUp
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
