"""Finds experiment keys in the text of bodies, in commit messages and in titles of issues.

The grammar is documented in docs/linking.md; what counts as text is decided in markdown.py.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import unescape

import structlog

from bot.domain import markdown

KEY_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
MAX_KEYS = 20

logger = structlog.get_logger()

_KEY = re.compile(KEY_PATTERN)
# In HTML, and where no list can begin, list markers, bold and backticks are what they look like.
_KEY_LINE = re.compile(
    r"""\s*
        (?:(?:[-*+]|[0-9]{1,9}[.)])\s+)*
        (?:\[[ xX]\]\s+)?
        (?P<before>[*_`]*)
        (?ai:experiment)[_\-\s](?ai:key)
        [*_`]*\s*:
        (?P<keys>.*)""",
    re.DOTALL | re.VERBOSE,
)
_TITLE = re.compile(
    rf"\s*(?ai:track)\s+(?ai:experiment)\s*:\s*(?P<quote>`*)({KEY_PATTERN})(?P=quote)\s*"
)
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")  # a backslash before punctuation
_TAG = re.compile(f"{markdown.TAG}[^{markdown.END_TAG}]*{markdown.END_TAG}")
_LINKED = re.compile(f"{markdown.LINK}[^{markdown.END_LINK}]*{markdown.END_LINK}")
_MARKS = re.compile(f"[{markdown.CODE}-{markdown.END_LINK}]")

# What no text can do without that names a key: these letters, whatever is between them
_LETTERS = b"experimentkey"
_LOWER = bytes(range(256)).lower()
_NO_LETTERS = bytes(sorted(set(range(256)) - set(range(65, 91)) - set(range(97, 123))))
_ELEMENT = re.compile(r"<[^<>]*>")
_ENTITY = re.compile(r"&#?\w{1,32};")
_LETTER = re.compile(  # that stands as an entity
    r"&#(?:0*(?:6[5-9]|[7-9][0-9]|1[01][0-9]|12[0-2])|[xX]0*[4-7][0-9a-fA-F]);"
)

# Lines that Markdown leaves as they are: no mark but an underscore within a word or a key
_UNMARKED = re.compile(
    r"(?:[A-Za-z](?:[A-Za-z0-9 ,.:-]|(?<=[A-Za-z0-9])_(?=[A-Za-z0-9]))*(?:\n|$))*"
)
_BLANK = re.compile(r"\n(?:[ \t]*\n)+")
_BEGINS = ("<", "```", "~~~")  # a block that may go on over blank lines

# What reading the messages of one push may cost: a character is one, an element is sixteen. It is
# two or three seconds; those of 2,000 squashed pull requests cost less.
MOST_OF_A_PUSH = 8_000_000
_OF_AN_ELEMENT = 16
# From then on: so many characters of lines that may name keys, more than twenty need
MOST_OF_A_MESSAGE = 4_000
_HIDDEN = re.compile(
    r"^ {0,3}(?:(```|~~~).*?(?:^ {0,3}\1|\Z)|<!--.*?(?:-->|\Z))", re.MULTILINE | re.DOTALL
)
_PLAIN = re.compile(r"^(?! {4}|\t|[^\S\n]*+[>#])[^\n]*?(?ai:experiment)[^\n]*", re.MULTILINE)


def is_key(text: str) -> bool:
    """Tell whether `text` is a well-formed experiment key."""
    return _KEY.fullmatch(text) is not None


def keys_in_markdown(text: str | None) -> tuple[str, ...]:
    """Return the distinct keys of the key lines of a body, in order, at most MAX_KEYS."""
    text = markdown.readable(text or "")
    if not _may_name_one(text):
        return ()
    text = relevant(text)
    if _UNMARKED.fullmatch(text):
        return _keys_of(line for line in text.split("\n") if ":" in line)
    return _keys_of(_key_lines(markdown.visible_lines(text)))


def relevant(text: str) -> str:
    """Return what of a `readable` text decides which keys it names: mostly a line or two.

    Blocks that begin at the margin behind a blank line are read alike whatever stands before them,
    unless code or HTML was begun there, which may go on over blank lines. So up to the first of
    these only blocks that may name a key count, if there is no bracket in them: what a link is may
    be said anywhere.
    """
    begun = [at for mark in _BEGINS if (at := text.find(mark)) >= 0]
    end = text.rfind("\n\n", 0, min(begun)) + 2 if begun else len(text)
    if end == 1:
        return text  # it is begun in the first block
    rest = text[end:]
    if rest and not _may_name_one(rest):
        rest = ""
    found = [
        block
        for block in _BLANK.split(text[:end])
        if (":" in block or "&" in block) and _may_name_one(block)
    ]
    blocks = [*found, rest] if rest else found
    if any("[" in block or block[:1].isspace() for block in blocks):
        return text
    return "\n\n".join(blocks)


def keys_in_messages(messages: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the keys of each of a push's messages: of `Experiment-Key:` trailers and key lines.

    Squash merges fill messages with descriptions of pull requests, so a message is read as one.
    """
    found: list[tuple[str, ...]] = []
    cost = by_line = 0
    for message in messages:
        text = markdown.readable(message)
        if not _may_name_one(text):
            found.append(())
        elif cost > MOST_OF_A_PUSH:
            by_line += 1
            found.append(_keys_of(_plain_lines(text)))
        else:
            html = markdown.rendered(text)
            cost += len(text) + _OF_AN_ELEMENT * html.count("<")
            found.append(_keys_of(_key_lines(markdown.lines(html))))
    if by_line:
        logger.warning("messages of a push read line by line", messages=by_line)
    return found


def key_in_title(title: str) -> str | None:
    """Return KEY of an issue titled `Track experiment: KEY`, else None."""
    text = markdown.without_invisible(unescape(markdown.readable(title)))
    match = _TITLE.fullmatch(_ESCAPE.sub(r"\1", text))
    return match[2] if match else None


def keys_of_issue(body: str | None, title: str | None) -> dict[str, str]:
    """Return the keys that an issue names, each with what names it: `body` or `title`."""
    named = dict.fromkeys(keys_in_markdown(body), "body")
    titled = key_in_title(title or "")
    if titled is not None:
        named.setdefault(titled, "title")
    return named


def _may_name_one(text: str) -> bool:
    """Tell quickly if a text cannot name a key; most texts name none."""
    if _has_letters(text) or ("&" in text and _LETTER.search(text)):
        return True
    without = text
    if "&" in text:
        without = _ENTITY.sub("", text)
        if _has_letters(without):
            return True
    return "<" in text and _has_letters(_ELEMENT.sub("", without))


def _has_letters(text: str) -> bool:
    return _LETTERS in text.encode("utf-8", "replace").translate(_LOWER, _NO_LETTERS)


def _key_lines(lines: Iterable[markdown.Line]) -> Iterator[str]:
    """Yield those of a text's visible lines that can name keys, without their marks."""
    for line in lines:
        if line.kind != "heading" and ":" in line.text:
            for text in line.text.split(markdown.BREAK):
                shown = _TAG.sub("", text)
                if markdown.LINK not in shown or _LINKED.sub("", shown).strip():
                    yield _MARKS.sub("", shown)


def _plain_lines(text: str) -> Iterator[str]:
    """Yield the lines of a text that may name keys and are plainly no quote, code or comment."""
    if "&" in text:
        text = markdown.without_invisible(unescape(text))
    left = MOST_OF_A_MESSAGE
    for match in _PLAIN.finditer(_HIDDEN.sub(">", text)):
        line = match[0]
        if len(line) > left:
            line = line[: line.rfind(",", 0, left) + 1]
        left -= len(match[0])
        yield _ESCAPE.sub(r"\1", line)
        if left <= 0:
            return


def _keys_of(lines: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for line in lines:
        if match := _KEY_LINE.fullmatch(line):
            closing = "*_`" if "_" in match["before"] else "*`"  # a key may end in underscores
            for value in match["keys"].split(","):
                key = value.strip().lstrip("*_`").rstrip(closing).strip()
                if is_key(key):
                    found.setdefault(key)
    return tuple(found)[:MAX_KEYS]
