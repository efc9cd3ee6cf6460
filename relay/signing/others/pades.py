"""Signatures in a PDF (PAdES, and the older adbe forms), judged with pyhanko.

For each signature: what of the file it covers and what came later, whether bytes or signature value
changed, who, by which certificate, when. The one check of ours: the gap that a ByteRange leaves out is
exactly the signature's own hexadecimal Contents, nothing more.

Touches: the file it is given. Trusts: nothing of it. Raises: nothing a PDF can cause but MemoryError.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

from asn1crypto import cms, x509
from pyhanko.pdf_utils.generic import parse_pdf_date
from pyhanko.pdf_utils.misc import PdfReadError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import DiffResult, ModificationLevel
from pyhanko.sign.general import CMSStructuralError
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import (
    extract_certs_for_validation,
    extract_self_reported_ts,
    extract_tst_data_iter,
    message_imprint_checker,
    validate_sig_integrity,
    validate_tst_signed_data,
)
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from relay.judgement import Cover, Flaw, Form, Signature, verdict_of
from relay.signing.others.court import MOST_REVOCATION_DATA, Court, RevocationData, digest_flaws
from relay.signing.others.seen import Seen, in_order, nameless
from relay.signing.others.signers import signer_of
from relay.signing.others.times import signing_time

_FORMS = frozenset({"/adbe.pkcs7.detached", "/ETSI.CAdES.detached"})
_TIMESTAMP = "/DocTimeStamp"
_TAIL_BYTES = 4096
BROKEN = (
    PdfReadError,
    SignatureValidationError,
    CMSStructuralError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What pyhanko and asn1crypto are known to raise on hostile files."""


def judge_pdf(file: BinaryIO, court: Court, known: datetime, most: int) -> Seen:
    """Every signature of it, at most `most`. `known`: when the file existed for certain."""
    try:
        reader = PdfFileReader(file, strict=False)
        if reader.encrypted:
            return Seen((Flaw.ENCRYPTED,))
        embedded = list(reader.embedded_signatures)
    except BROKEN:
        return Seen((Flaw.UNREADABLE,))
    shown = [one for one in embedded if one.sig_object_type != _TIMESTAMP]
    try:
        carried = _security_store(reader)
    except BROKEN:
        carried = RevocationData()
    signatures = tuple(_judged(one, court, known, carried) for one in shown[:most])
    flaws = [] if shown else [Flaw.UNSIGNED]
    if len(shown) > most:
        flaws.append(Flaw.TOO_MANY)
    return Seen(tuple(flaws), signatures)


def _judged(
    one: EmbeddedPdfSignature, court: Court, known: datetime, carried: RevocationData
) -> Signature:
    try:
        return _judge(one, court, known, carried)
    except BROKEN:
        return nameless(Form.PADES, {Flaw.UNREADABLE}, field=_field(one))


def _judge(
    one: EmbeddedPdfSignature, court: Court, known: datetime, carried: RevocationData
) -> Signature:
    if one.sig_object.get("/SubFilter") not in _FORMS:
        return nameless(Form.PADES, {Flaw.UNSUPPORTED}, field=_field(one))
    flaws, covers = _integrity(one)
    algorithm = _algorithm(one.signer_info)
    try:
        certificate, others = one.signer_cert, one.other_embedded_certs
    except SignatureValidationError:
        return nameless(Form.PADES, {*flaws, Flaw.NO_CERTIFICATE}, algorithm, covers, _field(one))
    flaws += _value(one, certificate)
    flaws += digest_flaws(one.md_algorithm)
    carried += _archived(one.signer_info)
    stamped, stamp_flaws = _timestamp(one, court, carried)
    time = signing_time(
        extract_self_reported_ts(one.signer_info) or _written(one),
        stamped,
        known,
        _written(one),
    )
    flaws += [*stamp_flaws, *time.flaws]
    flaws += court.of_signer(certificate, others, _moment(stamped, known), carried)
    flaws += _claims_after_expiry(flaws, certificate, time.signed_at)
    found = in_order(flaws)
    return Signature(
        form=Form.PADES,
        verdict=verdict_of(found),
        flaws=found,
        signer=signer_of(certificate),
        algorithm=algorithm,
        claimed_at=time.claimed_at,
        signed_at=time.signed_at,
        stamped=stamped is not None,
        covers=covers,
        field=_field(one),
    )


def _field(one: EmbeddedPdfSignature) -> str:
    return str(one.field_name)[:200]


# ---------------------------------------------------------------- integrity


def _integrity(one: EmbeddedPdfSignature) -> tuple[list[Flaw], Cover]:
    """What it covers, and what came later."""
    if not _leaves_out_itself_only(one):
        return [Flaw.PART_ONLY], Cover.PART
    if one.reader.xrefs.hybrid_xrefs_present:
        return [Flaw.UNSUPPORTED], Cover.PART  # two readers may see two documents
    one.compute_integrity_info()
    coverage = one.coverage
    if coverage is None or coverage < SignatureCoverageLevel.ENTIRE_REVISION:
        return [Flaw.PART_ONLY], Cover.PART
    if coverage is SignatureCoverageLevel.ENTIRE_FILE:
        return [], Cover.WHOLE_FILE
    allowed = one.summarise_integrity_info()["docmdp_ok"]
    result = one.diff_result
    if not allowed or not isinstance(result, DiffResult):
        return [Flaw.CHANGED], Cover.REVISION
    if result.modification_level is ModificationLevel.OTHER or _is_followed_by_anything_else(one):
        return [Flaw.CHANGED], Cover.REVISION
    return [Flaw.LATER_UPDATE], Cover.REVISION


