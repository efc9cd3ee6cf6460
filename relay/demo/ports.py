"""Find loopback addresses and free ports for nodes that must find them free again later.

Touches: sockets, bound for a moment.
Raises:  TransportError when too many ports are taken.
"""

from __future__ import annotations

import secrets
import socket
from functools import cache

from relay.errors import TransportError

PORTS = range(18_000, 31_000)
_PORT_DRAWS = 1000


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those the system gives to outgoing connections: a node
    that is killed must find its own free again when it comes back."""
    ports: list[int] = []
    for _ in range(_PORT_DRAWS):
        port = secrets.choice(PORTS)
        if port not in ports and _is_free(port):
            ports.append(port)
        if len(ports) == count:
            return ports
    raise TransportError(f"no {count} free ports from {PORTS.start} to {PORTS.stop}")


def _is_free(port: int) -> bool:
    return all(_can_bind(family, host, port) for family, host in loopbacks())


@cache
def loopbacks() -> tuple[tuple[socket.AddressFamily, str], ...]:
    """The loopback addresses this machine has; many containers have no IPv6."""
    both = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
    return tuple((family, host) for family, host in both if _can_bind(family, host, 0))


def _can_bind(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        with socket.socket(family) as one:
            one.bind((host, port))
    except OSError:
        return False
    return True
