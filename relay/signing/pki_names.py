"""Check what an operator typed: labels, codes, names, hosts and addresses of certificates.

Touches: nothing.
Trusts:  nothing: a label becomes a folder's name, a name is read by people.
Raises:  PkiError of the kind USAGE, with the value and the limit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from relay.envelope.codes import normalise
from relay.errors import EnvelopeError
from relay.model import AgencyCode
from relay.signing.pki_words import PkiError, Trouble
from relay.wire.values import NODE_ID

NAME_LIMIT: Final = 64
"""Characters in an organisation's or common name (RFC 5280, upper bounds)."""
CODES_LIMIT: Final = 100
HOSTS_LIMIT: Final = 100
LOOPBACK: Final = ("127.0.0.1", "::1")

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*", re.ASCII)


def label(text: str, what: str) -> str:
    """An id as the wire allows it; it is a folder's name too, so no separator and no leading dot."""
    if not NODE_ID.fullmatch(text) or text.endswith(".key"):
        raise PkiError(
            Trouble.USAGE,
            f"{what} {text[:NAME_LIMIT]!r} is not 1 to 64 letters, digits, '.', '-' and '_',"
            " the first a letter or digit, the end not '.key'",
        )
    return text


def codes(asked: Sequence[str]) -> list[AgencyCode]:
    """The codes as the directory writes them: that is what seals are held against."""
    if not 1 <= len(asked) <= CODES_LIMIT:
        raise PkiError(Trouble.USAGE, f"{len(asked)} agency codes, limit 1 to {CODES_LIMIT}")
    try:
        return list(dict.fromkeys(normalise(code) for code in asked))
    except EnvelopeError as error:
        raise PkiError(Trouble.USAGE, str(error)) from error


def organisation(text: str, what: str) -> str:
    """A name in any language, without what would make two names look alike in a terminal."""
    name = text.strip()
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise PkiError(
            Trouble.USAGE,
            f"{what} of {len(name)} characters, limit 1 to {NAME_LIMIT}, all printable",
        )
    return name


def hosts(dns: Sequence[str]) -> tuple[str, ...]:
    """localhost and what was asked for, each once."""
    _check_count(dns)
    for host in dns:
        if not _HOST.fullmatch(host):
            raise PkiError(
                Trouble.USAGE,
                f"{host[:NAME_LIMIT]!r} is not a host name in ASCII",
                "write an international name in its xn-- form; wildcards are not issued",
            )
    return tuple(dict.fromkeys(["localhost", *(host.lower() for host in dns)]))


def addresses(ips: Sequence[str]) -> tuple[IPv4Address | IPv6Address, ...]:
    """The loopback addresses and what was asked for, each once."""
    _check_count(ips)
    return tuple(dict.fromkeys(_address(text) for text in [*LOOPBACK, *ips]))


def publishing(url: str) -> str:
    """The http URL of a place on this machine: a development PKI is published nowhere else."""
    parts = urlsplit(url)
    try:
        loopback = ip_address(parts.hostname or "").is_loopback and (parts.port or 0) > 0
    except ValueError:
        loopback = False
    if parts.scheme != "http" or not loopback or parts.path.strip("/") or parts.query:
        raise PkiError(
            Trouble.USAGE,
            f"{url[:NAME_LIMIT]!r} is not http://ADDRESS:PORT of this machine",
            "for tests and the demo only: http://127.0.0.1:8480, and relay pki serve on that port",
        )
    return f"http://{parts.netloc}"


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        # A scope ("%eth0") is a matter of one machine; no certificate can carry it.
        return ip_address(text.replace("%", " "))
    except ValueError as error:
        shown = text[:NAME_LIMIT]
        raise PkiError(Trouble.USAGE, f"{shown!r} is not an IP address") from error


def _check_count(values: Sequence[str]) -> None:
    if len(values) > HOSTS_LIMIT:
        raise PkiError(Trouble.USAGE, f"{len(values)} hosts, limit {HOSTS_LIMIT}")
