"""What is done for many at once, at the end of the event loop's present turn.

A delivery is answered together with those of its batch. What each leaves behind is cheaper to do
for all of them than for one after the other, between their answers.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Together(Generic[T]):
    """Gathers what comes in one turn of the loop, and has it handled before the next one.

    It is handled before the next step of any task that goes on after it has added something.
    """

    def __init__(self, handle: Callable[[list[T]], None]) -> None:
        self._handle = handle
        self._gathered: list[T] = []
        self._loop: asyncio.AbstractEventLoop | None = None  # that handles what is gathered

    def add(self, one: T) -> None:
        """Have something handled soon. Called on the event loop."""
        loop = asyncio.get_running_loop()
        if not self._gathered or loop is not self._loop:  # one before may have ended too early
            self._loop = loop
            loop.call_soon(self._settle)
        self._gathered.append(one)

    def _settle(self) -> None:
        gathered, self._gathered = self._gathered, []
        if gathered:
            self._handle(gathered)
