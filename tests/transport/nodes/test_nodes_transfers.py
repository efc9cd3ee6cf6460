"""What becomes of a transfer: taken once, refused with evidence, or put off with nothing stored."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from relay.delivery.ports import Answering, InboxQuery
from relay.demo.native import at_socket
from relay.envelope.writer import StatusMessage, write_status
from relay.errors import ConflictError, PeerError, TransportError, UnansweredError
from relay.model import (
    Event,
    MessageId,
    MessageType,
    NodeId,
    Party,
    Priority,
    Reason,
    ResponseFor,
    TraceStep,
    TransferId,
    digest_of,
)
from relay.transport.nodes import parts
from relay.wire.container import read_receipts

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = NodeId("tinh")
FUTURE = timedelta(minutes=20)


async def _post(peer: Any, url: str, body: bytes, **headers: str) -> tuple[int, bytes]:
    async with (
        peer.session() as session,
        session.post(f"{url}/axis/v1/transfers", data=body, headers=headers) as response,
    ):
        return response.status, await response.read()


def _noted(hub: Any, message_id: str) -> list[str]:
    return [e["event"] for e in hub.entries() if e.get("message") == message_id]


async def _refused(peer: Any, transfer: Any) -> dict[str, Reason | None]:
    """The reasons of the signed answer, by recipient; every event of it is a rejection."""
    receipt = await peer.carry(transfer)
    assert {e.event for e in receipt.evidence} == {Event.RELAY_REJECTION}
    return {e.recipient: e.reason for e in receipt.evidence}


async def test_a_transfer_is_answered_with_a_receipt_for_each_recipient(hub: Any) -> None:
    """Bound to id, digest, recipient and hop, it is available here and on its way elsewhere."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(recipients=["H01", "H01.16", "G22"])
    header = transfer.header

    receipt = await xa.carry(transfer)

    assert (receipt.issuer, receipt.sent_by, receipt.origin) == ("tinh", "xa", "xa")
    assert (receipt.message_id, receipt.digest, receipt.transfer_id) == (
        header.message_id,
        header.digest,
        header.transfer_id,
    )
    assert [(e.recipient, e.event) for e in receipt.evidence] == [
        ("H01", Event.RELAY_ACCEPTANCE),
        ("H01", Event.CONTENT_CONSIGNMENT),
        ("H01.16", Event.RELAY_ACCEPTANCE),
        ("G22", Event.RELAY_ACCEPTANCE),
    ]
    assert {e.previous for e in receipt.evidence} == {header.trace[-1].receipt}
    assert hub.states(header.message_id)["H01"] == "available"


async def test_the_same_transfer_again_gets_the_same_bytes(hub: Any) -> None:
    """A repeat adds nothing, and its answer is the first one to the byte, asked for or not."""
    xa = hub.peers["xa"]
    transfer = xa.transfer()
    first = await xa.client.carry(HERE, transfer.signed, transfer.seal, transfer.payload)
    noted = _noted(hub, transfer.header.message_id)

    again = await xa.client.carry(HERE, transfer.signed, transfer.seal, transfer.payload)
    asked = await xa.client.ask(HERE, transfer.header.transfer_id)

    assert again == first == asked
    assert _noted(hub, transfer.header.message_id) == noted
    assert len(hub.states(transfer.header.message_id)) == 1


async def test_an_answer_is_told_only_to_the_neighbour_it_was_given(hub: Any) -> None:
    """Knowing a transfer's id is no right to its receipt; an unknown one is simply not there."""
    xa, xb = hub.peers["xa"], hub.peers["xb"]
    transfer = xa.transfer()
    await xa.carry(transfer)

    assert await xb.client.ask(HERE, transfer.header.transfer_id) is None
    assert await xa.client.ask(HERE, TransferId(xa.clock.mint())) is None


async def test_another_transfer_of_a_message_delivers_only_what_is_new(hub: Any) -> None:
    """Recipients that stand here already are accepted again and not doubled."""
    xa = hub.peers["xa"]
    first = xa.transfer(recipients=["H01"])
    await xa.carry(first)
    second = xa.transfer(
        first.content, recipients=["H01", "H01.9"], message_id=first.header.message_id
    )

    receipt = await xa.carry(second)

    assert {e.event for e in receipt.evidence} == {
        Event.RELAY_ACCEPTANCE,
        Event.CONTENT_CONSIGNMENT,
    }
    assert hub.states(first.header.message_id) == {"H01": "available", "H01.9": "available"}
    assert len(hub.rows("SELECT 1 FROM messages WHERE digest = ?", first.header.digest)) == 1


