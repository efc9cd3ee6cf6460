"""Document-management systems of the axis face: added, their secrets rotated and revoked while it runs.

What the configuration lists works as it stands there, and rotates and is revoked all the same: a
secret of the configuration that ended is known again by a mark. Secrets are sealed before they reach
the journal. Two secrets of a system work while their times overlap.

Touches: the journal and the box, through their Protocols; the face, through `publish`.
Trusts:  that the gate let only an operator in.
Raises:  UnfitError, NotFoundError, ConflictError, JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import ip_network

import structlog

from relay.delivery.clock import Clock
from relay.delivery.operators.systems import (
    Box,
    KnownSystem,
    Marks,
    StoredSecret,
    SystemSecret,
    SystemsJournal,
)
from relay.delivery.ports import Caller
from relay.errors import ConflictError, EnvelopeError, NotFoundError, SignatureError, UnfitError
from relay.lines import Line
from relay.model import AgencyCode, NodeId
from relay.routing.directory import Directory

FRESHNESS = ("off", "warn", "enforce")
LEAST_SECRET_CHARACTERS = 16
MOST_SECRET_CHARACTERS = 256
MOST_OVERLAP = timedelta(days=90)
MOST_SECRETS = 4
"""Of one system at a time: each costs an HMAC for every call of anybody."""
log = structlog.get_logger("relay.systems")


@dataclass(slots=True)
class SystemDesk:
    """SystemsDesk on a journal. One change at a time: each begins with what the one before left."""

    node: NodeId
    directory: Directory
    configured: Sequence[KnownSystem]
    journal: SystemsJournal
    box: Box
    marks: Marks
    clock: Clock
    publish: Callable[[Sequence[KnownSystem]], None]
    """Told all systems after each change."""
    readable: Callable[[bytes], bool]
    """Whether these bytes are a certificate that a client can show."""
    _known: dict[str, KnownSystem] = field(default_factory=dict)
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def load(self) -> None:
        """At the start: open what is stored, seal again what an earlier key sealed, publish."""
        async with self._one:
            await self._reseal(await self.journal.secrets())
            await self._refresh()

    async def list(self) -> list[KnownSystem]:
        now = self.clock.now()
        return [_present(self._known[one], now) for one in sorted(self._known)]

    async def add(self, by: Caller, system: KnownSystem, secret: str | None) -> str:
        """The secret, shown here and never again."""
        async with self._one:
            if system.systemid in self._known:
                raise ConflictError(f"system {system.systemid} is there already: rotate its secret")
            self._require_served(system.agencies)
            _require_sound(system)
            self._require_readable(system.certificates)
            text, at = self._secret(secret), self.clock.now()
            await self.journal.add(
                by.holder, replace(system, created_at=at), self._stored(system.systemid, text)
            )
            await self._refresh()
        log.warning(Line.SYSTEM_ADDED, systemid=system.systemid)
        return text

    async def rotate(
        self, by: Caller, systemid: str, overlap: timedelta, secret: str | None
    ) -> tuple[KnownSystem, str]:
        """A new secret; those before it work until the overlap is over."""
        if not timedelta() <= overlap <= MOST_OVERLAP:
            raise UnfitError(f"an overlap of {overlap}, limit {MOST_OVERLAP}")
        async with self._one:
            system = _present(self._of(systemid), self.clock.now())
            text, at = self._secret(secret), self.clock.now()
            if any(one.value == text.encode() for one in system.secrets):
                raise ConflictError("that is the secret it has")
            if len(system.secrets) >= MOST_SECRETS and overlap:
                raise ConflictError(
                    f"{len(system.secrets)} secrets work already, limit {MOST_SECRETS}"
                )
            ended = await self._ended(system, at + overlap)
            await self.journal.rotate(by.holder, self._stored(systemid, text), ended, at)
            await self._refresh()
        log.warning(Line.SYSTEM_ROTATED, systemid=systemid, overlap=str(overlap))
        return _present(self._known[systemid], self.clock.now()), text

    async def revoke(self, by: Caller, systemid: str, why: str) -> KnownSystem:
        """No secret of it works from now on; safe to repeat. `rotate` gives it one again."""
        async with self._one:
            system, at = self._of(systemid), self.clock.now()
            ended = await self._ended(_present(system, at), at)
            await self.journal.revoke(by.holder, systemid, ended, why, at)
            await self._refresh()
        log.warning(Line.SYSTEM_REVOKED, systemid=systemid)
        return _present(self._known[systemid], self.clock.now())

    # ------------------------------------------------------------ what is stored

    def _of(self, systemid: str) -> KnownSystem:
        system = self._known.get(systemid)
        if system is None:
            raise NotFoundError(f"no system {systemid[:64]}")
        return system

    def _secret(self, given: str | None) -> str:
        if given is None:
            return self.clock.entropy(16).hex()
        if not LEAST_SECRET_CHARACTERS <= len(given) <= MOST_SECRET_CHARACTERS:
            raise UnfitError(
                f"a secret of {len(given)} characters, limits {LEAST_SECRET_CHARACTERS} and"
                f" {MOST_SECRET_CHARACTERS}"
            )
        if not (given.isascii() and given.isprintable()) or given != given.strip():
            raise UnfitError("a secret is printable ASCII without blanks around it")
        return given

    def _stored(self, systemid: str, text: str) -> StoredSecret:
        secret_id = self.clock.mint()
        sealed = self.box.seal(text.encode(), _about(systemid, secret_id))
        return StoredSecret(secret_id, systemid, self.box.key_id, sealed, self.clock.now(), None)

    async def _ended(self, system: KnownSystem, at: datetime) -> Sequence[StoredSecret]:
        """Its secrets with their end, the sooner one where they have one."""
        rows = {one.secret_id: one for one in await self.journal.secrets()}
        ended = []
        for one in system.secrets:
            end = at if one.ends_at is None else min(at, one.ends_at)
            if one.secret_id in rows:
                ended.append(replace(rows[one.secret_id], ends_at=end))
            else:
                mark = await asyncio.to_thread(self.marks.make, one.value)
                now = self.clock.now()
                ended.append(StoredSecret(self.clock.mint(), system.systemid, None, mark, now, end))
        return ended

    async def _reseal(self, rows: Sequence[StoredSecret]) -> None:
        old = [one for one in rows if one.key_id not in {None, self.box.key_id}]
        again = []
        for one in old:
            value = self._opened(one)
            if value is not None:
                sealed = self.box.seal(value, _about(one.systemid, one.secret_id))
                again.append(replace(one, key_id=self.box.key_id, sealed=sealed))
        if again:
            await self.journal.reseal(again, self.clock.now())
            log.warning(Line.SYSTEMS_RESEALED, count=len(again))

    def _opened(self, row: StoredSecret) -> bytes | None:
        try:
            return self.box.open(row.key_id or "", row.sealed, _about(row.systemid, row.secret_id))
        except SignatureError:
            log.error(
                Line.SYSTEM_SECRET_CLOSED,
                systemid=row.systemid,
            )
            return None

    # ------------------------------------------------------------ what is known

    async def _refresh(self) -> None:
        rows = await self.journal.secrets()
        known = {}
        for system in await self.journal.systems():
            known[system.systemid] = self._with_stored(system, rows)
        for system in self.configured:
            kept = await self._unended(system, rows)
            known[system.systemid] = self._with_stored(kept, rows)
        self._known = known
        self.publish(list(known.values()))

    def _with_stored(self, system: KnownSystem, rows: Sequence[StoredSecret]) -> KnownSystem:
        opened = [
            SystemSecret(one.secret_id, value, one.created_at, one.ends_at)
            for one in rows
            if one.systemid == system.systemid and one.key_id is not None
            if (value := self._opened(one)) is not None
        ]
        return replace(system, secrets=(*system.secrets, *opened))

    async def _unended(self, system: KnownSystem, rows: Sequence[StoredSecret]) -> KnownSystem:
        """With the ends that were written for secrets of the configuration."""
        marks = [one for one in rows if one.systemid == system.systemid and one.key_id is None]
        secrets = []
        for secret in system.secrets:
            for row in marks:
                if await asyncio.to_thread(self.marks.holds, secret.value, row.sealed):
                    secrets.append(replace(secret, secret_id=row.secret_id, ends_at=row.ends_at))
                    break
            else:
                secrets.append(secret)
        return replace(system, secrets=tuple(secrets))

    def _require_served(self, agencies: Sequence[AgencyCode]) -> None:
        if not agencies:
            raise UnfitError("a system speaks for at least one agency")
        served = self.directory.served_by(self.node)
        for code in agencies:
            try:
                found = self.directory.resolve(code)
            except EnvelopeError:
                found = code
            if found not in served:
                raise UnfitError(f"agency {code[:64]} is not served by {self.node}")

    def _require_readable(self, certificates: Sequence[bytes]) -> None:
        """Before it is stored: nobody could show it, and the system would be served no more."""
        for number, der in enumerate(certificates, start=1):
            if not self.readable(der):
                raise UnfitError(f"certificate {number} of {len(certificates)} is none")


def _about(systemid: str, secret_id: str) -> str:
    return f"{systemid} {secret_id}"


def _present(system: KnownSystem, now: datetime) -> KnownSystem:
    """Without the secrets that have ended."""
    kept = [one for one in system.secrets if one.ends_at is None or one.ends_at > now]
    return replace(system, secrets=tuple(kept))


def _require_sound(system: KnownSystem) -> None:
    name = system.systemid
    if not 0 < len(name) <= 64 or not all("!" <= char <= "~" for char in name):
        raise UnfitError("a systemid is 1 to 64 printable ASCII characters without blanks")
    if system.freshness not in FRESHNESS:
        raise UnfitError(f"freshness is one of: {', '.join(FRESHNESS)}")
    if system.window <= timedelta():
        raise UnfitError("the window of freshness must be longer than nothing")
    for text in system.addresses:
        try:
            ip_network(text)
        except ValueError:
            raise UnfitError(f"{text[:60]!r} is no address or network (CIDR)") from None
