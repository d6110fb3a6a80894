"""Which key somebody may have meant."""

from collections.abc import Sequence

from rapidfuzz import fuzz, process, utils

from bot import storage as store

_ENOUGH = 80  # of 100


def close_keys(tx: store.Transaction, key: str, limit: int = 1) -> list[str]:
    """Return the keys of experiments that are nearest to `key`, at most `limit`."""
    return closest(key, store.experiments.keys(tx), limit)


def close_to_each(tx: store.Transaction, keys: Sequence[str]) -> dict[str, str]:
    """Return for each of `keys` the nearest key of an experiment, if one is near enough."""
    known = store.experiments.keys(tx) if keys else []
    compared = [utils.default_process(one) for one in known]  # once, not for each of `keys`
    found = {}
    for key in keys:
        near = process.extractOne(
            utils.default_process(key), compared, scorer=fuzz.ratio, score_cutoff=_ENOUGH
        )
        if near is not None:
            found[key] = known[near[2]]
    return found


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
