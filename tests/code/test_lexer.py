"""What no text may do to the lexer, and random files beside a plain count."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.code.matching import references, references_in_part
from bot.code.vocabulary import Rules, Vocabulary

KEYS = ("one", "two.b", "three-c")
VOCABULARY = Vocabulary([(key, []) for key in KEYS])
LOOSE = Vocabulary(
    [("one", []), ("a", [])],
    Rules(aliases=("camel", "kebab"), patterns=("KEY()", "Flags.KEY", "is KEY", "a.KEY.a")),
)
PATHS = [
    "a.js",
    "a.py",
    "a.rb",
    "a.rs",
    "a.php",
    "a.sh",
    "a.sql",
    "a.vue",
    "a.toml",
    "a.yml",
    "a.x",
]
HOSTILE = [
    '"', "'", "`", '\\"', '"\\', "/*", "{-", '"""', "`${", '"#{', "f'{", "=/[", "%q(", "<<A ",
    "<<A\n", 'r#"', "a.", "Flags.", "Flags.a.", "a()", "is  ", "- ", "a: |\n", "[", "<script>",
    "<?php", "\t", "\r", "\n ", "''", "a:\n\n", "it's ", "\x00", "é",
]  # fmt: skip

WORDS = st.sampled_from([*KEYS, "onetwo", "two", "b", "three", "x", "one-", ".b"])
PIECES = st.builds(
    lambda quote, word: f"f({quote}{word}{quote})", st.sampled_from(["'", '"', "`"]), WORDS
)


@pytest.mark.parametrize("unit", ['"\\', "/*", "`${'", "=/[", "'\"`", "<<A\n", "a: |\n"])
def test_no_text_takes_for_ever(unit: str) -> None:
    """What takes a time that grows as the square of a megabyte never ends."""
    content = ("'one' " + unit * (1_000_000 // len(unit))).encode()
    for path in ("a.js", "a.sh", "a.yml"):
        references(VOCABULARY, path, content)


@pytest.mark.parametrize("unit", ["Flags.", "a.", "is  ", "a()"])
def test_no_pattern_takes_for_ever(unit: str) -> None:
    references(LOOSE, "a.js", (unit * (300_000 // len(unit))).encode())


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["a.js", "a.go", "a.kt", "a.sql", "a.x", "a.vue"]),
    st.lists(st.lists(st.one_of(PIECES, WORDS), max_size=4), max_size=8),
)
def test_quoted_words_beside_a_plain_count(path: str, lines: list[list[str]]) -> None:
    text = "\n".join("; ".join(line) for line in lines)
    expected = sorted(
        {
            (number, key)
            for number, line in enumerate(text.split("\n"), 1)
            for key in KEYS
            if re.search(rf"(['\"`]){re.escape(key)}\1", line)
        }
    )
    found = references(VOCABULARY, path, text.encode())
    assert [(one.line, one.key) for one in found] == expected


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(PATHS),
    st.lists(st.sampled_from([*HOSTILE, "'one'", '"one"', "one", ": ", "}", ")", "*/"])),
)
def test_what_is_found_is_there(path: str, pieces: list[str]) -> None:
    """Whatever the text: no error, and each line that is named has the key on it."""
    text = "".join(pieces)
    lines = text.split("\n")
    for found in references(VOCABULARY, path, text.encode()):
        assert found.key in lines[found.line - 1].replace("\r", "")
    references_in_part(LOOSE, path, text.encode("utf-8")[1:])


@pytest.mark.parametrize("position", [0, 1, 7, 262_100, 262_140, 262_144, 262_150, 400_000])
def test_large_files_are_searched_whole(position: int) -> None:
    """A file is searched piece by piece; a key may lie across two of them."""
    content = b"\n" * position + b"'three-c'" + b"\n" * (600_000 - position)
    found = references(VOCABULARY, "a.js", content)
    assert [one.line for one in found] == [position + 1]


def test_bytes_that_are_no_text_do_not_matter() -> None:
    assert [one.line for one in references(VOCABULARY, "a.js", b"\xff'\xfe'\n\xc3'one'\xc3")] == [2]
