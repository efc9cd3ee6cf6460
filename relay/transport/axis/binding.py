"""From where a system may call: its addresses, its client certificate, and the lock after failures.

Asked only once the secret has been proven: what it says is for the system's own people.

Touches: nothing. Trusts: address and certificate of the connection, as the listener took it.
Raises:  AxisRefusal 15.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address

import structlog

from relay.lines import Line
from relay.transport.axis.lockout import Lockout
from relay.transport.axis.refusals import AxisRefusal, ErrorCode
from relay.transport.axis.systems import System
from relay.transport.axis.times import write_time

log = structlog.get_logger("relay.axis")


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection. `certificate` gives the SHA-256 of the one it showed, in hex."""

    address: str = ""
    certificate: Callable[[], str | None] = field(default=lambda: None)


@dataclass(frozen=True, slots=True)
class Binding:
    lockout: Lockout = field(default_factory=Lockout)

    def failed(self, system: System, peer: Peer, now: datetime) -> bool:
        """The secret was wrong. True when that locks the address out, which is told once."""
        if not self.lockout.failed(system.systemid, peer.address, now):
            return False
        log.warning(Line.SYSTEM_LOCKED_OUT, systemid=system.systemid, peer=peer.address)
        return True

    def admit(self, system: System, peer: Peer, now: datetime) -> None:
        """Return only where a system whose secret is proven may call from there now."""
        _require_address(system, peer)
        _require_certificate(system, peer)
        bound = bool(system.addresses or system.certificates)
        until = None if bound else self.lockout.until(system.systemid, peer.address, now)
        if until is not None:
            raise _refuse(
                "locked-out",
                f"Tam khoa den {write_time(until)} vi sai khoa bi mat qua nhieu lan tu dia chi nay",
                f"locked until {write_time(until)} (UTC+7) after too many wrong secrets from this address",
            )
        self.lockout.held(system.systemid, peer.address)


def _require_address(system: System, peer: Peer) -> None:
    if not system.addresses:
        return
    try:
        address = ip_address(peer.address.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        inside = any(address in network for network in system.addresses)
    except ValueError:
        inside = False
    if not inside:
        raise _refuse(
            "wrong-address",
            f"He thong {system.systemid} khong duoc goi tu dia chi {peer.address}",
            f"system {system.systemid} may not call from address {peer.address}",
        )


def _require_certificate(system: System, peer: Peer) -> None:
    if system.certificates and peer.certificate() not in system.certificates:
        raise _refuse(
            "wrong-certificate",
            f"He thong {system.systemid} phai ket noi bang chung thu so da dang ky",
            f"system {system.systemid} must connect with its registered client certificate",
        )


def _refuse(why: str, vietnamese: str, english: str) -> AxisRefusal:
    return AxisRefusal(ErrorCode.BAD_SYSTEM, why, vietnamese, english)
