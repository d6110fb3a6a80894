"""What a form showed when it was opened, so that nobody changes back what somebody else changed.

A form sends the version that it showed, and a short digest of each field. Once the version is
another, nothing is stored: the form comes back with what is there now in the fields that were left
alone, and what was typed, beside what is there now, in the others.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from bot import characters
from bot.dashboard.forms import Refusal
from bot.domain.errors import Changed
from bot.web.problems import FieldMessage

R = TypeVar("R")

_LONG = 1_000  # characters of a value that are shown beside the field


@dataclass(frozen=True, slots=True)
class Seen:
    """The hidden fields of a form that shows `version` with some values."""

    version: str
    digests: str

    @classmethod
    def of(cls, version: str, values: Mapping[str, str]) -> "Seen":
        digests = {name: _digest(text) for name, text in values.items()}
        return cls(version, msgspec.json.encode(digests).decode())


def as_shown(
    form: Mapping[str, str], version_of: Callable[[R], str], name: str = "version"
) -> Callable[[R | None], None]:
    """Return what raises Changed unless a row is as a form showed it; a form that does not say
    how that was, as a script's, may change any."""
    version = form.get(name)

    def check(row: R | None) -> None:
        if version and (row is None or version_of(row) != version):
            raise Changed

    return check


def merged(
    form: Mapping[str, str], current: Mapping[str, str]
) -> tuple[dict[str, str], list[FieldMessage]]:
    """Return the fields of a form whose version has gone, and what to say of those that differ."""
    try:
        seen = msgspec.json.decode(form.get("seen", "{}"), type=dict[str, str])
    except msgspec.MsgspecError:
        seen = {}
    values, errors = dict(form), list[FieldMessage]()
    for name, now in current.items():
        typed = form.get(name, "")
        is_touched = _digest(typed) != seen.get(name)
        values[name] = typed if is_touched else now
        if _digest(now) == seen.get(name) or typed == now:
            continue
        said = f"It is now {_quoted(now)}." if is_touched else "This is the current value."
        errors.append(FieldMessage(name, f"Changed meanwhile. {said}"))
    return values, errors


def changed_meanwhile(what: str, errors: Sequence[FieldMessage] = ()) -> Refusal:
    """Return why a form whose version has gone is refused."""
    return Refusal(
        412,
        "changed meanwhile",
        f"Somebody changed {what} after you opened this page, so nothing was done. The form now "
        "shows the current values, and what you typed. Send it again if it is right.",
        errors,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _quoted(text: str) -> str:
    if not text:
        return "empty"
    return f"“{characters.begin(text, _LONG)}…”" if len(text) > _LONG else f"“{text}”"
