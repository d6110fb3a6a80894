"""Queries for experiments."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage.database import Row, Transaction

COLUMNS = (
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


def add(tx: Transaction, values: Mapping[str, Any]) -> Row | None:
    """Add an experiment and return its row; None if the key exists.

    Its feed may have begun before it: what names its key was told already.
    """
    return tx.one(
        f"""INSERT INTO experiments ({", ".join(COLUMNS)}, last_activity)
            VALUES ({", ".join(f":{name}" for name in COLUMNS)},
                COALESCE((SELECT MAX(position) FROM activity WHERE experiment_key = :key), 0))
            ON CONFLICT DO NOTHING RETURNING *""",
        values,
    )


def find(tx: Transaction, key: str) -> Row | None:
    return tx.one("SELECT * FROM experiments WHERE key = :key", {"key": key})


def find_with_counts(tx: Transaction, key: str) -> Row | None:
    """Return an experiment and how many pull requests, issues and commits are linked to it."""
    return tx.one(
        f"SELECT experiments.*, {_COUNTS} FROM experiments WHERE key = :key", {"key": key}
    )


def exists(tx: Transaction, key: str) -> bool:
    return tx.one("SELECT 1 FROM experiments WHERE key = :key", {"key": key}) is not None


def change(tx: Transaction, key: str, values: Mapping[str, Any]) -> None:
    """Set the columns that `values` names."""
    assert values.keys() <= set(COLUMNS)
    tx.run(
        f"UPDATE experiments SET {', '.join(f'{name} = :{name}' for name in values)} "
        "WHERE key = :the_key",
        {**values, "the_key": key},
    )


def remove(tx: Transaction, key: str) -> bool:
    return tx.run("DELETE FROM experiments WHERE key = :key", {"key": key}) == 1


def listed(
    tx: Transaction,
    status: str | None,
    text: str | None,
    before: int | None,
    limit: int,
) -> Sequence[Row]:
    """Return experiments with counts, newest first.

    `before` is a seq, `text` a part of key, name or owner.
    """
    where = _where(
        "status = :status" if status is not None else None,
        "search LIKE :pattern ESCAPE '!'" if text else None,
        "seq < :before" if before is not None else None,
    )
    return tx.all(
        f"SELECT experiments.*, {_COUNTS} FROM experiments {where} ORDER BY seq DESC LIMIT :limit",
        {"status": status, "pattern": _pattern(text), "before": before, "limit": limit},
    )


def _where(*conditions: str | None) -> str:
    given = [condition for condition in conditions if condition]
    return f"WHERE {' AND '.join(given)}" if given else ""


def _pattern(text: str | None) -> str:
    escaped = folded(text)
    for character in "!%_":
        escaped = escaped.replace(character, f"!{character}")
    return f"%{escaped}%"


SORTS = {
    "newest": "seq DESC",
    "name": "LOWER(name), seq",
    "activity": "last_activity DESC, seq DESC",
}


def page(
    tx: Transaction,
    status: str | None,
    owner: str | None,
    text: str | None,
    sort: str,
    offset: int,
    limit: int,
) -> Sequence[Row]:
    """Return experiments in the order of `sort`, one of SORTS, with their pull requests counted.

    Only those of the page are read whole and counted for.
    """
    where = _where(
        "status = :status" if status else None,
        "owner = :owner" if owner else None,
        "search LIKE :pattern ESCAPE '!'" if text else None,
    )
    counts = ", ".join(
        f"""(SELECT COUNT(*) FROM links WHERE links.experiment_key = experiments.key
            AND links.kind = 'pull_request' AND links.state = '{state}') AS {state}"""
        for state in ("open", "merged")
    )
    return tx.all(
        f"""SELECT experiments.*, {counts} FROM experiments WHERE seq IN (
                SELECT seq FROM experiments {where}
                ORDER BY {SORTS[sort]} LIMIT :limit OFFSET :offset)
            ORDER BY {SORTS[sort]}""",
        {
            "status": status,
            "owner": owner,
            "pattern": _pattern(text),
            "limit": limit,
            "offset": offset,
        },
    )


def counts_by_status(tx: Transaction, owner: str | None, text: str | None) -> dict[str, int]:
    """Return how many experiments of an owner and with a text there are in each status."""
    where = _where(
        "owner = :owner" if owner else None, "search LIKE :pattern ESCAPE '!'" if text else None
    )
    rows = tx.all(
        f"SELECT status, COUNT(*) AS count FROM experiments {where} GROUP BY status",
        {"owner": owner, "pattern": _pattern(text)},
    )
    return {row["status"]: row["count"] for row in rows}


def owners(tx: Transaction, limit: int) -> list[str]:
    """Return the owners in their order, `limit` at most."""
    rows = tx.all(
        """SELECT owner FROM experiments WHERE owner IS NOT NULL AND owner <> ''
            GROUP BY owner ORDER BY owner LIMIT :limit""",
        {"limit": limit},
    )
    return [row["owner"] for row in rows]


def keys(tx: Transaction) -> list[str]:
    """Return every experiment's key."""
    return [row["key"] for row in tx.all("SELECT key FROM experiments ORDER BY key")]


def any_at_all(tx: Transaction) -> bool:
    return tx.one("SELECT 1 FROM experiments LIMIT 1") is not None


def any_is(tx: Transaction) -> bool:
    """Tell whether there is any experiment."""
    return tx.one("SELECT 1 FROM experiments LIMIT 1") is not None
