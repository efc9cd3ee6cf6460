"""Without a link: what a carry file is to delivery, and the doors its two sides need.

A carry file goes from one node to a neighbour by hand. It holds transfers, answers to the
neighbour's own transfers, and receipts travelling back; the same file either way. Beside them go
statements of revocation about who signed what is in it. Its manifest is signed, and the signature
stands for the handshake of a connection.

Touches: nothing; values and Protocols only. exporting.py writes, importing.py reads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from relay.delivery.ports import Caller
from relay.delivery.records import DeliveryRow, OpenTransfer, Ready
from relay.model import Digest, Envelope, Lane, NodeId, Payload, Signed, TransferId
from relay.wire.carry import CarryId, Manifest
from relay.wire.statements import Stapled

LEAST_BYTES, MOST_BYTES = 1 << 20, 1 << 53
"""What a carry file may be limited to."""


@dataclass(frozen=True, slots=True)
class Box:
    """A container of receipts, by their digests; `size_bytes` of the container."""

    receipts: tuple[Digest, ...]
    digest: Digest
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StatementBox:
    """A container of statements, each with the chain that it is about; `size_bytes` of the container."""

    statements: tuple[tuple[Digest, tuple[bytes, ...]], ...]
    digest: Digest
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CarryFile:
    """A carry file about to be written: all of it is decided, none of its payloads read."""

    manifest: Manifest
    signed: Signed
    answers: tuple[Box, ...]
    receipts: tuple[Box, ...]
    size_bytes: int
    more: bool
    """Whether something that waits found no room in it."""
    statements: tuple[StatementBox, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a carry file. Everything counted here is durable."""

    carry_id: CarryId
    neighbour: NodeId
    digest: Digest
    """Of the manifest."""
    transfers: int
    """Named in the manifest."""
    answered: int
    """Have a signed answer, now or from before; `refused` of these refuse some recipient."""
    refused: int
    unproven: int
    """Prove nothing, so there is no evidence."""
    put_off: int
    """May be taken another time: a clock is off."""
    damaged: int
    """Not the bytes the manifest names: lost on the way, to be carried again."""
    settled: int
    """Answers to this node's own transfers."""
    receipts: int
    """Receipts travelling back."""
    stray: int
    """Answers and receipts that prove nothing here, and containers that are none."""
    statements: int
    """Of revocation, that were news here."""
    broken: str
    """Why the file was not read to its end; empty when it was."""
    temporary: bool
    """That passes: the same file is taken in once there is room, or the link holds."""


class CarryNotary(Protocol):
    @property
    def slow(self) -> bool:
        """Whether nothing may be signed in the event loop."""
        ...

    def sign_carry(self, manifest: Manifest, at: datetime) -> Signed: ...
    def check_carry(self, signed: Signed, at: datetime, *, revocation: bool = True) -> Manifest:
        """Raises UncertainError where nobody here knows yet whether the signer's certificate is
        revoked, unless that is left out."""
        ...


class Shelf(Protocol):
    """What the journal knows beyond records.Journal. Every write is durable when it returns."""

    async def waiting(
        self, neighbour: NodeId, lane: Lane, after: DeliveryRow, limit: int
    ) -> list[Ready]: ...
    async def unanswered(
        self, neighbour: NodeId, lane: Lane, *, exported: bool, after: str, limit: int
    ) -> list[OpenTransfer]: ...
    async def frozen(
        self, neighbour: NodeId, transfer_id: TransferId
    ) -> tuple[Signed, bytes] | None: ...
    async def exported(self, transfers: Sequence[TransferId], at: datetime) -> None: ...
    async def returns(self, neighbour: NodeId, limit: int) -> list[tuple[Digest, int]]: ...
    async def receipts(self, digests: Sequence[Digest]) -> list[Signed]: ...
    async def known(self, neighbour: NodeId, transfers: Sequence[TransferId]) -> bool: ...
    async def handed_over(self, neighbour: NodeId, receipts: Sequence[Digest]) -> None: ...


class CarriedStatements(Protocol):
    """The statements of revocation that this node has, and how it comes to more."""

    async def resting(self, signatures: Sequence[bytes]) -> dict[Digest, tuple[bytes, ...]]:
        """On what its verdicts about its own certificates and about these signers rest, in this order;
        of each statement the chain that it is about."""
        ...

    async def contents(self, digests: Sequence[Digest]) -> dict[Digest, bytes]:
        """Of those that are stored."""
        ...

    async def take(self, neighbour: NodeId, found: Sequence[Stapled]) -> int:
        """How many were proven and are news, durable when it returns; the rest is left out."""
        ...


Receive = Callable[[AsyncIterator[bytes], int], Awaitable[tuple[Envelope, Payload]]]
"""Reads and stores an envelope of at most so many bytes, as transfers' are (transport)."""


Room = Callable[[NodeId, int], AbstractContextManager[None]]
"""Held while a new document of so many bytes, of that neighbour, is taken in: by hand it is new work as by
wire. Raises OverloadError under the disk's reserve and over a quota."""


class CarryDesk(Protocol):
    """What operators may ask; `why` is their own words for the audit log."""

    async def export(
        self, by: Caller, neighbour: NodeId, limit_bytes: int, why: str, *, statements: bool = True
    ) -> CarryFile:
        """Decide on a file, sign it, and put what it carries in doubt: all durable, so the file may
        be written from now on. Without `statements` a node of an earlier release reads it. Raises
        NotFoundError when nothing waits, or nothing that fits."""
        ...

    async def take(
        self, by: Caller, why: str, chunks: AsyncIterator[bytes], *, statements: bool = False
    ) -> tuple[Imported, CarryFile | None]:
        """Take a file in, and what is to be brought back. Safe to repeat; what was taken before a
        fault in the file stays taken. What is brought back has statements where the file had any, or
        they are asked for.

        Raises SignatureError, WireError, DamagedError for a file that is not a neighbour's for us:
        nothing of it was looked at. OverloadError while another file is being read.
        """
        ...

    def write(self, file: CarryFile) -> AsyncIterator[bytes]:
        """The file's bytes, `size_bytes` of them; memory holds one chunk or container."""
        ...
