"""Finds the commands in a comment: `/experiment link checkout-flow-v2`, on a line of its own.

A comment is Markdown, so what GitHub shows as code, as a quote, as a heading, in a table, as part
of a link or not at all is no command, and the arguments are what GitHub shows of the line.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from types import SimpleNamespace
from typing import Any, Literal

from markdown_it import MarkdownIt, helpers, rules_inline
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from bot.domain.commands import MAX_COMMANDS, Invocation
from bot.domain.keys import MAX_TEXT

# Work that one text may cause, in tries of the parser's rules or what takes as long, half a
# microsecond. Some texts would take minutes; most real ones of GitHub's full length need less.
MAX_WORK = 45_000

_MARKS = "\u200e\u200f\u061c"  # invisible, they tell in which direction text runs
_LINE_END = re.compile(r"\r\n?|\n")
# A dotless i is none of the ASCII letters, although it is an i to the rules of upper case.
_COMMAND = re.compile(rf"[ \t\xa0{_MARKS}]*(?ai:/experiment)[{_MARKS}]*(?=\s|\Z)")
# Phones put other quotation marks, and mix the double ones as they like.
_DOUBLE = '"\u201c\u201d\u201e\u201f\xab\xbb'
_SINGLE = "'\u2018\u2019\u201a"
# A mark closes at the end of a word only: an apostrophe may stand inside of one.
_WORD = re.compile(
    rf"""[\s,{_MARKS}]*
        (?:(?P<name>[A-Za-z][A-Za-z0-9_-]*)=[{_MARKS}]*)?
        (?: [{_DOUBLE}](?P<double>.*?)[{_DOUBLE}](?=[\s,{_MARKS}]|\Z)
          | [{_SINGLE}](?P<single>.*?)[{_SINGLE}](?=[\s,{_MARKS}]|\Z)
          | (?P<unclosed>[{_DOUBLE}{_SINGLE}])
          | (?P<value>(?(name)\S*|[^\s,]*)) )""",
    re.DOTALL | re.VERBOSE,
)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_HIDING = re.compile(r"<(/?)(blockquote|pre|code)(?![\w-])", re.IGNORECASE)
# Of HTML only what stands for itself is part of an argument: <key> is a placeholder.
_MARKUP = re.compile(
    r"""<!--|</?(?:a|abbr|b|big|br|cite|code|del|dfn|em|font|i|img|ins|kbd|mark|p|q|s|samp|small
        |span|strike|strong|sub|sup|tt|u|var)(?![\w-])""",
    re.IGNORECASE | re.VERBOSE,
)
# What the search for the end of a link's address may walk along; often there is none
_ADDRESS = re.compile(r"<[^<>\n]*|\S*")
_WALKED = " \t-=*_+#`~|:>"  # rules walk along these, one character at a time
_BEFORE_HTML = " \t>-+*0123456789.)"


def parse(body: str | None) -> list[Invocation]:
    """Return the commands of a comment in order, at most MAX_COMMANDS + 1.

    A text that is made to keep the parser busy has none.
    """
    if not body or "/experiment" not in body[:MAX_TEXT].lower():
        return []
    lines = _LINE_END.split(body[:MAX_TEXT])
    wanted = {number for number, line in enumerate(lines) if _COMMAND.match(line)}
    if not wanted:
        return []
    try:
        return list(islice(_invocations(lines, wanted, _Markdown()), MAX_COMMANDS + 1))
    except (_TooMuch, RecursionError):
        return []


def _invocations(
    lines: Sequence[str], wanted: set[int], markdown: "_Markdown"
) -> Iterator[Invocation]:
    """Yield the commands among the `wanted` lines, those that begin like one."""
    depths: Counter[str] = Counter()  # of what is open and hides a command
    before = ""
    for token in markdown.blocks(lines):
        if token.type in ("blockquote_open", "blockquote_close"):
            depths["quote"] += token.nesting
        elif token.type == "html_block":
            _see_tags(_COMMENT.sub("", token.content), depths)
        elif token.type == "inline":
            first, end = token.map or (0, 0)
            here = wanted.intersection(range(first, end)) if before == "paragraph_open" else set()
            if here or _HIDING.search(token.content):
                for number, text in _lines_of_text(markdown.inlines(token.content), depths):
                    if first + number in here:
                        yield _invocation(lines[first + number], text, markdown)
        before = token.type


def _see_tags(html: str, depths: Counter[str]) -> None:
    for closing, name in _HIDING.findall(html):
        tag = name.lower()
        depths[tag] = max(0, depths[tag] - 1) if closing else depths[tag] + 1


def _lines_of_text(tokens: Sequence[Token], depths: Counter[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines of a paragraph that begin as plain text: their numbers and what they show."""
    number, is_plain, shown = 0, not any(depths.values()), list[str]()
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            if is_plain:
                yield number, "".join(shown)
            number, is_plain, shown = token.meta["line"], not any(depths.values()), []
        elif token.type == "html_inline":
            _see_tags(token.content, depths)
            if not _MARKUP.match(token.content):
                shown.append(token.content)
            elif token.content[:3].lower() == "<br":
                shown.append(" ")
        elif token.tag in ("a", "s"):
            depths[token.tag] += token.nesting
        elif not depths["s"]:  # what is struck through was taken back
            shown.append(token.content)
    if is_plain:
        yield number, "".join(shown)


