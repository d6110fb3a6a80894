"""What `bench/compare.py` has measured, as Markdown for docs/performance.md."""

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.deliveries import KINDS, SIZE, Kind
from bench.meter import Use, percentile
from bench.service import CORES, ROOT

TITLES = {
    "linked": "A pull request that names an experiment",
    "unlinked": "A pull request that names none",
    "unhandled": "An event that nobody handles",
}
TIMES = "\N{MULTIPLICATION SIGN}"
HEAD = (
    "",
    "deliveries/s",
    f"{TIMES} Probot",
    "CPU µs each",
    f"{TIMES} Probot",
    "p50 ms",
    "p99 ms",
    f"{TIMES} Probot",
    "peak MB",
    "cores busy",
)
WORTH_SAYING = 0.03  # of all cores, taken by other programs
BETWEEN = " / "  # the values of several runs


@dataclass(frozen=True)
class Turn:
    """One subject's turn with one kind of load."""

    deliveries: int
    use: Use
    seconds: list[float]  # each answer's

    @property
    def rate(self) -> float:
        return self.deliveries / self.use.seconds

    @property
    def cpu(self) -> float:
        return self.use.cpu / self.deliveries * 1e6

    @property
    def server_cpu(self) -> float:
        return self.use.server_cpu / self.deliveries * 1e6

    @property
    def p50(self) -> float:
        return percentile(self.seconds, 50) * 1000

    @property
    def p99(self) -> float:
        return percentile(self.seconds, 99) * 1000


@dataclass(frozen=True)
class Row:
    """A subject's turns with one kind of load in one run, one for each round."""

    turns: list[Turn]
    probot: list[Turn]  # in the same rounds
    memory: float
    stored: str

    def median(self, of: Callable[[Turn], float]) -> float:
        return statistics.median(map(of, self.turns))

    def ratio(self, of: Callable[[Turn], float], other: "list[Turn] | None" = None) -> float:
        pairs = zip(self.turns, other or self.probot, strict=True)
        return statistics.median(of(turn) / of(beside) for turn, beside in pairs)


# By kind and by subject.
Run = dict[tuple[str, str], Row]


def table(rows: Iterable[Sequence[str]]) -> str:
    head, *rest = rows
    rule = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rest))


def each(runs: list[Run], place: tuple[str, str], cell: Callable[[Row], str]) -> str:
    """Return a cell with the value of each run, or once if they are the same."""
    values = [cell(run[place]) for run in runs]
    return values[0] if len(set(values)) == 1 else BETWEEN.join(values)


def busy(runs: list[Run], place: tuple[str, str]) -> str:
    """Return how busy each core was, and with how much that is none of the benchmark's."""
    uses = [turn.use for run in runs for turn in run[place].turns]
    cores = (statistics.median(core) for core in zip(*(use.busy for use in uses), strict=True))
    others = statistics.median(use.others for use in uses)
    shares = ", ".join(f"{core:.0%}" for core in cores)
    return shares + (f" (others {others:.0%})" if others >= WORTH_SAYING else "")


def cpu(row: Row) -> str:
    server = row.median(lambda turn: turn.server_cpu)
    return f"{row.median(lambda turn: turn.cpu):,.0f}" + (f" + {server:,.0f}" if server else "")


CELLS: tuple[Callable[[Row], str], ...] = (
    lambda row: f"{row.median(lambda turn: turn.rate):,.0f}",
    lambda row: f"{row.ratio(lambda turn: turn.rate):.2f}",
    cpu,
    lambda row: f"{row.ratio(lambda turn: turn.cpu):.2f}",
    lambda row: f"{row.median(lambda turn: turn.p50):.1f}",
    lambda row: f"{row.median(lambda turn: turn.p99):.1f}",
    lambda row: f"{row.ratio(lambda turn: turn.p99):.2f}",
    lambda row: f"{row.memory:.0f}",
)


def beside_peers(runs: list[Run], kind: Kind) -> str:
    """Return the table of one kind of load: every subject beside Probot."""
    rows = [
        [name, *(each(runs, (of, name), cell) for cell in CELLS), busy(runs, (of, name))]
        for of, name in runs[0]
        if of == kind.name
    ]
    return table([HEAD, *rows])


def stored(runs: list[Run], kind: Kind) -> str:
    """Return what each has stored when it answers."""
    found: dict[str, list[str]] = {}
    for (of, name), row in runs[0].items():
        if of == kind.name:
            found.setdefault(row.stored, []).append(name.partition(",")[0])
    said = (f"{', '.join(dict.fromkeys(names))}: {what}" for what, names in found.items())
    return f"Stored when it is answered. {'. '.join(said)}."


def processes(runs: list[Run], pairs: list[tuple[str, str]]) -> str:
    """Return the table of two processes beside one."""
    rows = []
    for one, two in pairs:
        for kind in KINDS:
            ratios = BETWEEN.join(
                f"{run[kind, two].ratio(lambda turn: turn.rate, run[kind, one].turns):.2f}"
                for run in runs
            )
            rows.append([two, kind, ratios, busy(runs, (kind, two))])
    return table([("", "load", f"{TIMES} one process", "cores busy"), *rows])


# What is done for each kind of load beyond the kind below it.
STEPS = (
    ("take it in: HTTP, signature, parse, store, log", "unhandled", None),
    ("note the pull request: its facts and its history", "unlinked", "unhandled"),
    ("link it: keys in its text, links, feed, what GitHub is owed", "linked", "unlinked"),
)


def spent(runs: list[Run], subjects: list[str]) -> str:
    """Return the table of where processor time goes: what one kind costs beyond another."""

    def cost(run: Run, kind: str | None, name: str) -> float:
        if kind is None:
            return 0.0
        return run[kind, name].median(lambda turn: turn.cpu + turn.server_cpu)

    rows = [
        [
            step,
            *(
                BETWEEN.join(
                    f"{cost(run, kind, name) - cost(run, below, name):,.0f}" for run in runs
                )
                for name in subjects
            ),
        ]
        for step, kind, below in STEPS
    ]
    return table([("CPU µs each, of service and database server", *subjects), *rows])


def machine() -> str:
    """Return what it was measured on, with date and commit."""

    def told(*command: str) -> str:
        found = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        return found.stdout.strip()

    commit = told("git", "rev-parse", "--short", "HEAD") or "an unknown commit"
    changed = " with changes" if told("git", "status", "--porcelain", "bot") else ""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, commit {commit}{changed}: {len(CORES)} cores "
        f"({model}), {memory:.0f} GB, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}"
    )


def whole(runs: list[Run], pairs: list[tuple[str, str]], versions: str, load: str) -> str:
    """Return all of it."""
    parts = [
        f"Measured {machine()}, {versions}.",
        f"Load: deliveries of {SIZE:,} bytes {load}.",
    ]
    for name, kind in KINDS.items():
        parts += [f"### {TITLES[name]}", beside_peers(runs, kind), stored(runs, kind)]
    alone = [name for kind, name in runs[0] if kind == "linked" and name in dict(pairs)]
    if alone:
        parts += ["### What each kind adds", spent(runs, alone)]
    both = [
        (one, two) for one, two in pairs if {("linked", one), ("linked", two)} <= runs[0].keys()
    ]
    if both:
        parts += ["### Two processes beside one", processes(runs, both)]
    return "\n\n".join(parts)
