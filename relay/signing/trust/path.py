"""A path from a certificate to an anchor, and what it must keep as a whole.

Touches: nothing.
Trusts:  that each certificate of it is signed by the next (search.py).
Raises:  SignatureError (expired-certificate, not-yet-valid-certificate, name-constraint, wrong-purpose).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cryptography import x509

from relay.errors import SignatureError
from relay.model import NodeId
from relay.signing.certificates import Leaf, Purpose
from relay.signing.constraints import check_names
from relay.signing.faults import Fault
from relay.signing.profiles import branches_of, check_issued_use


@dataclass(frozen=True, slots=True)
class Window:
    """When every certificate of a path is valid; both ends inclusive (RFC 5280 §4.1.2.5)."""

    not_before: datetime
    not_after: datetime

    def holds(self, at: datetime) -> bool:
        return self.not_before <= at <= self.not_after


@dataclass(frozen=True, slots=True)
class Path:
    """Made only by TrustStore.path: every step of it is proven, and it was valid at the instant asked for."""

    leaf: Leaf
    issuers: tuple[x509.Certificate, ...]
    """Between the leaf and the anchor, the leaf's own issuer first."""
    anchor: x509.Certificate
    window: Window
    branches: tuple[frozenset[NodeId], ...] = ()
    """Of each issuer that names branches, their top nodes: whoever it certified lies in one of them."""

    def steps(self) -> Iterator[tuple[x509.Certificate, x509.Certificate]]:
        """Each certificate with its issuer, from the leaf up; the anchor has none."""
        return pairwise((self.leaf.certificate, *self.issuers, self.anchor))


def made_of(
    leaf: Leaf, certificates: tuple[x509.Certificate, ...], at: datetime, purpose: Purpose
) -> Path:
    """The path of these certificates, the anchor last, if it may be used so at that instant (W11.2)."""
    for certificate in certificates:
        _check_time(certificate, at)
    for place, issuer in enumerate(certificates[1:], 1):
        check_issued_use(issuer, purpose)
        for below in certificates[:place]:
            check_names(issuer, below)
    window = Window(
        max(one.not_valid_before_utc for one in certificates),
        min(one.not_valid_after_utc for one in certificates),
    )
    branches = tuple(found for issuer in certificates[1:] if (found := branches_of(issuer)))
    return Path(leaf, certificates[1:-1], certificates[-1], window, branches)


def _check_time(certificate: x509.Certificate, at: datetime) -> None:
    if at < certificate.not_valid_before_utc:
        raise SignatureError(
            Fault.NOT_YET_VALID_CERTIFICATE,
            f"certificate valid from {certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}, "
            f"judged at {at:%Y-%m-%dT%H:%M:%SZ}",
        )
    if at > certificate.not_valid_after_utc:
        raise SignatureError(
            Fault.EXPIRED_CERTIFICATE,
            f"certificate valid until {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}, "
            f"judged at {at:%Y-%m-%dT%H:%M:%SZ}",
        )
