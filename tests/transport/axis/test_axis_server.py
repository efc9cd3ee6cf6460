"""The calls of the dialect over real HTTP, against a node in memory."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from relay.delivery.ports import Acknowledgement, SentItem
from relay.errors import (
    AccessError,
    ConflictError,
    EnvelopeError,
    JournalError,
    OverloadError,
    RelayError,
    RouteError,
    SignatureError,
    WireError,
)
from relay.model import (
    AgencyCode,
    DeliveryId,
    DeliveryState,
    MessageId,
    MessageType,
    NodeId,
    Reason,
    digest_of,
)
from relay.transport.axis import answers
from relay.transport.axis.client import AxisFailure
from relay.transport.axis.dialect import Call
from relay.transport.axis.face import Bounds
from relay.transport.axis.refusals import AxisRefusal, ErrorCode, plain, refusal_of
from relay.transport.axis.signature import sign
from relay.transport.axis.systems import System, Systems

SENDER, RECEIVER = "000.00.20.H13", "000.28.22.H17"

Edxml = Callable[..., bytes]
Serve = Callable[..., Awaitable[Any]]


async def sent_one(face: Any, document: bytes) -> tuple[str, str]:
    """(sender's DocId, receiver's DocId) of a document that was sent."""
    package = await face.client().send(document, sender=SENDER)
    rows = await face.client("vxp.test.02").received_list()
    return package, rows[-1].docId


async def ask(
    face: Any, call: str, *parameters: tuple[str, str], system: str = "vxp.test.02", method: str = "POST", body: bytes = b"{}"
) -> tuple[int, dict[str, Any]]:  # fmt: skip
    """A signed call with exactly these parameters: (HTTP status, JSON)."""
    secret = {"vxp.test.01": b"s3cret-key", "vxp.test.02": b"other-key"}[system]
    headers = sign([("systemid", system), *parameters], secret)
    async with face.session.request(
        method, f"{face.url}/{call}", headers=headers, data=body
    ) as response:
        assert response.content_type == "application/json"
        return response.status, json.loads(await response.read())


async def test_a_document_goes_from_one_system_to_another_unchanged(
    face: Any, edxml: Edxml
) -> None:
    """Send, list, get, download, acknowledge, and the sender sees how far it came."""
    document = edxml()
    sender, receiver = face.client(), face.client("vxp.test.02")
    package = await sender.send(document, sender=SENDER, recipients=["28.22.H17"])
    (row,) = await receiver.received_list()
    assert (row.from_, row.to, row.status) == (SENDER, "28.22.H17", "initial")
    assert (row.serviceType, row.messageType) == ("eDoc", "edoc")
    assert row.created_time == "22/11/2026 10:05:26"
    assert row.docId != package
    assert await receiver.get(row.docId) == document
    async with receiver.download(row.docId) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == document
    assert face.node.state_of(row.docId) is DeliveryState.FETCHED
    await receiver.update_status(row.docId, Acknowledgement.DONE)
    assert await receiver.received_list() == []
    (sent,) = await sender.sent_list(doc_id=package)
    assert (sent.senderDocId, sent.receiverDocId) == (package, row.docId)
    assert (sent.sendStatus, sent.receiveStatus) == ("done", "done")
    assert (sent.title, sent.notation) == ("Về việc thử nghiệm", "7/CV-MAU")


async def test_a_refused_document_is_released(face: Any, edxml: Edxml) -> None:
    """What the intake refuses does not stay on disk; what it admits does."""
    document = edxml(attachment_bytes=90_000)
    with pytest.raises(AxisFailure):
        await face.client().send(document, sender=SENDER, recipients=["H77"])
    assert face.store.kept_bytes() == 0
    await face.client().send(document, sender=SENDER)
    assert face.store.kept_bytes() == len(document)


async def test_a_repeated_send_gets_the_same_doc_id(face: Any, edxml: Edxml) -> None:
    """Blind retries deliver once."""
    first = await face.client().send(edxml(), sender=SENDER)
    assert await face.client().send(edxml(), sender=SENDER) == first
    assert len(face.node.submissions) == 1


async def test_the_recipients_of_the_header_stand_beside_those_of_the_document(
    face: Any, edxml: Edxml
) -> None:
    """Given: handed on as written. Not given: None, and the document's own To holds."""
    await face.client().send(edxml(), sender=SENDER)
    await face.client().send(edxml(), sender=SENDER, recipients=["28.22.h17", "000.01.01.H01"])
    first, second = face.node.submissions
    assert first.declared_to is None
    assert second.declared_to == ("28.22.h17", "000.01.01.H01")
    assert {first.declared_from, second.declared_from} == {SENDER}
    assert first.caller.holder == "system:vxp.test.01"


