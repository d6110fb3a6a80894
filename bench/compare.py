"""What a delivery costs here, and what it costs the bots that engineers admire.

Ours takes turns with a Probot app, with `@octokit/webhooks` on bare Node and with a bot of
gidgethub and aiohttp: on the same cores, with the same signed deliveries of 24 KB over the same
number of connections, each after a warm-up, while the others are stopped. Prints Markdown tables:
the median of the rounds, and the ratios to Probot in the same round.

    .venv/bin/python bench/compare.py                   # what `make bench` does: ten minutes
    .venv/bin/python bench/compare.py --runs 3          # the tables of docs/performance.md
    .venv/bin/python bench/compare.py --only SQLite --seconds 1 --rounds 1

A single process on SQLite, and each of the others, has the first core, the client the last. Two
processes and PostgreSQL, whose server is the benchmark's own, share all cores with the client.

In the end it asks the API of each of ours for every delivery that was sent, kills it in the middle
of a load, starts it again and asks for all that was acknowledged. A service that does not start, a
bot that accepts a bad signature, a delivery that is refused, unanswered or lost end it with an
error.
"""

import contextlib
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import peers, report  # noqa: E402
from bench.deliveries import KINDS, LINKED, Kind, repositories  # noqa: E402
from bench.meter import measured  # noqa: E402
from bench.ours import Ours  # noqa: E402
from bench.proxy import proxy  # noqa: E402
from bench.service import Server, server  # noqa: E402
from bench.subject import Subject  # noqa: E402

KILLED_AFTER = 1.5  # seconds of load
FIRST_WARM_UP = 2  # times as long as the others: Node compiles what it has seen often
PROCESSES = (1, 2)


def told(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def name_of(engine: str, processes: int) -> str:
    return f"ours, {engine}" + (f", {processes} processes" if processes > 1 else "")


def engines(delay: float) -> list[str]:
    return ["SQLite", "PostgreSQL", *([f"PostgreSQL {delay:g} ms away"] if delay else [])]


@contextlib.contextmanager
def ours(names: list[str], delay: float, only: tuple[str, ...]) -> Iterator[list[Ours]]:
    """Give our service on each engine in as many processes as is wanted."""

    def wanted(engine: str, processes: int) -> bool:
        return not only or any(one in name_of(engine, processes) for one in only)

    with contextlib.ExitStack() as stack:
        made: list[Ours] = []
        servers: dict[str, Server] = {}
        for engine in engines(delay):
            database = "sqlite" if engine == "SQLite" else "postgresql"
            counts = [one for one in PROCESSES if wanted(engine, one)]
            if not counts:
                continue
            if database not in servers:
                servers[database] = stack.enter_context(server(database))
            where = servers[database]
            way = stack.enter_context(proxy(where, delay)) if engine.endswith("away") else None
            for count in counts:
                name = name_of(engine, count)
                made.append(Ours(where, name, names, processes=count, proxy=way))
                stack.callback(made[-1].stop)
                made[-1].pause()
        yield made


def turn(subject: Subject, kind: Kind, connections: int, lasts: tuple[float, float]) -> report.Turn:
    """Give a subject its turn, a warm-up first, and return what it made of it."""
    warm_up, seconds = lasts
    subject.take_turn()
    subject.send(kind, connections, seconds=warm_up)
    loads = []
    use = measured(
        subject.pid,
        list(subject.helpers),
        lambda: loads.append(subject.send(kind, connections, seconds=seconds)),
    )
    subject.pause()
    answers = loads[0].answers
    made = report.Turn(len(answers), use, [one.seconds for one in answers])
    told(f"{kind.name:10} {subject.name:42} {made.rate:8,.0f}/s {made.cpu:7,.0f} µs each")
    return made


def run(
    subjects: list[Subject], rounds: int, connections: int, lasts: tuple[float, float]
) -> report.Run:
    """Let every subject have its turns; Probot is the first of them."""
    for subject in subjects:
        subject.take_turn()
        subject.check_signatures()
        for kind in KINDS.values():
            subject.send(kind, connections, seconds=FIRST_WARM_UP * lasts[0])
        subject.pause()
    turns: dict[tuple[str, str], list[report.Turn]] = {
        (kind, subject.name): [] for kind in KINDS for subject in subjects
    }
    for number in range(rounds):
        for name, kind in KINDS.items():
            # Back and forth, so that nobody is always the first or always after the same one.
            for subject in subjects if number % 2 == 0 else reversed(subjects):
                turns[name, subject.name].append(turn(subject, kind, connections, lasts))
    memory = {subject.name: subject.memory for subject in subjects}
    stored = {(kind, one.name): one.stored(KINDS[kind]) for kind in KINDS for one in subjects}
    return {
        (kind, name): report.Row(
            found, turns[kind, subjects[0].name], memory[name], stored[kind, name]
        )
        for (kind, name), found in turns.items()
    }


def check(subject: Ours, connections: int) -> None:
    """See that nothing is lost of what it has acknowledged, whatever becomes of it."""
    subject.take_turn()
    subject.check()
    asked = len(subject.acknowledged)
    late = subject.send_and_kill(LINKED, connections, KILLED_AFTER)
    subject.start()
    subject.check()
    subject.pause()
    told(
        f"{subject.name}: all {asked:,} deliveries are known; {late:,} more when it was killed, "
        f"all {len(subject.acknowledged):,} after the restart"
    )


@click.command()
@click.option("--runs", default=1, show_default=True, help="How often all of it is done.")
@click.option("--rounds", default=3, show_default=True, help="Turns of each; the median counts.")
@click.option("--seconds", default=3.0, show_default=True, help="How long a turn takes.")
@click.option("--warm-up", default=1.0, show_default=True, help="Seconds of load before a turn.")
@click.option("--connections", default=32, show_default=True)
@click.option("--repositories", "spread", default=50, show_default=True, help="Told of in turn.")
@click.option(
    "--delay",
    default=1.0,
    show_default=True,
    help="Milliseconds added to each round trip to a further PostgreSQL; 0 leaves that out.",
)
@click.option("--only", multiple=True, help="Of ours, only those whose name has this in it.")
def main(
    runs: int,
    rounds: int,
    seconds: float,
    warm_up: float,
    connections: int,
    spread: int,
    delay: float,
    only: tuple[str, ...],
) -> None:
    """Measure our service beside other bots."""
    # Told to stop, it ends those that it holds as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    names, lasts = repositories(spread), (warm_up, seconds)
    node = peers.node()
    peers.install()
    found: list[report.Run] = []
    for number in range(runs):
        told(f"Run {number + 1} of {runs}")
        with (
            tempfile.TemporaryDirectory() as folder,
            peers.running(folder, names) as others,
            ours(names, delay, only) as own,
        ):
            found.append(run([*others, *own], rounds, connections, lasts))
            for subject in own:
                check(subject, connections)
    print(
        report.whole(
            found,
            [(name_of(one, 1), name_of(one, 2)) for one in engines(delay)],
            f"Node {node}",
            f"over {connections} connections about {spread} repositories, {rounds} rounds by turns "
            f"of {seconds:g} seconds after {warm_up:g} of warm-up",
        )
    )


if __name__ == "__main__":
    main()
