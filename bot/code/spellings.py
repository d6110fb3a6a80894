"""How a key may be written as an identifier, where a repository's rules switch that on."""

import re
from collections.abc import Iterable, Iterator
from typing import Literal

Spelling = Literal["camel", "pascal", "snake", "upper_snake", "kebab"]

_BREAKS = re.compile(r"[._-]+")
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def words(text: str) -> list[str]:
    """Return the words of a key in lower case: `new-flow_v2` and `newFlowV2` have three."""
    return [word.lower() for part in _BREAKS.split(text) for word in _HUMPS.split(part) if word]


def spelled(text: str, spelling: Spelling) -> str:
    """Return a key or alias in one spelling: `checkout-flow` in camel is `checkoutFlow`."""
    parts = words(text)
    match spelling:
        case "camel":
            return "".join([*parts[:1], *(part.capitalize() for part in parts[1:])])
        case "pascal":
            return "".join(part.capitalize() for part in parts)
        case "snake":
            return "_".join(parts)
        case "upper_snake":
            return "_".join(parts).upper()
        case "kebab":
            return "-".join(parts)


def spellings(text: str, switched_on: Iterable[Spelling]) -> Iterator[tuple[Spelling, str]]:
    """Yield a key or alias in each of the spellings that are switched on."""
    for spelling in switched_on:
        if found := spelled(text, spelling):
            yield spelling, found
