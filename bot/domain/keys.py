"""Finds experiment keys in Markdown bodies, commit messages and titles of issues.

The grammar is documented in docs/linking.md; GitHub renders bodies as GitHub Flavored Markdown
(https://github.github.com/gfm/), whose block structure markdown-it reads.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

KEY_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
MAX_KEYS = 20
MAX_TEXT = 262_144  # GitHub's own limit on a body: 65,536 characters of up to four bytes

_KEY = re.compile(KEY_PATTERN)
# A list marker, a task box, bold or backticks may stand before the name; the underscore may have
# been escaped by an editor, or be a hyphen or a space.
_KEY_LINE = re.compile(
    r"""\s*
        (?:(?:[-*+]|[0-9]{1,9}[.)])\s+)*
        (?:\[[ xX]\]\s+)?
        (?P<before>[*_`]*)
        experiment(?:\\?_|-|\s)key
        [*_`]*\s*:
        (?P<keys>.*)""",
    re.IGNORECASE | re.VERBOSE,
)
_TITLE = re.compile(rf"\s*track\s+experiment\s*:\s*({KEY_PATTERN})\s*", re.IGNORECASE)

# Without one of these, no line of a text can be code, a quote or a comment, and the key lines
# need no Markdown parser to be believed.
_NEEDS_PARSER = ("    ", "\t", "```", "~~~", "<", ">")
_COMMENT_OR_REST = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_RAW_HTML = re.compile(r"\s*<(?:pre|code|script|style|textarea|blockquote)\b", re.IGNORECASE)

# Some texts of a few lines repeated take the parser minutes. This many tries of its rules are a
# tenth of a second, and several times what a real body of GitHub's full length needs.
_MAX_TRIES = 100_000


def is_key(text: str) -> bool:
    """Tell whether `text` is a well-formed experiment key."""
    return _KEY.fullmatch(text) is not None


def keys_in_markdown(text: str | None) -> tuple[str, ...]:
    """Return the distinct keys of the key lines of a body, in order, at most MAX_KEYS.

    Lines inside code, HTML comments and block quotes do not count.
    """
    if not text:
        return ()
    text = _with_plain_newlines(text)
    keys = _keys_of_lines(text.split("\n"))
    if not keys and "<!--" in text:  # a comment may stand on the very line of a key
        keys = _keys_of_lines(_without_comments(text).split("\n"))
    if keys and any(sign in text for sign in _NEEDS_PARSER):
        keys = _keys_of_lines(_lines_of_text(text))
    return keys


def keys_in_message(message: str) -> tuple[str, ...]:
    """Return the keys of a commit message: of its `Experiment-Key:` trailers and key lines.

    Messages are plain text; only a line that is indented like code is passed over.
    """
    lines = _with_plain_newlines(message).split("\n")
    return _keys_of_lines(line for line in lines if not line.startswith(("    ", "\t")))


def key_in_title(title: str) -> str | None:
    """Return KEY of an issue titled `Track experiment: KEY`, else None."""
    match = _TITLE.fullmatch(title)
    return match[1] if match else None


def keys_of_issue(body: str | None, title: str | None) -> dict[str, str]:
    """Return the keys that an issue names, each with what names it: `body` or `title`."""
    named = dict.fromkeys(keys_in_markdown(body), "body")
    titled = key_in_title(title or "")
    if titled is not None:
        named.setdefault(titled, "title")
    return named


def _with_plain_newlines(text: str) -> str:
    return text[:MAX_TEXT].replace("\r\n", "\n").replace("\r", "\n")


def _without_comments(text: str) -> str:
    """Return `text` without its HTML comments, in one pass; one that never ends stays."""
    parts, position = [], 0
    while (start := text.find("<!--", position)) >= 0:
        end = text.find("-->", start + 4)
        if end < 0:
            break
        parts.append(text[position:start])
        position = end + 3
    return "".join(parts) + text[position:]


def _keys_of_lines(lines: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for line in lines:
        if ":" in line and (match := _KEY_LINE.fullmatch(line)):
            for key in _keys_of_values(match["keys"], opened="_" in match["before"]):
                found.setdefault(key)
    return tuple(found)[:MAX_KEYS]


def _keys_of_values(values: str, *, opened: bool) -> Iterator[str]:
    """Yield the keys among comma-separated `values`, freed of bold and backticks.

    A key may hold underscores, so they are taken for emphasis only where one was opened.
    """
    for value in values.rstrip().removesuffix("\\").split(","):
        bare = value.strip("*` \t\xa0")
        key = bare.lstrip("_*` \t\xa0")
        if opened or key != bare:
            key = key.rstrip("_*`")
        if is_key(key):
            yield key


class _TooMuch(Exception):
    """A text that keeps the parser busy for too long."""


def _block_parser() -> MarkdownIt:
    """Return a parser of blocks alone, which gives up a text after _MAX_TRIES of its rules."""
    parser = MarkdownIt("commonmark").disable(["inline"])

    def counted(rule: Callable[..., bool]) -> Callable[..., bool]:
        def attempt(state: StateBlock, start: int, end: int, silent: bool) -> bool:
            state.env["tries"] += 1
            if state.env["tries"] > _MAX_TRIES:
                raise _TooMuch
            return rule(state, start, end, silent)

        return attempt

    for rule in parser.block.ruler.__rules__:
        rule.fn = counted(rule.fn)
    return parser


_BLOCKS = _block_parser()


def _lines_of_text(text: str) -> Iterator[str]:
    """Yield the lines of Markdown `text` that are neither code nor quoted nor commented out.

    A text that is made to keep the parser busy has none.
    """
    try:
        tokens = _BLOCKS.parse(text, {"tries": 0})
    except (_TooMuch, RecursionError):
        return
    quotes = 0
    before = None
    for token in tokens:
        if token.type == "blockquote_open":
            quotes += 1
        elif token.type == "blockquote_close":
            quotes -= 1
        elif quotes == 0 and token.type == "inline" and not _is_heading(before):
            yield from _without_comments(token.content).split("\n")
        elif quotes == 0 and token.type == "html_block" and not _RAW_HTML.match(token.content):
            yield from _COMMENT_OR_REST.sub("", token.content).split("\n")
        before = token


def _is_heading(token: Token | None) -> bool:
    """Tell a `# heading`; a line that is underlined was a line of its own before."""
    return token is not None and token.type == "heading_open" and token.markup.startswith("#")
