"""From where to where a database is copied."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot import storage as store
from bot.settings import Settings
from tests.kit.processes import app, environment
from tests.kit.running import ADMIN_TOKEN, Bot, start

# For what one direction alone can show.
TO_POSTGRESQL = pytest.mark.parametrize("move", ["to postgresql"], indirect=True)
TO_SQLITE = pytest.mark.parametrize("move", ["to sqlite"], indirect=True)


@dataclass
class Move:
    """From where to where, with one folder of keys."""

    source: str
    target: str
    folder: Path

    async def run(self, *options: str) -> tuple[int, str, str]:
        env = environment(self.folder)
        return await app("migrate-database", self.source, self.target, *options, env=env)

    @asynccontextmanager
    async def service(self, url: str) -> AsyncIterator[Bot]:
        settings = Settings.from_environment(
            {"DATA_DIR": str(self.folder), "DATABASE_URL": url, "ADMIN_TOKEN": ADMIN_TOKEN}
        )
        bot = await start(settings)
        try:
            yield bot
        finally:
            await bot.close()

    @asynccontextmanager
    async def engines(
        self, *, incomplete: bool = False
    ) -> AsyncIterator[tuple[store.Database, store.Database]]:
        both = store.engine(self.source), store.engine(self.target)
        for one in both:
            one.migrate(incomplete=incomplete)
            await one.start()
        try:
            yield both
        finally:
            for one in both:
                await one.close()
