"""Proofs of other nodes' logs in an evidence file: each hop proves itself, or it is said that no proof came."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from relay.audit.cosignature import cosign, cosigner_name
from relay.audit.proof_file import read_proof, write_proof
from relay.model import NodeId, Signed
from relay.signing.bundle_words import Outcome
from relay.wire import bundle
from tests.evidence.conftest import AT, TINH, XA
from tests.evidence.test_evidence_around import Log, Told

HOP = bundle.issuer_proof_name(1)


class BothLogs(Log):
    """The province's log, and what came from the commune's of the receipt that it signed, cosigned by the province."""

    def __init__(self, office: Any) -> None:
        super().__init__(office)
        self.theirs = Log(office, XA)
        self.first = next(iter(office.receipts.values()))
        tinh = self.signer
        own, *_ = self.theirs.note.partition(b"truc-relay.example/witness/")
        body = own[: own.rindex("\N{EM DASH}".encode())]
        by = cosigner_name(TINH)
        self.theirs.note = body + cosign(body, by, tinh.public_key, tinh.sign, AT)

    async def returned(self, signed: Signed) -> bytes | None:
        return await self.theirs.proof(signed) if signed == self.first else None

    async def witnesses(self, proofs: Any) -> dict[NodeId, tuple[bytes, ...]]:
        return {XA: self.witness.chain, TINH: self.signer.chain}


@dataclass
class Followed(Told):
    """Its document came from the commune, whose receipt a proof followed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.log: Any = BothLogs(self)


@pytest.fixture
def followed(authority: Any) -> Followed:
    return Followed(authority)


def _hops(judged: Any) -> list[Any]:
    return [step for step in judged.steps if step.what == "hop proof"]


def test_a_hop_is_proven_in_the_log_of_the_node_that_signed_it(
    followed: Followed, judge: Callable[..., Any]
) -> None:
    found = judge(followed.export())

    assert found.refused == []
    (hop,) = _hops(found)
    assert hop.outcome is Outcome.HOLDS
    assert "entry 0 of the log of xa" in hop.said
    assert "cosigned by tinh" in hop.said
    (listed,) = [step for step in found.steps if step.what == "list"]
    assert (listed.facts["proofs"], listed.facts["hop_proofs"]) == ("3", "1")


def test_the_summary_names_both_logs(
    followed: Followed, judge: Callable[..., Any], taken_apart: Callable[..., Any]
) -> None:
    """And is what a judge makes of the same proofs."""
    content = followed.export()
    page = taken_apart(content)[bundle.SUMMARY].decode()
    first = page[page.index("SubmissionAcceptance") :]
    places = re.sub(r"<[^>]*>", " ", first[: first.index("</tr>")]).split()
    assert [places[at + 1] for at, word in enumerate(places) if word == "0"] == ["tinh", "xa"]
    steps = {step.what: step.outcome for step in judge(content).steps}
    assert steps["summary"] is Outcome.HOLDS


def test_where_no_proof_came_that_is_said_and_no_refusal(
    told: Told, judge: Callable[..., Any]
) -> None:
    found = judge(told.export())

    assert found.refused == []
    (hop,) = _hops(found)
    assert hop.outcome is Outcome.UNKNOWN
    assert hop.said == "no proof came from the log of xa for 1 receipts"


@pytest.fixture
def told(authority: Any) -> Told:
    return Told(authority)


def test_a_nodes_own_signature_as_a_witness_of_itself_counts_for_nothing(
    followed: Followed, judge: Callable[..., Any]
) -> None:
    log, xa = followed.log.theirs, followed.log.witness
    log.note += cosign(log.note, cosigner_name(XA), xa.public_key, xa.sign, AT)
    assert _hops(judge(followed.export()))[0].facts["cosigned_by"] == "tinh"


def test_a_cosignature_that_somebody_on_the_way_spoilt_is_one_less_and_no_refusal(
    followed: Followed, judge: Callable[..., Any]
) -> None:
    log, xa = followed.log.theirs, followed.log.witness
    good = log.note
    log.note = good[: good.index(b"truc-relay.example/witness/") - len("\N{EM DASH} ".encode())]
    tinh = followed.log.signer
    log.note += cosign(log.note, cosigner_name(TINH), tinh.public_key, xa.sign, AT)
    found = judge(followed.export())
    assert found.refused == []
    assert "by no witness" in _hops(found)[0].said


def _changed(change: Callable[[Any], Any]) -> Callable[[dict[str, bytes], Followed], None]:
    def changing(entries: dict[str, bytes], _: Followed) -> None:
        entries[HOP] = write_proof(change(read_proof(entries[HOP])))

    return changing


def _flipped(entries: dict[str, bytes], _: Followed) -> None:
    content = bytearray(entries[HOP])
    content[len(content) // 2] ^= 1
    entries[HOP] = bytes(content)


def _own_instead(entries: dict[str, bytes], _: Followed) -> None:
    entries[HOP] = entries[bundle.proof_name(1)]


def _claimed(entries: dict[str, bytes], followed: Followed) -> None:
    """A proof of the exporter's own log for a receipt that it signed itself, as another node's."""
    entries[bundle.issuer_proof_name(2)] = entries[bundle.proof_name(2)]
    second = list(followed.receipts)[1]
    listed = entries[bundle.LIST]
    entries[bundle.LIST] = listed.replace(
        b'"proved_by_issuer":[', b'"proved_by_issuer":["%s",' % second.encode()
    )


def _unlisted(entries: dict[str, bytes], followed: Followed) -> None:
    first = next(iter(followed.receipts))
    listed = entries[bundle.LIST]
    entries[bundle.LIST] = listed.replace(b'["%s"]' % first.encode(), b"[]")


TAMPERED: list[tuple[str, Callable[[dict[str, bytes], Followed], object], tuple[str, str]]] = [
    ("flipped", _flipped, ("hop proof", "*")),
    ("of the exporter's log", _own_instead, ("hop proof", "wrong-node")),
    ("of its own receipt", _claimed, ("hop proof", "wrong-node")),
    ("another index", _changed(lambda one: replace(one, index=1)), ("hop proof", "bad-hop-proof")),
    ("without receipt", _changed(lambda one: replace(one, receipt=None)), ("hop proof", "*")),
    ("dropped", lambda entries, _: entries.pop(HOP), ("list", "missing-file")),
    ("not listed", _unlisted, ("list", "uncovered")),
    (
        "renamed",
        lambda entries, _: entries.update({bundle.issuer_proof_name(3): entries.pop(HOP)}),
        ("list", "missing-file"),
    ),
    (
        "one more",
        lambda entries, _: entries.update({bundle.issuer_proof_name(3): b"more"}),
        ("list", "uncovered"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"), [one[1:] for one in TAMPERED], ids=[one[0] for one in TAMPERED]
)
def test_what_a_hostile_exporter_changes_is_refused_by_its_step(
    followed: Followed,
    judge: Callable[..., Any],
    taken_apart: Callable[..., Any],
    change: Callable[..., None],
    expected: tuple[str, str],
) -> None:
    entries = taken_apart(followed.export())
    change(entries, followed)
    (refused,) = judge(followed.signed_by_tinh(entries)).refused

    assert refused[0] == expected[0]
    assert expected[1] in ("*", refused[1])
