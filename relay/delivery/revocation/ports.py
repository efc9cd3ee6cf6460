"""What keeping revocation statements asks of keys, network and journal: values and Protocols.

Touches: nothing.

A statement is a CRL or an OCSP response, as bytes. A target is what a node wants statements about: all
certificates of an issuer (a CRL), or one certificate (OCSP).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from relay.delivery.ports import StatementKind
from relay.delivery.records import DeliveryRow
from relay.model import AgencyCode, Digest, NodeId

Kind = StatementKind


@dataclass(frozen=True, slots=True)
class Target:
    """`about` tells targets apart: OCSP by the certificate's digest, CRLs by issuer and place. `urls` are those of the
    certificate that the configuration allows."""

    kind: Kind
    about: str
    urls: tuple[str, ...]
    question: bytes | None
    """The OCSP request; None for a CRL."""


@dataclass(frozen=True, slots=True)
class Proven:
    """A statement that was proven, as it is stored: with the certificates that prove it again.

    `about` is the certificate's digest for OCSP; for a CRL the issuer's id, and behind a colon its scope.
    """

    digest: Digest
    kind: Kind
    about: str
    content: bytes
    certificate: bytes
    issuer: bytes
    this_update: datetime
    next_update: datetime | None
    fresh: bool = True
    """Not held before."""


@dataclass(frozen=True, slots=True)
class RevokedCertificate:
    """A certificate known here that is revoked, and for whom it spoke."""

    certificate: Digest
    since: datetime
    reason: str
    agencies: tuple[AgencyCode, ...]
    node: NodeId | None
    purpose: str
    serial: str

    def __str__(self) -> str:
        who = ", ".join(self.agencies) or str(self.node or "an authority")
        day = f"{self.since:%Y-%m-%dT%H:%M:%SZ}"
        return f"the {self.purpose} certificate {self.serial[:16]} of {who} is revoked since {day} ({self.reason})"


@dataclass(frozen=True, slots=True)
class Noted:
    """A revocation that is known here since `at`."""

    revoked: RevokedCertificate
    at: datetime


@dataclass(frozen=True, slots=True)
class Met:
    """A certificate whose path was proven here, and its issuer's, both DER."""

    certificate: bytes
    issuer: bytes


@dataclass(frozen=True, slots=True)
class SealedPage:
    """`after` is where the next page begins; None: this was the last."""

    rows: tuple[DeliveryRow, ...]
    after: tuple[int, int] | None


class Statements(Protocol):
    """The proven statements in memory (signing)."""

    def due(self, now: datetime) -> list[Target]:
        """What should be fetched now, the most urgent first."""
        ...

    def next_due(self, now: datetime) -> float:
        """Seconds until something is."""
        ...

    def take(self, target: Target, content: bytes, now: datetime) -> Proven:
        """Raises SignatureError for one that proves nothing, or says nothing of the target."""
        ...

    def failed(self, target: Target, error: str, now: datetime) -> None: ...
    def restore(
        self,
        met: Sequence[Met],
        found: Sequence[Proven],
        noted: Sequence[RevokedCertificate],
        now: datetime,
    ) -> int:
        """What was stored before the start; how many of the statements still prove something."""
        ...

    def met(self) -> Sequence[Met]:
        """Certificates that are new since this was last asked."""
        ...

    def revoked(self) -> list[RevokedCertificate]:
        """Of the certificates known here."""
        ...

    def used(self) -> Collection[Digest]:
        """Statements by which something was judged since this was last asked."""
        ...


class Fetcher(Protocol):
    """The network (transport)."""

    async def fetch(self, url: str, question: bytes | None, limit_bytes: int) -> bytes:
        """Raises TransportError; never calls a host that the configuration does not name."""
        ...


class StapleJournal(Protocol):
    async def store(self, proven: Proven, at: datetime) -> None:
        """Durable when it returns."""
        ...

    async def contents(self, digests: Sequence[Digest]) -> dict[Digest, bytes]:
        """Of those that are stored."""
        ...


class RevocationJournal(StapleJournal, Protocol):
    """Every write is durable when it returns."""

    async def keep(self, digests: Collection[Digest]) -> None:
        """Something was judged by these: they stay as long as what was judged."""
        ...

    async def forget(self, before: datetime) -> None:
        """What was stored before then and served for nothing."""
        ...

    async def newest(self) -> list[Proven]:
        """The newest of each target."""
        ...

    async def remember(self, met: Sequence[Met], at: datetime) -> None: ...
    async def remembered(self) -> list[Met]:
        """The newest, as many as are kept in memory."""
        ...

    async def note_revoked(self, revoked: RevokedCertificate, at: datetime) -> None:
        """With its audit entry."""
        ...

    async def note_restored(self, revoked: RevokedCertificate, at: datetime) -> None: ...
    async def noted(self) -> list[Noted]: ...

    async def sealed_by(
        self, certificate: Digest, noted_at: datetime, after: tuple[int, int], limit: int
    ) -> SealedPage:
        """Of so many that wait, those unsent with a seal by it that were not released since."""
        ...
