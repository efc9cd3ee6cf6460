"""Tasks that run as long as the node does; one that ends by itself is a fault of ours.

Touches: asyncio's tasks; the process, by SIGTERM to itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import structlog

from relay.lines import Line

log = structlog.get_logger("relay.node")


@dataclass(slots=True)
class Background:
    """Each task is cancelled when its turn comes in `exits`."""

    exits: AsyncExitStack
    stopping: bool = False
    failed: bool = False
    """Whether a task ended with an error."""

    def run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """A background task whose end is a fault of ours."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)

        async def cancel() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

        self.exits.push_async_callback(cancel)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical(Line.TASK_FAILED, task=task.get_name(), exc_info=error)
            if not self.failed and not self.stopping:  # a second signal ends it at once
                os.kill(os.getpid(), signal.SIGTERM)
            self.failed = True
