"""CRLs and OCSP responses: what is taken for proof, what is refused, what they say as of when."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import core
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from relay.delivery.revocation.ports import Kind
from relay.errors import SignatureError
from relay.model import Digest
from relay.signing.revocation import aims
from relay.signing.revocation import held as holding
from relay.signing.revocation.crl import prove_crl
from relay.signing.revocation.ocsp import prove_response
from relay.signing.revocation.verdicts import (
    Freshness,
    Revocation,
    RevocationState,
    Statement,
    judge,
)


@pytest.fixture(scope="module")
def now() -> datetime:
    """The real one: whoever builds a response cannot choose when it was produced."""
    return datetime.now(UTC).replace(microsecond=0)


DAY = timedelta(days=1)
FRESH = Freshness()
Flags = x509.ReasonFlags


def entry(serial: int, at: datetime, *extensions: tuple[Any, bool]) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.build()


def crl(
    issuer: Any,
    now: datetime,
    *entries: x509.RevokedCertificate,
    until: timedelta = DAY,
    extra: tuple[tuple[Any, bool], ...] = (),
    key: Any = None,
    name: x509.Name | None = None,
    algorithm: Any = None,
) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name or issuer.certificate.subject)
        .last_update(now)
        .next_update(now + until)
    )
    for one in entries:
        builder = builder.add_revoked_certificate(one)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    signed = builder.sign(key or issuer.key, algorithm or hashes.SHA256())
    return signed.public_bytes(Encoding.DER)


def point(**scope: Any) -> x509.IssuingDistributionPoint:
    plain: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**(plain | scope))


def refusal(der: bytes, issuer: Any, now: datetime) -> str:
    with pytest.raises(SignatureError) as caught:
        prove_crl(der, issuer.certificate, now)
    assert caught.value.reason == "bad-revocation"
    return str(caught.value)


# ---------------------------------------------------------------- CRL


def test_a_crl_says_who_is_revoked_since_when_and_why(pki: Any, now: datetime) -> None:
    """An entry with reason and invalidity date; everybody else of that issuer is not revoked."""
    bad, good = pki.node("a"), pki.node("b")
    lost = now - 3 * DAY
    reasons = ((x509.CRLReason(Flags.key_compromise), False), (x509.InvalidityDate(lost), False))
    der = crl(pki.issuing, now, entry(bad.certificate.serial_number, now - DAY, *reasons))

    held = prove_crl(der, pki.issuing.certificate, now)

    said = held.statement(bad.certificate)
    assert said is not None
    assert said.revocation is not None
    assert said.revocation.reason == "keyCompromise"
    assert said.revocation.since == lost.replace(microsecond=0)
    assert (other := held.statement(good.certificate)) is not None
    assert other.revocation is None


def test_a_crl_is_believed_of_its_issuers_own_key_only(
    pki: Any, make_pki: Any, now: datetime
) -> None:
    """Another key under the same name, another name, an issuer that may not sign CRLs."""
    other = make_pki("rsa2048")
    unable = pki.issue(
        issuer=pki.root, label="Unable", ca=True, pathlen=0, usage={"key_cert_sign": True}
    )

    assert "signature" in refusal(crl(pki.issuing, now, key=other.issuing.key), pki.issuing, now)
    assert "another issuer" in refusal(crl(pki.root, now), pki.issuing, now)
    assert "cRLSign" in refusal(crl(unable, now), unable, now)


def test_a_crl_that_is_not_whole_is_refused(pki: Any, now: datetime) -> None:
    """Deltas, indirect ones, some reasons only, attribute certificates, what is critical and unknown."""
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    cases: list[tuple[Any, str]] = [
        (x509.DeltaCRLIndicator(1), "delta"),
        (point(indirect_crl=True), "indirect"),
        (point(only_some_reasons=frozenset({Flags.key_compromise})), "some reasons"),
        (point(only_contains_attribute_certs=True), "scope"),
        (unknown, "1.2.3.4"),
    ]
    for extension, said in cases:
        assert said in refusal(crl(pki.issuing, now, extra=((extension, True),)), pki.issuing, now)
    of_another = x509.CertificateIssuer([x509.DirectoryName(pki.root.certificate.subject)])
    strange = entry(7, now, (of_another, True))
    assert "entry extension" in refusal(crl(pki.issuing, now, strange), pki.issuing, now)


def test_a_freshest_crl_pointer_changes_nothing(pki: Any, now: datetime) -> None:
    """A base CRL is whole; where its deltas would be is not followed."""
    uri = x509.UniformResourceIdentifier("http://crl.example/delta.crl")
    pointer = x509.FreshestCRL([x509.DistributionPoint([uri], None, None, None)])

    assert (
        prove_crl(
            crl(pki.issuing, now, extra=((pointer, False),)), pki.issuing.certificate, now
        ).entries
        == {}
    )


def test_a_crl_speaks_within_its_scope(pki: Any, now: datetime, certify: Any) -> None:
    """User certificates, authorities, or those that name its distribution point: nothing of others."""
    node = pki.node("a")
    users = crl(pki.issuing, now, extra=((point(only_contains_user_certs=True), True),))
    cas = crl(pki.issuing, now, extra=((point(only_contains_ca_certs=True), True),))
    elsewhere = point(full_name=[x509.UniformResourceIdentifier("http://crl.example/2.crl")])
    other_part = crl(pki.issuing, now, extra=((elsewhere, True),))
    issuer = pki.issuing.certificate

    assert prove_crl(users, issuer, now).statement(node.certificate) is not None
    assert prove_crl(cas, issuer, now).statement(node.certificate) is None
    assert prove_crl(other_part, issuer, now).statement(node.certificate) is None


def test_a_crl_of_the_future_or_without_end_is_refused(pki: Any, now: datetime) -> None:
    """A few minutes are the tolerance of clocks."""
    early = crl(pki.issuing, now + timedelta(minutes=4))
    future = crl(pki.issuing, now + timedelta(hours=1))

    assert prove_crl(early, pki.issuing.certificate, now)
    assert "judged at" in refusal(future, pki.issuing, now)


def test_hostile_bytes_are_no_crl(pki: Any, now: datetime) -> None:
    """Any bytes end in a refusal; a flipped one too."""
    der = crl(pki.issuing, now, entry(7, now))
    for content in (b"", b"0", der[:-1], der + b"\0", b"-----BEGIN X509 CRL-----", bytes(20 << 20)):
        refusal(content, pki.issuing, now)
    for place in range(0, len(der), 7):
        flipped = der[:place] + bytes([der[place] ^ 1]) + der[place + 1 :]
        refusal(flipped, pki.issuing, now)


def test_who_is_removed_from_the_crl_is_not_revoked(pki: Any, now: datetime) -> None:
    """removeFromCRL is no revocation."""
    node = pki.node("a")
    removed = (x509.CRLReason(Flags.remove_from_crl), False)
    der = crl(pki.issuing, now, entry(node.certificate.serial_number, now, removed))

    said = prove_crl(der, pki.issuing.certificate, now).statement(node.certificate)

    assert said is not None
    assert said.revocation is None


# ---------------------------------------------------------------- OCSP


def response(
    certificate: Any,
    issuer: Any,
    responder: Any,
    now: datetime,
    *,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    revoked_at: datetime | None = None,
    naming: Any = None,
    certificates: tuple[Any, ...] | None = None,
    by_name: bool = False,
) -> bytes:
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=certificate.certificate,
        issuer=issuer.certificate,
        algorithm=naming or hashes.SHA1(),
        cert_status=status,
        this_update=now,
        next_update=now + DAY,
        revocation_time=revoked_at,
        revocation_reason=None,
    )
    encoding = ocsp.OCSPResponderEncoding
    builder = builder.responder_id(
        encoding.NAME if by_name else encoding.HASH, responder.certificate
    )
    given = (responder,) if certificates is None else certificates
    if given and responder is not issuer:
        builder = builder.certificates([one.certificate for one in given])
    signed = builder.sign(responder.key, hashes.SHA256())
    return signed.public_bytes(Encoding.DER)


def responder(
    certify: Any, issuer: Any, *, nocheck: bool = True, uses: Any = None, **more: Any
) -> Any:
    key = ec.generate_private_key(ec.SECP256R1())
    uses = [ExtendedKeyUsageOID.OCSP_SIGNING] if uses is None else uses
    extra = x509.OCSPNoCheck() if nocheck else None
    return certify("Responder", key, issuer=issuer, uses=uses, extra=extra, **more)


def ocsp_refusal(der: bytes, issuer: Any, now: datetime, **more: Any) -> str:
    with pytest.raises(SignatureError) as caught:
        prove_response(der, issuer.certificate, now, **more)
    assert caught.value.reason == "bad-revocation"
    return str(caught.value)


@pytest.mark.parametrize("naming", [hashes.SHA1(), hashes.SHA256()])
def test_the_issuer_or_its_delegate_may_answer(
    pki: Any, certify: Any, now: datetime, naming: Any
) -> None:
    """SHA-1 or SHA-256 name the certificate; neither is a signature."""
    node = pki.node("a")
    for who in (pki.issuing, responder(certify, pki.issuing)):
        der = response(node, pki.issuing, who, now, naming=naming)

        said = prove_response(der, pki.issuing.certificate, now).statement(node.certificate)

        assert said is not None
        assert said.revocation is None


def test_an_answer_of_revoked_says_since_when(pki: Any, now: datetime) -> None:
    """RFC 6960 §4.2.1; "unknown" is no statement at all."""
    node = pki.node("a")
    status = ocsp.OCSPCertStatus
    gone = response(
        node, pki.issuing, pki.issuing, now, status=status.REVOKED, revoked_at=now - DAY
    )
    unknown = response(node, pki.issuing, pki.issuing, now, status=status.UNKNOWN)

    said = prove_response(gone, pki.issuing.certificate, now).statement(node.certificate)
    assert said is not None
    assert said.revocation is not None
    assert said.revocation.at == (now - DAY).replace(microsecond=0)
    assert prove_response(unknown, pki.issuing.certificate, now).statement(node.certificate) is None


def test_nobody_else_may_answer(pki: Any, make_pki: Any, certify: Any, now: datetime) -> None:
    """Not a certificate without the usage, of another issuer, of the root, expired, or forged."""
    node, issuing = pki.node("a"), pki.issuing
    other = make_pki("rsa2048").issuing
    no_usage = responder(certify, issuing, uses=[ExtendedKeyUsageOID.SERVER_AUTH])
    strangers = {
        "not for OCSP": no_usage,
        "not certified by the issuer": responder(certify, pki.root),
    }
    for said, who in strangers.items():
        assert said in ocsp_refusal(response(node, issuing, who, now), issuing, now)
    foreign = responder(certify, other)
    assert "not certified" in ocsp_refusal(response(node, issuing, foreign, now), issuing, now)
    not_alone = [ExtendedKeyUsageOID.OCSP_SIGNING, ExtendedKeyUsageOID.SERVER_AUTH]
    beside = responder(certify, issuing, uses=not_alone)
    assert "stands alone" in ocsp_refusal(response(node, issuing, beside, now), issuing, now)
    honest = responder(certify, issuing)
    bare = response(node, issuing, honest, now, certificates=())
    assert "no certificate" in ocsp_refusal(bare, issuing, now)


def test_a_delegate_without_nocheck_needs_a_crl_that_clears_it(
    pki: Any, certify: Any, now: datetime
) -> None:
    """RFC 6960 §4.2.2.2.1: else a revoked responder could clear itself and everybody."""
    node, issuing = pki.node("a"), pki.issuing
    delegate = responder(certify, issuing, nocheck=False)
    der = response(node, issuing, delegate, now)
    clear = prove_crl(crl(issuing, now), issuing.certificate, now)
    serial = delegate.certificate.serial_number
    revoked = prove_crl(crl(issuing, now, entry(serial, now)), issuing.certificate, now)

    assert prove_response(der, issuing.certificate, now, clear)
    assert "no nocheck" in ocsp_refusal(der, issuing, now)
    assert "is stale" in ocsp_refusal(der, issuing, now + 2 * DAY, crl=clear)
    assert "revoked" in ocsp_refusal(der, issuing, now, crl=revoked)


def test_an_answer_about_another_issuers_certificate_says_nothing(
    pki: Any, make_pki: Any, now: datetime
) -> None:
    """The same serial under another issuer is another certificate."""
    node, other = pki.node("a"), make_pki("rsa2048").issuing
    der = response(node, other, pki.issuing, now)

    assert prove_response(der, pki.issuing.certificate, now).statement(node.certificate) is None


def test_hostile_bytes_are_no_answer(pki: Any, now: datetime) -> None:
    """Any bytes end in a refusal, a refusal by the responder too; nothing of the future is believed."""
    node, issuing = pki.node("a"), pki.issuing
    der = response(node, issuing, issuing, now)
    unsuccessful = ocsp.OCSPResponseBuilder.build_unsuccessful(
        ocsp.OCSPResponseStatus.TRY_LATER
    ).public_bytes(Encoding.DER)
    for content in (b"", b"0", der[:-1], der + b"\0", bytes(1 << 17), unsuccessful):
        ocsp_refusal(content, issuing, now)
    for place in range(0, len(der), 3):
        flipped = der[:place] + bytes([der[place] ^ 1]) + der[place + 1 :]
        ocsp_refusal(flipped, issuing, now)
    later = response(node, issuing, issuing, now + timedelta(hours=1))
    assert "future" in ocsp_refusal(later, issuing, now)


def test_an_answer_says_nothing_beyond_the_certificate_it_is_signed_with(
    pki: Any, certify: Any, now: datetime
) -> None:
    """An old responder's key in other hands: a next update years ahead ends when its certificate does."""
    node, issuing = pki.node("a"), pki.issuing
    ends = now + timedelta(hours=2)
    old = responder(certify, issuing, not_after=ends)
    proven = prove_response(response(node, issuing, old, now), issuing.certificate, now)

    said = proven.statement(node.certificate)

    assert said is not None
    assert said.next_update == ends
    by_issuer = response(node, issuing, issuing, now)
    said = prove_response(by_issuer, issuing.certificate, now).statement(node.certificate)
    assert said is not None
    assert said.next_update == now + DAY


