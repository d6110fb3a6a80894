"""The page that documents the commands, generated from what is registered."""

from bot.commands.help import needed
from bot.commands.registry import Commands

_INTRODUCTION = """# Commands in comments

*`python app.py commands` generates this page from the registered commands.*

A command stands on a line of its own in a **new** comment on a pull request or issue. Comments
that are edited or deleted run nothing, nor do comments by bots or by the account that the bot
itself uses. A comment may hold ten commands, which run one after the other.

The line begins with `/experiment`; case does not matter. What counts is what a reader of GitHub's
page sees: code, quotes, comments, HTML, tables, headings, links and what is struck through are
passed over, wherever they stand, and so is a line that begins with a list marker. Invisible
characters, backslashes before punctuation and entities (`&nbsp;`) neither hide nor change a
command. What holds spaces stands in quotation marks, of whichever kind.

👀 says that a command was taken, 🚀 that it is done. 😕 says that it was refused or failed; one
reply then says why. While GitHub cannot be asked whether you may, the command waits. The comment
is read in GitHub first: one that was deleted or edited by then runs nothing.

More than 20 commands a minute from one person in one repository are refused once, and then
ignored for ten minutes.
"""

_PERMISSIONS = """## Who may

GitHub is asked for your permission on the repository when the command runs. An integration can ask
for another one, by the name of the command, with `read`, `triage`, `write`, `maintain` or `admin`:

```json
{"config": {"commands": {"complete": "maintain", "link": "triage"}}}
```

`read` means `write` on public repositories, where everybody may read. Whoever may use a command
there and not write learns from its reply whether a key is known, and nothing else of experiments.
`GET /api/v1/commands` lists every command with who wrote it where, whether they might, and what
became of it; the feeds of the experiments that it is about tell of it too.
"""


def document(commands: Commands) -> str:
    """Return the page in Markdown."""
    parts = [_INTRODUCTION]
    for one in commands:
        examples = "\n".join(f"/experiment {example}" for example in one.examples)
        parts.append(
            f"## `/experiment {one.usage}`\n\n{one.summary} Needs {needed(one.permission)}.\n"
        )
        if one.details:
            parts.append(f"{one.details}\n")
        if examples:
            parts.append(f"```\n{examples}\n```\n")
    parts.append(_PERMISSIONS)
    return "\n".join(parts).rstrip()
