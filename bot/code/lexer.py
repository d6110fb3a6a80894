"""Finds the literals and comments of a text by the rules of its family of languages.

It goes forward only: whatever is in the text, each part of it is looked at a fixed number of times
at most (once more for each kind of literal that is never closed).
"""

import re
from collections.abc import Container

from msgspec import Struct

from bot.code.families import Family, Thing
from bot.code.parts import begins_within

# What opens in one another, at most; deeper is text. Heredocs that nothing ends, likewise.
_DEEPEST = 60
_MOST_UNENDED = 20
_BLANKS = b" \t\n"
_BEFORE_EXPRESSION = frozenset(b"(,=:[!&|?{};+-*%~^>")
_KEYWORD_BEFORE_EXPRESSION = re.compile(
    rb"\b(?:return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield|instanceof|when|if"
    rb"|unless|and|or|not|elsif|while|until|split)\Z"
)
_STARRED_LINES = re.compile(rb"(?:[ \t]*\*(?:[ \t][^\n]*+|/?[ \t]*)(?:\n|\Z))+")


class Lexed(Struct):
    """What is in a text: where wanted literals begin, with the literal, and where comments are.

    `others` is where all other literals are, for who looks for what stands outside of them.
    """

    literals: list[tuple[int, bytes]]
    comments: list[tuple[int, int]]
    others: list[tuple[int, int]]


class _Open(Struct):
    """A literal with code in it, while that code is read. `depth` counts its brackets."""

    thing: Thing
    start: int
    depth: int = 0


def lexed(text: bytes, family: Family, wanted: Container[bytes], *, partial: bool = False) -> Lexed:
    """Find the literals whose content is wanted, and all comments. Lines end with \\n.

    `partial`: the text is a part of a file, such as a hunk of a diff. What ends a comment that did
    not begin in it says that all before was in that comment.
    """
    found = Lexed([], [], [])
    start = 0
    if family.islands and family.island_family:
        for island in family.islands.finditer(text):
            name = island.lastgroup
            if name is None:
                continue
            _Lexer(text, family, wanted, found, start, island.start(name)).run(partial)
            inner = family.island_family(island)
            _Lexer(text, inner, wanted, found, island.start(name), island.end(name)).run(False)
            start = island.end(name)
    _Lexer(text, family, wanted, found, start, len(text)).run(partial)
    return found


