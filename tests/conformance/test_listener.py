"""The kit's own listener: honest unless it is told otherwise, and whoever waits for a transfer is woken by it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography import x509

from relay.conformance import credentials
from relay.conformance.exchanges import Exchanges
from relay.conformance.listener import DECLINED_WORDS, Listener, lost, saying
from relay.conformance.peer import CONTAINER_LIMIT_BYTES
from relay.conformance.requested import Arrived, parts_of
from relay.conformance.subject import Kit, Subject
from relay.conformance.witness import Witness
from relay.model import AgencyCode, Event, NodeId
from relay.signing.evidence import verify_receipt
from relay.signing.trust import TrustStore
from relay.wire.attached import write_proofs
from relay.wire.container import read_receipts
from relay.wire.receipt import read_receipt
from relay.wire.transfer import read_transfer

VECTORS = Path(__file__).parents[1] / "vectors" / "conformance"
FOLDER = VECTORS / "W4.3-to-the-letter-huyen-h98-11"
REQUEST = (FOLDER / "002.request").read_bytes()
HEADER = read_transfer(parts_of(REQUEST)["transfer.xml"])
KIND = json.loads((FOLDER / "002.json").read_bytes())["request"]["headers"]["Content-Type"]


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> credentials.Credentials:
    return credentials.stranger(tmp_path_factory.mktemp("k"), "kit-h98-11", datetime.now(UTC))


@pytest.fixture
def listener(mine: credentials.Credentials) -> Listener:
    node, agency = NodeId("kit-h98-11"), AgencyCode("H98.11.91")
    return Listener(node, agency, mine.signer(), Exchanges(), Witness(mine.log_signer()))


@pytest.fixture
async def client(listener: Listener) -> AsyncIterator[TestClient]:  # type: ignore[type-arg]
    async with TestClient(TestServer(listener.app())) as made:
        yield made


async def sent(client: TestClient) -> tuple[int, bytes]:  # type: ignore[type-arg]
    headers = {"Content-Type": KIND}
    async with client.post("/axis/v1/transfers", data=REQUEST, headers=headers) as answer:
        return answer.status, await answer.read()


async def test_the_honest_answer_is_a_proven_receipt_and_the_same_again(
    listener: Listener,
    client: TestClient,  # type: ignore[type-arg]
    mine: credentials.Credentials,
) -> None:
    first, second = await sent(client), await sent(client)
    assert first == second
    (signed,) = read_receipts(first[1], CONTAINER_LIMIT_BYTES)
    receipt = verify_receipt(signed, TrustStore([mine.root.read_bytes()]), None)
    assert receipt.transfer_id == HEADER.transfer_id
    assert [one.event for one in receipt.evidence] == [
        Event.RELAY_ACCEPTANCE,
        Event.CONTENT_CONSIGNMENT,
    ]
    assert len(listener.arrived) == 2
    assert listener.exchanges.held[0].answer == first[1]
    assert listener.exchanges.held[0].answer_headers["Content-Type"].startswith("application/vnd")


async def test_a_transfer_whose_answer_is_lost_is_known_at_once(
    listener: Listener,
    client: TestClient,  # type: ignore[type-arg]
) -> None:
    """Else whoever waits for it waits as long as it may, and the node comes again and again."""
    with listener.answering(lost):
        waiting = asyncio.create_task(listener.transfer_of(HEADER.digest, seconds=5))
        await asyncio.sleep(0)  # it waits by now
        with pytest.raises(aiohttp.ClientError):
            await sent(client)
        async with asyncio.timeout(2):
            assert (await waiting).header == HEADER


async def test_an_answer_of_another_kind_is_given_as_long_as_it_is_told(
    listener: Listener,
    client: TestClient,  # type: ignore[type-arg]
) -> None:
    with listener.answering(saying(503)):
        assert (await sent(client))[0] == 503
    assert (await sent(client))[0] == 200


@pytest.mark.parametrize(
    ("listen", "name"),
    [
        ("kit.example:9001", x509.DNSName("kit.example")),
        ("kit-9:9001", x509.DNSName("kit-9")),
        ("127.0.0.1:9001", "127.0.0.1"),
        ("[::1]:9001", "::1"),
    ],
)
def test_the_kits_certificate_names_where_it_listens(
    tmp_path: Path, listen: str, name: object
) -> None:
    kit = Kit(node="kit-a", agency="H98.9", listen=listen)
    subject = Subject(id="a", roots=tmp_path, agency="H98", kit=kit)
    made = credentials.prepare(tmp_path, (subject, subject), datetime.now(UTC)).of("kit-a")
    found = x509.load_pem_x509_certificate(made.file("tls").read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    told = {*names, *(str(one) for one in names.get_values_for_type(x509.IPAddress))}
    assert name in told


async def test_what_is_declined_is_refused_and_not_among_what_came(
    listener: Listener,
    client: TestClient,  # type: ignore[type-arg]
) -> None:
    """Whatever an assertion has it answer; another document is not meant, and afterwards this one is taken."""
    with listener.declining(HEADER.digest) as attempts, listener.answering(saying(503)):
        status, body = await sent(client)
        assert (status, DECLINED_WORDS.encode() in body) == (422, True)
        assert (len(attempts), listener.arrived) == (1, [])
    with listener.declining("0" * 64) as attempts:
        assert (await sent(client))[0] == 200
        assert (attempts, len(listener.arrived)) == ([], 1)
    assert (await sent(client))[0] == 200


async def test_what_it_always_says_is_left_out_by_an_earlier_release_alone(
    listener: Listener,
    client: TestClient,  # type: ignore[type-arg]
) -> None:
    async def said() -> list[str]:
        async with client.get("/axis/v1/node") as answer:
            found: list[str] = (await answer.json())["capabilities"]
            return found

    listener.always.append("passages")
    listener.capabilities = ["directory"]
    assert await said() == ["directory", "passages"]
    with listener.of_an_earlier_release():
        assert await said() == []


async def test_each_proof_has_the_answer_that_is_said_of_it(
    listener: Listener,
    client: TestClient,  # type: ignore[type-arg]
) -> None:
    async def answers() -> list[str]:
        async with client.post("/axis/v1/proofs", data=write_proofs([b"a", b"b"])) as answer:
            return [one["answer"] for one in (await answer.json())["proofs"]]

    with listener.saying_of_proofs(lambda proof: "later" if proof == b"b" else "kept"):
        assert await answers() == ["kept", "later"]
    assert await answers() == ["kept", "kept"]
    assert listener.proofs == [b"a", b"b"] * 2
    assert [one.request for one in listener.proof_calls] == [write_proofs([b"a", b"b"])] * 2


async def test_what_is_no_transfer_is_refused_and_told(
    listener: Listener,
    client: TestClient,  # type: ignore[type-arg]
) -> None:
    """A judged node may send anything: nothing of it is an accident of the kit's."""
    bodies = (
        ("/axis/v1/transfers", b"nothing"),
        ("/axis/v1/transfers", REQUEST.replace(b"<seal.xml>", b"<leas.xml>")),
        ("/axis/v1/receipts", b"<Receipts"),
        ("/axis/v1/proofs", b"\xff"),
    )
    for path, body in bodies:
        async with client.post(path, data=body) as answer:
            assert answer.status == 400, path
    assert all(one.fault for one in listener.exchanges.held)
    assert listener.arrived == []


