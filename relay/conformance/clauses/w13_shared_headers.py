"""W13: headers that share a signature, as the kit sends them to a judged node."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from relay.conformance.by_hand import entries, hand_in, opened, packed
from relay.conformance.controls import takes_files, takes_transfers
from relay.conformance.instants import now
from relay.conformance.judging import accepted
from relay.conformance.peer import Prepared
from relay.conformance.requested import parts_of
from relay.conformance.spoilt_proofs import SHAPES, WRONG, Change, signed_anew, spoilt
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, NotClaimedError, Part, require, require_equal
from relay.model import Digest, Event, NodeId, Signed, TraceStep
from relay.signing.batches import sign_batch
from relay.signing.keys import Signer
from relay.signing.xades import DocumentName
from relay.wire.transfer import write_transfer

CAPABILITY = "batched-transfers"
RECOVERY = "recovery"
HEADER = "Relay-Batched-Transfers"


def _prepared(stand: Stand, count: int, sent_by: NodeId | None = None) -> list[Prepared]:
    """Transfers for the node's own agency, each signed by itself; in another's name where that is said."""
    made = [stand.peer.transfer(stand.letter_in(), [stand.subject.agency]) for _ in range(count)]
    return made if sent_by is None else [_by(stand, one, sent_by) for one in made]


def _by(stand: Stand, prepared: Prepared, node: NodeId) -> Prepared:
    """As if that node, not the kit's, had sent it on."""
    step = TraceStep(node, now(), Digest(secrets.token_hex(32)))
    header = replace(prepared.header, sent_by=node, trace=(*prepared.header.trace, step))
    document = write_transfer(header)
    return replace(prepared, header=header, signed=Signed(document, prepared.signed.signature))


def _sharing(
    stand: Stand,
    several: Sequence[Prepared],
    *,
    signer: Signer | None = None,
    issuer: NodeId | None = None,
    kind: DocumentName = DocumentName.TRANSFER,
) -> list[Prepared]:
    """The same under one signature: of the kit's node unless it is to be another's."""
    documents = [one.signed.document for one in several]
    hand, name = signer or stand.peer.signer, issuer or stand.peer.node
    batched = sign_batch(documents, name, hand, now(), kind)
    return [replace(one, signed=signed) for one, signed in zip(several, batched, strict=True)]


def _shared(stand: Stand, count: int = 2) -> list[Prepared]:
    """Honest ones."""
    return _sharing(stand, _prepared(stand, count))


async def _takes(stand: Stand, several: Sequence[Prepared]) -> None:
    """All of one request, answered in their order."""
    if (await stand.peer.node_document()).get("transfers_a_request", 1) < len(several):
        raise NotClaimedError(f"it takes fewer than {len(several)} transfers a request")
    receipts = stand.peer.receipts(await stand.peer.send_several(several))
    require_equal(
        [(receipt.transfer_id, receipt.evidence[0].event) for _, receipt in receipts],
        [(one.header.transfer_id, Event.RELAY_ACCEPTANCE) for one in several],
        "what was answered",
    )


async def takes_shared(stand: Stand) -> None:
    """A header that comes alone with its proof is taken."""
    accepted(stand.peer, await stand.peer.send(_shared(stand)[0]))


book = Book(Part.NEIGHBOUR, control=takes_shared)

# ------------------------------------------------------------ W13.9: what a node says


@book.asserts(
    "W13.9",
    "said",
    "A node's answers say that headers may share a signature where its capabilities do, and else not",
    control=takes_transfers,
)
async def said(stand: Stand) -> None:
    prepared = _prepared(stand, 1)[0]
    answer = await stand.peer.send(prepared)
    accepted(stand.peer, answer)
    told = answer.headers.get(HEADER)
    require(told in {None, "1"}, f"{HEADER} is {told!r}")
    require_equal(told == "1", CAPABILITY in stand.capabilities, f"that {HEADER} is said")


# ------------------------------------------------------------ W13.10: what must be taken


