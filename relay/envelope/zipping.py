"""The one-entry ZIP that DMSs wrap attachments in: made the same every time, opened with bounds.

Touches: nothing. Trusts: nothing; a ZIP's own sizes are claims. Raises: EnvelopeError.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from uuid import UUID

from relay.envelope.documents import AttachmentContent
from relay.envelope.limits import in_units
from relay.errors import EnvelopeError

# Stored, not compressed: the bytes then depend on no zlib version, and most types that are sent
# are compressed already.
_METHOD = zipfile.ZIP_STORED
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,10})$")
_UUID_NAME = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(\.[A-Za-z0-9]{1,10})?")
_READ_BYTES = 256 * 1024
_END = b"PK\x05\x06"
_END_WITHIN = 22 + 0xFFFF  # the end record and the longest comment after it
_DIRECTORY_BYTES = struct.Struct("<L")
_LARGEST_DIRECTORY = 192 * 1024  # one entry with the longest name, extra field and comment


@dataclass(frozen=True, slots=True)
class UnzipLimits:
    """How large a ZIP may become when it is opened, and how many times its own size."""

    content_bytes: int = 1 << 30
    ratio: int = 200
    """Office documents reach about 20, drawings and logs 100; a bomb starts at 1,000."""
    free_bytes: int = 1 << 20
    """Up to here no ratio is judged: small files of zeros are no danger."""


def extension_of(name: str) -> str:
    """ "pdf" of "Công văn.PDF"; empty without one."""
    match = _EXTENSION.search(name)
    return match.group(1).lower() if match else ""


def zip_one(attachment: AttachmentContent) -> bytes:
    """A ZIP with the one entry `<uuid>.<extension>`; the same content gives the same bytes."""
    digest = hashlib.sha256(attachment.content).digest()
    stem = attachment.entry_uuid or str(UUID(bytes=digest[:16], version=4))
    entry = zipfile.ZipInfo(f"{stem}.{extension_of(attachment.name) or 'bin'}", _EARLIEST)
    if not _UUID_NAME.fullmatch(entry.filename):
        raise EnvelopeError("entry_uuid is not a UUID")
    entry.compress_type = _METHOD
    entry.create_system = 0
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(entry, attachment.content)
    return out.getvalue()


def is_wrapped(content: bytes, name: str) -> bool:
    """True for a ZIP that only wraps the file `name`: one entry, named by a UUID or with that
    file's extension. A ZIP that is itself what was sent is not."""
    if not content.startswith(b"PK\x03\x04"):
        return False
    try:
        entries = _open(content).infolist()
    except EnvelopeError:
        return False
    return len(entries) == 1 and is_wrapper_name(entries[0].filename, name)


def is_wrapper_name(entry: str, name: str) -> bool:
    """Whether an only entry of that name wraps the file `name`."""
    if extension_of(name) == "zip":
        return False
    return extension_of(entry) == extension_of(name) or _UUID_NAME.fullmatch(entry) is not None


def unzip_one(content: bytes, limits: UnzipLimits) -> bytes:
    """The content of the one entry."""
    archive = _open(content)
    entries = archive.infolist()
    if len(entries) != 1:
        raise EnvelopeError(f"zip of {len(entries)} entries", limit="1")
    allowed = max(limits.free_bytes, len(content) * limits.ratio)
    allowed = min(allowed, limits.content_bytes)
    if entries[0].file_size > allowed:
        raise EnvelopeError("zip opens to too much", limit=in_units(allowed))
    return _read(archive, entries[0], allowed)


def _open(content: bytes) -> zipfile.ZipFile:
    """The archive, once its directory is known to be small: zipfile reads the whole of it."""
    at = content.rfind(_END, max(0, len(content) - _END_WITHIN))
    try:
        directory_bytes = _DIRECTORY_BYTES.unpack_from(content, at + 12)[0] if at >= 0 else 0
        if directory_bytes > _LARGEST_DIRECTORY:
            raise EnvelopeError("zip of many entries", limit="1")
        return zipfile.ZipFile(io.BytesIO(content))
    except _BROKEN as error:
        raise EnvelopeError("broken zip") from error


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, allowed: int) -> bytes:
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise EnvelopeError(f"zip method {entry.compress_type}", limit="stored or deflated")
    if entry.flag_bits & 1:
        raise EnvelopeError("zip with a password")
    out = bytearray()
    try:
        with archive.open(entry) as opened:
            while piece := opened.read(_READ_BYTES):
                out += piece
                if len(out) > allowed:
                    raise EnvelopeError("zip opens to too much", limit=in_units(allowed))
    except _BROKEN as error:
        raise EnvelopeError("broken zip") from error
    return bytes(out)


# Everything zipfile is known to raise on bytes that are not a sound archive.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    UnicodeError,
    ValueError,
    IndexError,
    KeyError,
    struct.error,
)