async def test_what_a_node_says_in_a_run_is_bounded(
    listener: Listener,
    client: TestClient,  # type: ignore[type-arg]
) -> None:
    listener.room_bytes = 2 * len(REQUEST)
    assert (await sent(client))[0] == 200
    assert (await sent(client))[0] == 503
    assert len(listener.arrived) == 1


# ---------------------------------------------------------------- several transfers of one request

MARK: bytes = b"--" + KIND.partition('boundary="')[2].partition('"')[0].encode()


def another() -> bytes:
    """The same transfer with another id, whoever may prove it."""
    changed: bytes = (HEADER.transfer_id[:-4] + "0000").encode()
    return REQUEST.replace(HEADER.transfer_id.encode(), changed)


def behind_each_other(*bodies: bytes) -> bytes:
    ends = [body.rstrip().removesuffix(MARK + b"--") for body in bodies]
    return b"".join(ends) + MARK + b"--\r\n"


async def answered(
    client: TestClient,  # type: ignore[type-arg]
    body: bytes,
) -> tuple[int, Sequence[str | None], str | None]:
    """Status, the transfers that have a receipt, and what is said of shared headers."""
    async with client.post(
        "/axis/v1/transfers", data=body, headers={"Content-Type": KIND}
    ) as answer:
        found = await answer.read() if answer.status == 200 else b""
        receipts = read_receipts(found, CONTAINER_LIMIT_BYTES) if found else []
        ids = [read_receipt(one.document).transfer_id for one in receipts]
        return answer.status, ids, answer.headers.get("Relay-Batched-Transfers")


async def test_transfers_of_one_request_are_answered_in_their_order(
    listener: Listener,
    client: TestClient,  # type: ignore[type-arg]
) -> None:
    both = behind_each_other(REQUEST, another())
    first, second = HEADER.transfer_id, HEADER.transfer_id[:-4] + "0000"
    assert await answered(client, both) == (200, [first, second], None)
    assert [one.together for one in listener.arrived] == [2, 2]
    assert [one.envelope for one in listener.arrived] == [parts_of(REQUEST)["envelope.edxml"]] * 2


async def test_the_first_that_is_refused_ends_the_request(
    listener: Listener,
    client: TestClient,  # type: ignore[type-arg]
) -> None:
    """And all of them came."""
    first = HEADER.transfer_id

    async def refuse(arrived: Arrived) -> web.StreamResponse:
        if arrived.header.transfer_id == first:
            return await saying(422)(arrived)
        return listener.honestly(arrived)

    with listener.answering(refuse):
        there = await answered(client, behind_each_other(another(), REQUEST))
        assert there == (200, [first[:-4] + "0000"], None)
        assert (await answered(client, behind_each_other(REQUEST, another())))[0] == 422
    assert len(listener.arrived) == 4


async def test_it_says_that_headers_may_share_a_signature_only_where_it_is_told(
    listener: Listener,
    client: TestClient,  # type: ignore[type-arg]
) -> None:
    with listener.taking_several(shared=True):
        assert (await answered(client, REQUEST))[2] == "1"
        assert listener.described()["transfers_a_request"] == 16
    with listener.taking_several(shared=False):
        assert (await answered(client, REQUEST))[2] is None
    assert (await answered(client, REQUEST))[2] is None
    assert listener.described()["transfers_a_request"] == 1
