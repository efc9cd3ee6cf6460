"""Syslog: messages as RFC 5424 has them, framed by octet counts, over TLS (RFC 5425).

    PRI VERSION  TIMESTAMP                   HOSTNAME    APP-NAME PROCID MSGID             SD
    <30>1        2026-11-29T06:36:10.000125Z tinh-h01    relay    4711   message-accepted  [relay@32473 message="…"] BOM MSG

MSG is the line as JSON. The structured data have what joins lines. 32473 is the private enterprise number that
RFC 5612 keeps for documentation: the project has none of its own.

A collector never says what it took. So what was sent counts as arrived only once the connection has lived
on for SETTLES_SECONDS; when it breaks, entries younger than that are sent again.

Touches: the network. Trusts: the one trust root, for one host name.
Raises:  OSError (also of TLS): what was given may not have arrived.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from relay.delivery.ports import LogEntry
from relay.logs.forms import Form, entry_object, fields_of
from relay.logs.record import JOINING, Record, members, timestamp, written

SD_ID: Final = "relay@32473"
APP: Final = "relay"
PORT: Final = 6514
SETTLES_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 10.0
"""For a connection, a handshake, or the peer's taking bytes off our hands."""
FACILITIES: Final = {
    "user": 1,
    "daemon": 3,
    **{f"local{number}": 16 + number for number in range(8)},
}
_LOG_AUDIT: Final = 13
"""The facility of entries: RFC 5424's "log audit"."""
_SEVERITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_BOM: Final = b"\xef\xbb\xbf"


def syslog_form(node: str, host: str, facility: int) -> Form:
    """Framed messages; `host` is what the sender calls itself."""

    def record(one: Record) -> bytes:
        head = _head(facility, one.level, timestamp(one.at_ns), host, one.event)
        return _framed(head, node, one.fields, written(members(one, node)))

    def entry(one: LogEntry) -> bytes:
        fields = fields_of(one)
        at, event = str(fields.get("at", "-")), str(fields.get("event", "-"))
        head = _head(_LOG_AUDIT, "info", at, host, event)
        said = entry_object(node, one, fields)
        return _framed(head, node, {**fields, "index": str(one.index)}, said)

    return Form(record, entry)


def _head(facility: int, level: str, at: str, host: str, event: str) -> str:
    priority = facility * 8 + _SEVERITIES.get(level, 5)
    return f"<{priority}>1 {at} {name(host, 255)} {APP} {os.getpid()} {name(event, 32)}"


def _framed(head: str, node: str, fields: Any, said: bytes) -> bytes:
    known = {"node": node} | {
        key: fields[key] for key in (*JOINING, "index") if isinstance(fields.get(key), str)
    }
    data = "".join(f' {key}="{escaped(value)}"' for key, value in known.items())
    message = f"{head} [{SD_ID}{data}] ".encode("utf-8", "backslashreplace") + _BOM + said
    return b"%d %s" % (len(message), message)


def name(value: str, limit: int) -> str:
    """PRINTUSASCII: what is not becomes a hyphen; nothing is the NILVALUE."""
    found = "".join(one if "!" <= one <= "~" else "-" for one in value[:limit])
    return found or "-"


def escaped(value: str) -> str:
    """A PARAM-VALUE: RFC 5424 6.3.3."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def tls_context(ca: Path, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Raises OSError for files that do not serve."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # with the host name checked
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=ca)
    if certificate is not None:
        context.load_cert_chain(certificate, key, password=_refuse_to_ask)
    return context


def _refuse_to_ask() -> str:
    raise ssl.SSLError("the key is behind a password")


@dataclass(slots=True)
class Collector:
    """A connection to a syslog receiver, opened when something is to be sent."""

    host: str
    port: int
    ca: Path
    certificate: Path | None = None
    key: Path | None = None
    settles_seconds: float = SETTLES_SECONDS
    _socket: ssl.SSLSocket | None = field(default=None, repr=False)

    def write(self, lines: Sequence[bytes], *, durable: bool) -> None:
        _ = durable  # a collector's word for that does not exist
        self.look()
        try:
            self._connected().sendall(b"".join(lines))
        except OSError:
            self.close()
            raise

    def look(self) -> None:
        """Raises OSError where the other side has gone: what it was sent last may be lost."""
        if self._socket is None:
            return
        try:
            self._socket.settimeout(0)
            gone = self._socket.recv(1) == b""
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            gone = False
        except OSError:
            self.close()
            raise
        if gone:
            self.close()
            raise ConnectionResetError(f"{self.host} closed the connection")
        self._socket.settimeout(ANSWER_SECONDS)

    def reopen(self) -> None:
        """Certificates are read anew with the next connection."""
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> ssl.SSLSocket:
        if self._socket is None:
            context = tls_context(self.ca, self.certificate, self.key)
            plain = socket.create_connection((self.host, self.port), ANSWER_SECONDS)
            try:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                self._socket = context.wrap_socket(plain, server_hostname=self.host)
            except BaseException:
                plain.close()
                raise
        return self._socket
