"""Which key somebody may have meant."""

from rapidfuzz import fuzz, process, utils

from bot.storage import experiments
from bot.storage.database import Transaction

_ENOUGH = 80  # of 100


def close_keys(transaction: Transaction, key: str, limit: int = 1) -> list[str]:
    """Return the keys of experiments that are nearest to `key`, at most `limit`."""
    return closest(key, experiments.keys(transaction), limit)


def closest(word: str, words: list[str], limit: int = 1, cutoff: int = _ENOUGH) -> list[str]:
    """Return those of `words` that are nearest to `word`, if they are near enough."""
    found = process.extract(
        word,
        words,
        scorer=fuzz.ratio,
        processor=utils.default_process,
        score_cutoff=cutoff,
        limit=limit,
    )
    return [one[0] for one in found]
