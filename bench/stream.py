"""Ten times GitHub's public event stream, at its own pace, and whether all of it is kept.

Sends 360 deliveries a second for five minutes whatever the answers do, as an App gets them that
hears of checks: 80 % are check runs and suites of other Apps, the rest pushes, pull requests,
comments, issues and deployments of thousands of repositories of hundreds of owners. Prints how
long answers took from when each delivery was due, what the service used and how the database grew;
then asks the API for every delivery and every pull request. Ends with an error if one is refused
or lost.

    .venv/bin/python bench/stream.py
    .venv/bin/python bench/stream.py --database postgresql --processes 2 --rate 1000 --seconds 60
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.deliveries import Delivery  # noqa: E402
from bench.load import Stream, stream  # noqa: E402
from bench.meter import Use, measured, percentile  # noqa: E402
from bench.mix import Mix  # noqa: E402
from bench.ours import Ours, api  # noqa: E402
from bench.report import machine, table  # noqa: E402
from bench.service import server  # noqa: E402

PAGE = 200  # the most that a list gives
WARM_UP = 5  # seconds at the same rate, not measured


def size_of(database: str) -> int:
    """Return how many bytes a database has on disk."""
    if not database.startswith("sqlite:"):
        with psycopg.connect(database) as connection:
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        assert row is not None
        return int(row[0])
    path = Path(database.partition(":///")[2])
    return sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*"))


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def check_answers(made: Stream) -> None:
    refused = [one for one in made.answers if one.status != 200]
    if refused or made.unanswered or made.waiting:
        example = f": {refused[0].status} {refused[0].body[:300]!r}" if refused else ""
        raise SystemExit(
            f"{len(refused)} refused, {len(made.unanswered) + len(made.waiting)} not answered"
            f"{example}"
        )


def stored(subject: Ours) -> set[str]:
    """Return the ids of all deliveries that the API lists."""
    found: set[str] = set()
    path = f"/integrations/{subject.integration}/deliveries?limit={PAGE}"
    cursor = ""
    while True:
        page = api(subject.port, "GET", path + cursor)
        found.update(one["id"] for one in page["items"])
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def check_stored(subject: Ours, sent: list[Delivery]) -> str:
    """Ask for all that was sent; the benchmark ends if something is missing."""
    lost = {one.guid for one in sent} - stored(subject)
    if lost:
        raise SystemExit(f"{len(lost)} of {len(sent)} deliveries are lost, such as {min(lost)}")
    last = {(one.repository, one.number): one for one in sent if one.number is not None}
    subject.acknowledged = [*last.values()]
    subject.check()
    return f"{len(sent):,} deliveries are listed, {len(last):,} pull requests as they must be"


def lines(
    made: Stream, use: Use, grown: int, memory: float, rate: float
) -> Iterator[tuple[str, str]]:
    """Yield what was measured, each with its value."""
    count = len(made.answers)
    milliseconds = [one.seconds * 1000 for one in made.answers]
    events = Counter(one.about.event for one in made.answers)
    yield "sent", f"{count:,} at {rate:g}/s, answered in {use.seconds:.1f} s"
    yield "of these", ", ".join(f"{n / count:.1%} {event}" for event, n in events.most_common())
    for name, of_hundred in (("p50", 50), ("p99", 99), ("p99.9", 99.9)):
        yield name, f"{percentile(milliseconds, of_hundred):.1f} ms"
    yield "longest", f"{max(milliseconds):.1f} ms; at most {made.most_waiting} waited to be sent"
    yield "processor", f"{use.cpu / use.seconds:.1%} of a core, {use.cpu / count * 1e6:.0f} µs each"
    if use.server_cpu:
        yield "server", f"{use.server_cpu / use.seconds:.1%} of a core"
    busy = ", ".join(f"{one:.0%}" for one in use.busy)
    yield "cores busy", f"{busy} (others {use.others:.0%})"
    yield "peak memory", f"{memory:.0f} MB"
    yield "database", f"grew by {grown / 1e6:,.0f} MB, {grown / count:,.0f} bytes each"


@click.command()
@click.option("--rate", default=360.0, show_default=True, help="Deliveries a second.")
@click.option("--seconds", default=300.0, show_default=True)
@click.option("--repositories", default=2_000, show_default=True, help="Of hundreds of owners.")
@click.option("--connections", default=32, show_default=True)
@click.option("--database", default="sqlite", show_default=True, help="As bench/webhook.py's.")
@click.option("--processes", default=1, show_default=True)
def main(
    rate: float, seconds: float, repositories: int, connections: int, database: str, processes: int
) -> None:
    """Replay a stream of deliveries and see that none is lost."""
    count = int(rate * seconds)
    with server(database) as where:
        subject = Ours(where, "stream", [], processes=processes)
        try:
            mix = Mix(subject.sender.path, repositories)
            warm_up = stream(
                subject.port, mix.requests(int(rate * WARM_UP), now()), connections, rate
            )
            check_answers(warm_up)
            before = size_of(subject.database)
            streams: list[Stream] = []

            def replay() -> None:
                requests = mix.requests(count, now())
                streams.append(stream(subject.port, requests, connections, rate))

            use = measured(subject.pid, list(subject.helpers), replay)
            made = streams[0]
            check_answers(made)
            memory, grown = subject.memory, size_of(subject.database) - before
            kept = check_stored(subject, [one.about for one in warm_up.answers + made.answers])
        finally:
            subject.stop()
    print(f"Measured {machine()}.\n")
    title = f"{'SQLite' if where.url is None else 'PostgreSQL'}, processes: {processes}"
    print(table([("", title), *lines(made, use, grown, memory, rate), ("none lost", kept)]))


if __name__ == "__main__":
    main()
