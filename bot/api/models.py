"""What the types of several resources are made of."""

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from bot import extensions
from bot.domain import actions, activity

# Python alone lets `$` match before a last line feed; this is the end for every reader.
END = r"$(?!\n)"


def text(limit: int, description: str, minimum: int = 0) -> Meta:
    """Text without NUL characters, which no engine but SQLite could store."""
    return Meta(
        min_length=minimum,
        max_length=limit,
        pattern=r"^[^\x00]*$",
        description=description,
    )


Id = Annotated[str, Meta(description="A UUID.", extra_json_schema={"format": "uuid"})]
DeliveryId = Annotated[
    str, Meta(description="An X-GitHub-Delivery: a GUID, or what else the sender numbers by.")
]
Time = Annotated[
    str,
    Meta(description="RFC 3339, UTC, with `Z`.", extra_json_schema={"format": "date-time"}),
]
Name = Annotated[str, text(200, "What people call it.", minimum=1)]
LongText = Annotated[str, text(20_000, "Free text.")]
# Kinds of action and types of the feed are declared where they are used: here all are known.
for _package in ("bot.commands", "bot.handlers", "bot.outbox"):
    extensions.modules_of(_package)
if TYPE_CHECKING:
    ActionKind = str
    ActivityType = str
else:
    ActionKind = Literal[tuple(sorted(actions.KINDS))]
    ActivityType = Literal[
        tuple(sorted(activity.TYPES, key=lambda name: (activity.TYPES[name].rank, name)))
    ]
