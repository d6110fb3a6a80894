"""`/`: where somebody begins who has just come."""

from aiohttp import web

from bot import storage as store
from bot.dashboard.page import Pages, Visit, redirect

pages = Pages()


@pages.get("/")
async def home(visit: Visit) -> web.StreamResponse:
    """Lead to the experiments, or to what has to be done before there are any."""

    def is_set_up(tx: store.Transaction) -> bool:
        return store.deliveries.any_received(tx) and store.experiments.any_at_all(tx)

    ready = await visit.read(is_set_up)
    return redirect(visit.services, "/experiments" if ready else "/start")
