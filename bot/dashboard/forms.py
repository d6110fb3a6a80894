"""What a form says, and what a page says of one that was refused, in words for people."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.domain import warnings
from bot.domain.errors import Code, Failed, FieldError, Invalid
from bot.github import CallFailed
from bot.web.problems import FieldMessage, problem_of
from bot.web.validation import words

MARKED = "Nothing was changed. Correct the fields that are marked below."
Say = Callable[[FieldError], FieldMessage]

_WORDS: Mapping[Code, str] = {
    "too_short": "must have at least {limit} characters",
    "too_long": "must have at most {limit} characters",
    "too_many": "must have at most {limit} entries",
    "pattern": "contains a character that cannot be stored",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a form was refused. `error` says it in few words, `errors` what is wrong with fields."""

    status: int
    error: str
    detail: str
    errors: Sequence[FieldMessage] = ()


def plain_text(form: Mapping[str, str]) -> dict[str, str]:
    """Return a form with line feeds alone, where browsers send them with carriage returns."""
    return {name: value.replace("\r\n", "\n") for name, value in form.items()}


def listed_words(text: str) -> list[str]:
    """Return what a field lists, separated by commas or lines."""
    return list(dict.fromkeys(word for one in re.split(r"[,\n]", text) if (word := one.strip())))


def plain(error: FieldError) -> FieldMessage:
    """Return what people are told of a field; of a list it is the field that holds its lines."""
    field, _, position = error.field.partition("[")
    text = _WORDS[error.code].format(limit=error.limit) if error.code in _WORDS else words(error)
    number = position.rstrip("]")
    return FieldMessage(field, f"line {int(number) + 1} {text}" if number.isdecimal() else text)


def helpful(help: Mapping[str, str]) -> Say:
    """Return what says of a field that has not the shape what `help` has for it."""

    def say(error: FieldError) -> FieldMessage:
        said = plain(error)
        field = said.field.partition(".")[0]
        text = help.get(field, said.message) if error.is_of_shape else said.message
        return FieldMessage(field, text[:1].upper() + text[1:])

    return say


def refusal(
    failed: Failed | CallFailed,
    say: Say = plain,
    *,
    error: str = "invalid request",
    detail: str = MARKED,
) -> Refusal:
    """Return why a form was refused. `error` and `detail` stand above fields that are wrong."""
    if isinstance(failed, Invalid):
        return Refusal(422, error, detail, [say(one) for one in failed.errors])
    body = problem_of(failed).body
    return Refusal(body.status, body.error, body.detail)


def with_warnings(notice: str, warned: Sequence[warnings.Warning]) -> tuple[str, str]:
    """Return the notice of a change with what to warn of, and its kind."""
    said = [warnings.words(one) for one in warned]
    return " ".join([notice, *said]), "warning" if said else "success"
