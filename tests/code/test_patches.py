"""What a diff adds, removes and moves."""

import difflib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.code.patches import (
    BadPatch,
    Change,
    changes,
    changes_of_files,
    needs_both_versions,
)
from bot.code.settling import FileChanges, settled
from bot.code.vocabulary import Rules, Vocabulary

KEYS = Vocabulary([("one", ["uno"]), ("two", [])], Rules(exclude=("old/",)))


def said(found: list[Change]) -> list[str]:
    return [f"{'+-'[one.change == 'removed']}{one.line} {one.key}" for one in found]


PATCHES = {
    "an edit, and lines left alone": (
        "a.js",
        '@@ -3,3 +3,4 @@ f() {\n "two"\n-x("one")\n+x("one", 1)\n+y("two")\n "uno"\n',
        ["+4 one", "-4 one", "+5 two"],
    ),
    "no newline at the end": (
        "a.js",
        '@@ -1 +1 @@\n-"one"\n\\ No newline at end of file\n+"two"\n\\ No newline at end of file',
        ["+1 two", "-1 one"],
    ),
    "a new file": ("a.js", '@@ -0,0 +1,2 @@\n+\n+"one"', ["+2 one"]),
    "a file that is gone": ("a.js", '@@ -1,2 +0,0 @@\n-\n-"one"', ["-2 one"]),
    "two hunks": (
        "a.js",
        '@@ -1,1 +1,2 @@\n a\n+"one"\n@@ -10,2 +11,1 @@\n b\n-"two"\n',
        ["+2 one", "-11 two"],
    ),
    "a line in a comment by what is above": (
        "a.js",
        '@@ -1,2 +1,3 @@\n+/*\n "one"\n */ "two"\n',
        ["-1 one"],
    ),
    "begins in a comment": (
        "a.js",
        "@@ -9,3 +9,4 @@\n  don't \"x\n+ 'one' \"one\"\n  */\n-'two'\n+'one'\n",
        ["-11 two", "+12 one"],
    ),
    "begins with lines of a comment": (
        "a.java",
        '@@ -9,2 +9,3 @@\n  * a\n+ * "one"\n  * b',
        [],
    ),
    "begins in a docstring": (
        "a.py",
        '@@ -9,3 +9,5 @@\n     Says "x".\n+    "two"\n     """\n+    f("one")\n     return """a"""',
        ["+12 one"],
    ),
    "a docstring begins": (
        "a.py",
        '@@ -9,2 +9,4 @@\n def f():\n+    """\n+    "two"\n+    """ + f("one")\n-    pass',
        ["+12 one"],
    ),
    "begins in a template": (
        "a.ts",
        '@@ -9,3 +9,5 @@\n  select "x"\n+ "two"\n `;\n+f("one")\n g(`a`)',
        ["+12 one"],
    ),
    "begins in a comment of markup": (
        "a.html",
        '@@ -9,1 +9,3 @@\n+ <a b="one">\n  -->\n+ <a b="two">',
        ["+11 two"],
    ),
    "configuration": ("a.yml", "@@ -5,2 +5,2 @@\n a:\n-  - one\n+  - two", ["+6 two", "-6 one"]),
    "carriage returns": ("a.js", '@@ -1 +1,2 @@\n a\r\n+"one"\r', ["+2 one"]),
    "generated": ("a.js", '@@ -0,0 +1,2 @@\n+// @generated\n+"one"', []),
    "excluded": ("old/a.js", '@@ -0,0 +1 @@\n+"one"', []),
}


@pytest.mark.parametrize("path, patch, expected", PATCHES.values(), ids=PATCHES.keys())
def test_changes_of_patches(path: str, patch: str, expected: list[str]) -> None:
    assert said(changes(KEYS, path, None, patch)) == expected


@pytest.mark.parametrize(
    "patch",
    [
        "",
        "x",
        "diff --git a/x b/x",
        "@@ -1,2 +1,2 @@\n a",
        "@@ -1 +1 @@\n*a",
        "@@ -1 +1,1 @@\n-a\n-b\n+c",
    ],
)
def test_what_is_no_patch(patch: str) -> None:
    with pytest.raises(BadPatch):
        changes(KEYS, "a.js", None, patch)


