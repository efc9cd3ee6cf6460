"""Prove archive files: each by itself, and each to follow on the one before it.

    1 container   the one form of ZIP, with the entries that belong there
    2 contents    every byte as its checksum says; every evidence file the one that the index names
    3 signature   the writing node's, over every other entry
    4 chain       the number and the digest of the file before

Touches: the files, reading.
Trusts:  the trust store; every byte of a file is hostile.
Raises:  WireError, DamagedError, SignatureError, OSError.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from relay.errors import DamagedError, SignatureError, WireError
from relay.model import Digest
from relay.signing.bundle_shape import CoveredFile
from relay.signing.bundles import ProvenBundle, verify_bundle
from relay.signing.faults import Fault
from relay.signing.trust import TrustStore
from relay.wire import archived, bundle
from relay.wire.archived import ArchiveIndex, HeldMessage
from relay.wire.packed import Bounds, PackedFile, content_of, contents, digest_in, read_packed

_BOUNDS = Bounds(archived.FILE_LIMIT_BYTES, archived.FILES_LIMIT, bundle.check_name)
_SMALL_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class ProvenArchive:
    """Made only by verify_archive."""

    name: str
    digest: Digest
    """Of the whole file."""
    index: ArchiveIndex
    signed: ProvenBundle


def archive_files(folder: Path) -> list[Path]:
    """In the order of the numbers that their names claim; twice one number stays two files."""
    named = [(archived.number_of(path.name), path) for path in folder.iterdir()]
    return [path for _, path in sorted((n, path) for n, path in named if n is not None)]


def verify_archive(path: Path, trust: TrustStore) -> ProvenArchive:
    """This file by itself: whole, and put together by the node that it names."""
    with _opened(path) as file:
        entries = read_packed(file, _BOUNDS)  # its size and shape before all of it is read
        index = _index(file, entries)
        file.seek(0)
        whole = Digest(hashlib.file_digest(file, "sha256").hexdigest())
        digests = [CoveredFile(one.name, digest_in(file, one)) for one in entries[:-1]]
        _require_named(index, digests, entries)
        signature = content_of(file, entries[-1], _SMALL_BYTES)
        proven = verify_bundle(bundle.unwrapped(signature, archived.SIGNATURE), digests, trust)
    if proven.node != index.node:
        raise SignatureError(
            Fault.WRONG_NODE, f"signed by {proven.node}, says it is {index.node}'s"
        )
    return ProvenArchive(path.name, whole, index, proven)


def verify_next(path: Path, before: ProvenArchive | None, trust: TrustStore) -> ProvenArchive:
    """The file, as the one that follows on `before`; None: as the first there is."""
    found = verify_archive(path, trust)
    index = found.index
    if path.name != archived.file_name(index.node, index.number, index.written_at):
        raise WireError(f"its name is not that of number {index.number} of {index.node}")
    number = 1 if before is None else before.index.number + 1
    if index.number != number:
        raise WireError(f"number {index.number} where {number} must follow: a file is missing")
    if index.previous != (None if before is None else before.digest):
        raise WireError("it does not follow on the file before it: another digest")
    if before is not None and index.node != before.index.node:
        raise WireError(f"it is {index.node}'s, the one before it {before.index.node}'s")
    return found


def evidence_in(path: Path, message_id: str) -> Iterator[bytes] | None:
    """The evidence file of this message in an archive file, in chunks; None: it is not in there.

    Not proven here: an evidence file proves itself (bundle_steps.py).
    """
    with _opened(path) as file:
        entries = read_packed(file, _BOUNDS)
        held = archived.find(_index(file, entries).messages, message_id)
        return None if held is None else _chunks(path, entries, held)


def _opened(path: Path) -> BufferedReader:
    """A pipe or a device of such a name would never end."""
    if not path.is_file():
        raise WireError("it is no file, or leads to none")
    return path.open("rb")


def _chunks(path: Path, entries: tuple[PackedFile, ...], held: HeldMessage) -> Iterator[bytes]:
    entry = next((one for one in entries if one.name == held.name), None)
    if entry is None:
        raise WireError(f"{held.name} is named and not there")
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in contents(file, entry):
            hashed.update(chunk)
            yield chunk
    if hashed.hexdigest() != held.digest:
        raise DamagedError(f"{held.name} is not what the index names")


def _index(file: BinaryIO, entries: tuple[PackedFile, ...]) -> ArchiveIndex:
    found = next((one for one in entries if one.name == archived.INDEX), None)
    if found is None:
        raise SignatureError(Fault.MISSING_FILE, f"it holds no {archived.INDEX}")
    index = archived.read_index(content_of(file, found, archived.INDEX_LIMIT_BYTES))
    names = [*archived.names_of(index.messages), archived.SIGNATURE]
    if [one.name for one in entries] != names:
        raise WireError("its entries are not those that its index names, in their order")
    if content_of(file, entries[0], 100) != bundle.MIMETYPE_CONTENT:
        raise WireError(f"its mimetype is not {bundle.MIMETYPE_CONTENT.decode()}")
    manifest = content_of(file, entries[-2], _SMALL_BYTES)
    if manifest != bundle.write_manifest(names[:-1]):
        raise WireError("the manifest does not name exactly the files that are there")
    return index


def _require_named(
    index: ArchiveIndex, digests: list[CoveredFile], entries: tuple[PackedFile, ...]
) -> None:
    for held, one, entry in zip(index.messages, digests[1:], entries[1:], strict=False):
        if (one.digest, entry.size_bytes) != (held.digest, held.size_bytes):
            raise SignatureError(Fault.DIGEST_MISMATCH, f"{held.name} is not what the index names")
