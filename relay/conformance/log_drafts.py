"""An exported log while it is put together: what of it is changed, its node signs all the same.

Touches: nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from relay.audit.checkpoint import head_of
from relay.audit.exported import (
    ABOUT,
    FILES,
    SIGNATURE,
    About,
    ListedFile,
    Part,
    checkpoint_name,
    head_names,
    leaves_name,
    words_name,
    write_about,
    write_files,
)
from relay.audit.proofs import over_leaves
from relay.audit.ranges import range_proof
from relay.audit.tree import leaf_hash
from relay.conformance.certificates import Made
from relay.conformance.drafts import packed
from relay.conformance.office import ORIGIN, Log, Office
from relay.model import Digest, MessageId, Signed, digest_of, mint_uuid7
from relay.signing.bundle_shape import CoveredFile
from relay.signing.bundles import sign_bundle
from relay.signing.keys import LogSigner
from relay.wire import bundle

ENTRIES = 8
FIRST, END = 2, 6
"""Of these, the entries of a stretch: one before its period, and one behind."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The leaves [first, end) of one epoch."""

    number: int
    log: Log
    first: int
    end: int

    @property
    def leaves(self) -> tuple[bytes, ...]:
        return self.log.leaves[self.first : self.end]

    @property
    def part(self) -> Part:
        size = len(self.log.leaves)
        hashes = over_leaves(lambda one: leaf_hash(self.log.leaves[one]))
        proof = range_proof(self.first, self.end, size, hashes)
        return Part(self.number, head_of(self.log.note).origin, proof)


@dataclass
class LogDraft:
    """All of the origin's log, of eight entries, under one head that nobody cosigned yet."""

    office: Office
    lines: bytes = b""
    """Cosignatures on that head."""
    carried: tuple[bytes, ...] = ()
    """Certificates beside those of log and exporter."""
    heads: dict[int, bytes] = field(default_factory=dict)
    """By the size in their name."""
    tokens: dict[int, bytes] = field(default_factory=dict)
    exported_by: Made | None = None
    more: dict[str, bytes] = field(default_factory=dict)
    """Files that have no place in it."""
    about_bytes: Callable[[bytes], bytes] = lambda text: text
    listing: Callable[[list[ListedFile]], list[ListedFile]] = list
    others: dict[str, bytes] = field(default_factory=dict)
    """In the place of what belongs under these names."""
    covering: Callable[[list[CoveredFile]], list[CoveredFile]] = list
    since: datetime | None = None
    until: datetime | None = None
    words: list[bytes] | None = None
    """Lines of them; None: a file without words."""
    chain: tuple[bytes, ...] = ()
    """Of the log's certificate, where it is said to be another's."""

    def __post_init__(self) -> None:
        self.message = MessageId(mint_uuid7(self.office.at, secrets.token_bytes(10)))
        self.log = self.first(ENTRIES)

    def first(self, count: int, what: str = "receipt", by: LogSigner | None = None) -> Log:
        """The log when it had so many entries."""
        named = [Signed(f"{what} {number}".encode(), b"") for number in range(count)]
        return self.office.log(ORIGIN, named, self.message, by)

    def stretches(self) -> list[Stretch]:
        """What of which epoch; all of the first one, and no other."""
        return [Stretch(0, self.log, 0, len(self.log.leaves))]

    def file(self) -> bytes:
        return packed(self.files())

    def files(self) -> dict[str, bytes]:
        """Signed by the exporter, whatever is in it."""
        files = {name: self.others.get(name, one) for name, one in self._members()}
        files |= self.more
        listed = [
            ListedFile(name, len(content), digest_of(content)) for name, content in files.items()
        ]
        files[FILES] = write_files(self.listing(listed))
        files[bundle.MANIFEST] = bundle.write_manifest([*files, bundle.MANIFEST])
        every = [CoveredFile(name, digest_of(content)) for name, content in files.items()]
        at, by = self.office.at + timedelta(hours=3), self.exported_by or self.office.origin
        signature = sign_bundle(self.covering(every), by.signer(), at)
        return {**files, SIGNATURE: bundle.wrapped(signature)}

    def _members(self) -> Iterator[tuple[str, bytes]]:
        stretches = self.stretches()
        chain = self.chain or stretches[-1].log.signer.chain
        parts = tuple(one.part for one in stretches)
        yield bundle.MIMETYPE, bundle.MIMETYPE_CONTENT
        words = self.words is not None
        about = About(ORIGIN, self.since, self.until, words, _digests(chain), parts)
        yield ABOUT, self.about_bytes(write_about(about))
        for one in stretches:
            yield checkpoint_name(one.number), one.log.note + self.lines
            yield from sorted(self._kept() if one.number == 0 else ())
            yield leaves_name(one.number), lines_of(one.leaves)
            if words:
                yield words_name(one.number), lines_of(self.words or ())
        for der in sorted({*chain, *self.office.origin.ders, *self.carried}, key=digest_of):
            yield f"certificates/{digest_of(der)}.cer", der

    def _kept(self) -> Iterator[tuple[str, bytes]]:
        for size, note in self.heads.items():
            yield head_names(0, size)[0], note
        for size, token in self.tokens.items():
            yield head_names(0, size)[1], token


class Stretched(LogDraft):
    """The entries 2 to 5 of its log, for a period that begins behind the first of them and ends with the last."""

    def __post_init__(self) -> None:
        super().__post_init__()
        began = self.office.at + timedelta(hours=1)
        self.since = began + timedelta(seconds=FIRST, milliseconds=500)
        self.until = began + timedelta(seconds=END - 1)

    def stretches(self) -> list[Stretch]:
        return [Stretch(0, self.log, FIRST, END)]


def lines_of(several: Iterable[bytes]) -> bytes:
    return b"".join(one + b"\n" for one in several)


def _digests(chain: tuple[bytes, ...]) -> tuple[Digest, ...]:
    return tuple(digest_of(one) for one in chain)
