"""What stands around the document in an evidence file: proofs of the exporter's log, statuses, the list of it all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from relay.audit.checkpoint import note_body, sign_note, vkey
from relay.audit.cosignature import cosign, cosigner_name
from relay.audit.entries import AuditEvent, entry
from relay.audit.epochs import Epoch, log_name
from relay.audit.proof_file import LogProof, write_proof
from relay.audit.proofs import inclusion_proof, over_leaves
from relay.audit.tree import Frontier, leaf_hash
from relay.delivery.ports import MessageView, StatusView
from relay.envelope.writer import StatusMessage, write_status
from relay.errors import NotFoundError
from relay.model import (
    Digest,
    Event,
    MessageId,
    MessageType,
    NodeId,
    Party,
    Payload,
    ResponseFor,
    Seal,
    SealKind,
    Signed,
    digest_of,
)
from relay.signing.keys import LogSigner
from relay.signing.seal import make_seal
from relay.wire import bundle
from tests.evidence.conftest import AT, MESSAGE, RECIPIENT, SENDER, TINH, XA, Office, signed_anew

STATUS = MessageId("019ab000-0000-7000-8000-0000000000aa")
DOCUMENT_ID = "H01.15.02,2026/11/23,101/UBND-VP"
PROOFS = [bundle.proof_name(number) for number in (1, 2, 3)]


class Log:
    """A log of the province in memory whose head the commune cosigned: delivery.evidence.ports.EvidenceLog."""

    def __init__(self, office: Any, node: NodeId = TINH) -> None:
        self.node = node
        self.signer = self._key(office, node)
        self.witness = self._key(office, XA)
        self.leaves = [
            entry(AuditEvent.RECEIPT_RECEIVED, AT, node, message=MESSAGE, receipt=digest).leaf
            for digest in office.receipts
        ]
        self.named = list(office.receipts)
        frontier = Frontier()
        for one in self.leaves:
            frontier.append(leaf_hash(one))
        name = log_name(node, Epoch())
        body = note_body(name, len(self.leaves), frontier.root())
        note = sign_note(body, name, self.signer.public_key, self.signer.sign)
        by = cosigner_name(XA)
        self.note = note + cosign(note, by, self.witness.public_key, self.witness.sign, AT)
        self.vkey = vkey(name, self.signer.public_key)

    def _key(self, office: Any, node: NodeId) -> LogSigner:
        folder = office.authority.folder / "nodes" / node
        return LogSigner.load(folder / "log.pem", folder / "log.key.pem")

    async def proof(self, signed: Signed) -> bytes:
        if signed.digest not in self.named:
            raise NotFoundError("no entry")
        place = self.named.index(signed.digest)
        hashes = inclusion_proof(
            place, len(self.leaves), over_leaves(lambda one: leaf_hash(self.leaves[one]))
        )
        chain = self.signer.chain
        leaf = self.leaves[place]
        return write_proof(
            LogProof(place, tuple(hashes), self.note, leaf, self.vkey, chain, signed)
        )

    async def returned(self, signed: Signed) -> bytes | None:
        return None

    async def witnesses(self, proofs: Any) -> dict[NodeId, tuple[bytes, ...]]:
        return {XA: self.witness.chain}


@dataclass
class Told(Office):
    """With the recipient's status 01 about the document, and a log."""

    about: str = DOCUMENT_ID

    def __post_init__(self) -> None:
        super().__post_init__()
        self.status = write_status(
            StatusMessage(
                sender=Party(RECIPIENT, "UBND tỉnh Mẫu"),
                response_for=ResponseFor(SENDER, "101/UBND-VP", self.about, "23/11/2026"),
                status_code="01",
                description="Đã đến",
                at=AT,
            )
        )
        signer = self.authority.signer("nodes/tinh/sign")
        self.status_seal = make_seal(digest_of(self.status), SealKind.NODE, signer, AT)
        self.log = Log(self)

    async def message(self, caller: Any, message_id: MessageId) -> MessageView:
        view = await super().message(caller, message_id)
        if message_id == STATUS:
            digest, size = digest_of(self.status), len(self.status)
            kind = MessageType.STATUS
            return replace(
                view, message_id=STATUS, message_type=kind, digest=digest, size_bytes=size
            )
        told = StatusView(STATUS, "01", RECIPIENT, "", "", AT)
        deliveries = tuple(replace(one, statuses=(told,)) for one in view.deliveries)
        return replace(view, deliveries=deliveries)

    async def seal(self, caller: Any, message_id: MessageId) -> Seal:
        return self.status_seal if message_id == STATUS else self.sealed

    async def payload(self, digest: Digest) -> Payload:
        if digest == digest_of(self.status):
            return Payload(digest, len(self.status), self.status, None)
        return await super().payload(digest)

    def read(self, payload: Payload, start_bytes: int = 0) -> Any:
        async def chunks() -> Any:
            yield payload.content

        return chunks()

    @property
    def desk(self) -> Any:
        return replace(super().desk, log=self.log)

    def signed_by_tinh(self, entries: dict[str, bytes]) -> bytes:
        """The exporter itself lies as far as it can."""
        return signed_anew(entries, self.authority.signer("nodes/tinh/sign"))


