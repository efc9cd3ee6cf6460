"""Judge what stands around the document in an evidence file: its list of contents, proofs of inclusion in the
exporter's log, the statuses that belong to it, what the exporter found (W19).

Touches: nothing; the caller reads the members.
Trusts:  the trust store, and the receipts that the caller proved.
Raises:  SignatureError, WireError, AuditError.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from relay.audit.checkpoint import read_signature, split_note
from relay.audit.cosignature import WITNESS_PREFIX, Cosigner, cosignatures, cosigner_name
from relay.audit.proof_file import LogProof, read_proof
from relay.envelope.reader import EnvelopeReader
from relay.envelope.statuses import STATUSES
from relay.errors import AuditError, EnvelopeError, SignatureError, WireError
from relay.model import AgencyCode, Digest, Envelope, NodeId, Receipt, Signed, digest_of
from relay.signing.bundle_words import VOUCHES, Found, Outcome
from relay.signing.certificates import Chain, Purpose, read_chain
from relay.signing.faults import Fault
from relay.signing.keys import verify_log_signature
from relay.signing.log_proof import ProofJudge
from relay.signing.seal import ProvenSeal, require_sealed_by, verify_seal
from relay.signing.trust import TrustStore
from relay.wire import bundle
from relay.wire.bundle_list import ContentsList, ListedStatus, read_list

_FAULTS = frozenset(Fault)


@dataclass(frozen=True, slots=True)
class Members:
    """The names that are there, their digests, and the reading of one; all of the whole file."""

    names: Collection[str]
    digests: Mapping[str, Digest]
    read: Callable[[str, int], bytes]


def require_no_list_needed(members: Members) -> None:
    """A file of version 1 has none, and nothing that only a list vouches for."""
    for name in members.names:
        if name.startswith((bundle.PROOFS, bundle.STATUSES)):
            raise SignatureError(Fault.MISSING_FILE, f"it holds {name} and no {bundle.LIST}")


def prove_list(
    members: Members, exporter: NodeId | None, about: Receipt | None, limit_bytes: int
) -> tuple[ContentsList, Found]:
    """The list, where it is the exporter's and all it names is there, and nothing else of these kinds (W19.1)."""
    listed = read_list(members.read(bundle.LIST, limit_bytes))
    if listed.node != exporter:
        raise SignatureError(
            Fault.WRONG_NODE, f"the list is of node {listed.node}, the file of {exporter}"
        )
    if about is not None and (listed.origin, listed.message) != (about.origin, about.message_id):
        raise SignatureError(Fault.OTHER_MESSAGE, f"the list is about message {listed.message}")
    proofs = _proofs_due(members, listed)
    _require_exactly(members, listed, proofs)
    left = f"; {len(listed.left_out)} messages left out" if listed.left_out else ""
    theirs = len(listed.proved_by_issuer)
    own = len(proofs) - theirs
    said = (
        f"{own} proofs of the log, {len(listed.unproven)} receipts without one, "
        f"{theirs} proofs of the logs of others, "
    )
    facts = {
        "version": str(listed.version),
        "proofs": str(own),
        "hop_proofs": str(theirs),
        "unproven": str(len(listed.unproven)),
        "statuses": str(len(listed.statuses)),
        "left_out": str(len(listed.left_out)),
    }
    notes = tuple(
        f"{name} is not in it: {why}" for name, why in list(listed.left_out.items())[:50]
    ) + tuple(
        f"receipt {digest} has no proof: {why}"
        for digest, why in list(listed.unproven.items())[:50]
    )
    found = f"{said}{len(listed.statuses)} statuses and requests{left}: all that is listed is there"
    return listed, Found(found, facts, notes)


def _proofs_due(members: Members, listed: ContentsList) -> list[str]:
    receipts = [members.digests[one] for one, _ in bundle.receipts_among(members.names)]
    if stray := {*listed.unproven, *listed.proved_by_issuer} - set(receipts):
        raise SignatureError(
            Fault.MISSING_FILE, f"it lists receipt {min(stray)[:64]}, which is not in the file"
        )
    return [
        bundle.proof_name(number)
        for number, digest in enumerate(receipts, start=1)
        if digest not in listed.unproven
    ] + [
        bundle.issuer_proof_name(number)
        for number, digest in enumerate(receipts, start=1)
        if digest in listed.proved_by_issuer
    ]


