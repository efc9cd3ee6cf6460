"""A running node that may call no authority: what its neighbours bring along decides (W12)."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from cryptography import x509
from typer.testing import CliRunner

from relay.cli.main import app
from relay.delivery.clock import Clock
from relay.delivery.revocation.stapling import BY_HAND_CAPABILITY
from relay.demo.network import Network
from relay.errors import PeerError, TransportError
from relay.model import Event, NodeId, Reason, digest_of
from relay.node.node import Node
from relay.settings.reading import load
from relay.signing import pki_revoking
from relay.signing.pki_words import Reason as Why
from relay.signing.trust import certificates_of
from relay.transport.nodes.answers import has_capability
from relay.transport.nodes.statements import PATH
from relay.transport.nodes.statements_client import StatementClient
from relay.wire.archive import Archive
from relay.wire.carry import (
    MANIFEST,
    SIGNATURE,
    CarriedContainer,
    CarriedPayload,
    CarriedTransfer,
    CarryId,
    Manifest,
    payload_name,
    statements_name,
    transfer_names,
)
from relay.wire.statements import CONTENT_LIMIT_BYTES, LIMIT_BYTES, Stapled, write_statements
from tests.long_crl import long_crl
from tests.transport.nodes.conftest import EXTRA, PLANS, Transfer

HERE = NodeId("tinh")
CHECKED = f"{EXTRA}\n[revocation]\ncheck = true\n"


class Town:
    def __init__(self, network: Network, url: str, play: Any, node: Node) -> None:
        self.network, self.url, self.node = network, url, node
        self.xa, self.xb = (play(network, name, url) for name in ("xa", "xb"))
        self.pki = network.folder / "pki"

    def statements(self, name: str) -> list[Stapled]:
        """Both CRLs of a certificate's path, as of now."""
        now = datetime.now(UTC)
        chain = tuple(certificates_of((self.pki / name).read_bytes()))
        return [
            Stapled(chain, pki_revoking.crl(one, now=now, valid=timedelta(days=1)))
            for one in pki_revoking.authorities(self.pki)
            if one.name in {"root/root", "branches/tinh-h01/ca"}
        ]

    def revoke(self, name: str) -> None:
        path, now = self.pki / name, datetime.now(UTC)
        pki_revoking.revoke(self.pki, path, reason=Why.KEY_COMPROMISE, now=now)

    async def tell(self, name: str) -> None:
        await StatementClient(self.xa.client).tell_statements(HERE, self.statements(name))


@pytest_asyncio.fixture
async def town(tmp_path: Path, play: Any) -> AsyncIterator[Town]:
    network = Network.build(tmp_path, PLANS, now=datetime.now(UTC), extra=CHECKED)
    running = network.nodes[HERE]
    node = Node(load(running.config))
    await node.start()
    found = Town(network, f"https://127.0.0.1:{running.nodes_port}", play, node)
    yield found
    for peer in (found.xa, found.xb):
        await peer.client.close()
    await node.stop()


async def test_what_was_brought_along_decides(town: Town) -> None:
    """Put off while nothing is known, taken once it is told, refused for its reason once revoked; a
    neighbour whose own certificate is revoked is shown the door."""
    assert await StatementClient(town.xa.client).knows_statements(HERE)
    first = town.xa.transfer()
    with pytest.raises(PeerError, match="come again"):
        await town.xa.carry(first)

    await town.tell("agencies/H01.15.pem")
    taken = await town.xa.carry(first)
    assert {one.event for one in taken.evidence} == {
        Event.RELAY_ACCEPTANCE,
        Event.CONTENT_CONSIGNMENT,
    }

    town.revoke("agencies/H01.15.pem")
    town.revoke("nodes/xb/tls.pem")
    await StatementClient(town.xb.client).tell_statements(
        HERE, town.statements("agencies/H01.15.pem")
    )
    refused = await town.xa.carry(town.xa.transfer())
    assert [one.reason for one in refused.evidence] == [Reason.REVOKED_CERTIFICATE]
    again = await town.xa.carry(first)
    assert again == taken
    with pytest.raises((PeerError, TransportError)):
        await StatementClient(town.xb.client).knows_statements(HERE)


async def test_a_node_that_started_with_a_wrong_clock_tells_its_own_once_that_is_right(
    tmp_path: Path,
) -> None:
    """By the wrong one its certificates had ended: no path, so nothing to ask for and to tell of."""
    network = Network.build(tmp_path, PLANS, now=datetime.now(UTC), extra=CHECKED)
    ahead = timedelta(days=400)
    node = Node(load(network.nodes[HERE].config), Clock(wall=lambda: datetime.now(UTC) + ahead))
    await node.start()
    try:
        check = node._pairs.ground.notary.revocation
        assert check is not None
        assert check.ours == ()

        ahead = timedelta()
        await node._jumped(0)

        assert len(check.ours) >= len(("sign", "log", "tls"))
    finally:
        await node.stop()


