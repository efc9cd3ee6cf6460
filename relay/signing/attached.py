"""Judge a proof that comes after its receipt: does the receipt stand in the log of whoever signed it (W20)?

The log's certificate is judged as of the entry, or of its own beginning where it is younger (ADR 0030), and
must not be revoked now: a key in other hands signs whatever head is wanted.

Touches: nothing.
Trusts:  the trust store, the directory's binding, and the receipt, which was proven before it was kept.
Raises:  SignatureError (UncertainError where it cannot be judged now), AuditError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any

from relay.audit.checkpoint import Checkpoint, parse_vkey, read_signature, split_note
from relay.audit.cosignature import cosigner_name
from relay.audit.entries import moment, parse
from relay.audit.epochs import epoch_of, log_name
from relay.audit.proof_file import LogProof, prove_entry, read_proof
from relay.audit.verify import LogKey
from relay.errors import AuditError
from relay.model import Digest, NodeId, Signed
from relay.signing.binding import Binding
from relay.signing.keys import verify_log_signature
from relay.signing.log_key import chain_of, log_key_of
from relay.signing.trust import TrustStore

TOLERANCE = timedelta(minutes=10)
"""By how much another node's clock may be ahead of this one's."""


@dataclass(frozen=True, slots=True)
class OpenedProof:
    """A proof in its form, made by `open_proof`; nothing of it is proven."""

    content: bytes
    read: LogProof
    fields: Mapping[str, Any]
    """Of its leaf."""
    about: Digest
    """The receipt that the leaf names."""


def open_proof(content: bytes) -> OpenedProof:
    read = read_proof(content)
    fields = parse(read.leaf)
    if not isinstance(named := fields.get("receipt"), str):
        raise AuditError("its entry names no receipt")
    return OpenedProof(content, read, fields, Digest(named))


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """The head under which an entry of this receipt was proven; `cosigned` lines of others on it, unjudged."""

    head: Checkpoint
    cosigned: int


@dataclass(frozen=True, slots=True)
class AttachedJudge:
    """Whose log certificates count."""

    trust: TrustStore
    binding: Binding | None

    def prove(
        self, opened: OpenedProof, receipt: Signed, issuer: NodeId, now: datetime
    ) -> ProvenEntry:
        """That an entry of the issuer's own log names this receipt."""
        proof, fields = opened.read, opened.fields
        if proof.receipt is not None or proof.newer is not None:
            raise AuditError(
                "it brings the receipt or a newer head along, which have no place here"
            )
        if fields["node"] != issuer:
            raise AuditError(f"it is of the log of {fields['node']}, the receipt is by {issuer}")
        if opened.about != receipt.digest:
            raise AuditError("the entry speaks of another receipt")
        key = self._key(proof, issuer, moment(fields["at"]), now)
        head = prove_entry(proof, key)
        return ProvenEntry(head, _others(proof.note, {head.origin, cosigner_name(issuer)}))

    def _key(self, proof: LogProof, issuer: NodeId, entered: datetime, now: datetime) -> LogKey:
        name, public_key = parse_vkey(proof.vkey)
        if name != log_name(issuer, epoch_of(name)):
            raise AuditError(f"the head is of {name[:120]}, which is no log of {issuer}")
        if not proof.chain:
            raise AuditError("it shows no certificates of the log's key")
        certificate = chain_of(proof.chain).leaf.certificate
        at = max(entered, certificate.not_valid_before_utc)
        if at > now + TOLERANCE:
            raise AuditError("the entry or the log's certificate is of a time to come")
        if log_key_of(proof.chain, issuer, self.trust, self.binding, at) != public_key:
            raise AuditError("the certificates are of another key than the log's")
        return LogKey(name, public_key, partial(_signed, public_key))


@lru_cache(maxsize=16)
def _signed(public_key: bytes, signature: bytes, content: bytes) -> None:
    """As verify_log_signature; what held is remembered, for one head proves many receipts."""
    verify_log_signature(public_key, signature, content)


def _others(note: bytes, own: set[str]) -> int:
    """Names beside the log's own, nobody being his own witness; whether theirs hold is judged by who has
    their certificates."""
    return len({read_signature(line)[0] for line in split_note(note)[1]} - own)
