"""Which environments are production, by what deployments say of them or by their names."""

import re
from collections.abc import Collection

PRODUCTION = ("prod", "production", "live")
_NOT = ("non", "not", "no", "pre")  # right before such a word they say that it is not
_WORDS = re.compile(r"[^\W_]+")


def is_production(name: str, says_so: object = None, words: Collection[str] = PRODUCTION) -> bool:
    """Tell whether an environment is production.

    So GitHub says of its deployment, or its name is one of some words, or has one among several:
    `web-production`, `production / eu`; not `preproduction`, `pre-production` or `non-prod`.
    """
    if says_so is True:
        return True
    found = [word.lower() for word in _WORDS.findall(name)]
    return any(
        word in words and (not at or found[at - 1] not in _NOT) for at, word in enumerate(found)
    )
