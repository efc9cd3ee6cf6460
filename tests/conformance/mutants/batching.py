"""Faults with receipts that are signed in batches."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from relay.audit.tree import leaf_hash
from relay.delivery.arrivals import TransferDesk
from relay.errors import SignatureError
from relay.model import Event, NodeId, Receipt, Seal, SealKind, Signed, TransferHeader
from relay.signing import batches, evidence, notary
from relay.signing.notary import NodeNotary
from relay.signing.proof_shape import is_batch_proof, read_proof
from relay.transport.nodes import server
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.server import NodeFace
from relay.wire.receipt import read_receipt
from relay.wire.transfer import read_transfer
from tests.conformance.mutants import mutant, put_in
from tests.conformance.mutants.arriving import proving_headers

SHAPES = (
    "white-space",
    "leading-zero",
    "upper-case",
    "between",
    "behind",
    "thirteen-hashes",
    "no-batch",
)
PROOFS = (
    "index-beyond",
    "another-index",
    "short-path",
    "long-path",
    "another-path",
    "another-batch",
    "another-receipt",
    "another-signer",
    "another-issuer",
    "each-path",
)


def _believe(signed: Signed, *_: Any) -> Receipt:
    return read_receipt(signed.document)


@mutant(
    "believes whatever looks like a proof",
    "W13.1/another-name",
    "W13.1/another-role",
    "W13.1/of-one",
    *(f"W13.2/{name}" for name in SHAPES),
    *(f"W13.4/{name}" for name in PROOFS),
)
def believes_proofs() -> None:
    honest = evidence.verify_receipt

    def verify_receipt(signed: Signed, *rest: Any, **how: Any) -> Receipt:
        return (
            _believe(signed) if is_batch_proof(signed.signature) else honest(signed, *rest, **how)
        )

    put_in(notary, "verify_receipt", verify_receipt)


@mutant(
    "follows one path of a batch and believes the others", "W13.4/each-path", "W13.10/each-path"
)
def follows_one_path() -> None:
    honest, proven = batches.prove_in_batch, dict[bytes, NodeId]()

    def prove_in_batch(signed: Signed, *rest: Any) -> NodeId:
        _, _, ending = read_proof(signed.signature)
        if ending not in proven:
            proven[ending] = honest(signed, *rest)
        return proven[ending]

    put_in(evidence, "prove_in_batch", prove_in_batch)


@mutant("does not compare a receipt's issuer with its batch's", "W13.4/another-issuer")
def believes_any_issuer() -> None:
    def prove_in_batch(signed: Signed, *rest: Any) -> NodeId:
        batches.prove_in_batch(signed, *rest)
        return read_receipt(signed.document).issuer

    put_in(evidence, "prove_in_batch", prove_in_batch)


@mutant("takes no receipts of a batch", "W13.7/taken")
def takes_no_batches() -> None:
    def prove_in_batch(*_: Any) -> NodeId:
        raise SignatureError("shape", "a receipt is signed by itself")

    put_in(evidence, "prove_in_batch", prove_in_batch)


@mutant(
    "takes headers and seals that are signed in a batch of receipts",
    "W13.1/no-transfer",
    "W13.1/no-seal",
)
def takes_all_in_batches() -> None:
    seal = NodeNotary.check_carried_seal

    def believed(_: Any, honest: Any, signed: Signed, *rest: Any) -> TransferHeader:
        if is_batch_proof(signed.signature):
            return read_transfer(signed.document)
        found: TransferHeader = honest(signed, *rest)
        return found

    def check_carried_seal(self: NodeNotary, signature: bytes, *rest: Any) -> Seal:
        if is_batch_proof(signature):
            return Seal(SealKind.NODE, signature)
        return seal(self, signature, *rest)

    proving_headers(believed)
    put_in(NodeNotary, "check_carried_seal", check_carried_seal)


@mutant("builds its tree of leaves as a log's", "W13.3/tree")
def mistakes_leaves() -> None:
    put_in(batches, "leaf_of", lambda document, *_: leaf_hash(document))


@mutant("signs a receipt anew when it is asked for again", "W13.5/same-proof")
def signs_batches_anew() -> None:
    honest = TransferDesk.take

    async def take(self: TransferDesk, opened: Any, *rest: Any) -> Signed:
        found = await honest(self, opened, *rest)
        if opened.batched or not is_batch_proof(found.signature):
            return found
        receipt = read_receipt(found.document)
        notary: Any = self.notary
        return evidence.sign_receipt(receipt, notary.signer, datetime.now(UTC))

    put_in(TransferDesk, "take", take)


@mutant("signs in batches for whoever comes", "W13.6/not-asked")
def batches_for_all() -> None:
    honest = TransferDesk.open

    async def opened(self: TransferDesk, neighbour: Any, signed: Signed, **_: bool) -> Any:
        return await honest(self, neighbour, signed, batched=True)

    put_in(TransferDesk, "open", opened)


@mutant("signs later receipts in batches for whoever comes", "W13.6/not-asked-later")
def batches_later_receipts() -> None:
    honest = NodeNotary._issued

    async def issued(self: NodeNotary, receipt: Receipt, at: datetime, *, batched: bool) -> Signed:
        later = receipt.evidence[0].event is Event.CONTENT_HANDOVER
        if later:  # so that several are there at once
            await asyncio.sleep(0.5 - asyncio.get_running_loop().time() % 0.5)
        return await honest(self, receipt, at, batched=batched or later)

    put_in(NodeNotary, "_issued", issued)


@mutant("asks for batches in everybody's name", "W13.6/asks-not-for-others")
def asks_for_everybody() -> None:
    honest = NodesClient._headers
    put_in(NodesClient, "_headers", lambda self, **_: honest(self, batched=True))


@mutant("asks for batches without saying that it knows them", "W13.6/asks")
def asks_for_the_unknown() -> None:
    honest = NodeFace.capabilities

    def capabilities(self: NodeFace) -> list[str]:
        return [one for one in honest.__get__(self) if one != server.BATCHES_CAPABILITY]

    put_in(NodeFace, "capabilities", property(capabilities))