def test_an_answer_does_not_know_what_came_after_it_was_produced(pki: Any, now: datetime) -> None:
    """thisUpdate is what was known when it was produced (RFC 6960 §2.4): else a key of former times would
    speak of today."""
    node, issuing = pki.node("a"), pki.issuing
    later = now + timedelta(hours=1)
    der = response(node, issuing, issuing, later)

    assert "after it was produced" in ocsp_refusal(der, issuing, later)


def answered(response_of: bytes, key: Any, *, put: bytes, in_place_of: bytes) -> bytes:
    """The response with other words in what is signed, signed again by this key."""
    whole = asn1_ocsp.OCSPResponse.load(response_of)
    basic = whole["response_bytes"]["response"].parsed
    content = basic["tbs_response_data"].dump()
    assert in_place_of in content
    content = content.replace(in_place_of, put)
    basic["tbs_response_data"] = asn1_ocsp.ResponseData.load(content)
    basic["signature"] = key.sign(content, ec.ECDSA(hashes.SHA256()))
    whole["response_bytes"]["response"] = core.ParsableOctetString(basic.dump(force=True))
    return bytes(whole.dump(force=True))


def test_an_authority_cannot_answer_with_what_no_parser_knows(pki: Any, now: datetime) -> None:
    """A name hashed by an algorithm that the library does not know is a refusal: whatever else it raised
    would end the node that fetched it."""
    node, issuing = pki.node("a"), pki.issuing
    sha1, md4 = bytes.fromhex("06052b0e03021a"), bytes.fromhex("06052b0e030202")
    der = answered(response(node, issuing, issuing, now), issuing.key, put=md4, in_place_of=sha1)

    assert "cannot be read" in ocsp_refusal(der, issuing, now)


