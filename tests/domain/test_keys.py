"""Which keys a body, a commit message and a title name."""

import sys
import unicodedata
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.domain import keys, markdown
from bot.domain.keys import (
    is_key,
    key_in_title,
    keys_in_markdown,
    keys_in_messages,
)
from tests.domain.bodies import BODIES, LONGEST
from tests.kit.marks import slow


@pytest.mark.parametrize("body, expected", BODIES.values(), ids=BODIES.keys())
def test_keys_of_bodies(body: str, expected: list[str]) -> None:
    """The key lines of a body that GitHub shows as text."""
    assert list(keys_in_markdown(body)) == expected


@pytest.mark.parametrize("body", [None, "", "\n", " ", "\u0000", "\ufeff", "```", ">", "<!--", "-"])
def test_bodies_without_text(body: str | None) -> None:
    """There is not always a body, and not always something in it."""
    assert keys_in_markdown(body) == ()


UNITS = [
    *("> ", ">", "- ", "  - x\n", "<!--", "<", "`", "[a]: ", "> - ", "===\na.\n> ", "\t", "* <\n"),
    *(
        "<div>",
        "<b>",
        "<b a>",
        "<p>",
        "<blockquote>",
        "<code x>",
        "<a>",
        "</p>",
        "<table>",
        "<key>",
    ),
    *("[", "![", "*a_", "~a ", "|a|b|\n|-|-|\n", "- - - - a\n", "1. ", "&amp;", "&", "@", "a@b.c "),
]


@pytest.mark.parametrize("unit", UNITS, ids=map(repr, UNITS))
@slow
def test_no_body_is_given_up(unit: str) -> None:
    """Whatever somebody writes below a key line; `bench/texts.py` says how long that takes."""
    text = f"experiment_key: a\n\n{unit * (65_536 // len(unit))}"
    assert keys_in_markdown(text) == keys_in_messages([text])[0] == ("a",)


MESSAGES = {
    "a trailer": ("Subject\n\nBody\n\nExperiment-Key: a", ["a"]),
    "two trailers": ("Subject\n\nExperiment-Key: a\nExperiment-Key: b", ["a", "b"]),
    "among trailers": ("Subject\n\nFixes: #1\nexperiment-key: a\nSigned-off-by: M", ["a"]),
    "the subject itself": ("experiment_key: a", ["a"]),
    "several keys": ("Subject\n\nExperiment-Key: a, b", ["a", "b"]),
    "windows line ends": ("Subject\r\n\r\nExperiment-Key: a\r\n", ["a"]),
    "a list": ("Subject\n\n- experiment key: `a`", ["a"]),
    "indented": ("Subject\n\n    experiment_key: a\n\texperiment_key: b", []),
    "in a sentence": ("Set experiment_key: a", []),
    "a sign of a comment": ("Subject <!--\n\nExperiment-Key: a", ["a"]),
    "a fence": ("Fix (#12)\n\n```\nexperiment_key: a\n```\n", []),
    "a fence never closed": ("Subject\n\n```\nExperiment-Key: a", []),
    "a comment": ("Fix (#12)\n\n<!-- for example\nexperiment_key: a\n-->\n", []),
    "a quote": ("Revert\n\n> Experiment-Key: a", []),
    "a quote in HTML": ("Bump\n\n<details>\n<blockquote>\nexperiment_key: a\n</blockquote>", []),
    "a line of git's": ("Subject\n\n# experiment_key: a\n#\texperiment_key: b", []),
    "lines of git's above": ("Subject\n# Conflicts:\n#\tfile\nExperiment-Key: a", ["a"]),
    "a byte order mark": ("\ufeffExperiment-Key: a", ["a"]),
    "an address among trailers": (
        "Subject\n\nSigned-off-by: M <m@localhost>\nExperiment-Key: a\nAcked-by: N <n@[10.0.0.1]>",
        ["a"],
    ),
    "a squash of commits": (
        "Page (#9)\n\n* One\n\nExperiment-Key: a\n\n* Two\n\n---------\n\nAcked-by: M <m@x.y>",
        ["a"],
    ),
    "right below a list": ("Subject\n\n* One\n* Two\nExperiment-Key: a", ["a"]),
    "right above a line": ("Subject\n\nExperiment-Key: a\n---------", ["a"]),
    "types in a sentence": ("Use Vec<Key> and <textarea>\n\nExperiment-Key: a", ["a"]),
    "nothing": ("", []),
}


