"""`/experiment complete`: an experiment becomes completed."""

from bot.commands.registry import Run, command


@command("complete KEY", examples=["complete checkout-flow-v2"])
def complete(run: Run) -> None:
    """Sets an experiment's status to completed.

    The comments and checks of its open pull requests follow.
    """
    run.set_status("completed")
