"""Queries for experiments."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage import query
from bot.storage.database import Transaction, lock_of_experiment
from bot.storage.joined import CountedExperiment, ListedExperiment
from bot.storage.query import Part, Place
from bot.storage.rows import Experiment


def folded(*texts: str | None) -> str:
    """Return texts in the form in which they are searched: case does not matter."""
    return "\n".join(text.casefold() for text in texts if text)


def _count(kind: str, state: str = "") -> str:
    return f"""(SELECT COUNT(*) FROM links WHERE links.experiment_key = experiments.key
        AND links.kind = '{kind}' {state})"""


# Of commits those are not counted that were replaced: there are few, and each index tells one part.
_COUNTS = f"""{_count("pull_request")} AS pull_request_count, {_count("issue")} AS issue_count,
    {_count("commit")} - {_count("commit", "AND links.state = 'replaced'")} AS commit_count"""


def add(tx: Transaction, columns: Mapping[str, Any]) -> Experiment | None:
    """Add an experiment and return its row; None if the key exists.

    Its feed may have begun before it: what names its key was told already.
    """
    sql = "SELECT MAX(position) FROM activity WHERE experiment_key = :key"
    told = query.number(tx, sql, key=columns["key"])
    return query.insert_returning(tx, Experiment, {**columns, "last_activity": told or 0})


def lock(tx: Transaction, key: str) -> None:
    """Let nobody else make, change or link an experiment until this transaction ends."""
    tx.stored.lock([lock_of_experiment(key)])


def find(tx: Transaction, key: str) -> Experiment | None:
    return query.by_key(tx, Experiment, key=key)


def by_keys(tx: Transaction, keys: Sequence[str]) -> list[Experiment]:
    """Return those experiments that there are of some keys."""
    return query.in_parts(tx, Experiment, "SELECT * FROM experiments WHERE key IN ({names})", keys)


def find_with_counts(tx: Transaction, key: str) -> CountedExperiment | None:
    """Return an experiment and how many pull requests, issues and commits are linked to it."""
    sql = f"SELECT experiments.*, {_COUNTS} FROM experiments WHERE key = :key"
    return query.first(tx, CountedExperiment, sql, key=key)


def exists(tx: Transaction, key: str) -> bool:
    def ask() -> bool:
        tx.stored.share([lock_of_experiment(key)])
        sql = "SELECT 1 FROM experiments WHERE key = :key"
        return query.exists(tx.stored, sql, key=key)

    return tx.looked_up("experiments", key, ask)


def change(tx: Transaction, key: str, columns: Mapping[str, Any]) -> None:
    query.change(tx, Experiment, {"key": key}, columns)


def remove(tx: Transaction, key: str) -> bool:
    return tx.run("DELETE FROM experiments WHERE key = :key", {"key": key}) == 1


def listed(
    tx: Transaction, status: str | None, text: str | None, before: Place | None, limit: int
) -> Part[CountedExperiment]:
    """Return experiments with counts, newest first. `text` is a part of key, name or owner."""
    sql = f"SELECT experiments.*, {_COUNTS} FROM experiments"
    where, known = _matching(status, None, text)
    return query.page(tx, CountedExperiment, sql, where, {"seq": "seq"}, before, limit, **known)


def _matching(
    status: str | None, owner: str | None, text: str | None
) -> tuple[list[str | None], dict[str, Any]]:
    """Return the conditions of what is looked for, as far as it is given, and their parameters."""
    where = [
        "status = :status" if status else None,
        "owner = :owner" if owner else None,
        "search LIKE :pattern ESCAPE '!'" if text else None,
    ]
    return where, {"status": status, "owner": owner, "pattern": query.containing(folded(text))}


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
) -> list[ListedExperiment]:
    """Return experiments in the order of `sort`, one of SORTS, with their pull requests counted.

    Only those of the page are read whole and counted for.
    """
    where, known = _matching(status, owner, text)
    counts = ", ".join(
        f"""(SELECT COUNT(*) FROM links WHERE links.experiment_key = experiments.key
            AND links.kind = 'pull_request' AND links.state = '{state}') AS {state}"""
        for state in ("open", "merged")
    )
    sql = f"""SELECT experiments.*, {counts} FROM experiments WHERE seq IN (
            SELECT seq FROM experiments {query.where_all(*where)}
            ORDER BY {SORTS[sort]} LIMIT :limit OFFSET :offset)
        ORDER BY {SORTS[sort]}"""
    return query.select(tx, ListedExperiment, sql, limit=limit, offset=offset, **known)


def counts_by_status(tx: Transaction, owner: str | None, text: str | None) -> dict[str, int]:
    """Return how many experiments of an owner and with a text there are in each status."""
    where, known = _matching(None, owner, text)
    sql = f"""SELECT status, COUNT(*) AS count FROM experiments {query.where_all(*where)}
        GROUP BY status"""
    return {row["status"]: row["count"] for row in tx.all(sql, known)}


def owners(tx: Transaction, limit: int) -> list[str]:
    """Return the owners in their order, `limit` at most."""
    sql = """SELECT owner FROM experiments WHERE owner IS NOT NULL AND owner <> ''
        GROUP BY owner ORDER BY owner LIMIT :limit"""
    return query.values(tx, sql, limit=limit)


def keys(tx: Transaction) -> list[str]:
    """Return every experiment's key."""
    return query.values(tx, "SELECT key FROM experiments ORDER BY key")


def any_at_all(tx: Transaction) -> bool:
    return query.exists(tx, "SELECT 1 FROM experiments LIMIT 1")