@pytest.mark.parametrize("message, expected", MESSAGES.values(), ids=MESSAGES.keys())
def test_keys_of_messages(message: str, expected: list[str]) -> None:
    """Squash merges fill commit messages with the text of pull requests, so they are read alike."""
    assert list(keys_in_messages([message])[0]) == expected


@pytest.mark.parametrize(
    "title, expected",
    [
        ("Track experiment: a", "a"),
        ("track experiment: a", "a"),
        ("TRACK EXPERIMENT: A", "A"),
        ("Track  experiment :a", "a"),
        (" Track experiment: checkout-flow-v2 ", "checkout-flow-v2"),
        (f"Track experiment: {LONGEST}", LONGEST),
        (f"Track experiment: {LONGEST}k", None),
        ("Track experiment: a, b", None),
        ("Track experiment: a!", None),
        ("\u200bTrack experiment: a", "a"),
        ("\ufeffTrack\u200b experiment: check\u00adout\u200f", "checkout"),
        ("Track experiment: a\\_b\\-c", "a_b-c"),
        ("Track experiment&colon;&nbsp;a&#95;b", "a_b"),
        ("Track experiment: `a`", "a"),
        ("Track experiment: `a", None),
        ("Track experiment: \u017f", None),
        ("Track experiment:", None),
        ("Track experiments: a", None),
        ("Re: Track experiment: a", None),
        ("experiment_key: a", None),
        ("", None),
    ],
)
def test_keys_of_titles(title: str, expected: str | None) -> None:
    """`Track experiment: KEY`, and nothing else beside it."""
    assert key_in_title(title) == expected


# Texts that look like bodies more often than random ones do.
PIECES = st.sampled_from(
    [
        "experiment_key: a",
        "Experiment-Key: b, c",
        "**experiment key:** `d`",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "```",
        "~~~",
        "    ",
        "\t",
        " ",
        "- ",
        "1. ",
        "> ",
        "<!--",
        "-->",
        "<pre>",
        "</pre>",
        "<details>",
        "text",
        "\\",
        "\u0000",
        "\u2028",
        "`",
        "[x]: y",
        "---",
        "=",
    ]
)
BODY = st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=200)


@settings(max_examples=500, deadline=None)
@given(BODY)
@example("\n" * 3)
@example("```\n\n")
@example("- \n\n    ")
@slow
def test_any_body_is_read(body: str) -> None:
    """No text raises; what is found are distinct keys, never too many, of the text's letters."""
    for found in (keys_in_markdown(body), keys_in_messages([body])[0]):
        assert len(set(found)) == len(found) <= keys.MAX_KEYS
        assert all(map(is_key, found))
        for key in found:
            letters = iter(body)
            assert all(letter in letters for letter in key)  # in this order, tags between them
    key_in_title(body)


LINES = st.lists(st.sampled_from(["text", "", "experiment_key: inside", "- one", "> two", "    x"]))


@settings(max_examples=200, deadline=None)
@given(
    before=st.lists(st.sampled_from(["text", "", "# heading", "- one", "experiment_key: outside"])),
    inside=LINES,
    fence=st.sampled_from(["```", "~~~", "`````", "~~~~"]),
    after=st.lists(st.sampled_from(["text", "", "experiment_key: outside"])),
)
@slow
def test_a_fence_hides_whatever_is_inside(
    before: list[str], inside: list[str], fence: str, after: list[str]
) -> None:
    """And nothing of what is outside."""
    body = "\n".join([*before, "", fence, *inside, fence, *after])
    assert keys_in_markdown(body) == (("outside",) if "outside" in str(before + after) else ())


