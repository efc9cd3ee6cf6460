"""Carry files: written by the kit's node and handed in at the judged node's door for them, and what it hands out.

The door is that of the native face: `POST /v1/carry` takes a file and answers with the one to bring back,
`POST /v1/carry/NEIGHBOUR` gives one to take along.

Touches: what the stand's parts touch.
Raises:  FailedError for a file of the node's that does not hold.
"""

from __future__ import annotations

import io
import json
import secrets
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from relay.conformance.instants import now
from relay.conformance.peer import Answer, Prepared
from relay.conformance.stand import Stand
from relay.conformance.verdicts import FailedError, require_equal
from relay.errors import SignatureError, WireError
from relay.model import Digest, NodeId, Receipt, Signed, digest_of, mint_uuid7
from relay.signing import evidence
from relay.signing.keys import Signer
from relay.signing.xades import DocumentName, build
from relay.wire import carry
from relay.wire.archive import Archive
from relay.wire.carry import (
    CarriedContainer,
    CarriedPayload,
    CarriedTransfer,
    CarryId,
    Manifest,
    write_carry,
)
from relay.wire.container import read_receipts, write_receipts
from relay.wire.statements import read_statements

TYPE = "application/vnd.truc-relay.carry+zip"
CONTAINER_LIMIT_BYTES = 32 << 20
Entries = list[tuple[str, bytes]]


def entries(
    stand: Stand,
    transfers: Sequence[Prepared] = (),
    receipts: Sequence[Signed] = (),
    taken: Sequence[Digest] = (),
    statements: Sequence[bytes] = (),
    signer: Signer | None = None,
    **changes: Any,
) -> Entries:
    """Of a file by the kit's node, in their order; the manifest with what is to be otherwise in it."""
    container = write_receipts(receipts) if receipts else b""
    manifest = Manifest(
        carry_id=CarryId(mint_uuid7(now(), secrets.token_bytes(10))),
        sent_by=stand.peer.node,
        sent_to=NodeId(stand.subject.id),
        created_at=now(),
        receipts=(CarriedContainer(digest_of(container), len(container)),) if receipts else (),
        taken=tuple(taken),
        statements=tuple(CarriedContainer(digest_of(one), len(one)) for one in statements),
        payloads=tuple(map(_payload, transfers)),
    )
    found = signed(replace(manifest, **changes), signer or stand.peer.signer)
    found += [(carry.statements_name(index), one) for index, one in enumerate(statements)]
    if receipts:
        found.append((carry.receipts_name(0), container))
    for one in transfers:
        found.append((carry.payload_name(one.header.digest), one.envelope))
        contents = (one.signed.document, one.signed.signature, one.seal)
        found += zip(carry.transfer_names(one.header.transfer_id), contents, strict=True)
    return found


def signed(manifest: Manifest, signer: Signer) -> Entries:
    """The first two entries."""
    document = write_carry(manifest)
    signature = build(DocumentName.CARRY, digest_of(document), "node", signer, now())
    return [(carry.MANIFEST, document), (carry.SIGNATURE, signature)]


def _payload(one: Prepared) -> CarriedPayload:
    header = one.header
    carried = CarriedTransfer(header.transfer_id, one.signed.digest)
    return CarriedPayload(header.digest, header.size_bytes, (carried,))


def packed(several: Entries) -> bytes:
    """W7.1."""
    archive = Archive()
    return b"".join(archive.entry(*one) for one in several) + archive.ending()


async def hand_in(stand: Stand, file: bytes) -> Answer:
    return await stand.dms.native(
        "POST",
        "/v1/carry?why=conformance",
        file,
        token=stand.subject.operator,
        **{"Content-Type": TYPE},
    )


async def handed_out(stand: Stand) -> Answer:
    """A file to take along to the kit's node."""
    path = f"/v1/carry/{stand.peer.node}?why=conformance"
    return await stand.dms.native("POST", path, b"", token=stand.subject.operator)


def told(answer: Answer) -> dict[str, Any]:
    """What the node says became of a file."""
    found: dict[str, Any] = json.loads(answer.headers.get("Relay-Carry", "{}"))
    return found


@dataclass(frozen=True, slots=True)
class Opened:
    """A file of the node's, its manifest proven."""

    manifest: Manifest
    contents: dict[str, bytes]

    def receipts(self, stand: Stand) -> list[tuple[Signed, Receipt]]:
        """The answers, proven."""
        found = [text for name, text in self.contents.items() if name.startswith("answers/")]
        several = [one for text in found for one in read_receipts(text, CONTAINER_LIMIT_BYTES)]
        return [(one, stand.peer.proven(one)) for one in several]


def opened(stand: Stand, answer: Answer) -> Opened:
    require_equal((answer.status, answer.kind), (200, TYPE), "status and Content-Type")
    try:
        with zipfile.ZipFile(io.BytesIO(answer.body)) as file:
            contents = {name: file.read(name) for name in file.namelist()}
        first = Signed(contents[carry.MANIFEST], contents[carry.SIGNATURE])
        manifest = evidence.verify_carry(first, stand.trust, now())
        for index, _ in enumerate(manifest.statements):
            read_statements(contents[carry.statements_name(index)])
    except (zipfile.BadZipFile, KeyError, SignatureError, WireError) as error:
        raise FailedError(f"the carry file does not hold: {error}") from error
    require_equal(packed(list(contents.items())) == answer.body, True, "its one form")
    require_equal(
        (manifest.sent_by, manifest.sent_to), (stand.subject.id, stand.peer.node), "who and whom"
    )
    return Opened(manifest, contents)