async def test_a_large_document_streams_through_both_ways(face: Any, edxml: Edxml) -> None:
    """Several chunks, none a multiple of three long: base64 and raw bytes are still exact."""
    document = edxml(attachment_bytes=900_000)

    async def stream() -> Any:
        for start in range(0, len(document), 70_001):
            yield document[start : start + 70_001]

    package = await face.client().send_stream(
        stream(),
        digest=bytes.fromhex(digest_of(document)),
        size_bytes=len(document),
        sender=SENDER,
    )
    assert package
    receiver = face.client("vxp.test.02")
    (row,) = await receiver.received_list()
    assert await receiver.get(row.docId) == document
    async with receiver.download(row.docId) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == document


@pytest.mark.parametrize("call", list(Call))
async def test_every_failure_has_every_field_of_its_call(face: Any, call: Call) -> None:
    """A missing field makes clients throw after the call, and send again."""
    method = "GET" if call is Call.DOWNLOAD else "POST"
    secret = b"wrong"
    headers = sign([("systemid", "vxp.test.01"), ("docId", "x")], secret)
    async with face.session.request(method, f"{face.url}/{call.value}", headers=headers) as got:
        content = await got.read()
    assert content.isascii()
    fields = json.loads(content)
    assert got.status == 200
    assert fields.keys() == {"status", "ErrorCode", "ErrorDesc", *answers.EMPTY[call]}
    assert (fields["status"], fields["ErrorCode"]) == ("FAIL", "15")
    assert {name: fields[name] for name in answers.EMPTY[call]} == answers.EMPTY[call]


async def test_a_sender_of_another_system_is_refused_unread(face: Any, edxml: Edxml) -> None:
    """Code 19, in the words the field knows."""
    for code in (RECEIVER, "H99", "đơn vị", ""):
        parameters = [("servicetype", "eDoc"), ("messagetype", "edoc"), ("from", code)]
        if not code.isascii():
            continue
        _, fields = await ask(face, "sendEdoc", *parameters, system="vxp.test.01", body=edxml())
        assert (fields["ErrorCode"], fields["DocId"]) == ("19", "")
        assert f"Don vi gui {code} khong dung voi ma da dang ky: vxp.test.01" in fields["ErrorDesc"]
    assert face.store.uploads == []


async def test_a_document_of_another_sender_is_refused(face: Any, edxml: Edxml) -> None:
    """The signed from is right, the document's From is someone else's."""
    with pytest.raises(AxisFailure) as caught:
        await face.client().send(edxml(sender=RECEIVER), sender=SENDER)
    assert caught.value.code == "19"


async def test_a_send_without_a_signed_hash_is_refused(face: Any, edxml: Edxml) -> None:
    """Without it the body could be anyone's."""
    parameters = [("messagetype", "edoc"), ("from", SENDER)]
    _, fields = await ask(face, "sendEdoc", *parameters, system="vxp.test.01", body=edxml())
    assert fields["ErrorCode"] == "21"


async def test_unknown_recipients_and_bad_documents_have_their_codes(
    face: Any, edxml: Edxml
) -> None:
    """18 names the code, 22 the fault, 21 the damage."""
    for document, to, code, text in (
        (edxml(), ["H77"], "18", "H77"),
        (edxml(to=()), None, "18", "no recipient"),
        (b"<edXML>", None, "22", "edXML"),
        (b"", None, "22", "edXML"),
    ):
        with pytest.raises(AxisFailure) as caught:
            await face.client().send(document, sender=SENDER, recipients=to)
        assert caught.value.code == code
        assert text in caught.value.text
    with pytest.raises(AxisFailure) as caught:
        await face.client().send_stream(
            edxml(), digest=bytes(32), size_bytes=len(edxml()), sender=SENDER
        )
    assert caught.value.code == "21"


