"""Sort files into documents and signatures by a look at their head, and join them by digest.

Touches: the files.
Trusts:  nothing, and decides nothing: a join is a guess that the verifier confirms or refuses.
Raises:  OSError.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from relay.cli.send import digest_of_file
from relay.model import Digest

_HEAD_BYTES = 64 << 10
_ROOT = re.compile(rb"<(?:[\w.-]+:)?([\w.-]+)")
_NAME = re.compile(rb'URI="(envelope\.edxml|receipt\.xml|transfer\.xml|batch\.xml)"')
_DIGEST = re.compile(rb"DigestValue[^>]*>([^<]{1,200})<")


class Role(StrEnum):
    SEAL = "seal"
    RECEIPT_SIGNATURE = "receipt signature"
    RECEIPT_PROOF = "proof of a receipt in a batch"
    TRANSFER_SIGNATURE = "transfer signature"
    BATCH_SIGNATURE = "batch signature"
    BATCH = "batch"
    RECEIPT = "receipt"
    RECEIPTS = "receipts"
    ENVELOPE = "envelope"


@dataclass(frozen=True, slots=True)
class SortedFile:
    path: Path
    role: Role
    digest: Digest
    """Of the whole file."""
    signs: str
    """For a signature: the digest it names, in hex, unproven; else empty."""


SIGNS = {
    Role.SEAL: Role.ENVELOPE,
    Role.RECEIPT_SIGNATURE: Role.RECEIPT,
    Role.RECEIPT_PROOF: Role.RECEIPT,
    Role.BATCH_SIGNATURE: Role.BATCH,
}


def look(path: Path) -> SortedFile:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    role = _role(_root_name(head), head)
    signs = _named_digest(head) if role in SIGNS and role is not Role.RECEIPT_PROOF else ""
    return SortedFile(path, role, Digest(digest_of_file(path)), signs)


def _root_name(head: bytes) -> bytes:
    """The local name of the first element, past declaration, instructions and comments."""
    position = 0
    while (start := head.find(b"<", position)) >= 0:
        if head.startswith(b"<?", start):
            end, length = head.find(b"?>", start), 2
        elif head.startswith(b"<!--", start):
            end, length = head.find(b"-->", start), 3
        else:
            match = _ROOT.match(head, start)
            return match[1] if match else b""
        if end < 0:
            break
        position = end + length
    return b""


def _role(root: bytes, head: bytes) -> Role:
    if root == b"Receipt":
        return Role.RECEIPT
    if root == b"Receipts":
        return Role.RECEIPTS
    if root == b"BatchProof":
        return Role.RECEIPT_PROOF
    if root == b"Batch":
        return Role.BATCH
    if root != b"Signature":
        return Role.ENVELOPE
    match = _NAME.search(head)
    names = {
        b"receipt.xml": Role.RECEIPT_SIGNATURE,
        b"transfer.xml": Role.TRANSFER_SIGNATURE,
        b"batch.xml": Role.BATCH_SIGNATURE,
    }
    return names.get(match[1] if match else b"", Role.SEAL)


def _named_digest(head: bytes) -> str:
    match = _DIGEST.search(head)
    try:
        return b64decode(match[1]).hex() if match else ""
    except binascii.Error:
        return ""


def document_of(signature: SortedFile, files: Sequence[SortedFile]) -> SortedFile | None:
    """What it signs: by digest; else its neighbour in the folder, or the only one there is.

    The last two so that a changed document is judged, and its change named, rather than missed.
    """
    candidates = [file for file in files if file.role is SIGNS[signature.role]]
    beside = [file for file in candidates if file.path.parent == signature.path.parent]
    exact = [file for file in candidates if file.digest == signature.signs]
    # A batch is kept with each of its receipts: the copy beside is meant.
    for group in ([file for file in beside if file in exact], exact, beside, candidates):
        if len(group) == 1 or (group and group[0].digest == signature.signs):
            return group[0]
    return None
