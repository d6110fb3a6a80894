"""What good deliveries notice of strangers who send all they can, from the same address.

Sends fifty signed deliveries a second at their own pace and, beside them, ten thousand requests of
every kind that needs no secret: large bodies unsigned and forged, bodies and headers that trickle,
connections that say nothing or never read, wrong tokens, forms and JSON made to hurt, what is no
HTTP. Prints how long the good ones took from when each was due, what the service and its log grew
to, and how the strangers were answered. Ends with an error if a good one is refused or lost, if one
in a hundred takes half a second, or if memory has no bound.

    .venv/bin/python bench/strangers.py
    .venv/bin/python bench/strangers.py --database postgresql --processes 2
"""

import asyncio
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.deliveries import LINKED, repositories  # noqa: E402
from bench.hostile import ACTS, Target, attack  # noqa: E402
from bench.load import Request, Stream, stream  # noqa: E402
from bench.meter import percentile  # noqa: E402
from bench.ours import Ours  # noqa: E402
from bench.report import machine, table  # noqa: E402
from bench.service import CORES, cpu_seconds, server, tree  # noqa: E402
from bench.stream import check_answers, check_stored  # noqa: E402

_AHEAD = 3  # seconds that good deliveries come before the strangers
CONNECTIONS = 8  # that the good deliveries come over
MOST_MS, MOST_MB = 500, 600  # p99, and the peak of a process
Ends = Counter[tuple[str, str]]


def send_hostile(target: Target, count: int, only: Sequence[str], pipe: Connection) -> None:
    """Send what is hostile, in a process of its own that leaves the other client its time."""
    os.sched_setaffinity(0, CORES[-1:])
    os.nice(19)
    pipe.send("ready")
    time.sleep(_AHEAD)
    pipe.send(asyncio.run(attack(target, count, only)))


def beside(
    subject: Ours, count: int, only: Sequence[str], rate: float
) -> tuple[Stream, Ends, float]:
    """Send good deliveries as long as there are strangers; return also how long that was."""
    theirs, pipe = multiprocessing.get_context("spawn").Pipe()
    target = Target(subject.port, subject.sender.path)
    hostile = multiprocessing.get_context("spawn").Process(
        target=send_hostile, args=(target, count, only, pipe)
    )
    hostile.start()
    theirs.recv()  # it is ready
    started = time.monotonic()

    def requests() -> Iterator[Request]:
        for request in subject.sender.requests(LINKED):
            if not hostile.is_alive() or theirs.poll():
                return
            yield request

    made = stream(subject.port, requests(), CONNECTIONS, rate)
    if not theirs.poll(1):
        raise SystemExit("the strangers came to grief")
    ends: Ends = theirs.recv()
    hostile.join()
    return made, ends, time.monotonic() - started


def lines(name: str, made: Stream) -> Iterator[tuple[str, str]]:
    milliseconds = [one.seconds * 1000 for one in made.answers]
    yield name, f"{len(made.answers):,} good deliveries"
    for percent in (50, 99, 99.9):
        yield f"p{percent}", f"{percentile(milliseconds, percent):.1f} ms"
    yield "longest", f"{max(milliseconds):.1f} ms"


def ends_of(ends: Ends) -> Iterator[tuple[str, str]]:
    for name in ACTS:
        found = sorted((count, end) for (one, end), count in ends.items() if one == name)
        yield name, ", ".join(f"{count:,} {end}" for count, end in reversed(found))


@click.command()
@click.option("--hostile", default=10_000, show_default=True, help="Requests of strangers.")
@click.option("--only", type=click.Choice([*ACTS]), multiple=True, default=[*ACTS])
@click.option("--rate", default=50.0, show_default=True, help="Good deliveries a second.")
@click.option("--database", default="sqlite", show_default=True, help="As bench/webhook.py's.")
@click.option("--processes", default=1, show_default=True)
def main(hostile: int, only: tuple[str, ...], rate: float, database: str, processes: int) -> None:
    """Send good deliveries beside hostile requests, and see that they notice little of them."""
    with server(database) as where:
        subject = Ours(where, "strangers", repositories(50), processes=processes)
        try:
            alone = stream(
                subject.port, subject.sender.requests(LINKED, int(rate * 10)), CONNECTIONS, rate
            )
            check_answers(alone)
            log = Path(subject.folder) / "log"
            before, log_before = subject.memory, log.stat().st_size
            used = cpu_seconds(tree(subject.pid))
            made, ends, seconds = beside(subject, hostile, only, rate)
            used = cpu_seconds(tree(subject.pid)) - used
            check_answers(made)
            memory, logged = subject.memory, log.stat().st_size - log_before
            kept = check_stored(subject, [one.about for one in alone.answers + made.answers])
        finally:
            subject.stop()
    print(f"Measured {machine()}.\n")
    told = [
        *lines("alone", alone),
        *lines("beside strangers", made),
        ("strangers", f"{ends.total():,} requests in {seconds:.0f} s"),
        ("processor", f"{used / seconds:.0%} of a core"),
        ("peak memory", f"{memory:.0f} MB; {before:.0f} before"),
        ("log", f"{logged / 1e6:.1f} MB, {logged / seconds / 1e3:.0f} KB a second"),
        ("none lost", kept),
    ]
    title = "SQLite" if where.url is None else "PostgreSQL"
    print(table([("", f"{title}, processes: {processes}"), *told]))
    print(table([("Strangers", "How they were answered"), *ends_of(ends)]))
    p99 = percentile([one.seconds * 1000 for one in made.answers], 99)
    if p99 >= MOST_MS or memory >= MOST_MB * processes:
        raise SystemExit(f"p99 {p99:.0f} ms or {memory:.0f} MB is too much")


if __name__ == "__main__":
    main()