@pytest.mark.parametrize("digest", [b"\x00" * 32, b"\x0f" * 32])
async def test_hashes_full_of_zeros_are_compared_not_parsed(face: Any, digest: bytes) -> None:
    """The form without padding loses its boundaries; that must never matter."""
    with pytest.raises(AxisFailure) as caught:
        await face.client().send_stream(b"<a/>", digest=digest, size_bytes=4, sender=SENDER)
    assert caught.value.code == "21"


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        (OverloadError("queue 100000, limit 100000"), "20", 200),
        (JournalError("disk full at /secret/place"), "20", 200),
        (SignatureError("digest-mismatch", "the seal does not fit"), "10", 200),
        (ConflictError("other content"), "10", 200),
        (AccessError("not the caller's"), "19", 200),
        (RouteError("unknown", ["H01"]), "18", 200),
        (EnvelopeError("no From"), "22", 200),
        (WireError("odd"), "20", 200),
        (RuntimeError("a bug with a secret inside"), "20", 500),
    ],
)
async def test_failures_of_the_inside_are_answered_by_one_table(
    face: Any, edxml: Edxml, fault: Exception, code: str, status: int
) -> None:
    """Business outcomes with HTTP 200, a bug with 500; neither says what is nobody's business."""
    face.node.fault = fault
    document = edxml()
    parameters = [("from", SENDER), ("messagetype", "edoc"), ("hash-file", digest_of(document))]
    with structlog.testing.capture_logs() as logs:
        got, fields = await ask(face, "sendEdoc", *parameters, system="vxp.test.01", body=document)
    assert (got, fields["ErrorCode"], fields["status"], fields["DocId"]) == (
        status,
        code,
        "FAIL",
        "",
    )
    assert "secret" not in fields["ErrorDesc"]
    loud = [line for line in logs if line["log_level"] == "error"]
    assert len(loud) == (1 if isinstance(fault, RuntimeError) or type(fault) is JournalError else 0)


async def test_a_refusal_is_one_line_without_headers_or_payload(face: Any, edxml: Edxml) -> None:
    """systemid, call, code, why, detail, who called, and no more."""
    with structlog.testing.capture_logs() as logs, pytest.raises(AxisFailure):
        await face.client().send(edxml(), sender=SENDER, recipients=["H77"])
    (line,) = [one for one in logs if one["event"] == "axis-call-refused"]
    assert {k: str(v) for k, v in line.items() if k not in {"event", "log_level"}} == {
        "systemid": "vxp.test.01",
        "call": "sendEdoc",
        "code": "18",
        "why": "no-route",
        "detail": "recipient H77 cannot be reached, check its code: unknown code H77",
        "peer": "127.0.0.1",
    }
    assert face.noted.known_ones == [("axis", "system:vxp.test.01", "no-route", True)]


async def test_a_state_secret_is_called_one(face: Any, edxml: Edxml) -> None:
    """The clerk learns what is wrong with it, not that it is no edXML."""
    document = edxml(subject="Mật")
    parameters = [("from", SENDER), ("messagetype", "edoc"), ("hash-file", digest_of(document))]
    _, fields = await ask(face, "sendEdoc", *parameters, system="vxp.test.01", body=document)
    assert fields["ErrorCode"] == "22"
    assert "do mat" in fields["ErrorDesc"]
    assert "state secret is never carried" in fields["ErrorDesc"]
    assert "not a compliant" not in fields["ErrorDesc"]


async def test_a_system_that_is_refused_without_end_does_not_fill_the_log(face: Any) -> None:
    """Beyond its share of a minute nothing is said of each."""
    face.noted.full = True
    with structlog.testing.capture_logs() as logs:
        got, fields = await ask(face, "updateStatus", ("docId", "x"), ("status", "odd"))
    assert (got, fields["status"]) == (200, "FAIL")
    assert "axis-call-refused" not in [one["event"] for one in logs]


async def test_who_is_told_nothing_of_is_no_refusal(face: Any) -> None:
    """A docId that is not there is how a client looks: a line, but no entry in the audit log."""
    await ask(face, "getEdoc", ("docId", "x"))
    assert face.noted.known_ones == [("axis", "system:vxp.test.02", "not-found", False)]


async def test_a_wrong_path_is_counted(face: Any) -> None:
    """Anybody can call it, so it makes no line."""
    with structlog.testing.capture_logs() as logs:
        async with face.session.post(f"{face.url}/nothing") as got:
            assert got.status == 404
    assert (logs, face.noted.strangers) == ([], [("axis", "bad-path")])


