"""What others sign, made when the tests run: a hierarchy of their own, PDFs, and documents with XML-DSig.

All names are made up. Keys are P-256, for speed; PDFs are signed with pyhanko, XML with signxml.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import signxml
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from lxml import etree
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko.sign.timestamps import DummyTimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from relay.demo.pdf import make_pdf
from relay.envelope.documents import AttachmentContent, Document, Stamp
from relay.envelope.writer import write_document
from relay.model import Party

AT = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
"""When everything here is signed; certificates of signers begin a year earlier and last two."""
LONG = AT + timedelta(days=30 * 365)
ORGANISATION = "Ủy ban nhân dân xã Mẫu"
PERSON = "Nguyễn Văn Mẫu"


@dataclass(frozen=True)
class Holder:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def asn1(self) -> asn1_x509.Certificate:
        return asn1_x509.Certificate.load(self.der)


def name(**texts: str) -> x509.Name:
    oids = {
        "cn": NameOID.COMMON_NAME,
        "o": NameOID.ORGANIZATION_NAME,
        "ou": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "uid": NameOID.USER_ID,
        "title": NameOID.TITLE,
    }
    return x509.Name([x509.NameAttribute(oids[key], text) for key, text in texts.items()])


def issue(
    subject: x509.Name,
    issuer: Holder | None,
    *,
    ca: bool = False,
    begins: datetime = AT - timedelta(days=365),
    ends: datetime = AT + timedelta(days=365),
    usage: str = "",
    digest: Any = None,
) -> Holder:
    if usage == "stamp":  # pyhanko's authority for tests knows no other
        key: Any = rsa.generate_private_key(65537, 2048)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    above = issuer.certificate.subject if issuer else subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not ca and usage != "encipher",
                content_commitment=not ca and usage not in {"encipher", "stamp"},
                key_encipherment=usage == "encipher",
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=ca,
                crl_sign=ca,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    if usage == "stamp":
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(purposes, critical=True)
    signing = issuer.key if issuer else key
    return Holder(builder.sign(signing, digest or hashes.SHA256()), key)


@dataclass(frozen=True)
class Hierarchy:
    root: Holder
    issuing: Holder
    organisation: Holder
    person: Holder
    stamper: Holder

    def crls(self, *revoked: Holder, at: datetime = AT) -> tuple[bytes, bytes]:
        """Of the root and the issuing authority; `revoked` an hour before."""
        lists = []
        for holder, gone in ((self.root, ()), (self.issuing, revoked)):
            builder = (
                x509.CertificateRevocationListBuilder()
                .issuer_name(holder.certificate.subject)
                .last_update(at - timedelta(minutes=30))
                .next_update(at + timedelta(days=7))
                .add_extension(
                    x509.AuthorityKeyIdentifier.from_issuer_public_key(holder.key.public_key()),
                    critical=False,
                )
                .add_extension(x509.CRLNumber(1), critical=False)
            )
            for one in gone:
                entry = x509.RevokedCertificateBuilder(
                    one.certificate.serial_number, at - timedelta(hours=1)
                )
                builder = builder.add_revoked_certificate(entry.build())
            signed = builder.sign(holder.key, hashes.SHA256())
            lists.append(signed.public_bytes(serialization.Encoding.DER))
        return lists[0], lists[1]


@lru_cache(maxsize=1)
def hierarchy() -> Hierarchy:
    """Two generations, as the real one has."""
    root = issue(name(cn="Gốc mẫu", o="Cơ quan mẫu"), None, ca=True, ends=LONG)
    issuing = issue(name(cn="Cấp phát mẫu", o="Cơ quan mẫu"), root, ca=True, ends=LONG)
    return Hierarchy(
        root,
        issuing,
        issue(name(cn=ORGANISATION, o=ORGANISATION), issuing),
        issue(name(cn=PERSON, ou="Văn phòng", o=ORGANISATION), issuing),
        issue(name(cn="Dấu thời gian mẫu", o="Cơ quan mẫu"), root, usage="stamp", ends=LONG),
    )


# ---------------------------------------------------------------- PDFs


def pdf(title: str = "Công văn mẫu") -> bytes:
    return make_pdf(title, [title, "Nội dung mẫu."], AT)


def sign_pdf(
    content: bytes,
    holder: Holder,
    *,
    field: str = "Sig1",
    at: datetime = AT,
    stamped_by: Holder | None = None,
    stamped_at: datetime = AT,
    digest: str = "sha256",
    locked: bool = False,
    local_time: bool = False,
    pades: bool = False,
) -> bytes:
    """`local_time`: the signed attribute says seven hours more and calls it UTC, as programs in use do."""
    signer = signers.SimpleSigner(
        signing_cert=holder.asn1,
        signing_key=asn1_keys.PrivateKeyInfo.load(
            holder.key.private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        ),
        cert_registry=SimpleCertificateStore(),
    )
    stamping = None
    if stamped_by is not None:
        stamping = DummyTimeStamper(
            tsa_cert=stamped_by.asn1,
            tsa_key=asn1_keys.PrivateKeyInfo.load(
                stamped_by.key.private_bytes(
                    serialization.Encoding.DER,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            ),
            certs_to_embed=SimpleCertificateStore(),
            fixed_dt=stamped_at,
        )
    metadata = signers.PdfSignatureMetadata(
        field_name=field,
        md_algorithm=digest,
        certify=locked,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES if locked else fields.MDPPerm.FILL_FORMS,
        subfilter=fields.SigSeedSubFilter.PADES
        if pades
        else fields.SigSeedSubFilter.ADOBE_PKCS7_DETACHED,
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(content))
    pdf_signer = _Dated(metadata, signer=signer, timestamper=stamping)
    pdf_signer.at = at + timedelta(hours=7) if local_time else at
    out = io.BytesIO()
    pdf_signer.sign_pdf(writer, output=out)
    return out.getvalue()


class _Dated(signers.PdfSigner):  # type: ignore[misc]
    """Signs at a time of the test's choosing."""

    at: datetime

    def init_signing_session(self, *args: Any, **named: Any) -> Any:
        session = super().init_signing_session(*args, **named)
        session.system_time = self.at
        return session


