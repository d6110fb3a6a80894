"""`/experiment start`, `pause` and `complete`: an experiment gets another status."""

from bot.commands.registry import Command, Run, command


def _setting(name: str, status: str, warned: str = "") -> Command:
    def run(run: Run) -> str | None:
        return run.change(run.one_key(), {"status": status})

    run.__doc__ = f"""Sets an experiment's status to {status}.

    The comments and checks of its open pull requests follow. Refused where the experiment names
    `repositories` and this one is not among them.
    {warned}
    """
    return command(f"{name} KEY", examples=[f"{name} checkout-flow-v2"])(run)


complete = _setting("complete", "completed", "Warns of pull requests that are still open.")
pause = _setting("pause", "paused")
start = _setting("start", "active", "Warns of what is merged and not live in production.")
