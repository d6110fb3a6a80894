"""What is measured: a program that takes deliveries on a port, ours or another's."""

import contextlib
import os
import signal
import subprocess
import time

from bench.deliveries import LINKED, Kind, Sender
from bench.load import Answer, Load, load
from bench.service import CORES, peak_memory, stop, tree


class Subject:
    """A running program, the deliveries that it is sent, and the cores that it may use."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    sender: Sender
    alone = True  # on a core of its own, the client on the other; else all share all
    helpers: tuple[int, ...] = ()  # processes beside it: its database server first

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def memory(self) -> float:
        return peak_memory(tree(self.pid))

    def stored(self, kind: Kind) -> str:
        """Return what is stored of a delivery when it is answered."""
        return "nothing"

    def accepted(self, kind: Kind, answer: Answer) -> bool:
        return 200 <= answer.status < 300

    def send(
        self, kind: Kind, connections: int, *, seconds: float = 1e9, count: int | None = None
    ) -> Load:
        """Load it with deliveries of a kind; the benchmark ends if one is refused or unanswered."""
        made = load(self.port, self.sender.requests(kind, count), connections, seconds)
        refused = [one for one in made.answers if not self.accepted(kind, one)]
        if refused or made.unanswered or not made.answers:
            example = f": {refused[0].status} {refused[0].body[:300]!r}" if refused else ""
            raise SystemExit(
                f"{self.name}: of {len(made.answers)} {kind.name} deliveries {len(refused)} were "
                f"refused and {len(made.unanswered)} not answered{example}"
            )
        return made

    def check_signatures(self) -> None:
        """End the benchmark unless it refuses a wrong signature and takes the right one."""
        self.send(LINKED, 1, count=1)
        answers = load(self.port, iter([self.sender.forged(LINKED)]), 1).answers
        if len(answers) != 1 or not 400 <= answers[0].status < 500:
            found = answers[0].status if answers else "no answer"
            raise SystemExit(f"{self.name} accepts a bad signature: {found}")

    def take_turn(self) -> None:
        """Let it run, and give this process the cores that are the client's now."""
        for pid in tree(self.pid):
            os.kill(pid, signal.SIGCONT)
        os.sched_setaffinity(0, CORES[-1:] if self.alone else CORES)

    def pause(self) -> None:
        """Hold it, so that it takes nothing from the one whose turn it is."""
        for pid in tree(self.pid):
            os.kill(pid, signal.SIGSTOP)

    def kill(self) -> None:
        """Kill all of it at once, as a crash of the machine's memory would."""
        pids = tree(self.pid)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.process.wait(20)
        while any(_runs(pid) for pid in pids[1:]):
            time.sleep(0.02)

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.take_turn()
            stop(self.process)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
