"""Queries for environments: where repositories are deployed to, and what is deployed there."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.live_rows import Environment

_TABLE = "environments"


def of_repository(tx: Transaction, repository_id: int) -> tuple[Environment, ...]:
    """Return the environments of a repository: those of production first, then the latest."""
    sql = """SELECT * FROM environments WHERE repository_id = :repository_id
        ORDER BY is_production DESC, deployed_at DESC, id"""
    return tx.looked_up(
        _TABLE,
        repository_id,
        lambda: tuple(query.select(tx.stored, Environment, sql, repository_id=repository_id)),
    )


def find(tx: Transaction, repository_id: int, name: str) -> Environment | None:
    """Return an environment by its name, in which case does not matter to GitHub."""
    key = name.lower()
    return next((one for one in of_repository(tx, repository_id) if one.name_key == key), None)


def get(tx: Transaction, environment_id: int) -> Environment | None:
    return query.by_key(tx, Environment, id=environment_id)


def add(tx: Transaction, columns: Mapping[str, Any]) -> Environment:
    """Add an environment, which is not there yet, and return it."""
    row = query.insert_returning(tx, Environment, columns)
    assert row is not None
    return row


def change(tx: Transaction, environment_id: int, **columns: Any) -> None:
    query.change(tx, Environment, {"id": environment_id}, columns)


def forget_tellers(tx: Transaction, environment_id: int) -> None:
    """Something new was told of an environment: by nobody else until now."""
    sql = "DELETE FROM tellers WHERE kind = 'environment' AND target_id = :id"
    tx.run(sql, {"id": environment_id})


def remove(tx: Transaction, environment_ids: Sequence[int]) -> None:
    """Remove environments, and what is known to be live in them."""
    for sql in (
        "DELETE FROM live WHERE environment_id IN ({names})",
        "DELETE FROM tellers WHERE kind = 'environment' AND target_id IN ({names})",
        "DELETE FROM environments WHERE id IN ({names})",
    ):
        query.run_in_parts(tx, sql, environment_ids)
