"""Which commands a comment holds, and with which arguments."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.commands.parser import parse
from bot.domain import markdown
from bot.domain.commands import MAX_COMMANDS
from bot.storage import Invocation
from tests.commands.comments import COMMENTS
from tests.commands.reads import LINK, Read
from tests.kit.marks import slow


def read(body: str | None) -> list[Read]:
    """What there is of each command."""
    return [(one.name, one.words, one.options, one.problem) for one in parse(body)]


@pytest.mark.parametrize("body, expected", COMMENTS.values(), ids=COMMENTS.keys())
def test_commands_of_comments(body: str, expected: list[Read]) -> None:
    """What runs of a comment that GitHub shows like this."""
    assert read(body) == expected


@pytest.mark.parametrize("body", [None, "", "\n", " ", "\u0000", "\ufeff", "```", ">", "<!--", "/"])
def test_comments_without_text(body: str | None) -> None:
    """There is not always something in a comment."""
    assert parse(body) == []


def test_the_line_is_kept_as_written() -> None:
    """Without white space around it, and not at any length."""
    assert [one.line for one in parse("Hi\n  /Experiment  link `a`, **b**  \nBye")] == [
        "/Experiment  link `a`, **b**"
    ]
    assert parse("/experiment note " + "x" * 1_000)[0].line == "/experiment note " + "x" * 483
    assert parse("/experiment note x=y") == [
        Invocation("/experiment note x=y", "note", (), (("x", "y"),), None)
    ]


# Texts that look like comments more often than random ones do.
PIECES = st.sampled_from(
    """/experiment link a|/experiment|/Experiment set x="a b"|text|```|~~~|`|``|> |- |1. |    |
    <!--|-->|<pre>|</pre>|<code>|</code>|<blockquote>|</blockquote>|<details>|<key>|<a b="|**|_|~|
    [|](|)|![|]: |'|"|“|\\|&amp;|# |===|---|\\||&nbsp;|=|,""".replace("\n    ", "").split("|")
) | st.sampled_from(
    ["\n", "\n\n", "\r\n", "\r", "\t", " ", "\u00a0", "\u200f", "\u2028", "\0", "|"]
)
BODY = st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=200)


@settings(max_examples=500, deadline=None)
@given(BODY)
@example("/experiment" * 3)
@example("- \n\n    /experiment")
@slow
def test_any_comment_is_read(body: str) -> None:
    """No text raises; each command stands in the text, and the same ones are found again."""
    found = parse(body)
    assert parse(body) == found
    assert len(found) <= MAX_COMMANDS + 1
    for one in found:
        assert one.line in body
        assert "/experiment" in one.line.lower()
        assert one.name == one.name.lower()


# What may stand inside of something: it cannot end it, nor open what HTML leaves open behind it.
HARMLESS = PIECES.filter(
    lambda piece: (
        not set("`~\n\r") & set(piece)
        and piece not in ("<pre>", "<code>", "<blockquote>", "</blockquote>", "<!--", '<a b="')
    )
)
INSIDE = st.lists(
    st.lists(HARMLESS, max_size=4).map("".join),
    max_size=6,
).map(lambda lines: "\n".join([*lines, "/experiment link inside"]))
OUTSIDE = st.lists(st.sampled_from(["text", "", "# heading", "/experiment link outside"]))


@settings(max_examples=300, deadline=None)
@given(before=OUTSIDE, inside=INSIDE, kind=st.sampled_from(["```", "~~~~", "> ", "    ", "`"]))
@slow
def test_what_is_inside_is_no_command(before: list[str], inside: str, kind: str) -> None:
    """A fence, a quote, indented code and a code span hide all of what is inside, only that."""
    if kind in ("> ", "    "):
        hidden = "\n".join(kind + line for line in inside.split("\n"))
    elif kind == "`":
        lines = [line for line in inside.split("\n") if "/experiment" in line]
        hidden = "`" + "\n".join(["x", "/experiment link inside", *(f"x{one}" for one in lines)])
        hidden += "`"
    else:
        hidden = f"{kind}\n{inside}\n{kind}"
    body = "\n".join([*before, "", hidden, "", "/experiment link after"])
    outside = before.count("/experiment link outside")
    expected = [("link", ("outside",))] * outside + [("link", ("after",))]
    found = [(one.name, one.words) for one in parse(body)]
    assert found == expected[: MAX_COMMANDS + 1]


HOSTILE = {
    "brackets": "[",
    "brackets of letters": "[xx",
    "images": "![",
    "links": "[a](",
    "links of references": "[a][x",
    "long addresses": "![a](" + "x" * 40,
    "definitions": "[a]: b\n",
    "emphasis": "*a_b ",
    "asterisks": "*",
    "strikethrough": "~a ",
    "entities": "&",
    "tags": "<",
    "comments": "<!--a--->!",
    "closed brackets": "]",
    "words": "a ",
    "lines": "a\n",
    "empty lines": "\n",
    "quotes": ">" * 19 + "x\n",
    "long quotes": ">" * 20 + " a" + "x" * 150 + "\n",
    "quotes and lists": "> - \n",
    "lists": "* <\n",
    "headings": "===\na.\n> ",
    "list in a list": "- - - - - - - - - a\n",
    "table": "|a|b|\n|-|-|\n",
    "cells": "| ---------\n",
    "rows": "-|" * 40 + "\n",
    "rulers": "-" * 60 + "x\n",
    "long tags": "<a " * 30 + "\n",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
@slow
def test_no_comment_is_given_up(unit: str) -> None:
    """Whatever somebody writes below; `bench/texts.py` says how long that takes."""
    filler = unit * (65_536 // len(unit))
    assert read(f"/experiment link a\n\n{filler}") == LINK
    for one in parse(f"/experiment {filler}"[:60_000])[:1]:
        assert one.line.startswith("/experiment")
    for one in parse(f"/experiment link a\nx {filler}"):
        assert (one.name, one.words) == ("link", ("a",))


@pytest.mark.parametrize(
    "body", ["text\n" * 10_000, "a /experiments b\n" * 3_000, "experiment link a\n" * 3_000]
)
def test_comments_without_commands_need_no_parser(
    body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most comments hold none."""
    monkeypatch.setattr(markdown, "visible_lines", None)
    assert parse(body) == []
