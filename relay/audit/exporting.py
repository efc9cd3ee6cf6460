"""Put a period of the log into one signed container: planned first, then written as a stream.

Two readings: the first finds the range, checks that it fits the signed head, and takes digest and
checksum of every file, so that the signature covers all of them and the length is known; the second
writes. Entries never change, so both give the same. Memory holds one page of them. Words beside them may be
removed meanwhile: they are read once, and kept aside until they are written.

The range is the smallest that has every entry of the period, with one more at either side where there
is one, so that a reader sees nothing of it was left out.

Touches: the log, through its source; a temporary file where there are many words.
Trusts:  the source for what is stored; that it fits the head is checked.
Raises:  NotFoundError for a period without entries, AuditError for a log that does not hold, JournalError
         where words find no room aside.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from relay.audit.aside import Aside, Kept
from relay.audit.checkpoint import head_of, read_signature, split_note
from relay.audit.entries import instant
from relay.audit.epochs import SPAN, first_index
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
from relay.audit.proofs import NodeHashes, consistency_proof, verify_consistency
from relay.audit.ranges import RangeCheck, range_proof
from relay.audit.tree import leaf_hash
from relay.errors import AuditError, NotFoundError
from relay.model import Digest, NodeId, digest_of
from relay.wire import bundle
from relay.wire.archive import Archive, Head

CHUNK_BYTES: Final = 1 << 18
HEADS_LIMIT: Final = 1000


class LogSource(Protocol):
    """A log as of one moment. Indexes are those of the journal, across epochs."""

    @property
    def node(self) -> NodeId: ...
    def heads(self) -> Mapping[int, bytes]:
        """The last signed head of each epoch."""
        ...

    def within(self, first: int, end: int, since: str, until: str) -> tuple[int, int] | None:
        """The first and the last index of [first, end) whose leaf says a time from `since` on and before
        `until`, by its text; None where there is none. Every one is looked at: clocks may have stepped back."""
        ...

    def leaves(self, first: int, end: int) -> Iterator[tuple[int, bytes]]: ...
    def nodes(self, epoch: int) -> NodeHashes:
        """Of that epoch's tree."""
        ...

    def words(self, first: int, end: int) -> Iterator[bytes]:
        """Lines: what stands beside the leaves."""
        ...

    def kept_heads(self) -> Iterable[tuple[bytes, bytes]]:
        """Signed heads that someone else vouches for, by cosignature or timestamp (else empty)."""
        ...

    def witness_certificates(self, names: Collection[str]) -> Iterable[bytes]:
        """What binds their keys to those of these witnesses that are neighbours, in DER."""
        ...


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` on and before `until`; open where None."""

    since: datetime | None = None
    until: datetime | None = None
    words: bool = False


@dataclass(frozen=True, slots=True)
class Lines:
    """A file that is read from the log again when it is written."""

    first: int
    end: int
    words: bool = False


@dataclass(frozen=True, slots=True)
class ExportedPart:
    """A file of the container."""

    name: str
    size_bytes: int
    digest: Digest
    crc: int
    content: bytes | Lines | Kept


@dataclass(frozen=True, slots=True)
class ExportedLog:
    """Decided on and signed; about to be written, once. Whoever has it closes it."""

    files: tuple[ExportedPart, ...]
    first: int
    last: int
    count: int
    signature: Digest
    size_bytes: int
    aside: Aside = field(repr=False, compare=False)

    def close(self) -> None:
        self.aside.close()


Sign = Callable[[Sequence[tuple[str, Digest]]], bytes]
"""The exporter's signature over these files, by name and digest, in this order."""


def plan_export(
    source: LogSource,
    period: Period,
    log_chain: Sequence[bytes],
    own_chain: Sequence[bytes],
    sign: Sign,
    *,
    before: Callable[[int], Sequence[bytes]] = lambda _: (),
) -> ExportedLog:
    """`log_chain` and `own_chain` are certificates in DER, the leaf first; `before` those of an epoch, where
    it had another log key than the present one."""
    aside = Aside()
    try:
        return _plan(source, period, log_chain, own_chain, sign, before, aside)
    except BaseException:
        aside.close()
        raise


def _plan(
    source: LogSource,
    period: Period,
    log_chain: Sequence[bytes],
    own_chain: Sequence[bytes],
    sign: Sign,
    before: Callable[[int], Sequence[bytes]],
    aside: Aside,
) -> ExportedLog:
    heads = source.heads()
    first, last = _bounds(source, heads, period)
    vouched = list(source.kept_heads())
    parts = [
        _Epoch(source, number, first, last, heads[number], vouched)
        for number in range(first // SPAN, last // SPAN + 1)
    ]
    kept = list(_kept_heads(vouched, parts))
    witnesses = _names_on([*(one.head for one in parts), *(note for note, _ in kept)])
    files = [_planned(name, content) for part in parts for name, content in part.small()]
    for part in parts:
        files += part.streamed(aside, words=period.words)
        files += part.heads_within(kept)
    used = [before(part.part.number) or log_chain for part in parts]
    chain = tuple(digest_of(one) for one in used[-1])
    about = About(
        source.node, period.since, period.until, period.words, chain, tuple(p.part for p in parts)
    )
    chains = (
        *(one for their in used for one in their),
        *own_chain,
        *source.witness_certificates(witnesses),
    )
    certificates = {f"certificates/{digest_of(one)}.cer": one for one in chains}
    files = [
        _planned(bundle.MIMETYPE, bundle.MIMETYPE_CONTENT),
        _planned(ABOUT, write_about(about)),
        *sorted(files, key=lambda one: one.name),
        *(_planned(name, certificates[name]) for name in sorted(certificates)),
    ]
    listed = [ListedFile(one.name, one.size_bytes, one.digest) for one in files]
    files.append(_planned(FILES, write_files(listed)))
    names = [one.name for one in files]
    files.append(_planned(bundle.MANIFEST, bundle.write_manifest(names)))
    signature = sign([(one.name, one.digest) for one in files])
    files.append(_planned(SIGNATURE, bundle.wrapped(signature)))
    count = sum(part.part.proof.end - part.part.proof.first for part in parts)
    return ExportedLog(tuple(files), first, last, count, digest_of(signature), _size(files), aside)


def write_export(source: LogSource, export: ExportedLog) -> Iterator[bytes]:
    """The container, `size_bytes` of it in all."""
    archive = Archive()
    for one in export.files:
        yield archive.head(one.name, Head(one.size_bytes, one.crc))
        match one.content:
            case bytes():
                yield one.content
            case Lines():
                yield from _chunks(source, one.content)
            case Kept():
                yield from export.aside.read(one.content)
    yield archive.ending()


# ------------------------------------------------------------ which entries


def _bounds(source: LogSource, heads: Mapping[int, bytes], period: Period) -> tuple[int, int]:
    """The first and the last index of the range."""
    since = instant(period.since) if period.since else ""
    until = instant(period.until) if period.until else "~"
    ends = [
        (first_index(number), first_index(number) + head_of(note).size)
        for number, note in heads.items()
    ]
    found = [one for low, end in ends if (one := source.within(low, end, since, until))]
    if not found:
        raise NotFoundError("the log has no entry in that period")
    first, last = found[0][0], found[-1][1]
    before = [min(end, first) - 1 for low, end in ends if low < min(end, first)]
    after = [max(low, last + 1) for low, end in ends if max(low, last + 1) < end]
    return before[-1] if before else first, after[0] if after else last


class _Epoch:
    """The part of one epoch: its range, proven to fit its head."""

    def __init__(
        self,
        source: LogSource,
        number: int,
        first: int,
        last: int,
        newest: bytes,
        vouched: Sequence[tuple[bytes, bytes]],
    ) -> None:
        self._source, self._low = source, first_index(number)
        low, high = self._low, self._low + head_of(newest).size
        start, end = max(first, low), min(last + 1, high)
        self._nodes = source.nodes(number)
        self.head = self._cosigned(newest, vouched, end - low) or newest
        checkpoint = head_of(self.head)
        proof = range_proof(start - low, end - low, checkpoint.size, self._nodes)
        self.part = Part(number, checkpoint.origin, proof)
        self._root = checkpoint.root

    def _cosigned(
        self, newest: bytes, vouched: Sequence[tuple[bytes, bytes]], end: int
    ) -> bytes | None:
        """A head with cosignatures that covers the range and that the newest one continues."""
        last = head_of(newest)
        for note, _ in vouched:
            head = head_of(note)
            if (head.origin != last.origin or not end <= head.size <= last.size) or len(
                split_note(note)[1]
            ) < 2:
                continue
            hashes = consistency_proof(head.size, last.size, self._nodes)
            try:
                verify_consistency(head.size, head.root, last.size, last.root, hashes)
            except AuditError:  # a copy that others may have touched
                continue
            return note
        return None

    def small(self) -> Iterator[tuple[str, bytes]]:
        yield checkpoint_name(self.part.number), self.head

    def streamed(self, aside: Aside, *, words: bool) -> Iterator[ExportedPart]:
        """The leaves, compared with the head on the way, and what stands beside them."""
        proof = self.part.proof
        lines = Lines(self._low + proof.first, self._low + proof.end)
        check = RangeCheck(proof)
        yield _measured(
            leaves_name(self.part.number), lines, _watched(_lines(self._source, lines), check)
        )
        check.close(self._root)
        if words:
            lines = Lines(lines.first, lines.end, words=True)
            name, start = words_name(self.part.number), aside.end()
            found = _measured(name, lines, aside.copied(_lines(self._source, lines)))
            yield replace(found, content=Kept(start, found.size_bytes))

    def heads_within(self, kept: Sequence[tuple[bytes, bytes]]) -> Iterator[ExportedPart]:
        for note, token in kept:
            head = head_of(note)
            if head.origin == self.part.log:
                name, stamp = head_names(self.part.number, head.size)
                yield _planned(name, note)
                if token:
                    yield _planned(stamp, token)


def _names_on(notes: Iterable[bytes]) -> frozenset[str]:
    """Whoever signed them, the log and its witnesses."""
    lines = (line for note in notes for line in split_note(note)[1])
    return frozenset(read_signature(line)[0] for line in lines)


def _kept_heads(
    vouched: Sequence[tuple[bytes, bytes]], parts: Sequence[_Epoch]
) -> Iterator[tuple[bytes, bytes]]:
    """Those within the range, one of each size, at most HEADS_LIMIT."""
    ranges = {one.part.log: one.part.proof for one in parts}
    seen: set[tuple[str, int]] = set()
    for note, token in vouched:
        head = head_of(note)
        proof = ranges.get(head.origin)
        if proof is None or not proof.first < head.size <= proof.end:
            continue
        if (head.origin, head.size) not in seen and len(seen) < HEADS_LIMIT:
            seen.add((head.origin, head.size))
            yield note, token


def _watched(lines: Iterable[bytes], check: RangeCheck) -> Iterator[bytes]:
    for line in lines:
        check.append(leaf_hash(line[:-1]))
        yield line


def _lines(source: LogSource, lines: Lines) -> Iterator[bytes]:
    if lines.words:
        yield from source.words(lines.first, lines.end)
        return
    for _, leaf in source.leaves(lines.first, lines.end):
        yield leaf + b"\n"


def _chunks(source: LogSource, lines: Lines) -> Iterator[bytes]:
    """Whole lines, some hundred KiB at a time."""
    waiting: list[bytes] = []
    size = 0
    for line in _lines(source, lines):
        waiting.append(line)
        size += len(line)
        if size >= CHUNK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


# ------------------------------------------------------------ files


def _measured(name: str, lines: Lines, content: Iterable[bytes]) -> ExportedPart:
    hashed, size, crc = hashlib.sha256(), 0, 0
    for line in content:
        hashed.update(line)
        crc = zlib.crc32(line, crc)
        size += len(line)
    return ExportedPart(name, size, Digest(hashed.hexdigest()), crc, lines)


def _planned(name: str, content: bytes) -> ExportedPart:
    return ExportedPart(name, len(content), digest_of(content), zlib.crc32(content), content)


def _size(files: Iterable[ExportedPart]) -> int:
    archive = Archive()
    for one in files:
        archive.head(one.name, Head(one.size_bytes, one.crc))
    return archive.position + len(archive.ending())
