"""TLS contexts: mutual TLS 1.3 between nodes, TLS 1.2 or newer for document-management systems.

Touches: certificate and key files, read once each.
Trusts:  the roots it is given; no system trust store takes part.
Raises:  SettingsError for files that do not serve; SignatureError (wrong-purpose, bad-certificate)
         for a peer's certificate.

OpenSSL proves that a peer's certificate leads to a root; peer_node says which node it is, and refuses
the same authority's certificates for anything but TLS.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

from relay.errors import SettingsError, SignatureError
from relay.model import NodeId
from relay.signing.certificates import Purpose, read_leaf, require_purpose
from relay.signing.faults import Fault
from relay.signing.keys import read_key_file
from relay.signing.trust import certificates_of


def server_context(certificate: Path, key: Path, roots: Path) -> ssl.SSLContext:
    """The inside: TLS 1.3 only, and only for clients with a certificate under `roots`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _mutual(context, certificate, key, roots)
    return context


def client_context(
    certificate: Path, key: Path, roots: Path, *, check_hostname: bool = True
) -> ssl.SSLContext:
    """The inside, from the other end. Without host names, peer_node alone tells who answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_hostname
    _mutual(context, certificate, key, roots)
    return context


def face_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """The faces: TLS 1.2 or newer, no client certificate (old Java clients have none)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.verify_mode = ssl.CERT_NONE
    _load_own(context, certificate, key)
    return context


def ask_for_certificates(context: ssl.SSLContext, certificates: Iterable[bytes]) -> None:
    """Let clients of a face show one of these certificates (DER); none has to. May be repeated while
    the context serves. Each is trusted by itself: whose it is, the face compares."""
    for der in certificates:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_verify_locations(cadata=der)
        except ssl.SSLError:
            raise SettingsError(["a client certificate of a system cannot be read"]) from None


def client_certificate(path: Path) -> bytes:
    """The first certificate of a PEM file, as DER. Raises SettingsError."""
    try:
        return certificates_of(path.read_bytes())[0]
    except OSError as error:
        raise SettingsError([f"certificate file {path}: {error.strerror}"]) from None
    except SignatureError as error:
        raise SettingsError([f"certificate file {path}: {error}"]) from None


def face_client_context(roots: Path) -> ssl.SSLContext:
    """A client of a face: the server must lead to `roots` and bear the name that was called."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_roots(context, roots)
    return context


def peer_node(certificate_der: bytes) -> NodeId:
    """The node whose TLS certificate this is; its path was proven by the handshake."""
    leaf = read_leaf(certificate_der)
    require_purpose(leaf, Purpose.TLS)
    if leaf.identity.node is None:
        raise SignatureError(Fault.WRONG_NODE, "the certificate names no node")
    return leaf.identity.node


def _mutual(context: ssl.SSLContext, certificate: Path, key: Path, roots: Path) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    _load_own(context, certificate, key)
    _load_roots(context, roots)


def _load_own(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    read_key_file(key)
    try:
        # The empty password keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            [f"TLS certificate {certificate} or key {key}: {error.strerror or 'unreadable'}"]
        ) from None


def _load_roots(context: ssl.SSLContext, roots: Path) -> None:
    try:
        context.load_verify_locations(cafile=roots)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError([f"TLS roots {roots}: {error.strerror or 'unreadable'}"]) from None


def tls_identity(certificate: Path) -> NodeId:
    """The node of a TLS certificate file. Raises SignatureError."""
    return peer_node(certificates_of(certificate.read_bytes())[0])