async def test_what_cannot_be_read_is_counted(face: Any) -> None:
    """Whoever it was, it makes no line."""
    with structlog.testing.capture_logs() as logs:
        assert b"FAIL" in await face.raw(b"NONSENSE\r\n\r\n")
    assert (logs, face.noted.strangers) == ([], [("axis", "unreadable")])


def test_a_recipient_that_cannot_be_reached_is_named() -> None:
    """In both halves of the text; of many the first few, and how many more."""
    text = refusal_of(RouteError("no way to H99", ["H99"])).text
    assert text.startswith(
        "Khong chuyen duoc den don vi nhan H99, hay kiem tra ma don vi / recipient H99"
    )
    many = refusal_of(RouteError("no way", [f"H{n}" for n in range(10, 30)])).text
    assert "H10, H11, H12 (+17)" in many


@pytest.mark.parametrize(
    ("systemid", "counted"), [("vxp.test.01", "bad-signature"), ("vxp.none", "unknown-system")]
)
async def test_only_the_summary_says_whether_systemid_or_secret_is_wrong(
    face: Any, systemid: str, counted: str
) -> None:
    """The caller reads one text for both; whoever has no secret makes no line of its own."""
    headers = sign([("systemid", systemid), ("docId", "x")], b"wrong")
    with structlog.testing.capture_logs() as logs:
        async with face.session.post(f"{face.url}/getEdoc", headers=headers) as got:
            text = (await got.json())["ErrorDesc"]
    assert logs == []
    assert face.noted.strangers == [("axis", counted)]
    assert "unknown systemid, or hash-header is not" in text


async def test_an_odd_timestamp_is_logged_once(serve: Serve, systems: Systems, node: Any) -> None:
    """The same client repeats it at every poll."""
    node.clock = lambda: datetime(2027, 1, 1, tzinfo=UTC)
    face = await serve()
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await face.client().count_documents()
    found = [one["finding"] for one in logs if one["event"] == "timestamp-odd"]
    assert found == ["stale-timestamp"]


async def test_counts_are_numbers_of_what_waits(face: Any, edxml: Edxml) -> None:
    """By GET and by POST."""
    await face.client().send(edxml(), sender=SENDER)
    receiver = face.client("vxp.test.02")
    assert await receiver.count_documents() == 1
    assert await receiver.count_statuses() == 0
    for method in ("GET", "POST"):
        _, fields = await ask(face, "countReceiveEdoc", method=method, body=b"")
        assert fields["count"] == 1


async def test_other_systems_documents_do_not_exist(face: Any, edxml: Edxml) -> None:
    """Not in lists, and every call on their docId says not found."""
    _, delivery = await sent_one(face, edxml())
    stranger = face.client("vxp.test.01")
    assert await stranger.received_list() == []
    for attempt in (
        stranger.get(delivery),
        stranger.update_status(delivery, Acknowledgement.DONE),
    ):
        with pytest.raises(AxisFailure) as caught:
            await attempt
        assert caught.value.code == "21"
    with pytest.raises(AxisFailure):
        async with stranger.download(delivery):
            pass
    assert face.node.state_of(delivery) is DeliveryState.AVAILABLE


async def test_lists_are_filtered_by_status_type_time_and_page(face: Any, edxml: Edxml) -> None:
    """Each optional header does what it says."""
    for number in range(5):
        await face.client().send(edxml(subject=f"Văn bản {number}"), sender=SENDER)
    receiver = face.client("vxp.test.02")
    ids = [row.docId for row in await receiver.received_list()]
    await receiver.update_status(ids[0], Acknowledgement.DONE)
    await receiver.update_status(ids[1], Acknowledgement.PROCESSING)

    async def listed(**filters: str) -> list[str]:
        return [row.docId for row in await receiver.received_list(**filters)]

    assert await listed() == ids[1:]
    assert await listed(status="done") == ids[:1]
    assert await listed(status="Processing") == ids[1:2]
    assert await listed(status="initial") == ids[2:]
    assert await listed(pageSize="2", pageIndex="1") == ids[1:3]
    assert await listed(pageSize="2", pageIndex="2") == ids[3:5]
    assert await listed(toDate="22/11/2026 10:05:25") == []
    assert await listed(fromDate="22/11/2026 10:05:26", toDate="22/11/2026") == ids[1:]
    assert await listed(fromDate="01/01/0001 00:00:00", toDate="01/01/0001 00:00:00") == ids[1:]
    assert await receiver.received_list(MessageType.STATUS) == []
    for wrong in ({"fromDate": "22 Nov 2026"}, {"status": "lost"}, {"pageSize": "many"}):
        with pytest.raises(AxisFailure) as caught:
            await receiver.received_list(**wrong)
        assert caught.value.code == "20"


