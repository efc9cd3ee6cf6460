"""What goes into an evidence file around the document: proofs from this node's log, statuses, the list of it all.

Whatever cannot be put in is listed with the reason in a word, so that nobody takes its absence for nothing
having been there.

Touches: the journal, reading; the log's prover.
Raises:  JournalError.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from relay.delivery.aside import LONG_DOCUMENT_BYTES, aside
from relay.delivery.evidence.ports import EvidenceLog, Left, Telling
from relay.delivery.ports import Caller, MessageView, PayloadStore, Tracking
from relay.delivery.records import Journal
from relay.errors import AccessError, AuditError, GoneError, NotFoundError, TakenBackError
from relay.model import (
    Digest,
    Envelope,
    Finding,
    MessageId,
    MessageType,
    NodeId,
    Payload,
    Receipt,
    Signed,
    digest_of,
)
from relay.wire import bundle
from relay.wire.bundle_list import VERSION, ContentsList, ListedStatus, write_list
from relay.wire.receipt import read_receipt

RequireHad = Callable[[Caller, MessageView], None]


@dataclass(slots=True)
class Around:
    """Filled as the file is planned; `files` gives the members, `certificates` whose files they need."""

    node: NodeId
    journal: Journal
    tracking: Tracking
    store: PayloadStore
    log: EvidenceLog | None
    require_had: RequireHad
    left: Left | None = field(default=None, kw_only=True)
    proofs: dict[int, bytes] = field(default_factory=dict)
    issuers: dict[Digest, tuple[int, bytes]] = field(default_factory=dict)
    """Proofs from the logs of others, with the number of the receipt."""
    unproven: dict[Digest, str] = field(default_factory=dict)
    statuses: list[tuple[ListedStatus, bytes, bytes]] = field(default_factory=list)
    left_out: dict[MessageId, str] = field(default_factory=dict)
    witnesses: dict[NodeId, tuple[bytes, ...]] = field(default_factory=dict)
    receipts: list[tuple[Digest, Receipt]] = field(default_factory=list)
    envelope: Envelope | None = None
    """None where it cannot be read."""
    rows: int = 0
    """Of the summary; the receipts of one that would have too many are let go."""

    async def add(self, number: int, signed: Signed) -> None:
        """A receipt that is in the file under this number."""
        await self.prove(number, signed)
        long = len(signed.document) > LONG_DOCUMENT_BYTES
        receipt = await aside(long, read_receipt, signed.document)
        self.rows += len(receipt.evidence)
        if self.rows > bundle.MOST_TOLD:
            self.receipts.clear()
        else:
            self.receipts.append((signed.digest, receipt))

    def telling(self, view: MessageView, seal: bytes) -> Telling | None:
        """What the summary is made from; None where it would be too long."""
        if self.rows > bundle.MOST_TOLD:
            return None
        proofs = [(self.receipts[number - 1][0], proof) for number, proof in self.proofs.items()]
        theirs = [(digest, proof) for digest, (_, proof) in self.issuers.items()]
        return Telling(
            view.digest,
            view.size_bytes,
            self.envelope,
            seal,
            tuple(self.receipts),
            proofs,
            theirs,
            tuple(self.statuses),
            self._list(view),
        )

    async def prove(self, number: int, signed: Signed) -> None:
        """That the receipt of this number stands in the log of this node, and in that of who signed it."""
        word = await self._proven(number, signed)
        if word:
            self.unproven[signed.digest] = word
        if self.log is not None and len(self.issuers) < bundle.MOST_PROOFS:
            proof = await self.log.returned(signed)
            if proof is not None and self._held() + len(proof) <= bundle.PROOFS_BYTES:
                self.issuers[signed.digest] = (number, proof)

    def _held(self) -> int:
        theirs = sum(len(proof) for _, proof in self.issuers.values())
        return sum(map(len, self.proofs.values())) + theirs

    async def _proven(self, number: int, signed: Signed) -> str:
        if self.log is None:
            return "no-log"
        held = self._held()
        if len(self.proofs) >= bundle.MOST_PROOFS or held >= bundle.PROOFS_BYTES:
            return "no-room"
        try:
            proof = await self.log.proof(signed)
        except NotFoundError:
            return "not-in-log"
        except AuditError:
            return "log-in-doubt"
        if held + len(proof) > bundle.PROOFS_BYTES:
            return "no-room"
        self.proofs[number] = proof
        return ""

    async def gather(self, caller: Caller, view: MessageView) -> None:
        """The statuses and requests about the document that the caller may have, and who cosigned."""
        for message in _about(view):
            word = await self._status(caller, message)
            if word:
                self.left_out[message] = word
        if self.log is not None:
            proofs = [*self.proofs.values(), *(proof for _, proof in self.issuers.values())]
            self.witnesses = dict(await self.log.witnesses(proofs))

    async def _status(self, caller: Caller, message: MessageId) -> str:
        if len(self.statuses) >= bundle.MOST_STATUSES:
            return "no-room"
        try:
            view = await self.tracking.message(caller, message)
            if view.message_type is not MessageType.STATUS:
                return "a-document"
            if view.size_bytes > bundle.STATUS_BYTES:
                return "too-large"
            self.require_had(caller, view)
            seal = await self.tracking.seal(caller, message)
            payload = await self._payload(message, view.digest)
        except (NotFoundError, GoneError):
            return "not-here"
        except (AccessError, TakenBackError):
            return "not-fetched"
        content = b"".join([chunk async for chunk in self.store.read(payload)])
        self.statuses.append((ListedStatus(message, view.digest), content, seal.signature))
        return ""

    async def _payload(self, message: MessageId, digest: Digest) -> Payload:
        """A status may have left for the archive before its document, which waits for more."""
        try:
            return await self.journal.payload(digest)
        except GoneError:
            found = None if self.left is None else await self.left(message, digest)
            if found is None:
                raise
            return found

    def certificates(self) -> Iterable[bytes]:
        for chain in self.witnesses.values():
            yield from chain

    async def files(self, view: MessageView) -> AsyncIterator[tuple[str, bytes]]:
        yield bundle.LIST, write_list(self._list(view))
        for number, proof in self.proofs.items():
            yield bundle.proof_name(number), proof
        for number, proof in self.issuers.values():
            yield bundle.issuer_proof_name(number), proof
        for number, (_, content, seal) in enumerate(self.statuses, start=1):
            document, beside = bundle.status_names(number)
            yield document, content
            yield beside, seal

    def _list(self, view: MessageView) -> ContentsList:
        chains = sorted(self.witnesses.items())
        return ContentsList(
            VERSION,
            self.node,
            view.message_id,
            view.origin,
            self.unproven,
            tuple(status for status, _, _ in self.statuses),
            self.left_out,
            {node: tuple(digest_of(one) for one in chain) for node, chain in chains},
            tuple(_writable(view.findings)),
            view.judgement,
            tuple(self.issuers),
        )


def _about(view: MessageView) -> list[MessageId]:
    """Each once, in the order they came (W19.2)."""
    statuses = [(s.arrived_at, s.message_id) for d in view.deliveries for s in d.statuses]
    asked = [(o.asked_at, o.cause) for d in view.deliveries for o in d.obligations]
    return list(dict.fromkeys(message for _, message in sorted([*statuses, *asked])))


def _writable(findings: Sequence[Finding]) -> Iterable[Finding]:
    """A lone surrogate, kept as found in a hostile document, has no UTF-8."""
    for one in findings:
        texts = (one.code, one.detail, one.where)
        yield Finding(*(text.encode("utf-8", "backslashreplace").decode() for text in texts))
