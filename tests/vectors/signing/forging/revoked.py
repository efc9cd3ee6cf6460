"""What CRLs and OCSP responses say of the usual seal, of a signature that holds: revoked, or nothing at all.

Four entries: `crl` and `ocsp` take one statement and its issuer's certificate; `standing` takes a seal with
the statements that travel beside it, as of now, by a node that refuses what is not known; `asof` judges a stored
seal as of its time, by what was kept beside it, which may be of later.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.vectors.signing.forging.keys import certificate, derived
from tests.vectors.signing.forging.originals import ISSUING, NODE_DER, ROOT
from tests.vectors.signing.forging.statements import (
    DAY,
    HOUR,
    NOW,
    Flags,
    answer,
    beside,
    crl,
    entry,
    reason,
    scope,
    serial_of,
    signature_of,
    unsuccessful,
)
from tests.vectors.signing.forging.vector import Vector, Vectors

# One line a vector, as a table is read.
# fmt: off

PEM = Encoding.PEM
NODE_SERIAL = serial_of(NODE_DER).to_bytes(8, "big")
OTHER_SERIAL = NODE_SERIAL[:-1] + bytes((NODE_SERIAL[-1] ^ 1,))
UNABLE = certificate("Unable", "Root", ca=True, pathlen=0, usage=x509.KeyUsage(False, False, False, False, False, True, False, False, False))
NAMESAKE = certificate("Issuing", "Root", ca=True, pathlen=0, key=derived("namesake"))
OCSP = [ExtendedKeyUsageOID.OCSP_SIGNING]
CLEAR = crl("Root")
"""The root's word on the authority above the signer."""
NOBODY = crl()
GONE = entry(NODE_DER, NOW - DAY, reason(Flags.key_compromise))
HELD = entry(NODE_DER, NOW - DAY, reason(Flags.certificate_hold))
LATER = entry(NODE_DER, NOW + 5 * DAY, reason(Flags.key_compromise))


def delegate(label: str, issuer: str = "Issuing", *, nocheck: bool = True, **options: object) -> bytes:
    """A responder's certificate; `nocheck`: nobody need ask about it."""
    given = {"uses": OCSP, "vouching": False} | options
    return certificate(label, issuer, extra=x509.OCSPNoCheck() if nocheck else None, **given)  # type: ignore[arg-type]


def by(der: bytes, label: str, status: str = "good") -> bytes:
    """A delegate's answer, its certificate beside it."""
    return answer(status, by=der, key=derived(label), beside=[der])


def good_statements() -> Iterator[tuple[str, str, bytes]]:
    yield "whole.crl", "a CRL of the authority", NOBODY
    yield "revoking.crl", "one that revokes", crl("Issuing", GONE)
    yield "users.crl", "one about all certificates but authorities'", crl(extra=[scope(only_contains_user_certs=True)])
    yield "issuer.ocsp", "an answer by the authority", answer()
    yield "delegate.ocsp", "an answer by its delegate", by(delegate("responder"), "responder")
    yield "revoked.ocsp", "an answer that revokes", answer("revoked")
    yield "crl.standing", "not revoked, says the authority's CRL", beside(NOBODY, CLEAR)
    yield "ocsp.standing", "not revoked, says its responder", beside(answer(), CLEAR)
    yield "delegate.standing", "not revoked, says its delegate", beside(by(delegate("responder"), "responder"), CLEAR)
    checked = delegate("checked", nocheck=False)
    yield "checked-delegate.standing", "the delegate's own certificate is cleared by a CRL", beside(NOBODY, by(checked, "checked"), CLEAR)
    held = crl("Issuing", HELD, at=NOW - 2 * HOUR)
    yield "released.standing", "on hold, and released by a newer CRL without it", beside(held, NOBODY, CLEAR)
    removed = crl("Issuing", entry(NODE_DER, NOW - 2 * HOUR, reason(Flags.remove_from_crl)))
    yield "removed.standing", "on hold, and released by removeFromCRL", beside(held, removed, CLEAR)
    yield "released.asof", "the same from what was kept", beside(held, removed, CLEAR)
    yield "crl.asof", "not revoked as of then", beside(NOBODY, CLEAR)
    yield "ocsp.asof", "the same by its responder", beside(answer(), CLEAR)
    yield "later.asof", "revoked later, as a CRL of later says", beside(crl("Issuing", LATER, at=NOW + 10 * DAY), CLEAR)
    yield "later-answer.asof", "revoked later, as its responder says", beside(answer("revoked", at=NOW + 10 * DAY, revoked_at=NOW + 5 * DAY), CLEAR)


