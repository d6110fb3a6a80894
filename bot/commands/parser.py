"""Finds the commands in a comment: `/experiment link checkout-flow-v2`, on a line of its own.

A comment is Markdown, so what GitHub shows as code, as a quote, as a heading, in a table, as part
of a link or not at all is no command, and the arguments are what GitHub shows of the line.
"""

import re
from collections.abc import Iterator, Sequence
from html.entities import html5
from itertools import islice

from bot import characters
from bot.domain import keys, markdown
from bot.domain.commands import MAX_COMMANDS
from bot.domain.markdown import CALLERS, INVISIBLE, Line
from bot.storage import Invocation

# What makes the sign before it text, an emoji, or the flag of a region
_CLOSING = re.compile("[\ufe0e\ufe0f\U000e0020-\U000e007f]*")
_SEARCHED = 1_000  # characters of a line, for what is invisible in its arguments
_LINE_END = re.compile(r"\r\n?|\n")


# Entities of characters that nobody sees, and of others that are no letters of a command
_NAMES = "|".join(
    name for name, text in html5.items() if name.endswith(";") and not INVISIBLE.sub("", text)
)
_UNSEEN = (
    rf"(?:&(?:{_NAMES}|#0*+(?:173|[1-9][0-9]{{3,6}});"
    r"|#[xX]0*+(?:[aA][dD]|[1-9a-fA-F][0-9a-fA-F]{2,5});))*+"
)


def _written(word: str) -> str:
    """Return a pattern of `word` in any case, whose letters may stand as HTML's entities."""
    ways = []
    for letter in word:
        codes = {ord(letter.lower()), ord(letter.upper())}
        numbers = "|".join(f"&#(?:0*{code}|[xX]0*(?i:{code:x}));" for code in sorted(codes))
        ways.append(f"{_UNSEEN}(?:(?ai:{re.escape(letter)})|{numbers})")
    return "".join(ways)


# A line of the source that begins with a command. A dotless i is none of the ASCII letters,
# although it is an i to the rules of upper case.
_BEGINNING = re.compile(
    rf"(?:[ \t\xa0]|&nbsp;|&#160;|&#[xX][aA]0;|(?=&){_UNSEEN})*"
    rf"(?:\\?{_written('/')}|&sol;){_written('experiment')}"
)
# As it is found again among the visible lines, with the number of its line
_COMMAND = re.compile(rf"[ \t\xa0]*(?ai:/experiment){CALLERS}([0-9]+){CALLERS}(?=\s|\Z)")
_MARKS = re.compile(f"[{markdown.CODE}-{markdown.END_TAG}]|{CALLERS}(?:[0-9]+{CALLERS})?")
# What is escaped begins no comment: its author wanted the sign to be seen.
_ESCAPED_COMMENT = re.compile(
    r"(?:(?<!\\)\\<|&(?:lt|LT|#0*60|#[xX]0*3[cC]);)(?=\\?!--)|<(?=\\!--|!\\-)"
)
_CODE = re.compile(f"{markdown.CODE}[^{markdown.END_CODE}]*{markdown.END_CODE}")
# Phones put other quotation marks, and mix the double ones as they like.
_DOUBLE = '"\u201c\u201d\u201e\u201f\xab\xbb'
_SINGLE = "'\u2018\u2019\u201a"
# A mark closes at the end of a word only: an apostrophe may stand inside of one.
_WORD = re.compile(
    rf"""[\s,]*
        (?:(?P<name>[A-Za-z][A-Za-z0-9_-]*)=)?
        (?: [{_DOUBLE}](?P<double>.*?)[{_DOUBLE}](?=[\s,]|\Z)
          | [{_SINGLE}](?P<single>.*?)[{_SINGLE}](?=[\s,]|\Z)
          | (?P<unclosed>[{_DOUBLE}{_SINGLE}])
          | (?P<value>(?(name)\S*|[^\s,]*)) )""",
    re.DOTALL | re.VERBOSE,
)


def parse(body: str | None) -> list[Invocation]:
    """Return the commands of a comment in order, at most MAX_COMMANDS + 1."""
    text = markdown.readable(body or "")
    source = text.split("\n")
    numbers = [number for number, line in enumerate(source) if _BEGINNING.match(line)]
    if not numbers:
        return []
    for number in numbers:
        source[number] = _numbered(source[number], number)
    written = _LINE_END.split((body or "")[: markdown.MAX_TEXT])
    marked = _ESCAPED_COMMENT.sub(rf"\g<0>{CALLERS}", "\n".join(source))
    lines = markdown.visible_lines(marked)
    return list(islice(_invocations(lines, written), MAX_COMMANDS + 1))


def _numbered(line: str, number: int) -> str:
    """Return a line of the source with its number, by which it is known where it is visible.

    GitHub joins the lines of a code span, so the end of the line is marked in one too: by a tab,
    which is white space and changes nothing anywhere else.
    """
    match = _BEGINNING.match(line)
    assert match is not None
    rest = line[match.end() :].replace("\t", " ")
    end = "\t" if "`" in rest and not rest.endswith("\\") else ""
    return f"{match[0]}{CALLERS}{number}{CALLERS}{rest}{end}"


def _invocations(lines: Sequence[Line], written: Sequence[str]) -> Iterator[Invocation]:
    is_hidden = False
    for line in lines:
        # A comment that is never closed is text, but its author wanted it to be hidden.
        is_hidden = not line.begins and is_hidden
        match = _COMMAND.match(line.text)
        if match and line.kind == "text" and not is_hidden:
            shown = line.text[match.end() :].partition("\t")[0].replace(markdown.BREAK, " ")
            yield _invocation(written[int(match[1])], _MARKS.sub("", shown))
        is_hidden = is_hidden or "<!--" in _CODE.sub("", line.text)


def _invocation(line: str, text: str) -> Invocation:
    position = 0
    found: list[tuple[str, str]] = []  # name, or "", and value
    problem = None
    while position < len(text) and problem is None:
        match = _WORD.match(text, position)
        assert match is not None  # every part of it may be missing
        position = match.end()
        value = match[match.lastgroup or "value"]
        if match["unclosed"]:
            problem = "a quotation mark is not closed"
        elif value or match["name"] or match["value"] is None:
            found.append(((match["name"] or "").lower(), value))
    name = found.pop(0)[1].lower() if found and not found[0][0] else ""
    if INVISIBLE.search(line):
        found = list(_as_written(found, line[:_SEARCHED]))
    words = tuple(value for option, value in found if not option)
    options = tuple((option, value) for option, value in found if option)
    return Invocation(characters.begin(line.strip(), 500), name, words, options, problem)


def _as_written(found: Sequence[tuple[str, str]], line: str) -> Iterator[tuple[str, str]]:
    """Yield arguments with what is invisible inside of them, as in emoji; a key has nothing."""
    places = [place for place, one in enumerate(line) if not INVISIBLE.match(one)]
    seen = "".join(line[place] for place in places)
    for name, value in found:
        start = -1 if keys.is_key(value) or not value else seen.find(value)
        if start >= 0:
            end = places[start + len(value) - 1] + 1
            end += len(_CLOSING.match(line, end)[0])  # type: ignore[index]  # it matches nothing, too
            yield name, line[places[start] : end]
        else:
            yield name, value
