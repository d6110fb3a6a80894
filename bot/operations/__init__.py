"""What can be done with the service, as plain functions of services, actor and arguments.

API and pages call the same ones. They raise what `bot/domain/errors.py` has, and what a call to
GitHub raises; whoever calls puts that into words. What each changes is recorded in the audit.
"""

from typing import TypeVar

from bot.domain.errors import NotFound

T = TypeVar("T")


def found(row: T | None, what: str) -> T:
    """Return what was looked for; raises NotFound if it is not there."""
    if row is None:
        raise NotFound(what)
    return row