def revoked() -> Vectors:
    yield from _revoked()
    yield from _unknown()
    yield from _bad_crls()
    yield from _bad_answers()
    yield from _bad_beside()


def _beside(fault: str, case: str, what: str, kind: str, *contents: bytes, control: str = "", says: str = "", holds_as: tuple[str, ...] = ()) -> Vector:
    return Vector(fault, case, kind, what, beside(*contents), control=control or f"crl.{kind}", says=says, holds_as=holds_as)


def _revoked() -> Vectors:
    def gone(case: str, what: str, *contents: bytes, control: str = "crl", says: str = "", kinds: tuple[str, ...] = ("standing", "asof"), also: tuple[str, ...] = ()) -> Vectors:
        for kind in kinds:
            yield _beside("revoked-certificate", case, what, kind, *contents, control=f"{control}.{kind}", says=says, holds_as=also)

    yield from gone("by-crl", "revoked, says a CRL", crl("Issuing", GONE), CLEAR, says="keyCompromise")
    yield from gone("by-ocsp", "revoked, says its responder", answer("revoked"), CLEAR, control="ocsp")
    teller = delegate("responder")
    yield from gone("by-delegate", "revoked, says a delegate", by(teller, "responder", "revoked"), CLEAR, control="ocsp")
    yield from gone("on-hold", "on hold", crl("Issuing", HELD), CLEAR, control="released", says="certificateHold")
    released = crl(at=NOW - 3 * HOUR)
    yield from gone("on-hold-again", "released, and on hold again", released, crl("Issuing", HELD), CLEAR, control="released")
    authority = crl("Root", entry(ISSUING, NOW - DAY))
    yield from gone("authority", "the authority above the signer is revoked", NOBODY, authority, says="its issuer")
    yield from gone("crl-against-answer", "a newer answer says good of what a CRL revoked", crl("Issuing", GONE, at=NOW - 2 * HOUR), answer(), CLEAR)
    forgotten = (crl("Issuing", GONE, at=NOW - 2 * HOUR), NOBODY, CLEAR)
    yield from gone("forgotten", "a newer CRL has forgotten it, the one before was kept", *forgotten, kinds=("asof",), also=("standing",))
    lost = (x509.InvalidityDate(NOW - DAY), False)
    yield from gone("lost-before", "revoked later, the key lost before", crl("Issuing", entry(NODE_DER, NOW + 5 * DAY, lost), at=NOW + 10 * DAY), CLEAR, control="later", kinds=("asof",))
    late = crl("Issuing", GONE, at=NOW + 10 * DAY)
    yield from gone("told-later", "revoked by then, as a CRL of later says", late, CLEAR, control="later", kinds=("asof",))
    stale = crl("Issuing", GONE, at=NOW - 3 * DAY)
    yield from gone("stale-crl", "a stale CRL revokes all the same", stale, CLEAR)