def _leaves_out_itself_only(one: EmbeddedPdfSignature) -> bool:
    """[0, a, b, c]: between a and b stands <hexadecimal Contents>, and b + c is within the file."""
    numbers = [int(number) for number in one.byte_range]
    if len(numbers) != 4 or numbers[0] != 0 or min(numbers) < 0:
        return False
    _, before, after, rest = numbers
    file = one.reader.stream
    size = file.seek(0, os.SEEK_END)
    if after + rest > size or after - before != 2 * len(one.pkcs7_content) + 2:
        return False
    file.seek(before)
    gap = file.read(after - before)
    try:
        left_out = bytes.fromhex(gap[1:-1].decode("ascii"))
    except ValueError:
        return False
    return bool(gap[:1] == b"<" and gap[-1:] == b">" and left_out == one.pkcs7_content)


def _is_followed_by_anything_else(one: EmbeddedPdfSignature) -> bool:
    """Bytes after the last revision that are no revision themselves; white space is let pass."""
    if one.signed_revision < one.reader.xrefs.total_revisions - 1:
        return False
    file = one.reader.stream
    file.seek(int(one.byte_range[2]) + int(one.byte_range[3]))
    return bool(file.read(_TAIL_BYTES).strip() or file.read(1))


def _value(one: EmbeddedPdfSignature, certificate: x509.Certificate) -> list[Flaw]:
    if one.signed_data["encap_content_info"]["content"].native is not None:
        return [Flaw.UNSUPPORTED]
    intact, valid = validate_sig_integrity(
        one.signer_info,
        certificate,
        expected_content_type="data",
        actual_digest=one.compute_digest(),
    )
    return [] if intact and valid else [Flaw.CHANGED] if valid else [Flaw.BAD_SIGNATURE]


def _algorithm(info: cms.SignerInfo) -> str:
    signed = info["signature_algorithm"]
    digest = info["digest_algorithm"]["algorithm"].native
    try:
        return f"{signed.signature_algo}-{digest}"[:60]
    except ValueError:
        return f"{signed['algorithm'].native}-{digest}"[:60]


# ---------------------------------------------------------------- time, revocation


def _moment(stamped: datetime | None, known: datetime) -> datetime:
    return stamped or known


def _claims_after_expiry(
    flaws: list[Flaw], certificate: x509.Certificate, signed_at: datetime | None
) -> list[Flaw]:
    """A signer whose own word is that the certificate had ended, or not begun, contradicts itself."""
    if signed_at is None or Flaw.EXPIRED in flaws:
        return []
    if signed_at > certificate.not_valid_after:
        return [Flaw.EXPIRED]
    return [Flaw.NOT_YET_VALID] if signed_at < certificate.not_valid_before else []


def _written(one: EmbeddedPdfSignature) -> datetime | None:
    """The PDF's own date of the signature."""
    try:
        found = parse_pdf_date(one.sig_object["/M"], strict=False)
    except (*BROKEN, KeyError):
        return None
    return found if found.tzinfo is not None else None


def _timestamp(
    one: EmbeddedPdfSignature, court: Court, carried: RevocationData
) -> tuple[datetime | None, list[Flaw]]:
    """When a trusted authority saw the signature value; or that none that counts did."""
    try:
        tokens = list(extract_tst_data_iter(one.signer_info, signed=False))[:3]
    except BROKEN:
        return None, [Flaw.BAD_TIMESTAMP]
    for token in tokens:
        if (at := _stamped(token, one, court, carried)) is not None:
            return at, []
    return None, [Flaw.BAD_TIMESTAMP] if tokens else []


def _stamped(
    token: cms.SignedData, one: EmbeddedPdfSignature, court: Court, carried: RevocationData
) -> datetime | None:
    try:
        info = extract_certs_for_validation(token)
        at: datetime = token["encap_content_info"]["content"].parsed["gen_time"].native
        status = court.run(
            lambda: validate_tst_signed_data(
                token, court.stamping(at), message_imprint_checker(one.signer_info)
            )
        )
        if not (status["intact"] and status["valid"]):
            return None
        flaws = court.of_stamper(info.signer_cert, info.other_certs, at, carried)
    except BROKEN:
        return None
    return at if set(flaws) <= {Flaw.REVOCATION_UNKNOWN} else None


def _security_store(reader: PdfFileReader) -> RevocationData:
    """What the file carries for its signatures (PAdES-LT)."""
    if "/DSS" not in reader.root:
        return RevocationData()
    store = DocumentSecurityStore.read_dss(reader)
    return RevocationData(tuple(_contents(store.crls)), tuple(_contents(store.ocsps)))


def _contents(references: object) -> Iterator[bytes]:
    for reference in list(references)[:MOST_REVOCATION_DATA]:  # type: ignore[call-overload]
        yield reference.get_object().data


def _archived(info: cms.SignerInfo) -> RevocationData:
    """What a signature of Adobe's form carries."""
    try:
        for attribute in info["signed_attrs"]:
            if attribute["type"].native == "adobe_revocation_info_archival":
                found = attribute["values"][0]
                return RevocationData(
                    tuple(one.dump() for one in found["crl"] or ()),
                    tuple(one.dump() for one in found["ocsp"] or ()),
                )
    except BROKEN:
        pass
    return RevocationData()
