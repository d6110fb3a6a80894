"""How long the worst texts take that somebody can write into a body, a comment or a message.

Reads texts of 64 KB and of the most that is read, made of one thing repeated, for keys and for
commands, then a push of 2,048 messages of 12 KB of each of the costliest. Ends with an error if
a text of 64 KB takes more than 100 ms, or the messages of a push more than six seconds: the rest
of GitHub's ten is for storing them.

    .venv/bin/python bench/texts.py
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bot.commands import parser  # noqa: E402
from bot.domain import keys, markdown  # noqa: E402

BODY, MESSAGE, PUSH = 65_536, 12_000, 2_048
MILLISECONDS, SECONDS = 100.0, 6.0
UNITS = {
    "prose": "word " * 20 + "\n",
    "list": "- a/b.c\n",
    "list on a line": "- - - - - - - - - a\n",
    "lists in lists": "- ",
    "tasks": "- [ ] a\n",
    "numbers": "1. ",
    "quotes": "> ",
    "quotes and lists": "> - ",
    "lazy lines": "> a\nb\n",
    "headings": "# a\n",
    "underlined": "===\na.\n> ",
    "rows": "|a|b|\n|-|-|\n",
    "cells": "|" * 100 + "\n|" + "-|" * 99 + "\n",
    "fences": "```\n",
    "backticks": "`a``b```c",
    "code": "`a` ",
    "emphasis": "*a_",
    "emphasised": "*a* ",
    "strong": "**a** ",
    "struck through": "~a~ ",
    "brackets": "[",
    "links": "[a](b)",
    "images": "![a](b)",
    "references": "[a][b]",
    "definitions": "[a]: b\n",
    "addresses": "a@b.c ",
    "sites": "www.a.b ",
    "entities": "&amp;",
    "ampersands": "&",
    "signs": "<",
    "comments": "<!--",
    "div": "<div>",
    "div, closed": "<div></div>",
    "b": "<b>x",
    "b with attributes": "".join(f"<b a{n}>" for n in range(500)) + "<p>x" * 500,
    "code with attributes": "".join(f"<code a{n}>" for n in range(500)) + "<p>x" * 500,
    "links of HTML": "<a><i><u></a>",
    "paragraphs": "<p>",
    "paragraphs in b": "<b><p>",
    "quotes of HTML": "<blockquote>",
    "pre": "<pre>",
    "details": "<details><summary>",
    "tables of HTML": "<table><td>",
    "unknown": "<key>",
    "unknown, many": "".join(f"<k{n}>" for n in range(500)) + "<p></p>" * 500,
    "drawings": "<svg><g>",
    "scripts": "<script>",
    "areas": "<textarea></textarea>",
    "attributes": "<a " + "b=c " * 500 + ">",
    "items": "<li>",
    "lines": "a\n",
    "key lines": "experiment_key: b\n",
    "keys": "experiment_key: " + "b, " * 100 + "\n",
    "commands": "/experiment link b\n",
}


def text_of(unit: str, size: int) -> str:
    """Return a text that names a key and holds a command."""
    return f"experiment_key: a\n\n/experiment link a\n\n{unit * max(1, size // len(unit))}"[:size]


def milliseconds(read: Callable[[str], object], text: str) -> float:
    """Return the best of three."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        read(text)
        best = min(best, time.process_time() - began)
    return 1_000 * best


@click.command()
@click.option("--pushes", default=6, help="Of how many things a push is read.")
def main(pushes: int) -> None:
    slowest: list[tuple[float, str]] = []
    print(f"{'':22}  {'keys':>7}  {'command':>7}  {'longest':>7}  ms")
    for name, unit in UNITS.items():
        text, longest = text_of(unit, BODY), text_of(unit, markdown.MAX_TEXT)
        of_keys = milliseconds(keys.keys_in_markdown, text)
        of_commands = milliseconds(parser.parse, text)
        print(
            f"{name:22}  {of_keys:7.1f}  {of_commands:7.1f}"
            f"  {milliseconds(keys.keys_in_markdown, longest):7.1f}"
        )
        slowest.append((max(of_keys, of_commands), name))
    slowest.sort(reverse=True)
    failed = slowest[0][0] > MILLISECONDS
    for _, name in slowest[:pushes]:
        messages = [f"{number}\n\n{text_of(UNITS[name], MESSAGE)}" for number in range(PUSH)]
        began = time.process_time()
        found = keys.keys_in_messages(messages)
        seconds = time.process_time() - began
        assert all(found)
        print(f"a push of {name}: {seconds:.1f} s")
        failed = failed or seconds > SECONDS
    if failed:
        raise SystemExit("too slow")


if __name__ == "__main__":
    main()