def _unknown() -> Vectors:
    def unknown(case: str, what: str, *contents: bytes, control: str = "crl", kinds: tuple[str, ...] = ("standing", "asof"), says: str = "") -> Vectors:
        for kind in kinds:
            yield _beside("revocation-unknown", case, what, kind, *contents, control=f"{control}.{kind}", says=says)

    stored = ("asof",)
    yield from unknown("stale-crl", "a CRL past its next update", crl(at=NOW - 3 * DAY), CLEAR, says="stale")
    yield from unknown("stale-ocsp", "an answer past its next update", answer(at=NOW - 3 * DAY), CLEAR, control="ocsp", says="stale")
    yield from unknown("stale-authority", "the authority's own CRL is past its next update", NOBODY, crl("Root", at=NOW - 3 * DAY), says="its issuer")
    yield from unknown("nothing-of-the-signer", "a word on the authority, none on the signer", CLEAR, says="no CRL or OCSP")
    yield from unknown("nothing-of-the-authority", "a word on the signer, none on the authority", NOBODY, says="its issuer")
    yield from unknown("forged-crl", "a CRL by another key", crl(key=derived("mallory")), CLEAR, kinds=stored)
    yield from unknown("forged-ocsp", "an answer by another key", answer(key=derived("mallory")), CLEAR, kinds=stored, control="ocsp")
    yield from unknown("no-status", "its responder does not know it", answer("unknown"), CLEAR, kinds=stored, control="ocsp")
    yield from unknown("other-serial", "an answer about another serial", answer(serial=7), CLEAR, kinds=stored, control="ocsp")
    yield from unknown("other-issuer", "an answer about the same serial of another issuer", answer(issuer=NAMESAKE), CLEAR, kinds=stored, control="ocsp")
    yield from unknown("out-of-scope", "a CRL about authorities only", crl(extra=[scope(only_contains_ca_certs=True)]), CLEAR, kinds=stored)
    yield from unknown("after-the-end", "a CRL from after the certificate ended", crl(at=NOW + 3700 * DAY), CLEAR, kinds=stored, says="after the certificate expired")


def _bad(case: str, kind: str, what: str, content: bytes, says: str, issuer: bytes | None = None) -> Vector:
    control = "whole.crl" if kind == "crl" else "issuer.ocsp"
    return Vector("bad-revocation", case, kind, what, content, issuer, control=control, says=says)


def _bad_crls() -> Vectors:
    def bad(case: str, what: str, content: bytes, says: str, issuer: bytes | None = None) -> Vector:
        return _bad(case, "crl", what, content, says, issuer)

    yield bad("wrong-key", "signed with another key", crl(key=derived("mallory")), "signature does not hold")
    yield bad("by-the-signer", "signed with the key that it clears", crl(key=derived("tinh-h01")), "signature does not hold")
    yield bad("namesake", "by another authority of the same name", crl(key=derived("namesake")), "signature does not hold")
    yield bad("another-issuer", "by the root", crl("Root"), "of another issuer")
    yield bad("no-crl-sign", "by an authority that may not sign CRLs", crl("Unable"), "cRLSign", UNABLE)
    yield bad("indirect", "an indirect CRL", crl(extra=[scope(indirect_crl=True)]), "indirect")
    yield bad("delta", "a delta CRL", crl(extra=[(x509.CRLNumber(2), False), (x509.DeltaCRLIndicator(1), True)]), "delta")
    yield bad("some-reasons", "about some reasons only", crl(extra=[scope(only_some_reasons=frozenset({Flags.key_compromise}))]), "some reasons")
    yield bad("attributes", "about attribute certificates", crl(extra=[scope(only_contains_attribute_certs=True)]), "scope")
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    yield bad("unknown-critical", "a critical extension nobody knows", crl(extra=[(unknown, True)]), "1.3.6.1.4.1.99999.1")
    other = x509.CertificateIssuer([x509.DirectoryName(x509.load_der_x509_certificate(ROOT).subject)])
    yield bad("entry-of-another", "an entry about another issuer's certificate", crl("Issuing", entry(NODE_DER, NOW, (other, True))), "entry extension")
    yield bad("entry-unknown-critical", "an entry with a critical extension nobody knows", crl("Issuing", entry(NODE_DER, NOW, (unknown, True))), "entry extension")
    yield bad("of-the-future", "of tomorrow", crl(at=NOW + DAY), "judged at")
    yield bad("cut", "cut off", NOBODY[:-1], "cannot be read")
    yield bad("byte-behind", "a byte behind it", NOBODY + b"\0", "cannot be read")
    yield bad("flipped", "one bit of its signature", NOBODY[:-1] + bytes((NOBODY[-1] ^ 1,)), "signature does not hold")
    yield bad("pem", "PEM", x509.load_der_x509_crl(NOBODY).public_bytes(PEM), "cannot be read")
    released = crl("Issuing", GONE).replace(NODE_SERIAL, OTHER_SERIAL)
    yield bad("serial-put-in", "the revoked serial exchanged for another", released, "signature does not hold")