async def test_headers_left_over_from_earlier_calls_hide_nothing(face: Any, edxml: Edxml) -> None:
    """A long-lived client acknowledged one document; its lists still show the next ones."""
    package, delivery = await sent_one(face, edxml(subject="Một"))
    await face.client("vxp.test.02").update_status(delivery, Acknowledgement.DONE)
    _, second = await sent_one(face, edxml(subject="Hai"))
    kind = (("servicetype", "eDoc"), ("messagetype", "edoc"))
    left_over = (("docId", delivery), ("filePath", "D:/edoc/in"), ("status", "done"))
    _, fields = await ask(face, "getReceivedEdocList", *kind, *left_over)
    assert [row["docId"] for row in fields["data"]] == [second]
    # The other system's agency sends too, and asks for its sent list with a received docId.
    face.node.directory["000.00.01.H17"] = AgencyCode(RECEIVER)
    answer = edxml(sender=RECEIVER, to=(SENDER,), subject="Trả lời")
    reply = await face.client("vxp.test.02").send(answer, sender=RECEIVER)
    _, fields = await ask(face, "getSentEdocList", *kind, *left_over)
    assert [row["senderDocId"] for row in fields["data"]] == [reply]
    _, fields = await ask(face, "getSentEdocList", *kind, ("docId", package))
    assert fields["data"] == []


async def test_a_list_longer_than_one_answer_is_cut_and_logged(serve: Serve, edxml: Edxml) -> None:
    """The oldest come first, so the rest follows once these are acknowledged."""
    face = await serve(bounds=Bounds(list_rows=3))
    for number in range(5):
        await face.client().send(edxml(subject=f"Văn bản {number}"), sender=SENDER)
    with structlog.testing.capture_logs() as logs:
        rows = await face.client("vxp.test.02").received_list()
    assert len(rows) == 3
    assert "list-cut" in [one["event"] for one in logs]


async def test_long_lists_are_whole(face: Any, edxml: Edxml) -> None:
    """More rows than are written at a time."""
    to = tuple(f"000.{n % 40:02d}.{n // 40:02d}.H01" for n in range(700))
    await face.client().send(edxml(to=to), sender=SENDER)
    rows = await face.client().sent_list()
    assert [row.toCode for row in rows] == list(to)


async def test_update_status_takes_any_case_and_repeats(face: Any, edxml: Edxml) -> None:
    """And refuses what is no acknowledgement."""
    _, delivery = await sent_one(face, edxml())
    for word in ("PROCESSING", "Done", "done"):
        _, fields = await ask(face, "updateStatus", ("docId", delivery), ("status", word))
        assert fields == {"status": "OK", "ErrorCode": "0", "ErrorDesc": "Thanh cong / success"}
    for word in ("initial", "lost"):
        _, fields = await ask(face, "updateStatus", ("docId", delivery), ("status", word))
        assert fields["ErrorCode"] == "20"
        assert "header status must be one of: processing, done, fail" in fields["ErrorDesc"]
    _, fields = await ask(face, "updateStatus", ("docId", delivery))
    assert fields["ErrorCode"] == "20"
    assert "header status is missing" in fields["ErrorDesc"]


async def test_what_was_done_cannot_fail_afterwards(face: Any, edxml: Edxml) -> None:
    """FAIL in clear words, with a code that no client takes for a passing fault."""
    _, delivery = await sent_one(face, edxml())
    for word, code in (("done", "0"), ("fail", "21"), ("done", "0")):
        _, fields = await ask(face, "updateStatus", ("docId", delivery), ("status", word))
        assert fields["ErrorCode"] == code
        assert ("already acknowledged done" in fields["ErrorDesc"]) is (word == "fail")


@pytest.mark.parametrize(
    ("document", "recipients", "text"),
    [
        ({"to": (RECEIVER, "Sở Mẫu")}, None, '"S\\u1edf M\\u1eabu" is not an agency code at To/OrganId'),
        ({"sender": "x"}, [RECEIVER], '"x" is not an agency code at From/OrganId'),
        ({}, ["-" * 35], f'"{"-" * 35}" is not an agency code at the list of recipients outside'),
        ({}, ["-" * 36], "agency code of 36 characters at the list of recipients outside"),
    ],
)  # fmt: skip
async def test_what_is_no_agency_code_is_quoted_with_its_place(
    face: Any, edxml: Edxml, document: Any, recipients: Any, text: str
) -> None:
    """The clerk has to find it among some thousand others."""
    with pytest.raises(AxisFailure) as caught:
        await face.client().send(edxml(**document), sender=SENDER, recipients=recipients)
    assert caught.value.code == "22"
    assert text in caught.value.text
    assert face.store.kept_bytes() == 0