def _require_exactly(members: Members, listed: ContentsList, proofs: Sequence[str]) -> None:
    numbers = range(1, len(listed.statuses) + 1)
    wanted = {*proofs, *(name for one in numbers for name in bundle.status_names(one))}
    kinds = (bundle.PROOFS, bundle.STATUSES)
    there = {name for name in members.names if name.startswith(kinds)}
    if missing := wanted - there:
        raise SignatureError(Fault.MISSING_FILE, f"it holds no {min(missing)}")
    if more := there - wanted:
        raise SignatureError(Fault.UNCOVERED, f"{min(more)} is in the file and not listed")
    for chain in listed.witnesses.values():
        for one in chain:
            if f"certificates/{one}.cer" not in members.names:
                raise SignatureError(Fault.MISSING_FILE, f"it holds no certificate {one[:64]}")


# ---------------------------------------------------------------- proofs of the log


class LogWords:
    """Judges each proof; the certificates of witnesses are read once."""

    def __init__(self, members: Members, listed: ContentsList, trust: TrustStore) -> None:
        self._members = members
        self._listed = listed
        self._trust = trust

    def prove(self, content: bytes, receipt: Signed) -> Found:
        """That the receipt stands in the exporter's log, and which witnesses cosigned its head (W19.3)."""
        proof, facts = self._proven(content, receipt, self._listed.node, "the exporter's")
        return self._found(proof, facts, self._cosigned(proof.note, self._listed.node))

    def prove_of_issuer(self, content: bytes, receipt: Signed, issuer: NodeId | None) -> Found:
        """The same of the log of the node that signed it (W20.10). A cosignature that does not hold is one less: it came
        over other nodes, and whoever put it there was not the exporter."""
        if issuer is None or issuer == self._listed.node:
            raise SignatureError(Fault.WRONG_NODE, "it is of no receipt that another node signed")
        proof, facts = self._proven(content, receipt, issuer, "the issuer's")
        return self._found(proof, facts, self._cosigned(proof.note, issuer, lenient=True))

    def _proven(
        self, content: bytes, receipt: Signed, node: NodeId, whose: str
    ) -> tuple[LogProof, dict[str, str]]:
        proof = read_proof(content)
        if proof.receipt != receipt:
            raise SignatureError(Fault.OTHER_MESSAGE, "it proves another receipt than its own")
        facts: dict[str, str] = {}
        for step in ProofJudge(content, self._trust).steps():
            if step.outcome is Outcome.REFUSED:
                _refuse(step.reason, step.said)
            facts |= step.facts
        if facts["node"] != node:
            said = f"it is of the log of {facts['node']}, not of {whose}"
            raise SignatureError(Fault.WRONG_NODE, said)
        return proof, facts

    def _found(
        self, proof: LogProof, facts: Mapping[str, str], cosigned: Sequence[NodeId]
    ) -> Found:
        head = f"the head of {facts['size']} entries"
        by = f"{head} is cosigned by {', '.join(cosigned)}" if cosigned else f"{head} by no witness"
        said = (
            f"entry {facts['index']} of the log of {facts['node']} ({facts['event']}, {facts['at']}) "
            f"names the receipt; {by}"
        )
        kept = ("index", "event", "at", "node", "size", "root", "log", "receipt")
        shown = {name: facts[name] for name in kept} | {"cosigned_by": " ".join(cosigned)}
        return Found(said, shown, outcome=Outcome.HOLDS)

    def _cosigned(self, note: bytes, log: NodeId, *, lenient: bool = False) -> list[NodeId]:
        """The nodes whose cosignature holds, but the log's own: nobody is his own witness (W19.4). Those of whom the
        file has no certificate are passed over."""
        names = {read_signature(line)[0] for line in split_note(note)[1]}
        return [
            node
            for node in sorted(self._listed.witnesses)
            if node != log
            and cosigner_name(node) in names
            and self._counts(node, note, lenient=lenient)
        ]

    def _counts(self, node: NodeId, note: bytes, *, lenient: bool) -> bool:
        try:
            return self._holds(node, note)
        except (SignatureError, AuditError):
            if not lenient:
                raise
            return False

    def _holds(self, node: NodeId, note: bytes) -> bool:
        chain = self._chain(node)
        key = chain.leaf.certificate.public_key().public_bytes_raw()  # type: ignore[union-attr]
        cosigner = Cosigner(
            cosigner_name(node),
            key,
            lambda signature, body: verify_log_signature(key, signature, body),
        )
        found = cosignatures(note, cosigner)
        for one in found:
            at = max(one.at, chain.leaf.certificate.not_valid_before_utc)
            leaf = self._trust.judge(chain, at, Purpose.LOG)
            if leaf.identity.node != node:
                raise SignatureError(
                    Fault.WRONG_NODE, f"{WITNESS_PREFIX}{node} is shown a key of another node"
                )
        return bool(found)

    def _chain(self, node: NodeId) -> Chain:
        names = [f"certificates/{one}.cer" for one in self._listed.witnesses[node]]
        return _chain_of(tuple(self._members.read(name, 64 << 10) for name in names))


