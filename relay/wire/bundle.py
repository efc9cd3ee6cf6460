"""What an evidence file holds and under which names: an ASiC-E container (ETSI EN 319 162-1).

Touches: nothing.
Trusts:  nothing; names are of one narrow grammar, so that none of them needs escaping anywhere.
Raises:  WireError.

    mimetype                         first, so that a look at the head tells what it is
    envelope.edxml
    receipts/0001/receipt.xml        and signature.xml beside it; the oldest first
    batches/0001/batch.xml           and signature.xml beside it; those that proofs among the receipts hold
    certificates/<sha256>.cer        DER, of everyone who signed anything in it
    revocation/<sha256>.crl, .ocsp   DER, as found when it was signed
    about/contents.json              what the exporter says is in it (bundle_list.py); not in files of version 1
    about/summary-1.html             the same for people, in layout 1; may be left out
    proofs/0001.tlog-proof           that receipt 0001 stands in the exporter's log
    proofs/0001.issuer.tlog-proof    that it stands in the log of the node that signed it, where that is another
    statuses/0001/status.edxml       and seal.xml beside it; of the recipients, and requests of the sender
    META-INF/manifest.xml            an OpenDocument manifest of all but META-INF
    META-INF/signatures001.xml       the seal, alone or with its timestamps
    META-INF/signatures002.xml       the exporting node's, over every other file

Files of other kinds may stand in folders of their own; the signature covers them all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from relay.errors import WireError
from relay.wire.values import shown

MIMETYPE, MIMETYPE_CONTENT = "mimetype", b"application/vnd.etsi.asic-e+zip"
ENVELOPE = "envelope.edxml"
MANIFEST = "META-INF/manifest.xml"
SEAL = "META-INF/signatures001.xml"
EXPORT = "META-INF/signatures002.xml"

LIST = "about/contents.json"
LAYOUT = 1
"""Of the summary: its words and their places are part of the wire format (W19.7)."""
SUMMARY = f"about/summary-{LAYOUT}.html"
_SUMMARIES = "about/summary"

BATCHES = "batches/"
PROOFS = "proofs/"
STATUSES = "statuses/"
REVOCATION = "revocation/"
NAMED_BY_DIGEST = ("certificates/", REVOCATION)

FILES_LIMIT = 60_000
"""Two for each receipt of a circular to 5,000 agencies over six steps; a ZIP without Zip64 has 65,535."""
MOST_STATEMENTS = 1_000
"""Of revocation; the others are left out, and what they say is unknown to who judges."""
MOST_BATCHES = 250
"""Of receipts; the others stand in their proofs alone."""
MOST_RECEIPTS = 28_750
"""With room for everything else."""
MOST_PROOFS = 400
"""Of inclusion, and 32 MiB of them; the receipts beyond are listed as without."""
PROOFS_BYTES = 32 << 20
MOST_STATUSES = 50
MOST_TOLD = 2_000
"""Of the rows of a summary: a line of evidence for one recipient each. Files with more have none."""
STATUS_BYTES = 1 << 20
NAME_LIMIT = 120

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*", re.ASCII)
_RECEIPT = re.compile(r"receipts/[0-9]{4,5}/receipt\.xml", re.ASCII)
_BATCH = re.compile(r"batches/[0-9]{4}/batch\.xml", re.ASCII)
_MEDIA_TYPES = {
    "edxml": "application/xml",
    "xml": "application/xml",
    "cer": "application/pkix-cert",
    "crl": "application/pkix-crl",
    "ocsp": "application/ocsp-response",
    "tst": "application/vnd.etsi.timestamp-token",
    "txt": "text/plain",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "note": "text/plain",
}

_WRAPPER = b'<asic:XAdESSignatures xmlns:asic="http://uri.etsi.org/02918/v1.2.1#">'
_WRAPPER_END = b"</asic:XAdESSignatures>"

_ODF = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
_MANIFEST_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    f'<manifest:manifest xmlns:manifest="{_ODF}" manifest:version="1.2">'
)
_MANIFEST_ENTRY = (
    '<manifest:file-entry manifest:full-path="{name}" manifest:media-type="{media_type}">'
    "</manifest:file-entry>"
)
_MANIFEST_END = "</manifest:manifest>"


def check_name(name: str) -> str:
    """The name, if a file may have it: relative, of plain ASCII, nothing hidden, nothing above (W14.2)."""
    if len(name) > NAME_LIMIT or not _NAME.fullmatch(name):
        raise WireError(f"{shown(name)} is no name that a file in it may have")
    return name


def media_type(name: str) -> str:
    if name == MIMETYPE:
        return "text/plain"
    return _MEDIA_TYPES.get(name.rpartition(".")[2], "application/octet-stream")


def receipt_names(number: int) -> tuple[str, str]:
    """Of a receipt and its signature; the first is 1."""
    return f"receipts/{number:04}/receipt.xml", f"receipts/{number:04}/signature.xml"


def receipts_among(names: Iterable[str]) -> list[tuple[str, str]]:
    """The receipts of these, each with the name that its signature must have."""
    found = [name for name in names if _RECEIPT.fullmatch(name)]
    return [(name, name.replace("/receipt.xml", "/signature.xml")) for name in found]


def batch_names(number: int) -> tuple[str, str]:
    """Of a batch of receipts and its signature; the first is 1."""
    return f"{BATCHES}{number:04}/batch.xml", f"{BATCHES}{number:04}/signature.xml"


def batches_among(names: Iterable[str]) -> list[tuple[str, str]]:
    """The batches of these, each with the name that its signature must have."""
    found = [name for name in names if _BATCH.fullmatch(name)]
    return [(name, name.replace("/batch.xml", "/signature.xml")) for name in found]


def proof_name(number: int) -> str:
    """Of the proof that a receipt stands in the exporter's log; numbered as the receipt is."""
    return f"{PROOFS}{number:04}.tlog-proof"


def issuer_proof_name(number: int) -> str:
    """Of the proof that it stands in the log of the node that signed it."""
    return f"{PROOFS}{number:04}.issuer.tlog-proof"


def summary_among(names: Iterable[str]) -> list[str]:
    """What of these is a summary, of whatever layout."""
    return [name for name in names if name.startswith(_SUMMARIES)]


def status_names(number: int) -> tuple[str, str]:
    """Of a status and its seal; the first is 1."""
    return f"{STATUSES}{number:04}/status.edxml", f"{STATUSES}{number:04}/seal.xml"


def write_manifest(names: Iterable[str]) -> bytes:
    """The manifest of these names, in their order, without those of META-INF and the mimetype."""
    listed = (name for name in names if name != MIMETYPE and not name.startswith("META-INF/"))
    entries = [("/", MIMETYPE_CONTENT.decode()), *((name, media_type(name)) for name in listed)]
    rows = (_MANIFEST_ENTRY.format(name=name, media_type=kind) for name, kind in entries)
    return f"{_MANIFEST_HEAD}{''.join(rows)}{_MANIFEST_END}".encode()


def wrapped(signature: bytes) -> bytes:
    """The content of a signature file: the signature, to the letter, in the root that ASiC asks for."""
    return _WRAPPER + signature + _WRAPPER_END


def unwrapped(content: bytes, name: str) -> bytes:
    if not content.startswith(_WRAPPER) or not content.endswith(_WRAPPER_END):
        raise WireError(f"{name} is not one signature in asic:XAdESSignatures")
    return content[len(_WRAPPER) : len(content) - len(_WRAPPER_END)]
