"""A collector of our own, and records to send it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from relay.audit.entries import AuditEvent, entry
from relay.delivery.ports import LogEntry
from relay.lines import Line
from relay.logs.record import Record
from relay.model import NodeId

AT = datetime(2026, 11, 29, 6, 36, 10, 125000, UTC)


@dataclass(frozen=True)
class Certificates:
    ca: Path
    server: Path
    key: Path


def _certificate(
    folder: Path, name: str, issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None
) -> tuple[Path, x509.Name, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} of a test")])
    now = datetime.now(UTC)
    above, signer = issuer or (subject, key)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(issuer is None, None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(signer, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / f"{name}.pem", subject, key


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("collector")
    ca, name, key = _certificate(folder, "ca", None)
    server, *_ = _certificate(folder, "server", (name, key))
    return Certificates(ca, server, folder / "server.key.pem")


@dataclass
class Receiver:
    """Takes octet-framed messages over TLS until it is closed."""

    certificates: Certificates
    port: int = 0
    messages: list[bytes] = field(default_factory=list)
    _listener: Any = None
    _open: list[ssl.SSLSocket] = field(default_factory=list)

    def start(self) -> None:
        self._listener = socket.create_server(("0.0.0.0", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _serve(self, listener: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificates.server, self.certificates.key)
        while True:
            try:
                plain, _ = listener.accept()
                tls = context.wrap_socket(plain, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return
            self._open.append(tls)
            threading.Thread(target=self._read, args=(tls,), daemon=True).start()

    def _read(self, tls: ssl.SSLSocket) -> None:
        with tls, tls.makefile("rb") as stream:
            try:
                while length := b"".join(iter(lambda: stream.read(1).strip(), b"")):
                    self.messages.append(stream.read(int(length)))
            except (OSError, ValueError):
                return


@pytest.fixture
def receiver(certificates: Certificates) -> Iterator[Receiver]:
    found = Receiver(certificates)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def line() -> Any:
    def make(number: int = 0, **fields: Any) -> Record:
        return Record(
            1_796_366_170_000_125_000 + number,
            "warning",
            30,
            Line.TRANSFER_POSTPONED.value,
            "relay.dispatch",
            {"number": number, **fields},
        )

    return make


@pytest.fixture
def entries() -> list[LogEntry]:
    return [
        LogEntry(
            index,
            entry(
                AuditEvent.MESSAGE_ACCEPTED,
                AT + timedelta(seconds=index),
                NodeId("tinh-h01"),
                message=f"0190f0a0-0000-7000-8000-{index:012}",
            ).leaf,
        )
        for index in range(600)
    ]
