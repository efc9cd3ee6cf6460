"""Revoke certificates of a development PKI, and say so: CRLs, and answers of an OCSP responder.

Touches: `NAME.revoked.json` and `NAME.crl` beside each issuer's certificate, through pki_files.
Trusts:  its own folder; a question to the responder may be anyone's.
Raises:  PkiError.

For development, tests and the demo only: keys lie in files, and whoever can write the folder revokes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from relay.model import utc
from relay.signing import pki_files
from relay.signing.pki_profiles import Issuer
from relay.signing.pki_words import PkiError, Reason, Trouble

REQUEST_LIMIT_BYTES: Final = 4096
_FLAGS: Final = {reason: x509.ReasonFlags(reason.value) for reason in Reason}


@dataclass(frozen=True, slots=True)
class Entry:
    serial: int
    at: datetime
    reason: Reason
    invalid_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Authority:
    """An issuer of the PKI; `name` is how it is called where it is published."""

    name: str
    path: Path
    issuer: Issuer

    @property
    def crl_path(self) -> Path:
        return self.path.with_suffix(".crl")

    @property
    def responder_path(self) -> Path:
        return pki_files.responder_path(self.path)

    @property
    def revoked_path(self) -> Path:
        return self.path.with_suffix(".revoked.json")


def authorities(directory: Path) -> list[Authority]:
    """The root, and every generation of each branch's issuing CA."""
    paths = [directory / "root" / "root.pem"]
    paths += [
        one
        for one in sorted((directory / "branches").glob("*/ca*.pem"))
        if not one.name.endswith((pki_files.KEY_SUFFIX, "-ocsp.pem"))
    ]
    return [
        Authority(pki_files.published_name(directory, one), one, pki_files.load_issuer(one))
        for one in paths
    ]


def revoke(
    directory: Path,
    certificate: Path,
    *,
    reason: Reason,
    now: datetime,
    invalid_from: datetime | None = None,
) -> Authority:
    """Enter the first certificate of a file into its issuer's list; the CRL is written anew.

    A hold may be followed by another reason, or be taken back by removeFromCRL; all else is for good.
    """
    found = _certificate(certificate)
    authority = next(
        (one for one in authorities(directory) if _issued(found, one.issuer.certificate)), None
    )
    if authority is None:
        raise PkiError(Trouble.DATA, f"{certificate} was not issued by an authority in {directory}")
    entries = {one.serial: one for one in entries_of(authority)}
    before = entries.get(found.serial_number)
    _check_change(certificate, before, reason)
    at = utc(now).replace(microsecond=0)
    entries[found.serial_number] = Entry(found.serial_number, at, reason, invalid_from)
    if reason is Reason.REMOVE_FROM_CRL:
        del entries[found.serial_number]
    _write_entries(authority, entries.values())
    write_crl(authority, now=now)
    return authority


def _check_change(certificate: Path, before: Entry | None, reason: Reason) -> None:
    if reason is Reason.REMOVE_FROM_CRL:
        if before is None or before.reason is not Reason.HOLD:
            raise PkiError(Trouble.USAGE, f"{certificate} is not on hold: nothing to remove")
    elif before is not None and before.reason is not Reason.HOLD:
        raise PkiError(Trouble.EXISTS, f"{certificate} is revoked already ({before.reason})")


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(pki_files.read(path))[0]
    except ValueError as error:
        raise PkiError(Trouble.DATA, f"{path} holds no readable PEM certificate") from error


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 - of whatever kind: it is not its issuer
        return False
    return certificate != issuer


# ---------------------------------------------------------------- the list


def entries_of(authority: Authority) -> list[Entry]:
    path = authority.revoked_path
    if not path.exists():
        return []
    try:
        return [_entry(one) for one in json.loads(pki_files.read(path))]
    except (ValueError, KeyError, TypeError) as error:
        raise PkiError(Trouble.DATA, f"{path} is not a list of revoked certificates") from error


def _entry(row: Any) -> Entry:
    since = row.get("invalid_from")
    return Entry(
        int(row["serial"], 16),
        datetime.fromisoformat(row["at"]).astimezone(UTC),
        Reason(row["reason"]),
        None if since is None else datetime.fromisoformat(since).astimezone(UTC),
    )


