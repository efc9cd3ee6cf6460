"""The kit's timestamp authority: it answers only what is expected, and its spoilt answers are refused for one reason each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from relay.conformance import timestamping
from relay.conformance.credentials import Authority
from relay.conformance.stamped import SPOILT
from relay.conformance.timestamping import Stamp, Stampers, TimestampAuthority, honest
from relay.errors import SignatureError
from relay.model import digest_of
from relay.signing import pki
from relay.signing.faults import Fault
from relay.signing.timestamps import ProvenTimestamp, TimestampRequest, TimestampTrust, ask
from relay.signing.trust import TrustStore
from relay.transport.timestamping import QUERY, REPLY

CONTENT, POLICY = b"<ds:SignatureValue>AAAA</ds:SignatureValue>", "1.2.3.4"
REASONS: dict[Stamp, Fault | None] = {
    timestamping.of_another_nonce: Fault.WRONG_NONCE,
    timestamping.of_no_nonce: Fault.WRONG_NONCE,
    timestamping.not_granted: Fault.BAD_TIMESTAMP,
    timestamping.of_other_bytes: Fault.WRONG_IMPRINT,
    timestamping.of_another_policy: None,
    timestamping.by_nobody_known: Fault.UNTRUSTED,
    timestamping.by_no_authority: Fault.WRONG_PURPOSE,
    timestamping.with_bad_signature: Fault.BAD_SIGNATURE,
}


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("kit") / "pki")
    pki.init(made.folder, name="Kit", key=pki.KeyType.P256, now=datetime.now(UTC), days=9)
    return made


@pytest.fixture
def authority(ca: Authority) -> TimestampAuthority:
    return TimestampAuthority(Stampers(ca, POLICY))


@pytest.fixture
async def client(authority: TimestampAuthority) -> AsyncIterator[TestClient]:  # type: ignore[type-arg]
    async with TestClient(TestServer(authority.app())) as made:
        yield made


class Node:
    """Who asks, and proves what it is answered under the kit's root."""

    def __init__(self, client: TestClient, root: Path) -> None:  # type: ignore[type-arg]
        self.client, self.trust = client, TimestampTrust(TrustStore([root.read_bytes()]))

    async def asks(self, request: TimestampRequest) -> tuple[bytes, ProvenTimestamp]:
        answer = await self.client.post(
            "/tsa", data=request.content, headers={"Content-Type": QUERY}
        )
        assert (answer.status, answer.content_type) == (200, REPLY)
        return self.trust.answered(await answer.read(), request)


@pytest.fixture
def node(client: TestClient, ca: Authority) -> Node:  # type: ignore[type-arg]
    return Node(client, ca.root)


async def test_an_honest_answer_holds_and_its_token_is_known(
    authority: TimestampAuthority, node: Node
) -> None:
    expected = authority.expect(digest_of(CONTENT), honest)
    token, proven = await node.asks(ask(CONTENT))
    assert (expected.given, proven.policy) == ([token], POLICY)
    (asked,) = authority.asked
    assert (asked.method, asked.content_type, asked.algorithm) == ("POST", QUERY, "sha256")
    assert asked.nonce is not None
    assert asked.wants_certificate


@pytest.mark.parametrize("stamp", SPOILT, ids=lambda one: one.__name__)
async def test_a_spoilt_answer_is_refused_for_one_reason(
    authority: TimestampAuthority, node: Node, stamp: Stamp
) -> None:
    authority.expect(digest_of(CONTENT), stamp)
    if (reason := REASONS[stamp]) is None:
        _, proven = await node.asks(ask(CONTENT))
        assert proven.policy != POLICY
        return
    with pytest.raises(SignatureError) as refused:
        await node.asks(ask(CONTENT))
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "body",
    [b"", b"\x30", b"\x30\x00", b"junk", ask(b"another").content],
    ids=["nothing", "cut", "empty", "junk", "another"],
)
async def test_whatever_else_is_asked_is_put_off_and_kept(
    authority: TimestampAuthority,
    client: TestClient,  # type: ignore[type-arg]
    body: bytes,
) -> None:
    authority.expect(digest_of(CONTENT), honest)
    answer = await client.post("/", data=body)
    assert answer.status == 503
    assert [one.body for one in authority.asked] == [body]
    assert (authority.asked[0].question is None) == (len(body) < 20)
