"""`/experiment link`: make this pull request or issue belong to experiments."""

from bot.commands.registry import Misuse, Run, command


@command("link KEY…", examples=["link checkout-flow-v2", "link checkout-flow-v2 price-test"])
def link(run: Run) -> None:
    """Links this pull request or issue to experiments.

    The link stays, whatever the description says, until it is unlinked.
    """
    run.options()
    keys = run.keys()
    if not keys:
        raise Misuse("It needs the key of an experiment.")
    for key in keys:
        run.decide("link", key)