def _bad_answers() -> Vectors:
    def bad(case: str, what: str, content: bytes, says: str, issuer: bytes | None = None) -> Vector:
        return _bad(case, "ocsp", what, content, says, issuer)

    yield bad("wrong-key", "signed with another key", answer(key=derived("mallory")), "signature does not hold")
    yield bad("by-the-signer", "by the signer's own key and certificate", answer(by=NODE_DER, key=derived("tinh-h01"), beside=[NODE_DER]), "not for OCSP")
    tls = delegate("web", uses=[ExtendedKeyUsageOID.SERVER_AUTH])
    yield bad("by-a-server", "by a certificate of the issuer that is for TLS", by(tls, "web"), "not for OCSP")
    foreign = delegate("foreign", "Other")
    yield bad("by-a-foreign-delegate", "by the delegate of another issuer", by(foreign, "foreign"), "not certified by the issuer")
    of_root = delegate("root's", "Root")
    yield bad("by-the-roots-delegate", "by the root's delegate, of another issuer", by(of_root, "root's"), "not certified by the issuer")
    namesakes = delegate("namesake's", issuer_key=derived("namesake"))
    yield bad("by-a-namesakes-delegate", "by the delegate of another issuer of the same name", by(namesakes, "namesake's"), "not certified by the issuer")
    expired = delegate("expired", days=(-20, -1))
    yield bad("by-an-expired-delegate", "by a delegate whose certificate had ended", by(expired, "expired"), "not valid when it answered")
    unborn = delegate("unborn", days=(10, 20))
    yield bad("by-an-unborn-delegate", "by a delegate whose certificate had not begun", by(unborn, "unborn"), "not valid when it answered")
    unchecked = delegate("checked", nocheck=False)
    yield bad("by-an-unchecked-delegate", "by a delegate of whom nothing says whether it is revoked", by(unchecked, "checked"), "no nocheck")
    honest = delegate("responder")
    yield bad("delegate-not-there", "by a delegate whose certificate is not beside it", answer(by=honest, key=derived("responder")), "no certificate of its responder")
    yield bad("another-in-its-name", "another key in the delegate's name", answer(by=honest, key=derived("mallory"), beside=[honest]), "signature does not hold")
    yield bad("unknown-critical", "a critical extension nobody knows", answer(critical=True), "1.3.6.1.4.1.99999.1")
    yield bad("of-the-future", "of tomorrow", answer(at=NOW + DAY), "in the future")
    yield bad("try-later", "no answer: try later", unsuccessful("try_later"), "try later")
    yield bad("unauthorized", "no answer: not authorized", unsuccessful("unauthorized"), "unauthorized")
    yield bad("cut", "cut off", answer()[:-1], "cannot be read")
    yield bad("serial-put-in", "the serial that it is about put in", answer("revoked").replace(NODE_SERIAL, OTHER_SERIAL), "signature does not hold")
    yield bad("status-put-in", "the status good under the signature of an answer that revokes", answer(value=signature_of(answer("revoked"))), "signature does not hold")


def _bad_beside() -> Vectors:
    """Handed in beside a good seal: refused as they come, not left aside."""
    def bad(case: str, what: str, content: bytes, control: str = "ocsp", also: tuple[str, ...] = ()) -> Vector:
        return _beside("bad-revocation", case, what, "standing", content, CLEAR, control=f"{control}.standing", holds_as=also)

    yield bad("forged-crl", "a CRL by another key", crl(key=derived("mallory")), "crl")
    yield bad("forged-ocsp", "an answer by another key", answer(key=derived("mallory")))
    yield bad("other-serial", "an answer about another serial", answer(serial=7))
    yield bad("other-issuer", "an answer about the same serial of another issuer", answer(issuer=NAMESAKE))
    yield bad("no-status", "its responder does not know it", answer("unknown"))
    yield bad("out-of-scope", "a CRL about attribute certificates", crl(extra=[scope(only_contains_attribute_certs=True)]), "crl")
    yield bad("of-the-future", "a CRL of tomorrow", crl(at=NOW + DAY), "crl", ("asof",))
    unchecked = delegate("checked", nocheck=False)
    gone = crl("Issuing", entry(unchecked, NOW - DAY))
    yield _beside("bad-revocation", "by-a-revoked-delegate", "an answer by a delegate that a CRL revokes", "standing", gone, by(unchecked, "checked"), CLEAR, control="checked-delegate.standing", holds_as=("asof",))
