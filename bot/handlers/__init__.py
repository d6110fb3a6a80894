"""Handlers: functions registered by GitHub event and action with gidgethub's router.

A handler takes from the event what matters and tells the domain, within the transaction that
stores the delivery. It uses no network, no clock and no globals: run twice, it changes nothing
the second time. It is `async` because that is gidgethub's form; it never waits for anything.
"""

from gidgethub.routing import Router

from bot import extensions
from bot.handlers.dispatch import Dispatcher
from bot.services import Services


def dispatcher(services: Services) -> Dispatcher:
    """Return the dispatcher of every handler of the service and of extensions; see `shared`.

    A handler is found by the router of its module. Raises SettingsError.
    """
    modules = [
        *extensions.modules_of("bot.handlers"),
        *extensions.extension_modules(services.settings.extensions),
    ]
    return Dispatcher(extensions.instances(modules, Router))
