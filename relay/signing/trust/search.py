"""Find the ways from a certificate to an anchor: depth first, anchors before helpers, within a budget.

Touches: nothing.
Trusts:  the anchors only. Helpers, the store's own and those that came along, may be anyone's: a chain that
         was made to be costly costs a handful of signatures, and circles lead nowhere.
Raises:  SignatureError (untrusted, path-too-long, algorithm, bad-certificate, weak-key): the fault that
         came nearest to a path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from relay.errors import SignatureError
from relay.signing.algorithms import CERTIFICATE_SIGNATURES
from relay.signing.certificates import check_issuer
from relay.signing.faults import Fault

ISSUER_LIMIT = 3
"""Issuers in a path, the anchor included."""
SIGNATURE_LIMIT = 16
"""Signatures that are checked for one certificate, whatever came along with it."""

Way = tuple[x509.Certificate, ...]


@dataclass(slots=True)
class Search:
    """For one certificate; used once."""

    anchors: Way
    helpers: Way
    left: int = SIGNATURE_LIMIT
    met: list[SignatureError] = field(default_factory=list)
    """Why a step that looked right was none."""

    def ways(self, way: Way) -> Iterator[Way]:
        """Every way on from here to an anchor, the anchor last."""
        for anchor in self.anchors:
            if self._goes_on(way, anchor):
                yield (*way, anchor)
        for helper in self.helpers:
            if not self._named(way, helper) or _seen(way, helper) or helper in self.anchors:
                continue
            if len(way) >= ISSUER_LIMIT:
                self._note(Fault.PATH_TOO_LONG, f"more than {ISSUER_LIMIT} issuers in the path")
            elif self._goes_on(way, helper):
                yield from self.ways((*way, helper))

    def fault(self) -> SignatureError:
        """What to say where no way was found."""
        untrusted = SignatureError(
            Fault.UNTRUSTED, "no path from the certificate to a trusted root"
        )
        return next((one for one in self.met if one.reason != Fault.BAD_CERTIFICATE), untrusted)

    def _goes_on(self, way: Way, issuer: x509.Certificate) -> bool:
        return self._named(way, issuer) and self._issued(way, issuer)

    def _named(self, way: Way, issuer: x509.Certificate) -> bool:
        """By name, and by what else says which: a name alone may be another generation's."""
        certificate = way[-1]
        if certificate.issuer != issuer.subject:
            return False
        said = _authority(certificate)
        return said is None or (_names_key(said, issuer) and _names_certificate(said, issuer))

    def _issued(self, way: Way, issuer: x509.Certificate) -> bool:
        certificate = way[-1]
        if certificate.signature_algorithm_oid not in CERTIFICATE_SIGNATURES:
            self._note(Fault.ALGORITHM, "a certificate's signature is not of the allow-list")
            return False
        try:
            check_issuer(issuer, len(way) - 1)
        except SignatureError as error:
            self.met.append(error)
            return False
        if self.left == 0:
            self._note(Fault.UNTRUSTED, f"no path within {SIGNATURE_LIMIT} signatures")
            return False
        self.left -= 1
        try:
            certificate.verify_directly_issued_by(issuer)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
            return False
        return True

    def _note(self, fault: Fault, message: str) -> None:
        self.met.append(SignatureError(fault, message))


def _seen(way: Way, helper: x509.Certificate) -> bool:
    """A way that comes to the same name and key again goes in a circle."""
    return any(
        one == helper
        or (one.subject == helper.subject and _subject_key(one) == _subject_key(helper) is not None)
        for one in way
    )


def _subject_key(certificate: x509.Certificate) -> bytes | None:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return None
    return found.value.digest


def _authority(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return None


def _names_key(said: x509.AuthorityKeyIdentifier, issuer: x509.Certificate) -> bool:
    """Unless both say which key, and not the same."""
    held = _subject_key(issuer)
    return said.key_identifier is None or held is None or said.key_identifier == held


def _names_certificate(said: x509.AuthorityKeyIdentifier, issuer: x509.Certificate) -> bool:
    """Unless it names another certificate than this, by its issuer and serial number (RFC 5280 §4.2.1.1)."""
    if said.authority_cert_serial_number not in (None, issuer.serial_number):
        return False
    names = said.authority_cert_issuer or ()
    directory = [one.value for one in names if isinstance(one, x509.DirectoryName)]
    return not directory or issuer.issuer in directory