@pytest.fixture
def told(authority: Any) -> Told:
    return Told(authority)


def test_each_receipt_is_proven_to_stand_in_the_log(told: Told, judge: Callable[..., Any]) -> None:
    """By a head that a witness cosigned whose certificate is in the file; statuses are judged by their seals."""
    found = judge(told.export())

    assert found.refused == []
    proofs = [step for step in found.steps if step.what == "proof"]
    assert [step.facts["cosigned_by"] for step in proofs] == ["xa"] * 3
    assert "01 (arrived) from H01, node seal of tinh" in found.said("status")
    assert (
        "3 proofs of the log, 0 receipts without one, 0 proofs of the logs of others, 1 statuses"
        in found.said("list")
    )


def test_a_log_is_no_witness_of_itself(
    told: Told, judge: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second signature by the log's own key says nothing that the first does not."""
    own = told.log.signer

    async def witnesses(_: Any) -> dict[NodeId, tuple[bytes, ...]]:
        return {TINH: own.chain}

    monkeypatch.setattr(told.log, "witnesses", witnesses)
    told.log.note += cosign(told.log.note, cosigner_name(TINH), own.public_key, own.sign, AT)
    found = judge(told.export())

    assert found.refused == []
    assert [s.facts["cosigned_by"] for s in found.steps if s.what == "proof"] == [""] * 3


def test_a_receipt_without_an_entry_is_listed_as_such(
    told: Told, judge: Callable[..., Any]
) -> None:
    """What has no proof is told, and no refusal: the log of a restored node may not have it."""
    last = told.log.named.pop()
    found = judge(told.export())

    assert found.refused == []
    (listed,) = [step for step in found.steps if step.what == "list"]
    assert listed.notes == (f"receipt {last} has no proof: not-in-log",)


def test_a_file_of_version_1_holds_as_before(
    told: Told, judge: Callable[..., Any], taken_apart: Callable[..., Any]
) -> None:
    """What older nodes exported has no list, and none of what only a list vouches for."""
    entries = taken_apart(told.export())
    for name in [*entries]:
        if name.startswith(("about/", "proofs/", "statuses/")):
            del entries[name]
    found = judge(told.signed_by_tinh(entries))

    assert found.refused == []
    assert not {"list", "proof", "status"} & {step.what for step in found.steps}


def _flipped(name: str, place: int | None = None) -> Callable[[dict[str, bytes], Told], None]:
    def change(entries: dict[str, bytes], _: Told) -> None:
        content = bytearray(entries[name])
        content[len(content) // 2 if place is None else place] ^= 1
        entries[name] = bytes(content)

    return change


def _dropped(name: str) -> Callable[[dict[str, bytes], Told], None]:
    def change(entries: dict[str, bytes], _: Told) -> None:
        del entries[name]

    return change


def _renamed(name: str, other: str) -> Callable[[dict[str, bytes], Told], None]:
    def change(entries: dict[str, bytes], _: Told) -> None:
        entries[other] = entries.pop(name)

    return change


def _added(name: str) -> Callable[[dict[str, bytes], Told], None]:
    return lambda entries, _: entries.update({name: b"more"})


def _exchanged(one: str, other: str) -> Callable[[dict[str, bytes], Told], None]:
    def change(entries: dict[str, bytes], _: Told) -> None:
        entries[one], entries[other] = entries[other], entries[one]

    return change


def _from_another_file(*names: str) -> Callable[[dict[str, bytes], Told], None]:
    """Of the same document, but of another message, with a log of its own."""

    def change(entries: dict[str, bytes], told: Told) -> None:
        other = Told(told.authority, about="H01.15.02,2026/11/23,102/UBND-VP")
        later = AT + timedelta(hours=2)
        more = other.receipt_of(TINH, later, Event.CONTENT_HANDOVER, None)
        other.receipts = dict([*list(other.receipts.items())[:2], (more.digest, more)])
        other.log = Log(other)
        from tests.evidence.conftest import entries_of

        found = entries_of(other.export())
        for name in names:
            entries[name] = found[name]

    return change


def _other_log(entries: dict[str, bytes], told: Told) -> None:
    """Proofs by the commune's log, which the province passes off as its own."""
    import asyncio

    log = Log(told, XA)
    for name, signed in zip(PROOFS, told.receipts.values(), strict=True):
        entries[name] = asyncio.run(log.proof(signed))


STATUS_FILE, STATUS_SEAL = bundle.status_names(1)

TAMPERED: list[tuple[str, Callable[[dict[str, bytes], Told], None], list[tuple[str, str]]]] = [
    ("list flipped", _flipped(bundle.LIST, 0), [("list", "bad-list")]),
    ("a digest in the list flipped", _flipped(bundle.LIST), [("status", "other-message")]),
    ("proof flipped", _flipped(PROOFS[1]), [("proof", "*")]),
    ("status flipped", _flipped(STATUS_FILE), [("status", "other-message")]),
    ("seal flipped", _flipped(STATUS_SEAL), [("status", "*")]),
    ("list dropped", _dropped(bundle.LIST), [("list", "missing-file")]),
    ("proof dropped", _dropped(PROOFS[2]), [("list", "missing-file")]),
    ("status dropped", _dropped(STATUS_FILE), [("list", "missing-file")]),
    ("seal dropped", _dropped(STATUS_SEAL), [("list", "missing-file")]),
    ("proof added", _added("proofs/0004.tlog-proof"), [("list", "uncovered")]),
    ("status added", _added("statuses/0002/status.edxml"), [("list", "uncovered")]),
    ("proof renamed", _renamed(PROOFS[2], "proofs/0009.tlog-proof"), [("list", "missing-file")]),
    ("list renamed", _renamed(bundle.LIST, "about/other.json"), [("list", "missing-file")]),
    ("proofs exchanged", _exchanged(PROOFS[0], PROOFS[1]), [("proof", "other-message")] * 2),
    ("proof of another file", _from_another_file(PROOFS[2]), [("proof", "other-message")]),
    ("list of another file", _from_another_file(bundle.LIST), [("status", "other-message")]),
    (
        "status of another file",
        _from_another_file(STATUS_FILE, STATUS_SEAL, bundle.LIST),
        [("status", "other-message")],
    ),
    ("another log", _other_log, [("proof", "wrong-node")] * 3),
]  # fmt: skip


def _like(found: list[tuple[str, str]], expected: list[tuple[str, str]]) -> bool:
    pairs = list(zip(found, expected, strict=False))
    return len(found) == len(expected) and all(
        one[0] == other[0] and other[1] in ("*", one[1]) for one, other in pairs
    )


@pytest.mark.parametrize(
    ("change", "expected"), [one[1:] for one in TAMPERED], ids=[one[0] for one in TAMPERED]
)
def test_what_a_hostile_exporter_changes_is_refused_by_its_step(
    told: Told,
    judge: Callable[..., Any],
    taken_apart: Callable[..., Any],
    change: Callable[..., None],
    expected: list[tuple[str, str]],
) -> None:
    """Even signed anew by the exporter: each member proves itself."""
    entries = taken_apart(told.export())
    change(entries, told)
    refused = judge(told.signed_by_tinh(entries)).refused

    assert _like(refused, expected), refused


@pytest.mark.parametrize(
    ("change", "expected"), [one[1:] for one in TAMPERED], ids=[one[0] for one in TAMPERED]
)
def test_without_the_exporters_key_nothing_is_changed_at_all(
    told: Told,
    judge: Callable[..., Any],
    taken_apart: Callable[..., Any],
    put_together: Callable[..., bytes],
    change: Callable[..., None],
    expected: list[tuple[str, str]],
) -> None:
    """The manifest or the exporter's signature refuses first, and judging ends there."""
    del expected
    entries = taken_apart(told.export())
    change(entries, told)
    entries[bundle.EXPORT] = entries.pop(bundle.EXPORT)
    (refused,) = judge(put_together(entries)).refused

    assert refused in {("manifest", "bad-manifest"), ("export", "digest-mismatch")}


def test_a_hop_without_evidence_is_named(told: Told, judge: Callable[..., Any]) -> None:
    """A way that ends in nothing is not taken for one that ended well."""
    told.receipts.popitem()
    told.log = Log(told)
    (hops,) = [step for step in judge(told.export()).steps if step.what == "hops"]

    assert hops.outcome == "unknown"
    assert hops.notes == ("H01: no evidence of what came after RelayAcceptance at tinh",)
