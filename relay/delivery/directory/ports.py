"""What the keeper of the directory asks of the journal, the notary and the wire, and offers the faces.

Touches: nothing; values and Protocols only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from relay.agencies import Agency, Stamp
from relay.delivery.directory.preparing import Made, Work
from relay.delivery.ports import Caller
from relay.model import AgencyCode, Digest, NodeId, Signed
from relay.routing.book import Book
from relay.routing.listing import Table
from relay.wire.branch import BranchHead

CAPABILITY = "directory"
"""In what a node tells of itself (docs/wire-format.md W9)."""
CERTIFICATES_CAPABILITY = "directory-certificates"
"""It reads documents that bind certificates to agencies (W11.6)."""


class RequestKind(StrEnum):
    REGISTER = "register"
    DELETE = "delete"


class RequestState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Request:
    """What a system asked for, and what became of it."""

    request_id: int
    systemid: str
    kind: RequestKind
    agency: Agency
    state: RequestState
    asked_at: datetime
    decided_at: datetime | None = None
    by: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Of a request, in the transaction of the change that it brings."""

    request_id: int
    state: RequestState


@dataclass(frozen=True, slots=True)
class Held:
    """The newest of what an owner signed, as it is told to neighbours."""

    issuer: NodeId
    version: int
    digest: Digest
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Document:
    """Of a branch, signed and proven."""

    head: BranchHead
    signed: Signed
    digest: Digest
    """Of tens of megabytes: found out once, beside the event loop."""
    agencies: int
    """How many it speaks of."""


@dataclass(frozen=True, slots=True)
class Written:
    """One change of the directory, about to become durable with its audit entries."""

    at: datetime
    by: str
    why: str
    made: Made
    as_of: str
    documents: tuple[Document, ...] = ()
    heard_from: NodeId | None = None
    decision: Decision | None = None


class Workshop(Protocol):
    """Where changes are prepared, beside the event loop."""

    async def make(self, work: Work) -> Made:
        """Raises DirectoryError, SignatureError, WireError; JournalError."""
        ...


class DirectoryJournal(Protocol):
    async def view(self, as_of: str) -> Book | None:
        """What is in force, if it would be seen the same as of that."""
        ...

    async def held(self) -> list[Held]: ...

    async def write(self, written: Written) -> None:
        """In force with its last transaction. Raises NotPossibleError for a request that is decided."""
        ...

    async def document(self, issuer: NodeId) -> Signed | None: ...

    async def refused(self, neighbour: NodeId, reason: str, digest: Digest, at: datetime) -> None:
        """Only the audit entry."""
        ...

    async def ask(
        self, systemid: str, kind: RequestKind, agency: Agency, at: datetime, most: int
    ) -> Request:
        """The same question again is the same request. Raises QuotaError past `most` waiting."""
        ...

    async def request(self, request_id: int) -> Request | None: ...

    async def pending(self, after: int, limit: int) -> list[Request]: ...

    async def reject(self, request_id: int, by: str, why: str, at: datetime) -> None:
        """Raises NotPossibleError for one that is decided."""
        ...

    async def registered(self) -> dict[str, frozenset[AgencyCode]]:
        """Of each system what it registered with an operator's yes."""
        ...


class DirectoryNotary(Protocol):
    def sign_branch(self, head: BranchHead, content: bytes, at: datetime) -> Signed: ...

    def check_branch(self, signed: Signed, at: datetime) -> BranchHead:
        """Its signature and its head, received at that instant. Raises SignatureError (UncertainError where it
        may be proven later), WireError."""
        ...


class DirectoryWire(Protocol):
    async def held(self, neighbour: NodeId) -> dict[NodeId, int] | None:
        """The versions a neighbour has, by issuer; None where it knows nothing of directories.

        Raises TransportError, PeerError.
        """
        ...

    def takes_certificates(self, neighbour: NodeId) -> bool:
        """Whether it said so when it was asked last."""
        ...

    async def tell(self, neighbour: NodeId, signed: Signed) -> None:
        """Returns once it is durable there. Raises TransportError, PeerError (refused)."""
        ...

    async def ask_for(self, neighbour: NodeId, issuer: NodeId) -> Signed:
        """What the neighbour has of this issuer."""
        ...


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did: how many agencies look otherwise now, and the version that says so."""

    version: int
    changed: int
    agencies: int
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explained:
    """How a code is understood here."""

    code: str
    form: str
    level: int
    parent: str | None
    agency: Agency | None
    stamp: Stamp | None
    standing: str | None
    next_hop: str | None
    """The neighbour, or this node; None where there is no way."""
    sentences: tuple[str, ...] = field(default=())


class Agencies(Protocol):
    """What the faces may change; see desk.py."""

    async def take_over(
        self, caller: Caller, table: Table, why: str, *, dry_run: bool = False
    ) -> Changed: ...

    async def ask(
        self, caller: Caller, systemid: str, kind: RequestKind, agency: Agency
    ) -> Request: ...

    async def pending(self, after: int, limit: int) -> Sequence[Request]: ...

    async def decide(
        self, caller: Caller, request_id: int, state: RequestState, why: str
    ) -> Request: ...
