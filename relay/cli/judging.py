"""Judge signatures with what they sign: a verdict, who, when, and what to think of it.

Touches: the files.
Trusts:  the trust store only.
Raises:  OSError, CommandError; a signature that does not hold is a Judgement, not an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from relay.cli.files import small_file
from relay.cli.show import moment
from relay.cli.sorting import SIGNS, Role, SortedFile, document_of, look
from relay.envelope.reader import EnvelopeReader
from relay.errors import PeerError, SignatureError
from relay.judgement import Verdict
from relay.model import AgencyCode, Digest, SealKind, Signed
from relay.signing.batches import verify_batch
from relay.signing.bundle_words import sentences
from relay.signing.evidence import verify_receipt
from relay.signing.revocation.asof import judge_signature
from relay.signing.revocation.verdicts import RevocationState
from relay.signing.seal import ProvenSeal, require_sealed_by, verify_seal
from relay.signing.trust import TrustStore
from relay.signing.verifier import claimed_time
from relay.wire.container import read_receipts

_EVIDENCE_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 18
_AGENCYS = (SealKind.AGENCY, SealKind.AGENCY_SUPPLIED)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of one signature, or of one document that nothing given signs."""

    what: str
    files: tuple[str, ...]
    verdict: Verdict
    """UNKNOWN where half of it was not given, so that nothing was judged."""
    said: str
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    revocation: RevocationState = RevocationState.UNKNOWN
    """Of the signer's path as of the time it claims, by the statements that were given."""

    def as_json(self) -> dict[str, object]:
        return {
            "what": self.what,
            "files": list(self.files),
            "verdict": self.verdict,
            "revocation": self.revocation,
            "said": self.said,
            **dict(self.facts),
            "notes": list(self.notes),
        }


def judge(
    paths: Sequence[Path], trust: TrustStore, statements: Sequence[bytes] = ()
) -> list[Judgement]:
    """`statements` are CRLs and OCSP responses, by which revocation is judged. With envelopes among the files, only receipts about one of them are taken for evidence."""
    files = [look(path) for path in paths]
    given = frozenset(file.digest for file in files if file.role is Role.ENVELOPE)
    found: list[Judgement] = []
    signed: set[Path] = set()
    for file in files:
        if file.role in SIGNS:
            document = document_of(file, files)
            found.append(_unrevoked(_judge_pair(file, document, trust, given), trust, statements))
            signed |= {document.path} if document else set()
        elif file.role is Role.RECEIPTS:
            found += _judge_container(file, trust, given, statements)
        elif file.role is Role.TRANSFER_SIGNATURE:
            found.append(
                _unjudged(file, "a transfer's signature is judged between nodes, not here")
            )
    return found + [
        _unjudged(file, "no signature over it was given")
        for file in files
        if file.role in SIGNS.values() and file.path not in signed
    ]


def _judge_pair(
    signature: SortedFile,
    document: SortedFile | None,
    trust: TrustStore,
    given: frozenset[Digest],
) -> Judgement:
    if document is None:
        return _unjudged(signature, f"the {SIGNS[signature.role]} it signs was not given")
    names = (str(document.path), str(signature.path))
    if signature.role is Role.SEAL:
        return _judge_seal(names, signature.path, document, trust)
    signed = Signed(_evidence(document.path), _evidence(signature.path))
    if signature.role is Role.BATCH_SIGNATURE:
        return _judge_batch(names, signed, trust)
    return _judge_receipt(names, signed, trust, given)


def _judge_batch(names: tuple[str, ...], signed: Signed, trust: TrustStore) -> Judgement:
    """What the proofs of its receipts lead to; which those are, each proof says."""
    try:
        batch = verify_batch(signed, trust, None)
    except PeerError as error:
        return _refused("batch", names, error)
    at = batch.at.isoformat()
    return Judgement(
        "batch",
        names,
        verdict=Verdict.VALID,
        said=f"{batch.count} documents by {batch.issuer} under one signature, {moment(at)}",
        facts=(("by", batch.issuer), ("at", at), ("count", str(batch.count)), ("root", batch.root)),
    )


