"""Work side by side, so many at a time, that shares the journal's commits and is never cut off.

A piece of work that was begun is waited for, whatever happens: what it asked of the journal may be
durable already, and what it holds must not be let go before. The first error keeps what was not begun
from beginning.

Touches: asyncio's tasks. Raises: the first error of the work, once all of it has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import ParamSpec, Self

P = ParamSpec("P")


@dataclass(slots=True)
class Several:
    """`async with Several(32) as several: await several.begin(work, …)`."""

    at_once: int
    _places: asyncio.Semaphore = field(init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _error: Exception | None = None

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.at_once)

    async def begin(
        self, work: Callable[P, Awaitable[None]], *args: P.args, **named: P.kwargs
    ) -> None:
        """As soon as there is a place for it. Raises the first error of what was begun before."""
        await self._places.acquire()
        if self._error is not None:
            raise self._error
        task = asyncio.create_task(self._run(work, *args, **named))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(
        self, work: Callable[P, Awaitable[None]], *args: P.args, **named: P.kwargs
    ) -> None:
        try:
            await work(*args, **named)
        except Exception as error:  # noqa: BLE001  raised where the work was begun
            self._error = self._error or error
        finally:
            self._places.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        if self._error not in (None, error) and not isinstance(error, asyncio.CancelledError):
            raise self._error from error
