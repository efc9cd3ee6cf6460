"""Receipts that travelled back are followed by proofs of the log of each node on the way."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import aiohttp
import pytest

from relay.audit.checkpoint import head_of, note_body, parse_vkey, sign_note
from relay.audit.entries import parse
from relay.audit.proof_file import LogProof, read_proof, write_proof
from relay.audit.proofs import inclusion_proof, over_leaves
from relay.audit.tree import Frontier, leaf_hash
from relay.delivery.attaching import sending
from relay.demo.native import at_socket
from relay.signing.bundle_steps import BundleJudge
from relay.signing.bundle_words import Outcome, Step
from relay.signing.keys import LogSigner
from relay.signing.tls import client_context
from relay.signing.trust import TrustStore
from relay.wire.attached import write_proofs
from tests.delivery.attaching.conftest import Raise
from tests.delivery.directory.conftest import Village

PROVED = """
SELECT r.issuer, p.log, p.cosigned, p.proof FROM receipts r JOIN receipt_proofs p ON p.receipt = r.digest
ORDER BY r.issuer
"""


async def _proved(village: Village, at: str, *issuers: str) -> list[Any]:
    """The proofs that a node has, once there is one from each of these."""

    async def look() -> list[Any] | None:
        rows = village.rows(at, PROVED)
        return rows if {row[0] for row in rows} >= set(issuers) else None

    return list(await village.until(look))


async def _received(village: Village, at: str, issuer: str) -> None:
    async def look() -> bool:
        return bool(village.rows(at, "SELECT 1 FROM receipts WHERE issuer = ?", issuer))

    await village.until(look)


async def _judged(village: Village, at: str) -> list[Step]:
    ((message,),) = village.rows(at, "SELECT message_id FROM messages WHERE message_type = 'edoc'")
    async with at_socket(village.plan(at).control) as client:
        content = await client.evidence(message)
    trust = TrustStore([village.network.root.read_bytes()])
    return list(BundleJudge(BytesIO(content), trust).steps())


async def _call(village: Village, by: str, at: str, path: str, body: bytes | None = None) -> Any:
    """The JSON that a node answers to a neighbour of it, played with that one's certificate."""
    folder = village.network.folder / "pki" / "nodes" / by
    tls = client_context(
        folder / "tls.pem", folder / "tls.key.pem", village.network.root, check_hostname=False
    )
    url = f"https://127.0.0.1:{village.plan(at).nodes_port}{path}"
    method = "GET" if body is None else "POST"
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session,
        session.request(method, url, data=body) as response,
    ):
        return response.status, await response.json(content_type=None)


async def _hand_in(village: Village, *proofs: bytes) -> list[tuple[str, str]]:
    """What the commune answers its district to each."""
    status, told = await _call(village, "huyen", "xa", "/axis/v1/proofs", write_proofs(proofs))
    assert status == 200
    return [(one["answer"], one.get("why", "")) for one in told["proofs"]]


def _forked(village: Village, proof: LogProof) -> bytes:
    """The same entry under another head of the same size, signed by the district's own key."""
    folder = village.network.folder / "pki" / "nodes" / "huyen"
    key = LogSigner.load(folder / "log.pem", folder / "log.key.pem")
    size = head_of(proof.note).size
    leaves = [proof.leaf if place == proof.index else b"{}" for place in range(size)]
    hashes = [leaf_hash(one) for one in leaves]
    frontier = Frontier()
    for one in hashes:
        frontier.append(one)
    name = parse_vkey(proof.vkey)[0]
    note = sign_note(note_body(name, size, frontier.root()), name, key.public_key, key.sign)
    path = inclusion_proof(proof.index, size, over_leaves(hashes.__getitem__))
    return write_proof(replace(proof, note=note, hashes=tuple(path)))


