"""A hand: the one thread in which a slow key signs, what is needed most urgently first.

A token's library breaks when two threads use it, and a slow signature must stop neither the event
loop nor another key's. Whatever is asked of a hand is done one after the other: receipts, for which a
2xx or a neighbour's answer waits, before transfer headers, and those before seals.

Touches: a thread of its own, begun with the first work, ended with the process.
Raises:  what the work raises.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from enum import IntEnum
from typing import Any, TypeVar

T = TypeVar("T")


class Rank(IntEnum):
    """The lower is done first."""

    RECEIPT = 0
    TRANSFER = 1
    SEAL = 2


class Hand:
    """Safe to use from any thread, its own included."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: queue.PriorityQueue[tuple[Rank, int, Future[Any], Callable[[], Any]]] = (
            queue.PriorityQueue()
        )
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def do(self, rank: Rank, work: Callable[[], T]) -> Future[T]:
        """Soon; the future may be cancelled until its turn comes."""
        future: Future[T] = Future()
        self._work.put((rank, next(self._order), future, work))
        self._begin()
        return future

    def wait_for(self, rank: Rank, work: Callable[[], T]) -> T:
        """`do`, waited for; at once in the hand's own thread, where it is part of a larger work."""
        if threading.current_thread() is self._thread:
            return work()
        return self.do(rank, work).result()

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            _, _, future, work = self._work.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001  whoever waits for it judges it
                future.set_exception(error)
            del future, work
