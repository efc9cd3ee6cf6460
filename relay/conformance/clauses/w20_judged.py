"""W20.4, W20.6: proofs that the kit's second neighbour hands over, of a receipt of its own, as they hold and as they do not.

Each is one of a right log of its own beside what is wrong with it, so that nothing else can be why it is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ed25519

from relay.audit.entries import AuditEvent, entry
from relay.audit.epochs import Epoch, log_name
from relay.audit.proof_file import LogProof, write_proof
from relay.conformance.absence import awaited
from relay.conformance.business import go_out
from relay.conformance.certificates import Issuing, Made, log_of, present, sign_of
from relay.conformance.certified import own_issuer
from relay.conformance.handing_in import alarm, grow, held
from relay.conformance.history import Tree
from relay.conformance.instants import now
from relay.conformance.judging import STATEMENTS, told_of
from relay.conformance.peer import CONTAINER_LIMIT_BYTES
from relay.conformance.proofs import answers_of, handed, named_by, proven_in
from relay.conformance.stand import Stand
from relay.conformance.telling import TakenOver, taken_over
from relay.conformance.verdicts import Book, InconclusiveError, Part, require, require_equal
from relay.conformance.witness import CAPABILITY as WITNESS
from relay.model import Digest, NodeId
from relay.signing import pki_profiles
from relay.signing.keys import LogSigner
from relay.signing.pki_profiles import Profile
from relay.wire.container import read_receipts

book = Book(Part.NEIGHBOUR, Part.SECOND, capability="receipt-proofs")
SOON = 25.0
SIZE, PLACE = 5, 3
"""Of the logs that are made up here, and where in them the receipt is named."""


def _leaf(node: str, receipt: Digest) -> bytes:
    """An entry that names it."""
    return entry(AuditEvent.RECEIPT_ISSUED, now(), NodeId(node), receipt=receipt).leaf


def _own(one: TakenOver) -> LogProof:
    """In the log that the second neighbour has."""
    log = one.stand.second_log
    return proven_in(log, log.write(_leaf(log.signer.node, one.receipt.digest)))


def _tree(name: str, leaf: bytes) -> Tree:
    return Tree(log_name(NodeId(name), Epoch()), written={PLACE: leaf})


async def _is_kept(one: TakenOver, proof: LogProof) -> None:
    require_equal(await one.tell(write_proof(proof)), "kept", "the answer to a right one")


async def _is_refused(one: TakenOver, proof: LogProof) -> None:
    """Beside a right one, which is kept."""
    await _is_kept(one, _own(one))
    said = await one.tell(write_proof(proof))
    require_equal(said, "refused", "the answer to it")


@book.asserts("W20.4", "kept", "A proof that an issuer's log names its receipt is kept")
async def kept(stand: Stand) -> None:
    one = await taken_over(stand)
    await _is_kept(one, _own(one))


def _spoilt(name: str, title: str, change: Callable[[LogProof], LogProof]) -> None:
    @book.asserts("W20.4", name, title)
    async def refused(stand: Stand) -> None:
        one = await taken_over(stand)
        await _is_refused(one, change(_own(one)))


def _another_path(proof: LogProof) -> LogProof:
    return replace(proof, hashes=(secrets.token_bytes(32), *proof.hashes[1:]))


def _unsigned(proof: LogProof) -> LogProof:
    """Under the head of a log that has one entry more, with the signature of this one's."""
    body, rest = proof.note.split(b"\n\n")
    origin, size, root = body.split(b"\n")
    other = b"\n".join([origin, b"%d" % (int(size) + 1), root])
    return replace(proof, note=b"\n\n".join([other, rest]))


_spoilt("path", "A proof whose path leads to another root is refused", _another_path)
_spoilt("checkpoint", "A proof under a head that the log's key did not sign is refused", _unsigned)


@book.asserts("W20.4", "another-log", "A proof of another node's log than the issuer's is refused")
async def another_log(stand: Stand) -> None:
    one, other = await taken_over(stand), stand.other_kit
    signer = stand.authority.of(other).log_signer()
    tree = _tree(other, _leaf(other, one.receipt.digest))
    await _is_refused(one, named_by(signer, tree, SIZE, PLACE))