async def test_the_origins_evidence_holds_a_cosigned_proof_of_every_nodes_log(
    raised: Raise,
) -> None:
    """What no node's log proves is refused; a proof that is there stays, and is the same to who asks again."""
    village = await raised()
    await village.send("xa", "H01.15.02", "H01")

    proved = await _proved(village, "xa", "huyen", "tinh")
    for issuer, log, cosigned, _ in proved:
        assert log == f"truc-relay.example/log/{issuer}"
        assert cosigned >= 1
    steps = await _judged(village, "xa")
    assert {step.outcome for step in steps} == {Outcome.HOLDS, Outcome.UNKNOWN}
    hops = {step.facts["node"]: step for step in steps if step.what == "hop proof"}
    assert set(hops) == {"huyen", "tinh"}
    assert set(hops["huyen"].facts["cosigned_by"].split()) == {"tinh", "xa"}
    assert hops["tinh"].facts["cosigned_by"] == "huyen"
    assert "of the log of tinh" in hops["tinh"].said

    by = {issuer: proof for issuer, *_, proof in proved}
    ours, theirs = read_proof(by["huyen"]), read_proof(by["tinh"])
    forged = write_proof(replace(theirs, note=ours.note))
    answers = await _hand_in(village, by["tinh"], forged, b"no proof", by["huyen"])
    assert [answer for answer, _ in answers] == ["kept", "refused", "refused", "kept"]
    assert "not signed by" in answers[1][1]
    assert village.rows("xa", PROVED) == proved
    (entry,) = village.entries("xa", "peer-refused")
    assert (entry["neighbour"], entry["reason"]) == ("huyen", "proof-refused")

    assert (await _call(village, "huyen", "xa", "/axis/v1/proofs", b"<Proofs/>"))[0] == 422
    assert await _hand_in(village, _forked(village, ours)) == [
        ("refused", "another head of that size was cosigned here")
    ]
    (alarm,) = village.entries("xa", "log-forked")
    assert (alarm["log"], alarm["size"]) == (proved[0][1], head_of(ours.note).size)

    other = theirs.leaf.replace(parse(theirs.leaf)["receipt"].encode(), b"0" * 64)
    unknown = write_proof(replace(theirs, leaf=other))
    assert await _hand_in(village, unknown) == [("unknown-receipt", "")]


async def test_what_a_node_kept_goes_further_after_it_was_down(
    raised: Raise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commune is away while its district gets the proof, and the district stops before it can hand it on."""
    monkeypatch.setattr(sending, "LOOK_AGAIN_SECONDS", 0.1)
    village = await raised()
    await village.down("tinh")
    await village.send("xa", "H01.15.02", "H01")
    await _received(village, "xa", "huyen")
    await village.down("xa")
    await village.up("tinh")
    await _proved(village, "huyen", "tinh")
    waiting = "SELECT 1 FROM attachments t JOIN receipts r ON r.digest = t.receipt WHERE r.issuer = 'tinh'"
    assert village.rows("huyen", waiting) == [(1,)]

    await village.down("huyen")
    await village.up("huyen")
    await village.up("xa")

    await _proved(village, "xa", "huyen", "tinh")

    async def handed_on() -> bool:
        return not village.rows("huyen", "SELECT 1 FROM attachments")

    await village.until(handed_on)


async def test_a_neighbour_that_knows_nothing_of_proofs_gets_none_and_all_else(
    raised: Raise,
) -> None:
    village = await raised(xa="attach_proofs = false")
    status, told = await _call(village, "huyen", "xa", "/axis/v1/node")
    assert status == 200
    assert "receipt-proofs" not in told["capabilities"]
    assert (
        "receipt-proofs"
        in (await _call(village, "xa", "huyen", "/axis/v1/node"))[1]["capabilities"]
    )

    await village.send("xa", "H01.15.02", "H01")
    await _received(village, "xa", "tinh")
    await _proved(village, "huyen", "tinh")

    async def nothing_waits() -> bool:
        mark = village.rows("huyen", "SELECT entry_index FROM attach_mark")[0][0]
        passed = mark > village.rows("huyen", "SELECT max(entry_index) - 1 FROM entries")[0][0]
        return passed and not village.rows("huyen", "SELECT 1 FROM attachments")

    await village.until(nothing_waits)
    assert village.rows("xa", PROVED) == []
    assert (await _call(village, "huyen", "xa", "/axis/v1/proofs", b"<Proofs/>"))[0] == 404
    (step,) = [one for one in await _judged(village, "xa") if one.what == "hop proof"]
    assert step.outcome is Outcome.UNKNOWN
    assert "no proof came from the log of huyen, tinh" in step.said


async def test_without_witnesses_a_proof_goes_after_a_while_and_says_so(
    raised: Raise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "LOOK_AGAIN_SECONDS", 0.1)
    village = await raised(log='witness = false\nattach_uncosigned_after = "PT0.3S"')
    await village.send("xa", "H01.15.02", "H01")

    proved = await _proved(village, "xa", "huyen", "tinh")

    assert {cosigned for _, _, cosigned, _ in proved} == {0}
    hops = [step for step in await _judged(village, "xa") if step.what == "hop proof"]
    assert len(hops) == 2
    assert all("by no witness" in step.said for step in hops)