# ---------------------------------------------------------------- documents

DS = "{http://www.w3.org/2000/09/xmldsig#}"


def envelope(*attachments: AttachmentContent) -> bytes:
    return write_document(
        Document(
            sender=Party("H01.15", ORGANISATION),
            recipients=(Party("H01", "Cơ quan nhận mẫu"),),
            document_id="H01.15,1",
            code_number="1",
            code_notation="CV-M",
            promulgation_place="Mẫu",
            promulgation_date=date(2026, 11, 23),
            document_type="Công văn",
            subject="V/v thử nghiệm",
            traces=(Stamp("H01.15", AT),),
            attachments=attachments,
        )
    )


def attached(
    content: bytes, file_name: str = "cong-van.pdf", content_type: str = "application/pdf"
) -> AttachmentContent:
    return AttachmentContent(file_name, content_type, content)


def sign_xml(
    content: bytes,
    holder: Holder | None,
    *,
    placed: str = ".//{*}edXMLHeader",
    hmac_key: bytes | None = None,
    **named: Any,
) -> bytes:
    """An enveloped signature over the whole document, in its header."""
    root: Any = etree.fromstring(content)
    place = root.find(placed) if placed else root
    place.append(etree.Element(f"{DS}Signature", Id="placeholder", nsmap={"ds": DS[1:-1]}))
    config: dict[str, Any] = {
        "method": signxml.methods.enveloped,
        "c14n_algorithm": "http://www.w3.org/2001/10/xml-exc-c14n#",
    }
    if hmac_key is not None:
        config["signature_algorithm"] = "hmac-sha256"
        signed = signxml.XMLSigner(**config).sign(root, key=hmac_key)
    else:
        assert holder is not None
        config["signature_algorithm"] = "ecdsa-sha256"
        signed = signxml.XMLSigner(**config | named).sign(
            root,
            key=holder.key,
            cert=[holder.certificate.public_bytes(serialization.Encoding.PEM).decode()],
        )
    return bytes(etree.tostring(signed, xml_declaration=True, encoding="UTF-8"))
