"""The lists whose entries are declared where they are used: kinds of action, types of the feed."""

from typing import TYPE_CHECKING, Literal

from bot import extensions
from bot.domain import actions, activity

for _room in ("bot.commands", "bot.handlers", "bot.outbox"):
    extensions.modules_of(_room)  # from here on all are known

if TYPE_CHECKING:
    ActionKind = str
    ActivityType = str
else:
    ActionKind = Literal[tuple(sorted(actions.KINDS))]
    ActivityType = Literal[
        tuple(sorted(activity.TYPES, key=lambda name: (activity.TYPES[name].rank, name)))
    ]
