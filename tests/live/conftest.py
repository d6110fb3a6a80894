import pytest

from tests.kit.outbound import Scene
from tests.live.shipping import Shipping, shipping


@pytest.fixture
async def ship(scene: Scene) -> Shipping:
    """A repository with an experiment, whose pull requests are merged and deployed."""
    return await shipping(scene)