async def test_many_copies_at_once_deliver_once(hub: Any) -> None:
    """Repeats that overtake each other find one message and get one answer."""
    xa = hub.peers["xa"]
    transfer = xa.transfer()

    answers = await asyncio.gather(
        *(
            xa.client.carry(HERE, transfer.signed, transfer.seal, transfer.payload)
            for _ in range(12)
        )
    )

    assert len(set(answers)) == 1
    assert hub.states(transfer.header.message_id) == {"H01": "available"}


async def test_the_operator_can_be_shown_every_refusal_that_was_signed(hub: Any) -> None:
    """Nothing of the message is kept here, but the evidence is, and its issuer can produce it."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(recipients=["H99"])
    answer = await xa.client.carry(HERE, transfer.signed, transfer.seal, transfer.payload)
    assert hub.is_unknown(transfer) is False  # the arrival with its answer stands

    async with at_socket(hub.node.control) as operator:
        shown = await operator.receipt(answer.digest)

    assert read_receipts(shown, 1 << 20) == (answer,)


# ---------------------------------------------------------------- refused without evidence


async def test_a_header_signed_by_another_node_is_refused(hub: Any) -> None:
    """The neighbour on the wire and the signer of the header are one and the same."""
    xa, xb = hub.peers["xa"], hub.peers["xb"]
    transfer = xa.transfer(signer=xb)

    with pytest.raises(PeerError, match="422"):
        await xa.carry(transfer)
    assert hub.is_unknown(transfer)


async def test_anothers_transfer_is_not_carried_for_it(hub: Any) -> None:
    """A sound transfer of xb in the hands of xa is nobody's."""
    xa, xb = hub.peers["xa"], hub.peers["xb"]
    transfer = xb.transfer()

    with pytest.raises(PeerError, match="422"):
        await xa.carry(transfer)
    assert hub.is_unknown(transfer)


async def test_a_transfer_for_another_node_is_refused(hub: Any) -> None:
    """What was addressed elsewhere cannot be replayed here."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(sent_to=NodeId("tw"))

    with pytest.raises(PeerError, match="is for tw, not tinh"):
        await xa.carry(transfer)
    assert hub.is_unknown(transfer)


async def test_a_transfer_id_with_another_header_is_refused(hub: Any) -> None:
    """What was frozen once stays as it was; the first answer is not given for it."""
    xa = hub.peers["xa"]
    first = xa.transfer()
    await xa.carry(first)
    other = xa.transfer(first.content, recipients=["H01.9"], transfer_id=first.header.transfer_id)

    with pytest.raises(ConflictError):
        await xa.carry(other)
    status, _ = await _post(xa, hub.url, other.short_body)
    assert status == 409
    assert "H01.9" not in hub.states(first.header.message_id)


async def test_a_refused_neighbour_stands_in_the_log(hub: Any) -> None:
    """Refusals of authenticated peers are entries; an envelope still to come is no refusal."""
    xa = hub.peers["xa"]
    before = hub.size()
    status, _ = await _post(xa, hub.url, xa.transfer().short_body)
    assert status == 404
    assert hub.size() == before

    with pytest.raises(PeerError):
        await xa.carry(xa.transfer(sent_to=NodeId("tw")))

    (entry,) = hub.entries(before)
    assert (entry["event"], entry["neighbour"]) == ("peer-refused", "xa")


# ---------------------------------------------------------------- put off


async def test_a_clock_ahead_is_asked_to_come_again(hub: Any) -> None:
    """Nothing is stored and nothing is proven: one of the two clocks is wrong."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(created_at=xa.clock.now() + FUTURE)

    with pytest.raises(TransportError, match="503") as refused:
        await xa.carry(transfer)

    assert not isinstance(refused.value, UnansweredError)
    assert hub.is_unknown(transfer)