def test_a_certificate_that_came_along_and_cannot_be_read_is_passed_over(
    pki: Any, certify: Any, now: datetime
) -> None:
    """No signature covers those certificates: whoever is on the way may put any there."""
    node, issuing = pki.node("a"), pki.issuing
    odd, honest = responder(certify, issuing), responder(certify, issuing)
    der = response(node, issuing, honest, now, certificates=(odd, honest), by_name=True)
    name = b"\x0c\x09Responder"  # a UTF8String
    assert der.count(name) == 3, "the response's own, and two certificates'"
    first = der.index(name, der.index(name) + 1)
    spoilt = der[: first + 2] + b"\xff" * 9 + der[first + 11 :]

    said = prove_response(spoilt, issuing.certificate, now).statement(node.certificate)

    assert said is not None


# ---------------------------------------------------------------- what is looked for


def test_the_lists_of_an_authority_are_looked_for_however_many_certificates_were_met(
    pki: Any, certify: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was wanted about certificates that are forgotten goes with them, and nothing else."""
    monkeypatch.setattr(holding, "MOST_CERTIFICATES", 5)
    monkeypatch.setattr(aims, "MOST_AIMS", 12)
    plan = aims.Plan(lambda _: True, FRESH, DAY, lambda: 0.5, crls=("http://crl.example/all",))
    statements = holding.HeldStatements(plan)
    uri = x509.UniformResourceIdentifier("http://ocsp.example/")
    ocsp_at = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, uri)
    key = ec.generate_private_key(ec.SECP256R1())
    for number in range(20):
        extra = x509.AuthorityInformationAccess([ocsp_at])
        leaf = certify(f"Leaf {number}", key, issuer=pki.issuing, extra=extra).certificate
        way = leaf, pki.issuing.certificate, pki.root.certificate
        statements.verdict(way, now)

    due = [one.kind for one in statements.due(now)]
    assert due == [Kind.CRL, Kind.CRL], "of the issuing authority, and of the root"
    assert len(statements.aims._aims) == 2 + 4


# ---------------------------------------------------------------- as of when

T = datetime(2026, 11, 1, tzinfo=UTC)
END = T + 365 * DAY


def said(at: datetime, revocation: Revocation | None = None, until: datetime | None = None) -> Any:
    return Statement(Digest(f"{at:%Y%m%d}"), at, until or at + DAY, revocation)


def state(at: datetime, *statements: Statement, fresh: Freshness = FRESH) -> RevocationState:
    return judge(statements, at, END, fresh).state


def test_nothing_held_is_unknown_never_valid() -> None:
    """Offline means UNKNOWN."""
    assert state(T) is RevocationState.UNKNOWN


def test_a_statement_counts_until_its_next_update_and_grace() -> None:
    """After that it is stale; before it was made it proves the past too."""
    held = said(T)

    assert state(T + DAY, held) is RevocationState.VALID
    assert state(T + DAY + timedelta(seconds=1), held) is RevocationState.UNKNOWN
    assert state(T + 2 * DAY, held, fresh=Freshness(grace=2 * DAY)) is RevocationState.VALID
    assert state(T - 30 * DAY, held) is RevocationState.VALID


def test_what_was_made_after_the_certificate_expired_says_nothing() -> None:
    """Authorities forget the revocations of expired certificates (RFC 5280 §3.3)."""
    assert state(T, said(END + DAY)) is RevocationState.UNKNOWN


def test_a_revocation_counts_from_its_date_or_the_keys_loss() -> None:
    """Before it the certificate was valid; from its invalidity date on it was not."""
    gone = Revocation(T, "keyCompromise", T - 2 * DAY)

    assert state(T - 3 * DAY, said(T, gone)) is RevocationState.VALID
    assert state(T - 2 * DAY, said(T, gone)) is RevocationState.REVOKED
    assert state(T + 90 * DAY, said(T, gone)) is RevocationState.REVOKED


def test_only_a_hold_ends() -> None:
    """A newer statement without it lifts a hold, and nothing else."""
    hold, gone = Revocation(T, "certificateHold"), Revocation(T, "superseded")
    newer = said(T + DAY)

    assert state(T + DAY, said(T, hold), newer) is RevocationState.VALID
    assert state(T + DAY, said(T, hold)) is RevocationState.REVOKED
    assert state(T + DAY, said(T, gone), newer) is RevocationState.REVOKED


def test_a_hold_that_a_newer_word_knows_to_be_over_clears_nobody() -> None:
    """The newer word ran out; the older one, in force, says hold: neither says that it is valid now."""
    hold = Revocation(T, "certificateHold")
    older, newer = said(T, hold, until=T + 9 * DAY), said(T + DAY)

    assert state(T + DAY, older, newer) is RevocationState.VALID
    assert state(T + 5 * DAY, older, newer) is RevocationState.UNKNOWN


def test_of_one_second_the_worse_news_counts() -> None:
    """Whichever was told of first, a list or an answer."""
    hold, good = said(T, Revocation(T, "certificateHold")), said(T)

    assert state(T, hold, good) is RevocationState.REVOKED
    assert state(T, good, hold) is RevocationState.REVOKED


# ---------------------------------------------------------------- others' software


@pytest.fixture(name="openssl")
def openssl_fixture(openssl: str) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    def run(*arguments: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([openssl, *map(str, arguments)], capture_output=True, check=False)

    return run


def test_openssl_agrees_on_a_crl(pki: Any, tmp_path: Path, openssl: Any) -> None:
    """openssl verify -crl_check calls the same certificate revoked that we do, and the other good."""
    now = datetime.now(UTC)
    bad, good = pki.node("a"), pki.node("b")
    der = crl(pki.issuing, now, entry(bad.certificate.serial_number, now - DAY))
    (tmp_path / "crl.der").write_bytes(der)
    (tmp_path / "ca.pem").write_bytes(pki.root.pem + pki.issuing.pem)
    pem = openssl("crl", "-inform", "DER", "-in", tmp_path / "crl.der")
    (tmp_path / "crl.pem").write_bytes(pem.stdout)
    ours = prove_crl(der, pki.issuing.certificate, now)
    for one in (bad, good):
        (tmp_path / "leaf.pem").write_bytes(one.pem)
        theirs = openssl(
            *("verify", "-crl_check", "-CRLfile", tmp_path / "crl.pem"),
            *("-CAfile", tmp_path / "ca.pem", tmp_path / "leaf.pem"),
        )
        statement = ours.statement(one.certificate)
        assert statement is not None
        assert (b"revoked" in theirs.stderr) is (statement.revocation is not None), theirs.stderr
        assert (theirs.returncode == 0) is (statement.revocation is None), theirs.stderr


def test_one_answer_of_openssl_may_be_about_several(
    pki: Any, now: datetime, tmp_path: Path, openssl: Any
) -> None:
    """Each is found by its own serial, revoked or not; of others it says nothing."""
    good, bad, other = pki.node("a"), pki.node("b"), pki.node("c")
    (tmp_path / "ca.pem").write_bytes(pki.issuing.pem)
    (tmp_path / "ca.key").write_bytes(pki.issuing.key_pem)
    rows = []
    for name, one, word in (("good", good, "V"), ("bad", bad, "R")):
        (tmp_path / f"{name}.pem").write_bytes(one.pem)
        serial = f"{one.certificate.serial_number:X}"
        gone = f"{now - DAY:%y%m%d%H%M%SZ},keyCompromise" if word == "R" else ""
        even = serial if len(serial) % 2 == 0 else f"0{serial}"
        rows.append(f"{word}\t360101000000Z\t{gone}\t{even}\tunknown\t/CN=x\n")
    (tmp_path / "index").write_text("".join(rows))
    done = openssl(
        *("ocsp", "-index", tmp_path / "index", "-CA", tmp_path / "ca.pem"),
        *("-rsigner", tmp_path / "ca.pem", "-rkey", tmp_path / "ca.key", "-ndays", "1"),
        *("-issuer", tmp_path / "ca.pem", "-cert", tmp_path / "good.pem"),
        *("-cert", tmp_path / "bad.pem", "-respout", tmp_path / "out.der", "-noverify"),
    )
    assert done.returncode == 0, done.stderr

    proven = prove_response(
        (tmp_path / "out.der").read_bytes(), pki.issuing.certificate, datetime.now(UTC)
    )

    said = [proven.statement(one.certificate) for one in (good, bad, other)]
    assert said[0] is not None
    assert said[0].revocation is None
    assert said[1] is not None
    assert said[1].revocation is not None
    assert said[1].revocation.reason == "keyCompromise"
    assert said[2] is None
