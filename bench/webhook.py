"""How many signed deliveries a second the service stores and links, and how long each waits.

Starts the service on one core and loads it from another over keep-alive connections with signed
`pull_request` deliveries of 24 KB, each of another pull request with an experiment key. Prints
deliveries per second, p50 and p99 of the answer time, and the peak memory of the service; then
checks that every delivery was linked.

    .venv/bin/python bench/webhook.py --deliveries 20000 --connections 32
    .venv/bin/python bench/webhook.py --database postgresql --processes 2

`postgresql` is a server of the benchmark's own; it, and a service of several processes, use every
core. With `--filled` a service on a copy of that database, which `bench/fill.py` has made, takes
turns with one on an empty database of the same engine, and the ratio of their costs is printed:

    .venv/bin/python bench/webhook.py --filled sqlite:///filled/bot.db

`bench/compare.py` measures it beside other bots.
"""

import contextlib
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.deliveries import LINKED, SIZE, repositories  # noqa: E402
from bench.load import Load  # noqa: E402
from bench.meter import Use, measured, percentile  # noqa: E402
from bench.ours import Ours  # noqa: E402
from bench.service import Server, server  # noqa: E402

MOST = 1.10  # what a delivery may cost on a filled database, of what it costs on an empty one


@dataclass
class Cost:
    """What some deliveries cost."""

    load: Load
    use: Use


class Service:
    """A service on a database, and how much of the load it has had."""

    def __init__(self, subject: Ours) -> None:
        self.subject = subject
        self.linked_before = subject.linked()
        self.sent = 0

    def load(self, count: int, connections: int) -> Load:
        """Send so many deliveries; ends the benchmark if one is not linked."""
        load = self.subject.send(LINKED, connections, count=count)
        self.sent += count
        linked = self.subject.linked() - self.linked_before
        if linked != self.sent:
            raise SystemExit(f"{linked} of {self.sent} are linked")
        return load

    def measured(self, count: int, connections: int) -> Cost:
        loads: list[Load] = []
        use = measured(
            self.subject.pid,
            list(self.subject.helpers),
            lambda: loads.append(self.load(count, connections)),
        )
        return Cost(loads[0], use)


def grown(where: Server, source: str, deliveries: int, connections: int, rounds: int) -> None:
    """Print what a delivery costs on an empty database and on a copy of `source`, by turns.

    Without the worker: what the filled one owes GitHub would be worked off at its turns.
    """
    services: dict[str, Service] = {}
    costs: dict[str, list[Cost]] = {"empty": [], "filled": []}
    with contextlib.ExitStack() as stack:
        for name, origin in (("empty", None), ("filled", source)):
            subject = Ours(where, name, repositories(1), source=origin, options=["--no-worker"])
            stack.callback(subject.stop)
            services[name] = Service(subject)
            services[name].load(2_000, connections)
            subject.pause()
        for number in range(rounds):
            for name in sorted(services, reverse=number % 2 == 1):
                subject = services[name].subject
                subject.take_turn()
                costs[name].append(services[name].measured(deliveries // rounds, connections))
                subject.pause()
    print(f"database        {'postgresql' if where.url else 'sqlite':>10}")
    print(f"deliveries      {deliveries:>10,} on each, in {rounds} rounds")
    ratios = []
    for what, of in (
        ("time", lambda cost: cost.use.seconds / len(cost.load.answers)),
        ("processor time", lambda cost: cost.use.cpu / len(cost.load.answers)),
    ):
        empty, filled = (statistics.median(map(of, costs[name])) for name in ("empty", "filled"))
        ratios.append(filled / empty)
        print(
            f"{what:15} {empty * 1e6:>10,.0f} microseconds each on an empty database, "
            f"{filled * 1e6:,.0f} on a filled one: {filled / empty:.3f}"
        )
    if ratios[0] > MOST:
        raise SystemExit(f"a delivery costs more than {MOST} of that on an empty database")


@click.command()
@click.option("--deliveries", default=20_000, show_default=True)
@click.option("--connections", default=32, show_default=True)
@click.option("--warm-up", default=1_000, show_default=True)
@click.option(
    "--database",
    default="sqlite",
    show_default=True,
    help="sqlite, postgresql (a server of the benchmark's own), or the address of a server.",
)
@click.option("--processes", default=1, show_default=True)
@click.option("--repositories", "spread", default=50, show_default=True, help="Told of in turn.")
@click.option("--filled", metavar="URL", help="Compare with a copy of this filled database.")
@click.option("--rounds", default=20, show_default=True, help="Turns of each with --filled.")
def main(
    deliveries: int,
    connections: int,
    warm_up: int,
    database: str,
    processes: int,
    spread: int,
    filled: str | None,
    rounds: int,
) -> None:
    with server(filled or database) as where:
        if filled is not None:
            grown(where, filled, deliveries, connections, rounds)
            return
        subject = Ours(where, "empty", repositories(spread), processes=processes)
        try:
            service = Service(subject)
            service.load(warm_up, connections)
            cost = service.measured(deliveries, connections)
            memory = subject.memory
        finally:
            subject.stop()
    milliseconds = [one.seconds * 1000 for one in cost.load.answers]
    use = cost.use
    print(f"database        {'postgresql' if where.url else 'sqlite':>10}")
    shares = ", ".join(f"{share:.0%}" for share in use.shares)
    print(f"processes       {processes:>10}" + (f" with {shares} of the work" if shares else ""))
    print(f"body            {SIZE:>10,} bytes")
    print(f"deliveries      {deliveries:>10,} over {connections} connections, all linked")
    print(f"per second      {deliveries / use.seconds:>10,.0f}")
    print(f"processor time  {use.cpu / deliveries * 1e6:>10,.0f} microseconds each")
    if where.pid is not None:
        print(f"database server {use.server_cpu / deliveries * 1e6:>10,.0f} microseconds each")
    print(f"p50             {percentile(milliseconds, 50):>10.1f} ms")
    print(f"p99             {percentile(milliseconds, 99):>10.1f} ms")
    print(f"peak memory     {memory:>10.0f} MB")


if __name__ == "__main__":
    main()
