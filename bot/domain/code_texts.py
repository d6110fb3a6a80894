"""What the bot says of the code of a pull request, in Markdown.

Paths are other people's words. There are no addresses in it: a permalink would leave a mark on what
it leads to, and the check has its annotations.
"""

from collections.abc import Sequence

from bot import storage as store
from bot.domain import texts
from bot.domain.diffs import Code

_FILES = 3  # that a line names
_LINES = 50  # that a list names
_VERBS = (("added", "adds"), ("removed", "removes"), ("moved", "moves"))


def summaries(code: Code, keys: Sequence[str]) -> list[str]:
    """Return, for each experiment, what the pull request does to its references."""
    lines = []
    for key in keys:
        found = code.of_key(key)
        parts = [
            f"{verb} {_counted(len(ones))} in {_files(ones)}"
            for change, verb in _VERBS
            if (ones := [one for one in found if one.change == change])
        ]
        if parts:
            lines.append(f"- {texts.code(key)}: this pull request {_joined(parts)}.")
        if key in code.last:
            lines.append(
                f"- It removes the last reference to {texts.code(key)} in this repository."
            )
    return lines


def left_out(code: Code) -> str | None:
    """Return what is said where not all of a diff was read."""
    if code.status != "partial":
        return None
    first = code.unread[0]
    where = f"{texts.code(first.path)}: " if first.path is not None else ""
    more = f", and {code.unread_count - 1} more" if code.unread_count > 1 else ""
    return f"- Not all of its code could be read: {where}{texts.code(first.reason)}{more}."


def removed(code: Code, keys: Sequence[str]) -> list[str]:
    """Return what was removed, line by line, as far as there is room."""
    ones = [
        one for one in code.references if one.change == "removed" and one.experiment_key in keys
    ]
    lines = [
        f"- Removed from {texts.code(one.path)}, line {one.line}: {texts.code(one.experiment_key)}"
        for one in ones[:_LINES]
    ]
    if len(ones) > _LINES:
        lines.append(f"- … and {len(ones) - _LINES} more references removed.")
    return lines


def _counted(count: int) -> str:
    return "1 reference" if count == 1 else f"{count} references"


def _files(ones: Sequence[store.DiffReference]) -> str:
    paths = list(dict.fromkeys(one.path for one in ones))
    shown = [texts.code(path) for path in paths[:_FILES]]
    if len(paths) > _FILES:
        left = len(paths) - _FILES
        shown.append("1 more file" if left == 1 else f"{left} more files")
    return _joined(shown)


def _joined(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
