"""What the App asks for on a repository, and what does not work without it.

`app.yml` and the table in docs/github.md are tested against this list.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission. `without` says what is so while it is not granted."""

    level: str
    without: str
    is_vital: bool = True  # else the rest works, if less well


NEEDED = {
    "metadata": Permission("read", "nobody can be let use commands, and renames are missed"),
    "contents": Permission("read", "commits are not linked"),
    "pull_requests": Permission("write", "pull requests are not linked or get no comment or label"),
    "issues": Permission("write", "issues are not linked, and no tracking issue can be made"),
    "checks": Permission("write", "there is no check"),
    "merge_queues": Permission(
        "read",
        "the bot hears of a merge queue by its pushes alone; if one is missed, the queue waits in "
        "vain for a check that it requires",
        is_vital=False,
    ),
    "deployments": Permission(
        "read", "it cannot be told which merged pull requests are live", is_vital=False
    ),
}


def without(missing: list[str]) -> str:
    """Return sentences that say what does not work without some permissions."""
    return " ".join(
        f"Without {name}: {NEEDED[name].level} {NEEDED[name].without}." for name in missing
    )
