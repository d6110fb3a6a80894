"""The languages: what opens comments and literals in each family of them.

Not a parser of any: a rule for comments, one for literals, and what else holds quotes. docs/code.md
has the same as a table.
"""

import re
from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct

from bot.code.fillings import WORD

Kind = Literal["literal", "comment", "plain", "heredoc", "close", "bracket"]


class Thing(Struct, frozen=True, eq=False):
    """What a lexer stops at outside of literals and comments.

    `opening` begins it (a regular expression) and `body` is what it goes on with, which ends before
    `closing`. One that does not `span` lines and is not closed on its own was none. `inside` opens
    code within it, which ends with `bracket`. `nested`: another one may open in it. `regex`: only
    where an expression may begin, since it is a division elsewhere.
    """

    name: str
    kind: Kind
    opening: bytes
    body: re.Pattern[bytes] | None = None
    closing: bytes = b""
    spans: bool = False
    inside: bytes = b""
    bracket: bytes = b""
    nested: re.Pattern[bytes] | None = None
    nested_opening: bytes = b""
    regex: bool = False
    closings: Mapping[bytes, bytes] = {}


class Family(Struct, frozen=True, eq=False):
    """A family of languages: its things, and the regular expressions that find the next of them.

    `inner` is what is looked for in code within a literal, by the bracket that ends it. `dollar`: a
    `$` is part of an identifier. `stars`: lines with ` * ` at the top of a hunk of a diff are of a
    comment. `islands` finds parts of a file that are of other families, `island_family` of which.
    """

    name: str
    things: Mapping[str, Thing]
    outer: re.Pattern[bytes]
    inner: Mapping[bytes, re.Pattern[bytes]]
    dollar: bool = False
    stars: bool = False
    islands: re.Pattern[bytes] | None = None
    island_family: Callable[[re.Match[bytes]], "Family"] | None = None


def family(
    name: str,
    *things: Thing,
    dollar: bool = False,
    stars: bool = False,
    islands: bytes | None = None,
    island_family: Callable[[re.Match[bytes]], Family] | None = None,
) -> Family:
    named = {thing.name: thing for thing in things}
    assert len(named) == len(things), name
    pieces = [b"(?P<%s>%s)" % (one.name.encode(), one.opening) for one in things]
    outer = re.compile(b"|".join(pieces), re.MULTILINE)
    inner = {}
    for bracket in {one.bracket for one in things if one.bracket}:
        opening = {b"}": b"{", b")": b"("}[bracket]
        more = [b"(?P<_open>%s)" % re.escape(opening), b"(?P<_shut>%s)" % re.escape(bracket)]
        inner[bracket] = re.compile(b"|".join(pieces + more), re.MULTILINE)
    return Family(
        name=name,
        things=named,
        outer=outer,
        inner=inner,
        dollar=dollar,
        stars=stars,
        islands=re.compile(islands, re.IGNORECASE | re.DOTALL) if islands else None,
        island_family=island_family,
    )


def literal(
    name: str,
    opening: bytes,
    closing: bytes,
    *,
    escape: bytes = b"\\",
    doubled: bool = False,
    spans: bool = False,
    inside: bytes = b"",
    twice: bool = False,
    regex: bool = False,
    kind: Kind = "literal",
) -> Thing:
    """Describe a literal: how a quote in it is written, and whether it goes over lines.

    `inside` as it is written, such as `${`; `twice`: written twice it is no opening.
    """
    first = re.escape(closing[:1])
    stop = first
    pieces = []
    if escape:
        stop += re.escape(escape)
        pieces.append(
            rb"%s[\s\S]" % re.escape(escape) if spans else rb"%s[^\n]" % re.escape(escape)
        )
    if doubled:
        pieces.append(re.escape(closing * 2))
    if len(closing) > 1:
        pieces.append(first + b"(?!%s)" % re.escape(closing[1:]))
    if inside and not inside.startswith(escape or b"\0"):
        stop += re.escape(inside[:1])
        if twice:
            pieces.append(re.escape(inside[:1] * 2))
        if len(inside) > 1:
            pieces.append(re.escape(inside[:1]) + b"(?!%s)" % re.escape(inside[1:]))
    elif inside:  # \( of Swift
        pieces[0] = re.escape(escape) + rb"[^%s\n]" % re.escape(inside[1:])
    if regex:
        stop += rb"\["
        pieces.append(rb"\[(?:[^\]\\\n]++|\\[^\n])*+\]?")
    if not spans:
        stop += rb"\n"
    return Thing(
        name=name,
        kind=kind,
        opening=opening,
        body=re.compile(b"(?:[^%s]++%s)*+" % (stop, b"".join(b"|" + one for one in pieces))),
        closing=closing,
        spans=spans,
        inside=inside,
        bracket={b"{": b"}", b"(": b")"}.get(inside[-1:], b""),
        regex=regex,
    )


def to_end_of_line(name: str, opening: bytes) -> Thing:
    return Thing(name, "comment", opening, re.compile(rb"[^\n]*+"))


def block(name: str, opening: bytes, closing: bytes, *, nested: bytes = b"") -> Thing:
    """Describe a comment that goes over lines; with `nested` others may open in it."""
    return Thing(
        name,
        "comment",
        opening,
        closing=closing,
        spans=True,
        nested=re.compile(b"%s|%s" % (re.escape(nested), re.escape(closing))) if nested else None,
        nested_opening=nested,
    )


def plain(name: str, opening: bytes) -> Thing:
    """Describe what is passed over: an escaped quote, a character literal."""
    return Thing(name, "plain", opening)


def until(name: str, opening: bytes, closings: Mapping[bytes, bytes]) -> Thing:
    """Describe a literal that the last byte of its opening ends: `%q(…)`. It is none of a key."""
    return Thing(name, "bracket", opening, spans=True, closings=closings)


def heredoc(name: str, opening: bytes) -> Thing:
    """Describe a text between lines; the group `word` of the opening is the line that ends it."""
    return Thing(name, "heredoc", opening)


def close(name: str, opening: bytes) -> Thing:
    """Describe what ends a comment whose beginning is not to be seen."""
    return Thing(name, "close", opening)


# An apostrophe after a letter is none that opens a literal: don't, L'x', 1'000.
NOT_IN_WORD = rb"(?<![%s])" % WORD
# The same where code may stand close before a quote (return'x'): only contractions of English.
NOT_SHORT = rb"(?<![a-zA-Z](?=.(?:t|s|re|ve|ll|d|m)\b))"
DOUBLE = literal("double", b'"', b'"')
SINGLE = literal("single", NOT_IN_WORD + b"'", b"'")
BACKTICK = literal("backtick", b"`", b"`")
SLASHES = to_end_of_line("slashes", rb"(?<!:)//")
STARRED = block("starred", rb"/\*", b"*/")
STARRED_END = close("starred_end", rb"\*/")
C_COMMENTS = (SLASHES, STARRED, STARRED_END)
HASH = to_end_of_line("hash", b"#")
# In shells and the like a # within a word is one of it.
HASH_WORD = to_end_of_line("hash", rb"(?:(?<=[\s;(|&`])|^)#")
