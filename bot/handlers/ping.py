"""`ping`: GitHub reached us. Storing the delivery is all there is to do.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#ping
"""

from gidgethub.routing import Router
from gidgethub.sansio import Event

from bot.github.events import Heard
from bot.handlers.dispatch import Delivery

HEARS = Heard("ping", "GitHub reaches the bot")
router = Router()


@router.register("ping")
async def reached(event: Event, delivery: Delivery) -> None:
    """The integration shows its last delivery; a ping counts as one."""
