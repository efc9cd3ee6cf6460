"""The second accepted shape: one signature over every file of an evidence file.

The same XAdES-B as shape.py has, but with a reference and a DataObjectFormat for each file. Whoever
verifies knows the files and their digests already, so the template is filled with them before it is
matched: what matches signs these files, each once, and nothing else.

Touches: nothing.
Trusts:  nothing; every signature is hostile until it matched.
Raises:  SignatureError (too-large, malformed, uncovered, missing-file, references, digest-mismatch, shape).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import Formatter

import pybase64

from relay.errors import SignatureError
from relay.model import Digest
from relay.signing.algorithms import ECDSA_SHA256, RSA_SHA256
from relay.signing.faults import Fault
from relay.signing.shape import (
    CERTIFICATE,
    CERTIFICATE_LIMIT,
    DIGEST_METHOD,
    LIMIT_BYTES,
    info_template,
    properties_template,
    signature_template,
)
from relay.wire.bundle import media_type

_PER_FILE_BYTES = 1024
"""A reference and a format take 600 with the longest name."""

_REFERENCE = (
    '<ds:Reference Id="file-{number}" URI="{name}">'
    f"<ds:{DIGEST_METHOD}<ds:DigestValue>{{digest}}</ds:DigestValue>"
    "</ds:Reference>"
)
_FORMAT = (
    '<xades:DataObjectFormat ObjectReference="#file-{number}">'
    "<xades:MimeType>{media_type}</xades:MimeType>"
    "</xades:DataObjectFormat>"
)
_BASE64 = r"[A-Za-z0-9+/]+={0,2}"
_FIELDS = {
    "method": re.compile(f"{re.escape(RSA_SHA256)}|{re.escape(ECDSA_SHA256)}"),
    "properties_digest": re.compile(r"[A-Za-z0-9+/]{43}="),
    "value": re.compile(_BASE64),
    "certificates": re.compile(f"(?:{CERTIFICATE.format(_BASE64)}){{1,{CERTIFICATE_LIMIT}}}"),
    "signed_at": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"),
    "certificate_digest": re.compile(r"[A-Za-z0-9+/]{43}="),
    "role": re.compile(r"[a-z-]{1,32}"),
}
_NAMED = re.compile(
    r'<ds:Reference[^>]{0,99} URI="([^"#]{1,200})"[^>]{0,99}>.{0,200}?<ds:DigestValue>([^<]{0,99})<'
)


@dataclass(frozen=True, slots=True)
class CoveredFile:
    """A file of the container: its name there and the SHA-256 of its bytes."""

    name: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class BundleParts:
    """What such a signature says beyond the files that it covers."""

    files: tuple[CoveredFile, ...]
    method: str
    properties_digest: str
    value: str
    certificates: str
    signed_at: str
    certificate_digest: str
    role: str

    def signed_info(self) -> bytes:
        """SignedInfo in exclusive canonical form."""
        return signed_info(self.files, self.method, self.properties_digest)

    def signed_properties_digest(self) -> str:
        """Of SignedProperties in exclusive canonical form: SHA-256 in base64."""
        return signed_properties_digest(
            self.files, self.signed_at, self.certificate_digest, self.role
        )


def signed_info(files: Sequence[CoveredFile], method: str, properties_digest: str) -> bytes:
    return (
        info_template(_references(files))
        .format(method=method, properties_digest=properties_digest)
        .encode()
    )


def signed_properties_digest(
    files: Sequence[CoveredFile], signed_at: str, certificate_digest: str, role: str
) -> str:
    text = properties_template(_formats(files)).format(
        signed_at=signed_at, certificate_digest=certificate_digest, role=role
    )
    return pybase64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def whole(parts: BundleParts) -> bytes:
    """The signature of these values."""
    fields = {name: getattr(parts, name) for name in _FIELDS}
    return _template(parts.files).format(**fields).encode()


def read_bundle_parts(signature: bytes, files: Sequence[CoveredFile]) -> BundleParts:
    """The parts of a signature of exactly this shape over exactly these files, in this order."""
    limit = LIMIT_BYTES + _PER_FILE_BYTES * len(files)
    if len(signature) > limit:
        raise SignatureError(
            Fault.TOO_LARGE, f"signature of {len(signature)} bytes, limit {limit} bytes"
        )
    try:
        text = signature.decode("ascii")
    except UnicodeDecodeError:
        raise SignatureError(Fault.MALFORMED, "the signature is not ASCII text") from None
    found = _matched(text, _template(files))
    if found is None:
        raise next(_why(text, files))
    return BundleParts(files=tuple(files), **found)


def _matched(text: str, template: str) -> dict[str, str] | None:
    found: dict[str, str] = {}
    position = 0
    for literal, field, _, _ in Formatter().parse(template):
        if not text.startswith(literal, position):
            return None
        position += len(literal)
        if field is not None:
            match = _FIELDS[field].match(text, position)
            if match is None:
                return None
            found[field] = match[0]
            position = match.end()
    return found if position == len(text) else None


def _why(text: str, files: Sequence[CoveredFile]) -> Iterator[SignatureError]:
    """The first thing wrong with what did not match, from the telling to the merely different."""
    named = [(match[1], match[2]) for match in _NAMED.finditer(text)]
    signed, there = dict(named), {one.name: one for one in files}
    for name, count in Counter(name for name, _ in named).items():
        if count > 1:
            yield SignatureError(Fault.REFERENCES, f"{name[:100]} is signed {count} times")
    for name in there.keys() - signed.keys():
        yield SignatureError(Fault.UNCOVERED, f"{name} is in the file and not signed")
    for name in signed.keys() - there.keys():
        yield SignatureError(Fault.MISSING_FILE, f"{name[:100]} was signed and is not in the file")
    for name, one in there.items():
        if signed[name] != _base64(one.digest):
            yield SignatureError(Fault.DIGEST_MISMATCH, f"{name} is not what was signed")
    yield SignatureError(Fault.SHAPE, "the signature is not of the one accepted shape")


def _template(files: Sequence[CoveredFile]) -> str:
    return signature_template(
        info_template(_references(files)), properties_template(_formats(files))
    )


def _references(files: Sequence[CoveredFile]) -> str:
    return "".join(
        _REFERENCE.format(number=number, name=one.name, digest=_base64(one.digest))
        for number, one in enumerate(files, start=1)
    )


def _formats(files: Sequence[CoveredFile]) -> str:
    return "".join(
        _FORMAT.format(number=number, media_type=media_type(one.name))
        for number, one in enumerate(files, start=1)
    )


def _base64(digest: Digest) -> str:
    return pybase64.b64encode(bytes.fromhex(digest)).decode()
