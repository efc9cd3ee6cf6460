"""TLS contexts: mutual TLS 1.3 between nodes, TLS 1.2 or newer for document-management systems.

Touches: certificate and key files, read once each.
Trusts:  the roots it is given; no system trust store takes part.
Raises:  SettingsError for files that do not serve; SignatureError (wrong-purpose, bad-certificate)
         for a peer's certificate.

OpenSSL proves in the handshake that a peer's certificate leads to a root. That keeps strangers out; what
counts is NodePeers, which judges the whole chain again, by the rules for every other signature of a node.
A context cannot forget a root, so one that is to follow a change hands each new connection to another.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from relay.errors import SettingsError, SignatureError
from relay.model import NodeId
from relay.signing.binding import Binding
from relay.signing.certificates import Chain, Purpose, read_chain, read_leaf, require_purpose
from relay.signing.faults import Fault
from relay.signing.keys import read_key_file
from relay.signing.trust import Anchors, Role, TrustStore, certificates_of
from relay.signing.trust.anchors import der_of

Roots = Path | Anchors
"""A file of roots, or the anchors of which those for nodes count."""


class FollowingContext(ssl.SSLContext):
    """Stands for the context that `now` is: each new connection begins under that one."""

    now: ssl.SSLContext

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        return self.now.wrap_bio(*arguments, **named)


def following(make: Callable[[], ssl.SSLContext], protocol: int) -> FollowingContext:
    """A context whose `now` was made; whoever changes what it is made of sets it anew."""
    context = FollowingContext(protocol)
    context.now = make()
    return context


def server_context(certificate: Path, key: Path, roots: Roots) -> ssl.SSLContext:
    """The inside: TLS 1.3 only, and only for clients with a certificate under `roots` (W1.1). A session is never
    taken up again, for its certificate would not be judged again."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    _mutual(context, certificate, key, roots)
    return context


def client_context(
    certificate: Path, key: Path, roots: Roots, *, check_hostname: bool = True
) -> ssl.SSLContext:
    """The inside, from the other end. Without host names, peer_node alone tells who answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_hostname
    _mutual(context, certificate, key, roots)
    return context


def face_context(certificate: Path, key: Path, clients: Sequence[Path] = ()) -> ssl.SSLContext:
    """The faces: TLS 1.2 or newer, no client certificate (old Java clients have none); or, with roots for
    `clients`, TLS 1.3 for those alone whose certificate one of these roots vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.verify_mode = ssl.CERT_NONE
    _load_own(context, certificate, key)
    if clients:
        _require_clients(context, clients)
    return context


def _require_clients(context: ssl.SSLContext, roots: Iterable[Path]) -> None:
    """No session is taken up again, so that each connection's certificate is judged by itself. An issuing
    CA may be a root here."""
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for path in roots:
        _load_roots(context, path)


def renew_own(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Show this pair from the next handshake on; whom the context asks for theirs stays as it is."""
    _load_own(context, certificate, key)


def ask_for_certificates(context: ssl.SSLContext, certificates: Iterable[bytes]) -> None:
    """Let clients of a face show one of these certificates (DER); none has to. May be repeated while
    the context serves. Each is trusted by itself: whose it is, the face compares. What is no certificate
    nobody can show: it is passed over, for it must not keep the face from all others."""
    for der in certificates:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        _takes(context, der)


def is_certificate(der: bytes) -> bool:
    """Whether a client can show it, as TLS reads it here."""
    return _takes(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), der)


def _takes(context: ssl.SSLContext, der: bytes) -> bool:
    try:
        context.load_verify_locations(cadata=der)
    except (ssl.SSLError, ValueError):  # ValueError of none at all
        return False
    return True


def client_certificate(path: Path) -> bytes:
    """The first certificate of a file, as DER. Raises SettingsError."""
    try:
        der = certificates_of(path.read_bytes())[0]
    except OSError as error:
        raise SettingsError([f"certificate file {path}: {error.strerror}"]) from None
    except SignatureError as error:
        raise SettingsError([f"certificate file {path}: {error}"]) from None
    if not is_certificate(der):
        raise SettingsError([f"certificate file {path}: no certificate is in it"])
    return der


def require_roots(path: Path) -> None:
    """Raise SettingsError unless a PEM file holds roots that face_context takes."""
    _load_roots(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), path)


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


@dataclass(frozen=True, slots=True)
class NodePeers:
    """Which node the chain of a handshake is of, judged as of now; its length is bounded by the caller."""

    trust: TrustStore
    now: Callable[[], datetime]
    binding: Binding | None = None

    def __call__(self, chain: Sequence[bytes]) -> NodeId:
        """Raises SignatureError."""
        path = self.trust.path(_read(tuple(chain)), self.now(), Purpose.TLS)
        self.trust.require_unrevoked(path, Purpose.TLS)
        if self.binding is not None:
            self.binding.require_node(path)
        node = path.leaf.identity.node
        if node is None:
            raise SignatureError(Fault.WRONG_NODE, "the certificate names no node")
        return node


@lru_cache(maxsize=1024)
def _read(chain: tuple[bytes, ...]) -> Chain:
    """A neighbour's certificates are parsed once, however often they are judged."""
    return read_chain(chain)


def _mutual(context: ssl.SSLContext, certificate: Path, key: Path, roots: Roots) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    _load_own(context, certificate, key)
    if isinstance(roots, Anchors):
        _load_anchors(context, roots)
    else:
        _load_roots(context, roots)


def _load_anchors(context: ssl.SSLContext, anchors: Anchors) -> None:
    """Intermediates only help, so none of them may be one that OpenSSL would take for a root."""
    pinned = anchors.of(Role.NODE)
    helping = [one for one in anchors.intermediates if one.issuer != one.subject]
    if any(one.issuer != one.subject for one in pinned):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=b"".join(map(der_of, (*pinned, *helping))))
    except ssl.SSLError as error:
        raise SettingsError([f"TLS roots: {error.reason or 'unreadable'}"]) from None


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
        said = getattr(error, "reason", None) or error.strerror or "unreadable"
        raise SettingsError([f"TLS roots {roots}: {said.replace('_', ' ').lower()}"]) from None


def tls_identity(certificate: Path) -> NodeId:
    """The node of a TLS certificate file. Raises SignatureError."""
    return peer_node(certificates_of(certificate.read_bytes())[0])
