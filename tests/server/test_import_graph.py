"""The rooms of the house (the packages and modules right below `bot`) and who may know whom.

`python -m tests.server.test_import_graph` prints the floors, and what each room imports.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

BOT = Path(__file__).parents[2] / "bot"
ITSELF = "bot"  # bot/__init__.py: the version

# From the ground up. A room may import what is below it; on its own floor it may, too, as long as
# that makes no circle. The leaves know nothing of the house, and its ground walls only them.
LEAVES = (
    ITSELF,
    "characters",
    "emails",
    "extensions",
    "jsontext",
    "log",
    "metrics",
    "output",
    "settings",
    "shared_metrics",
    "stopping",
    "times",
    "together",
)
GROUND = ("github", "code", "storage")
FLOORS: tuple[tuple[str, ...], ...] = (
    LEAVES,
    GROUND,
    ("domain",),
    ("services",),
    ("handlers", "commands"),
    ("deliveries", "doctor", "outbox", "web"),
    ("operations",),
    ("api", "worker"),
    ("dashboard",),
    (
        "crowd",
        "connection",
        "listening",
        "server",
        "supervisor",
        "demo",
        "cli_backfill",
        "cli_check_config",
        "cli",
        "__main__",
    ),
)
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}

# What is still to be mended. An entry that is not needed any more fails, too.
KNOWN_UPWARDS: set[tuple[str, str]] = set()
KNOWN_CIRCLES: set[frozenset[str]] = set()

MOST_LINES = 400

ROOMS = {
    ITSELF,
    *({one.stem for one in BOT.glob("*.py")} - {"__init__"}),
    *(one.parent.name for one in BOT.glob("*/*.py")),
}
Edges = dict[tuple[str, str], set[str]]


def edges() -> Edges:
    """Return which room imports which, and the modules that do.

    Imports within functions count, and those for types alone: who reads the code needs both.
    """
    found: Edges = {}
    for path in BOT.rglob("*.py"):
        module = path.relative_to(BOT).with_suffix("").as_posix()
        room = ITSELF if module == "__init__" else module.partition("/")[0]
        for target in _imported(ast.parse(path.read_text())):
            if target != room:
                found.setdefault((room, target), set()).add(module)
    return found


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield the rooms that a module imports from."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, "imports are written out"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    for name in names:
        top, *rest = name.split(".")
        if top == "bot":
            yield rest[0] if rest and rest[0] in ROOMS else ITSELF


def upwards(found: Edges) -> set[tuple[str, str]]:
    """Return the imports that lead up, or out of a ground wall into another."""
    return {
        (room, target)
        for room, target in found
        if FLOOR_OF[target] > FLOOR_OF[room] or (room in GROUND and target in GROUND)
    }


def circles(found: Edges) -> set[frozenset[str]]:
    """Return the rooms that can be reached from each other, without those that lead up."""
    reached = {room: {room} for room in ROOMS}
    for _ in ROOMS:
        for room, target in found.keys() - upwards(found):
            reached[room] |= reached[target]
    return {
        frozenset(circle)
        for room in ROOMS
        if len(circle := {one for one in reached[room] if room in reached[one]}) > 1
    }


def test_every_room_has_its_floor() -> None:
    assert ROOMS - FLOOR_OF.keys() == set(), "say in FLOORS which rooms these may import from"


def test_imports_lead_down() -> None:
    found = edges()
    assert {edge: found[edge] for edge in upwards(found) - KNOWN_UPWARDS} == {}
    assert KNOWN_UPWARDS - upwards(found) == set(), "mended: take them off the list"


def test_no_rooms_import_each_other_in_a_circle() -> None:
    assert circles(edges()) == KNOWN_CIRCLES


def test_no_module_is_long() -> None:
    top = BOT.parent
    long = {
        path.relative_to(top).as_posix(): length
        for room in ("bot", "tests", "bench")
        for path in (top / room).rglob("*.py")
        if (length := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert long == {}


def test_sqlite_does_without_what_postgresql_needs() -> None:
    """Ten megabytes of it, in each process."""
    program = """
import sys
from bot import cli, settings, storage
settings.Settings.from_environment({"DATABASE_URL": "sqlite:////nowhere/bot.db"})
storage.engine("sqlite:////nowhere/bot.db")
print(*{"psycopg", "psycopg_pool"} & sys.modules.keys())
"""
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "\n"


def show() -> None:
    found = edges()
    for number, floor in reversed([*enumerate(FLOORS)]):
        click.secho(f"Floor {number}", bold=True)
        for room in sorted(ROOMS.intersection(floor)):
            below = sorted(target for one, target in found if one == room and target not in LEAVES)
            click.echo(f"  {room:12} {' '.join(below) or '-'}")
    click.echo(f"Upwards: {sorted(upwards(found)) or 'none'}")
    click.echo(f"Circles: {[sorted(one) for one in circles(found)] or 'none'}")


if __name__ == "__main__":
    show()
