"""Directories of branches between nodes (W9): who may say what, and which word is too old."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.agencies import Agency, NodeEntry
from relay.errors import ConflictError, PeerError, TransportError
from relay.model import AgencyCode, NodeId, Signed, Tier
from relay.signing import pki
from relay.signing.evidence import sign_branch
from relay.signing.keys import Signer
from relay.transport.nodes.directory import CONTENT_TYPE, PATH, body_of
from relay.wire.branch import Branch, BranchHead, write_branch

pytestmark = pytest.mark.asyncio(loop_scope="module")
C, N = AgencyCode, NodeId
DAY = timedelta(days=1)
_versions = iter(range(1, 1000))


def _branch(
    peer: Any,
    *agencies: Agency,
    nodes: Sequence[NodeEntry] = (),
    issuer: str | None = None,
    version: int | None = None,
    age: timedelta = timedelta(),
) -> Branch:
    issued = peer.clock.now() - age
    number = next(_versions) if version is None else version
    name = N(issuer or peer.name)
    return Branch(name, number, issued, issued + 30 * DAY, tuple(nodes), agencies)


def _signed(peer: Any, branch: Branch) -> Signed:
    return _signed_at(peer, branch, branch.issued_at)


def _signed_at(peer: Any, branch: Branch, at: datetime) -> Signed:
    head = BranchHead(branch.issuer, branch.version, branch.issued_at, branch.expires_at)
    return peer.notary.sign_branch(head, write_branch(branch), at)  # type: ignore[no-any-return]


async def _tell(peer: Any, signed: Signed) -> None:
    await peer.client.put(N("tinh"), PATH, body_of(signed), CONTENT_TYPE)


def _unit(code: str, node: str, **more: Any) -> Agency:
    return Agency(C(code), "Đơn vị", Tier.COMMUNE, N(node), **more)


def _found(hub: Any, code: str) -> Agency | None:
    desk = hub.running._journal  # the directory itself is asked through the node's own parts
    assert desk is not None
    rows = hub.rows("SELECT record FROM directory_ledger WHERE code = ?", code)
    from relay.routing.stored import stored_agency

    return stored_agency(rows[0][0]) if rows else None


def _refusals(hub: Any) -> int:
    return sum(found["event"] == "directory-refused" for found in hub.entries())


async def test_the_capability_is_told(hub: Any) -> None:
    """A neighbour of an older version does not know it, and is told nothing."""
    async with hub.peers["xa"].client.call(N("tinh"), "GET", "/axis/v1/node") as response:
        assert "directory" in (await response.json())["capabilities"]


async def test_an_owner_speaks_of_its_branch(hub: Any) -> None:
    """Durable before the 204, in force at once, with an entry that names issuer, version and digest."""
    xa = hub.peers["xa"]
    branch = _branch(xa, _unit("H01.15", "xa"), _unit("H01.15.03", "xa"))
    signed = _signed(xa, branch)
    await _tell(xa, signed)
    assert _found(hub, "H01.15.03") == branch.agencies[1]
    found = [e for e in hub.entries() if e["event"] == "directory-received"]
    assert (found[-1]["issuer"], found[-1]["digest"]) == ("xa", signed.digest)
    size = hub.size()
    await _tell(xa, signed)
    assert hub.size() == size, "a repeat is nothing"


async def test_an_older_version_is_refused(hub: Any) -> None:
    """And so is the same version with other words: the newest stands."""
    xa = hub.peers["xa"]
    first = _branch(xa, _unit("H01.15", "xa"))
    second = _branch(xa, _unit("H01.15", "xa"), _unit("H01.15.04", "xa"))
    await _tell(xa, _signed(xa, second))
    for branch in (first, replace(second, agencies=second.agencies[:1])):
        with pytest.raises(ConflictError, match="held here"):
            await _tell(xa, _signed(xa, branch))
    assert _found(hub, "H01.15.04") is not None
    refused = [e for e in hub.entries() if e["event"] == "directory-refused"]
    assert {e["reason"] for e in refused} == {"rolled-back"}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ((_unit("H01.16", "xa"),), "it is xb's to give"),
        ((_unit("H01", "xa"),), "it is tinh's to give"),
        ((_unit("G22", "xa"),), "it is tw's to give"),
        ((_unit("H01.99", "xa"),), "it is tinh's to give"),
        ((_unit("H77", "xa"),), "under no code of its"),
        ((_unit("H01.15", "xb"),), "outside the branch"),
        ((_unit("H01.15.01", "xa", old_code=C("000.00.00.H01")),), "000.00.00.H01 is not xa's"),
        ((_unit("H01.15.01", "xa", old_code=C("000.00.09.H01")),), "it is tinh's to give"),
    ],
)
async def test_nobody_speaks_of_what_is_not_its_own(
    hub: Any, said: tuple[Agency, ...], why: str
) -> None:
    """Neither of a sibling nor of those above, nor of codes that nobody gave it."""
    xa, before = hub.peers["xa"], hub.rows("SELECT count(*) FROM directory_documents")
    with pytest.raises(PeerError, match=why):
        await _tell(xa, _signed(xa, _branch(xa, *said)))
    assert hub.rows("SELECT count(*) FROM directory_documents") == before


@pytest.mark.parametrize(
    "entry",
    [
        NodeEntry(N("xb"), Tier.COMMUNE, N("xa")),
        NodeEntry(N("tinh"), Tier.PROVINCE, N("xa")),
        NodeEntry(N("xa"), Tier.COMMUNE, N("tw")),
        NodeEntry(N("xz"), Tier.COMMUNE, N("tinh")),
        NodeEntry(N("xz"), Tier.COMMUNE, N("xz")),
    ],
)
async def test_nobody_places_nodes_outside_its_branch(hub: Any, entry: NodeEntry) -> None:
    """A node that moved another under itself could speak for it."""
    xa = hub.peers["xa"]
    with pytest.raises(PeerError, match="below xa"):
        await _tell(xa, _signed(xa, _branch(xa, nodes=(entry,))))


async def test_the_tier_above_has_the_last_word(hub: Any) -> None:
    """What the ministry says of a commune's agency holds, whatever the commune says later."""
    tw, xb = hub.peers["tw"], hub.peers["xb"]
    await _tell(tw, _signed(tw, _branch(tw, _unit("H01.16", "xb", mail="tw@example.vn"))))
    await _tell(xb, _signed(xb, _branch(xb, _unit("H01.16", "xb", mail="xb@example.vn"))))
    found = _found(hub, "H01.16")
    assert found is not None
    assert found.mail == "tw@example.vn"