@lru_cache(maxsize=64)
def _chain_of(certificates: tuple[bytes, ...]) -> Chain:
    return read_chain(certificates)


def _refuse(reason: str, said: str) -> None:
    if reason in _FAULTS:
        raise SignatureError(Fault(reason), said)
    raise AuditError(said)


# ---------------------------------------------------------------- statuses and findings


def prove_status(
    listed: ListedStatus, content: bytes, seal: bytes, document: Envelope | None, trust: TrustStore
) -> tuple[ProvenSeal, Found]:
    """A status of a recipient or a request of the sender, sealed, about the document of this file (W19.5)."""
    digest = digest_of(content)
    if digest != listed.digest:
        raise SignatureError(Fault.OTHER_MESSAGE, "it is another status than the one listed")
    proven = verify_seal(seal, digest, trust, None)
    read = _status_read(content)
    if document is not None:
        _require_answers(read, document)
    report = read.status
    code = "" if report is None else report.status_code
    row = STATUSES.get(code)
    notes = _sender_notes(proven, read.sender.organ_id)
    who = ", ".join(sorted(proven.agencies)) or str(proven.node or "")
    facts = {
        "message_id": listed.message,
        "status_code": code,
        "description": "" if report is None else report.description,
        "from": read.sender.organ_id,
        "digest": digest,
        "kind": proven.kind.value,
        "by": who,
        "at": proven.signed_at.isoformat(),
    }
    named = "" if row is None else f" ({row.english})"
    said = (
        f"{code}{named} from {read.sender.organ_id}, {proven.kind.value} seal of {who}, "
        f"{VOUCHES[proven.kind]}"
    )
    return proven, Found(said, facts, notes)


def _sender_notes(proven: ProvenSeal, sender: str) -> tuple[str, ...]:
    try:
        require_sealed_by(proven, AgencyCode(sender), ())
    except SignatureError as error:
        return (f"{error}: another code of the same agency?",)
    return ()


def _status_read(content: bytes) -> Envelope:
    reader = EnvelopeReader()
    try:
        reader.feed(content)
        read = reader.close()
    except EnvelopeError as error:
        raise WireError(f"no readable status: {error}") from None
    if read.status is None:
        raise WireError("it is no status")
    return read


def _require_answers(read: Envelope, document: Envelope) -> None:
    """By the id of the document, else by its number and date."""
    for one in read.response_for:
        if one.document_id and one.document_id == document.document_id:
            return
        named = (one.code, one.promulgation_date)
        if not one.document_id and named == (document.notation, document.promulgation_date):
            return
    raise SignatureError(Fault.OTHER_MESSAGE, "it is about another document")


def told_findings(listed: ContentsList) -> Found:
    """What the exporter found: its word alone, which its signature over the file makes it (W19.6)."""
    notes = [f"{one.code}: {one.detail}" for one in listed.findings[:50]]
    facts = {"by": str(listed.node), "findings": str(len(listed.findings))}
    verdict = "signatures of others were not judged there"
    if (judged := listed.verdicts) is not None:
        worst = "none" if judged.verdict is None else judged.verdict.value
        facts |= {"verdict": worst, "signatures": str(judged.signatures)}
        verdict = f"{judged.signatures} signatures of others in the document, verdict {worst}"
        notes += [
            f"{part.name or 'the document'}: {part.verdict or 'not signed'}"
            f" {' '.join(part.flaws)}".rstrip()
            for part in judged.parts[:50]
        ]
    said = f"the word of {listed.node} alone: {len(listed.findings)} findings; {verdict}"
    return Found(said, facts, tuple(notes))