async def test_a_document_too_large_for_get_is_not_fetched_by_it(
    serve: Serve, edxml: Edxml
) -> None:
    """The refusal names downloadEdoc, and the state stays."""
    face = await serve(bounds=Bounds(get_bytes=1000))
    _, delivery = await sent_one(face, edxml())
    with pytest.raises(AxisFailure, match="downloadEdoc") as caught:
        await face.client("vxp.test.02").get(delivery)
    assert caught.value.code == "21"
    assert face.node.state_of(delivery) is DeliveryState.AVAILABLE


@pytest.mark.parametrize("call", ["getEdoc", "downloadEdoc"])
async def test_what_left_by_retention_is_refused_as_that(
    face: Any, edxml: Edxml, call: str
) -> None:
    """The clerk is told why, and the list still shows it."""
    _, delivery = await sent_one(face, edxml())
    face.node.let_go(delivery)
    client = face.client("vxp.test.02")

    asking = client.get(delivery) if call == "getEdoc" else client.download(delivery).__aenter__()

    with pytest.raises(AxisFailure, match="retention time here is over") as caught:
        await asking

    assert caught.value.code == "21"
    assert "Van ban da het thoi han luu" in caught.value.text
    assert [row.docId for row in await client.received_list()] == [delivery]


@pytest.mark.parametrize("call", ["getEdoc", "downloadEdoc"])
async def test_damaged_bytes_never_arrive_as_a_whole_document(
    face: Any, edxml: Edxml, call: str
) -> None:
    """A bit flipped on disk: the answer breaks off, and the node's log is loud."""
    document = edxml(attachment_bytes=600_000)
    _, delivery = await sent_one(face, document)
    path = face.node.payload_of(delivery).path
    path.write_bytes(document[:-1] + b" ")
    with structlog.testing.capture_logs() as logs:
        raw = await raw_get(face, call, delivery)
    head, _, body = raw.partition(b"\r\n\r\n")
    declared = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    assert len(body) < declared
    assert [one["event"] for one in logs if one["log_level"] == "error"] == ["payload-damaged"]


async def test_a_store_that_fails_half_way_breaks_the_answer_off(face: Any, edxml: Edxml) -> None:
    """Not a second answer inside the first."""
    _, delivery = await sent_one(face, edxml(attachment_bytes=600_000))
    face.store.fails_after_bytes = 200_000
    raw = await raw_get(face, "getEdoc", delivery)
    assert raw.count(b"HTTP/1.1") == 1
    assert b"FAIL" not in raw


async def raw_get(face: Any, call: str, delivery: str) -> bytes:
    headers = sign([("systemid", "vxp.test.02"), ("docId", delivery)], b"other-key")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST /{call} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n{lines}\r\n"
    answer: bytes = await face.raw(head.encode())
    return answer


@pytest.mark.parametrize(
    "call", ["getAgenciesList", "getAgenciesListQD20", "getSynchronizeUnit", "registerAgency", "deleteAgency"]
)  # fmt: skip
async def test_directory_calls_say_clearly_that_they_are_not_offered(face: Any, call: str) -> None:
    """A refusal, never an empty directory."""
    status, fields = await ask(face, call, ("AgencyCode", "H01"))
    assert (status, fields["status"], fields["ErrorCode"]) == (200, "FAIL", "20")
    assert "not offered" in fields["ErrorDesc"]


async def test_many_clients_at_once_are_all_served(face: Any, edxml: Edxml) -> None:
    """Concurrency mixes nothing up."""
    documents = [edxml(subject=f"Văn bản {number}") for number in range(50)]
    client = face.client()
    ids = await asyncio.gather(*(client.send(one, sender=SENDER) for one in documents))
    assert len(set(ids)) == 50
    receiver = face.client("vxp.test.02")
    rows = await receiver.received_list()
    got = await asyncio.gather(*(receiver.get(row.docId) for row in rows))
    assert sorted(got) == sorted(documents)


