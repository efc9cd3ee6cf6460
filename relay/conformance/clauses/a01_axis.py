"""A1: the axis face, as systems of every age speak it."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta

from relay.conformance import axis
from relay.conformance.axis import Made, fields, made, said, sending, stamp, told
from relay.conformance.controls import takes_documents
from relay.conformance.dms import LOOK_SECONDS
from relay.conformance.instants import now
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, InconclusiveError, Part, require, require_equal
from relay.model import MessageType

book = Book(control=takes_documents)
_LIST = {"servicetype": "eDoc", "messagetype": "edoc"}


def _letter(stand: Stand) -> bytes:
    """To the node's own agency: it is there at once."""
    return stand.letter_from(stand.subject.agency, [stand.subject.agency])


async def _code(stand: Stand, request: Made) -> str:
    return str(said(await told(stand.dms, request))["ErrorCode"])


async def _copy(stand: Stand, envelope: bytes) -> str:
    """DocId of a document that was sent to the agency itself."""
    copies = await stand.dms.until_copies(envelope)
    if not copies:
        raise InconclusiveError("the document was not listed")
    return copies[0]


async def _sent(stand: Stand) -> bytes:
    envelope = _letter(stand)
    require_equal(await _code(stand, sending(stand.dms, envelope)), "0", "ErrorCode of the send")
    return envelope


@book.asserts("A1.1", "hash-header", "A changed hash-header is refused (15)", Part.AXIS)
async def hash_header(stand: Stand) -> None:
    request = made(stand.dms, "countReceiveEdoc", {}).other("hash-header", "0" * 64)
    require_equal(await _code(stand, request), "15", "ErrorCode")


@book.asserts(
    "A1.1", "alike", "A wrong system and a wrong secret are refused in the same words", Part.AXIS
)
async def alike(stand: Stand) -> None:
    secret = made(stand.dms, "countReceiveEdoc", {}).but(secret=b"another")
    system = made(stand.dms, "countReceiveEdoc", {"systemid": "nobody.at.all"})
    first, second = said(await told(stand.dms, secret)), said(await told(stand.dms, system))
    require_equal(first["ErrorCode"], "15", "ErrorCode")
    require_equal(second, first, "the answer to an unknown system")


@book.asserts(
    "A1.2", "another-value", "A header of another value than signed is refused", Part.AXIS
)
async def another_value(stand: Stand) -> None:
    request = sending(stand.dms, _letter(stand)).other("messagetype", "status")
    require_equal(await _code(stand, request), "15", "ErrorCode")


@book.asserts("A1.2", "unsigned", "A header that is used and not signed is refused", Part.AXIS)
async def unsigned(stand: Stand) -> None:
    request = sending(stand.dms, _letter(stand)).but(unsigned=frozenset({"hash-file"}))
    require_equal(await _code(stand, request), "15", "ErrorCode")


@book.asserts("A1.2", "twice", "A header that stands twice is refused", Part.AXIS)
async def twice(stand: Stand) -> None:
    request = made(stand.dms, "countReceiveEdoc", {})
    again = [(f"{axis.PREFIX}systemid", stand.subject.systemid)]
    answer = await told(stand.dms, request, twice=again)
    require(fields(answer)["ErrorCode"] != "0", "a header that stood twice was taken")


@book.asserts("A1.3", "padded", "A hash-file with zero padding is taken", Part.AXIS)
async def padded(stand: Stand) -> None:
    envelope = _letter(stand)
    while axis.hash_file(envelope) == axis.hash_file(envelope, padded=True):
        envelope = _letter(stand)
    request = sending(stand.dms, envelope, **{"hash-file": axis.hash_file(envelope, padded=True)})
    require_equal(await _code(stand, request), "0", "ErrorCode")


@book.asserts("A1.3", "unpadded", "A hash-file without zero padding is taken", Part.AXIS)
async def unpadded(stand: Stand) -> None:
    envelope = _letter(stand)
    while axis.hash_file(envelope) == axis.hash_file(envelope, padded=True):
        envelope = _letter(stand)
    require_equal(await _code(stand, sending(stand.dms, envelope)), "0", "ErrorCode")


