"""What the types of several resources are made of, and how a row becomes one of them."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct

from bot import extensions, times
from bot.domain import actions, activity
from bot.domain.errors import Invalid
from bot.domain.sessions import host_of
from bot.emails import name_without_email, without_emails
from bot.github.names import FULL_NAME

# Python alone lets `$` match before a last line feed; this is the end for every reader.
END = r"$(?!\n)"
S = TypeVar("S", bound=Struct)


def text(limit: int, description: str, minimum: int = 0) -> Meta:
    """Text without NUL characters, which no engine but SQLite could store."""
    return Meta(
        min_length=minimum, max_length=limit, pattern=r"^[^\x00]*$", description=description
    )


Id = Annotated[str, Meta(description="A UUID.", extra_json_schema={"format": "uuid"})]
DeliveryId = Annotated[
    str, Meta(description="An X-GitHub-Delivery: a GUID, or what else the sender numbers by.")
]
# A function beside a type returns the value of a row as it is shown; none is asked for null.
Time = Annotated[
    str,
    Meta(description="RFC 3339, UTC, with `Z`.", extra_json_schema={"format": "date-time"}),
    times.render,
]
Person = Annotated[str, name_without_email]
Written = Annotated[str, without_emails]  # by people
Reason = Annotated[str, lambda text: without_emails(text) if text else None]
RepositoryName = Annotated[str, Meta(pattern=FULL_NAME, description="`owner/name` on GitHub.")]
Moment = Annotated[
    str,
    Meta(
        description="RFC 3339, or a day, which stands for its beginning in UTC.",
        extra_json_schema={
            "anyOf": [{"type": "string", "format": one} for one in ("date-time", "date")]
        },
    ),
]
Name = Annotated[str, text(200, "A name for people.", minimum=1)]
LongText = Annotated[str, text(20_000, "Free text.")]
# Kinds of action and types of the feed are declared where they are used: here all are known.
for _package in ("bot.commands", "bot.handlers", "bot.outbox"):
    extensions.modules_of(_package)
_KINDS: list[str] = []
_TYPES: list[str] = []
ActionKind = Annotated[
    str,
    Meta(
        description="A kind of action. Parts of a `pull_request` were kinds of their own before.",
        extra_json_schema={"enum": _KINDS},
    ),
]
ActivityType = Annotated[
    str, Meta(description="A type of the feed.", extra_json_schema={"enum": _TYPES})
]


class Actor(Struct):
    """Who does something over API and pages: an API token, or somebody who came through GitHub."""

    kind: Literal["token", "github"]
    id: Annotated[str, Meta(description="Of a token its id, of others the same in every session.")]
    name: Person | None

    @classmethod
    def of(cls, identifier: str, name: str | None) -> "Actor":
        """Return an actor as the API shows it."""
        kind: Literal["token", "github"] = "github" if host_of(identifier) else "token"
        return cls(kind, identifier, name_without_email(name))


def moment(name: str, value: str | None) -> int | None:
    """Return a time that a parameter tells; raises Invalid if there is no such time."""
    try:
        return times.asked_for(value) if value is not None else None
    except ValueError:
        raise Invalid.field(name, "no_time") from None


def list_what_is_declared() -> None:
    """Let a description name the kinds and types that are there by now, those of extensions too."""
    _KINDS[:] = sorted(actions.known_kinds())
    _TYPES[:] = sorted(activity.TYPES, key=lambda name: (activity.TYPES[name].rank, name))


def shaped(shape: type[S], row: object, **beside: Any) -> S:
    """Return a row as the API shows it: `beside`, and the columns named as the other fields."""
    for name, show in _fields(shape):
        if name not in beside:
            value = getattr(row, name)
            beside[name] = value if show is None or value is None else show(value)
    return shape(**beside)


@functools.cache
def _fields(shape: type[Struct]) -> list[tuple[str, Callable[[Any], Any] | None]]:
    return [(one.name, _show(one.type)) for one in msgspec.structs.fields(shape)]


def _show(kind: Any) -> Callable[[Any], Any] | None:
    if inspect.isfunction(kind):
        return kind
    return next(filter(None, map(_show, get_args(kind))), None)
