"""Whom a certificate speaks for, over the wire: each refusal with its reason (W11)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.errors import PeerError
from relay.model import (
    AgencyCode,
    Digest,
    Event,
    Evidence,
    NodeId,
    Reason,
    Receipt,
    SealKind,
    Signed,
    digest_of,
)
from relay.signing import evidence, pki
from relay.signing.keys import Signer
from relay.signing.seal import make_seal
from relay.signing.tls import client_context
from relay.signing.xades import DocumentName, build
from relay.transport.nodes.directory import CONTENT_TYPE, PATH, body_of
from relay.wire.branch import Branch, read_head, write_branch
from relay.wire.receipt import write_receipt

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE, XA, XB = NodeId("tinh"), NodeId("xa"), NodeId("xb")
P256 = pki.KeyType.P256


@pytest.fixture(scope="module")
def authority(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The PKI of the network, to go on with: beside its CAs one that certifies for `xa` alone."""
    folder = tmp_path_factory.mktemp("authority") / "pki"
    shutil.copytree(network.folder / "pki", folder)
    for name in ("nodes", "agencies"):
        shutil.rmtree(folder / name)
    now = datetime.now(UTC)
    pki.issue_branch(folder, "of-xa", key=P256, now=now, days=2, nodes=["xa"])
    return folder


@pytest.fixture(scope="module")
def issued(authority: Path) -> Callable[..., Any]:
    """Certificates by one of its CAs: the files of a node, or the signer of an agency."""
    now = datetime.now(UTC)

    def issue(what: str, name: str, branch: str) -> Any:
        if what == "node":
            return pki.issue_node(authority, name, branch, key=P256, now=now, days=2)
        if what == "agency":
            path = pki.issue_agency(authority, [name], branch, key=P256, now=now, days=2)
        else:
            path = pki.issue_official(authority, name, branch, key=P256, now=now, days=2)
        return Signer.load(path, path.with_suffix(".key.pem"))

    return issue


def _sealed(signer: Signer, content: bytes) -> bytes:
    now = datetime.now(UTC)
    return make_seal(digest_of(content), SealKind.AGENCY, signer, now).signature


def _refusal(receipt: Receipt) -> tuple[Reason | None, str]:
    (found,) = receipt.evidence
    assert found.event is Event.RELAY_REJECTION
    return found.reason, (found.detail or "").partition(":")[0]


# ---------------------------------------------------------------- agencies


async def test_a_seal_by_another_agency_is_refused(hub: Any, issued: Any) -> None:
    """An agency of the same branch, with a sound certificate."""
    xa = hub.peers["xa"]
    content = xa.document()
    other = issued("agency", "H01.16", "tinh-h01")

    receipt = await xa.carry(xa.transfer(content, seal=_sealed(other, content)))

    assert _refusal(receipt) == (Reason.BAD_SEAL, "wrong-agency")


async def test_an_issuer_of_another_branch_certifies_nothing_here(hub: Any, issued: Any) -> None:
    """The commune's CA gave the ministry's code away."""
    tw = hub.peers["tw"]
    content = tw.document()
    forged = issued("agency", "G22", "of-xa")

    receipt = await tw.carry(tw.transfer(content, seal=_sealed(forged, content)))

    assert _refusal(receipt) == (Reason.BAD_SEAL, "wrong-branch")


async def test_a_certificate_that_names_nobody_seals_where_the_directory_binds_it(
    hub: Any, issued: Any
) -> None:
    """Refused before the owner of the branch says whose it is, taken after, refused again when it no
    longer says so."""
    xa = hub.peers["xa"]
    field = issued("official", "xa-mau", "tinh-h01")
    agency = next(
        one for one in hub.running._settings.make_directory().page("", 99) if one.node == XA
    )
    outcomes = []
    for version, prints in enumerate([(), (digest_of(field.chain[0]),), ()], 100):
        await _tell(xa, version, replace(agency, certificates=prints))
        content = xa.document(str(version))
        receipt = await xa.carry(xa.transfer(content, seal=_sealed(field, content)))
        outcomes.append(receipt.evidence[0].event)

    refused, taken = Event.RELAY_REJECTION, Event.RELAY_ACCEPTANCE
    assert outcomes == [refused, taken, refused]
    assert _refusal(receipt) == (Reason.BAD_SEAL, "wrong-agency")


async def _tell(peer: Any, version: int, agency: Any) -> None:
    now = peer.clock.now()
    branch = Branch(peer.name, version, now, now + timedelta(days=30), (), (agency,))
    content = write_branch(branch)
    signed = peer.notary.sign_branch(read_head(content), content, now)
    await peer.client.put(HERE, PATH, body_of(signed), CONTENT_TYPE)


async def test_what_binds_certificates_is_a_capability(hub: Any) -> None:
    """A neighbour of an older version does not say so, and is not told."""
    async with hub.peers["xa"].client.call(HERE, "GET", "/axis/v1/node") as response:
        assert "directory-certificates" in (await response.json())["capabilities"]


# ---------------------------------------------------------------- nodes


async def test_a_transfer_signed_by_another_node_is_refused(hub: Any) -> None:
    """Over its own connection a neighbour brings only its own."""
    xa, xb = hub.peers["xa"], hub.peers["xb"]

    with pytest.raises(PeerError, match="the connection is of xa, the certificate is of xb"):
        await xa.carry(xa.transfer(signer=xb))


async def test_a_node_certified_in_another_branch_does_not_come_in(hub: Any, issued: Any) -> None:
    """The handshake holds, for the root is the same; what counts is which CA issued for whom."""
    tls, sign, _ = issued("node", "xb", "of-xa")
    context = client_context(
        tls, tls.with_suffix(".key.pem"), hub.network.root, check_hostname=False
    )
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, force_close=True))

    async with session, session.get(f"{hub.url}/axis/v1/node") as response:
        problem = json.loads(await response.read())

    assert 400 <= response.status < 500
    assert "node xb is not there" in problem["detail"]

    xb, forger = hub.peers["xb"], Signer.load(sign, sign.with_suffix(".key.pem"))
    sound = xb.transfer()
    signed = evidence.sign_transfer(sound.header, forger, xb.clock.now())
    with pytest.raises(PeerError, match="node xb is not there"):
        await xb.carry(replace(sound, signed=signed))


async def test_a_receipt_by_another_node_is_refused(hub: Any) -> None:
    """The issuer it names is not whose certificate signed it."""
    xa, tw = hub.peers["xa"], hub.peers["tw"]
    transfer = xa.transfer(recipients=["G22"])
    await xa.carry(transfer)
    receipt = _receipt(tw, transfer)
    document = write_receipt(receipt)
    signed = Signed(
        document,
        build(
            DocumentName.RECEIPT,
            digest_of(document),
            "node",
            hub.peers["xb"].notary.signer,
            tw.clock.now(),
        ),
    )

    with pytest.raises(PeerError, match="issued by tw, the certificate is of xb"):
        await tw.client.hand_back(HERE, [signed])


def _receipt(by: Any, transfer: Any) -> Receipt:
    header = transfer.header
    return Receipt(
        issuer=by.name,
        origin=header.origin,
        message_id=header.message_id,
        digest=header.digest,
        size_bytes=header.size_bytes,
        transfer_id=header.transfer_id,
        sent_by=HERE,
        at=by.clock.now(),
        evidence=(Evidence(Event.RELAY_ACCEPTANCE, AgencyCode("G22"), Digest("0" * 64)),),
    )
