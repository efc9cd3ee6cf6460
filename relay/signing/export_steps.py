"""Judge an exported log offline, from itself and the trust store alone: one step after the other.

Every step says what it looked at and what it found, or refuses with a reason of its own and, of the log,
the first entry that does not fit. The first refusal ends the judging: each step stands on those before.

Touches: the file, reading, twice.
Trusts:  the trust store, and the witnesses it is given; every byte of the file is hostile.
Raises:  OSError; a refusal is a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any, BinaryIO

from relay.audit.checkpoint import NOTE_LIMIT_BYTES, Checkpoint, verify_note
from relay.audit.cosignature import cosigner_name
from relay.audit.diary import Diary
from relay.audit.entries import AuditEvent, moment
from relay.audit.epochs import epoch_of, first_index, log_name, named_head
from relay.audit.exported import (
    ABOUT,
    CERTIFICATES_LIMIT,
    DOCUMENT_LIMIT_BYTES,
    FILES,
    SIGNATURE,
    About,
    ListedFile,
    Part,
    Words,
    checkpoint_name,
    head_named,
    head_names,
    leaves_name,
    read_about,
    read_words,
    words_name,
    write_files,
)
from relay.audit.lines import leaves_in
from relay.audit.log_keys import EpochKeys
from relay.audit.ranges import RangeCheck
from relay.audit.tree import leaf_hash
from relay.audit.words import check as check_words
from relay.errors import AuditError, DamagedError, PeerError, SignatureError, WireError
from relay.model import Digest, digest_of
from relay.signing.bundle_shape import CoveredFile
from relay.signing.bundle_words import Found, Outcome, Step
from relay.signing.bundles import ProvenBundle, verify_bundle
from relay.signing.certificates import Purpose, read_chain
from relay.signing.export_leaves import BOUNDS, entries_in, parsed_leaf
from relay.signing.faults import Fault
from relay.signing.log_key import key_of_log, raw_log_key
from relay.signing.log_standing import judge_standing
from relay.signing.log_witnesses import Reach, Witness, judge_note, witnesses_among
from relay.signing.timestamps import TimestampTrust
from relay.signing.trust import Path, TrustStore
from relay.wire import bundle
from relay.wire.packed import PackedFile, content_of, contents, digest_in, read_packed

_CERTIFICATE_BYTES = 64 << 10
_TOKEN_BYTES = 1 << 20
_SHOWN = 10
_FIXED = (bundle.MIMETYPE, ABOUT, FILES, bundle.MANIFEST, SIGNATURE)


@dataclass(frozen=True, slots=True)
class ProvenExport:
    """Made only by ExportJudge, once every step held."""

    about: About
    signed_at: datetime
    words: bool


@dataclass(slots=True)
class _Read:
    """What the leaves of one epoch were, as far as later steps need it."""

    first: dict[str, Any]
    last: dict[str, Any]
    roots: dict[int, bytes] = field(default_factory=dict)
    """By size, where a head of that size is in the file."""


class ExportJudge:
    """Goes over one file."""

    def __init__(
        self,
        file: BinaryIO,
        trust: TrustStore,
        *,
        witnesses: Sequence[Witness] = (),
        statements: Sequence[bytes] = (),
    ) -> None:
        """`statements` are CRLs and OCSP responses by which certificates are judged."""
        self._file, self._trust = file, trust
        self._given, self._statements = witnesses, statements
        self._seen_at: list[datetime] = []
        """When others say of a head that it was there which covers the last entry."""
        self._entries: dict[str, PackedFile] = {}
        self._digests: dict[str, Digest] = {}
        self._number = 0
        self._read: dict[int, _Read] = {}
        self._heads: dict[int, Checkpoint] = {}
        self._held = False
        self._about: About
        self._signed: ProvenBundle
        self._keys: EpochKeys
        self._path: Path

    @property
    def proven(self) -> ProvenExport:
        """Raises AuditError unless all steps were gone through and held."""
        if not self._held:
            raise AuditError("the export was not judged to its end, or does not hold")
        return ProvenExport(self._about, self._signed.signed_at, self._about.words)

    def leaves(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Every entry in the file with its index, those beside the period, too. Read it once proven."""
        return entries_in(self._file, self._entries, self.proven.about)

    def steps(self) -> Iterator[Step]:
        """Each as soon as it is finished; a refusal is the last (W17.9)."""
        for what, work in self._works():
            step = self._step(what, work)
            yield step
            if step.outcome is Outcome.REFUSED:
                return
        self._held = True

    def _works(self) -> Iterator[tuple[str, Callable[[], str | Found]]]:
        yield "container", self._container
        yield "contents", self._contents
        yield "manifest", self._manifest
        yield "signature", self._signature
        yield "export", self._export
        yield "log-key", self._log_key
        for part in self._about.parts:
            yield "head", partial(self._head, part)
            yield "entries", partial(self._leaves, part)
        yield "epochs", self._epochs
        yield "period", self._period
        for name in sorted(self._entries):
            if head_named(name) is not None:
                yield "kept-head", partial(self._kept_head, name)
        yield "witnesses", self._cosigned
        yield "revocation", self._standing

    def _step(self, what: str, work: Callable[[], str | Found]) -> Step:
        self._number += 1
        try:
            said = work()
        except (PeerError, AuditError) as error:
            return Step(self._number, what, Outcome.REFUSED, str(error), _word(what, error))
        found = Found(said) if isinstance(said, str) else said
        return Step(
            self._number, what, found.outcome, found.said, facts=found.facts, notes=found.notes
        )

    # ------------------------------------------------------------ the file as a whole

    def _container(self) -> str:
        self._entries = {one.name: one for one in read_packed(self._file, BOUNDS)}
        names = list(self._entries)
        if names[:1] != [bundle.MIMETYPE] or names[-1:] != [SIGNATURE]:
            raise WireError(f"it does not begin with mimetype and end with {SIGNATURE}")
        for name in _FIXED:
            if name not in self._entries:
                raise SignatureError(Fault.MISSING_FILE, f"it holds no {name}")
        if self._small(bundle.MIMETYPE, 100) != bundle.MIMETYPE_CONTENT:
            raise WireError(f"its mimetype is not {bundle.MIMETYPE_CONTENT.decode()}")
        return f"an ASiC-E container of {len(names)} files, stored end to end"

    def _contents(self) -> str:
        self._digests = {
            name: digest_in(self._file, entry)
            for name, entry in self._entries.items()
            if name != SIGNATURE
        }
        for name, digest in self._digests.items():
            if name.startswith("certificates/") and name != f"certificates/{digest}.cer":
                raise SignatureError(Fault.DIGEST_MISMATCH, f"{name} is not what its name says")
        return f"{len(self._digests)} files read, each as its checksum says"

    def _manifest(self) -> str:
        names = [name for name in self._entries if name != SIGNATURE]
        if self._small(bundle.MANIFEST, DOCUMENT_LIMIT_BYTES) != bundle.write_manifest(names):
            raise WireError(f"{bundle.MANIFEST} does not name exactly the files that are there")
        listed = [
            ListedFile(name, self._entries[name].size_bytes, self._digests[name])
            for name in names
            if name not in {FILES, bundle.MANIFEST}
        ]
        if self._small(FILES, DOCUMENT_LIMIT_BYTES) != write_files(listed):
            raise WireError(f"{FILES} does not say name, size and SHA-256 of the files there")
        return f"names {len(listed)} files with size and SHA-256, and no other"

    def _signature(self) -> str:
        content = self._small(SIGNATURE, DOCUMENT_LIMIT_BYTES)
        files = [CoveredFile(name, digest) for name, digest in self._digests.items()]
        self._signed = verify_bundle(bundle.unwrapped(content, SIGNATURE), files, self._trust)
        return (
            f"put together by {self._signed.node}, {self._signed.signed_at.isoformat()}: its"
            f" signature covers all {len(files)} other files"
        )

    def _export(self) -> str:
        self._about = about = read_about(self._small(ABOUT, DOCUMENT_LIMIT_BYTES))
        if about.node != self._signed.node:
            raise AuditError(f"the log of {about.node}, put together by {self._signed.node}")
        self._require_files(about)
        counts = [part.proof.end - part.proof.first for part in about.parts]
        return f"{sum(counts)} entries of the log of {about.node}, in {len(counts)} epoch(s)"

    def _require_files(self, about: About) -> None:
        """Exactly those that the export is made of (W17.1)."""
        due = {*_FIXED, *(name for name in self._entries if name.startswith("certificates/"))}
        numbers = {part.number for part in about.parts}
        for number in numbers:
            due |= {checkpoint_name(number), leaves_name(number)}
            due |= {words_name(number)} if about.words else set()
        for name in self._entries:
            if (head := head_named(name)) is not None and head[0] in numbers:
                due |= {name, head_names(*head)[1]} & self._entries.keys()
        for name in due - self._entries.keys():
            raise SignatureError(Fault.MISSING_FILE, f"it holds no {name}")
        for name in self._entries.keys() - due:
            raise WireError(f"{name} is no file of an exported log")

    # ------------------------------------------------------------ the log

    def _log_key(self) -> str:
        """Of the last epoch here; those of epochs before are named by what it signed (W17.3)."""
        names = [f"certificates/{one}.cer" for one in self._about.log_chain]
        for name in names:
            if name not in self._entries:
                raise SignatureError(Fault.MISSING_FILE, f"it holds no {name}")
        chain = read_chain([self._small(name, _CERTIFICATE_BYTES) for name in names])
        # Where another key followed it may have ended since: it is judged as of its last day then.
        at = min(self._signed.signed_at, chain.leaf.certificate.not_valid_after_utc)
        self._path = self._trust.path(chain, at, Purpose.LOG)
        node = self._about.node
        if chain.leaf.identity.node != node:
            raise SignatureError(
                Fault.WRONG_NODE,
                f"the log's certificate is of {chain.leaf.identity.node}, not {node}",
            )
        kept = ([one] for one in self._carried())
        self._keys = EpochKeys(key_of_log(node, raw_log_key(chain.leaf)), self._openings(), kept)
        return f"the certificate of {node}'s log is trusted"

    def _openings(self) -> dict[int, object]:
        """The first leaf of each epoch that begins here; it is proven with the others."""
        found: dict[int, object] = {}
        for part in self._about.parts:
            leaves = leaves_in(contents(self._file, self._entries[leaves_name(part.number)]))
            found[part.number] = next(leaves, None) if part.proof.first == 0 else None
        return found

    def _head(self, part: Part) -> str:
        note = self._small(checkpoint_name(part.number), NOTE_LIMIT_BYTES)
        head = self._heads[part.number] = self._verified(note, part)
        if head.size != part.proof.size:
            raise AuditError(f"the head covers {head.size} entries, not {part.proof.size}")
        return f"{head.origin}: signed over {head.size} entries"

    def _verified(self, note: bytes, part: Part) -> Checkpoint:
        epoch = epoch_of(part.log)
        if epoch.number != part.number or log_name(self._about.node, epoch) != part.log:
            raise AuditError(f"{part.log[:200]} is no name of epoch {part.number} of this log")
        key = self._keys.of(part.number).key
        return verify_note(note, part.log, key.public_key, key.verify)

    def _leaves(self, part: Part) -> Found:
        diary = Diary(part.log)
        check, low = RangeCheck(part.proof), first_index(part.number)
        sizes = {
            head[1] for head in map(head_named, self._entries) if head and head[0] == part.number
        }
        words = self._words(part)
        beside = next(words, None)
        read: _Read | None = None
        for leaf in leaves_in(contents(self._file, self._entries[leaves_name(part.number)])):
            fields = parsed_leaf(low + check.next_index, leaf)
            diary.note(low + check.next_index, fields)
            if beside is not None and beside.index == low + check.next_index:
                _check_words(fields, beside)
                beside = next(words, None)
            check.append(leaf_hash(leaf))
            read = read or _Read(fields, fields)
            read.last = fields
            if check.next_index in sizes:
                read.roots[check.next_index] = check.root()
        check.close(self._heads[part.number].root)
        if read is None:
            raise AuditError("no entries")
        if beside is not None:
            raise AuditError("words beside an entry that is not there", beside.index)
        self._read[part.number] = read
        first, end = low + part.proof.first, low + part.proof.end
        said = f"entries {first} to {end - 1} stand in that head's tree, in their order"
        notes = tuple(f"{one.code}: {one.detail} ({one.where})" for one in diary.findings[:_SHOWN])
        return Found(said, {"findings": str(diary.count)}, notes)

    def _words(self, part: Part) -> Iterator[Words]:
        name = words_name(part.number)
        if self._about.words:
            yield from map(read_words, leaves_in(contents(self._file, self._entries[name])))

    def _epochs(self) -> str:
        """One follows on the other, each naming the head of the one before (W17.5)."""
        parts = self._about.parts
        for before, after in pairwise(parts):
            opening = self._read[after.number].first
            named = named_head(self._heads[before.number])
            if (
                before.proof.end != before.proof.size
                or after.proof.first != 0
                or opening["event"] != AuditEvent.EPOCH_STARTED
                or any(opening.get(name) != value for name, value in named.items())
            ):
                raise AuditError(
                    f"epoch {after.number} does not begin with the head of the one before",
                    first_index(after.number),
                )
        return f"{len(parts)} epoch(s), each beginning with the head of the one before"

    def _period(self) -> str:
        """Nothing of the period was left out at its edges: an entry outside of it stands there, or the
        log's own first or last (W17.6)."""
        about = self._about
        first, last = about.parts[0], about.parts[-1]
        begins, ends = self._read[first.number].first, self._read[last.number].last
        if not (first.number == first.proof.first == 0) and (
            about.since is None or moment(begins["at"]) >= about.since
        ):
            raise AuditError(
                "no entry before the period shows that it begins here",
                first_index(first.number) + first.proof.first,
            )
        if last.proof.end != last.proof.size and (
            about.until is None or moment(ends["at"]) < about.until
        ):
            raise AuditError(
                "no entry behind the period shows that it ends here",
                first_index(last.number) + last.proof.end - 1,
            )
        since = about.since.isoformat() if about.since else "the log's beginning"
        if about.until is not None and moment(ends["at"]) >= about.until:
            return f"complete from {since} to {about.until.isoformat()}"
        # Nothing ties the time of a head to that of the export: an old one says nothing of what came since.
        return (
            f"complete from {since} to the head of {last.proof.size} entries, the last of {ends['at']};"
            " nothing here shows what came after it"
        )

    def _kept_head(self, name: str) -> str:
        epoch, size = head_named(name) or (0, 0)
        part = next(one for one in self._about.parts if one.number == epoch)
        note = self._small(name, NOTE_LIMIT_BYTES)
        head = self._verified(note, part)
        if head.size != size or head.root != self._read[epoch].roots.get(size):
            raise AuditError(f"the first {size} entries do not give the root of {name}")
        stamp = head_names(epoch, size)[1]
        if stamp not in self._entries:
            return f"{name}: signed over {size} entries, and fits"
        token = self._small(stamp, _TOKEN_BYTES)
        proven = TimestampTrust(self._trust).verify(token, digest_of(note))
        self._note_seen(epoch, size, proven.latest)
        return f"{size} entries were there {proven.latest.isoformat()} at the latest, says {proven.subject}"

    # ------------------------------------------------------------ what others say of it

    def _cosigned(self) -> Found:
        """Every head's lines; a witness that is named must have cosigned a head of the last epoch here, which
        through its beginning is one of all before (W17.12)."""
        reach = Reach(self._witnesses())
        for number, size, name in self._all_heads():
            note = self._small(name, NOTE_LIMIT_BYTES)
            judged = judge_note(note, reach.witnesses, self._trust, self._statements)
            reach.add(number, size, judged)
            for one in judged.cosigned:
                self._note_seen(number, size, one.at)
        last = self._about.parts[-1]
        return reach.found(last.number, last.proof.end)

    def _all_heads(self) -> Iterator[tuple[int, int, str]]:
        """Epoch, size and name of each."""
        for part in self._about.parts:
            yield part.number, part.proof.size, checkpoint_name(part.number)
        for name in self._entries:
            if (head := head_named(name)) is not None:
                yield *head, name

    def _note_seen(self, epoch: int, size: int, at: datetime) -> None:
        last = self._about.parts[-1]
        if epoch == last.number and size >= last.proof.end:
            self._seen_at.append(at)

    def _witnesses(self) -> list[Witness]:
        """Those given, and the other nodes whose log certificates are in the file: nobody witnesses himself."""
        own = cosigner_name(self._about.node)
        return [*self._given, *(one for one in witnesses_among(self._carried()) if one.name != own)]

    def _carried(self) -> list[bytes]:
        names = [name for name in self._entries if name.startswith("certificates/")]
        if len(names) > CERTIFICATES_LIMIT:
            raise WireError(f"{len(names)} certificates, limit {CERTIFICATES_LIMIT}")
        return [self._small(name, _CERTIFICATE_BYTES) for name in names]

    def _standing(self) -> Found:
        seen_at = min(self._seen_at, default=None)
        return judge_standing(self._path, self._signed.signed_at, self._statements, seen_at)

    def _small(self, name: str, limit_bytes: int) -> bytes:
        return content_of(self._file, self._entries[name], limit_bytes)


def _check_words(fields: dict[str, Any], beside: Words) -> None:
    try:
        check_words(fields, beside.salt, beside.words)
    except AuditError as error:
        raise AuditError(error.what, beside.index) from error


def _word(what: str, error: PeerError | AuditError) -> str:
    if isinstance(error, SignatureError):
        return error.reason
    return "damaged" if isinstance(error, DamagedError) else f"bad-{what}"
