"""W17, as a reader of exported logs has it: the file as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from relay.audit.exported import (
    ABOUT,
    ListedFile,
    leaves_name,
)
from relay.conformance.log_drafts import Stretched
from relay.conformance.office import Office
from relay.conformance.reading import LOGS, is_refused, is_taken
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part
from relay.conformance.zips import DEFLATED, changed, zipped
from relay.signing.bundle_shape import CoveredFile


async def _honest_holds(stand: Stand) -> None:
    (await LOGS.said(stand, stretch)).must_hold()


book = Book(Part.CHECK_EXPORT, control=_honest_holds)


# ------------------------------------------------------------ a stretch of one epoch


def with_change(change: Callable[[Stretched], object]) -> Callable[[Office], bytes]:
    def made(office: Office) -> bytes:
        draft = Stretched(office)
        change(draft)
        return draft.file()

    return made


@LOGS.file
def stretch(office: Office) -> bytes:
    return Stretched(office).file()


is_taken(
    book, LOGS, "W17.4", "taken", "A stretch of a log with what stands beside it is taken", stretch
)


# ------------------------------------------------------------ W17.1, W17.2, W17.9: the file as a whole


def sets(**values: Any) -> Callable[[Office], bytes]:
    def change(draft: Stretched) -> None:
        for name, value in values.items():
            setattr(draft, name, value)

    return with_change(change)


def _compressed(office: Office) -> bytes:
    return zipped(changed(Stretched(office).files(), leaves_name(0), method=DEFLATED))


def _behind(office: Office) -> bytes:
    return Stretched(office).file() + b"x"


is_refused(
    book, LOGS, "W17.1", "compressed", "A file with a compressed entry is refused", _compressed
)
is_refused(book, LOGS, "W17.1", "behind", "A file with bytes behind its end is refused", _behind)
is_refused(
    book,
    LOGS,
    "W17.1",
    "another-file",
    "A file with an entry that has no place in it is refused",
    sets(more={"notes/a.txt": b"A note."}),
)
is_refused(
    book,
    LOGS,
    "W17.2",
    "white-space",
    "An `export.json` in another form is refused",
    sets(about_bytes=lambda text: json.dumps(json.loads(text)).encode()),
)
is_refused(
    book,
    LOGS,
    "W17.2",
    "another-format",
    "An `export.json` of another format is refused",
    sets(about_bytes=lambda text: text.replace(b"export 1", b"export 9")),
)


def _by_the_next(draft: Stretched) -> None:
    draft.exported_by = draft.office.next


def _unlisted(files: list[ListedFile]) -> list[ListedFile]:
    return [one for one in files if one.name != leaves_name(0)]


def _longer(files: list[ListedFile]) -> list[ListedFile]:
    return [replace(one, size_bytes=one.size_bytes + (one.name == ABOUT)) for one in files]


def _uncovered(files: list[CoveredFile]) -> list[CoveredFile]:
    return [one for one in files if one.name != leaves_name(0)]


is_refused(
    book,
    LOGS,
    "W17.9",
    "another-signer",
    "A file that another node than the log's signed is refused",
    with_change(_by_the_next),
)
is_refused(
    book,
    LOGS,
    "W17.9",
    "not-listed",
    "A file that `manifest.json` does not list is in it: refused",
    sets(listing=_unlisted),
)
is_refused(
    book,
    LOGS,
    "W17.9",
    "another-size",
    "A `manifest.json` with another size of a file is refused",
    sets(listing=_longer),
)
is_refused(
    book,
    LOGS,
    "W17.9",
    "not-signed",
    "A file that its exporter did not sign is in it: refused",
    sets(covering=_uncovered),
)
