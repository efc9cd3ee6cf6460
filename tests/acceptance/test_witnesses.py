"""Real nodes that cosign each other's logs over mutual TLS."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.audit.checkpoint import origin_of, verify_note
from relay.audit.cosignature import Cosigner, cosignatures, cosigner_name
from relay.model import NodeId
from relay.offline import CONTROL_SOCKET
from relay.settings.reading import load
from relay.signing.keys import LogSigner, verify_log_signature
from tests.acceptance.pair import Pair, founded

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
