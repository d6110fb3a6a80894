"""Batches of deliveries that are as large as a test wants them."""

import asyncio

import pytest

from bot.storage.group_commit import GroupCommit


def gather_for(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let all deliveries that are sent within a time come into one batch.

    However busy the machine is.
    """

    async def gather(_: GroupCommit) -> None:
        await asyncio.sleep(seconds)

    monkeypatch.setattr(GroupCommit, "_gather", gather)