@pytest.mark.parametrize("kept", [0.3, 0.9])
async def test_a_body_that_broke_off_may_come_again(hub: Any, kept: float) -> None:
    """A cut transfer is no lie: 503, nothing stored, and the same transfer succeeds later."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(xa.document(padding_bytes=200_000))
    cut = transfer.body[: int(len(transfer.body) * kept)]

    status, _ = await _post(xa, hub.url, cut)

    assert status == 503
    assert hub.is_unknown(transfer)
    assert (await xa.carry(transfer)).evidence[0].event is Event.RELAY_ACCEPTANCE


async def test_a_connection_lost_in_the_middle_stores_nothing(hub: Any) -> None:
    """The socket dies with half the envelope on it."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(xa.document(padding_bytes=200_000))
    port = hub.node.nodes_port
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=xa.tls)
    head = (
        f"POST /axis/v1/transfers HTTP/1.1\r\nHost: tinh\r\nContent-Type: {parts.CONTENT_TYPE}\r\n"
        f"Content-Length: {len(transfer.body)}\r\n\r\n"
    )
    writer.write(head.encode() + transfer.body[:100_000])
    await writer.drain()
    writer.transport.abort()

    assert hub.is_unknown(transfer)
    assert (await xa.carry(transfer)).evidence[0].event is Event.RELAY_ACCEPTANCE


async def test_what_is_being_taken_in_is_not_said_to_be_unknown(hub: Any) -> None:
    """A "never seen" would let the asker end or redirect what is durable here a moment later."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(xa.document(padding_bytes=200_000))
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.node.nodes_port, ssl=xa.tls)
    head = (
        f"POST /axis/v1/transfers HTTP/1.1\r\nHost: tinh\r\nContent-Type: {parts.CONTENT_TYPE}\r\n"
        f"Content-Length: {len(transfer.body)}\r\n\r\n"
    )
    assert await xa.client.ask(HERE, transfer.header.transfer_id) is None

    writer.write(head.encode() + transfer.body[:100_000])
    await writer.drain()
    async with asyncio.timeout(10):
        while not await _is_busy_with(xa, transfer.header.transfer_id):
            await asyncio.sleep(0.01)
    writer.write(transfer.body[100_000:])
    assert b"200 OK" in await reader.readline()
    writer.close()

    assert await xa.client.ask(HERE, transfer.header.transfer_id) is not None


async def _is_busy_with(peer: Any, transfer_id: TransferId) -> bool:
    try:
        assert await peer.client.ask(HERE, transfer_id) is None
    except UnansweredError:
        raise
    except TransportError:
        return True
    return False


# ---------------------------------------------------------------- refused with evidence


async def test_other_bytes_under_a_message_id_are_a_conflict(hub: Any) -> None:
    """A signed refusal and an alert in the log; what stands here stays as it is."""
    xa = hub.peers["xa"]
    first = xa.transfer()
    await xa.carry(first)
    before = hub.size()
    other = xa.transfer(xa.document("2"), message_id=first.header.message_id)

    assert await _refused(xa, other) == {"H01": Reason.CONFLICT}

    assert "conflict-alert" in {e["event"] for e in hub.entries(before)}
    digest = hub.rows("SELECT digest FROM messages WHERE message_id = ?", first.header.message_id)
    assert digest == [(first.header.digest,)]


async def test_bytes_that_are_not_the_headers_are_refused(hub: Any) -> None:
    """The digest in the signed header is what was to come."""
    xa = hub.peers["xa"]
    content = xa.document()
    transfer = xa.transfer(content, digest=digest_of(b"other"))

    assert await _refused(xa, transfer) == {"H01": Reason.BAD_TRANSFER}


async def test_more_bytes_than_the_header_says_are_refused(hub: Any) -> None:
    """The signed size bounds what is read."""
    xa = hub.peers["xa"]
    content = xa.document()

    assert await _refused(xa, xa.transfer(content, size_bytes=len(content) - 10)) == {
        "H01": Reason.BAD_TRANSFER
    }


@pytest.mark.parametrize(
    "content", [b"not XML at all", b"<edXML/>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>"]
)
async def test_an_envelope_that_cannot_be_read_is_refused(hub: Any, content: bytes) -> None:
    """The neighbour should have refused it itself; the sender learns why."""
    xa = hub.peers["xa"]

    assert await _refused(xa, xa.transfer(content)) == {"H01": Reason.BAD_ENVELOPE}


async def test_a_long_broken_envelope_is_refused_and_not_waited_for(hub: Any) -> None:
    """However early its fault, all of it is read: it did not break off, it is wrong."""
    xa = hub.peers["xa"]

    assert await _refused(xa, xa.transfer(b"<a>" * 200_000)) == {"H01": Reason.BAD_ENVELOPE}


async def test_a_seal_over_other_bytes_is_refused(hub: Any) -> None:
    """What the sender sealed is not what came."""
    xa = hub.peers["xa"]

    assert await _refused(xa, xa.transfer(sealed_as=b"something else")) == {"H01": Reason.BAD_SEAL}


async def test_a_seal_of_another_node_than_the_origin_is_refused(hub: Any) -> None:
    """A node seals only what entered at it."""
    xa, xb = hub.peers["xa"], hub.peers["xb"]
    content = xa.document()
    foreign = xb.notary.seal(digest_of(content), xb.agency, xb.clock.now()).signature

    assert await _refused(xa, xa.transfer(content, seal=foreign)) == {"H01": Reason.BAD_SEAL}


async def test_a_seal_that_is_no_seal_is_refused(hub: Any) -> None:
    xa = hub.peers["xa"]

    assert await _refused(xa, xa.transfer(seal=b"<Signature/>")) == {"H01": Reason.BAD_SEAL}


async def test_an_unknown_recipient_is_refused_and_the_others_are_taken(hub: Any) -> None:
    """Each recipient has its own verdict in the one answer."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(recipients=["H01", "H63.1", "H01.9"])

    receipt = await xa.carry(transfer)

    verdicts = {(e.recipient, e.event, e.reason) for e in receipt.evidence}
    assert ("H63.1", Event.RELAY_REJECTION, Reason.UNKNOWN_RECIPIENT) in verdicts
    assert hub.states(transfer.header.message_id) == {"H01": "available", "H01.9": "available"}


