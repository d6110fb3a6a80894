"""Which keys a body, a commit message and a title name."""

import sys
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.domain import keys, markdown
from bot.domain.keys import (
    is_key,
    key_in_title,
    keys_in_markdown,
    keys_in_message,
    keys_in_messages,
)

LONGEST = "k" * 128
TEMPLATE = """\
## What is this about?

<!-- Name the experiment that this belongs to, for example:

experiment_key: example-one

Leave the line out if there is none. -->

## Experiment

%s

## How to try it

```yaml
experiment_key: example-two
```

> experiment_key: example-three

<details>
<summary>Checklist</summary>

- [x] Tests
- [ ] The line experiment_key: example-four is filled in

</details>
"""

PLAIN = {
    "alone": ("experiment_key: a", ["a"]),
    "hyphen": ("experiment-key: a", ["a"]),
    "space": ("experiment key: a", ["a"]),
    "capitals": ("Experiment-Key: a", ["a"]),
    "shouting": ("EXPERIMENT_KEY: A", ["A"]),
    "mixed case": ("eXperiMent_kEy: a", ["a"]),
    "no space after the colon": ("experiment_key:a", ["a"]),
    "spaces around the colon": ("experiment_key  :   a  ", ["a"]),
    "two spaces in the name": ("experiment  key: a", []),
    "no separator": ("experimentkey: a", []),
    "plural": ("experiment_keys: a", []),
    "two words before": ("my experiment_key: a", []),
    "words after": ("experiment_key: a is the one", []),
    "no colon": ("experiment_key a", []),
    "another colon": ("experiment_key\uff1a a", []),
    "equals sign": ("experiment_key = a", []),
    "nothing after": ("experiment_key:", []),
    "the key on the next line": ("experiment_key:\na", []),
    "in the middle of a body": ("Hello\n\nexperiment_key: a\n\nBye", ["a"]),
    "right below other text": ("Hello\nexperiment_key: a\nBye", ["a"]),
    "indented a little": ("   experiment_key: a", ["a"]),
    "windows line ends": ("Hello\r\nexperiment_key: a\r\nexperiment_key: b\r\n", ["a", "b"]),
    "old line ends": ("Hello\rexperiment_key: a\rBye", ["a"]),
    "hard line break": ("experiment_key: a  \nexperiment_key: b\\\nBye", ["a", "b"]),
    "several in a line": ("experiment_key: a, b,c , d", ["a", "b", "c", "d"]),
    "several lines": ("experiment_key: a\nexperiment_key: b", ["a", "b"]),
    "the same again": ("experiment_key: b, a\nexperiment_key: a, b", ["b", "a"]),
    "commas too many": ("experiment_key: ,a,,b,", ["a", "b"]),
    "a semicolon is no comma": ("experiment_key: a; b", []),
    "one of them is none": ("experiment_key: a, b c, d", ["a", "d"]),
    "capitals of a key count": ("experiment_key: A, a", ["A", "a"]),
    "dots, hyphens, underscores": ("experiment_key: a.b-c_d", ["a.b-c_d"]),
    "underscores at the end": ("experiment_key: a_b_, c__", ["a_b_", "c__"]),
    "a digit first": ("experiment_key: 2024-checkout", ["2024-checkout"]),
    "a hyphen first": ("experiment_key: -a", []),
    "a dot first": ("experiment_key: .a", []),
    "a slash": ("experiment_key: a/b", []),
    "quotation marks": ("experiment_key: \"a\", 'b'", []),
    "no ASCII": ("experiment_key: ä, ключ, 键, a", ["a"]),
    "a full-width digit": ("experiment_key: \uff11", []),
    "of 128 characters": (f"experiment_key: {LONGEST}", [LONGEST]),
    "of 129 characters": (f"experiment_key: {LONGEST}k", []),
    "twenty-one": (
        "experiment_key: " + ", ".join(f"k{number}" for number in range(21)),
        [f"k{number}" for number in range(20)],
    ),
    "twenty-five lines": (
        "\n".join(f"experiment_key: k{number}" for number in range(25)),
        [f"k{number}" for number in range(20)],
    ),
    "text from right to left": ("שבת\n\nexperiment_key: a\n\nשבת", ["a"]),
    "a key from right to left": ("experiment_key: ניסוי", []),
    "a direction mark in a key": ("experiment_key: a\u200fb, \u202ec", ["ab", "c"]),
    "a no-break space": ("experiment\u00a0key:\u00a0a", ["a"]),
    "a zero-width space in the name": ("experiment\u200b_key: a", ["a"]),
    "a zero-width space in front": ("\u200bexperiment_key: a", ["a"]),
    "a zero-width space behind": ("experiment_key: a\u200b", ["a"]),
    "a byte order mark": ("\ufeffexperiment_key: a", ["a"]),
    "a soft hyphen": ("experi\u00adment_key: check\u00adout", ["checkout"]),
    "joiners": ("experiment_key: a\u2060b, c\u200dd", ["ab", "cd"]),
    "a variation selector": ("experiment_key\ufe0f: a\ufe0f", ["a"]),
    "tags of languages": ("experiment_key: a\U000e0061", ["a"]),
    "an invisible list marker's space": ("-\u200b experiment_key: a", ["a"]),
    "other spaces": ("experiment_key:\u2009a,\u3000b\u202f", ["a", "b"]),
    "a line separator is no line end": ("experiment_key: a\u2028b", []),
    "a lone surrogate": ("\ud800\n\nexperiment_key: a", ["a"]),
    "letters that only look alike": ("experiment_\u212aey: a", []),
    "emoji around": ("🎉🎉\nexperiment_key: a\n🎉", ["a"]),
    "a heading": ("# experiment_key: a", []),
    "a table": ("| experiment_key: a |", []),
    "a link": ("[experiment_key: a](https://example.com)", []),
}
DECORATED = {
    "a hyphen": ("- experiment_key: a", ["a"]),
    "an asterisk": ("* experiment_key: a", ["a"]),
    "a plus": ("+ experiment_key: a", ["a"]),
    "a number": ("1. experiment_key: a\n2) experiment_key: b", ["a", "b"]),
    "a list in a list": ("- one\n  - experiment_key: a", ["a"]),
    "a list on a line": ("- - experiment_key: a", ["a"]),
    "a hyphen without a space": ("-experiment_key: a", []),
    "a task": ("- [ ] experiment_key: a", ["a"]),
    "a task that is done": ("- [x] experiment_key: a\n- [X] experiment_key: b", ["a", "b"]),
    "a bold name": ("**experiment_key**: a", ["a"]),
    "a bold name with its colon": ("**Experiment key:** a", ["a"]),
    "a bold line": ("**experiment_key: a**", ["a"]),
    "a bold key": ("experiment_key: **a**, __b__", ["a", "b"]),
    "bold by underscores": ("__experiment_key__: a", ["a"]),
    "a bold line by underscores": ("__experiment_key: a__", ["a"]),
    "a bold name with its colon, by underscores": ("__Experiment key:__ a", ["a"]),
    "italics": ("_experiment_key:_ *a*", ["a"]),
    "bold and italics": ("***experiment_key***: ***a***", ["a"]),
    "a name in backticks": ("`experiment_key`: a", ["a"]),
    "a line in backticks": ("`experiment_key: a`", ["a"]),
    "a key in backticks": ("experiment_key: `a`, `b`", ["a", "b"]),
    "a line in two backticks": ("``experiment_key: a``", ["a"]),
    "an underscore escaped": ("experiment\\_key: a", ["a"]),
    "all escaped": ("experiment\\_key\\: a\\-b\\.c\\_d\\, e", ["a-b.c_d", "e"]),
    "an underscore as a number": ("experiment&#95;key: a&#x2D;b", ["a-b"]),
    "an underscore by its name": ("experiment&lowbar;key: a", ["a"]),
    "a letter as a number": ("&#101;xperiment_ke&#121;: a", ["a"]),
    "a colon by its name": ("experiment_key&colon; a", ["a"]),
    "a space by its name": ("experiment_key:&nbsp;a&emsp;", ["a"]),
    "an invisible entity": ("experiment_key: a&shy;b&#8203;", ["ab"]),
    "one bold letter": ("**E**xperiment key: a", ["a"]),
    "bold in HTML": ("<b>Experiment key:</b> a", ["a"]),
    "code in HTML": ("experiment_key: <code>a</code>, <tt>b</tt>", ["a", "b"]),
    "a line of code in HTML": ("<code>experiment_key: a</code>", ["a"]),
    "a footnote's sign": ("experiment_key: a[^1]\n\n[^1]: b", []),
    "a key that is a link": ("experiment_key: [a](https://example.com/a), b", ["a", "b"]),
    "a link to the definition of a key": ("[experiment_key](https://example.com): a", ["a"]),
    "struck through": ("~~experiment_key: a~~", []),
    "a key struck through": ("experiment_key: ~~a~~ b, ~c~, d", ["b", "d"]),
    "deleted in HTML": ("<del>experiment_key: a</del>\n<s>experiment_key: b</s>", []),
    "keys of a keyboard": ("<kbd>experiment_key: a</kbd>", []),
    "a break in HTML": ("experiment_key: a<br>experiment_key: b<br/>\nBye", ["a", "b"]),
    "a cell": ("| a |\n|---|\n| experiment_key: a |", ["a"]),
    "a line that is underlined": ("experiment_key: a\n---\nBye", ["a"]),
    "two lines that are underlined": ("Hello\nexperiment_key: a\n===", ["a"]),
    "a heading in HTML": ("<h2>experiment_key: a</h2>", []),
    "a link over lines": ("[see\nexperiment_key: a\n](https://example.com)", []),
    "an image": ("![experiment_key: a](x.png)", []),
    "an attribute": ('<img alt="\nexperiment_key: a\n">', []),
    "a reference": ("[experiment_key]: a", []),
    "a placeholder": ("experiment_key: <key>", []),
    "emoji by name": ("experiment_key: a :tada:", []),
    "everything": ("1. - [x] **`Experiment-Key`:** `a`, **b**", ["a", "b"]),
}
HIDDEN = {
    "a fence": ("```\nexperiment_key: a\n```", []),
    "a fence with a language": ("```yaml\nexperiment_key: a\n```", []),
    "a fence of tildes": ("~~~\nexperiment_key: a\n~~~", []),
    "a longer fence": ("````\n```\nexperiment_key: a\n```\n````\nexperiment_key: b", ["b"]),
    "a fence never closed": ("```\nexperiment_key: a", []),
    "a fence closed by another": ("```\n~~~\nexperiment_key: a", []),
    "after a fence": ("```\ncode\n```\nexperiment_key: a", ["a"]),
    "before a fence": ("experiment_key: a\n```\ncode", ["a"]),
    "a fence in a list": ("- one\n\n  ```\n  experiment_key: a\n  ```\n\n  two", []),
    "a fence in a list in a list": ("- one\n  - two\n    ```\n    experiment_key: a\n    ```", []),
    "a fence that ends with its list": (
        "- ```\n  experiment_key: a\n\nexperiment_key: b",
        ["b"],
    ),
    "a fence in a quote": ("> ```\n> experiment_key: a\n\nexperiment_key: b", ["b"]),
    "a fence of a right-to-left text": ("שבת\n```\nexperiment_key: a\n```", []),
    "a fence with windows line ends": ("```\r\nexperiment_key: a\r\n```\r\n", []),
    "an indented fence": ("   ```\n   experiment_key: a\n   ```", []),
    "two backticks are no fence": ("``\nexperiment_key: a\n``", ["a"]),
    "indented code": ("Hello\n\n    experiment_key: a", []),
    "code indented by a tab": ("Hello\n\n\texperiment_key: a", []),
    "indented code at the start": ("    experiment_key: a", []),
    "indented code in a list": ("- one\n\n      experiment_key: a", []),
    "an indented line of a paragraph": ("Hello\n    experiment_key: a", ["a"]),
    "an indented paragraph of a list": ("1. one\n\n   experiment_key: a", ["a"]),
    "a quote": ("> experiment_key: a", []),
    "a quote without a space": (">experiment_key: a", []),
    "a quote in a quote": ("> > experiment_key: a", []),
    "a quote in a list": ("- > experiment_key: a", []),
    "a list in a quote": ("> - experiment_key: a", []),
    "a quote's lazy line": ("> Hello\nexperiment_key: a", []),
    "after a quote": ("> Hello\n\nexperiment_key: a", ["a"]),
    "before a quote": ("experiment_key: a\n> Hello", ["a"]),
    "a greater-than sign": ("5 > 4\n\nexperiment_key: a", ["a"]),
    "an alert": ("> [!NOTE]\n> experiment_key: a", []),
    "a comment": ("<!-- experiment_key: a -->", []),
    "a comment of several lines": ("<!--\nexperiment_key: a\n-->\nexperiment_key: b", ["b"]),
    "a comment with empty lines": ("<!--\n\nexperiment_key: a\n\n-->", []),
    "a comment never closed": ("<!--\n\nexperiment_key: a", []),
    "a comment below text": ("Hello\n<!--\nexperiment_key: a\n-->\nBye", []),
    "a comment in a list": ("- one\n  <!--\n  experiment_key: a\n  -->", []),
    "a comment in a sentence": ("Hello <!-- experiment_key: a --> you", []),
    "a comment after the key": ("experiment_key: a <!-- the new one -->", ["a"]),
    "a comment instead of a key": ("experiment_key: <!-- put it here -->", []),
    "a comment beside a key": ("experiment_key: <!-- one of yours --> a", ["a"]),
    "a comment from the key's line on": ("experiment_key: a <!--\nexperiment_key: b\n-->", ["a"]),
    "two comments": ("<!-- one -->\nexperiment_key: a\n<!-- two -->", ["a"]),
    "a fence in a comment": ("<!--\n```\nexperiment_key: a\n```\n-->\nexperiment_key: b", ["b"]),
    "a comment in a fence": ("```\n<!--\n```\nexperiment_key: a", ["a"]),
    "a comment's sign in backticks": ("Strip `<!--` from it\n\nexperiment_key: a", ["a"]),
    "the end of a comment alone": ("-->\nexperiment_key: a", ["a"]),
    "details": ("<details>\n\nexperiment_key: a\n\n</details>", ["a"]),
    "details with a fence": ("<details>\n\n```\nexperiment_key: a\n```\n\n</details>", []),
    "pre": ("<pre>\nexperiment_key: a\n</pre>", []),
    "pre with an empty line": ("<pre>\n\nexperiment_key: a\n\n</pre>\n\nexperiment_key: b", ["b"]),
    "capital pre": ("<PRE>\nexperiment_key: a\n</PRE>", []),
    "an HTML quote": ("<blockquote>\nexperiment_key: a\n</blockquote>", []),
    "another element": ("<p>\nexperiment_key: a\n</p>", ["a"]),
    "an autolink": ("<https://example.com>\n\nexperiment_key: a", ["a"]),
    "a template, filled in": (TEMPLATE % "experiment_key: a, b", ["a", "b"]),
    "a template, as it was": (TEMPLATE % "experiment_key:", []),
    "a template, commented out": (TEMPLATE % "<!-- experiment_key: a -->", []),
    "a long body": ("x" * 65_000 + "\n\nexperiment_key: a", ["a"]),
    "a body of lines": ("- [ ] one\n" * 6_500 + "\nexperiment_key: a", ["a"]),
    "a body of emoji": ("🎉" * 65_500 + "\n\nexperiment_key: a", ["a"]),
}
ELEMENTS = {
    f"{name}, {how}": (body.replace("TAG", name), expected)
    for name in ("blockquote", "pre", "BLOCKQUOTE", "Pre", "textarea", "script", "style")
    for how, body, expected in (
        ("alone", "<TAG>\nexperiment_key: a\n</TAG>\n\nexperiment_key: b", ["b"]),
        ("on a line", "<TAG>experiment_key: a</TAG>", []),
        ("over empty lines", "<TAG>\n\nexperiment_key: a\n\n</TAG>\n\nexperiment_key: b", ["b"]),
        ("with an attribute", "<TAG class='x'>\nexperiment_key: a\n</TAG>", []),
        ("in another", "<div>\n<p>\n<TAG>\nexperiment_key: a\n</TAG>\n</p>\n</div>", []),
        ("in details", "<details>\n<summary>x</summary>\n<TAG>\nexperiment_key: a\n</TAG>", []),
        ("in a list", "- one\n  <TAG>\n  experiment_key: a\n  </TAG>", []),
        ("behind text", "Hello\n<TAG>\nexperiment_key: a\n</TAG>", []),
        ("never closed", "<TAG>\n\nexperiment_key: a", []),
        ("its sign in backticks", "No `<TAG>` here\n\nexperiment_key: a", ["a"]),
        ("in a comment", "<!-- <TAG> -->\n\nexperiment_key: a", ["a"]),
        ("escaped", "\\<TAG>\n\nexperiment_key: a", ["a"]),
    )
} | {
    "code over lines": ("<code>\nexperiment_key: a\n</code>", []),
    "code over empty lines": ("<code>\n\nexperiment_key: a\n\n</code>\n\nexperiment_key: b", ["b"]),
    "code that begins in a sentence": ("So <code>x\nexperiment_key: a</code>", []),
    "code over paragraphs": ("So <code>x\n\nexperiment_key: a</code>\n\nexperiment_key: b", ["b"]),
    "backticks over lines": ("So `x\nexperiment_key: a`", []),
    "a quote deep inside": ("<div>" * 30 + "<blockquote>\n\nexperiment_key: a", []),
    "a quote that its parent ends": (
        "<div>\n<blockquote>\nexperiment_key: a\n</div>\n\nexperiment_key: b",
        ["b"],
    ),
    "a quote of an item": ("- <blockquote>\n- experiment_key: a\n\nexperiment_key: b", ["a", "b"]),
    "quotation marks of HTML": ("<q>experiment_key: a</q>", []),
    "a tag that was forgotten in a sentence": ("Use <textarea> here\n\nexperiment_key: a", ["a"]),
    "a script's tag in a sentence": ("Moves <script> up.\n\nexperiment_key: a", ["a"]),
    "a title's tag": ("<title>\n\nexperiment_key: a", ["a"]),
    "plaintext": ("<plaintext>\n\nexperiment_key: a", ["a"]),
    "a choice": ("<select>\n<blockquote>\nexperiment_key: a\n</blockquote>\n</select>", []),
    "a template": ("<template>\n\nexperiment_key: a\n\n</template>", ["a"]),
    "frames": ("<frameset>\n\nexperiment_key: a", ["a"]),
    "the end of the page": ("</body></html>\n\nexperiment_key: a", ["a"]),
    "a drawing": ("<svg><title>experiment_key: a</title></svg>\n\nexperiment_key: b", ["b"]),
    "hidden, which GitHub does not know": ("<p hidden>experiment_key: a</p>", ["a"]),
    "a comment's sign in backticks and its end": (
        "Use `<!--` to begin.\nexperiment_key: a\nUse `-->` to end.",
        ["a"],
    ),
    "a comment's sign in a sentence": ("Strip <!-- from it\nexperiment_key: a", ["a"]),
    "a comment in the name": ("experiment<!-- x -->_key: a", ["a"]),
    "an instruction": ("<?php\nexperiment_key: a\n?>\n\nexperiment_key: b", ["b"]),
    "the release notes of a bot": (
        "Bumps [sdk](https://example.org).\n<details>\n<summary>Notes</summary>\n<blockquote>\n"
        "<h2>v1</h2>\nexperiment_key: a\n<ul>\n<li>experiment_key: b</li>\n</ul>\n</blockquote>\n"
        "</details>\n<br />\n\nexperiment_key: c",
        ["c"],
    ),
    "hundreds of tags nobody closed": (
        "Say <key> and <name>.\n\n" * 300 + "> experiment_key: a\n\nexperiment_key: b",
        ["b"],
    ),
    "a long list of short lines": ("- a/b.c\n" * 8_180 + "\nexperiment_key: a", ["a"]),
    "a long table": ("|a|b|\n|-|-|\n" * 5_000 + "\nexperiment_key: a", ["a"]),
    "lists in lists on a line": ("- " * 40 + "experiment_key: a", ["a"]),
    "a quote in lists on a line": ("- " * 40 + "> experiment_key: a", []),
    "quotes in quotes": ("> " * 5_000 + "experiment_key: a\n\nexperiment_key: b", ["b"]),
}
BODIES = PLAIN | DECORATED | HIDDEN | ELEMENTS


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
def test_no_body_is_given_up(unit: str) -> None:
    """Whatever somebody writes below a key line; `bench/texts.py` says how long that takes."""
    text = f"experiment_key: a\n\n{unit * (65_536 // len(unit))}"
    assert keys_in_markdown(text) == keys_in_message(text) == ("a",)


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
    assert list(keys_in_message(message)) == expected


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
def test_any_body_is_read(body: str) -> None:
    """No text raises; what is found are distinct keys, never too many, of the text's letters."""
    for found in (keys_in_markdown(body), keys_in_message(body)):
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
