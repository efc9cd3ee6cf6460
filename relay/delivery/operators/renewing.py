"""The node's own certificates taken up anew from their files while it runs.

What is renewed is in the audit log before it is used. A pair that does not fit, or is not this node's,
changes nothing at all. Connections that are open go on with the certificate they began with.

Touches: the source of pairs, the journal. Trusts: the operator's files; that only an operator asks.
Raises:  SettingsError (nothing was changed), JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import structlog

from relay.delivery.operators.ageing import AgeingCertificate, Note
from relay.delivery.ports import Caller
from relay.lines import Line
from relay.model import Digest

log = structlog.get_logger("relay.certificates")
Keys = TypeVar("Keys")


@dataclass(frozen=True, slots=True)
class Renewed:
    """One certificate in another's place."""

    certificate: AgeingCertificate
    before: Digest


class CertificateSource(Protocol[Keys]):
    """The pairs of the configuration (node)."""

    def in_use(self) -> Sequence[AgeingCertificate]: ...

    def above(self) -> Sequence[AgeingCertificate]:
        """The authorities on which these, and the node's trust in others, rest."""
        ...

    def read(self) -> Keys:
        """As the files are now. Slow; raises SettingsError."""
        ...

    def certificates(self, keys: Keys) -> Sequence[AgeingCertificate]: ...

    async def keep(self, keys: Keys) -> None:
        """What verifiers of years to come will need of them, durably."""
        ...

    def put_in_use(self, keys: Keys) -> None: ...


class CertificateDoor(Protocol):
    """What the native face asks."""

    def show(self) -> Sequence[AgeingCertificate]: ...
    def above(self) -> Sequence[AgeingCertificate]: ...
    async def reload(self, by: Caller) -> Sequence[Renewed]: ...


@dataclass(slots=True)
class CertificateDesk(Generic[Keys]):
    """One for a node; the only one that changes what it signs and serves with."""

    source: CertificateSource[Keys]
    note: Note
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    def show(self) -> Sequence[AgeingCertificate]:
        return self.source.in_use()

    def above(self) -> Sequence[AgeingCertificate]:
        return self.source.above()

    async def reload(self, by: Caller) -> Sequence[Renewed]:
        """Read the files now; what is another certificate than before, oldest name first."""
        async with self._one:
            keys = await asyncio.to_thread(self.source.read)
            before = {one.name: one.sha256 for one in self.source.in_use()}
            renewed = [
                Renewed(one, before[one.name])
                for one in self.source.certificates(keys)
                if before.get(one.name, one.sha256) != one.sha256
            ]
            for one in renewed:
                await self._tell(one, by)
            # Also where only the issuers after a certificate are others.
            await self.source.keep(keys)
            self.source.put_in_use(keys)
        return renewed

    async def _tell(self, one: Renewed, by: Caller) -> None:
        await self.note(
            "certificate-renewed",
            type=one.certificate.name,
            certificate=one.certificate.sha256,
            previous=one.before,
            by=by.holder,
        )
        log.warning(
            Line.CERTIFICATE_RENEWED,
            certificate=one.certificate.name,
            ends=f"{one.certificate.not_after:%Y-%m-%dT%H:%M:%SZ}",
        )
