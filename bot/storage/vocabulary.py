"""What is looked for in code: the keys of experiments with their aliases, and how old that is."""

from typing import Annotated

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.rows import JSON, Row


class Names(Row, frozen=True):
    """What an experiment is called in code."""

    key: str
    aliases: Annotated[tuple[str, ...], JSON]


def version(tx: Transaction) -> int:
    """Return how often it has become something else."""
    return query.number(tx, "SELECT version FROM vocabulary WHERE id = 1") or 0


def has_changed(tx: Transaction) -> None:
    """Note that it is something else from now on."""
    tx.run("UPDATE vocabulary SET version = version + 1 WHERE id = 1")


def names(tx: Transaction) -> list[Names]:
    """Return what all experiments are called."""
    return query.select(tx, Names, "SELECT key, aliases FROM experiments ORDER BY key")


def is_empty(tx: Transaction) -> bool:
    """Tell whether there is no experiment at all."""
    return not query.exists(tx, "SELECT 1 FROM experiments LIMIT 1")
