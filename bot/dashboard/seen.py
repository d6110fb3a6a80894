"""What a form showed when it was opened, so that nobody changes back what somebody else changed.

A form sends the version that it showed, and a short digest of each field. Once the version is
another, nothing is stored: the form comes back with what is there now in the fields that were left
alone, and what was typed, beside what is there now, in the others.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from bot.api.conditions import NO_CONDITIONS, Conditions, tag
from bot.web.problems import Problem

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


def conditions(form: Mapping[str, str]) -> Conditions:
    """Return the condition that what is changed is as the form showed it; none if it is not said,
    as by a script."""
    version = form.get("version")
    return Conditions(if_match=tag(version)) if version else NO_CONDITIONS


def merged(
    form: Mapping[str, str], current: Mapping[str, str]
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return the fields of a form whose version has gone, and what to say of those that differ."""
    try:
        seen = msgspec.json.decode(form.get("seen", "{}"), type=dict[str, str])
    except msgspec.MsgspecError:
        seen = {}
    values, errors = dict(form), []
    for name, now in current.items():
        typed = form.get(name, "")
        is_touched = _digest(typed) != seen.get(name)
        values[name] = typed if is_touched else now
        if _digest(now) == seen.get(name) or typed == now:
            continue
        if is_touched:
            errors.append((name, f"Changed meanwhile. It is now {_quoted(now)}."))
        else:
            errors.append((name, "Changed meanwhile. This is the current value."))
    return values, errors


def changed_meanwhile(what: str, errors: Sequence[tuple[str, str]] = ()) -> Problem:
    """Return the problem of a form whose version has gone."""
    return Problem(
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
    return f"“{text[:_LONG]}…”" if len(text) > _LONG else f"“{text}”"
