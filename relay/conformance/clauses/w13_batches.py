"""W13: one signature for many receipts, as the kit makes them, in every form that must be refused."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from relay.conformance.business import go_out, later
from relay.conformance.controls import takes_transfers
from relay.conformance.instants import now
from relay.conformance.spoilt_proofs import (
    SHAPES,
    WRONG,
    Change,
    batch_of,
    signed_anew,
    spoilt,
    with_ending,
)
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    Part,
    require,
    require_equal,
)
from relay.model import Event, NodeId, Reason, Receipt, Signed, digest_of
from relay.signing.batches import leaf_of, sign_batch
from relay.signing.keys import Signer
from relay.signing.xades import DocumentName, build
from relay.wire.receipt import write_receipt

CAPABILITY = "batched-receipts"
PARTS = (Part.NEIGHBOUR, Part.AXIS)


# ------------------------------------------------------------ batches of the kit's


@dataclass(frozen=True, slots=True)
class _Made:
    """Two receipts about one delivery that came to the kit, under one signature."""

    stand: Stand
    receipts: tuple[Receipt, Receipt]
    signed: list[Signed]

    @property
    def first(self) -> Signed:
        return self.signed[0]


async def _made(stand: Stand, signer: Signer | None = None, issuer: str = "") -> _Made:
    arrived = await go_out(stand)
    first = later(stand, arrived, Event.CONTENT_HANDOVER)
    receipts = first, replace(first, at=first.at + timedelta(milliseconds=1))
    documents = [write_receipt(one) for one in receipts]
    name = NodeId(issuer or stand.peer.node)
    return _Made(stand, receipts, sign_batch(documents, name, signer or stand.peer.signer, now()))


async def takes_batches(stand: Stand) -> None:
    """An honest receipt of one is taken."""
    answer = await stand.peer.hand_back((await _made(stand)).first)
    require_equal(answer.status, 204, "the status of an honest receipt of a batch")


book = Book(control=takes_batches)


async def _refused(stand: Stand, signed: Signed) -> None:
    answer = await stand.peer.hand_back(signed)
    require_equal(answer.status, 422, "the status")


@book.asserts(
    "W13.7",
    "taken",
    "Receipts of a batch are taken wherever receipts are, asked for or not",
    *PARTS,
    capability=CAPABILITY,
)
async def taken(stand: Stand) -> None:
    made = await _made(stand)
    require_equal((await stand.peer.hand_back(*made.signed)).status, 204, "the status of both")
    other = await _made(stand)
    require_equal((await stand.peer.hand_back(other.first)).status, 204, "the status of one")


# ------------------------------------------------------------ W13.1: what may be signed so


@book.asserts(
    "W13.1",
    "another-name",
    "A batch that is signed as another document is refused",
    *PARTS,
    capability=CAPABILITY,
)
async def another_name(stand: Stand) -> None:
    made = await _made(stand)
    await _refused(stand, signed_anew(made.first, stand.peer.signer, DocumentName.RECEIPT))


@book.asserts(
    "W13.1",
    "another-role",
    "A batch that is signed in another role is refused",
    *PARTS,
    capability=CAPABILITY,
)
async def another_role(stand: Stand) -> None:
    made = await _made(stand)
    await _refused(stand, signed_anew(made.first, stand.peer.signer, role="agency"))


@book.asserts("W13.1", "of-one", "A batch of one receipt is none", *PARTS, capability=CAPABILITY)
async def of_one(stand: Stand) -> None:
    made = await _made(stand)
    document = made.first.document
    root = leaf_of(document).hex().encode()
    batch = batch_of(made.first).document.replace(b"<Count>2<", b"<Count>1<")
    batch = re.sub(rb"<Root>[0-9a-f]{64}<", b"<Root>" + root + b"<", batch)
    signature = build(DocumentName.BATCH, digest_of(batch), "node", stand.peer.signer, now())
    alone = Signed(document, re.sub(rb"<Path>.*</Path>", b"<Path></Path>", made.first.signature))
    await _refused(stand, with_ending(alone, batch + signature))


@book.asserts(
    "W13.1",
    "no-transfer",
    "A transfer header in a batch of receipts is refused",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
    control=takes_transfers,
)
async def no_transfer(stand: Stand) -> None:
    """Batches of headers have leaves of another kind (W13.9)."""
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    documents = [prepared.signed.document, prepared.signed.document + b" "]
    batched = sign_batch(documents, stand.peer.node, stand.peer.signer, now())[0]
    answer = await stand.peer.send(replace(prepared, signed=batched))
    require(400 <= answer.status < 500, f"answered {answer.status}")


@book.asserts(
    "W13.1",
    "no-seal",
    "A seal is never made in a batch",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
    control=takes_transfers,
)
async def no_seal(stand: Stand) -> None:
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    documents = [prepared.envelope, prepared.envelope + b" "]
    batched = sign_batch(documents, stand.peer.node, stand.peer.signer, now())[0]
    receipt = stand.peer.receipt(await stand.peer.send(replace(prepared, seal=batched.signature)))
    require_equal(receipt.evidence[0].reason, Reason.BAD_SEAL, "the reason")


# ------------------------------------------------------------ W13.2: the one shape of a proof


def _of_shape(change: Change) -> Callable[[Stand], Awaitable[None]]:
    async def of_shape(stand: Stand) -> None:
        made = await _made(stand)
        await _refused(stand, spoilt(made.first, change))

    return of_shape


for _name, _words, _change in SHAPES:
    book.asserts("W13.2", _name, f"A proof {_words} is refused", *PARTS, capability=CAPABILITY)(
        _of_shape(_change)
    )


# ------------------------------------------------------------ W13.4: each step of the proof

for _name, _words, _change in WRONG:
    book.asserts("W13.4", _name, _words.format("A receipt"), *PARTS, capability=CAPABILITY)(
        _of_shape(_change)
    )


@book.asserts(
    "W13.4",
    "another-receipt",
    "A receipt that is not in the batch is refused",
    *PARTS,
    capability=CAPABILITY,
)
async def another_receipt(stand: Stand) -> None:
    made = await _made(stand)
    third = replace(made.receipts[0], at=made.receipts[0].at + timedelta(milliseconds=2))
    await _refused(stand, Signed(write_receipt(third), made.first.signature))


@book.asserts(
    "W13.4",
    "another-signer",
    "A batch by another node than it says is refused",
    *PARTS,
    capability=CAPABILITY,
)
async def another_signer(stand: Stand) -> None:
    made = await _made(stand, signer=stand.authority.of(stand.other_kit).signer())
    await _refused(stand, made.first)


@book.asserts(
    "W13.4",
    "another-issuer",
    "A receipt in another issuer's batch is refused",
    *PARTS,
    capability=CAPABILITY,
)
async def another_issuer(stand: Stand) -> None:
    other = stand.other_kit
    made = await _made(stand, signer=stand.authority.of(other).signer(), issuer=other)
    await _refused(stand, made.first)


@book.asserts(
    "W13.4",
    "each-path",
    "The path of each receipt is followed, where a batch was proven before",
    *PARTS,
    capability=CAPABILITY,
)
async def each_path(stand: Stand) -> None:
    made = await _made(stand)
    third = replace(made.receipts[0], at=made.receipts[0].at + timedelta(milliseconds=2))
    foreign = Signed(write_receipt(third), made.first.signature)
    answer = await stand.peer.hand_back(made.first, foreign)
    require_equal(answer.status, 422, "the status")
