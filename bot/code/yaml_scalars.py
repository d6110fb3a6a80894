"""The whole scalars of YAML: keys, values and items, plain or quoted, but for block scalars.

A reader of lines rather than a parser: templates of Helm and Ansible are no YAML, and a part of a
file is none either. A plain scalar that goes on over lines is no whole value.
"""

import re
from collections.abc import Container

from bot.code.lexer import Lexed

_INDENT = re.compile(rb" *+")
_MARKER = re.compile(rb"[-?](?:[ \t]++|(?=\n|\Z))")
_DOUBLE = re.compile(rb'"((?:[^"\\]|\\[\s\S])*+)"')
_SINGLE = re.compile(rb"'((?:[^']|'')*+)'")
_BLOCK = re.compile(rb"[|>][-+0-9]{0,2}[ \t]*+(?:(?<=[ \t])#[^\n]*+)?(?=\n|\Z)")
_PROPERTY = re.compile(rb"[&!*]\S*+")
_PLAIN = re.compile(rb"(?:[^\s:]++|:(?=\S)|[ \t]++(?=[^\s#]))*+")
_PLAIN_IN_FLOW = re.compile(rb"(?:[^\s:,\[\]{}]++|:(?=[^\s,\[\]{}])|[ \t]++(?=[^\s#]))*+")
_KEY_FOLLOWS = re.compile(rb"[ \t]*+:(?=\s|\Z)")
_NEXT_LINE = re.compile(rb"\n(?:[ \t]*+\n)*+( *+)([^\s#])")
_FLOW_IS_OVER = re.compile(rb"[A-Za-z_][\w.-]*+:(?=\s|\Z)")


def yaml_scalars(text: bytes, wanted: Container[bytes]) -> tuple[Lexed, list[tuple[int, bytes]]]:
    """Return the quoted scalars and comments, and the wanted plain keys, values and items."""
    scan = _Scan(text, wanted)
    at = 0
    while at < len(text):
        at = scan.line(at)
    return scan.found, scan.plain


class _Scan:
    def __init__(self, text: bytes, wanted: Container[bytes]) -> None:
        self.text = text
        self.wanted = wanted
        self.found = Lexed([], [], [])
        self.plain: list[tuple[int, bytes]] = []
        self.depth = 0  # of [ and {
        self.block: int | None = None  # the column that a block scalar is indented from
        self.awaited = False  # whether a value may stand alone on the next line
        # No quote closes from here on.
        self.unclosed = {b'"': len(text) + 1, b"'": len(text) + 1}

    def line(self, start: int) -> int:
        """Read a line, and more if a scalar goes on; return where the next one begins."""
        text = self.text
        indent = _INDENT.match(text, start)
        at = indent.end() if indent else start
        column = at - start
        if text[at : at + 1] in {b"\n", b""}:
            return at + 1
        if self.block is not None:
            if column > self.block:
                return self._line_end(at) + 1
            self.block = None
        if self.depth and not column and _FLOW_IS_OVER.match(text, at):
            self.depth = 0
        if not column and text.startswith((b"---", b"..."), at):
            self.awaited = False
            at += 3
        after = self.awaited
        if not self.depth:
            while marker := _MARKER.match(text, at):
                column, after, at = at - start, True, marker.end()
        return self._nodes(start, at, column, after)

    def _nodes(self, start: int, at: int, column: int, after: bool) -> int:
        """Read what is on a line from `at`; `after`: a value may stand there."""
        text = self.text
        while at < len(text):
            one = text[at : at + 1]
            if one in {b" ", b"\t"}:
                at += 1
            elif one == b"\n":
                break
            elif one == b"#" and (at == start or text[at - 1] in b" \t\n"):
                end = self._line_end(at)
                self.found.comments.append((at, end))
                at = end
            elif one in {b'"', b"'"} and (end := self._quoted(at, one)):
                at = end
                after = False
            elif one in {b"[", b"{"}:
                self.depth += 1
                at += 1
            elif self.depth and one in {b"]", b"}", b","}:
                self.depth -= one != b","
                at += 1
                after = True
            elif one == b":":
                at += 1
                after = True
            elif after and not self.depth and (header := _BLOCK.match(text, at)):
                self.block = column
                at = header.end()
            elif one in {b"&", b"!", b"*"} and (prop := _PROPERTY.match(text, at)):
                at = prop.end()
            else:
                at, column, after = self._plain(start, at, column, after)
        self.awaited = after
        return at + 1

    def _plain(self, start: int, at: int, column: int, after: bool) -> tuple[int, int, bool]:
        found = (_PLAIN_IN_FLOW if self.depth else _PLAIN).match(self.text, at)
        end = found.end() if found else at
        if end == at:
            return at + 1, column, after
        scalar = self.text[at:end].rstrip()
        key = self.depth == 0 and _KEY_FOLLOWS.match(self.text, end) is not None
        if scalar in self.wanted and (
            key or self.depth or (after and not self._goes_on(end, column))
        ):
            self.plain.append((at, scalar))
        return end, at - start if key else column, False

    def _goes_on(self, at: int, column: int) -> bool:
        """Tell whether a plain value goes on in the next line, which is indented more."""
        following = _NEXT_LINE.match(self.text, self._line_end(at))
        return following is not None and len(following[1]) > column

    def _quoted(self, at: int, quote: bytes) -> int:
        """Take in a quoted scalar and return its end; 0 where nothing closes it."""
        if at >= self.unclosed[quote]:
            return 0
        found = (_DOUBLE if quote == b'"' else _SINGLE).match(self.text, at)
        if found is None:
            self.unclosed[quote] = at
            return 0
        if found[1] in self.wanted:
            self.found.literals.append((at + 1, found[1]))
        self.found.others.append(found.span())
        return found.end()

    def _line_end(self, at: int) -> int:
        end = self.text.find(b"\n", at)
        return len(self.text) if end < 0 else end
