"""A proof that follows its receipt is judged before it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.audit.checkpoint import note_body, sign_note, vkey
from relay.audit.cosignature import cosign, cosigner_name, few_cosignatures
from relay.audit.entries import AuditEvent, entry
from relay.audit.epochs import Epoch, log_name
from relay.audit.proof_file import LogProof, NewerHead, read_proof, write_proof
from relay.audit.proofs import inclusion_proof, over_leaves
from relay.audit.tree import Frontier, leaf_hash
from relay.errors import AuditError, PeerError
from relay.model import NodeId, Signed, digest_of
from relay.signing import pki
from relay.signing.attached import AttachedJudge, open_proof
from relay.signing.keys import LogSigner
from relay.signing.pki_words import KeyType
from relay.signing.trust import TrustStore
from tests.evidence.conftest import AT, ISSUED, TINH, XA, Pki, make_authority

RECEIPT = Signed(b"<Receipt/>", b"<Signature/>")
OTHER = Signed(b"<Receipt>other</Receipt>", b"<Signature/>")
NOW = AT + timedelta(minutes=1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_authority(tmp_path_factory.mktemp("attached") / "pki")


def _key(folder: Path, node: NodeId) -> LogSigner:
    place = folder / "nodes" / node
    return LogSigner.load(place / "log.pem", place / "log.key.pem")


@dataclass
class Log:
    """A log of the province in memory with the receipt in its third entry."""

    folder: Path
    node: NodeId = TINH
    at: datetime = AT
    named: NodeId = TINH

    def proof(self, **changes: Any) -> LogProof:
        key = _key(self.folder, self.node)
        leaves = [
            entry(AuditEvent.RECEIPT_ISSUED, self.at, self.named, receipt=digest).leaf
            for digest in (digest_of(b"1"), digest_of(b"2"), RECEIPT.digest, OTHER.digest)
        ]
        frontier = Frontier()
        for leaf in leaves:
            frontier.append(leaf_hash(leaf))
        name = log_name(self.named, Epoch())
        note = sign_note(note_body(name, 4, frontier.root()), name, key.public_key, key.sign)
        path = inclusion_proof(2, 4, over_leaves(lambda one: leaf_hash(leaves[one])))
        vkey_ = vkey(name, key.public_key)
        proof = LogProof(2, tuple(path), note, leaves[2], vkey_, key.chain)
        return replace(proof, **changes)


@pytest.fixture
def judge(authority: Pki) -> Callable[..., Any]:
    judging = AttachedJudge(authority.trust, None)

    def judged(proof: LogProof, issuer: NodeId = TINH, now: datetime = NOW) -> Any:
        return judging.prove(open_proof(write_proof(proof)), RECEIPT, issuer, now)

    return judged


def test_a_proof_of_the_issuers_log_names_the_head(authority: Pki, judge: Any) -> None:
    found = judge(Log(authority.folder).proof())

    assert (found.head.origin, found.head.size) == ("truc-relay.example/log/tinh", 4)
    assert found.cosigned == 0


def test_the_signatures_of_others_on_its_head_are_counted(authority: Pki, judge: Any) -> None:
    proof = Log(authority.folder).proof()
    xa = _key(authority.folder, XA)
    line = cosign(proof.note, cosigner_name(XA), xa.public_key, xa.sign, AT)
    assert judge(replace(proof, note=proof.note + line)).cosigned == 1


def _of_another_receipt(log: Log) -> LogProof:
    leaf = entry(AuditEvent.RECEIPT_ISSUED, AT, TINH, receipt=OTHER.digest).leaf
    return log.proof(leaf=leaf)


def _stale(log: Log) -> LogProof:
    """A head from before the entry, validly signed."""
    proof, key = log.proof(), _key(log.folder, TINH)
    name = log_name(TINH, Epoch())
    old = sign_note(note_body(name, 2, bytes(32)), name, key.public_key, key.sign)
    return replace(proof, note=old)


def _forged(log: Log) -> LogProof:
    """A head over another tree, signed by nobody."""
    proof = log.proof()
    body = proof.note.split(b"\n")
    body[1] = b"5"
    return replace(proof, note=b"\n".join(body))


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (_of_another_receipt, "speaks of another receipt"),
        (_stale, "no leaf 2 in a tree of 2"),
        (_forged, "signature"),
        (lambda log: log.proof(index=1), "does not lead to the root"),
        (lambda log: log.proof(hashes=()), "too short"),
        (lambda log: log.proof(chain=()), "no certificates"),
        (lambda log: log.proof(chain=_key(log.folder, XA).chain), "node xa"),
        (lambda log: Log(log.folder, XA).proof(), "node xa"),
        (lambda log: Log(log.folder, XA, named=XA).proof(), "of the log of xa"),
        (lambda log: log.proof(vkey=vkey("truc-relay.example/log/xa", bytes(32))), "no log of"),
        (lambda log: log.proof(vkey=vkey("truc-relay.example/log/tinh", bytes(32))), "another key"),
        (lambda log: log.proof(receipt=RECEIPT), "have no place here"),
        (lambda log: log.proof(newer=NewerHead(b"", ())), "have no place here"),
        (lambda log: Log(log.folder, at=NOW + timedelta(hours=1)).proof(), "time to come"),
        (lambda log: Log(log.folder, at=ISSUED + timedelta(days=800)).proof(), "time to come"),
    ],
)
def test_what_does_not_prove_that_receipt_by_its_issuers_log_is_refused(
    made: Callable[[Log], LogProof], why: str, authority: Pki, judge: Any
) -> None:
    with pytest.raises((AuditError, PeerError), match=why):
        judge(made(Log(authority.folder)))


def test_any_flipped_bit_of_a_proof_is_refused(authority: Pki, judge: Any) -> None:
    good = write_proof(Log(authority.folder).proof())
    assert judge(read_proof(good)).head.size == 4
    for place in range(0, len(good), 3):
        spoilt = bytearray(good)
        spoilt[place] ^= 1 << place % 7
        with pytest.raises((AuditError, PeerError, ValueError)):
            judge(read_proof(bytes(spoilt)))


def test_a_log_key_that_the_root_did_not_certify_proves_nothing(
    tmp_path: Path, authority: Pki, judge: Any
) -> None:
    """A whole tree of certificates with the same names, made by somebody else."""
    folder = tmp_path / "pki"
    pki.init(folder, name="Kẻ giả danh", key=KeyType.P256, now=ISSUED, days=3650)
    pki.issue_branch(folder, "mau", key=KeyType.P256, now=ISSUED, days=3000)
    pki.issue_node(folder, TINH, "mau", key=KeyType.P256, now=ISSUED, days=700)
    with pytest.raises(PeerError, match=r"no path|not trusted|root"):
        judge(Log(folder).proof())
    own = AttachedJudge(TrustStore([(folder / "root" / "root.pem").read_bytes()]), None)
    assert (
        own.prove(open_proof(write_proof(Log(folder).proof())), RECEIPT, TINH, NOW).head.size == 4
    )


def test_a_certificate_that_ended_since_the_entry_still_proves_it(
    authority: Pki, judge: Any
) -> None:
    assert judge(Log(authority.folder).proof(), now=AT + timedelta(days=5000)).head.size == 4


def test_of_many_cosignatures_the_receivers_own_goes_along(authority: Pki) -> None:
    note = Log(authority.folder).proof().note
    xa = _key(authority.folder, XA)
    for number in range(9):
        name = cosigner_name(NodeId(f"n{number}"))
        note += cosign(note, name, xa.public_key, xa.sign, AT)
    few = few_cosignatures(note, cosigner_name(NodeId("n7")), 3)
    lines = few.partition(b"\n\n")[2].decode().splitlines()
    assert [line.split()[1].rpartition("/")[2] for line in lines] == ["tinh", "n0", "n1", "n7"]
