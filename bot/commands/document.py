"""The page that documents the commands, generated from what is registered."""

from bot.commands.help import needed
from bot.commands.registry import Commands

_INTRODUCTION = """# Commands in comments

*`python app.py commands` generates this page from the registered commands.*

A command is written on a line of its own in a **new** comment on a pull request or issue. Comments
that are edited or deleted run nothing, nor do comments by bots or by the account that the bot
itself uses. A comment can contain up to ten commands, which run one after the other.

The line begins with `/experiment`; case does not matter. What counts is what a reader of GitHub's
page sees: code, quotes, comments, HTML, tables, headings, links and struck-through text are
ignored wherever they are, and so is a line that begins with a list marker. Invisible characters,
backslashes before punctuation and entities (`&nbsp;`) neither hide nor change a command. Put
anything that contains spaces in quotation marks of any kind.

👀 means that a command was seen, 🚀 that it is done, and 😕 that it was refused or failed; one
reply then says why. If GitHub cannot be asked whether you have permission, the command waits. The
comment is read from GitHub first, which alone says who wrote what and where: one that has been
deleted or edited by then runs nothing.

More than 20 commands a minute from one person in one repository are refused once, and then
ignored for ten minutes.
"""

_PERMISSIONS = """## Who may

Your permission on the repository is checked with GitHub when the command runs. An integration can
require another permission for a command: `read`, `triage`, `write`, `maintain` or `admin`:

```json
{"config": {"commands": {"complete": "maintain", "link": "triage"}}}
```

Experiments belong to no repository: whoever has `write` permission on one repository that an
integration serves can start, pause and complete **every experiment that names no `repositories`**,
and link to each. An experiment that does name them, in the API or in its form, is changed by
commands in those repositories only:

```json
{"repositories": ["acme/shop", "acme/checkout"]}
```

Linking, unlinking, tracking issues, `cleanup`, `code` and `status` change no experiment and work
everywhere. A name stands for the repository that has it when the list is stored, or else for the
first one of that name whose command changes the experiment. That one keeps its place when it is
renamed or transferred; another that takes the name does not get in, until the entry is taken off
the list and put on again.

On public repositories, where everybody may read, `read` means `write`. People who may use a command
there but may not write learn from its reply only whether a key is known. `GET /api/v1/commands`
lists every command with its author, place, permission and result; the feeds of the experiments
concerned show it, too.
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
