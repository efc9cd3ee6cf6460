"""Whose cosignatures of a log's head count, and what a head's signature lines come to under them.

A witness is known by its verifier key, or, where it is a node, by the `log` certificate that binds the key to
it: that is judged as of each cosignature (or as of its own beginning, where the same key was certified anew).

Touches: nothing.
Trusts:  verifier keys that are given; of certificates what the trust store says. Every line is hostile.
Raises:  AuditError, SignatureError.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from relay.audit.cosignature import (
    Cosignature,
    Cosigner,
    cosigner_name,
    judge_cosignatures,
    parse_cosigner,
)
from relay.audit.epochs import first_index
from relay.errors import AuditError, SignatureError
from relay.signing.bundle_words import Found, Outcome
from relay.signing.certificates import Chain, Purpose, read_certificate, read_chain, read_leaf
from relay.signing.faults import Fault
from relay.signing.keys import verify_log_signature
from relay.signing.log_key import raw_log_key
from relay.signing.revocation.asof import judge_path
from relay.signing.revocation.verdicts import RevocationState
from relay.signing.trust import TrustStore

_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Witness:
    """Whose word is asked for, and by which key it is known."""

    name: str
    public_key: bytes
    chain: Chain | None = None
    """Where it is known by certificates: they are judged with each cosignature."""
    required: bool = True
    """Whether it must have cosigned."""


@dataclass(frozen=True, slots=True)
class JudgedNote:
    """What the lines of a head came to, but for the log's own."""

    cosigned: tuple[Cosignature, ...]
    """The newest of each witness that is known."""
    unknown: tuple[str, ...]
    """The names on lines by keys that are not known."""
    doubted: tuple[str, ...]
    """Why a certificate that came along with the head makes no known witness of its node."""


def witness_of_key(text: str) -> Witness:
    """By a verifier key (kind 0x04)."""
    return Witness(*parse_cosigner(text))


def witness_of_certificates(certificates: Sequence[bytes], *, required: bool = True) -> Witness:
    """By the `log` certificate of a node (DER, the leaf first)."""
    chain = read_chain(certificates)
    node = chain.leaf.identity.node
    if chain.leaf.identity.purpose is not Purpose.LOG or node is None:
        raise SignatureError(Fault.WRONG_PURPOSE, "the certificate is of no node's log")
    return Witness(cosigner_name(node), raw_log_key(chain.leaf), chain, required)


def witnesses_among(certificates: Sequence[bytes]) -> list[Witness]:
    """Those that certificates of nodes' logs among these (DER) would make, the others being issuers that may
    help. None is believed yet, and none must have cosigned."""
    logs: list[bytes] = []
    issuers: list[bytes] = []
    for one in certificates:
        try:
            (logs if read_leaf(one).identity.purpose is Purpose.LOG else issuers).append(one)
        except SignatureError:
            issuers += [one] if _readable(one) else []
    found = []
    for one in logs:
        with suppress(SignatureError):  # of a log, and yet with a key that signs none
            found.append(witness_of_certificates([one, *issuers], required=False))
    return found


def _readable(certificate: bytes) -> bool:
    try:
        read_certificate(certificate)
    except SignatureError:
        return False
    return True


def judge_note(
    note: bytes,
    witnesses: Iterable[Witness],
    trust: TrustStore | None,
    statements: Sequence[bytes] = (),
) -> JudgedNote:
    """A line that names a known key and does not hold refuses the note; so does one by a required witness
    whose certificate does not hold as of then."""
    known: dict[tuple[str, bytes], Witness] = {}
    for one in witnesses:
        known.setdefault((one.name, one.public_key), one)
    found = judge_cosignatures(note, map(_cosigner, known.values()))
    newest: dict[str, Cosignature] = {}
    unknown, doubted = list(found.unknown), []
    for cosigner, cosigned in found.proven:
        witness = known[cosigner.name, cosigner.public_key]
        try:
            _require_certified(witness, cosigned.at, trust, statements)
        except SignatureError as error:
            if witness.required:
                raise
            unknown.append(witness.name)
            doubted.append(f"{witness.name}: {error}")
            continue
        if witness.name not in newest or newest[witness.name].at < cosigned.at:
            newest[witness.name] = cosigned
    return JudgedNote(tuple(newest.values()), tuple(unknown), tuple(doubted))


@dataclass(frozen=True, slots=True)
class _Reached:
    """How far a witness's word goes: the newest head it cosigned, and when."""

    epoch: int
    size: int
    at: datetime


class Reach:
    """Of many heads of one log: how far each witness's cosignatures go, and what nobody here can judge."""

    def __init__(self, witnesses: Sequence[Witness]) -> None:
        self.witnesses = witnesses
        self._reached: dict[str, _Reached] = {}
        self._unknown: list[str] = []
        self._doubted: dict[str, None] = {}

    def add(self, epoch: int, size: int, judged: JudgedNote) -> None:
        self._unknown += judged.unknown
        self._doubted |= dict.fromkeys(judged.doubted)
        for one in judged.cosigned:
            before = self._reached.get(one.name)
            if before is None or (before.epoch, before.size) < (epoch, size):
                self._reached[one.name] = _Reached(epoch, size, one.at)

    def found(self, epoch: int, end: int) -> Found:
        """For a file that ends before the entry `end` of this epoch, in which whoever is required must have
        cosigned a head: through the epoch's first entry that is one of all epochs before."""
        for one in self.witnesses:
            reached = self._reached.get(one.name)
            if one.required and (reached is None or reached.epoch != epoch):
                raise AuditError(f"no cosignature by {one.name} on a head of epoch {epoch}")
        said = [
            self._said(name, one, epoch, end) for name, one in sorted(self._reached.items())
        ] or ["no cosignature that was judged"]
        said += [told_unknown(self._unknown)] if self._unknown else []
        facts = {
            "cosigned_by": " ".join(sorted(self._reached)),
            "unknown": str(len(self._unknown)),
        }
        outcome = Outcome.HOLDS if self._reached else Outcome.UNKNOWN
        return Found("; ".join(said), facts, tuple(self._doubted), outcome)

    def _said(self, name: str, one: _Reached, epoch: int, end: int) -> str:
        by = f"{name} cosigned at {one.at.isoformat()}"
        if one.epoch == epoch and one.size >= end:
            return f"{by} a head over all entries here"
        return f"{by} a head up to entry {first_index(one.epoch) + one.size - 1}, none over those after it"


def told_unknown(names: Sequence[str]) -> str:
    """How signatures are told of that nobody here can judge."""
    shown = ", ".join(sorted(set(names))[:_SHOWN])
    return f"{len(names)} by keys that are not known here ({shown}): name them with --witness"


def _cosigner(witness: Witness) -> Cosigner:
    key = witness.public_key
    return Cosigner(witness.name, key, partial(verify_log_signature, key))


def _require_certified(
    witness: Witness, at: datetime, trust: TrustStore | None, statements: Sequence[bytes]
) -> None:
    if witness.chain is None:
        return
    if trust is None:
        raise SignatureError(Fault.UNTRUSTED, "there is no root to judge its certificate by")
    at = max(at, witness.chain.leaf.certificate.not_valid_before_utc)
    path = trust.path(witness.chain, at, Purpose.LOG)
    verdict = judge_path(path, statements, at)
    if verdict.state is RevocationState.REVOKED:
        said = f"the certificate of {witness.name} is {verdict.why}"
        raise SignatureError(Fault.REVOKED_CERTIFICATE, said)
