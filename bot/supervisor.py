"""Several serving processes on one port (SO_REUSEPORT): starts them, restarts them, ends them."""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

import bot
from bot import listening
from bot.log import logger
from bot.settings import Settings
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
    metrics = tempfile.mkdtemp(prefix="experiment-bot-metrics-")
    stopping = stop_event()
    keepers = [
        asyncio.create_task(_keep(index, metrics, stopping, with_worker=with_worker and index == 0))
        for index in range(processes)
    ]
    try:
        await asyncio.gather(*keepers)
    finally:
        holder.close()
        shutil.rmtree(metrics, ignore_errors=True)


async def _keep(index: int, metrics: str, stopping: asyncio.Event, *, with_worker: bool) -> None:
    # Children find what we do, such as extensions in the folder of `python -m bot`.
    path = os.pathsep.join([str(_FOLDER), *filter(None, sys.path)])
    pause = 0.1
    while not stopping.is_set():
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "bot", "serve", "--supervised"),
            "--worker" if with_worker else "--no-worker",
            env={**os.environ, "PYTHONPATH": path, "PROMETHEUS_MULTIPROC_DIR": metrics},
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
        mark_process_dead(process.pid, metrics)  # type: ignore[no-untyped-call]
        lived = time.monotonic() - started
        pause = 0.1 if lived > _STEADY_SECONDS else min(pause * 2, 10.0)
        logger.error(
            "process died", process=index, pid=process.pid, code=process.returncode, again_in=pause
        )
        try:
            await asyncio.wait_for(stopping.wait(), pause)
        except TimeoutError:
            continue


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        logger.error("process killed", pid=process.pid)
        process.kill()
        await process.wait()
