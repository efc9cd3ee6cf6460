"""Sloppy vendors' clients and hostile ones, from the wire: what they write is taken as meant, or refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from relay.transport.axis.signature import mac, sign

SECRET = b"s3cret-key"
BASE = "/any/base/"


def head(call: str, parameters: list[tuple[str, str]], length: int, *more: str) -> bytes:
    signed = sign([("systemid", "vxp.test.01"), *parameters], SECRET)
    lines = [f"{name}: {value}" for name, value in signed.items()]
    first = f"POST {BASE}{call} HTTP/1.1"
    return "\r\n".join(
        [first, "Host: a", *lines, f"Content-Length: {length}", *more, "", ""]
    ).encode()


def sends(document: bytes, body: bytes, *more: str, digest: str | None = None) -> bytes:
    parameters = [
        ("servicetype", "eDoc"),
        ("messagetype", "edoc"),
        ("hash-file", digest or sha256(document).hexdigest()),
        ("from", "000.00.20.H13"),
    ]
    return head("sendEdoc", parameters, len(body), *more) + body


def fields(raw: bytes) -> dict[str, Any]:
    return dict(json.loads(raw.rpartition(b"\r\n\r\n")[2]))


@pytest.mark.parametrize("after", [b"", b"\r\n", b"\n"])
@pytest.mark.parametrize("own", [b"", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\r\n"])
async def test_the_envelope_is_what_the_hash_covers(
    face: Any, edxml: Callable[..., bytes], own: bytes, after: bytes
) -> None:
    """Whatever end of line it has itself, and whichever the client puts behind it."""
    document = edxml() + own
    answer = fields(await face.raw(sends(document, document + after)))
    assert answer["ErrorCode"] == "0", answer
    (submission,) = face.node.submissions
    assert submission.payload.content == document


@pytest.mark.parametrize("after", [b"\r", b"\n\n", b"\r\n\r\n", b" \n", b"\0", b"x\n"])
async def test_nothing_else_may_stand_behind_it(
    face: Any, edxml: Callable[..., bytes], after: bytes
) -> None:
    """More than one end of line, or anything that is none, is a change on the way."""
    document = edxml()
    answer = fields(await face.raw(sends(document, document + after)))
    assert (answer["ErrorCode"], answer["DocId"]) == ("21", "")
    assert face.node.submissions == []


async def test_a_hash_in_capitals_is_taken(face: Any, edxml: Callable[..., bytes]) -> None:
    """The twin of the Java client writes them so."""
    document = edxml()
    digest = sha256(document).hexdigest().upper()
    answer = fields(await face.raw(sends(document, document, digest=digest)))
    assert answer["ErrorCode"] == "0"


async def test_a_request_inside_a_refused_body_is_never_served(face: Any) -> None:
    """The body of a send that is refused unread may look like a request that is signed: it stays a body."""
    inner = head("countReceiveEdoc", [], 0)
    parameters = [("hash-file", "0" * 64), ("from", "000.00.99.H99")]
    for more in ((), ("Expect: 100-continue",)):
        raw = await face.raw(head("sendEdoc", parameters, len(inner), *more), inner)
        assert raw.count(b"HTTP/1.1 200") == 1
        assert fields(raw)["ErrorCode"] == "19"
        assert b'"count"' not in raw


async def test_a_request_inside_a_body_nobody_uses_is_never_served(face: Any) -> None:
    """Nor behind a chunk that says it is the last."""
    inner = head("countReceiveEdoc", [("x", "y")], 0)
    outer = head("getReceivedEdocList", [], len(inner), "Connection: close")
    raw = await face.raw(outer + inner)
    assert raw.count(b"HTTP/1.1 200") == 1
    assert b'"data":[]' in raw


@pytest.mark.parametrize(
    "text",
    [
        '{"XroadVnpt-systemid":"vxp.test.01","XROADVNPT-SYSTEMID":"vxp.test.01"}',
        '{"XroadVnpt-systemid":"vxp.test.01","XroadVnpt-docId":null}',
        '{"XroadVnpt-systemid":"vxp.test.01","XroadVnpt-docId":["a"]}',
        '{"XroadVnpt-systemid":"vxp.test.01","XroadVnpt-docId":"a\\r\\nX: y"}',
        '{"XroadVnpt-systemid":"vxp.test.01","XroadVnpt-docId":"\\ud800"}',
        '{"XroadVnpt-systemid":"vxp.test.01","Host":"a"}',
        '{"XroadVnpt-systemid":"vxp.test.02"}',
        '{"XroadVnpt-systemid":"vxp.test.01"} {}',
        '[{"XroadVnpt-systemid":"vxp.test.01"}]',
        "[" * 30_000,
        '{"a":' * 9_000,
        "9" * 60_000,
        "NaN",
        "",
    ],
)
async def test_a_sign_header_that_is_signed_and_still_nonsense_is_refused(
    face: Any, text: str
) -> None:
    """By one who knows the secret: members twice in other capitals, of other types, with lines of their own."""
    lines = [
        f"POST {BASE}getEdoc HTTP/1.1",
        "Host: a",
        "XroadVnpt-systemid: vxp.test.01",
        "XroadVnpt-docId: a",
        f"XroadVnpt-sign-header: {text}",
        f"XroadVnpt-hash-header: {mac(SECRET, text.encode()).decode()}",
        "Content-Length: 0",
    ]
    raw = await face.raw("\r\n".join([*lines, "", ""]).encode())
    assert fields(raw)["ErrorCode"] == "15"


async def test_a_document_id_of_somebody_else_opens_nothing(
    face: Any, edxml: Callable[..., bytes]
) -> None:
    """In no call, in no spelling; and it is told from one that never was by nothing."""
    document = edxml()
    sent = fields(await face.raw(sends(document, document)))["DocId"]
    (strange,) = [str(key) for key in face.node._items]
    never = "01a22500-0000-7000-8000-000000000000"
    for call in ("getEdoc", "downloadEdoc", "updateStatus"):
        answers = []
        for name in (strange, never, sent, f" {strange}", strange.upper(), f"{strange}\u0000"[:36]):
            parameters = [("docId", name.strip()), ("status", "done")]
            answers.append(fields(await face.raw(head(call, parameters, 0))))
        assert [one["ErrorCode"] for one in answers] == ["21"] * 6
        assert len({json.dumps(one) for one in answers}) == 1


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ([("pageSize", "2147483647")], "0"),
        ([("pageSize", "99999999999")], "20"),
        ([("pageSize", "1e3")], "20"),
        ([("pageIndex", "1000000"), ("pageSize", "5000")], "20"),
        ([("fromDate", "2026-11-22"), ("toDate", "2026-11-21")], "20"),
        ([("fromDate", "")], "0"),
        ([("status", "DONE")], "0"),
        ([("status", "done,fail")], "20"),
        ([("messagetype", "eDoc")], "0"),
        ([("servicetype", "whatever")], "0"),
    ],
)
async def test_filters_are_taken_as_meant_or_refused(
    face: Any, parameters: list[tuple[str, str]], code: str
) -> None:
    """A refusal says FAIL: it is never an empty list that looks like an empty inbox."""
    answer = fields(await face.raw(head("getReceivedEdocList", parameters, 0)))
    assert answer["ErrorCode"] == code
    assert (answer["status"] == "OK") is (code == "0")


async def test_ten_requests_at_once_on_one_connection_are_answered_in_order(face: Any) -> None:
    """Pipelined, with bodies nobody needs between them."""
    calls = ["countReceiveEdoc", "getReceivedEdocList"] * 5
    wire = b"".join(head(call, [], 2) + b"{}" for call in calls)
    reader, writer = await asyncio.open_connection(face.host, face.port)
    writer.write(wire)
    for call in calls:
        async with asyncio.timeout(8):
            top = await reader.readuntil(b"\r\n\r\n")
            length = int(top.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            got = json.loads(await reader.readexactly(length))
        assert ("count" in got) is (call == "countReceiveEdoc")
    writer.close()


@pytest.mark.parametrize(
    "chunks",
    [
        lambda body: [body[:-2], body[-2:-1], body[-1:]],
        lambda body: [body[at : at + 1] for at in range(40)] + [body[40:]],
    ],
)
async def test_an_end_of_line_cut_by_chunks_is_none_of_the_document(
    face: Any, edxml: Callable[..., bytes], chunks: Callable[[bytes], list[bytes]]
) -> None:
    """Chunked, with an extension and a trailer."""
    document = edxml()
    top = sends(document, b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    parts = [b"%x;a=b\r\n%s\r\n" % (len(one), one) for one in chunks(document + b"\r\n")]
    raw = await face.raw(top + b"".join(parts) + b"0\r\nX: y\r\n\r\n")
    assert fields(raw)["ErrorCode"] == "0"
    assert face.node.submissions[0].payload.content == document
