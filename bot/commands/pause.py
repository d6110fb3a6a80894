"""`/experiment pause`: an experiment becomes paused."""

from bot.commands.registry import Run, command


@command("pause KEY", examples=["pause checkout-flow-v2"])
def pause(run: Run) -> None:
    """Sets an experiment's status to paused.

    The comments and checks of its open pull requests follow.
    """
    run.set_status("paused")