@book.asserts("A1.3", "other-document", "A document that is not the hash's is refused", Part.AXIS)
async def other_document(stand: Stand) -> None:
    request = sending(stand.dms, _letter(stand))
    other = request.but(body=request.body.replace(b">KT<", b">KX<"))
    require(await _code(stand, other) != "0", "another document than was signed was taken")


@book.asserts("A1.3", "line-end", "A line's end behind the document is not part of it", Part.AXIS)
async def line_end(stand: Stand) -> None:
    envelope = _letter(stand)
    request = sending(stand.dms, envelope)
    require_equal(await _code(stand, request.but(body=envelope + b"\r\n")), "0", "ErrorCode")
    require_equal(len(await stand.dms.until_copies(envelope)), 1, "the copies without it")


@book.asserts("A1.4", "same-doc-id", "A repeated send gets the same DocId, and is one", Part.AXIS)
async def same_doc_id(stand: Stand) -> None:
    envelope = _letter(stand)
    answers = [said(await told(stand.dms, sending(stand.dms, envelope))) for _ in range(2)]
    require(bool(answers[0]["DocId"]), "the send got no DocId")
    require_equal(answers[1]["DocId"], answers[0]["DocId"], "the DocId of the repeat")
    require_equal(len(await stand.dms.until_copies(envelope)), 1, "the copies")


@book.asserts("A1.5", "failure-fields", "A failure has the call's own field too", Part.AXIS)
async def failure_fields(stand: Stand) -> None:
    for call, name in (("sendEdoc", "DocId"), ("getEdoc", "data"), ("getReceivedEdocList", "data")):
        request = made(stand.dms, call, {}).other("hash-header", "0" * 64)
        found = said(await told(stand.dms, request))
        require_equal(found["status"], "FAIL", f"status of {call}")
        require(name in found, f"{call} answers a failure without {name}")


@book.asserts("A1.5", "no-such-call", "A call that there is not is answered in JSON", Part.AXIS)
async def no_such_call(stand: Stand) -> None:
    found = fields(await told(stand.dms, made(stand.dms, "noSuchCall", {})))
    require_equal(found["status"], "FAIL", "status")


@book.asserts(
    "A1.5", "broken-document", "What is no edXML is refused (22 or 10), in JSON", Part.AXIS
)
async def broken_document(stand: Stand) -> None:
    code = await _code(stand, sending(stand.dms, b"<edXML>nothing</edXML>"))
    require(code in {"10", "22"}, f"ErrorCode is {code}")


@book.asserts("A1.6", "old-timestamp", "A timestamp of ten days ago is taken", Part.AXIS)
async def old_timestamp(stand: Stand) -> None:
    request = made(stand.dms, "countReceiveEdoc", {"timestamp": stamp(now() - timedelta(days=10))})
    require_equal(await _code(stand, request), "0", "ErrorCode")


@book.asserts("A1.7", "left-over", "Headers of earlier calls are ignored", Part.AXIS)
async def left_over(stand: Stand) -> None:
    left = {"docId": "nothing", "status": "fail", "hash-file": "0", "filePath": "C:\\van ban.edxml"}
    request = made(stand.dms, "countReceiveEdoc", left)
    require_equal(await _code(stand, request), "0", "ErrorCode")


@book.asserts("A1.7", "doc-id", "Both spellings of docId are read", Part.AXIS)
async def doc_id(stand: Stand) -> None:
    copy = await _copy(stand, await _sent(stand))
    for name in ("docId", "docid"):
        found = said(await told(stand.dms, made(stand.dms, "getEdoc", {name: copy})))
        require_equal(found["ErrorCode"], "0", f"ErrorCode with {name}")


@book.asserts(
    "A1.8", "other-sender", "A sender that is not the system's is refused (19)", Part.AXIS
)
async def other_sender(stand: Stand) -> None:
    envelope = stand.letter_from(stand.other.agency, [stand.subject.agency])
    request = sending(stand.dms, envelope, **{"from": stand.other.agency})
    require_equal(await _code(stand, request), "19", "ErrorCode")


