"""What must be so for a request to be carried out: `If-Match` and `If-None-Match`.

https://www.rfc-editor.org/rfc/rfc9110#section-13

A tag is `"VERSION-REST"`. VERSION changes with what requests can change, REST with all else that
an answer shows, such as counts: a push that adds a commit makes no change of anybody's fail.
"""

import re
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
        if self.if_none_match is None:
            return False
        return self.if_none_match.strip() == "*" or etag.strip('"') in (
            opaque for _, opaque in _TAG.findall(self.if_none_match)
        )

    def check(self, version: str | None) -> None:
        """Raise Problem (412) unless what is there now, None for nothing, may be changed."""
        if self.if_match is not None and not self._is_matched(version):
            raise _failed(self.if_match, version)
        if self.if_none_match is not None and version is not None:
            tags = _TAG.findall(self.if_none_match)
            if self.if_none_match.strip() == "*" or any(
                _version(one) == version for _, one in tags
            ):
                raise Problem(
                    412,
                    "precondition failed",
                    "There is one already, and If-None-Match says not to change it: nothing was "
                    "done. Leave the header out, or send If-Match to change what you have read.",
                )

    def _is_matched(self, version: str | None) -> bool:
        """Tell whether If-Match names the version. A weak tag names none, as HTTP has it."""
        assert self.if_match is not None
        if version is None:
            return False
        if self.if_match.strip() == "*":
            return True
        tags = _TAG.findall(self.if_match)
        return any(not weak and _version(opaque) == version for weak, opaque in tags)


def tag(version: str, rest: str = "") -> str:
    """Return an ETag."""
    return f'"{version}-{rest}"'


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
