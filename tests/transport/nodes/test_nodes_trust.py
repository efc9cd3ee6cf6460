"""Whom a running node trusts, changed under it: files, audit log, handshakes, connections that were open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
import pytest_asyncio
from typer.testing import CliRunner

from relay.cli.main import app
from relay.delivery.operators.trusting import TrustDesk
from relay.delivery.ports import Caller
from relay.errors import JournalError, PeerError, SettingsError, SignatureError, TransportError
from relay.model import NodeId, digest_of
from relay.node.node import Node
from relay.settings.reading import load
from relay.signing import pki
from relay.signing.revocation.verdicts import RevocationState, Verdict
from relay.signing.tls import NodePeers, client_context
from relay.signing.trust import certificates_of

HERE = NodeId("tinh")
OPERATOR = Caller("Người vận hành", frozenset(), operator=True)


@dataclass
class Running:
    """A node that a test may do anything with, and its only anchor."""

    node: Node
    network: Any
    hub: Any
    peer: Any

    @property
    def root(self) -> Path:
        path: Path = self.network.root
        return path

    @property
    def desk(self) -> TrustDesk:
        return self.node._trusting

    def events(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.hub.entries() if one["event"] == event]

    def put(self, content: bytes) -> None:
        """At once, as an operator should: written beside, then moved into place."""
        beside = self.root.with_suffix(".new")
        beside.write_bytes(content)
        beside.replace(self.root)


@pytest_asyncio.fixture
async def running(other_network: Any, play: Any, hub_of: Any) -> AsyncIterator[Running]:
    place = other_network.nodes[HERE]
    node = Node(load(place.config))
    await node.start()
    peer = play(other_network, "xa", f"https://127.0.0.1:{place.nodes_port}")
    try:
        yield Running(node, other_network, hub_of(other_network, place, node), peer)
    finally:
        await peer.client.close()
        await node.stop()


@pytest.fixture
def another(tmp_path: Path) -> Path:
    """Another authority, which has a certificate for the commune's node too."""
    folder, now, key = tmp_path / "other", datetime.now(UTC), pki.KeyType.P256
    pki.init(folder, name="Khác", key=key, now=now, days=2)
    pki.issue_branch(folder, "tinh", key=key, now=now, days=2, nodes=["tinh"])
    pki.issue_node(folder, "xa", "tinh", key=key, now=now, days=2)
    return folder


@pytest.fixture
def stranger(another: Path) -> bytes:
    """Its root."""
    return (another / "root" / "root.pem").read_bytes()


def _sha256(pem: bytes) -> str:
    return digest_of(certificates_of(pem)[0])


async def _described(peer: Any) -> int:
    async with peer.client.call(HERE, "GET", "/axis/v1/node") as response:
        return int(response.status)


async def test_the_first_start_notes_whom_it_trusts(running: Running) -> None:
    """By digest, in the list where it stands; a second start finds nothing new."""
    (entry,) = running.events("trust-changed")

    assert entry["added"] == {"roots": [_sha256(running.root.read_bytes())]}
    assert (entry["by"], entry["why"]) == ("node", "start")
    await running.desk.start()
    assert len(running.events("trust-changed")) == 1


async def _knocks(running: Running, authority: Path) -> int:
    """A handshake of its own, with the commune's certificate by another authority."""
    folder = authority / "nodes" / "xa"
    tls = client_context(
        folder / "tls.pem", folder / "tls.key.pem", running.root, check_hostname=False
    )
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session,
        session.get(f"{running.hub.url}/axis/v1/node") as response,
    ):
        return int(response.status)


async def test_who_is_refused_by_its_certificate_hears_so_and_is_in_no_doubt(
    running: Running, another: Path
) -> None:
    """In TLS 1.3 a client may have sent its request by then; the alert says that nobody read it."""
    folder = another / "nodes" / "xa"
    tls = client_context(
        folder / "tls.pem", folder / "tls.key.pem", running.root, check_hostname=False
    )
    client = replace(running.peer.client, tls=tls, _sessions={})

    try:
        with pytest.raises(TransportError, match=r"refuses this node's certificate \(unknown_ca\)"):
            async with client.call(HERE, "GET", "/axis/v1/node"):
                pass
    finally:
        await client.close()