@book.asserts(
    "W13.10",
    "taken",
    "Headers of one request that share a signature are taken, and answered in their order",
    capability=CAPABILITY,
)
async def taken(stand: Stand) -> None:
    await _takes(stand, _shared(stand, 5))


@book.asserts(
    "W13.10",
    "repeated",
    "One that comes again alone, with its proof, gets the answer that it got",
    capability=CAPABILITY,
)
async def repeated(stand: Stand) -> None:
    several = _shared(stand, 3)
    await _takes(stand, several)
    path = f"/axis/v1/transfers/{several[1].header.transfer_id}"
    before = await stand.peer.get(path)
    again = await stand.peer.send(several[1])
    accepted(stand.peer, again)
    require_equal(again.body == before.body, True, "that the answer is the one of before")


@book.asserts(
    "W13.10",
    "alone",
    "A header that comes alone with a proof is taken",
    capability=CAPABILITY,
)
async def alone(stand: Stand) -> None:
    """As it does when its request was cut."""
    await takes_shared(stand)


@book.asserts(
    "W13.10",
    "by-hand",
    "A header with a proof is taken from a carry file, too",
    Part.AXIS,
    Part.OPERATOR,
    capability=CAPABILITY,
    control=takes_files,
)
async def by_hand(stand: Stand) -> None:
    several = _shared(stand)
    answer = await hand_in(stand, packed(entries(stand, several)))
    found = [receipt for _, receipt in opened(stand, answer).receipts(stand)]
    require_equal(
        {(one.transfer_id, one.evidence[0].event) for one in found},
        {(one.header.transfer_id, Event.RELAY_ACCEPTANCE) for one in several},
        "what was answered",
    )


@book.asserts(
    "W13.10",
    "given-back",
    "A transfer whose header has a proof is given back with it, to the letter",
    capability=CAPABILITY,
)
async def given_back(stand: Stand) -> None:
    if RECOVERY not in stand.capabilities:
        raise NotClaimedError(f"no capability {RECOVERY}")
    one = _shared(stand)[0]
    accepted(stand.peer, await stand.peer.send(one))
    answer = await stand.peer.get(f"/axis/v1/transfers/{one.header.transfer_id}/sent")
    require_equal(answer.status, 200, "the status")
    found = parts_of(answer.body)
    for name, content in one.parts():
        require(found.get(name) == content, f"{name} is another than the one that was sent")


# ------------------------------------------------------------ W13.10: what must be refused


async def _refused(stand: Stand, prepared: Prepared) -> None:
    answer = await stand.peer.send(prepared)
    require(400 <= answer.status < 500, f"answered {answer.status}")
    await _unknown(stand, prepared)


async def _unknown(stand: Stand, prepared: Prepared) -> None:
    """Nothing of it was taken over."""
    answer = await stand.peer.get(f"/axis/v1/transfers/{prepared.header.transfer_id}")
    require_equal(answer.status, 404, "the status of W4.10 afterwards")


def _with_change(change: Change) -> Callable[[Stand], Awaitable[None]]:
    async def changed(stand: Stand) -> None:
        one = _shared(stand)[0]
        await _refused(stand, replace(one, signed=spoilt(one.signed, change)))

    return changed


for _name, _words, _change in SHAPES:
    book.asserts(
        "W13.10", _name, f"A header with a proof {_words} is refused", capability=CAPABILITY
    )(_with_change(_change))

for _name, _words, _change in WRONG:
    book.asserts("W13.10", _name, _words.format("A header"), capability=CAPABILITY)(
        _with_change(_change)
    )


@book.asserts(
    "W13.10",
    "another-header",
    "A header that is not in the batch is refused",
    capability=CAPABILITY,
)
async def another_header(stand: Stand) -> None:
    proof = _shared(stand)[0].signed.signature
    other = _prepared(stand, 1)[0]
    await _refused(stand, replace(other, signed=Signed(other.signed.document, proof)))