def _judge_seal(
    names: tuple[str, ...], signature: Path, document: SortedFile, trust: TrustStore
) -> Judgement:
    try:
        proven = verify_seal(_evidence(signature), document.digest, trust, None)
    except PeerError as error:
        return _refused("seal", names, error)
    who = ", ".join(sorted(proven.agencies)) or str(proven.node or "")
    at = proven.signed_at.isoformat()
    return Judgement(
        "seal",
        names,
        verdict=Verdict.VALID,
        said=f"{proven.kind.value} seal of {who} ({proven.subject}), {moment(at)}",
        facts=(
            ("kind", proven.kind.value),
            ("by", who),
            ("subject", proven.subject),
            ("certificate_sha256", proven.certificate_sha256),
            ("at", at),
            ("digest", document.digest),
        ),
        notes=tuple(_sender_notes(proven, document.path)),
    )


def _sender_notes(proven: ProvenSeal, path: Path) -> Iterator[str]:
    """Whether the document says it is from whom the seal speaks for; codes may be old or new."""
    if not proven.agencies and proven.kind in _AGENCYS:
        yield "the certificate names no agency: only a signed directory says whose it is"
        return
    if not proven.agencies:
        yield "the node vouches for who handed it in; no agency's key is involved"
        return
    reader = EnvelopeReader()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                reader.feed(chunk)
        sender = reader.close().sender.organ_id
        require_sealed_by(proven, AgencyCode(sender), ())
    except SignatureError:
        yield f"the document says it is from {sender}: another code of the same agency?"
    except PeerError as error:
        yield f"the sealed bytes are no readable envelope: {error}"


def _unrevoked(
    found: Judgement, trust: TrustStore, statements: Sequence[bytes], signature: bytes | None = None
) -> Judgement:
    """The same, with what the statements say of its signer as of the time it claims."""
    if found.verdict is not Verdict.VALID or not statements:
        return found
    content = _evidence(Path(found.files[-1])) if signature is None else signature
    told = judge_signature(content, statements, trust, claimed_time(content))
    if told.state is not RevocationState.REVOKED:
        return replace(found, revocation=told.state)
    said = f"revoked-certificate: {told.why}; {found.said}"
    return replace(found, verdict=Verdict.INVALID, said=said, revocation=told.state)


def _judge_container(
    file: SortedFile,
    trust: TrustStore,
    given: frozenset[Digest],
    statements: Sequence[bytes],
) -> list[Judgement]:
    try:
        receipts = read_receipts(_evidence(file.path), _EVIDENCE_BYTES)
    except PeerError as error:
        return [_refused("receipts", (str(file.path),), error)]
    names = (str(file.path),)
    return [
        _unrevoked(_judge_receipt(names, signed, trust, given), trust, statements, signed.signature)
        for signed in receipts
    ]


def _judge_receipt(
    names: tuple[str, ...], signed: Signed, trust: TrustStore, given: frozenset[Digest]
) -> Judgement:
    try:
        receipt = verify_receipt(signed, trust, None)
    except PeerError as error:
        return _refused("receipt", names, error)
    events = "; ".join(sentences(receipt))
    at = receipt.at.isoformat()
    said = f"{events}, by {receipt.issuer}, {moment(at)}, message {receipt.message_id}"
    strange = bool(given) and receipt.digest not in given
    if strange:
        said = f"about another envelope than the one given (SHA-256 {receipt.digest}): {said}"
    return Judgement(
        "receipt",
        names,
        verdict=Verdict.INVALID if strange else Verdict.VALID,
        said=said,
        facts=(
            ("events", events),
            ("by", receipt.issuer),
            ("at", at),
            ("message_id", receipt.message_id),
            ("digest", receipt.digest),
            ("receipt", signed.digest),
        ),
    )


def _refused(what: str, names: tuple[str, ...], error: PeerError) -> Judgement:
    reason = f"{error.reason}: " if isinstance(error, SignatureError) else ""
    return Judgement(what, names, Verdict.INVALID, said=f"{reason}{error}")


def _unjudged(file: SortedFile, said: str) -> Judgement:
    return Judgement(file.role.value, (str(file.path),), Verdict.UNKNOWN, said=said)


def _evidence(path: Path) -> bytes:
    return small_file(path, _EVIDENCE_BYTES)
