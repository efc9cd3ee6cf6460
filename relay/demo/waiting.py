"""Wait for what must come true, as long as is fair and no longer.

Touches: the event loop's clock.
Raises:  TransportError that names the step, how long it was given and what stood in the way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryError,
    retry_if_exception_type,
    stop_after_delay,
    wait_fixed,
)

from relay.errors import TransportError

PATIENCE_SECONDS = 30.0
_EVERY_SECONDS = 0.05

Found = TypeVar("Found")


class NotYetError(TransportError):
    """What was looked for is not there yet."""


async def until(
    what: str,
    look: Callable[[], Awaitable[Found]],
    guard: Callable[[], None],
    seconds: float = PATIENCE_SECONDS,
) -> Found:
    """What `look` finds, once it raises no TransportError any more.

    `guard` is asked before each look, and what it raises ends the waiting: a node that died will
    not come true.
    """

    async def asked() -> Found:
        try:
            return await look()
        except TransportError as error:
            raise NotYetError(str(error)) from error

    retrying = AsyncRetrying(
        stop=stop_after_delay(seconds),
        wait=wait_fixed(_EVERY_SECONDS),
        retry=retry_if_exception_type(NotYetError),
    )
    try:
        async for attempt in retrying:
            with attempt:
                guard()
                return await asked()
    except RetryError as error:
        last = error.last_attempt.exception()
        raise TransportError(f"{what}: not within {seconds:.0f} s: {last}") from None
    raise AssertionError("unreachable")