def test_a_rename_out_of_what_is_read() -> None:
    """The patch of a rename does not show the lines that it leaves alone."""
    assert needs_both_versions(KEYS, "old/a.js", "a.js")
    assert needs_both_versions(KEYS, "a.yml", "a.js")
    assert not needs_both_versions(KEYS, "b.js", "a.js")
    assert said(changes_of_files(KEYS, "old/a.js", b"'one'", b"'one'", "a.js")) == ["-1 one"]
    assert said(changes_of_files(KEYS, "b.js", b"'one'", b"'one'", "a.js")) == []


LINES = ["'one'", "'two'", "x", "y", "z", "// 'one'", "'one', 'two'"]
FILES = st.lists(st.sampled_from(LINES), max_size=12)


@settings(max_examples=150, deadline=None)
@given(FILES, FILES)
def test_a_patch_says_what_two_versions_say(old: list[str], new: list[str]) -> None:
    """Added less removed is what there is now less what there was, whichever way it is told."""
    before, after = "\n".join(old).encode(), "\n".join(new).encode()
    patch = "\n".join([*difflib.unified_diff(old, new, lineterm="", n=1)][2:])
    by_patch = changes(KEYS, "a.js", None, patch) if patch else []
    by_files = changes_of_files(KEYS, "a.js", before, after)
    for key in ("one", "two"):
        grown = sum(f"'{key}'" in one and "//" not in one for one in new)
        grown -= sum(f"'{key}'" in one and "//" not in one for one in old)
        for found in (by_patch, by_files):
            marks = [one[0] for one in said(found) if one.endswith(key)]
            assert marks.count("+") - marks.count("-") == grown
    for change in [*by_patch, *by_files]:
        lines = new if change.change == "added" else old
        assert f"'{change.key}'" in lines[change.line - 1]


def test_versions_differ_in_what_was_edited_alone() -> None:
    lines = [f"{number} 'one'" for number in range(500)]
    edited = [*lines[:100], "'two'", *lines[100:200], "200 'one', 'two'", *lines[201:]]
    found = changes_of_files(KEYS, "a.js", "\n".join(lines).encode(), "\n".join(edited).encode())
    assert said(found) == ["+101 two", "-201 one", "+202 one", "+202 two"]
    assert said(changes_of_files(KEYS, "a.js", None, b"'one'")) == ["+1 one"]
    assert said(changes_of_files(KEYS, "a.js", b"'one'", None)) == ["-1 one"]
    assert said(changes_of_files(KEYS, "a.js", b"'one'", b"\0'two'")) == ["-1 one"]


def added(line: int, key: str = "one") -> Change:
    return Change(line, "added", key, None)


def removed(line: int, key: str = "one") -> Change:
    return Change(line, "removed", key, None)


MOVES = {
    "within a file, the nearest": (
        [FileChanges("a", [removed(1), removed(100), added(101)])],
        ["- a:1", "> a:101"],
    ),
    "a file before another": (
        [FileChanges("a", [removed(5)]), FileChanges("b", [removed(3), added(9)])],
        ["- a:5", "> b:9"],
    ),
    "the same name before any": (
        [
            FileChanges("x/a.js", [removed(1)]),
            FileChanges("y/b.js", [added(1)]),
            FileChanges("z/a.js", [added(2)]),
        ],
        ["+ y/b.js:1", "> z/a.js:2"],
    ),
    "anywhere": (
        [FileChanges("a", [removed(1)]), FileChanges("b/c", [added(7)])],
        ["> b/c:7"],
    ),
    "not of another experiment": (
        [FileChanges("a", [removed(1), added(1, "two")])],
        ["- a:1", "+ a:1 two"],
    ),
    "a renamed file": (
        [FileChanges("new", [removed(4), removed(9), added(5)], "old")],
        ["> new:5", "- old:9"],
    ),
    "more added than removed": (
        [FileChanges("a", [removed(1), added(1), added(2)])],
        ["> a:1", "+ a:2"],
    ),
}


@pytest.mark.parametrize("files, expected", MOVES.values(), ids=MOVES.keys())
def test_moves(files: list[FileChanges], expected: list[str]) -> None:
    marks = {"added": "+", "removed": "-", "moved": ">"}
    for seed in range(5):
        mixed = [
            FileChanges(one.path, random.Random(seed).sample(one.changes, len(one.changes)),
                        one.previous_path)
            for one in random.Random(seed).sample(files, len(files))
        ]  # fmt: skip
        found = [
            f"{marks[one.change]} {one.path}:{one.line}{' two' * (one.key == 'two')}"
            for one in settled(mixed)
        ]
        assert found == expected
