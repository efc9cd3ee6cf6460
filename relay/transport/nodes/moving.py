"""Bodies on thin links: as slow as need be, as long as they move.

A limit on a request's whole time would kill every large document on a link of 64 kbit/s; none at all
would leave a slot to a link that is gone. So the time runs between one piece of a body and the next,
and the answer's own limit begins when the last piece is out.

Touches: the running request's task; options of sockets.
Raises:  TimeoutError in the task that entered `patience.limit`, when a body stands still.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

PIECE_BYTES = 1 << 16
"""Eight seconds of 64 kbit/s."""
UNSENT_BYTES = 1 << 17
"""What the kernel takes before it is sent: more would pass for sent while it still waits, and run into
the time that the neighbour has for its answer."""


class Patience:
    """How long a body may stand still on its way out."""

    def __init__(self, span: timedelta) -> None:
        self._seconds = span.total_seconds()
        self.limit = asyncio.timeout(None)

    async def pieces(self, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """The same bytes in small pieces, each within the span after the one before."""
        async for chunk in chunks:
            for start in range(0, len(chunk), PIECE_BYTES):
                self._until(asyncio.get_running_loop().time() + self._seconds)
                yield chunk[start : start + PIECE_BYTES]
        self._until(None)

    def _until(self, when: float | None) -> None:
        with suppress(RuntimeError):  # the answer came before the body was through
            self.limit.reschedule(when)


def make_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket for aiohttp's connector that holds little unsent."""
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None:
        made.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
    return made
