"""`/experiment start`: an experiment becomes active."""

from bot.commands.registry import Run, command


@command("start KEY", examples=["start checkout-flow-v2"])
def start(run: Run) -> None:
    """Sets an experiment's status to active.

    The comments and checks of its open pull requests follow.
    """
    run.set_status("active")