async def test_a_new_anchor_is_in_force_without_a_restart(
    running: Running, another: Path, stranger: bytes
) -> None:
    """The entry names who and why, and is committed before; what was open stays open; whoever stands on
    the new one comes in."""
    assert await _described(running.peer) == 200
    with pytest.raises(aiohttp.ClientError):
        await _knocks(running, another)
    before = running.root.read_bytes()
    running.put(before + stranger)

    done = await running.desk.reload(OPERATOR, "hai gốc song song")

    assert done.added == (("roots", _sha256(stranger)),)
    assert (done.removed, done.closed) == ((), ())
    entry = running.events("trust-changed")[-1]
    assert (entry["by"], entry["why"]) == ("Người vận hành", "hai gốc song song")
    assert entry["added"] == {"roots": [_sha256(stranger)]}
    assert await _described(running.peer) == 200
    assert await _knocks(running, another) == 200


async def test_a_key_that_is_away_does_not_stop_a_change(
    running: Running, another: Path, stranger: bytes
) -> None:
    """The change holds; handshakes follow once the node's own files serve again and it is told so."""
    key = running.network.folder / "pki" / "nodes" / "tinh" / "tls.key.pem"
    away = key.rename(key.with_suffix(".away"))
    running.put(running.root.read_bytes() + stranger)

    done = await running.desk.reload(OPERATOR, "thêm gốc")

    assert done.added == (("roots", _sha256(stranger)),)
    with pytest.raises(aiohttp.ClientError):
        await _knocks(running, another)
    away.rename(key)
    assert (await running.desk.reload(OPERATOR, "khoá đã về")).added == ()
    assert await _knocks(running, another) == 200


