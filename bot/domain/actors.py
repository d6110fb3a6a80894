"""Who asks for something, and what their role lets them do."""

from dataclasses import dataclass
from typing import Literal, get_args

from bot.storage import Role

ROLES: tuple[str, ...] = get_args(Role)
# An API token, a session of the dashboard, somebody on GitHub, the command line, the bot itself.
Kind = Literal["token", "session", "login", "cli", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever holds an API token or a session, or else has something changed.

    `id` is that of the token, also of one that has begun a session; of who signed in with GitHub
    `github:HOST:NUMBER`, of who gives a command there `github:HOST:LOGIN`.
    """

    id: str
    name: str
    role: str
    kind: Kind = "token"

    def may(self, role: str) -> bool:
        """Tell whether the actor may do what needs a role."""
        return ROLES.index(self.role) >= ROLES.index(role)


CLI = Actor("cli", "cli", "admin", "cli")
SYSTEM = Actor("system", "system", "admin", "system")


def login_id(host: str, login: str) -> str:
    """Return how somebody is known who is one only by their login on GitHub."""
    return f"github:{host}:{login.lower()}"


def on_github(host: str, login: str) -> Actor:
    """Return somebody who gives a command on GitHub, where their permission was asked for."""
    return Actor(login_id(host, login), login, "viewer", "login")


def named(actor: Actor | str) -> Actor:
    """Return an actor; a bare name, as extensions may give, is something that the bot runs."""
    return actor if isinstance(actor, Actor) else Actor(actor, actor, "viewer", "system")
