"""Systems that operators added, and the sealed secrets of all.

Touches: systems, system_secrets, system_sites, the log. Trusts: its callers to seal secrets before they come here.
Raises:  JournalError.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pybase64

from relay.audit.entries import AuditEvent, entry
from relay.delivery.operators.systems import KnownSystem, Site, StoredSecret
from relay.journal.rows import instant, maybe_instant, ms
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.model import AgencyCode, NodeId

SQL = load("systems")


@dataclass(frozen=True, slots=True)
class SystemTable:
    """delivery.operators.systems.SystemsJournal."""

    journal: SqliteJournal
    node: NodeId

    async def systems(self) -> list[KnownSystem]:
        return [_system(row) for row in await self.journal.rows(SQL["systems"])]

    async def secrets(self) -> list[StoredSecret]:
        return [_secret(row) for row in await self.journal.rows(SQL["secrets"])]

    async def add(self, by: str, system: KnownSystem, secret: StoredSecret) -> None:
        at = secret.created_at

        def operation(tx: Transaction) -> None:
            tx.run(SQL["add_system"], *_values(system, at))
            _put(tx, [secret])
            self._record(tx, AuditEvent.SYSTEM_ADDED, at, system.systemid, by)

        await self.journal.perform(operation)

    async def rotate(
        self, by: str, secret: StoredSecret, ended: Sequence[StoredSecret], at: datetime
    ) -> None:
        def operation(tx: Transaction) -> None:
            _put(tx, [*ended, secret])
            self._record(tx, AuditEvent.SYSTEM_ROTATED, at, secret.systemid, by)

        await self.journal.perform(operation)

    async def revoke(
        self, by: str, systemid: str, ended: Sequence[StoredSecret], why: str, at: datetime
    ) -> None:
        def operation(tx: Transaction) -> None:
            _put(tx, ended)
            self._record(tx, AuditEvent.SYSTEM_REVOKED, at, systemid, by, why=why)

        await self.journal.perform(operation)

    async def reseal(self, secrets: Sequence[StoredSecret], at: datetime) -> None:
        def operation(tx: Transaction) -> None:
            _put(tx, secrets)
            tx.record(entry(AuditEvent.SYSTEMS_RESEALED, at, self.node, count=len(secrets)))

        await self.journal.perform(operation)

    def _record(
        self, tx: Transaction, event: AuditEvent, at: datetime, system: str, by: str, why: str = ""
    ) -> None:
        tx.record(entry(event, at, self.node, system=system, by=by, why=why))


def _secret(row: Sequence[Any]) -> StoredSecret:
    secret_id, systemid, key_id, sealed, created_at, ends_at = row
    created, ends = instant(created_at), maybe_instant(ends_at)
    return StoredSecret(secret_id, systemid, key_id, sealed, created, ends)


def _put(tx: Transaction, secrets: Sequence[StoredSecret]) -> None:
    for one in secrets:
        end = None if one.ends_at is None else ms(one.ends_at)
        values = (one.secret_id, one.systemid, one.key_id, one.sealed, ms(one.created_at), end)
        tx.run(SQL["put_secret"], *values)


def _values(system: KnownSystem, at: datetime) -> tuple[object, ...]:
    return (
        system.systemid,
        json.dumps(system.agencies),
        json.dumps(system.addresses),
        json.dumps([pybase64.b64encode(one).decode() for one in system.certificates]),
        system.freshness,
        int(system.window.total_seconds()),
        int(system.rest),
        ms(at),
    )


def _system(row: Sequence[Any]) -> KnownSystem:
    return KnownSystem(
        systemid=row[0],
        agencies=tuple(AgencyCode(code) for code in json.loads(row[1])),
        addresses=tuple(json.loads(row[2])),
        certificates=tuple(pybase64.b64decode(text) for text in json.loads(row[3])),
        freshness=row[4],
        window=timedelta(seconds=row[5]),
        rest=bool(row[6]),
        created_at=instant(row[7]),
    )


@dataclass(frozen=True, slots=True)
class SiteTable:
    """delivery.operators.systems.Sites."""

    journal: SqliteJournal

    async def load(self) -> list[Site]:
        rows = await self.journal.rows(SQL["sites"])
        return [
            Site(name, site, bool(proven), maybe_instant(until))
            for name, site, proven, until in rows
        ]

    async def store(self, sites: Sequence[Site]) -> None:
        def operation(tx: Transaction) -> None:
            for one in sites:
                if not one.is_remembered:
                    tx.run(SQL["forget_site"], one.systemid, one.site)
                    continue
                until = None if one.locked_until is None else ms(one.locked_until)
                tx.run(SQL["keep_site"], one.systemid, one.site, int(one.proven), until)

        await self.journal.perform(operation)
