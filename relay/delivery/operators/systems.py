"""What operators ask about document-management systems, and what that asks of journal and keys: values.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from relay.delivery.ports import Caller
from relay.model import AgencyCode

CONFIGURED = "configuration"
"""The id of the secret that the configuration gives."""


@dataclass(frozen=True, slots=True)
class SystemSecret:
    secret_id: str
    value: bytes = field(repr=False)
    created_at: datetime | None = None
    """None for one of the configuration."""
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KnownSystem:
    """A system and all of its secrets; `agencies` as they were given."""

    systemid: str
    agencies: tuple[AgencyCode, ...]
    secrets: tuple[SystemSecret, ...] = ()
    addresses: tuple[str, ...] = ()
    certificates: tuple[bytes, ...] = ()
    """DER; none: bound to no certificate."""
    freshness: str = "warn"
    window: timedelta = timedelta(days=1)
    rest: bool = False
    created_at: datetime | None = None

    @property
    def configured(self) -> bool:
        return self.created_at is None


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A row of the journal. `key_id` None: `sealed` is a mark of a secret of the configuration."""

    secret_id: str
    systemid: str
    key_id: str | None
    sealed: bytes
    created_at: datetime
    ends_at: datetime | None


class SystemsJournal(Protocol):
    """Each change durable with its audit entry when it returns."""

    async def systems(self) -> list[KnownSystem]: ...
    async def secrets(self) -> list[StoredSecret]: ...
    async def add(self, by: str, system: KnownSystem, secret: StoredSecret) -> None: ...

    async def rotate(
        self, by: str, secret: StoredSecret, ended: Sequence[StoredSecret], at: datetime
    ) -> None:
        """`ended` are inserted, or their end is written where they are there."""
        ...

    async def revoke(
        self, by: str, systemid: str, ended: Sequence[StoredSecret], why: str, at: datetime
    ) -> None: ...

    async def reseal(self, secrets: Sequence[StoredSecret], at: datetime) -> None: ...


class Box(Protocol):
    """signing.secrets.SecretBox."""

    @property
    def key_id(self) -> str: ...
    def seal(self, secret: bytes, about: str) -> bytes: ...
    def open(self, key_id: str, sealed: bytes, about: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Marks:
    """Of secrets in the configuration, slow on purpose: make, and compare."""

    make: Callable[[bytes], bytes]
    holds: Callable[[bytes, bytes], bool]


class SystemsDesk(Protocol):
    """What the native face asks."""

    async def list(self) -> list[KnownSystem]: ...
    async def add(self, by: Caller, system: KnownSystem, secret: str | None) -> str: ...
    async def rotate(
        self, by: Caller, systemid: str, overlap: timedelta, secret: str | None
    ) -> tuple[KnownSystem, str]: ...
    async def revoke(self, by: Caller, systemid: str, why: str) -> KnownSystem: ...


@dataclass(frozen=True, slots=True)
class Site:
    """From where a system's secret held, or where it was guessed at too often."""

    systemid: str
    site: str
    """An address, or the network of an IPv6 one."""
    proven: bool
    locked_until: datetime | None

    @property
    def is_remembered(self) -> bool:
        """Else there is nothing to know of it any more."""
        return self.proven or self.locked_until is not None


class Sites(Protocol):
    """What is known of sites, as stored. Durable when it returns."""

    async def load(self) -> list[Site]: ...
    async def store(self, sites: Sequence[Site]) -> None: ...
