"""The manifest of a carry file as XML: what one node gives another by hand, where there is no link.

Touches: nothing.
Trusts:  nothing; a manifest that was read is well formed, not yet proven (signing.evidence does that).
Raises:  WireError.

    <Carry xmlns="urn:truc-relay:wire:1">
      <CarryId/> <SentBy/> <SentTo/> <Created/>
      <Answers>  ( <Container> <Digest/> <Size/> </Container> )* </Answers>
      <Receipts> ( <Container> <Digest/> <Size/> </Container> )* </Receipts>
      <Taken> <Receipt/>* </Taken>
    ( <Statements> ( <Container> <Digest/> <Size/> </Container> )+ </Statements> )?
      <Payloads>
        ( <Payload> <PayloadDigest/> <PayloadSize/>
            <Transfers> ( <Transfer> <TransferId/> <Header/> </Transfer> )+ </Transfers>
          </Payload> )*
      </Payloads>
    </Carry>

Answers are those to the receiver's own transfers, Receipts are travelling back, Taken are digests of
receipts that came from the receiver before and are durable here. Statements, of revocation, are those
on which the writer's verdicts about the signers in the file rest (W7.9): an element that readers of
earlier releases refuse, so it stands only where there are any. Header is the digest of the
transfer header. Canonical bytes only, as for transfers. The names of a carry file's entries follow
from the manifest, in this order: manifest and signature, statements, answers,
receipts, then each payload with its transfers behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from relay.errors import WireError
from relay.model import Digest, NodeId, TransferId
from relay.wire import values
from relay.wire.tree import Children, open_document

CarryId = NewType("CarryId", str)
"""A UUIDv7, minted by the node that writes the file."""

LIMIT_BYTES = 8 * 1024 * 1024
"""Room for the most of everything."""
SIGNATURE_LIMIT_BYTES = 64 * 1024
CONTAINER_LIMIT_BYTES = 32 * 1024 * 1024
TRANSFER_LIMIT = 10_000
CONTAINER_LIMIT = 1_000
"""Of answers and of receipts, each."""
STATEMENTS_LIMIT = 64
"""Containers of statements: of up to 64 each, or of a large one (statements.py)."""
TAKEN_LIMIT = 20_000

MANIFEST, SIGNATURE = "carry.xml", "carry-signature.xml"


@dataclass(frozen=True, slots=True)
class CarriedContainer:
    """A container of signed receipts (container.py) or statements: the digest and size of its bytes."""

    digest: Digest
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CarriedTransfer:
    transfer_id: TransferId
    header: Digest
    """Of the header document's bytes."""


