"""The resources of the API, in the order in which its description lists them."""

import functools

from aiohttp import web

from bot.api import (
    actions,
    activity,
    audit,
    backfills,
    checks,
    clean_ups,
    code,
    commands,
    deliveries,
    description,
    experiments,
    integrations,
    linking,
    links,
    recovery,
    repositories,
    service,
    sessions,
    shipped,
    tokens,
)
from bot.settings import Settings

RESOURCES = (
    experiments,
    links,
    shipped,
    linking,
    activity,
    integrations,
    repositories,
    code,
    clean_ups,
    checks,
    backfills,
    recovery,
    deliveries,
    actions,
    commands,
    audit,
    tokens,
    sessions,
)


def routes(settings: Settings) -> list[web.RouteDef]:
    """Return the routes of all operations, and of what the service tells of itself."""
    operations = [operation for one in RESOURCES for operation in one.operations.listed]
    return [
        *(route for one in RESOURCES for route in one.operations.routes()),
        *service.routes(
            functools.partial(description.describe, operations, settings), settings.public_url
        ),
    ]
