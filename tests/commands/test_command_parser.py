"""Which commands a comment holds, and with which arguments."""

# ruff: noqa: RUF001  (people write in Hebrew and Arabic too)

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.commands.parser import parse
from bot.domain import markdown
from bot.domain.commands import MAX_COMMANDS
from bot.domain.markdown import MAX_TEXT
from bot.storage import Invocation

Read = tuple[str, tuple[str, ...], tuple[tuple[str, str], ...], str | None]
NONE: list[Read] = []
UNCLOSED = "a quotation mark is not closed"


def ran(name: str = "", /, *words: str, problem: str | None = None, **options: str) -> Read:
    """What is expected of one command."""
    return name, words, tuple(options.items()), problem


def read(body: str | None) -> list[Read]:
    """What there is of each command."""
    return [(one.name, one.words, one.options, one.problem) for one in parse(body)]


LINK = [ran("link", "a")]

PLAIN = {
    "alone": ("/experiment link checkout-flow-v2", [ran("link", "checkout-flow-v2")]),
    "without a name": ("/experiment", [ran()]),
    "without a name, with a space": ("/experiment \nthanks", [ran()]),
    "without arguments": ("/experiment status", [ran("status")]),
    "a capital": ("/Experiment link a", LINK),
    "shouting": ("/EXPERIMENT LINK A", [ran("link", "A")]),
    "mixed case": ("/eXperiMent LiNk a", LINK),
    "the name alone is lowered": ("/experiment Link Checkout", [ran("link", "Checkout")]),
    "spaces before": ("   /experiment link a", LINK),
    "spaces after": ("/experiment link a   ", LINK),
    "several spaces": ("/experiment   link    a", LINK),
    "tabs": ("/experiment\tlink\ta\t", LINK),
    "no-break spaces": ("\u00a0/experiment\u00a0link\u00a0a", LINK),
    "ideographic spaces": ("/experiment\u3000link\u3000a", LINK),
    "thin space": ("/experiment\u2009link\u202fa", LINK),
    "a line of a paragraph": ("Hello\n/experiment link a\nBye", LINK),
    "a paragraph of its own": ("Hello\n\n/experiment link a\n\nBye", LINK),
    "an indented line of a paragraph": ("Hello\n      /experiment link a", LINK),
    "a tab before a line of a paragraph": ("Hello\n\t/experiment link a", LINK),
    "after empty lines": ("\n\n\n/experiment link a\n\n\n", LINK),
    "windows line ends": (
        "Hi\r\n/experiment link a\r\n\r\n/experiment status\r\n",
        [*LINK, ran("status")],
    ),
    "old line ends": ("Hi\r/experiment link a\rBye", LINK),
    "mixed line ends": (
        "/experiment link a\r/experiment status\r\n/experiment help\n",
        [*LINK, ran("status"), ran("help")],
    ),
    "two spaces at the end": ("/experiment link a  \nplease", LINK),
    "backslash at the end": ("/experiment link a\\\nplease", LINK),
    "a line separator is no line end": (
        "Hi\u2028/experiment link a",
        NONE,
    ),
    "two": ("/experiment link a\n/experiment status", [*LINK, ran("status")]),
    "two paragraphs": ("/experiment link a\n\nand\n\n/experiment help", [*LINK, ran("help")]),
    "the same twice": ("/experiment link a\n/experiment link a", LINK * 2),
    "ten": ("/experiment link a\n" * 10, LINK * 10),
    "eleven": ("/experiment link a\n" * 11, LINK * 11),
    "thirty": ("/experiment link a\n\n" * 30, LINK * 11),
    "a signature": ("/experiment link a\n\n-- \nAnna\nCheckout team", LINK),
    "a signature from a phone": ("/experiment link a\n\nSent from my iPhone", LINK),
    "a mention before": ("@anna please look\n/experiment link a", LINK),
    "a mention after": ("/experiment link a\ncc @anna @org/team", LINK),
    "a mention on the line": ("/experiment assign @anna", [ran("assign", "@anna")]),
    "a reference": ("/experiment link a #12", [ran("link", "a", "#12")]),
    "emoji around": ("🎉🎉\n/experiment link a\n🚀", LINK),
    "an emoji as an argument": ("/experiment link a 🚀", [ran("link", "a", "🚀")]),
    "an emoji's name": ("/experiment link a :tada:", [ran("link", "a", ":tada:")]),
    "hebrew around": ("שלום\n/experiment link a\nתודה", LINK),
    "hebrew with marks": ("\u200f/experiment link a\u200f\nתודה", LINK),
    "hebrew with marks in between": ("\u200e/experiment\u200e link\u200e \u200ea\u200e", LINK),
    "a hebrew argument": ("/experiment note ניסוי", [ran("note", "ניסוי")]),
    "arabic around": ("مرحبا\n\u061c/experiment link a\u061c\nشكرا", LINK),
    "japanese around": ("お願いします。\n/experiment link a\nありがとう", LINK),
    "chinese arguments": ("/experiment note 结账 实验", [ran("note", "结账", "实验")]),
    "korean quotation": (
        '/experiment note "결제 실험"',
        [ran("note", "결제 실험")],
    ),
    "an address": (
        "/experiment link https://example.com/a_b_c?x=1&y=*",
        [ran("link", "https://example.com/a_b_c?x=1&y=*")],
    ),
    "60,000 characters before": ("word " * 12_000 + "\n/experiment link a", LINK),
    "60,000 characters after": ("/experiment link a\n\n" + "x" * 60_000, LINK),
    "60,000 characters of lines": (
        "This is a line of sixty characters, more or less, of prose.\n\n" * 960
        + "/experiment link a",
        LINK,
    ),
    "60,000 characters of emoji": ("🎉" * 60_000 + "\n\n/experiment link a", LINK),
    "beyond all limits": ("x" * MAX_TEXT + "\n\n/experiment link a", NONE),
    "cut at the limit": ("\n" + "x" * (MAX_TEXT - 13) + "\n/experiment link a", [ran()]),
}
INVISIBLE = {
    "a zero-width space in front": ("\u200b/experiment link a", LINK),
    "a byte order mark": ("\ufeff/experiment link a", LINK),
    "a word joiner in front": ("\u2060/experiment link a", LINK),
    "a zero-width space inside": ("/exper\u200biment link a", LINK),
    "a zero-width space behind": ("/experiment\u200b link a", LINK),
    "nothing but that behind": ("/experiment\u200b", [ran()]),
    "in front of a quote": ("\u200b> /experiment link x", NONE),
    "escaped": ("\\/experiment link a", LINK),
    "an entity": ("&#47;experiment link a", LINK),
    "an entity in other digits": ("&#x2F;&#69;xperiment link a", LINK),
    "a named entity": ("&sol;experiment link a", LINK),
    "a space as an entity": ("&nbsp;/experiment&nbsp;link&nbsp;a", LINK),
    "an invisible entity in front": ("&#8203;&zwj; /experiment link a", LINK),
    "invisible entities inside": ("/&#xAD;exp&ZeroWidthSpace;eriment&#x200b; link a", LINK),
    "an entity of a letter too many": ("/e&#101;xperiment link a", NONE),
    "an escaped key": ("/experiment link a\\_b\\-c", [ran("link", "a_b-c")]),
    "an escaped entity": ("&amp;#47;experiment link a", NONE),
    "an escaped backslash": ("\\\\/experiment link a", NONE),
    "entities in code": ("`&#47;experiment link a`", NONE),
}
NEAR_MISSES = {
    "plural": ("/experiments", NONE),
    "plural with arguments": ("/experiments link a", NONE),
    "another bot": ("/experiment-bot link a", NONE),
    "a colon": ("/experiment: link a", NONE),
    "a full stop": ("/experiment.", NONE),
    "an underscore": ("/experiment_link a", NONE),
    "a path": ("/experiment/link a", NONE),
    "no slash": ("experiment link a", NONE),
    "two slashes": ("//experiment link a", NONE),
    "a space in between": ("/ experiment link a", NONE),
    "an exclamation mark": ("!experiment link a", NONE),
    "a sentence": ("I ran /experiment link x", NONE),
    "a sentence of several lines": ("Yesterday\nI ran /experiment link x\nand so on", NONE),
    "a bold command": ("**/experiment link a**", NONE),
    "a command in parentheses": ("(/experiment link a)", NONE),
    "a command in quotation marks": ('"/experiment link a"', NONE),
    "a mention in front": ("@bot /experiment link a", NONE),
    "an emoji in front": ("🚀 /experiment link a", NONE),
    "a full-width slash": ("\uff0fexperiment link a", NONE),
    "a dotless i": ("/exper\u0131ment link x\n\n/experiment link a", LINK),
    "a Cyrillic letter": ("/experim\u0435nt link a", NONE),
    "struck through": ("~~/experiment link a~~", NONE),
    "struck through with its sentence": ("~~Please\n/experiment link a~~", NONE),
    "a path in a log": ("GET /experiment link a", NONE),
    "a shell prompt": ("$ /experiment link a", NONE),
    "a dash in front": ("-/experiment link a", NONE),
    "a diff": ("+/experiment link a", NONE),
}
CODE = {
    "a fence": ("```\n/experiment link x\n```", NONE),
    "a fence with a language": ("```text\n/experiment link x\n```\n/experiment link a", LINK),
    "a fence of tildes": ("~~~\n/experiment link x\n~~~", NONE),
    "a longer fence": ("````\n```\n/experiment link x\n```\n````\n/experiment link a", LINK),
    "a fence never closed": ("```\n/experiment link x", NONE),
    "a fence below text": ("Try:\n```\n/experiment link x\n```\n", NONE),
    "a fence in a list": ("1. Try\n   ```\n   /experiment link x\n   ```", NONE),
    "a fence in details": (
        "<details>\n<summary>Log</summary>\n\n```\n/experiment link x\n```\n\n</details>",
        NONE,
    ),
    "indented by four": ("Try:\n\n    /experiment link x", NONE),
    "indented by a tab": ("Try:\n\n\t/experiment link x", NONE),
    "indented at the start": ("    /experiment link x", NONE),
    "indented code in a list": ("- one\n\n      /experiment link x", NONE),
    "in backticks": ("`/experiment link x`", NONE),
    "in backticks with spaces": ("` /experiment link x `", NONE),
    "backticks over lines": ("Write `something like\n/experiment link x` there", NONE),
    "two backticks over lines": ("``\n/experiment link x\n``", NONE),
    "a backtick never closed": ("A ` alone\n/experiment link a", LINK),
    "a span before": ("Use `code`\n/experiment link a", LINK),
    "a span from the line on": (
        "/experiment link `a\n/experiment link x` y",
        LINK,
    ),
    "after a span over lines": ("A `b\nc` d\n/experiment link a", LINK),
    "span's end on the line": ("A `b\nc`\n/experiment link a `d\ne` f", [ran("link", "a", "d")]),
    "a suggestion": ("```suggestion\n/experiment link x\n```\nLooks good", NONE),
}
QUOTES = {
    "a quote": ("> /experiment link x", NONE),
    "a quote without a space": (">/experiment link x", NONE),
    "a quote in a quote": ("> > /experiment link x", NONE),
    "a quote's lazy line": ("> Hello\n/experiment link x", NONE),
    "a lazy line of a quote in a quote": (">> Hello\n> you\n/experiment link x", NONE),
    "below a quote of a heading": ("> # Hello\n/experiment link a", LINK),
    "after a quote": ("> /experiment link x\n\n/experiment link a", LINK),
    "before a quote": ("/experiment link a\n> thanks", LINK),
    "a mail": (
        "/experiment link a\n\nOn Tue, 3 Jun 2025 at 10:12, Anna wrote:\n\n"
        "> /experiment link x\n> thanks\n",
        LINK,
    ),
    "a mail with the answer below": (
        "On Tue, 3 Jun 2025 at 10:12, Anna <anna@example.com> wrote:\n"
        "> /experiment link x\n>\n> > /experiment link y\n\n/experiment link a",
        LINK,
    ),
    "a mail with the answer right below": (
        "Anna wrote:\n> Which one?\n/experiment link x",
        NONE,
    ),
    "an original message": (
        "/experiment link a\n\n-----Original Message-----\nFrom: Anna\n\n> /experiment link x",
        LINK,
    ),
    "an alert": ("> [!NOTE]\n> /experiment link x", NONE),
    "a quote in a list": ("- > /experiment link x", NONE),
    "a lazy line of a quote in a list": ("- > Hello\n/experiment link x", NONE),
    "a quote of a fence": ("> ```\n> /experiment link x\n\n/experiment link a", LINK),
    "an arrow": ("a -> b\n/experiment link a", LINK),
}
LISTS = {
    "an item": ("- /experiment link x", NONE),
    "an item with an asterisk": ("* /experiment link x", NONE),
    "a numbered item": ("1. /experiment link x", NONE),
    "a task": ("- [ ] /experiment link x", NONE),
    "a task that is done": ("- [x] /experiment link x\n- [X] more", NONE),
    "an item's next line": ("- Link it:\n  /experiment link a", LINK),
    "an item's lazy line": ("- Link it:\n/experiment link a", LINK),
    "an item's next paragraph": ("- Link it:\n\n  /experiment link a", LINK),
    "a numbered item's next paragraph": ("1. Link it:\n\n   /experiment link a", LINK),
    "after a list": ("- one\n- two\n\n/experiment link a", LINK),
    "a list in a list": ("- one\n  - two\n    - /experiment link x\n", NONE),
    "the next line in a list in a list": ("- one\n  - two\n    /experiment link a", LINK),
    "an item that begins below its marker": ("-\n  /experiment link a", LINK),
    "an item with two": ("- /experiment link x\n  /experiment link a", LINK),
    "a task's next line": ("- [ ] Link it\n  /experiment link a\n- [ ] Ship it", LINK),
    "below a list and its fence": ("- ```\n  /experiment link x\n\n/experiment link a", LINK),
}
HTML = {
    "a comment": ("<!-- /experiment link x -->", NONE),
    "a comment of lines": ("<!--\n/experiment link x\n-->\n/experiment link a", LINK),
    "a comment with empty lines": ("<!--\n\n/experiment link x\n\n-->", NONE),
    "a comment never closed": ("<!--\n\n/experiment link x", NONE),
    "a comment in a sentence": ("Hello <!--\n/experiment link x\n--> you", NONE),
    "a comment never closed in a sentence": ("Hello <!-- you\n/experiment link x", NONE),
    "a comment never closed before": ("Hello <!-- you\n\n/experiment link a", LINK),
    "a comment's sign escaped": ("Hello \\<!-- you\n/experiment link a", LINK),
    "a comment's sign escaped inside": ("Hello <\\!-- you\n/experiment link a", LINK),
    "a comment's sign as an entity": ("Hello &lt;!-- you\n/experiment link a", LINK),
    "an escaped backslash before a comment": ("\\\\<!-- you\n/experiment link x", NONE),
    "an escaped comment in an argument": (
        "/experiment note \\<!--",
        [ran("note", "<!--")],
    ),
    "a comment at the end": ("/experiment link a <!-- the new one -->", LINK),
    "a comment in the middle": ("/experiment link <!-- b --> a", LINK),
    "a comment right behind": ("/experiment <!-- what? -->", [ran()]),
    "a comment from the line on": (
        "/experiment link a <!-- b\n/experiment link x --> c",
        LINK,
    ),
    "a comment's sign in backticks": ("Strip `<!--`\n/experiment link a", LINK),
    "a template": (
        "## What\n\n<!-- Say what, or write\n\n/experiment link example\n\n-->\n\n"
        "- [x] Tests\n- [ ] Docs\n\n/experiment link a\n",
        LINK,
    ),
    "a template as it was": ("### Experiment\n\n<!-- /experiment link KEY -->\n", NONE),
    "details": ("<details>\n<summary>Run</summary>\n\n/experiment link a\n\n</details>", LINK),
    "details without empty lines": ("<details>\n/experiment link x\n</details>", NONE),
    "a division": ("<div>\n/experiment link x\n</div>", NONE),
    "pre": ("<pre>\n/experiment link x\n</pre>", NONE),
    "pre with empty lines": ("<pre>\n\n/experiment link x\n\n</pre>\n\n/experiment link a", LINK),
    "pre in a sentence": ("See <pre>\n\n/experiment link x\n\n</pre>\n\n/experiment link a", LINK),
    "an HTML quote": (
        "<blockquote>\n\n/experiment link x\n\n</blockquote>\n\n/experiment link a",
        LINK,
    ),
    "an HTML quote in a quote": (
        "<blockquote><blockquote>\n\nx\n\n</blockquote>\n\n/experiment link x\n\n</blockquote>",
        NONE,
    ),
    "an HTML quote never closed": ("<BLOCKQUOTE>\n\n/experiment link x", NONE),
    "HTML code": ("<code>\n\n/experiment link x\n\n</code>", NONE),
    "HTML code in a sentence": ("Like <code>this\n/experiment link x</code>", NONE),
    "HTML code over paragraphs": (
        "Like <code>this\n\n/experiment link x</code>\n\n/experiment link a",
        LINK,
    ),
    "HTML code in a heading": ("# Like <code>this\n\n/experiment link x", NONE),
    "HTML code that is closed": ("Like <code>this</code>\n/experiment link a", LINK),
    "HTML code never opened": ("Like this</code>\n\n/experiment link a", LINK),
    "HTML code in mixed case": ("<CODE>\n\nx\n\n</Code>\n\n/experiment link a", LINK),
    "HTML's names in backticks": ("No `<pre>` and `<code>`\n\n/experiment link a", LINK),
    "HTML's names in a comment": ("<!-- <blockquote> -->\n\n/experiment link a", LINK),
    "HTML's names in a fence": ("```\n<code>\n```\n\n/experiment link a", LINK),
    "an element of another name": ("<codex>\n\n/experiment link a", LINK),
    "a break": ("Hello<br>\n/experiment link a<br>thanks", [ran("link", "a", "thanks")]),
    "a command behind a break": ("Hello<br>/experiment link x", NONE),
    "bold": ("/experiment link <b>a</b>", LINK),
    "code on the line": ("/experiment link <code>a</code>", LINK),
    "a placeholder": ("/experiment link <key>", [ran("link", "<key>")]),
    "a placeholder with a hyphen": (
        "/experiment link <experiment-key> now",
        [ran("link", "<experiment-key>", "now")],
    ),
    "an attribute": ('<a title="\n/experiment link x\n">y</a>', NONE),
    "an attribute in a sentence": ('See <a title="\n/experiment link x\n">y</a>', NONE),
    "an instruction": ("See <?php\n/experiment link x\n?>", NONE),
}
BLOCKS = {
    "a heading": ("# /experiment link x", NONE),
    "a small heading": ("###### /experiment link x", NONE),
    "an underlined heading": ("/experiment link x\n===", NONE),
    "underlined by hyphens": ("/experiment link x\n---", NONE),
    "underlined by a signature": ("/experiment link x\n--\nAnna", NONE),
    "a line of an underlined heading": ("Hello\n/experiment link x\n=====", NONE),
    "below a heading": ("# Hello\n/experiment link a", LINK),
    "above a heading": ("/experiment link a\n# Hello", LINK),
    "below a rule": ("---\n/experiment link a", LINK),
    "above a rule": ("/experiment link a\n***\nBye", LINK),
    "a table": ("| /experiment link x |\n|---|\n| b |", NONE),
    "a row": ("| a |\n|---|\n| /experiment link x |", NONE),
    "a row without pipes": ("| a | b |\n|---|---|\n/experiment link x", NONE),
    "a header without leading pipes": ("/experiment link x | y\n--- | ---\n1 | 2", NONE),
    "after a table": ("| a |\n|---|\n| b |\n\n/experiment link a", LINK),
    "no table": ("/experiment link a | b", [ran("link", "a", "|", "b")]),
    "link definitions": ("[a]: https://example.com\n[b]: /experiment 'x'\n", NONE),
    "a link definition's address": ("[a]:\n/experiment\n", NONE),
    "a link definition's title": ("[a]: /x '\n/experiment link x\n'", NONE),
    "below link definitions": ("[x]: https://example.com\n/experiment link a", LINK),
    "a footnote": ("It works[^1]\n\n[^1]: /experiment link x", NONE),
    "a footnote's further paragraph": ("It works[^1]\n\n[^1]: So\n\n    /experiment link x", NONE),
    "above a footnote": ("/experiment link a\n\n[^1]: See https://example.com", LINK),
    "link text": ("[see\n/experiment link x\n](https://example.com)", NONE),
    "a link's address": ("[see](\n/experiment\n)", NONE),
    "a link's title": ("[see](https://example.com '\n/experiment link x\n')", NONE),
    "text of a reference": ("[see\n/experiment link x\n][r]\n\n[r]: https://example.com", NONE),
    "no reference": ("[see\n/experiment link a\n][r]", LINK),
    "a link to a script": ("[see\n/experiment link x\n](javascript:x)", NONE),
    "an image's text": ("![see\n/experiment link x\n](https://example.com/x.png)", NONE),
    "an image's text with a link": ("![[b](c)\n/experiment link x\n](d)", NONE),
    "an image's title": ("![see](x.png '\n/experiment link x\n')", NONE),
    "below an image": ("![see](x.png)\n/experiment link a", LINK),
    "a line of emphasis": ("*Please\n/experiment link a\nnow*", LINK),
    "a line of bold text": ("**Please\n/experiment link a\nnow**", LINK),
}
ARGUMENTS: dict[str, tuple[str, list[Read]]] = {
    "backticks": ("/experiment link `checkout_flow_v2`", [ran("link", "checkout_flow_v2")]),
    "two backticks": ("/experiment link ``a``", LINK),
    "bold": ("/experiment link **a**", LINK),
    "italic": ("/experiment link *a* _b_", [ran("link", "a", "b")]),
    "bold and italic": ("/experiment link ***a***", LINK),
    "bold name": ("/experiment **link** a", LINK),
    "struck through": ("/experiment link ~~b~~ a", LINK),
    "struck through by single signs": ("/experiment link ~b~ a", LINK),
    "underscores": ("/experiment link a_b_c", [ran("link", "a_b_c")]),
    "asterisks": ("/experiment link a*b c*d", [ran("link", "ab", "cd")]),
    "an asterisk alone": ("/experiment unlink *", [ran("unlink", "*")]),
    "escaped": ("/experiment link a\\_b \\*c\\*", [ran("link", "a_b", "*c*")]),
    "entities": ("/experiment note a&amp;b &lt;c&gt;", [ran("note", "a&b", "<c>")]),
    "an entity of a space": ("/experiment link&nbsp;a", LINK),
    "a link": ("/experiment link [a](https://example.com)", LINK),
    "a link over lines": ("/experiment link [a\nb](https://example.com) c", LINK),
    "a link whose address is below": ("/experiment link [a](\nx) c", [ran("link", "a", "c")]),
    "a reference": ("/experiment link [a][r]\n\n[r]: https://example.com", LINK),
    "brackets": ("/experiment link [a]", [ran("link", "[a]")]),
    "an autolink": ("/experiment link <https://example.com>", [ran("link", "https://example.com")]),
    "an autolink as it is": (
        "/experiment link <https://example.com/%C3%A4>",
        [ran("link", "https://example.com/%C3%A4")],
    ),
    "an image": ("/experiment link ![b](c.png) a", LINK),
    "commas": ("/experiment link a, b,c", [ran("link", "a", "b", "c")]),
    "commas too many": ("/experiment link ,a,,b, ,", [ran("link", "a", "b")]),
    "commas in quotation marks": ('/experiment note "a, b",c', [ran("note", "a, b", "c")]),
    "commas in an option": ("/experiment link keys=a,b c", [ran("link", "c", keys="a,b")]),
    "commas between backticks": ("/experiment link `a`, `b`", [ran("link", "a", "b")]),
    "quotation marks": ('/experiment note "two words"', [ran("note", "two words")]),
    "single quotation marks": ("/experiment note 'two words'", [ran("note", "two words")]),
    "smart quotation marks": ("/experiment note “two words”", [ran("note", "two words")]),
    "low quotation marks": ("/experiment note „two words“", [ran("note", "two words")]),
    "angled quotation marks": ("/experiment note «two words»", [ran("note", "two words")]),
    "angled the other way": ("/experiment note »two words«", [ran("note", "two words")]),
    "smart single quotation marks": (
        "/experiment note \u2018two words\u2019",
        [ran("note", "two words")],
    ),
    "mixed quotation marks": ('/experiment note “two words"', [ran("note", "two words")]),
    "quotation marks of a phone": ("/experiment note ”two words”", [ran("note", "two words")]),
    "nothing in quotation marks": ('/experiment note ""', [ran("note", "")]),
    "single in double": ('/experiment note "it\'s so"', [ran("note", "it's so")]),
    "double in single": ("/experiment note 'a \"b\" c'", [ran("note", 'a "b" c')]),
    "an apostrophe": ("/experiment note don't stop", [ran("note", "don't", "stop")]),
    "an apostrophe of a phone": (
        "/experiment note don\u2019t stop",
        [ran("note", "don\u2019t", "stop")],
    ),
    "an apostrophe in single marks": ("/experiment note 'don't stop'", [ran("note", "don't stop")]),
    "a mark in quotation marks": ("/experiment note \u200f“a b”\u200f", [ran("note", "a b")]),
    "a mark in a word": ("/experiment note é\u200fb", [ran("note", "é\u200fb")]),
    "a mark in a key": ("/experiment link a\u200fb", [ran("link", "ab")]),
    "a zero-width space behind a key": ("/experiment link a\u200b", LINK),
    "a soft hyphen in a name": ("/experiment li\u00adnk a", LINK),
    "a mark in an option": ("/experiment set ke\u200by=a\u200b", [ran("set", key="a")]),
    "an emoji of several": (
        '/experiment note "👩\u200d💻 did ❤\ufe0f it" a\u2060b',
        [ran("note", "👩\u200d💻 did ❤\ufe0f it", "ab")],
    ),
    "not closed": ('/experiment note "two words', [ran("note", problem=UNCLOSED)]),
    "not closed, single": ("/experiment note a 'b c", [ran("note", "a", problem=UNCLOSED)]),
    "not closed in an option": ('/experiment set x="a b', [ran("set", problem=UNCLOSED)]),
    "not closed, then another": (
        '/experiment note "a\n/experiment note b"',
        [ran("note", problem=UNCLOSED), ran("note", 'b"')],
    ),
    "an option": ("/experiment complete winner=b", [ran("complete", winner="b")]),
    "options": (
        "/experiment complete a winner=b Reason='so it is'",
        [ran("complete", "a", winner="b", reason="so it is")],
    ),
    "an option of two words": ('/experiment set name="two words"', [ran("set", name="two words")]),
    "an option in smart marks": (
        "/experiment set name=“two words”",
        [ran("set", name="two words")],
    ),
    "an empty option": ("/experiment set name= a", [ran("set", "a", name="")]),
    "an option of equals signs": ("/experiment set x=a=b", [ran("set", x="a=b")]),
    "an option before the name": ("/experiment x=a link", [ran("", "link", x="a")]),
    "an option in backticks": ("/experiment set `x=a`", [ran("set", x="a")]),
    "an equals sign in quotation marks": ('/experiment set "x=a"', [ran("set", "x=a")]),
    "an equals sign in front": ("/experiment set =a", [ran("set", "=a")]),
    "a digit before an equals sign": ("/experiment set 1x=a", [ran("set", "1x=a")]),
    "hyphens in front": ("/experiment set --x=a -y", [ran("set", "--x=a", "-y")]),
    "the same option twice": (
        "/experiment set x=a x=b",
        [("set", (), (("x", "a"), ("x", "b")), None)],
    ),
    "a name in quotation marks": ('/experiment "link" a', LINK),
    "a sentence": (
        "/experiment please link a.",
        [ran("please", "link", "a.")],
    ),
}
GROUPS: dict[str, dict[str, tuple[str, list[Read]]]] = {
    "plain": PLAIN,
    "invisible": INVISIBLE,
    "near miss": NEAR_MISSES,
    "code": CODE,
    "quote": QUOTES,
    "list": LISTS,
    "html": HTML,
    "block": BLOCKS,
    "argument": ARGUMENTS,
}
COMMENTS = {
    f"{group}: {name}": case for group, cases in GROUPS.items() for name, case in cases.items()
}


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