async def test_a_system_may_speak_for_several_agencies(serve: Serve, edxml: Edxml) -> None:
    """Each of them may send."""
    agencies = frozenset({AgencyCode(SENDER), AgencyCode(RECEIVER)})
    face = await serve(systems=Systems([System("vxp.test.01", (b"s3cret-key",), agencies)]))
    for code in sorted(agencies):
        assert await face.client().send(edxml(sender=code), sender=code)


# ---------------------------------------------------------------- texts


def sent_item(state: DeliveryState, **changes: Any) -> SentItem:
    at = datetime(2026, 11, 22, 3, 5, 26, tzinfo=UTC)
    item = SentItem(
        MessageId("m"), DeliveryId("d"), MessageType.DOCUMENT, SENDER, RECEIVER, "Về việc", "7/CV", at, state,
        Acknowledgement.INITIAL, None, None, "", None,
    )  # fmt: skip
    return replace(item, **changes)


@pytest.mark.parametrize("state", list(DeliveryState))
def test_every_state_has_a_send_status_the_dialect_knows(state: DeliveryState) -> None:
    """All texts, all ASCII where the dialect wants ASCII."""
    row = answers.sent_row(sent_item(state))
    assert row["sendStatus"] in {"initial", "processing", "done", "fail"}
    assert row["sendStatusDesc"].isascii()
    assert " / " in row["sendStatusDesc"]
    assert all(isinstance(value, str) for value in row.values())


@pytest.mark.parametrize("kind", list(MessageType))
@pytest.mark.parametrize("state", list(DeliveryState))
def test_a_row_is_listed_under_the_send_status_it_shows(
    state: DeliveryState, kind: MessageType
) -> None:
    """A 13 that took its document back on the way is `done`, the document it took back `fail`."""
    said = answers.sent_row(sent_item(state, message_type=kind))["sendStatus"]
    listed = {word for word, states in answers.STATES_OF[kind].items() if state in states}
    assert listed == {said}


@pytest.mark.parametrize("reason", list(Reason))
def test_a_failed_row_says_who_refused_and_why(reason: Reason) -> None:
    """In both languages, with the detail, whatever the reason."""
    item = sent_item(
        DeliveryState.REFUSED,
        reason=reason,
        detail="đóng từ 2025",
        failed_at_node=NodeId("tinh-h17"),
    )
    row = answers.sent_row(item)
    assert (row["sendStatus"], row["receiveStatus"]) == ("fail", "initial")
    assert row["receiveStatusDesc"] == "Khong den noi nhan / it did not arrive there"
    text = row["sendStatusDesc"]
    assert text.isascii()
    assert text.startswith("tinh-h17 khong chuyen duoc: ")
    assert " / tinh-h17: " in text
    assert text.endswith("(dong tu 2025)")


def test_answers_are_ascii_whatever_they_hold() -> None:
    """Titles keep their diacritics as JSON escapes."""
    content = answers.success({"data": [answers.sent_row(sent_item(DeliveryState.QUEUED))]})
    assert content.isascii()
    assert json.loads(content)["data"][0]["title"] == "Về việc"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Đơn vị gửi", "Don vi gui"), ("a\r\nb\x00", "a??b?"), ("\ud800", "?"), ("x" * 900, "x" * 400)],
)  # fmt: skip
def test_texts_are_made_plain(text: str, expected: str) -> None:
    """Diacritics dropped, control characters and the rest replaced, length bounded."""
    assert plain(text) == expected


def test_every_expected_failure_has_a_code() -> None:
    """The table covers the whole tree of errors."""

    def under(kind: type[RelayError]) -> list[type[RelayError]]:
        return [kind, *(one for sub in kind.__subclasses__() for one in under(sub))]

    for kind in under(RelayError):
        error = kind.__new__(kind)
        Exception.__init__(error, "x")
        if kind is AxisRefusal:
            continue
        refusal = refusal_of(error)
        assert refusal.code in ErrorCode
        assert refusal.text.isascii()


def test_the_base64_of_get_fits_between_the_halves_of_its_answer() -> None:
    """Prefix and suffix are valid JSON around any base64."""
    before, after = answers.around("")
    assert json.loads(before + base64.b64encode(b"abc") + after)["data"] == "YWJj"
    before, after = answers.around([])
    assert json.loads(before + b'{"a":"b"}' + after)["data"] == [{"a": "b"}]
