"""Finds experiment keys in Markdown bodies, commit messages and titles of issues.

The grammar is documented in docs/linking.md; GitHub renders bodies as GitHub Flavored Markdown
(https://github.github.com/gfm/), whose block structure markdown-it reads.
"""

import re
from collections.abc import Iterable, Iterator

from markdown_it import MarkdownIt

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
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_RAW_HTML = re.compile(r"\s*<(?:pre|code|script|style|textarea|blockquote)\b", re.IGNORECASE)
_BLOCKS = MarkdownIt("commonmark").disable(["inline"])


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
        keys = _keys_of_lines(_COMMENT.sub("", text).split("\n"))
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


def _with_plain_newlines(text: str) -> str:
    return text[:MAX_TEXT].replace("\r\n", "\n").replace("\r", "\n")


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
        key = bare.lstrip("_*`")
        if opened or key != bare:
            key = key.rstrip("_*`")
        if is_key(key):
            yield key


def _lines_of_text(text: str) -> Iterable[str]:
    """Return the lines of Markdown `text` that are neither code nor quoted nor commented out."""
    lines = text.split("\n")
    hidden = [False] * len(lines)
    for token in _BLOCKS.parse(text):
        if token.map is None:
            continue
        start, end = token.map
        if token.type in ("fence", "code_block", "blockquote_open") or (
            token.type == "html_block" and _RAW_HTML.match(token.content)
        ):
            hidden[start:end] = [True] * (end - start)
    # Code may show a comment without being one: it goes first, and what is left of the comments
    # is cut out where it stands, in a paragraph or in a block of HTML.
    kept = "\n".join("" if hide else line for line, hide in zip(lines, hidden, strict=True))
    return _COMMENT.sub("", kept).split("\n")
