"""Names the process that holds a queue, so that another on the same machine can tell it is dead.

Only where that is certain is it told: on Linux, within one boot and one process namespace.
Everywhere else a lease has to run out.
"""

import hashlib
import os
import uuid
from pathlib import Path


def name() -> str:
    """Return a name for this process that no other ever has."""
    return f"{_machine()}/{os.getpid()}/{_started(os.getpid()) or '?'}/{uuid.uuid4()}"


def is_dead(owner: str) -> bool:
    """Tell whether the process of this name has certainly ended."""
    machine, pid, started, _ = owner.split("/")
    return machine == _machine() and started != "?" and _started(int(pid)) != started


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return uuid.uuid4().hex
    return hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()[:16]


def _started(pid: int) -> str | None:
    """Return when a process was started, in ticks since the boot; None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The name, in parentheses, may hold anything. A zombie has ended, though it is still listed.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
