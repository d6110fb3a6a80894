"""Queries for experiments."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage.database import Row, Transaction

_COLUMNS = (
    "key",
    "name",
    "status",
    "hypothesis",
    "description",
    "owner",
    "url",
    "tags",
    "search",
    "created_at",
    "updated_at",
)


def folded(*texts: str | None) -> str:
    """Return texts in the form in which they are searched: case does not matter."""
    return "\n".join(text.casefold() for text in texts if text)


_COUNTS = ", ".join(
    f"""(SELECT COUNT(*) FROM links WHERE links.experiment_key = experiments.key
        AND links.kind = '{kind}') AS {kind}_count"""
    for kind in ("pull_request", "issue", "commit")
)


def add(transaction: Transaction, values: Mapping[str, Any]) -> Row | None:
    """Add an experiment and return its row; None if the key exists."""
    return transaction.one(
        f"""INSERT INTO experiments ({", ".join(_COLUMNS)})
            VALUES ({", ".join(f":{name}" for name in _COLUMNS)})
            ON CONFLICT DO NOTHING RETURNING *""",
        values,
    )


def find(transaction: Transaction, key: str) -> Row | None:
    return transaction.one("SELECT * FROM experiments WHERE key = :key", {"key": key})


def find_with_counts(transaction: Transaction, key: str) -> Row | None:
    """Return an experiment and how many pull requests, issues and commits are linked to it."""
    return transaction.one(
        f"SELECT experiments.*, {_COUNTS} FROM experiments WHERE key = :key", {"key": key}
    )


def exists(transaction: Transaction, key: str) -> bool:
    return transaction.one("SELECT 1 FROM experiments WHERE key = :key", {"key": key}) is not None


def change(transaction: Transaction, key: str, values: Mapping[str, Any]) -> None:
    """Set the columns that `values` names."""
    assert values.keys() <= set(_COLUMNS)
    transaction.run(
        f"UPDATE experiments SET {', '.join(f'{name} = :{name}' for name in values)} "
        "WHERE key = :the_key",
        {**values, "the_key": key},
    )


def remove(transaction: Transaction, key: str) -> bool:
    return transaction.run("DELETE FROM experiments WHERE key = :key", {"key": key}) == 1


def listed(
    transaction: Transaction,
    status: str | None,
    text: str | None,
    before: int | None,
    limit: int,
) -> Sequence[Row]:
    """Return experiments with counts, newest first.

    `before` is a seq, `text` a part of key, name or owner.
    """
    conditions = []
    if status is not None:
        conditions.append("status = :status")
    if text:
        conditions.append("search LIKE :pattern ESCAPE '!'")
    if before is not None:
        conditions.append("seq < :before")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    escaped = folded(text or "")
    for character in "!%_":
        escaped = escaped.replace(character, f"!{character}")
    return transaction.all(
        f"SELECT experiments.*, {_COUNTS} FROM experiments {where} ORDER BY seq DESC LIMIT :limit",
        {"status": status, "pattern": f"%{escaped}%", "before": before, "limit": limit},
    )


def keys(transaction: Transaction) -> list[str]:
    """Return every experiment's key."""
    return [row["key"] for row in transaction.all("SELECT key FROM experiments ORDER BY key")]
