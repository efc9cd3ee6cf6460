"""What a summary tells of a document: told alike by who exports it and by who judged the file step by step.

Touches: nothing.
Trusts:  who fills it: a judge puts in what it proved and nothing else; an exporter the receipts and proofs
         that it keeps, while seal, timestamps and statuses are proven here.
Raises:  SignatureError, WireError, AuditError where an exporter's own material does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from relay.audit.checkpoint import parse_vkey
from relay.audit.entries import parse
from relay.audit.epochs import epoch_of, first_index
from relay.audit.proof_file import read_proof
from relay.delivery.evidence.ports import Telling
from relay.model import Digest, Envelope, NodeId, Receipt
from relay.signing.bundle_around import prove_status
from relay.signing.bundle_hops import Hops
from relay.signing.bundle_seal import Facts, facts_of_seal, facts_of_stamp, prove_seal
from relay.signing.timestamps import TimestampTrust
from relay.signing.trust import TrustStore
from relay.wire import bundle
from relay.wire.bundle_list import ContentsList

Places = dict[Digest, list[tuple[str, str]]]
"""By receipt: the log's node and the entry's number, the exporter's log before that of who signed it."""


@dataclass(slots=True)
class Story:
    """`envelope` only where a seal of it is proven. Rows beyond a summary's room are counted, not kept."""

    exporter: NodeId
    digest: Digest
    size_bytes: int
    envelope: Envelope | None = None
    seal: Facts | None = None
    stamps: list[Facts] = field(default_factory=list)
    receipts: list[tuple[Digest, Receipt]] = field(default_factory=list)
    rows: int = 0
    hops: Hops = field(default_factory=Hops)
    proofs: Places = field(default_factory=dict)
    statuses: list[Facts] = field(default_factory=list)
    listed: ContentsList | None = None

    def add(self, digest: Digest, receipt: Receipt) -> None:
        self.rows += len(receipt.evidence)
        if self.rows <= bundle.MOST_TOLD:
            self.receipts.append((digest, receipt))


def told(telling: Telling, trust: TrustStore) -> Story:
    """By the exporter."""
    proven, times = prove_seal(telling.seal, telling.digest, trust, TimestampTrust(trust))
    story = Story(telling.listed.node, telling.digest, telling.size_bytes, telling.envelope)
    story.seal = facts_of_seal(proven)
    story.stamps = [facts_of_stamp(one) for one in times]
    known = {digest for digest, _ in telling.receipts}
    for digest, receipt in telling.receipts:
        story.add(digest, receipt)
        story.hops.add(receipt, known)
    for digest, proof in (*telling.proofs, *telling.proofs_of_issuers):
        story.proofs.setdefault(digest, []).append(_place(proof))
    for listed, content, seal in telling.statuses:
        _, found = prove_status(listed, content, seal, telling.envelope, trust)
        story.statuses.append(found.facts)
    story.listed = telling.listed
    return story


def _place(content: bytes) -> tuple[str, str]:
    """As the judge of a proof tells it."""
    proof = read_proof(content)
    epoch = epoch_of(parse_vkey(proof.vkey)[0])
    return parse(proof.leaf)["node"], str(first_index(epoch.number) + proof.index)
