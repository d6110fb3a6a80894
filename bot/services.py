"""What a running process shares: settings, database, vault, handlers, metrics and short caches."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cachetools import LRUCache, TTLCache

from bot import storage as store
from bot.admission import Names
from bot.commands import Commands
from bot.domain import integrations
from bot.domain.integrations import Integration
from bot.github import GitHub
from bot.guesses import Guesses
from bot.handlers.dispatch import Dispatcher
from bot.metrics import Metrics
from bot.settings import Settings

# How long a change made by another process may go unseen, in seconds.
CACHE_SECONDS = 2.0
# Wrong guesses that one address may make in a minute, in one process
UNKNOWN_TOKENS = 100
FAILED_SIGN_INS = 10


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
    database: store.Database
    vault: store.Vault
    dispatcher: Dispatcher
    commands: Commands
    metrics: Metrics
    github: GitHub
    open_streams: set["asyncio.Task[Any]"] = field(default_factory=set)
    actors: "TTLCache[str, Actor]" = field(  # by the hash of the token
        default_factory=lambda: TTLCache(maxsize=1024, ttl=CACHE_SECONDS)
    )
    # Who may write where, and until when that is believed (bot/outbox/audience.py)
    writers: "LRUCache[tuple[str, int, int, str], tuple[bool, int]]" = field(
        default_factory=lambda: LRUCache(maxsize=4096)
    )
    unknown_tokens: Guesses = field(default_factory=lambda: Guesses(UNKNOWN_TOKENS))
    failed_sign_ins: Guesses = field(default_factory=lambda: Guesses(FAILED_SIGN_INS))
    # Who fails too often signs in with GitHub one after the other: each asks GitHub.
    sign_in_lane: asyncio.Lock = field(default_factory=asyncio.Lock)
    # Apps are registered one after the other: a page loaded twice spends one code of GitHub's.
    registering: asyncio.Lock = field(default_factory=asyncio.Lock)
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
        row = await self.database.read(lambda tx: store.integrations.find(tx, integration_id))
        if row is None:
            self._integrations.pop(integration_id, None)
            return None
        loaded = self._integrations[integration_id] = integrations.load(row, self.vault)
        return loaded

    def forget_token(self, token_id: str) -> None:
        """Drop what memory holds of a token that has been revoked."""
        for hashed in [one for one, actor in self.actors.items() if actor.token_id == token_id]:
            self.actors.pop(hashed, None)

    def forget_integration(self, integration_id: str) -> None:
        """Drop what memory holds of an integration that has been changed."""
        self._integrations.pop(integration_id, None)


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
