"""Real nodes that cosign each other's logs over mutual TLS."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.audit.checkpoint import origin_of, parse_vkey, verify_note
from relay.audit.cosignature import Cosigner, cosignatures, cosigner_name
from relay.audit.entries import parse
from relay.audit.epochs import SPAN
from relay.journal.fsck import Condition
from relay.model import NodeId
from relay.node.proving import make_proof_desk
from relay.offline import CONTROL_SOCKET, check_log_files
from relay.settings.reading import load
from relay.signing import pki
from relay.signing.bundle_words import Outcome
from relay.signing.keys import LogSigner, verify_log_signature
from relay.signing.log_proof import ProofJudge
from relay.signing.trust import TrustStore
from tests.acceptance.pair import PLANS, Pair, founded

pytestmark = [pytest.mark.slow]
EXTRA = "[log]\npublish_every = 0.2\n"


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with founded(tmp_path, EXTRA) as found:
        yield found


def _key(pair: Pair, name: str) -> LogSigner:
    section = load(pair.network.nodes[name].config).keys.log
    return LogSigner.load(section.certificate, section.key)


async def _ask(pair: Pair, name: str, path: str) -> tuple[int, bytes]:
    socket = pair.network.nodes[name].folder / "data" / CONTROL_SOCKET
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as session,
        session.get(f"http://node{path}") as response,
    ):
        return response.status, await response.read()


async def _overview(pair: Pair, name: str) -> dict[str, Any]:
    return dict(json.loads((await _ask(pair, name, "/v1/audit/witnesses"))[1]))


async def test_two_nodes_cosign_each_other(pair: Pair) -> None:
    """Each holds a head of its own with the other's cosignature, which holds under the key of the other's
    `log` certificate; a restart forgets none of it."""
    await pair.start("tinh")
    await pair.start("xa")
    for name, other in (("xa", "tinh"), ("tinh", "xa")):
        assert await _cosigned(pair, name, other)
    for name, other in (("xa", "tinh"), ("tinh", "xa")):
        overview = await _overview(pair, name)
        assert overview["alarms"] == []
        assert other in {one["log"] for one in overview["watched"]}
    size = (await _overview(pair, "tinh"))["watched"][0]["size"]

    await pair.stop("xa")
    await pair.start("xa")

    async def grown() -> bool:
        watched = (await _overview(pair, "tinh"))["watched"]
        return bool(watched and watched[0]["size"] > size)

    await pair.until(grown)
    assert (await _overview(pair, "tinh"))["alarms"] == []


async def _cosigned(pair: Pair, name: str, other: str) -> bool:
    """In the published checkpoint, and as the API gives the newest cosigned head."""
    own, its = _key(pair, name), _key(pair, other)
    cosigner = Cosigner(
        cosigner_name(NodeId(other)),
        its.public_key,
        partial(verify_log_signature, its.public_key),
    )

    async def there() -> bool:
        return _signed_by(cosigner, await _ask(pair, name, "/log/0/checkpoint")) and _signed_by(
            cosigner, await _ask(pair, name, "/v1/audit/checkpoint")
        )

    await pair.until(there)
    note = (await _ask(pair, name, "/log/0/checkpoint"))[1]
    checked = partial(verify_log_signature, own.public_key)
    verify_note(note, origin_of(NodeId(name)), own.public_key, checked)
    return len(cosignatures(note, cosigner)) == 1


def _signed_by(cosigner: Cosigner, answer: tuple[int, bytes]) -> bool:
    return answer[0] == 200 and len(cosignatures(answer[1], cosigner)) == 1


async def test_a_log_key_is_replaced_and_neighbours_follow(pair: Pair) -> None:
    """The whole way of an operator: a new certificate, the old key's file in log_before, one start. The log
    goes on in a new epoch; the neighbour cosigns it, and takes cosignatures by the new key."""
    await pair.start("tinh")
    await pair.start("xa")
    assert await _cosigned(pair, "xa", "tinh")
    await pair.stop("xa")
    proof = await asyncio.to_thread(_proof, pair, 0)
    before = _key(pair, "xa")
    _replace_log_key(pair, "xa")
    await pair.start("xa")

    async def followed() -> bool:
        watched = (await _overview(pair, "tinh"))["watched"]
        return any(one["log"] == "xa" and "/1-" in one["origin"] for one in watched)

    await pair.until(followed)
    its = _key(pair, "xa")
    cosigner = Cosigner(
        cosigner_name(NodeId("xa")), its.public_key, partial(verify_log_signature, its.public_key)
    )

    async def cosigned() -> bool:
        return _signed_by(cosigner, await _ask(pair, "tinh", "/v1/audit/checkpoint"))

    await pair.until(cosigned)
    for name in ("tinh", "xa"):
        overview = await _overview(pair, name)
        assert overview["alarms"] == []
    logs = json.loads((await _ask(pair, "xa", "/log/"))[1])["logs"]
    assert [parse_vkey(one["vkey"])[1] for one in logs] == [before.public_key, its.public_key]
    events = [parse(leaf) for (leaf,) in pair.rows("tinh", "SELECT leaf FROM entries")]
    assert "log-forked" not in {one["event"] for one in events}
    assert [one["neighbour"] for one in events if one["event"] == "log-key-changed"] == ["xa"]

    await pair.stop("xa")
    trust = TrustStore([pair.network.root.read_bytes()])
    for content in (proof, await asyncio.to_thread(_proof, pair, 0), _proof(pair, SPAN)):
        steps = list(ProofJudge(content, trust).steps())
        assert Outcome.REFUSED not in {one.outcome for one in steps}
    states = check_log_files(pair.network.nodes["xa"].config)
    assert {one.condition for one in states} == {Condition.HOLDS}, states


def _proof(pair: Pair, index: int) -> bytes:
    settings = load(pair.network.nodes["xa"].config)
    key = _key(pair, "xa")
    return make_proof_desk(settings, key, lambda: key.chain).prover.entry(index)


def _replace_log_key(pair: Pair, name: str) -> None:
    node = pair.network.nodes[name]
    section = load(node.config).keys.log
    authority, now = pair.network.folder / "pki", datetime.now(UTC) - timedelta(minutes=1)
    place = authority / "nodes" / name
    place.rename(place.with_name("before"))
    pki.issue_node(authority, name, PLANS[1].branch, key=pki.KeyType.P256, now=now, days=20)
    fresh = [(place / one).read_bytes() for one in ("log.pem", "log.key.pem")]
    shutil.rmtree(place)
    place.with_name("before").rename(place)
    old = section.key.with_name("log.before.key.pem")
    shutil.copy2(section.key, old)
    section.certificate.write_bytes(fresh[0])
    section.key.write_bytes(fresh[1])
    text = node.config.read_text(encoding="utf-8")
    key = json.dumps(str(old))
    node.config.write_text(
        text.replace("[keys.log]", f"[keys]\nlog_before = [{key}]\n\n[keys.log]")
    )