async def test_a_way_that_leads_back_is_refused(hub: Any) -> None:
    """What lies behind the neighbour that sends it would only come again."""
    xa = hub.peers["xa"]

    assert await _refused(xa, xa.transfer(recipients=["H01.15"])) == {"H01.15": Reason.UNREACHABLE}


async def test_a_trace_that_names_this_node_is_a_loop(hub: Any) -> None:
    """It was here before."""
    xb = hub.peers["xb"]
    now = xb.clock.now()
    trace = tuple(TraceStep(NodeId(n), now, digest_of(n.encode())) for n in ("xa", "tinh", "xb"))
    transfer = xb.transfer(origin=NodeId("xa"), trace=trace)

    assert await _refused(xb, transfer) == {"H01": Reason.LOOP}


async def test_what_began_here_does_not_come_in_again(hub: Any) -> None:
    """A message of our own origin from a neighbour is a loop, whatever its trace leaves out."""
    xb = hub.peers["xb"]
    now = xb.clock.now()
    trace = tuple(TraceStep(NodeId(n), now, digest_of(b"")) for n in ("tinh", "xb"))

    assert await _refused(xb, xb.transfer(origin=HERE, trace=trace)) == {"H01": Reason.LOOP}


def _wandered(peer: Any, hops: int) -> tuple[TraceStep, ...]:
    """A trace that leads from this neighbour back to it, over as many nodes."""
    now = peer.clock.now()
    names = [peer.name, *(f"n{i}" for i in range(hops - 2)), peer.name]
    return tuple(TraceStep(NodeId(name), now, digest_of(b"")) for name in names)


async def test_the_sixteenth_hop_may_end_at_its_recipient(hub: Any) -> None:
    """A trace of sixteen steps has come by as many hops, which is the limit and not over it."""
    xa = hub.peers["xa"]
    receipt = await xa.carry(xa.transfer(trace=_wandered(xa, 16)))

    assert [e.event for e in receipt.evidence] == [
        Event.RELAY_ACCEPTANCE,
        Event.CONTENT_CONSIGNMENT,
    ]


async def test_a_seventeenth_hop_is_refused_and_not_made(hub: Any) -> None:
    """With evidence: who came by one too many, and at the sixteenth whoever lies further on."""
    xa = hub.peers["xa"]
    assert await _refused(xa, xa.transfer(trace=_wandered(xa, 17))) == {"H01": Reason.TOO_MANY_HOPS}

    receipt = await xa.carry(xa.transfer(recipients=("H01", "G22"), trace=_wandered(xa, 16)))
    judged = {e.recipient: e.reason for e in receipt.evidence}
    assert judged == {"H01": None, "G22": Reason.TOO_MANY_HOPS}


