"""What a piece of work costs: time, processor time, memory, and how busy the cores were."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.service import CORES, cpu_seconds, tree


@dataclass(frozen=True)
class Use:
    """What was used while something ran."""

    seconds: float
    cpu: float  # seconds of processor time, of the service
    shares: list[float]  # of the service's processes but the first, each of all its work
    server_cpu: float  # of the database server, if it is the benchmark's own
    busy: list[float]  # share of the time in which each core was busy
    others: float  # share of all cores that other programs of the machine took


def core_seconds() -> list[tuple[float, float]]:
    """Return how long each core has been busy, and how long there has been."""
    found = []
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name[:3] == "cpu" and name[3:].isdigit() and int(name[3:]) in CORES:
            user, nice, system, idle, waiting, irq, soft, stolen = map(int, ticks[:8])
            busy = user + nice + system + irq + soft + stolen
            found.append((busy, busy + idle + waiting))
    per_second = os.sysconf("SC_CLK_TCK")
    return [(busy / per_second, total / per_second) for busy, total in found]


def measured(pid: int, helpers: list[int], work: Callable[[], None]) -> Use:
    """Do some work and return what the service at `pid` used for it.

    `helpers` are the processes that belong to the service without being its own: the database
    server first, and what stands between.
    """
    pids = tree(pid)
    aside = [tree(one) for one in helpers]
    before = [cpu_seconds([one]) for one in pids]
    aside_before = [cpu_seconds(one) for one in aside]
    client_before, cores_before = cpu_seconds([os.getpid()]), core_seconds()
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    cores = core_seconds()
    used = [cpu_seconds([one]) - earlier for one, earlier in zip(pids, before, strict=True)]
    # A database server may have started processes since.
    beside = [
        cpu_seconds(tree(one)) - earlier for one, earlier in zip(helpers, aside_before, strict=True)
    ]
    busy = [now[0] - then[0] for now, then in zip(cores, cores_before, strict=True)]
    total = [max(now[1] - then[1], 0.01) for now, then in zip(cores, cores_before, strict=True)]
    known = sum(used) + sum(beside) + cpu_seconds([os.getpid()]) - client_before
    cpu = max(sum(used), 1e-9)
    return Use(
        seconds,
        cpu,
        [one / cpu for one in used[1:]],
        beside[0] if beside else 0.0,
        [part / whole for part, whole in zip(busy, total, strict=True)],
        max(0.0, (sum(busy) - known) / sum(total)),
    )


def percentile(values: list[float], of_hundred: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * of_hundred / 100))]