def test_all_invisible_characters_are_known() -> None:
    """The category Cf of Unicode, as this version of Python knows it."""
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    invisible = "".join(one for one in every if unicodedata.category(one) == "Cf")
    assert markdown.without_invisible(f"a{invisible}b") == "ab"
    assert markdown.without_invisible("a \t\u00a0é🎉b") == "a \t\u00a0é🎉b"


def test_a_push_of_costly_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound they are read line by line: no key is lost, and examples are still none."""
    monkeypatch.setattr(keys, "MOST_OF_A_PUSH", 1_000)
    costly = "<b>" * 1_000 + "\n\nexperiment_key: a"
    odd = """* One, with `<!--` in it

<!--
experiment_key: b
-->

```
experiment_key: c
```
> experiment_key: d
# experiment_key: e

    experiment_key: f

- **Experiment\\_key**: `g`
"""
    assert keys_in_messages([costly, odd, "Subject", "Experiment-Key: h"]) == [
        ("a",),
        ("g",),
        (),
        ("h",),
    ]


def test_of_costly_messages_all_keys_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as count, none of them cut, whatever follows; letters may stand as entities."""
    monkeypatch.setattr(keys, "MOST_OF_A_PUSH", 0)
    long = [f"{number:0128}" for number in range(40)]
    line = "experiment_key: " + ", ".join(long)
    lines = "\n".join(f"- experiment_key: {key}" for key in long)
    fences = "~~~\nexperiment_key: x\n~~~\n" * 1_000
    written = "&#101;xperi&shy;ment&lowbar;key&colon; a"
    many = "- experiment_key: a!\n" * 10_000
    messages = ["Subject, experiment_key", line, lines, f"{fences}\n{line}", written, many]
    found = keys_in_messages(messages)
    assert found == [(), tuple(long[:20]), tuple(long[:20]), tuple(long[:20]), ("a",), ()]


TOLD = st.sampled_from(
    [
        *(
            "",
            "",
            "",
            "  ",
            "\t",
            "Some words: here",
            "- a list",
            "  of two lines",
            "1. one",
            "> said",
        ),
        *("experiment_key: alpha", "- Experiment-Key: beta", "**experiment key**: `gamma`"),
        *("  experiment_key: delta", "    experiment_key: epsilon", "> experiment_key: zeta"),
        *("experiment_key: [eta]", "experi**ment**_key: theta", "experiment&#95;key: iota"),
        *("```", "~~~", "<!--", "-->", "<pre>", "</pre>", "<details>", "<b>bold</b>", "`code`"),
        *("---", "===", "# Title", "| a | b |", "| --- | --- |", "| experiment_key: kappa | b |"),
        *("[eta]: https://example.org", "[^1]: A note", "    code", "\\", "* * *", "experiment_"),
    ]
)


@given(st.lists(TOLD, max_size=14))
@settings(max_examples=400, deadline=None)
def test_what_is_left_out_changes_nothing(lines: list[str]) -> None:
    """Only blocks that may name a key are rendered, and they mean what they mean in the whole."""
    body = "\n".join(lines)
    found = keys.keys_in_markdown(body)
    with mock.patch.object(keys, "relevant", lambda text: text):
        assert found == keys.keys_in_markdown(body)


def test_a_long_description_costs_no_more_than_its_key_lines() -> None:
    words = "A paragraph that says nothing about it: at length."
    body = "\n\n".join([words] * 100 + ["experiment_key: alpha"] + [words] * 100)
    assert keys.relevant(body) == "experiment_key: alpha"
    hidden = f"{words}\n\n<!-- experiment_key: beta\n\n-->\n\nexperiment_key: alpha"
    assert keys.relevant(hidden) == hidden.removeprefix(f"{words}\n\n")
    assert keys.keys_in_markdown(hidden) == ("alpha",)
