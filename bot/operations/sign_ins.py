"""Sign-ins that were refused: recorded, but not at the pace of whoever floods the sign-in page."""

from bot import storage as store
from bot.domain import audit
from bot.domain.actors import SYSTEM
from bot.log import logger
from bot.services import Services
from bot.web.guesses import Guesses

_A_MINUTE = 60  # refusals that one process records


def _of_address(_: Services) -> Guesses:
    """One of each address in a minute; the log has every one."""
    return Guesses(1)


def _of_all(_: Services) -> Guesses:
    return Guesses(_A_MINUTE)


async def refused(services: Services, address: str | None, reason: str) -> None:
    """Tell of a refused sign-in. It stays refused where that cannot be stored."""
    address = address or "unknown"
    if services.shared(_of_address).wrong(address) or services.shared(_of_all).wrong(None):
        logger.info(audit.SIGN_IN_REFUSED.words, address=address, reason=reason)
        return
    target = audit.Target("address", address, address)
    told = {"reason": reason}

    def job(tx: store.Transaction) -> None:
        audit.record(tx, SYSTEM, audit.SIGN_IN_REFUSED, target, None, told, reason=reason)

    try:
        await services.database.write(job)
    except store.StorageUnavailable as error:
        logger.warning("refused sign-in not recorded", address=address, reason=str(error))
