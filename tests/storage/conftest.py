"""Fixtures of storage."""

import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.kit.processes import address_of
from tests.storage.moving import Move


@pytest.fixture(params=["to postgresql", "to sqlite"])
def move(request: pytest.FixtureRequest, postgres: str, tmp_path: Path) -> Any:
    """Two empty databases of different engines."""
    name = f"test_{uuid.uuid4().hex}"
    urls = [f"sqlite:///{tmp_path / 'bot.db'}", address_of(postgres, name)]
    if request.param == "to sqlite":
        urls.reverse()
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield Move(urls[0], urls[1], tmp_path / "data")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