class _Lexer:
    """One way through a text, from `start` to `end`, in one family of languages."""

    def __init__(
        self,
        text: bytes,
        family: Family,
        wanted: Container[bytes],
        found: Lexed,
        start: int,
        end: int,
    ) -> None:
        self.text = text
        self.family = family
        self.wanted = wanted
        self.found = found
        self.start = start
        self.end = end
        self.stack: list[_Open] = []
        # Until where a literal of a name is known not to be closed.
        self.unclosed: dict[str, int] = {}
        self.unended = 0
        self.closed = False  # whether a comment has ended that began before
        self.spanned = False  # whether there has been a literal that may go over lines
        # The lines of a heredoc: (end of the line that opens it, its own end).
        self.ahead: tuple[int, int] | None = None

    def run(self, partial: bool) -> None:
        at = self.start
        if partial and self.family.stars and (lines := _STARRED_LINES.match(self.text, at)):
            self.found.comments.append((at, lines.end()))
            at = lines.end()
        while True:
            stop = self.ahead[0] if self.ahead else self.end
            opening = self._looked_for().search(self.text, at, stop) if at <= stop else None
            if opening is None:
                if self.ahead:
                    at, self.ahead = max(at, self.ahead[1]), None
                elif self.stack:
                    at = self._given_up()
                else:
                    return
            else:
                at = self._after(opening, partial)

    def _looked_for(self) -> re.Pattern[bytes]:
        if self.stack:
            return self.family.inner[self.stack[-1].thing.bracket]
        return self.family.outer

    def _given_up(self) -> int:
        """Go back to the first literal that is never closed, and take its quote as no quote."""
        first = self.stack[0]
        self.stack.clear()
        self.unclosed[first.thing.name] = self.end
        for spans in (self.found.comments, self.found.others):
            while spans and spans[-1][0] >= first.start:
                spans.pop()
        while self.found.literals and self.found.literals[-1][0] >= first.start:
            self.found.literals.pop()
        return first.start + 1

    def _after(self, opening: re.Match[bytes], partial: bool) -> int:
        """Take in what an opening opens; return where to go on."""
        name = opening.lastgroup or ""
        if name == "_shut":
            return self._shut(opening.end())
        thing = self.family.things.get(name)
        if thing is None:
            self.stack[-1].depth += 1
        elif thing.kind == "comment":
            return self._comment(thing, opening)
        elif thing.kind == "heredoc":
            self._heredoc(opening)
        elif thing.kind == "bracket":
            return self._bracket(thing, opening)
        elif thing.kind == "close":
            if partial and not self.stack and not self.closed:
                self.closed = True
                self._forget()
                self.found.comments.append((self.start, opening.end()))
        elif thing.body is not None:
            return self._quoted(thing, opening, partial)
        return opening.end()

    def _quoted(self, thing: Thing, opening: re.Match[bytes], partial: bool) -> int:
        start, at = opening.span()
        if self.unclosed.get(thing.name, -1) > start:
            return start + 1
        if thing.regex and not self._expression_may_begin(start):
            return at
        if thing.spans and partial and not self.spanned and not self.stack:
            self.spanned = True
            if begins_within(self.text, opening[0], start, at):
                self._forget()
                self.found.others.append((self.start, at))
                return at
        return self._literal(thing, start, at, whole=True)

    def _literal(self, thing: Thing, start: int, at: int, *, whole: bool) -> int:
        """Read a literal on from `at`; `whole` if nothing of it has been read."""
        assert thing.body is not None
        while True:
            body = thing.body.match(self.text, at, self.end)
            end = body.end() if body else at
            if self.text.startswith(thing.closing, end) and end < self.end:
                if whole:
                    self._content(thing, start, at, end)
                return end + len(thing.closing)
            if thing.inside and self.text.startswith(thing.inside, end) and end < self.end:
                at = end + len(thing.inside)
                if len(self.stack) < _DEEPEST:
                    self.stack.append(_Open(thing, start))
                    return at
                whole = False
                continue
            break
        if not whole:
            return self._given_up() if self.stack and thing.spans else end
        self.unclosed[thing.name] = end
        return start + 1

    def _content(self, thing: Thing, start: int, at: int, end: int) -> None:
        if thing.kind != "literal":
            return
        content = self.text[at:end]
        if content in self.wanted:
            self.found.literals.append((at, content))
        self.found.others.append((start, end + len(thing.closing)))

    def _shut(self, at: int) -> int:
        inner = self.stack[-1]
        if inner.depth:
            inner.depth -= 1
            return at
        self.stack.pop()
        return self._literal(inner.thing, inner.start, at, whole=False)

    def _comment(self, thing: Thing, opening: re.Match[bytes]) -> int:
        if thing.body is not None:
            body = thing.body.match(self.text, opening.end(), self.end)
            end = body.end() if body else opening.end()
        else:
            end = self._end_of_block(thing, opening.end())
        self.found.comments.append((opening.start(), end))
        self.closed = self.closed or thing.spans
        return end

    def _end_of_block(self, thing: Thing, at: int) -> int:
        """Return the end of a comment over lines; one that nothing ends goes to the end."""
        if thing.nested is None:
            end = self.text.find(thing.closing, at, self.end)
            return end + len(thing.closing) if end >= 0 else self.end
        depth = 1
        for one in thing.nested.finditer(self.text, at, self.end):
            depth += 1 if one[0] == thing.nested_opening else -1
            if not depth:
                return one.end()
        return self.end

    def _heredoc(self, opening: re.Match[bytes]) -> None:
        if self.ahead or self.unended >= _MOST_UNENDED:
            return
        line_end = self.text.find(b"\n", opening.end(), self.end)
        if line_end >= 0:
            last = re.compile(rb"^[ \t]*+%s\b" % re.escape(opening["word"]), re.MULTILINE)
            if ended := last.search(self.text, line_end + 1, self.end):
                self.ahead = (line_end, ended.end())
                return
        self.unended += 1

    def _bracket(self, thing: Thing, opening: re.Match[bytes]) -> int:
        closing = thing.closings[opening[0][-1:]]
        name = f"{thing.name}{closing!r}"
        if self.unclosed.get(name, -1) > opening.start():
            return opening.end()
        end = self.text.find(closing, opening.end(), self.end)
        if end >= 0:
            return end + 1
        self.unclosed[name] = self.end
        return opening.end()

    def _forget(self) -> None:
        """Drop what was found: it is within something that began before the text."""
        found, start = self.found, self.start
        found.literals[:] = [one for one in found.literals if one[0] < start]
        found.comments[:] = [one for one in found.comments if one[0] < start]
        found.others[:] = [one for one in found.others if one[0] < start]

    def _expression_may_begin(self, at: int) -> bool:
        """Tell whether a slash begins a regular expression, by what stands before it."""
        before = at - 1
        while before >= self.start and self.text[before] in _BLANKS:
            before -= 1
        if before < self.start or self.text[before] in _BEFORE_EXPRESSION:
            return True
        return bool(_KEYWORD_BEFORE_EXPRESSION.search(self.text[max(0, before - 11) : before + 1]))
