"""Which webhooks deliver to an integration with a token, as verified deliveries tell.

GitHub's list of what such a webhook could not deliver is read with the token (recovery).
"""

from typing import get_args

from bot import storage as store
from bot import times
from bot.deliveries.records import Arriving
from bot.log import logger
from bot.services import Services

_NOTED = 3_600 * times.SECOND  # how exactly it is kept when one has delivered
_MOST = 8192  # webhooks that are remembered
_ID, _KIND, _TARGET = (
    "X-GitHub-Hook-ID",
    "X-GitHub-Hook-Installation-Target-Type",
    "X-GitHub-Hook-Installation-Target-ID",
)
_LONGEST = 18  # digits of an id


class HeardHooks:
    """What a process has noted; made by `services.shared`. A delivery mostly tells nothing new."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._noted: dict[tuple[str, str], int] = {}

    async def told_by(self, delivery: Arriving) -> None:
        """Note through which webhook a delivery has come, unless that was noted in this hour."""
        hook_id = delivery.headers.get(_ID)
        if hook_id is None or delivery.integration.token is None:
            return
        key, now = (delivery.integration.id, hook_id), delivery.received_at
        if now - self._noted.get(key, -_NOTED) < _NOTED:
            return
        if len(self._noted) >= _MOST:
            self._noted.clear()
        self._noted[key] = now
        hook = _named(delivery)
        if hook is None:
            return
        try:
            await self._database.write(
                lambda tx: store.hooks.keep(tx, hook), locks=(), seconds=store.ASIDE_SECONDS
            )
        except store.StorageUnavailable as error:  # the next delivery tells it again
            self._noted.pop(key, None)
            logger.warning("webhook not noted", hook=hook.hook_id, reason=str(error))


def _named(delivery: Arriving) -> store.Hook | None:
    """Return the webhook of a repository or organisation that a delivery names."""
    kind, about = delivery.headers.get(_KIND), delivery.event.about
    ids = [delivery.headers.get(name, "") for name in (_ID, _TARGET)]
    if kind not in get_args(store.HookKind) or kind == "app":
        return None
    if not all(one.isascii() and one.isdigit() and len(one) <= _LONGEST for one in ids):
        return None
    hook_id, target_id = map(int, ids)
    target = about.full_name if about is not None else ""
    if kind == "organization":
        target = target.partition("/")[0] or _organization(delivery)
    is_repository = kind == "repository"
    is_anothers = about is not None and about.id not in (None, target_id)
    if not target or not hook_id or (is_repository and is_anothers):
        return None
    return store.Hook(
        delivery.integration.id,
        hook_id,
        "repository" if is_repository else "organization",
        target_id,
        target,
        heard_at=delivery.received_at,
    )


def _organization(delivery: Arriving) -> str:
    """Return the login of the organisation that a payload without a repository names."""
    organization = delivery.event.data.get("organization")
    login = organization.get("login") if isinstance(organization, dict) else None
    return login if isinstance(login, str) else ""
