"""What people wrote, put into Markdown that the bot posts: nobody is mentioned, no markup works.

Inside a code span GitHub looks for no mention, no reference, no address, no HTML and no
emphasis (https://github.github.com/gfm/#code-spans), so that is where all of it goes.
"""

import re

from bot import characters
from bot.domain.markdown import without_invisible

SIGNS = {"draft": "📝", "active": "🟢", "paused": "⏸️", "completed": "🏁", "archived": "📦"}
_LONGEST = 120  # characters shown of a name


def code(text: str) -> str:
    """Return `text` as a code span that is also safe in a table's cell."""
    shown = " ".join(characters.plain(text).split())
    shown = characters.shortened(shown, _LONGEST) if without_invisible(shown) else "(empty)"
    # A table ends its cells at a pipe even inside code; a backslash before one would undo that.
    shown = re.sub(r"\\+(?=\|)", "", shown).replace("|", "\\|")
    shown = shown.rstrip("\\") if shown.endswith("\\") else shown
    shown = shown.replace("@", "@\u200b")  # copied out of the code it mentions nobody either
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def link(text: str, address: str) -> str:
    """Return a link to one of our own addresses that shows `text`."""
    return f"[{code(text)}]({address})"


def known(key: str) -> str:
    """Return what anybody is told of an experiment: that there is one."""
    return f"- There is an experiment with the key {code(key)}."


def harmless(text: str) -> str:
    """Return Markdown in which no line reads as a command to a bot, and nobody is mentioned."""
    text = re.sub(r"@(?=[A-Za-z0-9])", "@\u200b", text)
    return re.sub(r"(?m)^([\s>*+-]*)/(?=\w)", "\\1\u200b/", text)