async def test_nothing_is_in_force_before_it_is_durable(
    running: Running, stranger: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that cannot write leaves the old anchors."""
    before = running.desk.source.in_force()
    running.put(running.root.read_bytes() + stranger)

    async def full(*_: object) -> None:
        raise JournalError("no space")

    monkeypatch.setattr(type(running.desk.journal), "write", full)
    with pytest.raises(JournalError):
        await running.desk.reload(OPERATOR, "thử")

    assert running.desk.source.in_force() == before


async def test_a_dropped_anchor_closes_what_stood_on_it(running: Running, stranger: bytes) -> None:
    """The open connection at once, and no handshake succeeds any more."""
    assert await _described(running.peer) == 200
    (transport,) = running.node._connections._open
    running.put(stranger)

    done = await running.desk.reload(OPERATOR, "gốc cũ bị lộ")

    assert done.closed == ("xa",)
    assert transport.is_closing()
    with pytest.raises(Exception, match=r"(?i)ssl|certificate|disconnect|reset"):
        await _described(running.peer)


async def test_a_file_that_does_not_serve_changes_nothing(running: Running) -> None:
    """Told to whoever asked, shown afterwards, in the log once; the old anchors hold."""
    sound = running.root.read_bytes()
    running.put(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

    with pytest.raises(SettingsError):
        await running.desk.reload(OPERATOR, "thử")

    assert [one["count"] for one in running.events("trust-refused")] == [1]
    assert running.desk.show().problem is not None
    assert await _described(running.peer) == 200
    running.put(sound)
    await running.desk.reload(OPERATOR, "sửa lại")
    assert running.desk.show().problem is None
    assert len(running.events("trust-changed")) == 1


async def test_changed_files_are_found_by_themselves(running: Running, stranger: bytes) -> None:
    """Once they look the same twice: nobody's half-written file drops an anchor."""
    desk = running.desk
    desk.look_every = timedelta(seconds=0.01)
    looking = asyncio.create_task(desk.run())
    try:
        running.put(running.root.read_bytes() + stranger)
        async with asyncio.timeout(20):
            while len(running.events("trust-changed")) < 2:
                await asyncio.sleep(0.02)
    finally:
        looking.cancel()

    entry = running.events("trust-changed")[-1]
    assert (entry["by"], entry["added"]) == ("node", {"roots": [_sha256(stranger)]})


async def test_a_certificate_that_ended_ends_its_connections(running: Running) -> None:
    """The clock alone can do that: open connections are judged again and again."""
    assert await _described(running.peer) == 200
    connections = running.node._connections
    later = datetime.now(UTC) + timedelta(days=3650)
    connections.identify = NodePeers(running.peer.notary.trust, lambda: later)

    assert connections.judge_again() == ["xa"]


async def test_calls_go_on_over_a_new_connection(running: Running) -> None:
    """Of the caller's own, too: closed when the node that answers is no longer believed, and not used
    again while it is not."""
    peer = running.peer
    assert await _described(peer) == 200
    connections = peer.client.connections
    believed = connections.identify

    def nobody(_: object) -> NodeId:
        raise SignatureError("untrusted", "no path")

    connections.identify = nobody
    assert connections.judge_again() == ["tinh"]
    with pytest.raises(TransportError, match="no path"):
        await _described(peer)

    connections.identify = believed
    assert await _described(peer) == 200


async def test_who_is_not_believed_comes_again_over_a_new_connection(running: Running) -> None:
    """Only there can it show the certificate that it has meanwhile: on the one it has, which is in constant use,
    it would be refused for as long as it tries."""
    inside, outside = running.node._connections, running.peer.client.connections
    believed, shown = outside.identify, []

    def revoked(_: object) -> NodeId:
        raise SignatureError("revoked-certificate", "the tls certificate is revoked")

    def seen(chain: Any) -> NodeId:
        shown.append(chain)
        return NodeId(believed(chain))

    inside.identify, outside.identify = revoked, seen

    for attempt in range(1, 4):
        with pytest.raises(PeerError, match="the tls certificate is revoked"):
            await _described(running.peer)
        assert len(shown) == attempt


async def test_a_revoked_certificate_closes_its_connections(running: Running) -> None:
    """A node's own or its issuer's, by digest; another's closes nothing."""
    folder = running.network.folder / "pki"
    issuing = (folder / "branches" / "tinh-h01" / "ca.pem").read_bytes()
    assert await _described(running.peer) == 200

    assert running.node._connections.revoked(digest_of(b"another")) == []
    assert running.node._connections.revoked(digest_of(certificates_of(issuing)[0])) == ["xa"]


async def test_operators_see_and_renew_it_at_the_terminal(
    running: Running, stranger: bytes
) -> None:
    """`relay trust show` and `reload`, over the control socket."""
    config = str(running.hub.node.config)
    running.put(running.root.read_bytes() + stranger)

    renewed = await asyncio.to_thread(
        CliRunner().invoke, app, ["trust", "reload", "--why", "thêm gốc", "--config", config]
    )
    shown = await asyncio.to_thread(CliRunner().invoke, app, ["trust", "show", "--config", config])

    assert renewed.output.endswith(f"added   roots  {_sha256(stranger)}\n")
    assert shown.output.count("roots") == 2
    assert _sha256(stranger)[:16] in shown.output


async def test_a_reload_that_cannot_be_is_a_conflict(running: Running) -> None:
    """409 with the problem, by HTTP; nothing was changed."""
    running.put(b"no certificate")
    connector = aiohttp.UnixConnector(path=str(running.hub.node.control))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post("http://node/v1/trust/reload", json={"why": "thử"}) as response,
    ):
        problem = await response.json()

    assert response.status == 409
    assert "nothing was changed" in problem["detail"]


async def test_a_node_whose_own_certificate_is_revoked_is_not_ready(running: Running) -> None:
    """It accepts nothing, and says so to whoever would send it documents."""
    revoked = Verdict(RevocationState.REVOKED, "revoked since yesterday")
    assert running.node._ready() is None
    running.node._notary.revocation = Mock(told=lambda _: revoked)

    assert running.node._ready() == "this node's own sign certificate is revoked since yesterday"
