"""Judge an evidence file offline, from itself and the trust store alone: one step after the other.

Every step says what it looked at and what it found, or refuses with a reason of its own. Where the ground
of all further steps is missing the judging ends, so that one fault is told once.

Touches: the file, reading.
Trusts:  the trust store; every byte of the file is hostile.
Raises:  OSError; a refusal is a step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from functools import lru_cache, partial
from typing import BinaryIO

from relay.envelope.reader import EnvelopeReader
from relay.errors import (
    AuditError,
    DamagedError,
    EnvelopeError,
    PeerError,
    SignatureError,
    WireError,
)
from relay.model import AgencyCode, Digest, Envelope, NodeId, Receipt, Signed, digest_of
from relay.signing.bundle_around import (
    LogWords,
    Members,
    prove_list,
    prove_status,
    require_no_list_needed,
    told_findings,
)
from relay.signing.bundle_hops import Hops
from relay.signing.bundle_shape import CoveredFile
from relay.signing.bundle_words import VOUCHES, Found, Outcome, Step, sentences
from relay.signing.bundles import certificates_of_signature, verify_bundle
from relay.signing.certificates import Chain, read_chain
from relay.signing.evidence import verify_receipt
from relay.signing.faults import Fault
from relay.signing.proof_shape import batch_in
from relay.signing.revocation.asof import judge_path
from relay.signing.revocation.verdicts import RevocationState
from relay.signing.seal import ProvenSeal, require_sealed_by, verify_seal
from relay.signing.shape import LIMIT_BYTES
from relay.signing.stamped import Unsigned, imprint_of, parted
from relay.signing.timestamps import ProvenTimestamp, TimestampTrust
from relay.signing.trust import Path, TrustStore
from relay.wire import bundle
from relay.wire.bundle_list import ContentsList
from relay.wire.packed import Bounds, PackedFile, content_of, contents, digest_in, read_packed

FILE_LIMIT_BYTES = 8 << 30
_SMALL_BYTES = 64 << 20
_STATEMENTS_BYTES = 256 << 20
_VIETNAM = timezone(timedelta(hours=7))
_BOUNDS = Bounds(FILE_LIMIT_BYTES, bundle.FILES_LIMIT, bundle.check_name)


class BundleJudge:
    """Goes once over one file."""

    def __init__(self, file: BinaryIO, trust: TrustStore) -> None:
        self._file = file
        self._trust = trust
        self._timestamps = TimestampTrust(trust)
        self._entries: dict[str, PackedFile] = {}
        self._digests: dict[str, Digest] = {}
        self._envelope: Envelope | None = None
        self._about: Receipt | None = None
        self._known: set[Digest] = set()
        self._exporter: NodeId | None = None
        self._listed: ContentsList | None = None
        self._hops = Hops()
        self._batches: set[Digest] = set()
        self._statements: list[bytes] = []
        self._states: Counter[RevocationState] = Counter()
        self._number = 0

    def steps(self) -> Iterator[Step]:
        """Each as soon as it is finished."""
        for what, work in (
            ("container", self._container),
            ("contents", self._contents),
            ("manifest", self._manifest),
            ("export", self._export),
        ):
            step = self._step(what, work)
            yield step
            if step.outcome is Outcome.REFUSED:
                return
        yield self._step("document", self._document)
        yield self._step("seal", self._seal)
        yield from self._tokens_of_seal()
        pairs = bundle.receipts_among(self._entries)
        self._known = {self._digests[document] for document, _ in pairs}
        for document, signature in pairs:
            yield self._step("receipt", partial(self._receipt, document, signature))
        if batches := bundle.batches_among(self._entries):
            yield self._step("batches", partial(self._batches_beside, batches))
        yield self._step("message", self._message)
        yield from self._around(pairs)
        yield self._step("hops", self._hops.found)
        yield self._step("revocation", self._revocation)

    def _step(self, what: str, work: Callable[[], Found]) -> Step:
        self._number += 1
        try:
            found = work()
        except (PeerError, AuditError) as error:
            return Step(self._number, what, Outcome.REFUSED, str(error), _word(what, error))
        return Step(
            self._number, what, found.outcome, found.said, facts=found.facts, notes=found.notes
        )

    # ------------------------------------------------------------ the file as a whole

    def _container(self) -> Found:
        found = read_packed(self._file, _BOUNDS)
        self._entries = {one.name: one for one in found}
        names = list(self._entries)
        if not names or names[0] != bundle.MIMETYPE:
            raise WireError("its first entry is not mimetype")
        if self._small(bundle.MIMETYPE, 100) != bundle.MIMETYPE_CONTENT:
            raise WireError(f"its mimetype is not {bundle.MIMETYPE_CONTENT.decode()}")
        for name in (bundle.ENVELOPE, bundle.SEAL, bundle.EXPORT, bundle.MANIFEST):
            if name not in self._entries:
                raise SignatureError(Fault.MISSING_FILE, f"it holds no {name}")
        if names[-1] != bundle.EXPORT:
            raise WireError(f"its last entry is not {bundle.EXPORT}")
        return Found(f"an ASiC-E container of {len(names)} files, stored end to end")

    def _contents(self) -> Found:
        self._digests = {
            name: digest_in(self._file, entry)
            for name, entry in self._entries.items()
            if name != bundle.EXPORT
        }
        for name, digest in self._digests.items():
            if name.startswith(bundle.NAMED_BY_DIGEST) and digest not in name:
                raise SignatureError(Fault.DIGEST_MISMATCH, f"{name} is not what its name says")
        return Found(f"{len(self._digests)} files read, each as its checksum says")

    def _manifest(self) -> Found:
        names = [name for name in self._entries if name != bundle.EXPORT]
        if self._small(bundle.MANIFEST, _SMALL_BYTES) != bundle.write_manifest(names):
            raise WireError("the manifest does not name exactly the files that are there")
        for _, signature in bundle.receipts_among(names):
            if signature not in self._entries:
                raise SignatureError(Fault.MISSING_FILE, f"it holds no {signature}")
        return Found("names the files that are there, and no other")

    def _export(self) -> Found:
        content = self._small(bundle.EXPORT, _SMALL_BYTES)
        files = [CoveredFile(name, digest) for name, digest in self._digests.items()]
        proven = verify_bundle(bundle.unwrapped(content, bundle.EXPORT), files, self._trust)
        self._exporter = proven.node
        self._statements = self._statements_held()
        self._require_counted(proven.path, proven.signed_at)
        return Found(
            f"put together by {proven.node}, {_moment(proven.signed_at)}: its signature covers "
            f"all {len(files)} other files",
            {
                "by": proven.node,
                "at": proven.signed_at.isoformat(),
                "subject": proven.subject,
                "certificate_sha256": proven.certificate_sha256,
            },
        )

    # ------------------------------------------------------------ document and seal

    def _document(self) -> Found:
        digest = self._digests[bundle.ENVELOPE]
        facts = {"digest": digest, "size_bytes": str(self._entries[bundle.ENVELOPE].size_bytes)}
        try:
            read = self._envelope = self._read_envelope()
        except EnvelopeError as error:
            return Found(f"SHA-256 {digest}", facts, (f"no readable envelope: {error}",))
        facts |= {"from": read.sender.organ_id, "notation": read.notation}
        return Found(f"{read.notation} from {read.sender.organ_id}, SHA-256 {digest}", facts)

    def _read_envelope(self) -> Envelope:
        reader = EnvelopeReader()
        for chunk in contents(self._file, self._entries[bundle.ENVELOPE]):
            reader.feed(chunk)
        return reader.close()

    def _seal(self) -> Found:
        seal, unsigned = self._seal_and_unsigned()
        times = [self._stamped(one, imprint_of(seal)) for one in unsigned.tokens]
        proven = verify_seal(
            seal, self._digests[bundle.ENVELOPE], self._trust, self._judged_at(times)
        )
        _require_in_order(proven, times)
        self._require_counted(proven.path, self._judged_at(times) or proven.signed_at)
        who = ", ".join(sorted(proven.agencies)) or str(proven.node or "")
        return Found(
            f"{proven.kind.value} seal of {who}, {_moment(proven.signed_at)}: {VOUCHES[proven.kind]}",
            {
                "kind": proven.kind.value,
                "by": who,
                "subject": proven.subject,
                "certificate_sha256": proven.certificate_sha256,
                "at": proven.signed_at.isoformat(),
            },
            tuple(self._sender_notes(proven)),
        )

    def _seal_and_unsigned(self) -> tuple[bytes, Unsigned]:
        return parted(bundle.unwrapped(self._small(bundle.SEAL, _SMALL_BYTES), bundle.SEAL))

    def _judged_at(self, times: list[ProvenTimestamp]) -> datetime | None:
        """The earliest moment at which the seal is proven to have been there; None: as it claims."""
        return min((one.latest for one in times), default=None)

    def _sender_notes(self, proven: ProvenSeal) -> Iterator[str]:
        if not proven.agencies or self._envelope is None:
            return
        sender = self._envelope.sender.organ_id
        try:
            require_sealed_by(proven, AgencyCode(sender), ())
        except SignatureError:
            yield f"the document says it is from {sender}: another code of the same agency?"

    def _tokens_of_seal(self) -> Iterator[Step]:
        try:
            seal, unsigned = self._seal_and_unsigned()
        except PeerError:
            return
        for token in unsigned.tokens:
            yield self._step("timestamp", partial(self._timestamp, token, imprint_of(seal)))
        if not unsigned.tokens:
            yield self._step("timestamp", _no_timestamp)

    def _stamped(self, token: bytes, imprint: Digest) -> ProvenTimestamp:
        """By an authority that was not revoked by then, as far as the file says."""
        proven = self._timestamps.verify(token, imprint)
        self._require_not_revoked(proven.path, proven.gen_time)
        return proven

    def _timestamp(self, token: bytes, imprint: Digest) -> Found:
        proven = self._stamped(token, imprint)
        return Found(
            f"the seal was there {_moment(proven.latest)} at the latest, says {proven.subject}",
            {"at": proven.gen_time.isoformat(), "by": proven.subject, "serial": str(proven.serial)},
        )

    # ------------------------------------------------------------ receipts

    def _receipt(self, document: str, signature: str) -> Found:
        signed = Signed(self._small(document, _SMALL_BYTES), self._small(signature, _SMALL_BYTES))
        receipt = verify_receipt(signed, self._trust, None)
        if (batch := batch_in(signed.signature)) is not None:
            self._batches.add(digest_of(batch.document + batch.signature))
        if receipt.digest != self._digests[bundle.ENVELOPE]:
            raise SignatureError(Fault.OTHER_MESSAGE, f"{document} is about another document")
        self._require_signer_not_revoked(signed.signature, receipt.at)
        about = self._about = self._about or receipt
        if (receipt.origin, receipt.message_id) != (about.origin, about.message_id):
            raise SignatureError(Fault.OTHER_MESSAGE, f"{document} is about another message")
        self._hops.add(receipt, self._known)
        return Found(
            f"{'; '.join(sentences(receipt))}, by {receipt.issuer}, {_moment(receipt.at)}",
            {
                "file": document,
                "by": receipt.issuer,
                "at": receipt.at.isoformat(),
                "receipt": self._digests[document],
            },
            tuple(self._links(receipt)),
        )

    def _links(self, receipt: Receipt) -> Iterator[str]:
        """`Previous` names the hop before; what is not in the file cannot be followed."""
        missing = {one.previous for one in receipt.evidence if one.previous} - self._known
        for digest in sorted(missing):
            yield f"follows on a receipt that is not in the file: {digest}"

    def _batches_beside(self, pairs: list[tuple[str, str]]) -> Found:
        """What others' software judges must be what the receipts rest on, to the byte."""
        if len(pairs) > bundle.MOST_BATCHES:
            raise WireError(f"{len(pairs)} batches of receipts, limit {bundle.MOST_BATCHES}")
        for document, signature in pairs:
            if signature not in self._entries:
                raise SignatureError(Fault.MISSING_FILE, f"it holds no {signature}")
            parts = (self._small(one, LIMIT_BYTES) for one in (document, signature))
            if digest_of(b"".join(parts)) not in self._batches:
                raise SignatureError(Fault.NOT_IN_BATCH, f"{document} is of no receipt that holds")
        return Found(f"{len(pairs)} with their signatures, as they stand in proofs of the receipts")

    def _message(self) -> Found:
        if self._about is None:
            return Found("no receipt says which message this is", outcome=Outcome.UNKNOWN)
        message, origin = self._about.message_id, self._about.origin
        facts = {"message_id": message, "origin": origin}
        return Found(f"all of it is about message {message} of {origin}", facts)

    # ------------------------------------------------------------ around the document

    def _around(self, pairs: list[tuple[str, str]]) -> Iterator[Step]:
        """What files of version 2 have beside; nothing of it is judged where their list does not hold."""
        members = Members(self._entries, self._digests, self._small)
        if bundle.LIST not in self._entries:
            try:
                require_no_list_needed(members)
            except SignatureError as error:
                self._number += 1
                yield Step(self._number, "list", Outcome.REFUSED, str(error), error.reason)
            return
        yield self._step("list", partial(self._list, members))
        if (listed := self._listed) is None:
            return
        log = LogWords(members, listed, self._trust)
        for number, pair in enumerate(pairs, start=1):
            if self._digests[pair[0]] not in listed.unproven:
                yield self._step("proof", partial(self._proof, log, number, pair))
        for number in range(1, len(listed.statuses) + 1):
            yield self._step("status", partial(self._status, listed, number))
        yield self._step("findings", partial(told_findings, listed))

    def _list(self, members: Members) -> Found:
        listed, found = prove_list(members, self._exporter, self._about, _SMALL_BYTES)
        self._listed = listed
        return found

    def _proof(self, log: LogWords, number: int, pair: tuple[str, str]) -> Found:
        receipt = Signed(self._small(pair[0], _SMALL_BYTES), self._small(pair[1], _SMALL_BYTES))
        return log.prove(self._small(bundle.proof_name(number), _SMALL_BYTES), receipt)

    def _status(self, listed: ContentsList, number: int) -> Found:
        document, beside = bundle.status_names(number)
        content = self._small(document, bundle.STATUS_BYTES)
        seal = self._small(beside, LIMIT_BYTES)
        one = listed.statuses[number - 1]
        proven, found = prove_status(one, content, seal, self._envelope, self._trust)
        self._require_counted(proven.path, proven.signed_at)
        return found

    # ------------------------------------------------------------ revocation

    def _statements_held(self) -> list[bytes]:
        """CRLs and OCSP responses; they prove themselves, or say nothing."""
        names = [name for name in self._entries if name.startswith(bundle.REVOCATION)]
        if len(names) > bundle.MOST_STATEMENTS:
            said = f"{len(names)} files of revocation data, limit {bundle.MOST_STATEMENTS}"
            raise WireError(said)
        if (total := sum(self._entries[name].size_bytes for name in names)) > _STATEMENTS_BYTES:
            raise WireError(f"revocation data of {total} bytes, limit {_STATEMENTS_BYTES} bytes")
        return [self._small(name, _SMALL_BYTES) for name in names]

    def _require_signer_not_revoked(self, signature: bytes, at: datetime) -> None:
        chain = _chain_of(certificates_of_signature(signature))
        path = self._trust.path(chain, at, chain.leaf.identity.purpose)
        self._require_counted(path, at)

    def _require_not_revoked(self, path: Path, at: datetime) -> RevocationState:
        """As of then, by what the file holds; what it does not say is unknown, and no refusal."""
        verdict = judge_path(path, self._statements, at)
        if verdict.state is RevocationState.REVOKED:
            raise SignatureError(
                Fault.REVOKED_CERTIFICATE,
                f"the certificate of {path.leaf.subject} is {verdict.why}",
            )
        return verdict.state

    def _require_counted(self, path: Path, at: datetime) -> None:
        """The same, counted for the step that sums up."""
        self._states[self._require_not_revoked(path, at)] += 1

    def _revocation(self) -> Found:
        if not self._statements:
            said = "not in the file: whether a certificate was revoked is unknown"
            return Found(said, outcome=Outcome.UNKNOWN)
        valid, judged = self._states[RevocationState.VALID], self._states.total()
        facts = {"signatures": str(judged), "not_revoked": str(valid)}
        said = f"of {judged} signatures {valid} by certificates that were not revoked then"
        unknown = self._states[RevocationState.UNKNOWN] > 0
        return Found(said, facts, outcome=Outcome.UNKNOWN if unknown else Outcome.HOLDS)

    def _small(self, name: str, limit_bytes: int) -> bytes:
        return content_of(self._file, self._entries[name], limit_bytes)


@lru_cache(maxsize=256)
def _chain_of(certificates: tuple[bytes, ...]) -> Chain:
    """Once for all receipts of one node."""
    return read_chain(certificates)


def _require_in_order(proven: ProvenSeal, times: list[ProvenTimestamp]) -> None:
    for one in times:
        one.require_not_before(proven.signed_at)


def _no_timestamp() -> Found:
    said = "none: the time of the seal is its signer's own word"
    return Found(said, outcome=Outcome.UNKNOWN)


def _word(what: str, error: PeerError | AuditError) -> str:
    if isinstance(error, SignatureError):
        return error.reason
    return "damaged" if isinstance(error, DamagedError) else f"bad-{what}"


def _moment(at: datetime) -> str:
    """In Vietnam's time, as people there read it; the facts have it in UTC."""
    return f"{at.astimezone(_VIETNAM):%Y-%m-%d %H:%M:%S} +07:00"
