"""Backfills on an integration's page: started and stopped there."""

from aiohttp import web

from bot.dashboard.integrations import ONE, id_of
from bot.dashboard.page import Pages, Visit
from bot.domain.errors import Conflict
from bot.operations import backfills
from bot.web.problems import problem_of

pages = Pages()


@pages.post(f"{ONE}/backfill", role="developer")
async def start(visit: Visit) -> web.StreamResponse:
    """Read all that the integration serves."""
    try:
        await backfills.start(visit.services, visit.actor, id_of(visit), None, None, dry_run=False)
    except Conflict as error:
        return visit.to(_page(visit), problem_of(error).body.detail, kind="error")
    return visit.to(_page(visit), "The backfill was started.")


@pages.get(f"{ONE}/backfill", role="developer")
async def started(visit: Visit) -> web.StreamResponse:
    """Lead somebody who loads the answer of a form again to the integration."""
    return visit.to(_page(visit))


@pages.post(f"{ONE}/backfill/stop", role="developer")
async def stop(visit: Visit) -> web.StreamResponse:
    """Read nothing more."""
    await backfills.stop(visit.services, visit.actor, id_of(visit))
    return visit.to(_page(visit), "The backfill was stopped. What was read stays.")


def _page(visit: Visit) -> str:
    return f"/integrations/{id_of(visit)}"
