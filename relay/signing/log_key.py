"""Whose key signs a log: proven by its `log` certificate, as every other word of a node is.

Touches: nothing. Trusts: the trust store and the directory's binding.
Raises:  SignatureError (UncertainError where it cannot be judged now).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache, partial

from cryptography.hazmat.primitives.asymmetric import ed25519

from relay.audit.checkpoint import origin_of
from relay.audit.verify import LogKey
from relay.errors import SignatureError
from relay.model import NodeId
from relay.signing.binding import Binding
from relay.signing.certificates import (
    Chain,
    Leaf,
    Purpose,
    public_key,
    read_chain,
    require_purpose,
)
from relay.signing.faults import Fault
from relay.signing.keys import verify_log_signature
from relay.signing.trust import TrustStore


def log_key_of(
    certificates: Sequence[bytes],
    node: NodeId,
    trust: TrustStore,
    binding: Binding | None,
    at: datetime,
) -> bytes:
    """The 32 raw bytes of the Ed25519 key that these certificates (DER, the leaf first) bind to the log of
    `node`: for the purpose `log`, trusted and unrevoked now, by an issuer of its branch."""
    chain = chain_of(tuple(certificates))
    path = trust.path(chain, at, Purpose.LOG)
    trust.require_unrevoked(path, Purpose.LOG)
    _require_of(path.leaf, node)
    if binding is not None:
        binding.require_node(path)
    return raw_log_key(path.leaf)


@lru_cache(maxsize=256)
def chain_of(certificates: tuple[bytes, ...]) -> Chain:
    """Read once: a node shows the same ones with every proof of its log."""
    return read_chain(certificates)


def key_named(certificates: Sequence[bytes], node: NodeId) -> bytes:
    """The key that the first of these certificates names for the log of `node`. Who issued it is not asked:
    for a certificate that is believed otherwise, as by a log that names its digest."""
    leaf = read_chain(certificates).leaf
    require_purpose(leaf, Purpose.LOG)
    _require_of(leaf, node)
    return raw_log_key(leaf)


def key_of_log(node: NodeId, public_key: bytes) -> LogKey:
    """A key of a node's log, which knows those that certificates name for the same log."""
    return LogKey(
        origin_of(node),
        public_key,
        partial(verify_log_signature, public_key),
        lambda chain: key_of_log(node, key_named(chain, node)),
    )


def _require_of(leaf: Leaf, node: NodeId) -> None:
    if leaf.identity.node != node:
        raise SignatureError(
            Fault.WRONG_NODE, f"the log's certificate is of node {leaf.identity.node}"
        )


def raw_log_key(leaf: Leaf) -> bytes:
    """The 32 bytes of the key in a log's certificate, whoever issued it."""
    key = public_key(leaf.certificate)
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise SignatureError(Fault.WEAK_KEY, "the log's key is not Ed25519")
    return key.public_bytes_raw()
