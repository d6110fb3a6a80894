"""The lines of a text that a reader of GitHub's page sees as its author's own words.

GitHub's parser of Markdown renders a text, a browser's parser of HTML reads what was rendered, and
what stands in quotes, code and comments is left out. So nesting, empty lines inside elements,
entities, escapes and what was never closed mean here what they mean on the page.

Some texts keep such parsers busy for minutes: elements that nest thousands deep, or tables of
thousands of cells. They are made flat before they are read; no person writes them.
"""

import re
from collections import Counter
from html import unescape
from typing import Literal, NamedTuple

from selectolax.lexbor import LexborHTMLParser

from bot.domain import cmark

MAX_TEXT = 262_144  # GitHub's own limit on a body: 65,536 characters of up to four bytes

# Marks in the text of a line. These characters are none of any script, and taken out of what
# people write.
CODE, END_CODE = "\ufdd0", "\ufdd1"  # `code` that begins and ends on its line
LINK, END_LINK = "\ufdd2", "\ufdd3"
TAG, END_TAG = "\ufdd4", "\ufdd5"  # <key>: no element of HTML, so GitHub shows nothing of it
BREAK = "\ufdd6"  # <br> inside of a line of the source
_NOTHING = "\ufdd7"
CALLERS = "\ufdef"  # one that callers may put into a text, after `readable`

