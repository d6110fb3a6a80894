"""Several serving processes on one port (SO_REUSEPORT): starts them, restarts them, ends them."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

import bot
from bot import listening
from bot.log import logger
from bot.settings import Settings
from bot.shared_metrics import Folder
from bot.stopping import stop_event

STOP_SECONDS = 10.0  # after which a process that was told to stop is killed
_STEADY_SECONDS = 5.0  # a process that lived so long is started again at once
_FOLDER = Path(bot.__file__).parents[1]  # a checkout, or where packages are installed


async def run(
    settings: Settings, processes: int, *, with_worker: bool, on_start: Callable[[], None]
) -> None:
    """Keep `processes` of them serving until SIGTERM or SIGINT; raises OSError if they cannot.

    The first of them runs the worker as well.
    """
    # Bound, but not listening: holds the address against other programs and takes no connection.
    listening.bound_socket(settings.host, settings.port).close()  # another of us, too
    holder = listening.bound_socket(settings.host, settings.port, reuse_port=True)
    on_start()
    metrics = Folder(processes, settings.data_dir)
    stopping = stop_event()
    keepers = [
        asyncio.create_task(_keep(index, metrics, stopping, with_worker=with_worker and index == 0))
        for index in range(processes)
    ]
    try:
        await asyncio.gather(*keepers)
    finally:
        holder.close()
        metrics.remove()


async def _keep(index: int, metrics: Folder, stopping: asyncio.Event, *, with_worker: bool) -> None:
    # Children find what we do, such as extensions in the folder of `python -m bot`.
    path = os.pathsep.join([str(_FOLDER), *filter(None, sys.path)])
    pause = 0.1
    while not stopping.is_set():
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "bot", "serve", "--supervised"),
            "--worker" if with_worker else "--no-worker",
            env={**os.environ, "PYTHONPATH": path, **metrics.environment()},
            stdin=asyncio.subprocess.PIPE,  # its end tells the process that we are gone
            start_new_session=True,  # Ctrl-C is for us to pass on
        )
        logger.info("process started", process=index, pid=process.pid)
        ended = asyncio.create_task(process.wait())
        told = asyncio.create_task(stopping.wait())
        await asyncio.wait((ended, told), return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if stopping.is_set():
            await _stop(process)
            return
        if metrics.path is not None:
            mark_process_dead(process.pid, metrics.path)  # type: ignore[no-untyped-call]
        lived = time.monotonic() - started
        pause = 0.1 if lived > _STEADY_SECONDS else min(pause * 2, 10.0)
        said = {"process": index, "pid": process.pid, "reason": _reason(process.returncode)}
        logger.error("process died", code=process.returncode, again_in=pause, **said)
        try:
            await asyncio.wait_for(stopping.wait(), pause)
        except TimeoutError:
            continue


def _reason(code: int | None) -> str:
    """Return what has ended a process, in words."""
    if code is None or code >= 0:
        return "it ended by itself; what it said before tells why"
    return signal.strsignal(-code) or f"signal {-code}"


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        logger.error("process killed", pid=process.pid)
        process.kill()
        await process.wait()
