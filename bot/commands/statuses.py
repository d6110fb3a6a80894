"""`/experiment start`, `pause` and `complete`: an experiment gets another status.

A command may be carried out long after it was written: GitHub could not deliver the comment, or
not be asked. Then it is refused if somebody has changed the status since.
"""

from bot import storage as store
from bot import times
from bot.commands.registry import Command, Refusal, Run, command
from bot.domain import audit, texts

_LATE = 600 * times.SECOND
_NAMES: list[str] = []  # of these commands


def _setting(name: str, status: str, warned: str = "") -> Command:
    def run(run: Run) -> str | None:
        key = run.one_key()
        _see_to_order(run, key)
        return run.change(key, {"status": status})

    run.__doc__ = f"""Sets an experiment's status to {status}.

    The comments and checks of its open pull requests follow. Refused where the experiment names
    `repositories` and this one is not among them, and where the bot learns of the comment more than
    ten minutes late and the status has been changed meanwhile.
    {warned}
    """
    _NAMES.append(name)
    return command(f"{name} KEY", examples=[f"{name} checkout-flow-v2"])(run)


def _see_to_order(run: Run, key: str) -> None:
    """Raise Refusal if a command that comes late has been overtaken."""
    if times.now() - run.written_at < _LATE:
        return
    since = run.written_at
    is_newer = store.commands.has_run(run.tx, _NAMES, key, since) or store.audit.is_recorded(
        run.tx, audit.EXPERIMENT_STATUS.name, key, since
    )
    if is_newer:
        raise Refusal(
            f"The bot learned of this late, and the status of {texts.code(key)} has been changed "
            "since it was written. Write it again if it still holds."
        )


complete = _setting("complete", "completed", "Warns of pull requests that are still open.")
pause = _setting("pause", "paused")
start = _setting("start", "active", "Warns of what is merged and not live in production.")
