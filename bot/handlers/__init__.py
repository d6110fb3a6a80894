"""Handlers: functions registered by GitHub event and action with gidgethub's router.

A handler takes from the event what matters and tells the domain, within the transaction that
stores the delivery. It uses no network, no clock and no globals: run twice, it changes nothing
the second time. It is `async` because that is gidgethub's form; it never waits for anything.
"""

from bot.handlers import check, installation, issues, ping, pull_request, push, repository
from bot.handlers.dispatch import Dispatcher

ROUTERS = (
    check.router,
    installation.router,
    issues.router,
    ping.router,
    pull_request.router,
    push.router,
    repository.router,
)


def dispatcher() -> Dispatcher:
    """Return the dispatcher of every handler of the service."""
    return Dispatcher(ROUTERS)
