"""Fixtures of what is read in code."""

from pathlib import Path

import pytest

from tests.code.clean_up import Shop, shop_of
from tests.code.ruled import project_of
from tests.kit.outbound import Scene
from tests.kit.project import Project


@pytest.fixture
async def shop(scene: Scene, tmp_path: Path) -> Shop:
    """A bot on GitHub, with a repository of git's."""
    return await shop_of(scene, tmp_path / "shop.git")


@pytest.fixture
async def ruled(scene: Scene, tmp_path: Path) -> Project:
    """A repository of which nobody has heard, and an experiment `a`."""
    return await project_of(scene, tmp_path)
