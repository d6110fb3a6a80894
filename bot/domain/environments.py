"""Which environments are production, by what deployments say of them or by their names."""

import fnmatch
import re
from collections.abc import Sequence

PRODUCTION = ("prod", "production", "live")
_NOT = ("non", "not", "no", "pre")  # right before such a word they say that it is not
_WORDS = re.compile(r"[^\W_]+")


def is_production(name: str, says_so: object = None, patterns: Sequence[str] = PRODUCTION) -> bool:
    """Tell whether an environment is production.

    So GitHub says of its deployment, or a pattern does of its name: a word that it is or has among
    several (`web-production`, `production / eu`; not `preproduction`, `pre-production` or
    `non-prod`), or the whole name, in which * and ? stand for anything. Case does not matter.
    """
    return says_so is True or any(_matches(name.lower(), one.lower()) for one in patterns)


def _matches(name: str, pattern: str) -> bool:
    if "*" in pattern or "?" in pattern:
        return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))
    found = _WORDS.findall(name)
    return name == pattern or any(
        word == pattern and (not at or found[at - 1] not in _NOT) for at, word in enumerate(found)
    )
