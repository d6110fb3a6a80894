"""What is done for many at once: in one turn of the event loop, or while they all wait for it.

A delivery is answered together with those of its batch. What each leaves behind is cheaper to do
for all of them than for one after the other, between their answers.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

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


class Once(Generic[T]):
    """Finds something out once for all who want to know it at the same time, by what it is about.

    It goes on if who was the first goes away.
    """

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, about: Hashable, find: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what `find` finds, or is finding already; raises what it raises."""
        if about not in self._under_way:
            task = asyncio.create_task(find())
            self._under_way[about] = task
            task.add_done_callback(lambda _: self._under_way.pop(about, None))
        return await asyncio.shield(self._under_way[about])