async def test_an_expired_transfer_is_refused(hub: Any) -> None:
    """Its sender gives it up at that moment, so nobody may take it later."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(expires_at=xa.clock.now() - timedelta(seconds=1))

    assert await _refused(xa, transfer) == {"H01": Reason.EXPIRED}


async def test_more_than_this_node_takes_is_refused_by_its_size_alone(hub: Any) -> None:
    """The neighbour need not send it first, neither ahead nor in the body."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(b"<edXML/>", size_bytes=9 << 20)

    status, body = await _post(xa, hub.url, transfer.short_body)

    assert status == 200
    receipt = xa.notary.check_receipt(read_receipts(body, 1 << 20)[0], datetime.now(UTC))
    assert [(e.event, e.reason) for e in receipt.evidence] == [
        (Event.RELAY_REJECTION, Reason.TOO_LARGE)
    ]


async def test_a_trace_that_does_not_end_at_its_sender_is_refused(hub: Any) -> None:
    """The last step is the neighbour's own."""
    xa = hub.peers["xa"]
    now = xa.clock.now()
    trace = (TraceStep(xa.name, now, digest_of(b"")), TraceStep(NodeId("xb"), now, digest_of(b"")))

    assert await _refused(xa, xa.transfer(trace=trace)) == {"H01": Reason.BAD_TRANSFER}


async def test_a_sender_that_is_not_the_documents_is_refused(hub: Any) -> None:
    """From in the envelope and in the header name one agency."""
    xb = hub.peers["xb"]
    transfer = xb.transfer(hub.peers["xa"].document())

    assert await _refused(xb, transfer) == {"H01": Reason.BAD_TRANSFER}


async def test_the_refusal_of_a_transfer_is_given_again(hub: Any) -> None:
    """A negative answer is as final as a positive one, and has the same bytes each time."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(b"not XML")
    first = await xa.client.carry(HERE, transfer.signed, transfer.seal, transfer.payload)

    assert await xa.client.carry(HERE, transfer.signed, transfer.seal, transfer.payload) == first
    assert await xa.client.ask(HERE, transfer.header.transfer_id) == first


# ---------------------------------------------------------------- garbage


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.binary(max_size=300))
@example(body=b"")
@example(body=f"--{parts.BOUNDARY}\r\n".encode())
@example(body=f"--{parts.BOUNDARY}--\r\n".encode())
@example(body=f"--{parts.BOUNDARY}\r\n\r\n\r\n--{parts.BOUNDARY}--\r\n".encode())
@example(
    body=f"--{parts.BOUNDARY}\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n".encode()
)
async def test_any_bytes_are_a_problem_and_never_a_fault(hub: Any, body: bytes) -> None:
    """Whatever comes as the body of a transfer, the answer is a refusal of the neighbour's bytes,
    or that they broke off."""
    status, _ = await _post(hub.peers["xb"], hub.url, body)

    assert 400 <= status < 500 or status == 503


_NAMES = ("transfer.xml", "transfer-signature.xml", "seal.xml", "envelope.edxml")
_part = st.tuples(
    st.sampled_from([*_NAMES, "", "x", "é"]),
    st.sampled_from(["", "0", "5", "-1", "99999999999999999999", "٣", "1e3", "+5"]),
    st.sampled_from(["", "base64", "quoted-printable", "gzip", "nonsense"]),
    st.sampled_from(["application/xml", "multipart/mixed; boundary=q", ";;;", ""]),
    st.binary(max_size=40),
)


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(made=st.lists(_part, max_size=6), tail=st.sampled_from([b"", b"--", b"\r\n", b"--\r\n"]))
async def test_any_parts_are_a_problem_and_never_a_fault(
    hub: Any, made: list[tuple[str, str, str, str, bytes]], tail: bytes
) -> None:
    """Parts with hostile names, lengths, encodings and nestings are refused, never a fault of ours."""
    body = b""
    for name, length, encoding, kind, content in made:
        lines = [f"--{parts.BOUNDARY}", f"Content-ID: <{name}>"]
        lines += [f"Content-Length: {length}"] if length else []
        lines += [f"Content-Transfer-Encoding: {encoding}"] if encoding else []
        lines += [f"Content-Type: {kind}"] if kind else []
        body += "\r\n".join([*lines, "", ""]).encode() + content + b"\r\n"
    status, _ = await _post(hub.peers["xb"], hub.url, body + f"--{parts.BOUNDARY}".encode() + tail)

    assert 400 <= status < 500 or status == 503


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "multipart/related",
        "multipart/",
        "multipart/related; boundary=",
        "multipart/related; boundary=" + "b" * 200,
        'multipart/related; boundary="a\\"b"',
    ],
)
async def test_a_content_type_that_is_none_is_refused(hub: Any, content_type: str) -> None:
    """Neither the type nor its boundary is trusted to be sane."""
    status, _ = await _post(
        hub.peers["xb"], hub.url, hub.peers["xb"].transfer().body, **{"Content-Type": content_type}
    )

    assert 400 <= status < 500


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
async def test_any_flipped_bit_of_what_is_signed_is_refused(
    hub: Any, where: float, bit: int
) -> None:
    """Header, signature, seal or envelope: one bit and it is another document."""
    xa = hub.peers["xa"]
    transfer = xa.transfer()
    signed = [transfer.signed.document, transfer.signed.signature, transfer.seal, transfer.content]
    at = int(where * sum(map(len, signed)))
    for number, content in enumerate(signed):
        if at < len(content):
            spoilt = bytearray(content)
            spoilt[at] ^= 1 << bit
            signed[number] = bytes(spoilt)
            break
        at -= len(content)
    body = b"".join(
        f"--{parts.BOUNDARY}\r\nContent-ID: <{name}>\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content in zip(_NAMES, signed, strict=True)
    )

    status, answer = await _post(xa, hub.url, body + f"--{parts.BOUNDARY}--\r\n".encode())

    if status == 200:
        receipt = xa.notary.check_receipt(read_receipts(answer, 1 << 20)[0], datetime.now(UTC))
        assert {e.event for e in receipt.evidence} == {Event.RELAY_REJECTION}
    else:
        assert 400 <= status < 500
    assert hub.states(transfer.header.message_id) == {}


async def test_a_path_that_is_none_of_ours_is_not_found(hub: Any) -> None:
    async with hub.peers["xa"].session() as session:
        for path in (
            "/",
            "/axis/v1/transfers/%00",
            "/axis/v2/node",
            "/axis/v1/transfers/" + "a" * 500,
        ):
            async with session.get(hub.url + path) as response:
                assert response.status == 404


async def test_a_neighbour_that_is_cut_off_mid_headers_costs_nothing(hub: Any) -> None:
    """The listener goes on."""
    xa = hub.peers["xa"]
    _, writer = await asyncio.open_connection("127.0.0.1", hub.node.nodes_port, ssl=xa.tls)
    writer.write(b"POST /axis/v1/transfers HTTP/1.1\r\nHost: ti")
    await writer.drain()
    writer.transport.abort()

    assert (await xa.carry(xa.transfer())).issuer == HERE


async def test_the_lane_of_the_header_is_the_lane_here(hub: Any) -> None:
    """Priority is the origin's word, carried in what it signed."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(recipients=["G22"], priority=Priority.EXPRESS)
    await xa.carry(transfer)

    lanes = hub.rows(
        "SELECT d.lane FROM deliveries d JOIN messages m USING (message_row) WHERE m.message_id = ?",
        transfer.header.message_id,
    )
    assert lanes == [(2,)]