@dataclass(frozen=True, slots=True)
class CarriedPayload:
    """An envelope's bytes, once, and the transfers that carry it."""

    digest: Digest
    size_bytes: int
    transfers: tuple[CarriedTransfer, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    carry_id: CarryId
    sent_by: NodeId
    sent_to: NodeId
    created_at: datetime
    answers: tuple[CarriedContainer, ...] = ()
    receipts: tuple[CarriedContainer, ...] = ()
    taken: tuple[Digest, ...] = ()
    payloads: tuple[CarriedPayload, ...] = ()
    statements: tuple[CarriedContainer, ...] = ()

    @property
    def transfer_ids(self) -> Iterator[TransferId]:
        return (one.transfer_id for payload in self.payloads for one in payload.transfers)

    @property
    def empty(self) -> bool:
        """Whatever statements there are: they only go along."""
        return not (self.answers or self.receipts or self.taken or self.payloads)


def statements_name(index: int) -> str:
    return f"statements/{index + 1:04}.xml"


def answers_name(index: int) -> str:
    return f"answers/{index + 1:04}.xml"


def receipts_name(index: int) -> str:
    return f"receipts/{index + 1:04}.xml"


def payload_name(digest: Digest) -> str:
    return f"payloads/{digest}"


def transfer_names(transfer_id: TransferId) -> tuple[str, str, str]:
    """Of its header, the header's signature and the seal, in this order."""
    folder = f"transfers/{transfer_id}"
    return f"{folder}/transfer.xml", f"{folder}/transfer-signature.xml", f"{folder}/seal.xml"


def write_carry(manifest: Manifest) -> bytes:
    """The one canonical form of `manifest`."""
    _check_counts(manifest)
    _check_values(manifest)
    return _text(manifest)


def _check_values(manifest: Manifest) -> None:
    values.uuid7(manifest.carry_id, "CarryId")
    values.node(manifest.sent_by, "SentBy")
    values.node(manifest.sent_to, "SentTo")
    values.check_instant(manifest.created_at, "Created")
    for container in (*manifest.answers, *manifest.receipts, *manifest.statements):
        values.digest(container.digest, "Digest")
        values.check_count(container.size_bytes, "Size")
    for digest in manifest.taken:
        values.digest(digest, "Receipt")
    for payload in manifest.payloads:
        values.digest(payload.digest, "PayloadDigest")
        values.check_count(payload.size_bytes, "PayloadSize")
        for transfer in payload.transfers:
            values.uuid7(transfer.transfer_id, "TransferId")
            values.digest(transfer.header, "Header")


def _text(manifest: Manifest) -> bytes:
    """As XML; no value needs escaping once it was checked."""
    statements = "".join(map(_container, manifest.statements))
    return (
        f'<Carry xmlns="{values.NAMESPACE}">'
        f"<CarryId>{manifest.carry_id}</CarryId>"
        f"<SentBy>{manifest.sent_by}</SentBy>"
        f"<SentTo>{manifest.sent_to}</SentTo>"
        f"<Created>{values.instant_text(manifest.created_at)}</Created>"
        f"<Answers>{''.join(map(_container, manifest.answers))}</Answers>"
        f"<Receipts>{''.join(map(_container, manifest.receipts))}</Receipts>"
        f"<Taken>{''.join(f'<Receipt>{one}</Receipt>' for one in manifest.taken)}</Taken>"
        f"{statements and f'<Statements>{statements}</Statements>'}"
        f"<Payloads>{''.join(map(_payload, manifest.payloads))}</Payloads>"
        "</Carry>"
    ).encode()


def _container(one: CarriedContainer) -> str:
    return f"<Container><Digest>{one.digest}</Digest><Size>{one.size_bytes}</Size></Container>"


def _payload(one: CarriedPayload) -> str:
    transfers = "".join(
        f"<Transfer><TransferId>{transfer.transfer_id}</TransferId>"
        f"<Header>{transfer.header}</Header></Transfer>"
        for transfer in one.transfers
    )
    return (
        f"<Payload><PayloadDigest>{one.digest}</PayloadDigest>"
        f"<PayloadSize>{one.size_bytes}</PayloadSize><Transfers>{transfers}</Transfers></Payload>"
    )


def read_carry(content: bytes) -> Manifest:
    """The manifest these bytes say, if they are exactly what write_carry would write for it."""
    root = open_document(content, "Carry", LIMIT_BYTES)
    manifest = Manifest(
        carry_id=CarryId(values.uuid7(root.text("CarryId"), "CarryId")),
        sent_by=values.node(root.text("SentBy"), "SentBy"),
        sent_to=values.node(root.text("SentTo"), "SentTo"),
        created_at=values.instant(root.text("Created"), "Created"),
        answers=_read_containers(root.inside("Answers")),
        receipts=_read_containers(root.inside("Receipts")),
        taken=_read_taken(root.inside("Taken")),
        statements=_read_statements(root.inside_if("Statements")),
        payloads=_read_payloads(root.inside("Payloads")),
    )
    root.end("Carry")
    _check_counts(manifest)
    if _text(manifest) != content:
        raise WireError("Carry document is not in its canonical form")
    return manifest


def _read_containers(children: Children) -> tuple[CarriedContainer, ...]:
    found: list[CarriedContainer] = []
    while children.more and len(found) <= CONTAINER_LIMIT:
        one = children.inside("Container")
        digest = values.digest(one.text("Digest"), "Digest")
        found.append(CarriedContainer(digest, values.count(one.text("Size"), "Size")))
    return tuple(found)


def _read_statements(children: Children | None) -> tuple[CarriedContainer, ...]:
    return () if children is None else _read_containers(children)


def _read_taken(children: Children) -> tuple[Digest, ...]:
    found: list[Digest] = []
    while children.more and len(found) <= TAKEN_LIMIT:
        found.append(values.digest(children.text("Receipt"), "Receipt"))
    return tuple(found)


def _read_payloads(children: Children) -> tuple[CarriedPayload, ...]:
    found: list[CarriedPayload] = []
    while children.more and len(found) <= TRANSFER_LIMIT:
        one = children.inside("Payload")
        found.append(
            CarriedPayload(
                digest=values.digest(one.text("PayloadDigest"), "PayloadDigest"),
                size_bytes=values.count(one.text("PayloadSize"), "PayloadSize"),
                transfers=_read_transfers(one.inside("Transfers")),
            )
        )
    return tuple(found)


def _read_transfers(children: Children) -> tuple[CarriedTransfer, ...]:
    found: list[CarriedTransfer] = []
    while children.more and len(found) <= TRANSFER_LIMIT:
        one = children.inside("Transfer")
        transfer_id = TransferId(values.uuid7(one.text("TransferId"), "TransferId"))
        found.append(CarriedTransfer(transfer_id, values.digest(one.text("Header"), "Header")))
    return tuple(found)


def _check_counts(manifest: Manifest) -> None:
    transfers = list(manifest.transfer_ids)
    for found, limit, what in (
        (len(transfers), TRANSFER_LIMIT, "transfers"),
        (len(manifest.answers), CONTAINER_LIMIT, "containers of answers"),
        (len(manifest.receipts), CONTAINER_LIMIT, "containers of receipts"),
        (len(manifest.taken), TAKEN_LIMIT, "receipts taken"),
        (len(manifest.statements), STATEMENTS_LIMIT, "containers of statements"),
    ):
        if found > limit:
            raise WireError(f"{found} or more {what}, limit {limit}")
    if manifest.empty:
        raise WireError("the manifest names nothing that is carried")
    if not all(payload.transfers for payload in manifest.payloads):
        raise WireError("a payload is carried by no transfer")
    payloads = [payload.digest for payload in manifest.payloads]
    if len(set(transfers)) != len(transfers) or len(set(payloads)) != len(payloads):
        raise WireError("a transfer or payload is named twice")
