"""The button that orders the issue of what is left of an experiment in a repository's code."""

from aiohttp import web

from bot.api.clean_ups import CleanUpOrder
from bot.dashboard.experiment import experiment_page
from bot.dashboard.forms import refusal
from bot.dashboard.page import Pages, Visit
from bot.domain.errors import Failed
from bot.github import CallFailed
from bot.operations import clean_ups
from bot.web.validation import fit

pages = Pages()


@pages.post("/experiments/{key}/clean-up", role="developer")
async def order(visit: Visit) -> web.StreamResponse:
    """Order the clean-up issue of a repository."""
    key = visit.path("key")
    given = {name: visit.form.get(name, "") for name in ("integration_id", "repository")}
    try:
        asked = fit(given, CleanUpOrder)
        await clean_ups.order(
            visit.services, visit.actor, key, asked.integration_id, asked.repository
        )
    except (Failed, CallFailed) as error:
        return await experiment_page(visit, "clean-up", refusal(error))
    return visit.to(f"/experiments/{key}", f"The clean-up issue in {asked.repository} was ordered.")
