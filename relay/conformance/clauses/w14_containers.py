"""W14, as a reader of files has it: the one form of the container, the names in it, and what the exporter signed.

What of a ZIP is wrong its exporter's signature does not cover: it signs files, by name and digest. All else is wrong in
what the exporter signed, as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from relay.conformance.certificates import tls_of
from relay.conformance.drafts import Draft, packed
from relay.conformance.office import ORIGIN, Office
from relay.conformance.reading import EVIDENCE, is_refused
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part
from relay.conformance.zips import (
    DEFLATED,
    ENCRYPTED,
    STREAMED,
    Entry,
    changed,
    entries_of,
    lying,
    zipped,
)
from relay.model import Digest
from relay.signing.bundle_shape import CoveredFile
from relay.wire import bundle

MORE = "more/note.txt"
"""A file of another kind, in a folder of its own."""
NOTE = b"A note."


async def _honest_holds(stand: Stand) -> None:
    (await EVIDENCE.said(stand, with_a_note)).must_hold()


book = Book(Part.VERIFY, control=_honest_holds)


def _noted(office: Office, more: Mapping[str, bytes] | None = None) -> Draft:
    draft = Draft(office)
    draft.more = {MORE: NOTE} if more is None else dict(more)
    return draft


@EVIDENCE.file
def with_a_note(office: Office) -> bytes:
    return _noted(office).file()


@book.asserts("W14.2", "other-kinds", "Files of other kinds in folders of their own are taken")
async def other_kinds(stand: Stand) -> None:
    await _honest_holds(stand)


# ------------------------------------------------------------ W14.1: the form of the ZIP


def _otherwise(**how: object) -> Callable[[Office], bytes]:
    """With one entry as no entry may be."""
    return lambda office: zipped(changed(_noted(office).files(), MORE, **how))


def _overlapping(office: Office) -> bytes:
    """A file lies, whole and with its head, in the content of another."""
    inner = "more/within.txt"
    outer = lying(Entry(inner, NOTE))
    files = _noted(office, {MORE: outer, inner: NOTE}).files()
    entries, place = entries_of(files), list(files).index(MORE)
    entries[place + 1] = replace(entries[place + 1], within=place)
    return zipped(entries)


def _twice(office: Office) -> bytes:
    entries = entries_of(_noted(office).files())
    place = next(at for at, one in enumerate(entries) if one.name == MORE)
    return zipped([*entries[: place + 1], *entries[place:]])


def _with_names(*names: str) -> Callable[[Office], bytes]:
    def made(office: Office) -> bytes:
        return packed_by_others(_noted(office, dict.fromkeys(names, NOTE)).files())

    return made


def packed_by_others(files: Mapping[str, bytes]) -> bytes:
    """Names that the kit's own writer would not write."""
    return zipped(entries_of(files))


def _around(change: Callable[[bytes], bytes]) -> Callable[[Office], bytes]:
    return lambda office: change(_noted(office).file())


_FORMS: dict[str, tuple[str, Callable[[Office], bytes]]] = {
    "compressed": ("a compressed entry", _otherwise(method=DEFLATED)),
    "encrypted": ("an entry that is said to be encrypted", _otherwise(flags=ENCRYPTED)),
    "descriptor": ("an entry with a data descriptor", _otherwise(flags=STREAMED)),
    "gap": ("a gap between two entries", _otherwise(gap=b"hidden")),
    "overlap": ("an entry within another", _overlapping),
    "twice": ("an entry that stands there twice", _twice),
    "case": ("two names that differ in case alone", _with_names(MORE, MORE.upper())),
    "name": ("a name with another character", _with_names("more/a note.txt")),
    "hidden": ("a name that begins with a dot", _with_names("more/.note.txt")),
    "above": ("a name that leads out of it", _with_names("more/../../note.txt")),
    "before": ("bytes before its first entry", _around(lambda file: b"x" + file)),
    "between": (
        "bytes before its directory",
        lambda office: zipped(entries_of(_noted(office).files()), between=b"hidden"),
    ),
    "behind": ("bytes behind its end", _around(lambda file: file + b"x")),
    "comment": ("a comment", _around(lambda file: file[:-2] + b"\x01\x00x")),
}

for _name, (_said, _make) in _FORMS.items():
    is_refused(book, EVIDENCE, "W14.1", _name, f"A file with {_said} is refused", _make)


# ------------------------------------------------------------ W14.2: names that are digests


def _misnamed(folder: str, end: str) -> Callable[[Office], bytes]:
    def made(office: Office) -> bytes:
        return _noted(office, {f"{folder}{'0' * 64}.{end}": NOTE}).file()

    return made


for _name, _folder, _end in (
    ("certificate", "certificates/", "cer"),
    ("crl", "revocation/", "crl"),
):
    is_refused(
        book,
        EVIDENCE,
        "W14.2",
        f"another-{_name}",
        f"A file whose name in {_folder} is another digest than its own is refused",
        _misnamed(_folder, _end),
    )


# ------------------------------------------------------------ W14.4: what its exporter signed

Covered = list[CoveredFile]


def _signing(covering: Callable[[Covered], Covered]) -> Callable[[Office], bytes]:
    def made(office: Office) -> bytes:
        draft = _noted(office)
        draft.covering = covering
        return draft.file()

    return made


def _all_but_one(files: Covered) -> Covered:
    return [one for one in files if one.name != MORE]


def _one_twice(files: Covered) -> Covered:
    return [two for one in files for two in ([one, one] if one.name == MORE else [one])]


def _one_more(files: Covered) -> Covered:
    return [*files, CoveredFile("more/gone.txt", Digest("0" * 64))]


def _another_order(files: Covered) -> Covered:
    return [*files[1:], files[0]]


def _changed_since(office: Office) -> bytes:
    return packed({**_noted(office).files(), MORE: b"Another note."})


def _spoilt_since(office: Office) -> bytes:
    """Its signature's value is another."""
    files = _noted(office).files()
    start = b"<ds:SignatureValue>"
    head, _, rest = files[bundle.EXPORT].partition(start)
    first = b"B" if rest[:1] == b"A" else b"A"
    return packed({**files, bundle.EXPORT: head + start + first + rest[1:]})


def _by_its_tls(office: Office) -> bytes:
    """The one that the node shows in handshakes."""
    draft = _noted(office)
    draft.exported_by = office.make(tls_of(ORIGIN))
    return draft.file()


_SIGNED: Sequence[tuple[str, str, Callable[[Office], bytes]]] = (
    ("not-all", "A file that its exporter did not sign is in it: refused", _signing(_all_but_one)),
    ("one-twice", "A file that its exporter signed twice is refused", _signing(_one_twice)),
    ("one-gone", "A file that its exporter signed is not in it: refused", _signing(_one_more)),
    (
        "another-order",
        "Signed in another order than they stand in is refused",
        _signing(_another_order),
    ),
    ("changed", "A file that was changed since its exporter signed is refused", _changed_since),
    ("signature", "An exporter's signature that does not hold is refused", _spoilt_since),
    ("purpose", "An exporter's certificate that is for something else is refused", _by_its_tls),
)

for _name, _title, _make in _SIGNED:
    is_refused(book, EVIDENCE, "W14.4", _name, _title, _make)
