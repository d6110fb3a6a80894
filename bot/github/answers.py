"""Reads GitHub's answers: what is no success, or cannot be read, is a failure of the call."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import gidgethub
import msgspec
from gidgethub import sansio
from multidict import CIMultiDict

from bot import times
from bot.github import failures, payloads
from bot.github.failures import Temporary

E = TypeVar("E", bound=msgspec.Struct)
Response = tuple[int, Mapping[str, str], bytes]  # status, headers, content


@contextmanager
def readable() -> Iterator[None]:
    """Raise CallFailed for what is no success, or cannot be read."""
    try:
        yield
    except gidgethub.HTTPException as error:
        raise failures.of(error, times.now() / times.SECOND) from None
    except (ValueError, KeyError, TypeError, AttributeError, LookupError):
        raise Temporary("GitHub's answer cannot be read") from None


def deciphered(answer: Response) -> Any:
    """Return the JSON of an answer; raises CallFailed."""
    with readable():
        data = sansio.decipher_response(*answer)[0]
    see_to_json(data)
    return data


def see_to_json(data: Any) -> None:
    if isinstance(data, str):  # a page, perhaps of a proxy
        raise Temporary("GitHub's answer is not JSON")


def without(headers: Mapping[str, str], names: Collection[str]) -> Mapping[str, str]:
    """Return headers, in the same kind of mapping for reading, without some."""
    kept = CIMultiDict(headers)
    for name in names:
        kept.popall(name, None)
    return kept


def read(answer: Any, shape: type[E]) -> E:
    try:
        return payloads.read_answer(answer, shape)
    except payloads.InvalidPayload as error:
        raise Temporary(f"GitHub's answer cannot be used: {error}") from None