@book.asserts("W20.4", "another-key", "A proof by a key of another node's is refused")
async def another_key(stand: Stand) -> None:
    """In the log's name, with that node's certificates."""
    one, node = await taken_over(stand), stand.second.node
    signer = stand.authority.of(stand.other_kit).log_signer()
    tree = _tree(node, _leaf(node, one.receipt.digest))
    await _is_refused(one, named_by(signer, tree, SIZE, PLACE))


def _certified(by: Issuing, node: NodeId, profile: Profile) -> tuple[LogSigner, Made]:
    """A new key for that node's log, with a certificate of this profile."""
    key = ed25519.Ed25519PrivateKey.generate()
    leaf = pki_profiles.end_entity(profile, key, by.issuer, present())
    made = Made((leaf, by.issuer.certificate), key)  # type: ignore[arg-type]
    public = key.public_key().public_bytes_raw()
    return LogSigner(node, public, made.ders, key.sign), made


@book.asserts(
    "W20.4",
    "revoked",
    "A proof by a key whose certificate is revoked is refused",
    capability=STATEMENTS,
)
async def revoked(stand: Stand) -> None:
    by = own_issuer(stand)
    one, node = await taken_over(stand), stand.second.node
    signer, made = _certified(by, node, log_of(node))
    await told_of(stand, made, by, made)
    tree = _tree(node, _leaf(node, one.receipt.digest))
    await _is_refused(one, named_by(signer, tree, SIZE, PLACE))


@book.asserts("W20.4", "purpose", "A proof by a key that is certified for no log is refused")
async def purpose(stand: Stand) -> None:
    one, node = await taken_over(stand), stand.second.node
    tree = _tree(node, _leaf(node, one.receipt.digest))
    right, _ = _certified(own_issuer(stand), node, log_of(node))
    await _is_kept(one, named_by(right, tree, SIZE, PLACE))
    wrong, _ = _certified(own_issuer(stand), node, sign_of(node))
    await _is_refused(one, named_by(wrong, tree, SIZE, PLACE))


@book.asserts(
    "W20.4",
    "another-history",
    "A proof under another head than the one that the receiver cosigned is refused",
    Part.AXIS,
    Part.OPERATOR,
    capability=WITNESS,
)
async def another_history(stand: Stand) -> None:
    """Of the first neighbour's log, which the judged node cosigns, and of a receipt of that neighbour's."""
    log, arrived = stand.log, await go_out(stand)
    answer = read_receipts(stand.listener.given[arrived.header.transfer_id], CONTAINER_LIMIT_BYTES)
    before = await held(stand, 5)
    require_equal((await grow(stand, before)).status, 200, "the status of an honest checkpoint")
    index = log.write(_leaf(log.signer.node, answer[0].digest))
    await held(stand, log.size)
    honest = proven_in(log, index)
    other = named_by(log.signer, log.tree.otherwise_from(before), log.size, index)
    async with alarm(stand, log.tree.origin):
        (said,) = answers_of(await handed(stand.peer, write_proof(other)))
        require_equal(said, "refused", "the answer to it")
    (said,) = answers_of(await handed(stand.peer, write_proof(honest)))
    if said != "kept":
        raise InconclusiveError(f"the one under the head that was cosigned is answered {said}")


# ------------------------------------------------------------ W20.3: each has its answer


@book.asserts("W20.3", "in-order", "Each proof has an answer of its own, in their order")
async def in_order(stand: Stand) -> None:
    one = await taken_over(stand)
    right = write_proof(_own(one))
    await _is_kept(one, _own(one))
    first, *others = answers_of(await handed(stand.second, b"x", right, b"x", b"x"))
    require_equal(len(others), 3, "the number of answers behind the first")
    require_equal(others[0], "kept", "the answer to the second, which holds")
    require("kept" not in {first, *others[1:]}, "what is no proof is answered as kept")


# ------------------------------------------------------------ W20.6: handed on


@book.asserts(
    "W20.6", "handed-on", "A proof that is kept is handed on, as it is, towards the origin"
)
async def handed_on(stand: Stand) -> None:
    """The document came from the kit's first neighbour, and its receipt went there."""
    one = await taken_over(stand)
    proof = _own(one)
    await _is_kept(one, proof)
    content = write_proof(proof)
    await awaited(stand, lambda: content in stand.listener.proofs, SOON, "the proof that was kept")
