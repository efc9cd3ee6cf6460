"""PAdES verdicts a second: signed PDFs through the node's own worker process, one after another.

Each PDF is signed once with a certificate of a hierarchy made for the run, with revocation lists at hand, so
that every verdict takes the whole way. One answer is checked for what it says, all for being VALID.

Touches: a child process, a folder for its scratch file.
Raises:  RuntimeError for a verdict that is not VALID.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from asn1crypto.keys import PrivateKeyInfo
from asn1crypto.x509 import Certificate
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko_certvalidator.registry import SimpleCertificateStore

from relay.demo.pdf import make_pdf
from relay.judgement import Verdict
from relay.signing.others.process import JudgingProcess
from relay.signing.others.protocol import Heading, Terms
from relay.signing.pki_words import KeyType

SCANS = (0, 300)
"""Sides of the picture in the page: a PDF of 1 KB, and one of about 100 KB."""
_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Pades:
    key: KeyType
    size_bytes: int
    verdicts: int
    per_second: float
    p50_ms: float


@dataclass(frozen=True, slots=True)
class _Holder:
    certificate: x509.Certificate
    key: Any


async def pades(folder: Path, seconds: float, say: Callable[[str], None]) -> list[Pades]:
    """For each key and size, verdicts in so many seconds."""
    found = []
    for kind in (KeyType.P256, KeyType.RSA2048):
        now = datetime.now(UTC)
        root = await asyncio.to_thread(_issued, kind, None, now)
        signer = await asyncio.to_thread(_issued, kind, root, now)
        terms = Terms((_der(root.certificate),), crls=(_crl(root, now),))
        process = JudgingProcess(lambda terms=terms: terms, folder)  # type: ignore[misc]
        try:
            for side in SCANS:
                content = await asyncio.to_thread(_signed, signer, now, side)
                found.append(await _measure(process, kind, content, seconds))
                say(
                    f"PAdES {kind.value}, {len(content) / 1000:.0f} KB: {found[-1].per_second:.0f}/s"
                )
        finally:
            await process.close()
    return found


async def _measure(process: JudgingProcess, kind: KeyType, content: bytes, seconds: float) -> Pades:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), _CHUNK_BYTES):
            yield content[start : start + _CHUNK_BYTES]

    times: list[float] = []
    heading = Heading(datetime.now(UTC), is_pdf=True, name="bench.pdf")
    await process.judge(chunks, heading)  # the first one starts the worker
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        before = time.monotonic()
        judgement = await process.judge(chunks, heading)
        times.append(time.monotonic() - before)
        if judgement.verdict is not Verdict.VALID:
            words = ", ".join(judgement.words)
            raise RuntimeError(f"a PDF that holds was judged {judgement.verdict}: {words}")
    span = time.monotonic() - began
    middle = sorted(times)[len(times) // 2] * 1000
    return Pades(kind, len(content), len(times), len(times) / span, middle)


def _issued(kind: KeyType, issuer: _Holder | None, now: datetime) -> _Holder:
    if kind is KeyType.P256:
        key: Any = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(65537, 2048)
    ca = issuer is None
    text = "Gốc mẫu" if ca else "Người ký mẫu"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(_usage(ca=ca), critical=True)
    )
    return _Holder(builder.sign(issuer.key if issuer else key, SHA256()), key)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=not ca,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _crl(root: _Holder, now: datetime) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.certificate.subject)
        .last_update(now - timedelta(hours=1))
        .next_update(now + timedelta(days=1))
        .add_extension(x509.CRLNumber(1), critical=False)
    )
    return builder.sign(root.key, SHA256()).public_bytes(Encoding.DER)


def _signed(holder: _Holder, now: datetime, scan_side: int) -> bytes:
    key = holder.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signer = signers.SimpleSigner(
        Certificate.load(_der(holder.certificate)),
        PrivateKeyInfo.load(key),
        SimpleCertificateStore(),
    )
    content = make_pdf("Công văn mẫu", ["Nội dung mẫu"], now, scan_side)
    out = io.BytesIO()
    signers.sign_pdf(
        IncrementalPdfFileWriter(io.BytesIO(content)),
        signers.PdfSignatureMetadata(field_name="Sig1"),
        signer,
        output=out,
    )
    return out.getvalue()
