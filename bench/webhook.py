"""How many signed deliveries a second the service stores and links, and how long each waits.

Starts the service on one core and loads it from another over keep-alive connections with signed
`pull_request` deliveries of 24 KB, each of another pull request with an experiment key. Prints
deliveries per second, p50 and p99 of the answer time, and the peak memory of the service; then
checks that every delivery was linked.

    .venv/bin/python bench/webhook.py --deliveries 20000 --connections 32
"""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bot.demo import payloads  # noqa: E402

TOKEN = "the-admin-token-of-a-benchmark"
SECRET = "the-webhook-secret-of-a-benchmark"
NUMBER = 876543219  # stands for the pull request's number in the template
FIRST_NUMBER = 100_000_000  # as many digits, so that every delivery has one size
SIZE = 24 * 1024


def template() -> bytes:
    """Return a delivery of SIZE bytes, NUMBER wherever the pull request's number belongs."""
    repo = payloads.repository("acme/shop")

    def build(text: str) -> bytes:
        body = f"## What\n\nTries the new checkout.\n\nexperiment_key: checkout\n\n{text}"
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
        signature = hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
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


def start(port: int, folder: str) -> subprocess.Popen[bytes]:
    cores = sorted(os.sched_getaffinity(0))
    process = subprocess.Popen(
        [sys.executable, "app.py", "serve"],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": folder, "PORT": str(port), "ADMIN_TOKEN": TOKEN},
        stdout=subprocess.DEVNULL,
        stderr=(Path(folder) / "log").open("wb"),
        preexec_fn=lambda: os.sched_setaffinity(0, {cores[0]}),
    )
    os.sched_setaffinity(0, {cores[-1]})
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1).close()
            return process
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the service did not start")


def peak_memory(pid: int) -> float:
    """Return the peak resident memory of a process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1000
    raise RuntimeError("no VmHWM")


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@click.command()
@click.option("--deliveries", default=20_000, show_default=True)
@click.option("--connections", default=32, show_default=True)
@click.option("--warm-up", default=1_000, show_default=True)
def main(deliveries: int, connections: int, warm_up: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        process = start(port, folder)
        try:
            api(port, "POST", "/experiments", {"key": "checkout", "name": "Checkout"})
            integration = api(
                port,
                "POST",
                "/integrations",
                {
                    "name": "Benchmark",
                    "integration_type": "GITHUB",
                    "config": {"token": "ghp_benchmark", "webhook_secret": SECRET},
                },
            )
            path = integration["webhook_url"].split(str(port), 1)[1]
            asyncio.run(run(port, path, 0, warm_up, connections))
            started, cpu = time.perf_counter(), cpu_seconds(process.pid)
            load = asyncio.run(run(port, path, warm_up, deliveries, connections))
            elapsed = time.perf_counter() - started
            cpu = cpu_seconds(process.pid) - cpu
            linked = api(port, "GET", "/experiments/checkout")["counts"]["pull_requests"]
            memory = peak_memory(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    if load.refused or linked != warm_up + deliveries:
        raise SystemExit(f"{len(load.refused)} refused, {linked} linked: {load.refused[:1]!r}")
    milliseconds = sorted(one * 1000 for one in load.seconds)
    print(f"body            {len(template()):>10,} bytes")
    print(f"deliveries      {deliveries:>10,} over {connections} connections, all linked")
    print(f"per second      {deliveries / elapsed:>10,.0f}")
    print(f"processor time  {cpu / deliveries * 1e6:>10,.0f} microseconds each")
    print(f"p50             {statistics.median(milliseconds):>10.1f} ms")
    print(f"p99             {milliseconds[len(milliseconds) * 99 // 100]:>10.1f} ms")
    print(f"peak memory     {memory:>10.0f} MB")


if __name__ == "__main__":
    main()
