"""Who asks for something, and what their role lets them do."""

from dataclasses import dataclass
from typing import Any, get_args

from bot.log import logger
from bot.storage import Role

ROLES: tuple[str, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever holds an API token, or a session."""

    token_id: str
    name: str
    role: str

    def may(self, role: str) -> bool:
        """Tell whether the actor may do what needs a role."""
        return ROLES.index(self.role) >= ROLES.index(role)


def log_change(actor: Actor, what: str, **fields: Any) -> None:
    """Write the line that tells who changed what."""
    logger.info(what, actor=actor.name, token=actor.token_id, **fields)
