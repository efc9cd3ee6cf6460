"""The entries in an exported log, as they stand in the file.

Touches: the file, reading.
Trusts:  nothing; whoever reads on has judged the file, or says that nobody did.
Raises:  AuditError, WireError, SignatureError (missing-file).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from relay.audit.entries import parse
from relay.audit.epochs import first_index
from relay.audit.exported import (
    ABOUT,
    DOCUMENT_LIMIT_BYTES,
    EPOCHS_LIMIT,
    About,
    leaves_name,
    read_about,
)
from relay.audit.lines import leaves_in
from relay.errors import AuditError, SignatureError
from relay.signing.faults import Fault
from relay.wire import bundle
from relay.wire.packed import Bounds, PackedFile, content_of, contents, read_packed

FILE_LIMIT_BYTES: Final = 64 << 30
BOUNDS: Final = Bounds(FILE_LIMIT_BYTES, 4 * EPOCHS_LIMIT, bundle.check_name)


def parsed_leaf(index: int, leaf: bytes) -> dict[str, Any]:
    """With the entry's index where it is none."""
    try:
        return parse(leaf)
    except AuditError as error:
        raise AuditError(error.what, index) from error


def unproven_leaves(file: BinaryIO) -> tuple[About, Iterator[tuple[int, dict[str, Any]]]]:
    """What the file says, with nothing of it judged but its shape."""
    entries = {one.name: one for one in read_packed(file, BOUNDS)}
    if ABOUT not in entries:
        raise SignatureError(Fault.MISSING_FILE, f"it holds no {ABOUT}")
    about = read_about(content_of(file, entries[ABOUT], DOCUMENT_LIMIT_BYTES))
    return about, entries_in(file, entries, about)


def entries_in(
    file: BinaryIO, entries: dict[str, PackedFile], about: About
) -> Iterator[tuple[int, dict[str, Any]]]:
    for part in about.parts:
        name = leaves_name(part.number)
        if name not in entries:
            raise SignatureError(Fault.MISSING_FILE, f"it holds no {name}")
        index = first_index(part.number) + part.proof.first
        for leaf in leaves_in(contents(file, entries[name])):
            yield index, parse(leaf)
            index += 1
