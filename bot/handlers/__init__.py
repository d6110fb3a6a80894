"""Handlers: functions registered by GitHub event and action with gidgethub's router.

A handler takes from the event what matters and tells the domain, within the transaction that
stores the delivery. It uses no network, no clock and no globals: run twice, it changes nothing
the second time. It is `async` because that is gidgethub's form; it never waits for anything.
Its module declares the event with a `Heard`, so that GitHub is asked to send it.
"""

from collections.abc import Sequence

from gidgethub.routing import Router

from bot import extensions
from bot.github.events import Events, Heard
from bot.handlers.dispatch import Dispatcher, Routes
from bot.log import logger
from bot.services import Services


class Undeclared(Exception):
    """A handler is registered for an event that no module declares to hear."""


def dispatcher(services: Services) -> Dispatcher:
    """Return the dispatcher of a process; see `shared`. Raises as `registered` does."""
    return registered(services.settings.extensions)


def registered(extension_names: Sequence[str] = ()) -> Dispatcher:
    """Return the dispatcher of every handler of the service and of extensions.

    A handler is found by the router of its module, its event by the `Heard` beside it. Raises
    SettingsError, and Undeclared for a handler of the service.
    """
    modules = [*extensions.modules_of(__name__), *extensions.extension_modules(extension_names)]
    routes = Routes(*extensions.instances(modules, Router))
    events = Events(extensions.instances(modules, Heard))
    for event, of in routes.modules.items():
        if event not in events:
            _tell_undeclared(event, sorted(of))
    return Dispatcher(routes, events)


def _tell_undeclared(event: str, modules: Sequence[str]) -> None:
    """Refuse a handler of ours; an extension may hear what its owners see to in GitHub."""
    for module in modules:
        if module.startswith(f"{__name__}."):
            raise Undeclared(
                f"{module} handles `{event}` without declaring it: give the module a "
                f'Heard("{event}", …) with the reason and the permission that it needs'
            )
    logger.warning("event not declared", github_event=event, modules=modules)
