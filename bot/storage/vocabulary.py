"""What is looked for in code: the keys of experiments with their aliases, and how old that is."""

from collections.abc import Collection
from typing import Annotated

from bot.storage import query
from bot.storage.code_rows import VocabularyChange
from bot.storage.database import Transaction
from bot.storage.rows import JSON, Row

_REMEMBERED = 1000  # changes
_ANY = ("any",)  # no key


class Names(Row, frozen=True):
    """What an experiment is called in code."""

    key: str
    aliases: Annotated[tuple[str, ...], JSON]


def version(tx: Transaction) -> int:
    """Return how often it has become something else."""
    return query.number(tx, "SELECT version FROM vocabulary WHERE id = 1") or 0


def has_changed(tx: Transaction, names: Collection[str]) -> None:
    """Note that it is something else from now on: some names have come to be looked for."""
    tx.run("UPDATE vocabulary SET version = version + 1 WHERE id = 1")
    number = version(tx)
    query.insert(tx, VocabularyChange, {"version": number, "names": tuple(sorted(names))})
    sql = "DELETE FROM vocabulary_changes WHERE version <= :old"
    tx.run(sql, {"old": number - _REMEMBERED})


def names_since(tx: Transaction, known: int) -> frozenset[str] | None:
    """Return what has come to be looked for since a version; None if that is too long ago."""
    sql = "SELECT * FROM vocabulary_changes WHERE version > :known"
    found = query.select(tx, VocabularyChange, sql, known=known)
    if len(found) != version(tx) - known:
        return None
    return frozenset(name for one in found for name in one.names)


def names(tx: Transaction) -> list[tuple[str, tuple[str, ...]]]:
    """Return what all experiments are called: the key of each, and its aliases."""
    found = query.select(tx, Names, "SELECT key, aliases FROM experiments ORDER BY key")
    return [(one.key, one.aliases) for one in found]


def is_empty(tx: Transaction) -> bool:
    """Tell whether there is no experiment at all; asked once a batch, unless one comes or goes."""

    def ask() -> bool:
        return not query.exists(tx.stored, "SELECT 1 FROM experiments LIMIT 1")

    return tx.looked_up("experiments", _ANY, ask)
