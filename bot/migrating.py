"""Brings a database up to date, and shows how far it is if that takes long."""

import asyncio
import sys

import click

from bot import storage as store
from bot.log import logger

_SHORT = 1.0  # seconds in which it is mostly done, and nothing is shown
_TICK = 0.2


async def migrate(database: store.Database) -> None:
    """Bring the schema up to date; raises StorageRefused.

    A large database of an earlier version takes a while: then its steps are shown, and logged.
    """
    done, total = 0, 1

    def note(step: int, steps: int) -> None:
        nonlocal done, total
        done, total = step, steps

    work = asyncio.create_task(asyncio.to_thread(database.migrate, note))
    await asyncio.wait({work}, timeout=_SHORT)
    if work.done():
        return await work
    logger.info("bringing the database up to date", schema=store.schema.VERSION, steps=total)
    label = f"Bringing the database to schema {store.schema.VERSION}"
    with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
        while not work.done():
            bar.update(done - bar.pos)
            await asyncio.wait({work}, timeout=_TICK)
        bar.update(done - bar.pos)
    await work
    logger.info("database up to date", schema=store.schema.VERSION)