@book.asserts(
    "W13.10",
    "receipts-batch",
    "A header whose batch has the leaves of receipts is refused",
    capability=CAPABILITY,
)
async def receipts_batch(stand: Stand) -> None:
    made = _sharing(stand, _prepared(stand, 2), kind=DocumentName.RECEIPT)
    await _refused(stand, made[0])


@book.asserts(
    "W13.10",
    "another-name",
    "A header's batch that is signed as another document is refused",
    capability=CAPABILITY,
)
async def another_name(stand: Stand) -> None:
    one = _shared(stand)[0]
    signed = signed_anew(one.signed, stand.peer.signer, DocumentName.TRANSFER)
    await _refused(stand, replace(one, signed=signed))


@book.asserts(
    "W13.10",
    "another-role",
    "A header's batch that is signed in another role is refused",
    capability=CAPABILITY,
)
async def another_role(stand: Stand) -> None:
    one = _shared(stand)[0]
    signed = signed_anew(one.signed, stand.peer.signer, role="agency")
    await _refused(stand, replace(one, signed=signed))


@book.asserts(
    "W13.10",
    "another-signer",
    "A header's batch by another node than it says is refused",
    capability=CAPABILITY,
)
async def another_signer(stand: Stand) -> None:
    signer = stand.authority.of(stand.other_kit).signer()
    await _refused(stand, _sharing(stand, _prepared(stand, 2), signer=signer)[0])


@book.asserts(
    "W13.10",
    "another-issuer",
    "A header in the batch of another node than its SentBy is refused",
    capability=CAPABILITY,
)
async def another_issuer(stand: Stand) -> None:
    other = stand.other_kit
    signer = stand.authority.of(other).signer()
    await _refused(stand, _sharing(stand, _prepared(stand, 2), signer=signer, issuer=other)[0])


@book.asserts(
    "W13.10",
    "another-sent-by",
    "A header that names another SentBy than the batch's Issuer is refused",
    capability=CAPABILITY,
)
async def another_sent_by(stand: Stand) -> None:
    await _refused(stand, _sharing(stand, _prepared(stand, 2, stand.other_kit))[0])


@book.asserts(
    "W13.10",
    "another-connection",
    "A header and its batch by another node than the connection's are refused",
    capability=CAPABILITY,
)
async def another_connection(stand: Stand) -> None:
    other = stand.other_kit
    signer = stand.authority.of(other).signer()
    several = _prepared(stand, 2, other)
    await _refused(stand, _sharing(stand, several, signer=signer, issuer=other)[0])


# ------------------------------------------------------------ W13.10: behind other transfers


async def _ends_at_the_second(stand: Stand, several: Sequence[Prepared]) -> None:
    if (await stand.peer.node_document()).get("transfers_a_request", 1) < len(several):
        raise NotClaimedError(f"it takes fewer than {len(several)} transfers a request")
    receipts = stand.peer.receipts(await stand.peer.send_several(several))
    answered = [receipt.transfer_id for _, receipt in receipts]
    require_equal(answered, [several[0].header.transfer_id], "the transfers that were answered")
    for one in several[1:]:
        await _unknown(stand, one)


@book.asserts(
    "W13.10",
    "ends-the-request",
    "A bad proof behind a good transfer ends the request: what came before is answered",
    capability=CAPABILITY,
)
async def ends_the_request(stand: Stand) -> None:
    first, second, third = _shared(stand, 3)
    signed = Signed(second.signed.document, third.signed.signature)
    await _ends_at_the_second(stand, [first, replace(second, signed=signed), third])


@book.asserts(
    "W13.10",
    "each-path",
    "The path of each header is followed, where its batch was proven before",
    capability=CAPABILITY,
)
async def each_path(stand: Stand) -> None:
    first, second = _shared(stand)
    foreign = _prepared(stand, 1)[0]
    signed = Signed(foreign.signed.document, second.signed.signature)
    await _ends_at_the_second(stand, [first, replace(foreign, signed=signed)])
