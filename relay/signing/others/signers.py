"""Whom a certificate of the specialised or public hierarchy names: an organisation or a person in one.

Neither hierarchy marks which of the two a certificate is for. What tells, in this order: an identity
number in UID (MST and MNS are an organisation's; CCCD, CMND and HC a person's), the attributes only people
have, CN being the name in O or OU, and the words names of agencies begin with. Else it is a person where
an organisation stands beside the name, and unknown where none does.

Touches: nothing. Trusts: nothing; these are the certificate's words, whoever issued it. Raises: nothing.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping

from asn1crypto import x509

from relay.judgement import Signer, SignerKind
from relay.model import Digest

TEXT_CHARS = 300
_NUMBER = re.compile(r"^\s*(MST|MNS|CCCD|CMND|CMT|HC|BHXH)\s*[:=]", re.IGNORECASE)
_OF_ORGANISATIONS = frozenset({"MST", "MNS"})
_OF_PEOPLE = frozenset({"given_name", "surname", "title", "initials", "generation_qualifier"})
_AGENCY = re.compile(
    r"(ủy ban|uỷ ban|ubnd|hội đồng|hđnd|bộ|sở|cục|chi cục|tổng cục|vụ|ban|văn phòng|phòng|trung tâm|viện|"
    r"học viện|đại học|trường|bệnh viện|trạm|thanh tra|công an|tòa án|toà án|kho bạc|bảo hiểm|chi nhánh|"
    r"tỉnh ủy|thành ủy|huyện ủy|quận ủy|đảng ủy|thị ủy|xã|phường|tỉnh|thành phố|huyện|quận|thị xã|"
    r"mặt trận|liên đoàn|hội|đoàn (thanh niên|đại biểu|luật sư)|công ty|tổng công ty|tập đoàn|ngân hàng|đài|báo|nhà xuất bản|quỹ)\s(?!(văn|thị)\s)"
)


def signer_of(certificate: x509.Certificate) -> Signer:
    texts = _texts(certificate.subject)
    kind = _kind(texts)
    name = texts.get("common_name", "")
    organisation = texts.get("organization_name") or texts.get("organizational_unit_name", "")
    if kind is SignerKind.ORGANISATION:
        organisation = name or organisation
    return Signer(
        kind=kind,
        organisation=organisation,
        person=name if kind is SignerKind.PERSON else "",
        subject=_shown(certificate.subject),
        issuer=_shown(certificate.issuer),
        certificate=Digest(hashlib.sha256(certificate.dump()).hexdigest()),
    )


def _texts(name: x509.Name) -> dict[str, str]:
    """The first of each attribute; those that stand several times joined for comparing."""
    try:
        native = name.native
    except ValueError:
        return {}
    found = {}
    for key, value in native.items():
        values = value if isinstance(value, list) else [value]
        found[str(key)] = str(values[-1] if key == "common_name" else values[0])[:TEXT_CHARS]
    return found


def _kind(texts: Mapping[str, str]) -> SignerKind:
    number = _NUMBER.match(texts.get("user_id", ""))
    if number:
        of_organisation = number.group(1).upper() in _OF_ORGANISATIONS
        return SignerKind.ORGANISATION if of_organisation else SignerKind.PERSON
    if not _OF_PEOPLE.isdisjoint(texts):
        return SignerKind.PERSON
    name = _plain(texts.get("common_name", ""))
    places = {
        _plain(texts.get(key, "")) for key in ("organization_name", "organizational_unit_name")
    }
    places.discard("")
    if not name:
        return SignerKind.ORGANISATION if places else SignerKind.UNKNOWN
    if name in places or _AGENCY.match(f"{name} "):
        return SignerKind.ORGANISATION
    return SignerKind.PERSON if places else SignerKind.UNKNOWN


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _shown(name: x509.Name) -> str:
    try:
        return str(name.human_friendly)[:TEXT_CHARS]
    except ValueError:
        return ""
