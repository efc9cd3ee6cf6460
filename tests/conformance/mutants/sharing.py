"""Faults with headers that share a signature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from relay.delivery.attempts import Attempts
from relay.delivery.records import Outgoing
from relay.delivery.recovery.reminding import RemindingDesk
from relay.errors import SignatureError
from relay.model import MessageId, NodeId, Signed, TransferHeader
from relay.signing import batches, evidence, notary
from relay.signing.batches import sign_batch
from relay.signing.notary import NodeNotary
from relay.signing.proof_shape import is_batch_proof, signature_in
from relay.signing.xades import DocumentName
from relay.transport.nodes import server
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.server import NodeFace
from relay.wire.transfer import read_transfer, write_transfer
from tests.conformance.mutants import mutant, put_in
from tests.conformance.mutants.batching import PROOFS, SHAPES

_TAKEN = ("taken", "repeated", "alone", "by-hand", "given-back")
_REFUSED = (
    *SHAPES,
    *(one for one in PROOFS if one != "another-receipt"),
    "another-header",
    "receipts-batch",
    "another-name",
    "another-role",
    "another-sent-by",
    "another-connection",
    "ends-the-request",
)

# ------------------------------------------------------------ what it takes


@mutant("takes no headers with a proof", *(f"W13.10/{name}" for name in _TAKEN))
def takes_no_shared_headers() -> None:
    honest = evidence.verify_transfer

    def verify_transfer(signed: Signed, *rest: Any) -> TransferHeader:
        if is_batch_proof(signed.signature):
            raise SignatureError("shape", "a header is signed by itself")
        return honest(signed, *rest)

    put_in(notary, "verify_transfer", verify_transfer)


@mutant(
    "believes whatever looks like the proof of a header",
    *(f"W13.10/{name}" for name in _REFUSED),
)
def believes_header_proofs() -> None:
    honest = evidence.verify_transfer

    def verify_transfer(signed: Signed, *rest: Any) -> TransferHeader:
        if is_batch_proof(signed.signature):
            return read_transfer(signed.document)
        return honest(signed, *rest)

    put_in(notary, "verify_transfer", verify_transfer)


@mutant("takes batches of receipts for batches of headers", "W13.10/receipts-batch")
def mistakes_kinds() -> None:
    honest = batches.prove_in_batch

    def prove_in_batch(
        signed: Signed, trust: Any, at: Any, bound: Any, proven: Any, *rest: Any
    ) -> NodeId:
        try:
            return honest(signed, trust, at, bound, proven, *rest)
        except SignatureError:
            return honest(signed, trust, at, bound, proven, DocumentName.RECEIPT)

    put_in(evidence, "prove_in_batch", prove_in_batch)


@mutant("takes the name in a header for its batch's", "W13.10/another-sent-by")
def believes_any_sent_by() -> None:
    def require_same(signed_by: NodeId, node: NodeId, what: str, by: str) -> None:
        if what == "the connection is of":
            honest(signed_by, node, what, by)

    honest = evidence._require_same
    put_in(evidence, "_require_same", require_same)


@mutant("takes a header's batch from whoever hands it in", "W13.10/another-connection")
def believes_any_connection() -> None:
    def require_same(signed_by: NodeId, node: NodeId, what: str, by: str) -> None:
        if what != "the connection is of":
            honest(signed_by, node, what, by)

    honest = evidence._require_same
    put_in(evidence, "_require_same", require_same)


@mutant("gives back the signature of a batch for a header's proof", "W13.10/given-back")
def gives_back_no_proofs() -> None:
    honest = RemindingDesk.sent

    async def sent(self: RemindingDesk, *asked: Any) -> Any:
        found, payload = await honest(self, *asked)
        signature = signature_in(found.header.signature)
        return replace(found, header=Signed(found.header.document, signature)), payload

    put_in(RemindingDesk, "sent", sent)


# ------------------------------------------------------------ what it says


@mutant("says that it takes shared headers in its capabilities alone", "W13.9/said")
def says_shared_in_capabilities() -> None:
    put_in(server, "SHARED_HEADER", "Relay-Nothing")


@mutant("says that it takes shared headers in its answers alone", "W13.9/said")
def says_shared_in_answers() -> None:
    honest = NodeFace.capabilities

    def capabilities(self: NodeFace) -> list[str]:
        return [one for one in honest.__get__(self) if one != server.SHARED_CAPABILITY]

    put_in(NodeFace, "capabilities", property(capabilities))


# ------------------------------------------------------------ how it signs


@mutant("lets headers share a signature whoever the neighbour is", "W13.9/not-said")
def shares_unasked() -> None:
    put_in(NodesClient, "takes_batches", lambda *_: True)


@mutant("signs batches of headers as batches of receipts", "W13.9/proven")
def signs_headers_as_receipts() -> None:
    def sign_transfers(headers: Sequence[TransferHeader], *rest: Any) -> list[Signed]:
        if len(headers) == 1:
            return honest(headers, *rest)
        signer, at = rest
        return sign_batch(
            [write_transfer(one) for one in headers], signer.identity.node, signer, at
        )

    honest = evidence.sign_transfers
    put_in(notary, "sign_transfers", sign_transfers)


@mutant("signs a header anew that goes again alone", "W13.9/again")
def signs_headers_anew() -> None:
    honest = Attempts._attempt

    async def attempt(self: Attempts, channel: Any, out: Outgoing) -> None:
        if is_batch_proof(out.signed.signature):
            (signed,) = await self.notary.issue_transfers([out.header], self.clock.now())
            out = replace(out, signed=signed)
        await honest(self, channel, out)

    put_in(Attempts, "_attempt", attempt)


@mutant("lets headers share a signature again that were refused for it", "W13.11/by-itself")
def shares_again() -> None:
    honest, seen = NodeNotary.issue_transfers, set[MessageId]()

    async def issue_transfers(
        self: NodeNotary, headers: Sequence[TransferHeader], at: datetime, **how: bool
    ) -> list[Signed]:
        if any(one.message_id in seen for one in headers):
            return [_with_proof(self, one, at) for one in headers]
        seen.update(one.message_id for one in headers)
        return await honest(self, headers, at, **how)

    put_in(NodeNotary, "issue_transfers", issue_transfers)


def _with_proof(by: NodeNotary, header: TransferHeader, at: datetime) -> Signed:
    document = write_transfer(header)
    both = [document, document + b" "]
    return sign_batch(both, by.node, by.signer, at, DocumentName.TRANSFER)[0]
