"""Judge signatures with what they sign: a verdict, who, when, and what to think of it.

Touches: the files.
Trusts:  the trust store only.
Raises:  OSError, CommandError; a signature that does not hold is a Judgement, not an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from relay.cli.outcome import DATA, CommandError
from relay.cli.show import moment
from relay.cli.sorting import SIGNS, Role, SortedFile, document_of, look
from relay.envelope.reader import EnvelopeReader
from relay.errors import PeerError, SignatureError
from relay.judgement import Verdict
from relay.model import AgencyCode, Digest, Receipt, Signed
from relay.signing.evidence import verify_receipt
from relay.signing.seal import ProvenSeal, require_sealed_by, verify_seal
from relay.signing.trust import TrustStore
from relay.wire.container import read_receipts

_EVIDENCE_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 18


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

    def as_json(self) -> dict[str, object]:
        return {
            "what": self.what,
            "files": list(self.files),
            "verdict": self.verdict,
            "revocation": "UNKNOWN",
            "said": self.said,
            **dict(self.facts),
            "notes": list(self.notes),
        }


def judge(paths: Sequence[Path], trust: TrustStore) -> list[Judgement]:
    """With envelopes among the files, only receipts about one of them are taken for evidence."""
    files = [look(path) for path in paths]
    given = frozenset(file.digest for file in files if file.role is Role.ENVELOPE)
    found: list[Judgement] = []
    signed: set[Path] = set()
    for file in files:
        if file.role in SIGNS:
            document = document_of(file, files)
            found.append(_judge_pair(file, document, trust, given))
            signed |= {document.path} if document else set()
        elif file.role is Role.RECEIPTS:
            found += _judge_container(file, trust, given)
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
    return _judge_receipt(names, signed, trust, given)


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


def _judge_container(
    file: SortedFile, trust: TrustStore, given: frozenset[Digest]
) -> list[Judgement]:
    try:
        receipts = read_receipts(_evidence(file.path), _EVIDENCE_BYTES)
    except PeerError as error:
        return [_refused("receipts", (str(file.path),), error)]
    return [_judge_receipt((str(file.path),), signed, trust, given) for signed in receipts]


def _judge_receipt(
    names: tuple[str, ...], signed: Signed, trust: TrustStore, given: frozenset[Digest]
) -> Judgement:
    try:
        receipt = verify_receipt(signed, trust, None)
    except PeerError as error:
        return _refused("receipt", names, error)
    events = "; ".join(_sentences(receipt))
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


def _sentences(receipt: Receipt) -> Iterator[str]:
    for one in receipt.evidence:
        why = f" ({one.reason.value}: {one.detail})" if one.reason else ""
        if not why and one.detail:
            why = f" (the word of a remote that gives no evidence: {one.detail})"
        yield f"{one.event.value} for {one.recipient}{why}"


def _refused(what: str, names: tuple[str, ...], error: PeerError) -> Judgement:
    reason = f"{error.reason}: " if isinstance(error, SignatureError) else ""
    return Judgement(what, names, Verdict.INVALID, said=f"{reason}{error}")


def _unjudged(file: SortedFile, said: str) -> Judgement:
    return Judgement(file.role.value, (str(file.path),), Verdict.UNKNOWN, said=said)


def _evidence(path: Path) -> bytes:
    size = path.stat().st_size
    if size > _EVIDENCE_BYTES:
        raise CommandError(f"{path}: {size >> 20} MiB, limit {_EVIDENCE_BYTES >> 20} MiB", DATA)
    return path.read_bytes()
