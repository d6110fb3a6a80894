"""A running service for each test: real HTTP, a real database file, nothing mocked."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.settings import Settings
from tests.running import ADMIN_TOKEN, Bot, start


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a service that keeps everything in the test's own folder."""
    return Settings.from_environment(
        {"DATA_DIR": str(tmp_path / "data"), "ADMIN_TOKEN": ADMIN_TOKEN, "LOG_LEVEL": "debug"}
    )


@pytest.fixture
async def bot(settings: Settings) -> AsyncIterator[Bot]:
    """A service that listens on a free port of 127.0.0.1."""
    running = await start(settings)
    yield running
    await running.close()


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """Finds a file of GitHub's published descriptions beside the checkout; skips without it."""

    def find(name: str) -> Path:
        path = Path(__file__).parents[2] / "shared" / "github" / name
        if not path.exists():
            pytest.skip(f"{name} is not here")
        return path

    return find
