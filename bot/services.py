"""What a running process shares: settings, database, vault, handlers, metrics and short caches."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cachetools import TTLCache

from bot.admission import Names
from bot.commands import Commands
from bot.domain import integrations
from bot.domain.integrations import Integration
from bot.github import GitHub
from bot.handlers.dispatch import Dispatcher
from bot.metrics import Metrics
from bot.settings import Settings
from bot.storage import integrations as integration_storage
from bot.storage.database import Database
from bot.storage.vault import Vault

# How long a change made by another process may go unseen, in seconds.
CACHE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever holds an API token."""

    token_id: str
    name: str
    role: str


@dataclass(slots=True)
class Services:
    """One per process; made by bot/server.py."""

    settings: Settings
    database: Database
    vault: Vault
    dispatcher: Dispatcher
    commands: Commands
    metrics: Metrics
    github: GitHub
    open_streams: set["asyncio.Task[Any]"] = field(default_factory=set)
    actors: "TTLCache[str, Actor]" = field(  # by the hash of the token
        default_factory=lambda: TTLCache(maxsize=1024, ttl=CACHE_SECONDS)
    )
    names: Names = field(init=False)
    _integrations: "TTLCache[str, Integration]" = field(
        default_factory=lambda: TTLCache(maxsize=1024, ttl=CACHE_SECONDS)
    )

    def __post_init__(self) -> None:
        self.names = Names(self.github)

    async def close(self) -> None:
        """Close what is open to GitHub and to the database."""
        await self.github.close()
        await self.database.close()

    async def integration(self, integration_id: str, *, fresh: bool = False) -> Integration | None:
        """Return an integration with its secrets open, from memory unless `fresh` is asked for."""
        known = None if fresh else self._integrations.get(integration_id)
        if known is not None:
            return known
        row = await self.database.read(
            lambda transaction: integration_storage.find(transaction, integration_id)
        )
        if row is None:
            self._integrations.pop(integration_id, None)
            return None
        loaded = self._integrations[integration_id] = integrations.load(row, self.vault)
        return loaded

    def forget_integration(self, integration_id: str) -> None:
        """Drop what memory holds of an integration that has been changed."""
        self._integrations.pop(integration_id, None)


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
