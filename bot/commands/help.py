"""`/experiment help`: what there is, and who may use it."""

from bot.commands.registry import Run, command
from bot.domain import texts


@command("help", permission="read", examples=["help"])
def help(run: Run) -> str:
    """Replies with the commands and who may use each."""
    run.options()
    lines = ["| Command | What it does | Needs |", "| --- | --- | --- |"]
    for one in run.commands:
        usage = texts.code(f"/experiment {one.usage}")
        lines.append(f"| {usage} | {one.summary} | {needed(run.needs(one))} |")
    lines += ["", "Write a command on a line of its own in a new comment."]
    return "\n".join(lines)


def needed(level: str) -> str:
    """Return what a command needs, for people."""
    return "`read`, on public repositories `write`" if level == "read" else f"`{level}`"