def _write_entries(authority: Authority, entries: Any) -> None:
    rows = [
        {
            "serial": f"{one.serial:x}",
            "at": one.at.isoformat(),
            "reason": one.reason.value,
            **({} if one.invalid_from is None else {"invalid_from": one.invalid_from.isoformat()}),
        }
        for one in sorted(entries, key=lambda one: one.at)
    ]
    path = authority.revoked_path
    pki_files.replace(path, (json.dumps(rows, indent=1) + "\n").encode())


def write_crl(authority: Authority, *, now: datetime, valid: timedelta = timedelta(days=1)) -> Path:
    """The authority's present CRL, as DER, in place of the one before."""
    pki_files.replace(authority.crl_path, crl(authority, now=now, valid=valid))
    return authority.crl_path


def crl(authority: Authority, *, now: datetime, valid: timedelta) -> bytes:
    at = utc(now).replace(microsecond=0)
    above = authority.issuer.certificate
    key = authority.issuer.key
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(above.subject)
        .last_update(at)
        .next_update(at + valid)
        .add_extension(x509.CRLNumber(int(at.timestamp())), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
    )
    for entry in entries_of(authority):
        builder = builder.add_revoked_certificate(_revoked(entry))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def _revoked(entry: Entry) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(entry.serial)
        .revocation_date(entry.at)
        .add_extension(x509.CRLReason(_FLAGS[entry.reason]), critical=False)
    )
    if entry.reason is Reason.UNSPECIFIED:  # §5.3.1: then the extension should not be there
        builder = (
            x509.RevokedCertificateBuilder().serial_number(entry.serial).revocation_date(entry.at)
        )
    if entry.invalid_from is not None:
        since = entry.invalid_from.astimezone(UTC).replace(tzinfo=None)
        builder = builder.add_extension(x509.InvalidityDate(since), critical=False)
    return builder.build()


# ---------------------------------------------------------------- the responder


def answer(authority: Authority, question: bytes, *, now: datetime, valid: timedelta) -> bytes:
    """The signed OCSP response about one certificate of this authority; "unknown" of others'."""
    try:
        asked = ocsp.load_der_ocsp_request(question[: REQUEST_LIMIT_BYTES + 1])
        asked_of = (asked.issuer_name_hash, asked.issuer_key_hash, asked.serial_number)
        algorithm = asked.hash_algorithm
    except (ValueError, UnsupportedAlgorithm, NotImplementedError):
        return _unsuccessful(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
    if asked_of[:2] != _named(authority.issuer.certificate, algorithm):
        return _unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
    entry = next((one for one in entries_of(authority) if one.serial == asked_of[2]), None)
    at = utc(now).replace(microsecond=0)
    responder = pki_files.load_issuer(authority.responder_path)
    status = ocsp.OCSPCertStatus.GOOD if entry is None else ocsp.OCSPCertStatus.REVOKED
    reason = None if entry is None else _FLAGS[entry.reason]
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        issuer_name_hash=asked_of[0],
        issuer_key_hash=asked_of[1],
        serial_number=asked_of[2],
        algorithm=algorithm,
        cert_status=status,
        this_update=at,
        next_update=at + valid,
        revocation_time=None if entry is None else entry.at,
        revocation_reason=None if reason is x509.ReasonFlags.unspecified else reason,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
    builder = builder.certificates([responder.certificate])
    for nonce in _nonces(asked):
        builder = builder.add_extension(nonce, critical=False)
    return builder.sign(responder.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _nonces(asked: ocsp.OCSPRequest) -> Iterator[x509.OCSPNonce]:
    for extension in asked.extensions:
        if isinstance(extension.value, x509.OCSPNonce):
            yield extension.value


def _named(issuer: x509.Certificate, algorithm: hashes.HashAlgorithm) -> tuple[bytes, bytes]:
    """As a CertID names this issuer (RFC 6960 §4.1.1)."""
    name = hashes.Hash(algorithm)
    name.update(issuer.subject.public_bytes())
    named = ocsp.OCSPRequestBuilder().add_certificate(issuer, issuer, algorithm).build()
    return name.finalize(), named.issuer_key_hash


def _unsuccessful(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
