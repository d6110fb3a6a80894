"""Which lines are references, language by language: what is marked with <- is one."""

from pathlib import Path

import pytest

from bot.code.matching import references
from bot.code.vocabulary import Vocabulary

KEYS = Vocabulary([("checkout", ["co-flow"]), ("new.flow_2", [])])

PAGE = (Path(__file__).parent / "languages.txt").read_text()
CASES = dict(part.split("\n", 1) for part in PAGE.removeprefix("==== ").split("\n==== "))


@pytest.mark.parametrize("path", CASES)
def test_references(path: str) -> None:
    lines = CASES[path].strip("\n").split("\n")
    expected = [number for number, line in enumerate(lines, 1) if line.endswith("<-")]
    text = "\n".join(line.removesuffix("<-").rstrip() for line in lines)
    for content in (text, text.replace("\n", "\r\n"), "\ufeff" + text):
        found = references(KEYS, path, content.encode())
        assert sorted({one.line for one in found}) == expected
    in_utf_16 = references(KEYS, path, text.encode("utf-16"))
    assert sorted({one.line for one in in_utf_16}) == expected
