"""The verifier's entries, each as a call of a signature and a document: what the vectors are judged by.

Touches: nothing. Trusts: the anchors it is given. Raises: what the entry raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from relay.audit.checkpoint import parse_vkey, verify_note
from relay.delivery.neighbours.answers import require_answer
from relay.delivery.neighbours.standing import require_issuer
from relay.envelope.reader import read
from relay.errors import AuditError, EnvelopeError, RelayError, SignatureError, WireError
from relay.model import AgencyCode, Signed, digest_of
from relay.signing.batches import verify_batch
from relay.signing.binding import Binding
from relay.signing.bundles import verify_bundle
from relay.signing.evidence import verify_branch, verify_carry, verify_receipt
from relay.signing.keys import verify_log_signature
from relay.signing.notary import NodeNotary
from relay.signing.seal import verify_seal
from relay.signing.trust import Role, TrustStore, read_anchors
from relay.wire.receipt import write_receipt
from tests.vectors.signing.beside import answered, as_of, stamped, standing, whole_answer, whole_crl
from tests.vectors.signing.forging.exported import FILES, listed, listing
from tests.vectors.signing.forging.keys import AT
from tests.vectors.signing.forging.originals import (
    ISSUING,
    KINDS,
    LETTER,
    NODE,
    ROOT,
    TINH,
    TW,
    signed,
)
from tests.vectors.signing.forging.replayed import DIRECTORY, HANDED_OVER, QUESTION
from tests.vectors.signing.forging.stamps import WHAT

FOLDER = Path(__file__).parent
Entry = Callable[[bytes, bytes], object]
"""Of the signature and the document; what is proven, or an error."""
SENDER = AgencyCode("H01")


def entries(trust: TrustStore, at: datetime | None = None) -> Mapping[str, Entry]:
    """By the kind that a vector's name ends in. Another entry of the verifier is one more row here."""
    notary = NodeNotary(TINH, NODE, {}, trust, lambda _: frozenset())

    believing = replace(notary, binding=Binding(DIRECTORY, TW, unlimited=False))
    pinned = {Role.AGENCY: [(FOLDER / "agencies.pem").read_bytes()]}
    by_roles = TrustStore(replace(trust.anchors, pinned=read_anchors([ROOT], (), pinned).pinned))

    def letter(signature: bytes, document: bytes) -> object:
        return verify_seal(signature, digest_of(document), trust, at), read(document)

    def answer(signature: bytes, document: bytes) -> object:
        receipt = verify_receipt(Signed(document, signature), trust, at)
        require_answer(DIRECTORY, receipt, QUESTION)
        return receipt

    def returned(signature: bytes, document: bytes) -> object:
        receipt = verify_receipt(Signed(document, signature), trust, at)
        require_issuer(DIRECTORY, TW, TINH, receipt)
        return receipt

    return {
        "seal": lambda s, d: verify_seal(s, digest_of(d), trust, at),
        "transfer": lambda s, d: notary.check_transfer(Signed(d, s), TINH, AT),
        "receipt": lambda s, d: verify_receipt(Signed(d, s), trust, at),
        "carry": lambda s, d: verify_carry(Signed(d, s), trust, at),
        "directory": lambda s, d: verify_branch(Signed(d, s), trust, at),
        "batch": lambda s, d: verify_batch(Signed(d, s), trust, at),
        "carried": lambda s, d: notary.check_carried_seal(s, digest_of(d), SENDER, TINH, AT),
        "supplied": lambda s, d: notary.check_supplied_seal(s, digest_of(d), SENDER, AT),
        "letter": letter,
        "answer": answer,
        "returned": returned,
        "believed": lambda s, d: believing.check_receipt(Signed(d, s), AT),
        "heard": lambda s, d: believing.check_branch(Signed(d, s), AT),
        "pinned": lambda s, d: verify_seal(s, digest_of(d), by_roles, at),
        "head": lambda note, _: _head(note),
        "crl": whole_crl,
        "ocsp": whole_answer,
        "standing": lambda s, d: standing(s, d, trust),
        "asof": lambda s, d: as_of(s, d, trust),
        "stamped": lambda s, d: stamped(s, d, trust),
        "answered": lambda s, d: answered(s, d, trust),
        "export": lambda s, d: verify_bundle(s, listed(d), trust, at),
    }


def _head(note: bytes) -> object:
    name, key = parse_vkey((FOLDER / "log.vkey").read_text("ascii").strip())
    return verify_note(note, name, key, lambda s, body: verify_log_signature(key, s, body))


def usual_documents() -> dict[str, bytes]:
    """What each entry is usually given."""
    documents = {kind: usual.document for kind, usual in KINDS.items()}
    beside = dict.fromkeys(("carried", "supplied"), documents["seal"])
    beside["pinned"] = documents["seal"]
    answers = {"answer": documents["receipt"], "believed": documents["receipt"]}
    answers |= {"returned": write_receipt(HANDED_OVER), "heard": documents["directory"]}
    authorities = dict.fromkeys(("crl", "ocsp"), ISSUING)
    seals = dict.fromkeys(("standing", "asof"), signed("seal"))
    stamps = {"stamped": documents["seal"], "answered": WHAT}
    others = (
        stamps | authorities | seals | {"letter": LETTER, "head": b"", "export": listing(FILES)}
    )
    return documents | beside | answers | others


def file_name(kind: str) -> str:
    """What a document of this kind is called beside its signature."""
    if kind in ("answer", "believed", "returned"):
        kind = "receipt"
    if kind == "heard":
        kind = "directory"
    return KINDS[kind if kind in KINDS else "seal"].name.value


def word_of(error: RelayError) -> str:
    """The word that a vector's name begins with."""
    if isinstance(error, SignatureError):
        return str(error.reason)
    if isinstance(error, WireError):
        return "wire"
    if isinstance(error, EnvelopeError):
        return "envelope"
    if isinstance(error, AuditError):
        return "audit"
    raise AssertionError(f"no word for {error!r}")
