"""What a process shares: settings, database, vault, metrics, GitHub, and what others keep here."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from aiohttp import web
from cachetools import TTLCache

from bot import storage as store
from bot.domain import integrations
from bot.domain.integrations import Integration
from bot.github import GitHub
from bot.metrics import Metrics
from bot.settings import Settings
from bot.together import Once

T = TypeVar("T")
# How long a change made by another process may go unseen, in seconds.
CACHE_SECONDS = 2.0


@dataclass(slots=True)
class Services:
    """One per process; made by bot/server.py."""

    settings: Settings
    database: store.Database
    vault: store.Vault
    metrics: Metrics
    github: GitHub
    open_streams: set["asyncio.Task[Any]"] = field(default_factory=set)
    _integrations: "TTLCache[str, Integration]" = field(
        default_factory=lambda: TTLCache(maxsize=1024, ttl=CACHE_SECONDS)
    )
    _loading: "Once[Integration | None]" = field(default_factory=Once)
    _shared: dict[object, object] = field(default_factory=dict)

    def shared(self, make: Callable[["Services"], T]) -> T:
        """Return what `make` makes of these services: the same one as long as they live.

        So whoever needs a cache, a lock or a registry for the whole process declares it beside the
        code that uses it.
        """
        if make not in self._shared:
            self._shared[make] = make(self)
        return cast(T, self._shared[make])

    async def close(self) -> None:
        await self.github.close()
        await self.database.close()

    async def integration(self, integration_id: str, *, fresh: bool = False) -> Integration | None:
        """Return an integration with its secrets open, from memory unless `fresh` is asked for."""
        if not fresh:
            with suppress(KeyError):
                return self._integrations[integration_id]
        if fresh:
            return await self._read(integration_id)
        # A hundred deliveries that come when it was forgotten read it once.
        return await self._loading.get(integration_id, lambda: self._read(integration_id))

    async def _read(self, integration_id: str) -> Integration | None:
        row = await self.database.read(lambda tx: store.integrations.find(tx, integration_id))
        if row is None:
            self._integrations.pop(integration_id, None)
            return None
        return self._load(row)

    def opened(self, row: store.Integration) -> Integration:
        """Return an integration that has just been read, with its secrets open.

        They are opened once in a while, unless it was changed.
        """
        known = self._integrations.get(row.id)
        if known is not None and known.updated_at == row.updated_at:
            return known
        return self._load(row)

    def _load(self, row: store.Integration) -> Integration:
        loaded = self._integrations[row.id] = integrations.load(row, self.vault)
        return loaded

    def forget_integration(self, integration_id: str) -> None:
        """Drop what memory holds of an integration that has been changed."""
        self._integrations.pop(integration_id, None)


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
