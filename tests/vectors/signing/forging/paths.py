"""Signatures whose path to a root is at fault; the leaf itself keeps its profile.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from cryptography import x509

from tests.vectors.signing.forging.certified import URIS, by
from tests.vectors.signing.forging.keys import certificate, derived, key_usage, signer
from tests.vectors.signing.forging.originals import ISSUING, NODE_DER, signed
from tests.vectors.signing.forging.vector import Vector, Vectors

# One line a vector, as a table is read.
# fmt: off


def paths() -> Vectors:
    yield from _broken()
    yield from _long()
    yield from _issuers()
    yield from _issuer_times()


def _path(fault: str, case: str, what: str, issuer: str, *above: bytes) -> Vector:
    """A seal by a good leaf under this issuer, handed in with these certificates."""
    der = certificate(case, issuer, URIS)
    return Vector(fault, case, "seal", what, signed("seal", signer(der, *above, key=derived(case))))


def _broken() -> Vectors:
    yield _path("untrusted", "no-issuer", "the issuer is not handed in", "Issuing")
    yield _path("untrusted", "another-issuer", "another issuer is handed in", "Nobody", ISSUING)
    false = certificate("only-the-name", "Issuing", URIS, issuer_key=derived("mallory"))
    yield Vector("untrusted", "only-the-name", "seal", "the issuer's name and another's signature", by(false, derived("only-the-name")))
    other_root = certificate("Other", "Other", ca=True)
    yield _path("untrusted", "other-root", "another root, handed in with it", "Other", other_root)
    false_root = certificate("Root", "Root", key=derived("mallory"), issuer_key=derived("mallory"), ca=True)
    under = certificate("false-root", "Root", URIS, issuer_key=derived("mallory"))
    yield Vector("untrusted", "false-root", "seal", "a root of the right name and another key", by(under, derived("false-root"), false_root))
    alone = certificate("alone", "alone", URIS)
    yield Vector("self-signed", "alone", "seal", "its own issuer", signed("seal", signer(alone, key=derived("alone"))))
    yield Vector("self-signed", "with-issuer", "seal", "its own issuer, a good issuer beside it", by(alone, derived("alone"), ISSUING))
    cross = certificate("Middle", "Far", ca=True, pathlen=0)
    yield _path("untrusted", "broken", "the certificate between issuer and root is missing", "Middle", cross)


def _long() -> Vectors:
    deeper = certificate("Deeper", "Issuing", ca=True)
    yield _path("untrusted", "too-long", "an issuer below one that allows none", "Deeper", deeper, ISSUING)
    first = certificate("First", "Root", ca=True)
    second = certificate("Second", "First", ca=True)
    third = certificate("Third", "Second", ca=True)
    yield _path("untrusted", "too-deep", "three issuers below the root", "Third", third, second, first)
    a, b = certificate("Loop A", "Loop B", ca=True), certificate("Loop B", "Loop A", ca=True)
    yield _path("untrusted", "looped", "two issuers that certify each other", "Loop A", a, b)
    own = certificate("Loop C", "Loop C", ca=True, serial=7)
    again = certificate("Loop C", "Loop C", ca=True, serial=8)
    yield _path("untrusted", "looped-self", "an issuer that certifies itself, twice", "Loop C", own, again, own)
    back = certificate("Root", "Loop A", ca=True)
    yield _path("untrusted", "looped-through-the-root", "a loop in which the root's name stands", "Loop A", a, b, back)


def _issuers() -> Vectors:
    below = certificate("below", "tinh-h01", URIS)
    yield Vector("untrusted", "issued-by-a-leaf", "seal", "issued by an end entity", by(below, derived("below"), NODE_DER, ISSUING))

    def issuer(case: str, what: str, **options: object) -> Vector:
        der = certificate(f"Issuer {case}", "Root", **options)  # type: ignore[arg-type]
        return _path("untrusted", case, what, f"Issuer {case}", der)

    yield issuer("issuer-no-authority", "an issuer that is no authority", usage=key_usage(issuing=True))
    yield issuer("issuer-no-cert-sign", "an issuer whose key may not sign certificates", ca=True, usage=key_usage(signing=True))
    yield issuer("issuer-usage-not-critical", "an issuer's usage that may be passed over", ca=True, usage_critical=False)
    yield issuer("issuer-basic-not-critical", "basic constraints that may be passed over", ca=True, basic_critical=False)
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    der = certificate("Issuer odd", "Root", ca=True, extra=unknown)
    yield _path("bad-certificate", "issuer-unknown-critical", "an issuer with a critical extension nobody knows", "Issuer odd", der)


def _issuer_times() -> Vectors:
    late = certificate("Late", "Root", ca=True, pathlen=0, days=(-20, -10))
    yield _path("expired-certificate", "issuer-ended", "the issuer's certificate ended before", "Late", late)
    early = certificate("Early", "Root", ca=True, pathlen=0, days=(10, 20))
    yield _path("not-yet-valid-certificate", "issuer-begins", "the issuer's certificate begins later", "Early", early)
