"""`/experiment status`: how experiments stand."""

from bot import storage as store
from bot.commands.registry import Run, command
from bot.domain import texts


@command("status [KEY…]", permission="read", examples=["status", "status checkout-flow-v2"])
def status(run: Run) -> str:
    """Replies with each experiment's name, status, owner, pull requests and issues.

    Without a key, for the experiments that are linked here.
    """
    keys = run.keys_or_linked()
    if not run.is_told:
        return "\n".join(map(texts.known, keys))
    lines = [
        "| Experiment | Key | Status | Owner | Pull requests | Issues |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for key in keys:
        row = store.experiments.find(run.tx, key)
        assert row is not None
        lines.append(f"{shown(row, run.public_url)} {row.pull_request_count} | {row.issue_count} |")
    return "\n".join(lines)


def shown(row: store.Experiment, public_url: str) -> str:
    """Return the beginning of a row of a table: the experiment's name, key, status and owner."""
    address = texts.link(row.name, f"{public_url}/experiments/{row.key}")
    owner = texts.code(row.owner) if row.owner else ""
    return (
        f"| {address} | {texts.code(row.key)} | {texts.SIGNS[row.status]} {row.status} | {owner} |"
    )
