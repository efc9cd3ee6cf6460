"""What late_connections.py is for, made to happen."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


async def test_a_connection_accepted_as_its_server_closes_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server closes after the connection was accepted, and before it was looked at."""
    loop: Any = asyncio.get_running_loop()
    accept = loop._accept_connection

    def accept_and_close(*args: Any) -> None:
        accept(*args)
        server.close()

    monkeypatch.setattr(loop, "_accept_connection", accept_and_close)
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always", ResourceWarning)
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setblocking(False)
            assert await asyncio.wait_for(loop.sock_recv(client, 1), 10) == b""
        gc.collect()
    assert [str(one.message) for one in left] == []


async def test_a_handshake_that_ends_after_its_server_closed_leaves_nothing_open(
    tmp_path: Path,
) -> None:
    """The server closes once the connection was made, and before its TLS handshake came to an end."""
    here, there = _contexts(tmp_path)
    loop = asyncio.get_running_loop()

    def factory() -> asyncio.Protocol:
        loop.call_soon(server.close)
        return _Kept()

    server = await loop.create_server(factory, "127.0.0.1", 0, ssl=here)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=there)
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    await writer.wait_closed()


class _Kept(asyncio.Protocol):
    """Keeps its connection for as long as the other side does."""

    transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport


def _contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server with a certificate of its own, and of a client that asks for none."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "late")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    both = folder / "both.pem"
    both.write_bytes(certificate.public_bytes(Encoding.PEM) + key.private_bytes(*form))
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    here.load_cert_chain(both)
    there = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    there.check_hostname, there.verify_mode = False, ssl.CERT_NONE
    return here, there