def _issued_by(one: Stapled, issuer: pki_revoking.Authority) -> bool:
    return x509.load_der_x509_crl(one.content).issuer == issuer.issuer.certificate.subject


async def test_a_list_of_thousands_decides_too(town: Town) -> None:
    """Alone in its request, as a neighbour that knows of that is told."""
    issuer = next(
        one for one in pki_revoking.authorities(town.pki) if one.name == "branches/tinh-h01/ca"
    )
    client = StatementClient(town.xa.client)
    assert await client.knows_large(HERE)
    branch, root = sorted(
        town.statements("agencies/H01.15.pem"),
        key=lambda one: _issued_by(one, issuer),
        reverse=True,
    )
    small, large = root, Stapled(branch.chain, long_crl(issuer, datetime.now(UTC), 9_000))
    assert len(large.content) > CONTENT_LIMIT_BYTES
    await client.tell_statements(HERE, [small])
    first = town.xa.transfer()
    with pytest.raises(PeerError, match="come again"):
        await town.xa.carry(first)
    with pytest.raises(PeerError, match="more than one"):
        await client.tell_statements(HERE, [small, large])
    await client.tell_statements(HERE, [large])
    assert Event.RELAY_ACCEPTANCE in {one.event for one in (await town.xa.carry(first)).evidence}


async def test_hostile_statements_change_nothing(town: Town) -> None:
    """Bytes of no known form are refused; what proves nothing is left out, and a stranger is no teller."""
    mine = town.statements("agencies/H01.15.pem")
    forged = [Stapled(one.chain, one.content[:-1] + b"\0") for one in mine]
    swapped = [Stapled(one.chain[1:], one.content) for one in mine]
    bodies = [
        (b"", 422),
        (b"<Statements/>", 422),
        (bytes(LIMIT_BYTES + 1), 422),
        (write_statements(forged), 204),
        (write_statements(swapped), 204),
    ]
    async with town.xa.session() as session:
        for body, status in bodies:
            async with session.post(f"{town.url}{PATH}", data=io.BytesIO(body)) as response:
                assert response.status == status, await response.text()
    with pytest.raises(PeerError, match="come again"):
        await town.xa.carry(town.xa.transfer())
    connector = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(connector=connector) as stranger:
        with pytest.raises(aiohttp.ClientError):
            await stranger.post(f"{town.url}{PATH}", data=write_statements(mine))


def _by_hand(town: Town, transfer: Transfer, *containers: bytes) -> bytes:
    """A carry file by `xa` of that transfer, with these containers of statements."""
    header, signed, at = transfer.header, transfer.signed, datetime.now(UTC)
    manifest = Manifest(
        CarryId(town.xa.clock.mint()),
        town.xa.name,
        HERE,
        at.replace(microsecond=0),
        payloads=(
            CarriedPayload(
                header.digest,
                header.size_bytes,
                (CarriedTransfer(header.transfer_id, signed.digest),),
            ),
        ),
        statements=tuple(CarriedContainer(digest_of(one), len(one)) for one in containers),
    )
    proof = town.xa.notary.sign_carry(manifest, at)
    archive = Archive()
    entries = [(MANIFEST, proof.document), (SIGNATURE, proof.signature)]
    entries += [(statements_name(index), one) for index, one in enumerate(containers)]
    entries.append((payload_name(header.digest), transfer.content))
    contents = (signed.document, signed.signature, transfer.seal)
    entries += zip(transfer_names(header.transfer_id), contents, strict=True)
    return b"".join(archive.entry(*one) for one in entries) + archive.ending()


async def test_what_came_by_hand_decides_too(town: Town, tmp_path: Path) -> None:
    """A neighbour without a link: the file takes along what its documents are judged by (W7.9)."""
    assert await has_capability(town.xa.client, HERE, BY_HAND_CAPABILITY)
    transfer, said = town.xa.transfer(), town.statements("agencies/H01.15.pem")
    config = str(town.network.nodes[HERE].config)
    for name, containers, exits in (("without", (), 75), ("with", (write_statements(said),), 0)):
        file = tmp_path / f"{name}.carry"
        file.write_bytes(_by_hand(town, transfer, *containers))
        words = ["carry", "import", str(file), "--config", config]
        done = await asyncio.to_thread(CliRunner().invoke, app, words, catch_exceptions=False)
        assert done.exit_code == exits, done.output
    assert "2 statements of revocation were news here" in done.stderr
