"""Carries out what the bot owes GitHub: one file per kind of action, and the runner of queues.

An action is a function registered for its kind. It may be run again after any crash or timeout,
so it looks for what an earlier attempt may have left before it creates anything.
"""

from bot.outbox import (
    check,
    commands,
    label,
    merge_group,
    pull_request_commits,
    refresh,
    status_comment,
    tracking_issue,
)
from bot.outbox.job import Runner

RUNNERS: dict[str, Runner] = {
    module.KIND: module.run
    for module in (
        check,
        commands,
        label,
        merge_group,
        pull_request_commits,
        refresh,
        status_comment,
        tracking_issue,
    )
}
