"""The document-management systems a node serves: of its configuration, and those added while it runs.

Touches: the certificate and secret files that the settings name. Raises: SettingsError.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from ipaddress import ip_network

import structlog

from relay.delivery.directory.desk import DirectoryDesk
from relay.delivery.operators.system_desk import SystemDesk
from relay.delivery.operators.systems import (
    CONFIGURED,
    KnownSystem,
    Marks,
    Sites,
    SystemSecret,
)
from relay.journal.systems import SiteTable, SystemTable
from relay.lines import Line
from relay.model import AgencyCode
from relay.node.directory import codes_of_system
from relay.node.ground import Ground
from relay.settings.sections import SystemSection
from relay.signing.secrets import is_marked, mark_of
from relay.signing.tls import ask_for_certificates, client_certificate, is_certificate
from relay.transport.axis.binding import Binding
from relay.transport.axis.systems import Freshness, FreshnessPolicy, System, Systems

log = structlog.get_logger("relay.systems")


@dataclass(slots=True)
class ServedSystems:
    """What the axis face asks of every call, and the desk that changes it while it serves."""

    systems: Systems
    binding: Binding
    codes: Callable[[str, Iterable[str]], frozenset[AgencyCode]]
    """What a system (its systemid) with these agencies speaks for, by the directory as it is now."""
    sites: Sites
    """Where secrets held or were guessed at, over a start."""
    desk: SystemDesk = field(init=False)
    _known: dict[str, KnownSystem] = field(default_factory=dict)
    _tls: ssl.SSLContext | None = None

    async def load(self, now: datetime) -> None:
        """Before anything is served: the systems first, for their coming forgets what was known of others."""
        await self.desk.load()
        self.binding.lockout.restore(await self.sites.load(), now)

    async def keep_sites(self) -> None:
        """Until cancelled."""
        await self.binding.lockout.keep(self.sites)

    def publish(self, known: Sequence[KnownSystem]) -> None:
        found = {one.systemid: one for one in known}
        changed = {name for name in found | self._known if found.get(name) != self._known.get(name)}
        self._known = found
        for name in sorted(changed & found.keys()):
            if not all(
                map(is_certificate, found[name].certificates)
            ):  # stored by an earlier release
                log.error(Line.SYSTEM_CERTIFICATE_UNREADABLE, systemid=name)
        self.systems.become(_served(one, self.codes(one.systemid, one.agencies)) for one in known)
        self.binding.lockout.forget(frozenset(changed))
        self._ask()

    def renew(self) -> None:
        """The directory has changed: the same systems, with what each speaks for now."""
        self.systems.renew(
            {name: self.codes(name, one.agencies) for name, one in self._known.items()}
        )

    def show_certificates(self, tls: ssl.SSLContext | None) -> None:
        """This listener asks clients for the certificates that systems are bound to, from now on."""
        self._tls = tls
        self._ask()

    def _ask(self) -> None:
        if self._tls is not None:
            ask_for_certificates(
                self._tls, (der for one in self._known.values() for der in one.certificates)
            )


def serve_systems(ground: Ground, agencies: DirectoryDesk) -> ServedSystems:
    """Nothing is served before the desk has loaded."""
    served = ServedSystems(
        Systems(()),
        Binding(),
        partial(codes_of_system, ground, agencies),
        SiteTable(ground.journal),
    )
    agencies.keeper.listeners.append(served.renew)
    served.desk = SystemDesk(
        ground.node,
        ground.directory,
        [_configured(one) for one in ground.settings.systems],
        SystemTable(ground.journal, ground.node),
        ground.box,
        Marks(mark_of, is_marked),
        ground.clock,
        served.publish,
        is_certificate,
    )
    return served


def _configured(one: SystemSection) -> KnownSystem:
    return KnownSystem(
        systemid=one.systemid,
        agencies=tuple(AgencyCode(code) for code in one.agencies),
        secrets=(SystemSecret(CONFIGURED, one.secret_bytes()),),
        addresses=one.addresses,
        certificates=tuple(client_certificate(path) for path in one.certificates),
        freshness=one.freshness,
        window=one.freshness_window,
        rest=one.rest,
    )


def _served(one: KnownSystem, agencies: frozenset[AgencyCode]) -> System:
    return System(
        systemid=one.systemid,
        secrets=tuple(secret.value for secret in one.secrets if secret.ends_at is None),
        agencies=agencies,
        freshness=Freshness(FreshnessPolicy(one.freshness), one.window),
        ending=tuple(
            (secret.value, secret.ends_at) for secret in one.secrets if secret.ends_at is not None
        ),
        addresses=tuple(ip_network(text) for text in one.addresses),
        certificates=frozenset(hashlib.sha256(der).hexdigest() for der in one.certificates),
        rest=one.rest,
    )