async def test_a_message_id_of_another_origin_is_another_message(hub: Any) -> None:
    """Two origins may mint the same id by ill will: neither stands in the other's way."""
    xa, xb = hub.peers["xa"], hub.peers["xb"]
    shared = MessageId(xa.clock.mint())
    await xb.carry(xb.transfer(message_id=shared))

    receipt = await xa.carry(xa.transfer(message_id=shared))

    assert receipt.evidence[0].event is Event.RELAY_ACCEPTANCE


async def test_http_without_tls_gets_nothing(hub: Any) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises((aiohttp.ClientError, OSError)):
            await session.get(hub.url.replace("https", "http") + "/axis/v1/node")


async def test_a_status_is_listed_as_it_was_addressed(hub: Any) -> None:
    """In the form of the code that it answers to, with what it says and of which document."""
    xa = hub.peers["xa"]
    about = ResponseFor("000.00.09.H01", "7/CV-M", "D-7", "2026/11/22")
    content = write_status(
        StatusMessage(Party(xa.agency, "UBND xã"), about, "03", "Đã tiếp nhận", xa.clock.now())
    )
    transfer = xa.transfer(content, ("H01.9",), message_type=MessageType.STATUS)
    await xa.carry(transfer)

    found = await hub.running._journal.inbox(None, InboxQuery(MessageType.STATUS))
    (item,) = [one for one in found if one.message_id == transfer.header.message_id]
    assert item.recipient == "000.00.09.H01"
    assert item.answering == Answering("03", "D-7", "7/CV-M", "2026/11/22")
    facts = await hub.running._journal.inbox_item(item.delivery_id)
    assert (facts.item, facts.recipient) == (item, "H01.9")
