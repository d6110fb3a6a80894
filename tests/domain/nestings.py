"""Markdown around one key line, or one command, of which it is known whether it counts.

It is known from how the text is made, without reading it: a line counts unless something around it
hides it, and nothing around it is ended by what it holds.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

KEY = "Check.out_v-2"
KEY_LINE = f"experiment_key: {KEY}"
COMMAND = f"/experiment link {KEY}"


@dataclass(frozen=True)
class Piece:
    """Lines of Markdown, that of the key among them, with what is around it from the inside.

    `raw` says that it means the same where Markdown is not read: inside of HTML.
    """

    lines: tuple[str, ...]
    at: int
    counts: bool
    around: tuple[str, ...] = ()
    raw: bool = True

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def up_to_key(self) -> str:
        return "\n".join(self.lines[: self.at + 1])

    def within(
        self, name: str, before: Sequence[str], after: Sequence[str], *, hides: bool, raw: bool
    ) -> "Piece":
        return Piece(
            (*before, *self.lines, *after),
            self.at + len(before),
            self.counts and not hides,
            (*self.around, name),
            raw,
        )

    def indented(self, name: str, first: str, rest: str, *, hides: bool) -> "Piece":
        """Put something before each line; empty ones stay so, but for what a quote needs."""
        others = [f"{rest}{line}" if line else rest.rstrip() for line in self.lines[1:]]
        lines = (f"{first}{self.lines[0]}", *others)
        return Piece(lines, self.at, self.counts and not hides, (*self.around, name), raw=False)


# --- The line itself. What is decoration for a key line is code, or nothing, for a command.

PLAIN: tuple[str, ...] = (
    KEY_LINE,
    f"Experiment-Key: {KEY}",
    f"EXPERIMENT KEY:{KEY}",
    f"**experiment_key:** {KEY}",
    f"**{KEY_LINE}**",
    f"*experiment key*: {KEY}",
    f"`experiment_key`: {KEY}",
    f"experiment_key: `{KEY}`",
    f"`{KEY_LINE}`",
    f"``{KEY_LINE}``",
    f"experiment_key: {KEY}, ",
    f"   experiment_key: {KEY}  ",
)
ONLY_READ = (  # as Markdown or HTML
    f"experiment_key: <b>{KEY}</b>",
    f"<!-- key --> experiment_key: {KEY}",
    f"experiment&#95;key: {KEY}",
    f"experi\u200bment_key&colon; {KEY.replace('-', '&#45;')}",
    f"experiment_key: <!-- key -->{KEY}",
    f"<span>{KEY_LINE}</span>",
    f'<a title="> {KEY}" name=b></a>{KEY_LINE}',
)
ONLY_MARKDOWN = (
    f"experiment\\_key: {KEY.replace('_', chr(92) + '_')}",
    f"experiment_key: [{KEY}](https://example.com)",
    f"experiment_key\\: {KEY}",
)
OVER_LINES = (
    ("**Adds a page.", KEY_LINE, "More.**"),
    ("Adds `code", "over` lines.  ", KEY_LINE, "More."),
    ("Adds a page.\\", f"{KEY_LINE}\\", "More."),
    ("| a | b |", "| --- | --- |", f"| {KEY_LINE} | c |"),
    (KEY_LINE, "Signed-off-by: Jane Smith <jane@example.com>"),
    ("<!-- A comment", "over lines -->", KEY_LINE),
)
HIDDEN = (
    f"# {KEY_LINE}",
    f"See {KEY_LINE}",
    f"~~{KEY_LINE}~~",
    f"<!-- {KEY_LINE} -->",
    f"Ends. <!-- --> {KEY_LINE}",
    f"[{KEY_LINE}](https://example.com)",
    f"> {KEY_LINE}",
    f"<del>{KEY_LINE}</del>",
    f"<q>{KEY_LINE}</q>",
    f"<samp>{KEY_LINE}</samp>",
    f"```{KEY_LINE}",
)
COMMANDS = (
    COMMAND,
    f"  {COMMAND}  ",
    f"/experi\u200bment link {KEY}",
    f"/experiment link &#67;{KEY[1:]}",
    f"/EXPERIMENT link {KEY}",
)
NO_COMMANDS = (
    f"`{COMMAND}`",
    f"``{COMMAND}``",
    f"> {COMMAND}",
    f"# {COMMAND}",
    f"<!-- {COMMAND} -->",
    f"<code>{COMMAND}</code>",
    f"See {COMMAND}",
)

# --- What stands beside it, whole in itself: neither opens nor closes anything for others.

# These end with their last line, so that nothing has to be empty behind them.
CLOSED: tuple[tuple[str, ...], ...] = (
    ("# A heading",),
    ("A heading", "---"),
    ("***",),
    ("```yaml", "other: key", "```"),
    ("~~~", "```", "<!--", "~~~"),
    ("<!-- A comment -->",),
    ("<!--", "", "Another", "", "> quoted", "-->"),
    ("<script>", "", "let a = '<!--'", "</script>"),
    ("<style></style>",),
)
WORDS = ("Adds a page.", "It has `code`, *stress* and &lt;b&gt;.", "**Why**: a < b > c & d")
BESIDE: tuple[tuple[str, ...], ...] = (
    *((one,) for one in WORDS),
    *CLOSED,
    ("> A quote", "> of two lines"),
    ("> > ```", "> > quoted", "> and", "lazy"),
    ("<br>",),
    ("[a]: https://example.com", "[b]: <https://example.com/b>"),
    ("<blockquote>A quote</blockquote>",),
    ("<b>A</b> &amp; <code>b</code> <!-- c -->",),
    ("A line  ", "broken\\", "in two"),
    ("[^1]: A note",),
    ("![A picture](https://example.com/a.png)",),
    ("| a | b |", "| - | - |", "| c | d |"),
    ("Use `<!--` to begin.",),
    ("<details>", "<summary>More</summary>", "", "A text.", "", "</details>"),
    ("<pre>", "", "a text", "</pre>"),
)


LISTS: tuple[tuple[str, ...], ...] = (
    ("- one", "- two"),
    ("1. one", "", "   ```", "   two", "   ```", "2. three"),
    ("* [x] one", "  * [ ] two", "", "    more"),
)


def _beside(rng: Random, *, lists: bool) -> tuple[str, ...]:
    """Return some blocks, empty lines between them."""
    lines: tuple[str, ...] = ()
    while rng.random() < 0.35:
        block = rng.choice(LISTS if lists and rng.random() < 0.2 else BESIDE)
        lines = (*lines, *([""] if lines else []), *block)
    return lines


def _line(rng: Random, shown: Sequence[str], hidden: Sequence[str], *, raw: bool) -> Piece:
    """Return a paragraph with the line in it, of its own or among others."""
    counts = rng.random() < 0.85
    line = rng.choice(shown if counts else hidden)
    # A comment ends a paragraph, if it begins a line.
    before, after = rng.random() < 0.3 and not line.startswith("<!"), rng.random() < 0.3
    # Nothing is hidden that has to begin a paragraph, or that would take the next line along.
    if not counts:
        return Piece((line,), 0, counts, ("hidden",), raw=False)
    lines = (*([WORDS[0]] if before else []), line, *([WORDS[1]] if after else []))
    return Piece(lines, int(before), counts, ("line",), raw and line in PLAIN + ONLY_READ)


# --- What may be around it


_MARKERS = re.compile(r"(?:\s*(?:>|[-*+]|[0-9]+[.)])(?=\s))*")


def _is_line(piece: Piece) -> bool:
    return piece.around == ("line",) and KEY in piece.lines[0]


def _quote(piece: Piece, rng: Random) -> Piece:
    sign = rng.choice(("> ", ">", " > ", "   > "))
    return piece.indented("quote", sign, sign, hides=True)


def _lazy(piece: Piece, rng: Random) -> Piece | None:
    """A line right below a quoted one still belongs to the quote, if it is of a paragraph."""
    if piece.around != ("line",) or not piece.raw or piece.lines[0].startswith("<!"):
        return None
    return piece.within("lazy quote", ["> A quote"], [], hides=True, raw=False)


def _list(piece: Piece, rng: Random) -> Piece | None:
    begun = _MARKERS.match(piece.lines[0])
    if piece.counts and begun is not None and len(begun[0].split()) >= 3:
        return None  # docs/linking.md says what is not read of more
    marker = rng.choice(("-", "+", "1.", "7)", "123."))
    if not piece.lines[0].startswith("*"):  # or it is a line across the page
        marker = rng.choice((marker, "*"))
    # What begins with spaces would be indented code, or not, depending on how many there are.
    space = " " * (1 if piece.lines[0].startswith((" ", "\t")) else rng.randint(1, 4))
    box = rng.choice(("", "", "[ ] ", "[x] ")) if _is_line(piece) else ""
    first = f"{marker}{space}"
    return piece.indented("list", f"{first}{box}", " " * len(first), hides=False)


def _fence(piece: Piece, rng: Random) -> Piece:
    sign = rng.choice("`~")
    length = 3
    while sign * length in piece.text:
        length += 1
    fence = sign * (length + rng.randint(0, 2))
    info = rng.choice(("", "yaml", " text a=b"))
    closing = [fence + rng.choice(("", "  ", sign))] if rng.random() < 0.85 else []
    return piece.within("fence", [f"{fence}{info}"], closing, hides=True, raw=False)


def _indented(piece: Piece, rng: Random) -> Piece:
    sign = rng.choice(("    ", "     ", "    \t"))  # a tab alone may be less than four spaces
    return piece.indented("indented code", sign, sign, hides=True)


def _comment(piece: Piece, rng: Random) -> Piece | None:
    if "-->" in piece.up_to_key():
        return None
    begin = rng.choice(("<!--", "<!-- An example:", "<!---"))
    return piece.within("comment", [begin], ["-->"], hides=True, raw=True)


OPEN = ("div", "details", "section", "center", "td", "ins", "span", "sub")
HIDING = ("blockquote", "pre", "code", "samp", "kbd", "del", "s", "q", "tt", "strike")
RAW_TEXT = ("script", "style", "textarea")
ATTRIBUTES = ("", "", "", ' align="left"', " open", ' title="a > b"', " data-a='<!--'")


def _tags(piece: Piece, rng: Random) -> tuple[str, list[str], list[str]] | None:
    """Return the name of an element, and the lines that open and close it; it may stay open."""
    name = rng.choice(OPEN + HIDING + RAW_TEXT)
    if name in RAW_TEXT and f"</{name}" in piece.up_to_key().lower():
        return None
    written = name.upper() if rng.random() < 0.15 else name
    before = [f"<{written}{rng.choice(ATTRIBUTES)}>"]
    after = [f"</{written}>"] if rng.random() < 0.9 else []
    if name == "td":
        before, after = ["<table>", "<tr>", before[0]], [*after, "</tr>", "</table>"]
    return name, before, after


def _element(piece: Piece, rng: Random) -> Piece | None:
    """HTML around Markdown, which goes on behind an empty line."""
    if (tags := _tags(piece, rng)) is None:
        return None
    name, before, after = tags
    if name == "details":
        before.append("<summary>Notes</summary>")
    hides = name in HIDING + RAW_TEXT
    return piece.within(f"<{name}>", [*before, ""], ["", *after], hides=hides, raw=False)


def _tight_element(piece: Piece, rng: Random) -> Piece | None:
    """HTML around lines that Markdown does not read."""
    if not piece.raw or "" in piece.lines or (tags := _tags(piece, rng)) is None:
        return None
    name, before, after = tags
    hides = name in HIDING + RAW_TEXT
    return piece.within(f"tight <{name}>", before, after, hides=hides, raw=True)


Around = Callable[[Piece, Random], Piece | None]
AROUND: tuple[Around, ...] = (
    _quote,
    _lazy,
    _list,
    _list,
    _list,
    _fence,
    _indented,
    _comment,
    _element,
    _element,
    _element,
    _tight_element,
    _tight_element,
)


def _stands(piece: Piece, rng: Random) -> Piece:
    """Put other blocks before and behind it, behind an empty line unless they need none."""
    # Behind a list, lines that are indented belong to it, and are no code any more.
    is_code = piece.around[-1:] == ("indented code",) or piece.lines[0].startswith("    ")
    before, after = _beside(rng, lists=not is_code), _beside(rng, lists=True)
    gap, gap_after = [""] if before else [], [""] if after else []
    if rng.random() < 0.15:
        before, gap = rng.choice(CLOSED), []
    if rng.random() < 0.15 and piece.around[-1:] != ("hidden",):
        after, gap_after = rng.choice((("# A heading",), ("***",), ("~~~", "```", "~~~"))), []
    alone = not before and not after
    return Piece(
        (*before, *gap, *piece.lines, *gap_after, *after),
        piece.at + len(before) + len(gap),
        piece.counts,
        piece.around,
        piece.raw and alone,
    )


def _nested(piece: Piece, rng: Random, ways: Sequence[Around]) -> Piece:
    for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4, 6))):
        piece = rng.choice(ways)(piece, rng) or piece
        piece = _stands(piece, rng)
    return piece


def _ended(piece: Piece, rng: Random) -> Piece:
    """End lines as Windows does, now and then."""
    if rng.random() < 0.9:
        return piece
    return replace(piece, lines=tuple(f"{line}\r" for line in piece.lines))


def body(rng: Random) -> Piece:
    """Return a description with a key line."""
    if rng.random() < 0.15:
        lines = rng.choice(OVER_LINES)
        at = next(at for at, line in enumerate(lines) if KEY in line)
        piece = Piece(lines, at, counts=True, around=("lines",), raw=False)
    else:
        piece = _line(rng, rng.choice((PLAIN, PLAIN, ONLY_READ, ONLY_MARKDOWN)), HIDDEN, raw=True)
    return _ended(_nested(piece, rng, AROUND), rng)


def message(rng: Random) -> Piece:
    """Return a commit's message with a key line, as squash merges make them."""
    piece = body(rng)
    return replace(piece, lines=("Add a page (#12)", "", *piece.lines), at=piece.at + 2)


def comment(rng: Random) -> Piece:
    """Return a comment with a command, which no sign of a list may stand before."""
    piece = _line(rng, COMMANDS, NO_COMMANDS, raw=False)
    ways = tuple(way for way in AROUND if way not in (_tight_element, _lazy))
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        way = rng.choice(ways)
        if way is _list:
            piece = replace(piece, lines=("An item.", "", *piece.lines), at=piece.at + 2, raw=False)
        piece = _stands(way(piece, rng) or piece, rng)
    return _ended(piece, rng)
