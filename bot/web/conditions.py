"""What must be so for a request to be carried out: `If-Match` and `If-None-Match`.

https://www.rfc-editor.org/rfc/rfc9110#section-13

A tag is `"VERSION-REST"`. VERSION changes with what requests can change, REST with all else that
an answer shows, such as counts: a push that adds a commit makes no change of anybody's fail.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from bot.web.problems import Problem

IF_MATCH = {
    "If-Match": (None, "Carry this out only if the ETag is still one of these, or `*` for any.")
}
IF_NONE_MATCH_READ = {
    "If-None-Match": (None, "Answer 304 without a body if the ETag is still one of these.")
}
IF_NONE_MATCH_WRITE = {"If-None-Match": (None, "`*`: create, never replace.")}
_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\U0010ffff]*)"')


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of one request."""

    if_match: str | None = None
    if_none_match: str | None = None

    @classmethod
    def of(cls, request: web.Request) -> "Conditions":
        """Return the conditions of the headers; one that is given twice is one list."""

        def joined(name: str) -> str | None:
            values = request.headers.getall(name, [])
            return ", ".join(values) if values else None

        return cls(joined("If-Match"), joined("If-None-Match"))

    def is_known(self, etag: str) -> bool:
        """Tell whether who asks has this answer already."""
        return _names(self.if_none_match, lambda _, opaque: opaque == etag.strip('"'))

    def check(self, version: str | None) -> None:
        """Raise Problem (412) unless what is there now, None for nothing, may be changed."""
        # A weak tag matches nothing here, as HTTP has it.
        is_matched = version is not None and _names(
            self.if_match, lambda weak, opaque: not weak and _version(opaque) == version
        )
        if self.if_match is not None and not is_matched:
            raise _failed(self.if_match, version)
        if version is not None and _names(
            self.if_none_match, lambda _, opaque: _version(opaque) == version
        ):
            raise Problem(
                412,
                "precondition failed",
                "There is one already, and If-None-Match says not to change it: nothing was "
                "done. Leave the header out, or send If-Match to change what you have read.",
            )


def tag(version: str, rest: str = "") -> str:
    """Return an ETag."""
    return f'"{version}-{rest}"'


def _names(header: str | None, is_meant: Callable[[str, str], bool]) -> bool:
    """Tell whether a header has `*`, or a tag that is meant: asked by its `W/` and its inside."""
    return header is not None and (
        header.strip() == "*" or any(is_meant(*one) for one in _TAG.findall(header))
    )


def _version(opaque: str) -> str:
    return opaque.partition("-")[0]


def _failed(if_match: str, version: str | None) -> Problem:
    if version is None:
        detail = "It does not exist (any more), so nothing was done."
    else:
        detail = (
            "It has changed since you read it, so nothing was done. Read it again before you "
            "change it."
        )
    if "W/" in if_match:
        detail += " A weak tag (W/) never matches; a proxy that compresses answers makes tags weak."
    elif if_match and not _TAG.search(if_match):
        detail += " Send the ETag as it came, with its quotation marks."
    return Problem(412, "precondition failed", detail)