def _invocation(line: str, text: str, markdown: "_Markdown") -> Invocation:
    command = _COMMAND.match(text)
    position = command.end() if command else len(text)
    found: list[tuple[str, str]] = []  # name, or "", and value
    problem = None
    while position < len(text) and problem is None:
        markdown.spend(1)
        match = _WORD.match(text, position)
        assert match is not None  # every part of it may be missing
        position = match.end()
        value = match[match.lastgroup or "value"].strip(_MARKS)
        if match["unclosed"]:
            problem = "a quotation mark is not closed"
        elif value or match["name"] or match["value"] is None:
            found.append(((match["name"] or "").lower(), value))
    name = found.pop(0)[1].lower() if found and not found[0][0] else ""
    words = tuple(value for option, value in found if not option)
    options = tuple((option, value) for option, value in found if option)
    return Invocation(line.strip()[:500], name, words, options, problem)


class _TooMuch(Exception):
    """A text that keeps the parser busy for too long."""


class _Markdown(MarkdownIt):
    """Reads one text as GitHub does, and gives it up after MAX_WORK.

    Most rules take the same time wherever they are tried; where one does not, what it may walk
    along is counted too.
    """

    helpers: Any

    def __init__(self) -> None:
        super().__init__()
        self.inline = _Inlines()
        self.configure("commonmark", {"strikethrough_single_tilde": True})
        self.enable(["table", "strikethrough"])
        self.helpers = SimpleNamespace(**vars(helpers))
        self.helpers.parseLinkDestination = self._destination
        for rule in self.block.ruler.__rules__:
            rule.fn = self._counted(rule.name, rule.fn)
        self.work = 0
        self.env: dict[str, Any] = {"spend": self.spend}

    def spend(self, work: int) -> None:
        """Count `work`, and give up if it is too much."""
        self.work += work
        if self.work > MAX_WORK:
            raise _TooMuch

    def blocks(self, lines: Sequence[str]) -> list[Token]:
        """Return the tokens of a text's blocks, whose paragraphs are not read yet."""
        text = "\n".join(lines)
        self.spend(len(lines) + len(text) // 32)
        self.env["costs"] = [*map(_cost, lines), 1]
        state = _Blocks(text, self, self.env, [])
        self.block.tokenize(state, 0, state.lineMax)
        return state.tokens

    def inlines(self, text: str) -> list[Token]:
        """Return the tokens of a paragraph's text."""
        self.spend(len(text) // 8)
        state = _Inline(text, self, self.env, [])
        self.inline.tokenize(state)
        for rule in self.inline.ruler2.getRules(""):
            rule(state)
        return state.tokens

    def normalizeLink(self, url: str) -> str:
        """Leave an address as it is: nobody follows it from here."""
        return url

    def normalizeLinkText(self, link: str) -> str:
        """Show an address as it was written."""
        return link

    def validateLink(self, url: str) -> bool:
        """GitHub makes a link of any address."""
        return True

    def _counted(self, name: str, rule: Callable[..., bool]) -> Callable[..., bool]:
        def attempt(state: StateBlock, start: int, end: int, silent: bool) -> bool:
            self.spend(self.env["costs"][start])
            first = state.bMarks[start] + state.tShift[start]
            if name == "blockquote" and not silent and state.src.startswith(">", first):
                # It walks along all of its lines, in each of the quotes within one another.
                self.spend(next(filter(state.isEmpty, range(start, end)), end) - start)
            return rule(state, start, end, silent)

        return attempt

    def _destination(self, text: str, start: int, end: int) -> Any:
        match = _ADDRESS.match(text, start, end)
        self.spend((match.end() - start) // 8 if match else 0)
        return helpers.parseLinkDestination(text, start, end)


def _cost(line: str) -> int:
    """Return what a try of a block's rule on `line` costs."""
    if len(line) < 16:
        return 1
    walked = len(line) if line.lstrip(_BEFORE_HTML)[:1] == "<" else sum(map(line.count, _WALKED))
    return 1 + walked // 8


class _Blocks(StateBlock):
    """Counts the tokens that a text grows to: a table may have more cells than characters."""

    def push(self, ttype: str, tag: str, nesting: Literal[-1, 0, 1]) -> Token:
        """Add a token."""
        self.env["spend"](2)
        return super().push(ttype, tag, nesting)


class _Inline(StateInline):
    """Counts tokens, and knows which line begins after a line break."""

    number = position = 0

    def push(self, ttype: str, tag: str, nesting: Literal[-1, 0, 1]) -> Token:
        """Add a token."""
        self.env["spend"](2)
        token = super().push(ttype, tag, nesting)
        if tag == "br":
            self.number += self.src.count("\n", self.position, self.pos)
            self.position = self.pos
            token.meta = {"line": self.number + 1}
        return token


class _Inlines(ParserInline):
    """Counts the places at which it looks for something."""

    def __init__(self) -> None:
        super().__init__()
        # The characters that mean something to the rules that are on
        self.terminator_re = re.compile(r"[\n\\`*_~\[\]!<&]")
        self.ruler.at("text", _text)
        self.ruler.at("backticks", _ending_its_line(rules_inline.backtick))
        self.ruler.at("link", _ending_its_line(rules_inline.link))
        self.ruler.at("image", _ending_its_line(_image))
        self.ruler.at("html_inline", _ending_its_line(_html))

    def skipToken(self, state: StateInline) -> None:
        """Walk over what is in brackets, again for each of them."""
        start = state.pos
        super().skipToken(state)
        state.env["spend"](1 + (state.pos - start) // 32)


def _text(state: StateInline, silent: bool) -> bool:
    state.env["spend"](3)  # this rule is tried first wherever any is, so it stands for all of them
    return rules_inline.text(state, silent)


def _html(state: StateInline, silent: bool) -> bool:
    start = state.pos
    found = rules_inline.html_inline(state, silent)
    if not found and state.src.startswith("<!--", start):
        found = True  # a comment that is never closed hides the rest of its paragraph
        state.pos = state.posMax
        if not silent:
            state.push("html_inline", "", 0).content = state.src[start : state.pos]
    return found


def _image(state: StateInline, silent: bool) -> bool:
    """Pass over an image: of its text GitHub shows nothing."""
    found = rules_inline.image(state, True)
    if found and not silent:
        state.push("image", "img", 0)
    return found


def _ending_its_line(
    rule: Callable[[StateInline, bool], bool],
) -> Callable[[StateInline, bool], bool]:
    """Return `rule`, which also ends a command whose line it leaves for the next one."""

    def attempt(state: StateInline, silent: bool) -> bool:
        start = state.pos
        found = rule(state, silent)
        line_end = state.src.find("\n", start, state.pos) if found and not silent else -1
        if line_end >= 0:
            token = state.tokens[-1]
            token.content = token.content[: max(0, line_end - start - len(token.markup))]
            state.push("softbreak", "br", 0).meta = {"line": -1}
        return found

    return attempt
