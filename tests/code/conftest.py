"""Fixtures of what is read in code."""

from pathlib import Path

import pytest

from tests.code.clean_up import Shop, shop_of
from tests.kit.outbound import Scene


@pytest.fixture
async def shop(scene: Scene, tmp_path: Path) -> Shop:
    """A bot on GitHub, with a repository of git's."""
    return await shop_of(scene, tmp_path / "shop.git")
