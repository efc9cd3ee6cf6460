"""Transfers as a neighbour posts them: one in a request, or several small ones behind each other.

Each is read in its turn and taken in beside the next one's reading, so that those of one request share
a commit. The first that gets no signed answer ends the request: what was answered before it is told,
the rest the neighbour sends again one by one (W4.13).

Touches: the request's body, the payload store, the uploads that went ahead.
Trusts:  nothing of a body until the desk proved it.
Raises:  what the desk and the parts raise, when not even the first was answered.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from relay.delivery.arrivals import CheckTransfer, Opened, TransferDesk
from relay.delivery.ports import PayloadStore
from relay.envelope.limits import Limits, in_units
from relay.errors import (
    EnvelopeError,
    NotFoundError,
    OverloadError,
    RelayError,
    TooLargeError,
    TransportError,
)
from relay.model import Digest, Envelope, NodeId, Payload, Signed, TransferId
from relay.transport.ahead import AheadStore
from relay.transport.intake_stream import receive
from relay.transport.nodes.parts import Body, Parts, read_parts

TRANSFERS_A_REQUEST = 16
"""More of them save little more, and wait for each other."""


class Taking:
    """What of the neighbours' transfers is being taken in."""

    def __init__(
        self, desk: TransferDesk, store: PayloadStore, ahead: AheadStore, limits: Limits
    ) -> None:
        self._desk = desk
        self._store = store
        self._ahead = ahead
        self._limits = limits
        self._under_way: Counter[tuple[NodeId, TransferId]] = Counter()
        """Transfers proven and not yet answered: nobody may say of them that they are unknown."""

    def under_way(self, neighbour: NodeId, transfer_id: TransferId) -> bool:
        return (neighbour, transfer_id) in self._under_way

    async def take(
        self,
        neighbour: NodeId,
        body: Body,
        *,
        batched: bool = False,
        refusal: OverloadError | None = None,
    ) -> list[Signed]:
        """The answers, in the order of the transfers; at least one. `batched` allows batches; `refusal` is why
        only what was answered before is answered now, by its header."""
        taken: list[asyncio.Future[Signed]] = []
        check = self._desk.notary.transfer_checker()
        try:
            while not taken or (body.more and len(taken) < TRANSFERS_A_REQUEST):
                taken.append(await self._read(neighbour, body, check, refusal, batched=batched))
        except RelayError:
            if not taken:
                raise
        finally:
            outcomes = await asyncio.gather(*taken, return_exceptions=True)
        answers: list[Signed] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                if not answers:
                    raise outcome
                break
            answers.append(outcome)
        return answers

    async def _read(
        self,
        neighbour: NodeId,
        body: Body,
        check: CheckTransfer,
        refusal: OverloadError | None,
        *,
        batched: bool,
    ) -> asyncio.Future[Signed]:
        """Read one transfer to its end; what remains to be done goes on by itself."""
        parts = await read_parts(body)
        opened = await self._desk.open(neighbour, parts.header, batched=batched, check=check)
        if refusal is not None and isinstance(opened, Opened):
            opened = await self._before(opened, refusal)
        if isinstance(opened, Signed):
            known = asyncio.get_running_loop().create_future()
            known.set_result(opened)
            return known  # its envelope stays unread, so nothing behind it is
        key = (opened.neighbour, opened.header.transfer_id)
        self._under_way[key] += 1
        try:
            rest = await self._received(opened, parts)
        except BaseException:
            self._done(key)
            raise
        task = asyncio.create_task(rest)
        task.add_done_callback(lambda _: self._done(key))
        return task

    async def _before(self, opened: Opened, refusal: OverloadError) -> Signed:
        answer = await self._desk.first_answer(opened)
        if answer is None:
            raise refusal
        return answer

    def _done(self, key: tuple[NodeId, TransferId]) -> None:
        self._under_way[key] -= 1
        if not self._under_way[key]:
            del self._under_way[key]

    async def _received(self, opened: Opened, parts: Parts) -> Coroutine[Any, Any, Signed]:
        """Once the envelope was read: what judges it, makes it durable and answers."""
        if opened.header.size_bytes > self._limits.envelope_bytes:
            return self._too_large(opened, parts)
        if parts.envelope is None:
            return self._gone_ahead(opened, parts)
        counted = _Counted(parts.envelope.chunks())
        return self._judge(opened, parts.seal, counted, *await self._receive(opened, counted))

    async def _too_large(self, opened: Opened, parts: Parts) -> Signed:
        """Refused by its signed size alone: none of it is read, none need be uploaded."""
        fault = TooLargeError(
            in_units(opened.header.size_bytes), limit=in_units(self._limits.envelope_bytes)
        )
        return await self._desk.take(opened, parts.seal, fault, None)

    async def _gone_ahead(self, opened: Opened, parts: Parts) -> Signed:
        """The envelope is what this neighbour uploaded, or what it got an answer for before (W6.2).

        An upload that is not all here yet is asked for again (404). One that is not what the header
        names is ours to lose, a crash can do that, so it is no evidence: it starts anew.
        """
        ahead, neighbour, header = self._ahead, opened.neighbour, opened.header
        answer = await self._desk.first_answer(opened)
        if answer is not None:
            ahead.forget(neighbour, header.digest)
            return answer
        if ahead.offset(neighbour, header.digest) < header.size_bytes:
            raise NotFoundError("the envelope of this transfer has not gone ahead")
        counted = _Counted(ahead.read(neighbour, header.digest), hashlib.sha256())
        received = await self._receive(opened, counted)
        signed = await self._judge(opened, parts.seal, counted, *received)
        ahead.forget(neighbour, header.digest)
        return signed

    async def _receive(
        self, opened: Opened, counted: _Counted
    ) -> tuple[Envelope | EnvelopeError, Payload | None]:
        try:
            return await receive(
                counted.read(),
                self._store,
                self._limits,
                limit_bytes=min(self._limits.envelope_bytes, opened.header.size_bytes),
                idle=None,
            )
        except EnvelopeError as error:
            return error, None

    async def _judge(
        self,
        opened: Opened,
        seal: bytes,
        counted: _Counted,
        found: Envelope | EnvelopeError,
        payload: Payload | None,
    ) -> Signed:
        header = opened.header
        try:
            if counted.damaged(header.digest):
                self._ahead.forget(opened.neighbour, header.digest)
                raise TransportError("the upload is not what its name says; it starts anew")
            if counted.size_bytes < header.size_bytes:
                raise TransportError(
                    f"{counted.size_bytes} of {header.size_bytes} bytes came: the body broke off"
                )
            return await self._desk.take(opened, seal, found, payload)
        finally:
            if payload is not None:
                await self._store.release(payload)


class _Counted:
    """Counts what came, so that a body that broke off is told from one that lies; of an upload, the
    digest too."""

    def __init__(self, stream: AsyncIterator[bytes], hashed: hashlib._Hash | None = None) -> None:
        self._stream = stream
        self._hash = hashed
        self.size_bytes = 0

    async def read(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self.size_bytes += len(chunk)
            if self._hash is not None:
                self._hash.update(chunk)
            yield chunk

    def damaged(self, digest: Digest) -> bool:
        """Whether an upload's bytes are other than its name promises."""
        return self._hash is not None and self._hash.hexdigest() != digest
