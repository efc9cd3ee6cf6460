"""Long work beside the event loop: a circular to thousands takes a tenth of a second to sign or prove.

Small work is done at once, since a thread costs more than it; the line is drawn where the work takes
about two milliseconds.

Touches: the default thread pool. Raises: what the work raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MANY_RECIPIENTS = 64
LONG_DOCUMENT_BYTES = 32 * 1024


async def aside(long: bool, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """`work(*args)`, in a thread when it is `long`."""
    if long:
        return await asyncio.to_thread(work, *args, **named)
    return work(*args, **named)
