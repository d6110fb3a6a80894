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
"""

import asyncio
import hashlib
import hmac
import json
import statistics
import sys
import time
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.rows import BIG, INTEGRATION, REPOSITORY, WEBHOOK_SECRET  # noqa: E402
from bench.service import (  # noqa: E402
    TOKEN,
    Server,
    cpu_seconds,
    free_port,
    peak_memory,
    server,
    start,
    stop,
    tree,
)
from bot.demo import payloads  # noqa: E402

NUMBER = 876543219  # stands for the pull request's number in the template
FIRST_NUMBER = 100_000_000  # as many digits, so that every delivery has one size
SIZE = 24 * 1024
MOST = 1.10  # what a delivery may cost on a filled database, of what it costs on an empty one


def template() -> bytes:
    """Return a delivery of SIZE bytes, NUMBER wherever the pull request's number belongs."""
    repo = payloads.repository(REPOSITORY)

    def build(text: str) -> bytes:
        body = f"## What\n\nTries the new checkout.\n\nexperiment_key: {BIG}\n\n{text}"
        return payloads.encode(
            payloads.pull_request("opened", NUMBER, "2026-03-02T10:00:00Z", repo=repo, body=body)
        )

    return build("x" * (SIZE - len(build(""))))


class Connection(asyncio.Protocol):
    """One keep-alive connection that sends a delivery, waits for the answer, and goes on."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        request = self.load.next_request()
        if request is None:
            self.transport.close()
            return
        self.started = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self.received.endswith(b"}"):
            return
        self.load.answered(time.perf_counter() - self.started, self.received)
        self.received = b""
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        self.load.closed()


class Load:
    """So many deliveries over so many connections."""

    def __init__(self, path: str, first: int, count: int, connections: int) -> None:
        self.path, self.next, self.last = path, first, first + count
        self.template = template()
        self.seconds: list[float] = []
        self.refused: list[bytes] = []
        self.open = connections
        self.done = asyncio.get_running_loop().create_future()

    def next_request(self) -> bytes | None:
        if self.next >= self.last:
            return None
        number, self.next = self.next, self.next + 1
        body = self.template.replace(b"%d" % NUMBER, b"%d" % (FIRST_NUMBER + number))
        signature = hmac.digest(WEBHOOK_SECRET.encode(), body, hashlib.sha256).hex()
        return (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"X-GitHub-Event: pull_request\r\nX-GitHub-Delivery: {uuid.uuid4()}\r\n"
            f"X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def answered(self, seconds: float, answer: bytes) -> None:
        self.seconds.append(seconds)
        if not answer.endswith(b'{"processed":true}'):
            self.refused.append(answer)

    def closed(self) -> None:
        self.open -= 1
        if self.open == 0 and not self.done.done():
            self.done.set_result(None)


async def run(port: int, path: str, first: int, count: int, connections: int) -> Load:
    load = Load(path, first, count, connections)
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(load), "127.0.0.1", port)
    await load.done
    return load


def api(port: int, method: str, path: str, body: object = None) -> dict:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


class Service:
    """A service on a database, and how much of the load it has had."""

    def __init__(self, folder: str, database: str, processes: int, *, filled: bool) -> None:
        Path(folder).mkdir()
        self.port = free_port()
        self.process = start(self.port, folder, database, processes)
        self.sent = 0
        integration = INTEGRATION
        if not filled:
            api(self.port, "POST", "/experiments", {"key": BIG, "name": "Checkout"})
            body = {
                "name": "Benchmark",
                "integration_type": "GITHUB",
                "config": {"token": "ghp_benchmark", "webhook_secret": WEBHOOK_SECRET},
            }
            integration = api(self.port, "POST", "/integrations", body)["id"]
        self.path = f"/api/v1/integrations/{integration}/webhook/github"
        self.linked_before = self.linked()

    def linked(self) -> int:
        return int(api(self.port, "GET", f"/experiments/{BIG}")["counts"]["pull_requests"])

    def load(self, count: int, connections: int) -> Load:
        """Send so many deliveries; ends the benchmark if one is not linked."""
        load = asyncio.run(run(self.port, self.path, self.sent, count, connections))
        self.sent += count
        linked = self.linked() - self.linked_before
        if load.refused or linked != self.sent:
            raise SystemExit(f"{len(load.refused)} refused, {linked} linked: {load.refused[:1]!r}")
        return load


@dataclass
class Cost:
    """What some deliveries cost."""

    load: Load
    seconds: float
    cpu: float
    shares: list[float]
    server_cpu: float | None


def measured(service: Service, where: Server, count: int, connections: int) -> Cost:
    pids = tree(service.process.pid)
    before = [cpu_seconds([pid]) for pid in pids]
    server_before = cpu_seconds(tree(where.pid)) if where.pid else 0.0
    started = time.perf_counter()
    load = service.load(count, connections)
    seconds = time.perf_counter() - started
    used = [cpu_seconds([pid]) - earlier for pid, earlier in zip(pids, before, strict=True)]
    return Cost(
        load,
        seconds,
        sum(used),
        [one / sum(used) for one in used[1:]],
        cpu_seconds(tree(where.pid)) - server_before if where.pid else None,
    )


def grown(where: Server, source: str, deliveries: int, connections: int, rounds: int) -> None:
    """Print what a delivery costs on an empty database and on a copy of `source`, by turns."""
    services: dict[str, Service] = {}
    costs: dict[str, list[Cost]] = {"empty": [], "filled": []}
    try:
        for name, origin in (("empty", None), ("filled", source)):
            database = where.database(name, origin)
            folder = f"{where.folder}/of-{name}"
            services[name] = Service(folder, database, 1, filled=origin is not None)
        for service in services.values():
            service.load(2_000, connections)
        for number in range(rounds):
            for name in sorted(services, reverse=number % 2 == 1):
                each = deliveries // rounds
                costs[name].append(measured(services[name], where, each, connections))
    finally:
        for service in services.values():
            stop(service.process)
    print(f"database        {'postgresql' if where.url else 'sqlite':>10}")
    print(f"deliveries      {deliveries:>10,} on each, in {rounds} rounds")
    ratios = []
    for what, of in (
        ("time", lambda cost: cost.seconds / len(cost.load.seconds)),
        ("processor time", lambda cost: cost.cpu / len(cost.load.seconds)),
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
@click.option("--filled", metavar="URL", help="Compare with a copy of this filled database.")
@click.option("--rounds", default=20, show_default=True, help="Turns of each with --filled.")
def main(
    deliveries: int,
    connections: int,
    warm_up: int,
    database: str,
    processes: int,
    filled: str | None,
    rounds: int,
) -> None:
    with server(filled or database) as where:
        if filled is not None:
            grown(where, filled, deliveries, connections, rounds)
            return
        service = Service(f"{where.folder}/data", where.database("empty"), processes, filled=False)
        try:
            service.load(warm_up, connections)
            cost = measured(service, where, deliveries, connections)
            memory = peak_memory(tree(service.process.pid))
        finally:
            stop(service.process)
    milliseconds = sorted(one * 1000 for one in cost.load.seconds)
    print(f"database        {'postgresql' if where.url else 'sqlite':>10}")
    shares = ", ".join(f"{share:.0%}" for share in cost.shares)
    print(f"processes       {processes:>10}" + (f" with {shares} of the work" if shares else ""))
    print(f"body            {len(template()):>10,} bytes")
    print(f"deliveries      {deliveries:>10,} over {connections} connections, all linked")
    print(f"per second      {deliveries / cost.seconds:>10,.0f}")
    print(f"processor time  {cost.cpu / deliveries * 1e6:>10,.0f} microseconds each")
    if cost.server_cpu is not None:
        print(f"database server {cost.server_cpu / deliveries * 1e6:>10,.0f} microseconds each")
    print(f"p50             {statistics.median(milliseconds):>10.1f} ms")
    print(f"p99             {milliseconds[len(milliseconds) * 99 // 100]:>10.1f} ms")
    print(f"peak memory     {memory:>10.0f} MB")


if __name__ == "__main__":
    main()