@book.asserts(
    "A1.8", "another-from", "A document whose From is not the call's is refused (19)", Part.AXIS
)
async def another_from(stand: Stand) -> None:
    envelope = stand.letter_from(stand.other.agency, [stand.subject.agency])
    require_equal(await _code(stand, sending(stand.dms, envelope)), "19", "ErrorCode")


@book.asserts("A1.8", "no-recipient", "A recipient that there is not is refused (18)", Part.AXIS)
async def no_recipient(stand: Stand) -> None:
    envelope = stand.letter_from(stand.subject.agency, [f"{stand.subject.agency}.404"])
    require_equal(await _code(stand, sending(stand.dms, envelope)), "18", "ErrorCode")


@book.asserts(
    "A1.9",
    "others",
    "What is of another agency cannot be fetched",
    Part.AXIS,
    Part.LINK,
)
async def others(stand: Stand) -> None:
    """A document that went through the node to the other one's agency has a delivery here as well."""
    envelope = stand.letter_over()
    await stand.dms.send(envelope)
    there = await stand.other_dms.until_copies(envelope)
    if not there:
        raise InconclusiveError("the document did not arrive")
    found = said(await told(stand.dms, made(stand.dms, "getEdoc", {"docId": there[0]})))
    require_equal((found["status"], found.get("data", "")), ("FAIL", ""), "the answer")


@book.asserts(
    "A1.9", "touches", "What is of another agency cannot be acknowledged", Part.AXIS, Part.LINK
)
async def touches(stand: Stand) -> None:
    envelope = stand.letter_over()
    await stand.dms.send(envelope)
    there = await stand.other_dms.until_copies(envelope)
    if not there:
        raise InconclusiveError("the document did not arrive")
    request = made(stand.dms, "updateStatus", {"docId": there[0], "status": "done"})
    require(await _code(stand, request) != "0", "another agency's document was acknowledged")


@book.asserts("A1.10", "until-done", "A package is listed until it is acknowledged", Part.AXIS)
async def until_done(stand: Stand) -> None:
    envelope = await _sent(stand)
    copy = await _copy(stand, envelope)
    require_equal(len(await stand.dms.copies(envelope)), 1, "the copies after it was fetched")
    for word in ("PROCESSING", "done", "Done"):
        request = made(stand.dms, "updateStatus", {"docId": copy, "status": word})
        require_equal(await _code(stand, request), "0", f"ErrorCode of {word}")
    request = made(stand.dms, "getReceivedEdocList", {**_LIST, "status": "initial"})
    rows = said(await told(stand.dms, request))["data"]
    require(copy not in {row["docId"] for row in rows}, "it is listed after `done`")


@book.asserts("A1.11", "both-ways", "getEdoc and downloadEdoc give the bytes sent", Part.AXIS)
async def both_ways(stand: Stand) -> None:
    """Found by its row, not by its bytes: those are what is judged."""
    before = set(await stand.dms.listed())
    envelope = await _sent(stand)
    doc_id = await _own_row(stand, before)
    found = said(await told(stand.dms, made(stand.dms, "getEdoc", {"docId": doc_id})))
    require(base64.b64decode(found["data"]) == envelope, "getEdoc gives other bytes")
    request = made(stand.dms, "downloadEdoc", {"docId": doc_id})
    answer = await told(stand.dms, request, method="GET")
    require(answer.body == envelope, "downloadEdoc gives other bytes")


async def _own_row(stand: Stand, before: set[str]) -> str:
    """DocId of what came from the agency to itself since."""
    for _ in range(100):
        rows = await stand.dms.client.received_list(MessageType.DOCUMENT)
        for row in rows:
            if row.docId not in before and row.from_ == stand.subject.agency:
                return row.docId
        await asyncio.sleep(LOOK_SECONDS)
    raise InconclusiveError("the document was not listed")


@book.asserts("A1.12", "numbers", "Counts are numbers, and count what waits", Part.AXIS)
async def numbers(stand: Stand) -> None:
    request = made(stand.dms, "countReceiveEdoc", {})
    before = said(await told(stand.dms, request))["count"]
    await _sent(stand)
    after = said(await told(stand.dms, request))["count"]
    require(type(before) is int and type(after) is int, "a count is no number")
    require(after > before, "a document that waits is not counted")
