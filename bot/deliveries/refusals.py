"""Counts the deliveries whose signatures are refused, until a good one comes.

Everybody may send such: they are counted in memory, and written once a second at most, for all
integrations together. What good deliveries have to take back is known without asking the database.
"""

import asyncio

from bot import storage as store
from bot import times
from bot.domain.integrations import Integration
from bot.services import Services
from bot.storage import Refused, RefusedFor

_EVERY = 1.0  # seconds between two writes


class Refusals:
    """What a process has refused; made by `services.shared`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._counted: dict[str, Refused] = {}  # not written yet, by integration
        self._written: set[str] = set()  # the integrations that have some in the database
        self._lock = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        self._writing: asyncio.Task[None] | None = None

    def count(self, integration_id: str, why: RefusedFor) -> None:
        """Count a delivery to an integration that there is."""
        self._add(integration_id, Refused(1, times.now(), why))

    def _add(self, integration_id: str, one: Refused) -> None:
        known = self._counted.get(integration_id)
        self._counted[integration_id] = one.after(known) if known else one
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(self._not_before, loop.time()), self._write_soon)

    def _write_soon(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer, self._not_before = None, loop.time() + _EVERY
        self._writing = loop.create_task(self.write())

    async def write(self) -> None:
        """Write what is counted: whoever reads the database next sees all of this process.

        What the database cannot take now is counted on.
        """
        async with self._lock:
            counted, self._counted = self._counted, {}
            if not counted:
                return
            self._written |= counted.keys()

            def job(tx: store.Transaction) -> None:
                for integration_id in sorted(counted):  # so that processes do not lock crosswise
                    store.integrations.add_refused(tx, integration_id, counted[integration_id])

            try:
                await self._services.database.write(job, locks=(), seconds=store.ASIDE_SECONDS)
            except store.StorageUnavailable:
                for integration_id, one in counted.items():
                    self._add(integration_id, one)
            for integration_id in counted:
                self._services.forget_integration(integration_id)

    def concern(self, integration: Integration) -> bool:
        """Tell whether a good delivery has something to take back in the database."""
        self._counted.pop(integration.id, None)
        return integration.has_refused or integration.id in self._written

    async def take_back(self, integration_id: str) -> None:
        """Count anew from now on: a good delivery has come. Raises StorageUnavailable."""
        async with self._lock:  # what is being written is there, then
            self._counted.pop(integration_id, None)
            await self._services.database.write(
                lambda tx: store.integrations.forget_refused(tx, integration_id), locks=()
            )
            self._written.discard(integration_id)
        self._services.forget_integration(integration_id)

    async def close(self) -> None:
        """Write what is left, at the end of the process."""
        await self.write()
        if self._timer is not None:
            self._timer.cancel()
