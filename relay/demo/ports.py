"""Find loopback addresses and free ports for nodes that must find them free again later.

A port that was drawn is free until its node listens: two processes that draw at random draw the same one now and
then. So each draws from a block of its own, which it holds by listening at the block's first port.

Touches: sockets, bound for a moment; one for each process, as long as that lives.
Raises:  TransportError when too many ports are taken.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from functools import cache
from itertools import cycle, islice

from relay.errors import TransportError

PORTS = range(18_000, 31_000)
_BLOCK = 250
_ROUNDS = 4


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those the system gives to outgoing connections: a node
    that is killed must find its own free again when it comes back."""
    ports: list[int] = []
    for port in islice(_own_block()[1], _ROUNDS * _BLOCK):
        if port not in ports and _is_free(port):
            ports.append(port)
        if len(ports) == count:
            return ports
    raise TransportError(f"no {count} free ports from {PORTS.start} to {PORTS.stop}")


@cache
def _own_block() -> tuple[socket.socket, Iterator[int]]:
    """Who holds it, and its other ports in turn, again and again."""
    firsts = list(PORTS[::_BLOCK])
    secrets.SystemRandom().shuffle(firsts)
    for first in firsts:
        holder = socket.socket(socket.AF_INET)
        try:
            holder.bind(("127.0.0.1", first))
            holder.listen(1)
        except OSError:
            holder.close()
            continue
        return holder, cycle(range(first + 1, first + _BLOCK))
    raise TransportError(f"no block of ports is free from {PORTS.start} to {PORTS.stop}")


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
