"""Judge a proof file offline, from itself and the trust store alone: one step after the other.

The log's certificate is judged as of the entry, or where it was issued later, as of its issue: a key is
certified again and again, and the head was signed after the entry, at a time that the head does not say.

Touches: nothing.
Trusts:  the trust store, and the witnesses it is given; every byte of the file is hostile.
Raises:  nothing; a refusal is a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from relay.audit.checkpoint import Checkpoint, parse_vkey
from relay.audit.diary import require_own
from relay.audit.entries import moment, parse
from relay.audit.epochs import epoch_of, first_index, log_name
from relay.audit.proof_file import LogProof, prove_entry, prove_newer, read_proof, require_about
from relay.audit.verify import LogKey
from relay.errors import AuditError, PeerError, SignatureError
from relay.signing.bundle_words import Found, Outcome, Step, sentences
from relay.signing.certificates import Purpose, read_chain
from relay.signing.evidence import verify_receipt
from relay.signing.keys import verify_log_signature
from relay.signing.log_key import raw_log_key
from relay.signing.log_standing import judge_standing
from relay.signing.log_witnesses import Witness, judge_note, told_unknown
from relay.signing.trust import Path, TrustStore


class ProofJudge:
    """Goes once over one file."""

    def __init__(
        self,
        content: bytes,
        trust: TrustStore | None,
        *,
        vkey: str = "",
        witnesses: Sequence[Witness] = (),
        statements: Sequence[bytes] = (),
    ) -> None:
        """The log's key is believed by its certificates under `trust`, or because it is `vkey`. `statements`
        are CRLs and OCSP responses by which certificates are judged."""
        self._content = content
        self._trust = trust
        self._vkey = vkey
        self._witnesses = witnesses
        self._statements = statements
        self._path: Path | None = None
        self._at: datetime
        self._seen_at: datetime | None = None
        self._proof: LogProof
        self._fields: dict[str, Any]
        self._key: LogKey
        self._head: Checkpoint
        self._number = 0

    def steps(self) -> Iterator[Step]:
        """Each as soon as it is finished; where the ground of all further ones is missing, the last."""
        for what, work in (
            ("file", self._read),
            ("entry", self._entry),
            ("key", self._believe),
            ("proof", self._prove),
        ):
            step = self._step(what, work)
            yield step
            if step.outcome is Outcome.REFUSED:
                return
        yield self._step("witnesses", self._cosigned)
        if self._path is not None:
            yield self._step("revocation", self._standing)
        if self._proof.receipt is not None:
            yield self._step("receipt", self._receipt)
        if self._proof.newer is not None:
            yield self._step("newer head", self._newer)

    def _step(self, what: str, work: Callable[[], Found]) -> Step:
        self._number += 1
        try:
            found = work()
        except (AuditError, PeerError, ValueError) as error:
            reason = (
                str(error.reason)
                if isinstance(error, SignatureError)
                else f"bad-{what.replace(' ', '-')}"
            )
            return Step(self._number, what, Outcome.REFUSED, str(error), reason)
        return Step(
            self._number, what, found.outcome, found.said, facts=found.facts, notes=found.notes
        )

    def _read(self) -> Found:
        self._proof = read_proof(self._content)
        return Found(f"a C2SP tlog-proof of entry {self._proof.index} of its log")

    def _entry(self) -> Found:
        self._fields = fields = parse(self._proof.leaf)
        name = parse_vkey(self._proof.vkey)[0]
        epoch = epoch_of(name)
        index = first_index(epoch.number) + self._proof.index
        said = f"entry {index} of node {fields['node']}: {fields['event']}, {fields['at']}"
        return Found(
            said,
            {
                "index": str(index),
                "event": fields["event"],
                "at": fields["at"],
                "node": fields["node"],
            },
        )

    def _believe(self) -> Found:
        name, public_key = parse_vkey(self._proof.vkey)
        self._key = LogKey(
            name,
            public_key,
            lambda signature, body: verify_log_signature(public_key, signature, body),
        )
        if self._vkey:
            self._require_given(name, public_key)
            said = "the key given"
        else:
            said = self._certified(public_key)
        require_own(self._fields, name)
        if name != log_name(self._fields["node"], epoch_of(name)):
            raise AuditError(f"{name[:200]} is no name of a node's log")
        return Found(f"{said} signs {name}", {"log": name, "vkey": self._proof.vkey})

    def _require_given(self, name: str, public_key: bytes) -> None:
        """The key given is one node's word: of every epoch of its log, and of no other node's."""
        given, key = parse_vkey(self._vkey)
        if key != public_key:
            raise AuditError("the log's key is another than the one given")
        if given != log_name(self._fields["node"], epoch_of(given)):
            raise AuditError(f"the key given is of {given}, the entry of {self._fields['node']}")

    def _certified(self, public_key: bytes) -> str:
        """That the key is the node's own, by its certificates."""
        if self._trust is None or not self._proof.chain:
            raise AuditError(
                "the file holds no certificates of the log's key, and no key was given"
            )
        chain = read_chain(self._proof.chain)
        certificate = chain.leaf.certificate
        at = max(moment(self._fields["at"]), certificate.not_valid_before_utc)
        if at > datetime.now(UTC):
            raise AuditError("the log's certificate is of a time to come")
        self._path, self._at = self._trust.path(chain, at, Purpose.LOG), at
        self._trust.require_unrevoked(self._path, Purpose.LOG)
        leaf = self._path.leaf
        if raw_log_key(leaf) != public_key:
            raise AuditError("the certificates are of another key than the log's")
        if leaf.identity.node != self._fields["node"]:
            raise AuditError(
                f"the certificate is of node {leaf.identity.node}, the entry of {self._fields['node']}"
            )
        return f"the log key of node {leaf.identity.node} ({leaf.subject})"

    def _prove(self) -> Found:
        self._head = head = prove_entry(self._proof, self._key)
        return Found(
            f"the entry stands in the log of {head.size} entries, root {head.root.hex()}",
            {"size": str(head.size), "root": head.root.hex()},
        )

    def _cosigned(self) -> Found:
        judged = judge_note(self._proof.note, self._witnesses, self._trust, self._statements)
        names = {one.name for one in judged.cosigned}
        for one in self._witnesses:
            if one.required and one.name not in names:
                raise AuditError(f"no cosignature by {one.name}")
        self._seen_at = min((one.at for one in judged.cosigned), default=None)
        by = ", ".join(f"{one.name} at {one.at.isoformat()}" for one in judged.cosigned)
        said = [f"cosigned by {by}" if by else "no cosignature that was judged"]
        said += [told_unknown(judged.unknown)] if judged.unknown else []
        facts = {"cosigned_by": " ".join(sorted(names)), "unknown": str(len(judged.unknown))}
        outcome = Outcome.HOLDS if by else Outcome.UNKNOWN
        return Found("; ".join(said), facts, judged.doubted, outcome)

    def _standing(self) -> Found:
        assert self._path is not None  # noqa: S101  asked for only where there is one
        return judge_standing(self._path, self._at, self._statements, self._seen_at)

    def _receipt(self) -> Found:
        signed = self._proof.receipt
        assert signed is not None  # noqa: S101  asked for only where there is one
        require_about(self._proof.leaf, signed)
        if self._trust is None:
            return Found(
                "the receipt's digest is the entry's; its signature needs --root",
                outcome=Outcome.UNKNOWN,
            )
        receipt = verify_receipt(signed, self._trust, None)
        events = "; ".join(sentences(receipt))
        return Found(
            f"{events}, by {receipt.issuer}, {receipt.at.isoformat()}, message {receipt.message_id}",
            {"receipt": signed.digest, "message_id": receipt.message_id},
        )

    def _newer(self) -> Found:
        newer = self._proof.newer
        assert newer is not None  # noqa: S101  asked for only where there is one
        head = prove_newer(newer, self._head, self._key)
        return Found(
            f"the log of {head.size} entries continues it, root {head.root.hex()}",
            {"newer_size": str(head.size), "newer_root": head.root.hex()},
        )
