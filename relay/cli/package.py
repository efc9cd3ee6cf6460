"""A folder for an agency's e-filing, made from an evidence file alone: document, attachments, metadata.

    OUT/metadata.xml            what is known of it, and each file with its digest
    OUT/evidence.asice          the evidence file, to the byte
    OUT/document/envelope.edxml
    OUT/document/01-….pdf       attachments decoded, a ZIP that only wraps one opened

The folder has its name once it is whole. What a run that was killed left of its work the next one clears away.

Touches: the folder, and the one beside it with `.part`.
Trusts:  nothing in the file; `relay evidence verify` judges it.
Raises:  WireError, DamagedError, EnvelopeError, CommandError, OSError.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from relay.cli.outcome import CANNOT_CREATE, TEMPORARY, CommandError
from relay.cli.send import refuse_existing
from relay.envelope.attachments import pieces
from relay.envelope.filing import FiledFile, safe_name, write_metadata
from relay.envelope.limits import DEFAULT
from relay.envelope.reader import EnvelopeReader
from relay.envelope.zipping import UnzipLimits, is_wrapped, unzip_one
from relay.errors import EnvelopeError, WireError
from relay.model import Attachment, Digest, Envelope
from relay.wire import archived, bundle
from relay.wire.packed import Bounds, contents, read_packed
from relay.wire.receipt import read_receipt

_BOUNDS = Bounds(8 << 30, bundle.FILES_LIMIT, bundle.check_name)
_CHUNK_BYTES = 1 << 18
_OPENED_BYTES = 64 << 20
"""A larger ZIP stays one: it is opened in memory."""
_RECEIPT_BYTES = 64 << 20
_MARK = "relay-archive-package"
"""By which the next run knows the folder that this one works in."""


@contextmanager
def workplace(target: Path) -> Iterator[Path]:
    """The folder beside `target` with `.part`, which is nobody else's meanwhile and gone afterwards.

    One that is there already is cleared away where a run that was killed left it, and refused (73) where it is
    anybody else's; 75 where another run works in it now. `target` must not exist.
    """
    place = target.with_name(target.name + ".part")
    _clear_away(place)
    refuse_existing(target)
    place.mkdir()
    with (place / _MARK).open("xb") as mark:
        _lock(mark, place)
        try:
            yield place
        finally:
            shutil.rmtree(place)


def _clear_away(place: Path) -> None:
    """What a run left that was killed: it has our mark, or nothing in it yet."""
    mark = place / _MARK
    if mark.is_file():
        with mark.open("rb") as file:
            _lock(file, place)
            shutil.rmtree(place)
    elif place.is_dir() and not any(place.iterdir()):
        place.rmdir()
    elif place.exists():
        raise CommandError(
            f"{place} exists and is not overwritten", CANNOT_CREATE, "name another folder"
        )


def _lock(mark: BinaryIO, place: Path) -> None:
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CommandError(f"another run writes in {place}", TEMPORARY) from None
    except OSError:
        pass  # not every share has locks


def make_package(evidence: Path, place: Path, target: Path) -> list[Path]:
    """The files of `target`, filled in `place` (see workplace). `evidence` becomes part of it."""
    filled = place / "package"
    filled.mkdir()
    _fill(evidence, filled)
    filled.rename(target)
    _fsync(target.parent)
    return sorted(path for path in target.rglob("*") if path.is_file())


def _fill(evidence: Path, folder: Path) -> None:
    document = folder / "document"
    document.mkdir()
    message = _take_out(evidence, document / bundle.ENVELOPE)
    envelope = _read(document / bundle.ENVELOPE)
    files = [_filed(folder, document / bundle.ENVELOPE), *_attachments(folder, envelope)]
    kept = folder / "evidence.asice"
    shutil.copyfile(evidence, kept)
    metadata = write_metadata(envelope, message, _filed(folder, kept), files)
    (folder / "metadata.xml").write_bytes(metadata)
    for path in (*folder.rglob("*"), folder):
        _fsync(path)


def _take_out(evidence: Path, target: Path) -> str:
    """The envelope to a file of its own; the id of the message, from its first receipt."""
    with evidence.open("rb") as file:
        try:
            entries = {one.name: one for one in read_packed(file, _BOUNDS)}
        except WireError as error:
            raise WireError(f"{evidence.name}: {error}") from None
        if archived.INDEX in entries:
            raise WireError(
                f"{evidence.name} is an archive file: name a message, and it by --archive"
            )
        if bundle.ENVELOPE not in entries:
            raise WireError(f"{evidence.name} is no evidence file: it holds no {bundle.ENVELOPE}")
        with target.open("xb") as out:
            for chunk in contents(file, entries[bundle.ENVELOPE]):
                out.write(chunk)
        first = entries.get(bundle.receipt_names(1)[0])
        if first is None or first.size_bytes > _RECEIPT_BYTES:
            return ""
        return read_receipt(b"".join(contents(file, first))).message_id


def _read(path: Path) -> Envelope:
    reader = EnvelopeReader()
    for chunk in _chunks(path):
        reader.feed(chunk)
    return reader.close()


def _attachments(folder: Path, envelope: Envelope) -> Iterator[FiledFile]:
    """Decoded as a stream, under numbers first; then each gets its name."""
    document = folder / "document"
    parts = [document / f"{number}.part" for number in range(len(envelope.attachments))]
    for part in parts:
        part.touch(exist_ok=False)
    _pour(document / bundle.ENVELOPE, parts)
    for number, (part, one) in enumerate(zip(parts, envelope.attachments, strict=True), start=1):
        target = document / safe_name(number, one.name)
        _unwrap(part, one)
        part.rename(target)
        yield _filed(folder, target, one.name)


def _pour(envelope: Path, parts: list[Path]) -> None:
    for piece in pieces(_chunks(envelope), DEFAULT):
        with parts[piece.position].open("ab") as out:
            out.write(piece.content)


def _unwrap(part: Path, attachment: Attachment) -> None:
    """What does not open within its bounds stays the ZIP that came."""
    if part.stat().st_size > _OPENED_BYTES:
        return
    content = part.read_bytes()
    if is_wrapped(content, attachment.name):
        try:
            part.write_bytes(unzip_one(content, UnzipLimits(content_bytes=4 * _OPENED_BYTES)))
        except EnvelopeError:
            part.write_bytes(content)


def _filed(folder: Path, path: Path, called: str = "") -> FiledFile:
    digest = Digest(_digest(_chunks(path)))
    name = path.relative_to(folder).as_posix()
    return FiledFile(name, digest, path.stat().st_size, called)


def _digest(chunks: Iterable[bytes]) -> str:
    running = hashlib.sha256()
    for chunk in chunks:
        running.update(chunk)
    return running.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