async def test_a_document_comes_only_from_its_issuers_side(hub: Any) -> None:
    """The commune's own word, handed in by another commune, is not taken."""
    xa, xb = hub.peers["xa"], hub.peers["xb"]
    with pytest.raises(PeerError, match="does not come from xb"):
        await _tell(xb, _signed(xa, _branch(xa, _unit("H01.15", "xa"))))


async def test_the_signer_must_be_the_issuer(hub: Any) -> None:
    """A document that names another node as its issuer, under the own key."""
    xa, xb = hub.peers["xa"], hub.peers["xb"]
    branch = _branch(xb, _unit("H01.16", "xb"), issuer="xb")
    from relay.model import digest_of
    from relay.signing.xades import DocumentName, build

    document = write_branch(branch)
    signature = build(
        DocumentName.DIRECTORY, digest_of(document), "node", xa.notary.signer, branch.issued_at
    )
    with pytest.raises(PeerError, match="certificate is of xa"):
        await _tell(xa, Signed(document, signature))
    other = build(
        DocumentName.RECEIPT, digest_of(document), "node", xb.notary.signer, branch.issued_at
    )
    with pytest.raises(PeerError, match=r"signed as receipt\.xml"):
        await _tell(xb, Signed(document, other))


async def test_an_expired_document_is_taken_within_the_grace_only(hub: Any) -> None:
    """Thirty days it is valid, seven more it is taken; after that its issuer must speak anew."""
    xa = hub.peers["xa"]
    late = _branch(xa, _unit("H01.15", "xa"), age=36 * DAY)
    too_late = _branch(xa, _unit("H01.15", "xa"), age=38 * DAY)
    # Certificates of this network begin now: of the two, the document's own time is what is judged.
    signed = _signed_at(xa, late, xa.clock.now())
    await _tell(xa, signed)
    with pytest.raises(PeerError, match="expired"):
        await _tell(xa, _signed_at(xa, too_late, xa.clock.now()))


async def test_a_document_of_the_future_is_put_off(hub: Any) -> None:
    """One of both clocks is wrong: nothing is taken over, and nothing is held against it."""
    xa = hub.peers["xa"]
    branch = _branch(xa, _unit("H01.15", "xa"), age=-DAY)
    with pytest.raises(TransportError):
        await _tell(xa, _signed_at(xa, branch, xa.clock.now()))


async def test_one_by_a_certificate_that_is_not_valid_yet_is_put_off_whatever_time_it_claims(
    hub: Any, network: Any, tmp_path: Path
) -> None:
    """Issued now, signed for a day to come (W3.8): nothing is taken over, and it comes again."""
    xa, before = hub.peers["xa"], _refusals(hub)
    folder, begins = tmp_path / "pki", xa.clock.now() + DAY
    shutil.copytree(network.folder / "pki", folder)
    shutil.rmtree(folder / "nodes" / "xa")
    pki.issue_node(folder, "xa", "tinh-h01", key=pki.KeyType.P256, now=begins, days=1)
    files = folder / "nodes" / "xa"
    signer = Signer.load(files / "sign.pem", files / "sign.key.pem")
    branch = _branch(xa, _unit("H01.15", "xa"), _unit("H01.15.09", "xa"))
    head = BranchHead(branch.issuer, branch.version, branch.issued_at, branch.expires_at)
    signed = sign_branch(head, write_branch(branch), signer, begins + timedelta(minutes=1))

    with pytest.raises(TransportError, match="503"):
        await _tell(xa, signed)

    assert _found(hub, "H01.15.09") is None
    assert _refusals(hub) == before


async def test_a_node_that_doubts_its_clock_judges_no_date(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks expired, or not, by a wrong clock is neither refused nor taken: the neighbour comes
    again, and no entry is held against it."""
    xa, before = hub.peers["xa"], _refusals(hub)
    agreement = hub.running._agreement
    monkeypatch.setattr(agreement, "off", 40 * DAY)
    for age in (timedelta(), 38 * DAY):
        branch = _branch(xa, _unit("H01.15", "xa"), age=age)
        with pytest.raises(TransportError, match="503"):
            await _tell(xa, _signed_at(xa, branch, xa.clock.now()))
    assert _refusals(hub) == before
    monkeypatch.setattr(agreement, "off", None)
    await _tell(xa, _signed(xa, _branch(xa, _unit("H01.15", "xa"))))


@pytest.mark.parametrize(
    "body",
    [b"", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x04abcd", b"\0\0\0\x04abcd<Directory/>"],
)
async def test_what_is_no_directory_is_refused(hub: Any, body: bytes) -> None:
    """Nothing is read of a document before its signature holds."""
    with pytest.raises(PeerError):
        await hub.peers["xa"].client.put(N("tinh"), PATH, body, CONTENT_TYPE)
