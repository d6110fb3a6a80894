"""`/`: where somebody begins who has just come."""

from aiohttp import web

from bot.dashboard.page import Pages, Visit, redirect
from bot.storage import deliveries, experiments
from bot.storage.database import Transaction

pages = Pages()


@pages.get("/")
async def home(visit: Visit) -> web.StreamResponse:
    """Lead to the experiments, or to what has to be done before there are any."""

    def is_set_up(tx: Transaction) -> bool:
        return deliveries.any_received(tx) and experiments.any_at_all(tx)

    ready = await visit.services.database.read(is_set_up)
    return redirect(visit.services, "/experiments" if ready else "/start")
