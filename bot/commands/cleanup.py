"""`/experiment cleanup`: an issue that lists what is left of an experiment in this repository."""

from bot import storage as store
from bot.commands.registry import Refusal, Run, command
from bot.domain import clean_ups, texts
from bot.domain.errors import ConflictCode

_WHY: dict[ConflictCode, str] = {
    "not_over": "{key} is {status}: what is completed or archived can be cleaned up.",
    "code_unread": "The code of this repository has not been read: ask again later, or have "
    "`code` switched on for it.",
    "not_in_code": "Nothing of {key} is known to be in the default branch of this repository.",
}


@command("cleanup KEY", examples=["cleanup checkout-flow-v2"])
def cleanup(run: Run) -> None:
    """Has what is left of an experiment listed in an issue of this repository.

    The experiment has to be completed or archived. There is one issue: asked again, the same is
    opened again if somebody has closed it. It is edited as references go from the default branch,
    and closed with the last.
    """
    key = run.one_key()
    problem = clean_ups.hindrance(run.tx, run.item.repository_id, key)
    if problem is not None:
        row = store.experiments.find(run.tx, key)
        assert row is not None
        status = row.status if run.is_told else "not over"
        raise Refusal(_WHY[problem].format(key=texts.code(key), status=status))
    integration = store.integrations.find(run.tx, run.integration_id)
    assert integration is not None
    run.action_id = clean_ups.ask(
        run.tx,
        integration,
        run.item.repository_id,
        key,
        run.by,
        made_by="command",
        command_id=run.id,
    )
