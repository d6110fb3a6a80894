"""Lists a part at a time: what is asked for, and the cursors that lead from part to part."""

import base64
import binascii
import zlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from bot import storage as store
from bot.domain.errors import Invalid

T = TypeVar("T")


class Paged(Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=200, description="How many at most.")] = 50
    cursor: (
        Annotated[
            str,
            Meta(
                # Python alone lets `$` match before a last line feed; this is the end for all.
                pattern=r"^[A-Za-z0-9_-]{1,200}$(?!\n)",
                description="`next_cursor` of the part before.",
            ),
        ]
        | None
    ) = None


class Page(Struct, Generic[T]):
    """A part of a list. `next_cursor` leads to the next part; null at the end."""

    items: list[T]
    next_cursor: str | None


def page_of(part: store.Part[Any], list_name: str, item: Callable[[Any], T]) -> Page[T]:
    """Return a part of a list as it is shown."""
    cursor = cursor_of(part.next, list_name) if part.next is not None else None
    return Page([item(row) for row in part], cursor)


def cursor_of(position: Sequence[int], list_name: str) -> str:
    """Return the cursor that stands for a place in a list, named by its operation's path."""
    tagged = [zlib.crc32(list_name.encode()), *position]
    return base64.urlsafe_b64encode(msgspec.json.encode(tagged)).decode().rstrip("=")


def position_of(cursor: str | None, length: int, list_name: str) -> tuple[int, ...] | None:
    """Return the place that a cursor stands for; raises Invalid if it is none of this list."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        tag, *position = msgspec.json.decode(text, type=list[int])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        tag, position = 0, []
    is_ours = tag == zlib.crc32(list_name.encode()) and len(position) == length
    if not is_ours or any(abs(number) >= 2**63 for number in position):
        raise Invalid.field("cursor", "no_cursor")
    return tuple(position)