# The category Cf of Unicode, and what else is invisible by default
_INVISIBLE = (
    "\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
INVISIBLE = re.compile(f"[{_INVISIBLE}\ufdd0-\ufdef]+")  # and our marks
_BY_ENTITIES = re.compile(f"[{_INVISIBLE}]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Line(NamedTuple):
    """A line with its marks, and where it stands.

    `kind` is `text` of a paragraph or list, `html` of any other element that was written as HTML,
    a table's `cell`, a `heading` or an `underlined` one, which was a line of text before it
    became one. `begins` is set of the first line of its block.
    """

    text: str
    kind: "Kind"
    begins: bool


Kind = Literal["text", "html", "cell", "heading", "underlined"]


def readable(text: str) -> str:
    """Return a text as it is read: without invisible characters, and each line ending in LF."""
    text = text[:MAX_TEXT]
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", INVISIBLE.sub("", text))
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def without_invisible(text: str) -> str:
    """Return a text without the characters that nobody sees."""
    return INVISIBLE.sub("", text)


def visible_lines(text: str) -> list[Line]:
    """Return the visible lines of a `readable` text."""
    return lines(rendered(text))


def rendered(text: str) -> str:
    """Return the HTML of a `readable` text, well-formed."""
    many_cells = text.count("|") > _MOST_CELLS
    html = cmark.render(
        _MARKERS.sub(_fewer_markers, text), without=frozenset({"table"} if many_cells else ())
    )
    if "&" in text:
        html = _BY_ENTITIES.sub("", html)
    html = _CODE.sub(rf"{CODE}\2{END_CODE}", _STYLE.sub(_NOTHING, html))
    if "<" in text:
        html = _tamed(html, is_long=text.count("<") > _FEW_TAGS)
    document = LexborHTMLParser(html)
    if _RAW_TEXT.search(html):
        document.strip_tags(sorted(_RAW_TEXT_NAMES))
    return (document.body.html or "").replace(_NOTHING, "") if document.body else ""


# What is made flat


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MOST_CELLS = 4_000
_MOST_MARKERS = 3
_FEW_TAGS = 200
_DEEPEST = 100
_DEEPEST_QUIET = 8

# Quotes and lists that begin on one line, one inside of the other: behind more spaces begins code
_MARKER = r"(?:>|(?:[-+*]|[0-9]{1,9}+[.)])(?=[ \t]))"
_NEXT = rf"(?: {{0,3}}\t| {{0,4}}){_MARKER}"
_MARKERS = re.compile(
    rf"^([ \t]*+{_MARKER}(?:{_NEXT}){{{_MOST_MARKERS - 1}}})((?:{_NEXT})+)", re.MULTILINE
)
# Elements that change nothing here but the letters' shape
_STYLE = re.compile(r"</?(?:b|em|i|strong)>")
_STYLE_WITH_ATTRIBUTES = re.compile(
    r"<(/?)(?:b|big|em|font|i|nobr|small|strong|u)(?=[\s/>])", re.IGNORECASE
)
_CODE = re.compile(r"<(code|tt)(?: [^<>]*)?>([^<\n]*)</\1>", re.IGNORECASE)
# Elements of which a browser takes all that follows for plain text. GitHub shows their tags.
_RAW_TEXT_NAMES = _names("script style textarea title xmp iframe noembed noframes")
_RAW_TEXT = re.compile(rf"<({'|'.join(sorted(_RAW_TEXT_NAMES))})(?![\w-])", re.IGNORECASE)
# Elements inside of which a browser drops other elements. GitHub does not know them.
_DROPPING = re.compile(r"<(?=(?:frameset|plaintext|select|template)(?![\w-]))", re.IGNORECASE)
_ANY_TAG = re.compile(r"<(/?)([a-z][a-z0-9-]*)", re.IGNORECASE)
_VOID = _names("area base br col embed frame hr img input link meta param source track wbr")
_CLOSES_ITSELF = _names("a dd dt li option p tbody td tfoot th thead tr")


def _fewer_markers(match: re.Match[str]) -> str:
    kept, dropped = match.groups()
    if ">" not in dropped or ">" in kept:
        return kept
    spaces = len(dropped) - len(dropped.lstrip())  # without one a list would not begin any more
    return f"{kept}{dropped[:spaces]}>"


def _tamed(html: str, *, is_long: bool) -> str:
    """Return HTML that was written by hand so that a browser's parser loses none of its text."""
    html = _STYLE_WITH_ATTRIBUTES.sub(r"<\1wbr", _DROPPING.sub("&lt;", html))
    if _RAW_TEXT.search(html):
        lower = html.lower()
        last = {name: lower.rfind(f"</{name}") for name in _RAW_TEXT_NAMES}

        def unless_closed(match: re.Match[str]) -> str:
            name, start = match[1].lower(), match.start()
            is_block = name in ("script", "style", "textarea") and html[start - 1 : start] in "\n"
            return match[0] if is_block or start < last[name] else f"&lt;{match[1]}"

        html = _RAW_TEXT.sub(unless_closed, html)
    return _flat(html) if is_long else html


def _flat(html: str) -> str:
    """Return HTML whose elements do not nest too deep, the innermost made empty ones."""
    opened, emptied = Counter[str](), Counter[str]()
    depth = 0

    def keep(match: re.Match[str]) -> str:
        nonlocal depth
        is_end, name = match[1], match[2].lower()
        if name in _VOID or name in _CLOSES_ITSELF:
            return match[0]
        empty = "<br" if name in _BLOCKS else "<wbr"
        if is_end:
            if emptied[name]:
                emptied[name] -= 1
                return empty
            if opened[name]:
                opened[name] -= 1
                depth -= 1
            return match[0]
        if opened[name] >= _DEEPEST_QUIET if name in _QUIET else depth >= _DEEPEST:
            emptied[name] += 1
            return empty
        opened[name] += 1
        depth += 1
        return match[0]

    return _ANY_TAG.sub(keep, html)


# What is read

_BLOCKS = _names(
    """address article aside blockquote body caption center dd details dialog dir div dl dt
    fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr legend li
    listing main menu nav ol p pre section summary table tbody td tfoot th thead tr ul xmp"""
)
# Quotes and code, and what was taken back
_QUIET = _names(
    """blockquote code del iframe kbd listing noembed noframes pre q s samp script strike style
    textarea title tt xmp"""
)
_KNOWN = (
    _BLOCKS
    | _QUIET
    | _VOID
    | _names(
        """a abbr acronym audio b bdi bdo big button canvas cite colgroup data datalist dfn em font
    i ins label map mark math meter nobr noscript object optgroup option output picture
    progress rb rp rt rtc ruby small span strong sub sup svg time u var video"""
    )
)
_TOKEN = re.compile(
    r"""<!--(?P<comment>.*?)-->
      | <(?P<end>/?)(?P<name>[a-zA-Z][^\s/>]*)(?P<attributes>[^">]*(?:"[^"]*"[^">]*)*)>""",
    re.DOTALL | re.VERBOSE,
)
_PLACE = re.compile(r' data-sourcepos="(\d+):\d+-(\d+):\d+"')


def lines(html: str) -> list[Line]:
    """Return the visible lines of well-formed HTML."""
    reader, position = _Reader(), 0
    for token in _TOKEN.finditer(html):
        begin, end = token.span()
        if begin > position:
            reader.text(html[position:begin])
        position = end
        comment, slash, name, attributes = token.groups()
        if comment is not None:
            reader.text("\n" if "\n" in comment else "")
        elif name == "br":
            reader.line_break(is_at_line_end=html.startswith("\n", position))
        elif slash:
            reader.end(name)
        else:
            reader.start(name, attributes)
    return reader.lines


class _Reader:
    """Takes in text and tags one after the other."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._line: list[str] = []
        self._kinds: list[Kind] = ["html"]
        self._begins = True
        self._links = self._quiet = 0

    def text(self, text: str) -> None:
        if self._quiet:
            return
        first, *others = text.split("\n")
        if first:
            self._line.append(first)
        for part in others:
            if self._links:
                self._line.append(END_LINK)
            if self._line:
                self._end_line()
            if self._links:
                self._line.append(LINK)
            if part:
                self._line.append(part)

    def line_break(self, *, is_at_line_end: bool) -> None:
        if not self._quiet and not is_at_line_end:
            self._line.append(END_LINK + BREAK + LINK if self._links else BREAK)

    def start(self, name: str, attributes: str) -> None:
        if name in _BLOCKS:
            self._end_block()
            if name not in _VOID:
                self._kinds.append(_kind(name, attributes))
        if name in _QUIET:
            self._quiet += 1
        elif name == "a":
            self._links += 1
            self._line.append(LINK)
        elif name not in _KNOWN and not self._quiet:
            self._line.append(f"{TAG}<{name}>{END_TAG}")

    def end(self, name: str) -> None:
        if name in _BLOCKS:
            self._end_block()
            self._kinds.pop()
        if name in _QUIET:
            self._quiet -= 1
        elif name == "a":
            self._links -= 1
            self._line.append(END_LINK)

    def _end_block(self) -> None:
        if self._line:
            self._end_line()
        self._begins = True

    def _end_line(self) -> None:
        line = "".join(self._line)
        if not line.isspace():
            self.lines.append(
                Line(unescape(line) if "&" in line else line, self._kinds[-1], self._begins)
            )
            self._begins = False
        self._line.clear()


def _kind(name: str, attributes: str) -> Kind:
    if name in ("td", "th"):
        return "cell"
    place = _PLACE.match(attributes)
    if name in ("h1", "h2", "h3", "h4", "h5", "h6"):
        return "underlined" if place and place[1] != place[2] else "heading"
    return "text" if place and name in ("p", "li") else "html"
