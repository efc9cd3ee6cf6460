"""Where the gate takes nothing new: what may be a repeat is read all the same, and thrown away as it comes.

A small body is always looked at. A larger one only where its request names bytes, or an idempotency key, that are known:
else it could cost a link an hour to be told what it is told at once now.

Touches: the gate. Trusts: nothing; a digest that is named is compared like any other.
Raises:  OverloadError and its kin.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from relay.delivery.ports import Accepted, Caller, Submission, Upload
from relay.delivery.pressure.gate import entered
from relay.delivery.pressure.quota import caller_party
from relay.delivery.pressure.repeats import Repeats
from relay.envelope.limits import in_units
from relay.errors import LostPayloadError, OverloadError, TooLargeError
from relay.model import Digest, Payload
from relay.transport.intake_stream import digest_starts, is_named

if TYPE_CHECKING:
    from relay.transport.axis.face import Face
    from relay.transport.native.inside import Inside

SMALL_BYTES: Final = 1 << 20
Doors = TypeVar("Doors", "Face", "Inside")


@asynccontextmanager
async def admitted(
    doors: Doors,
    caller: Caller,
    size_bytes: int | None,
    *,
    digest: str | None = None,
    key: str | None = None,
) -> AsyncIterator[Doors]:
    """The doors to hand a submission in at, while its body is read. `digest` is what the request says it will
    be, in either form that clients write, `key` its idempotency key."""
    with entered(doors.gate, caller_party(caller.holder), size_bytes) as refusal:
        if refusal is None:
            yield doors
            return
        repeats = doors.repeats
        if repeats is None or not caller.agencies:
            raise refusal
        small = size_bytes is not None and size_bytes <= SMALL_BYTES
        if not small and not await _known(repeats, caller, digest, key):
            raise refusal
        yield replace(doors, store=_Nowhere(), intake=_OnlyRepeats(repeats, refusal))


async def _known(repeats: Repeats, caller: Caller, digest: str | None, key: str | None) -> bool:
    if key is not None and await repeats.is_bound(caller, key):
        return True
    if digest is None or not (starts := digest_starts(digest)):
        return False
    found = await repeats.handed_in(caller, starts)
    return any(is_named(digest, bytes.fromhex(one)) for one in found)


@dataclass(frozen=True, slots=True)
class _OnlyRepeats:
    """delivery.ports.Intake."""

    repeats: Repeats
    refusal: OverloadError

    async def submit(self, submission: Submission) -> Accepted:
        answer = await self.repeats.answer(submission)
        if answer is None:
            raise self.refusal
        return answer


class _Nowhere:
    """delivery.ports.PayloadStore that keeps nothing."""

    def begin(self, limit_bytes: int) -> Upload:
        return _Hashed(limit_bytes)

    def read(self, payload: Payload, start_bytes: int = 0) -> AsyncIterator[bytes]:
        raise LostPayloadError(f"the bytes of {payload.digest} were only looked at")

    async def release(self, payload: Payload) -> None:
        """There is nothing to release."""


class _Hashed:
    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._hash = hashlib.sha256()
        self._size_bytes = 0

    def write(self, chunk: bytes) -> None:
        self._size_bytes += len(chunk)
        if self._size_bytes > self._limit_bytes:
            raise TooLargeError(in_units(self._size_bytes), limit=in_units(self._limit_bytes))
        self._hash.update(chunk)

    async def finish(self) -> Payload:
        return Payload(Digest(self._hash.hexdigest()), self._size_bytes, None, None)

    def abort(self) -> None:
        """There is nothing to forget."""
