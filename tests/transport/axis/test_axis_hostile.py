"""Raw sockets against the face: whatever comes, the answer is the dialect's JSON, and soon."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from relay.envelope.limits import Limits
from relay.transport.axis import answers
from relay.transport.axis.dialect import Call
from relay.transport.axis.face import Bounds
from relay.transport.axis.signature import sign
from relay.transport.intake_stream import digest_forms

SECRET = b"s3cret-key"
BASE = "/XrdAdapter/RestService/forward/mcc/"
EVERY_FIELD = {"status", "ErrorCode", "ErrorDesc", "DocId", "data", "count"}


def request(
    call: str,
    parameters: list[tuple[str, str]],
    body: bytes = b"{}",
    *,
    method: str = "POST",
    secret: bytes = SECRET,
    extra: str = "",
    length: int | None = None,
) -> tuple[bytes, bytes]:
    """(head, body) of a signed request."""
    signed = sign([("systemid", "vxp.test.01"), *parameters], secret)
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    size = len(body) if length is None else length
    head = f"{method} {BASE}{call} HTTP/1.1\r\nHost: relay.example\r\n{lines}{extra}"
    if "chunked" not in extra:
        head += f"Content-Length: {size}\r\n"
    return (head + "\r\n").encode(), body


def sending(document: bytes, to: str | None = None, **options: Any) -> tuple[bytes, bytes]:
    parameters = [
        ("servicetype", "eDoc"),
        ("messagetype", "edoc"),
        ("hash-file", digest_forms(sha256(document).digest())[1]),
        ("from", "000.00.20.H13"),
        *([("to", to)] if to else []),
    ]
    return request("sendEdoc", parameters, options.pop("body", document + b"\r\n"), **options)


def answer(raw: bytes) -> tuple[int, dict[str, Any]]:
    """The last answer on a connection: its HTTP status and its JSON."""
    head, _, body = raw.rpartition(b"\r\n\r\n")
    last = head[head.rindex(b"HTTP/1.") :]
    assert b"application/json" in last
    assert body.isascii()
    return int(last.split()[1]), json.loads(body)


def recorded() -> list[tuple[str, bytes]]:
    """Every request of the vectors as bytes for the wire; those with a file we do not have without it."""
    found = []
    for file in sorted((Path(__file__).parents[2] / "vectors/axis/requests").glob("*.http")):
        heads, starts = [], []
        for line in file.read_text().splitlines():
            if line.endswith(" HTTP/1.1"):
                heads.append([line.replace("{base}", BASE.rstrip("/"))])
                starts.append(True)
            elif line and starts[-1]:
                heads[-1].append(line)
            else:
                starts[-1:] = [False]
        for head in heads:
            body = b"{}" if "Content-Length: 2" in head else b""
            lines = [line for line in head if not line.startswith("Content-Length")]
            lines += [f"Content-Length: {len(body)}", "", ""]
            found.append((head[0].split()[1], "\r\n".join(lines).encode() + body))
    return found


@pytest.mark.parametrize(("path", "raw"), recorded())
async def test_every_recorded_request_is_served_unmodified(
    face: Any, path: str, raw: bytes
) -> None:
    """From the wire, sticky headers and Expect included: each gets past the signature."""
    status, fields = answer(await face.raw(raw))
    call = Call(path.rpartition("/")[2])
    assert status == 200
    assert fields.keys() == {"status", "ErrorCode", "ErrorDesc", *answers.EMPTY[call]}
    expected = {
        Call.RECEIVED: "0",
        Call.SENT: "0",
        Call.COUNT_DOCUMENTS: "0",
        Call.SEND: "21",  # its document is not here, and the hash says so
        Call.GET: "21",
        Call.DOWNLOAD: "21",
        Call.UPDATE: "21",
    }
    assert fields["ErrorCode"] == expected.get(call, "20")


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"NONSENSE\r\n\r\n",
        b"POST /getEdo\xc3 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"BREW /sendEdoc HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /downloadEdoc HTTP/1.1\r\n\r\n",
        b"POST /sendEdoc HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /sendEdoc HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /sendEdoc HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /sendEdoc HTTP/1.1\r\nHost: a\r\nXroadVnpt-to: a\r\n folded\r\n\r\n",
        b"POST /sendEdoc HTTP/1.1\r\nHost: a\r\nXroadVnpt-to : a\r\n\r\n",
        b"POST /sendEdoc HTTP/1.1\r\nHost: a\r\nXroadVnpt-to: a\x00b\r\n\r\n",
        b"POST /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /sendEdoc HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 70 + b"\r\n",
        b"POST /sendEdoc HTTP/1.1\r\nHost: a\r\nXroadVnpt-sign-header: " + b"a" * 140_000 + b"\r\n\r\n",
        b"POST /sendEdoc HTTP/1.1\r\nHost: a\r\nXroadVnpt-sign-header: " + b"a" * 900_000,
        b"POST /sendEdoc HTTP/1.1\r\nHost: a\r\n" + b"x" * 140_000 + b": 1\r\n\r\n",
    ],
)  # fmt: skip
async def test_what_never_becomes_a_request_is_answered_in_json(face: Any, raw: bytes) -> None:
    """Bad request lines, framings and header sizes: FAIL with every field of every call."""
    status, fields = answer(await face.raw(raw))
    assert status == 400
    assert fields.keys() == EVERY_FIELD
    assert (fields["status"], fields["ErrorCode"]) == ("FAIL", "20")


async def test_the_answer_survives_a_client_that_is_still_writing(face: Any) -> None:
    """Two megabytes of header: the connection is not reset over the answer."""
    started = b"POST /sendEdoc HTTP/1.1\r\nHost: a\r\nXroadVnpt-to: "
    status, _ = answer(await face.raw(started, *[b"a" * 100_000] * 20))
    assert status == 400


async def test_a_refused_connection_is_let_go(face: Any) -> None:
    """The half-open wait after an unreadable request ends by itself."""
    reader, writer = await asyncio.open_connection(face.host, face.port)
    writer.write(b"NONSENSE\r\n\r\n")
    async with asyncio.timeout(4):
        assert await reader.read(-1)
    writer.close()


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 404),
        ("POST", "/sendedoc", 404),
        ("POST", "/sendEdoc/x", 404),
        ("GET", BASE + "sendEdoc", 405),
        ("DELETE", "/getEdoc", 405),
        ("HEAD", "/getEdoc", 405),
        ("PATCH", "/downloadEdoc", 405),
        ("OPTIONS", "*", 404),
        ("CONNECT", "relay.example:443", 404),
        ("POST", "http://relay.example/a/nothing", 404),
        ("POST", "/%ff%fe/getEdo%c3", 404),
    ],
)
async def test_unknown_paths_and_methods_are_answered_in_json(
    face: Any, method: str, target: str, status: int
) -> None:
    """404 and 405 carry the dialect too."""
    line = f"{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode("latin-1")
    raw = await face.raw(line)
    if method == "HEAD":
        assert raw.startswith(b"HTTP/1.1 405")
        return
    got, fields = answer(raw)
    assert (got, fields["status"]) == (status, "FAIL")
    assert {"ErrorCode", "ErrorDesc"} < fields.keys() <= EVERY_FIELD


async def test_absolute_targets_are_served(face: Any) -> None:
    """A client behind a proxy may write the whole URL."""
    head, body = request("countReceiveEdoc", [])
    head = head.replace(b"POST /", b"POST http://relay.example/", 1)
    assert answer(await face.raw(head + body))[1]["count"] == 0


async def test_a_send_is_refused_before_its_body_is_asked_for(
    face: Any, edxml: Callable[..., bytes]
) -> None:
    """With Expect: 100-continue a stranger is answered without being told to go on."""
    head, _ = sending(edxml(), secret=b"wrong", extra="Expect: 100-continue\r\n")
    raw = await face.raw(head)
    assert b"100 Continue" not in raw
    assert b"Connection: close" in raw
    assert answer(raw)[1] == {
        "status": "FAIL",
        "ErrorCode": "15",
        "ErrorDesc": "Sai systemid hoac khoa bi mat / unknown systemid, or hash-header is not the "
        "HMAC-SHA256 of sign-header with its secret",
        "DocId": "",
    }


async def test_a_body_over_the_limit_is_refused_before_it_comes(
    serve: Callable[..., Awaitable[Any]], edxml: Callable[..., bytes]
) -> None:
    """Content-Length is enough to refuse."""
    face = await serve(limits=Limits(envelope_bytes=32 << 20))
    head, _ = sending(edxml(), length=41 << 20, extra="Expect: 100-continue\r\n")
    _, fields = answer(await face.raw(head))
    assert fields["ErrorCode"] == "21"
    assert "41 MiB, limit 32 MiB" in fields["ErrorDesc"]


async def test_a_known_sender_is_told_to_go_on(face: Any, edxml: Callable[..., bytes]) -> None:
    """100 Continue, then the answer, on one connection."""
    head, body = sending(edxml(), extra="Expect: 100-continue\r\n")
    raw = await face.raw(head, body)
    assert raw.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    assert answer(raw)[1]["DocId"]


async def test_a_known_caller_of_a_small_call_is_told_to_go_on(face: Any) -> None:
    """The Java client expects 100 even before its two bytes."""
    head, body = request("countReceiveStatus", [], extra="Expect: 100-continue\r\n")
    raw = await face.raw(head, body)
    assert raw.startswith(b"HTTP/1.1 100 Continue")
    assert answer(raw)[1] == {
        "status": "OK",
        "ErrorCode": "0",
        "ErrorDesc": "Thanh cong / success",
        "count": 0,
    }


async def test_expecting_to_send_nothing_is_answered_at_once(face: Any) -> None:
    """Expect with an empty body, known or not: no interim answer, no failure."""
    for secret, code in ((SECRET, "0"), (b"wrong", "15")):
        head, _ = request(
            "countReceiveEdoc", [], b"", secret=secret, extra="Expect: 100-continue\r\n"
        )
        raw = await face.raw(head)
        assert b"100 Continue" not in raw
        assert answer(raw)[1]["ErrorCode"] == code


async def test_a_long_body_where_none_is_used_is_refused(face: Any) -> None:
    """A getEdoc does not bring a megabyte."""
    head, body = request("getEdoc", [("docId", "x")], b"x" * 100_000)
    assert "64 KiB" in answer(await face.raw(head + body))[1]["ErrorDesc"]


async def test_a_sign_header_of_70_kib_gets_our_clear_refusal(face: Any) -> None:
    """The parser lets it pass, so that the text can say what is too long."""
    head, body = sending(b"", to=json.dumps([f"H{n:06d}" for n in range(5600)]))
    sizes = [len(line) for line in head.split(b"\r\n") if b"sign-header:" in line]
    assert 70_000 < sizes[0] < 80_000
    status, fields = answer(await face.raw(head + body))
    assert (status, fields["ErrorCode"]) == (200, "15")
    assert "limit 64 KiB" in fields["ErrorDesc"]


async def test_a_sign_header_of_60_kib_is_legal(face: Any, edxml: Callable[..., bytes]) -> None:
    """A circular to thousands of recipients in one call."""
    to = [f"000.{n % 40:02d}.{n // 40:02d}.H01" for n in range(3300)]
    head, body = sending(edxml(), to=json.dumps(to, separators=(",", ":")))
    sizes = [len(line) for line in head.split(b"\r\n") if b"sign-header:" in line]
    assert 58_000 < sizes[0] < 65_536
    assert answer(await face.raw(head + body))[1]["DocId"]
    assert len(face.node.submissions[0].declared_to) == 3300


async def test_headers_in_small_pieces_are_one_request(face: Any) -> None:
    """How the bytes arrive changes nothing."""
    head, body = request("countReceiveEdoc", [])
    whole = head + body
    pieces = [whole[start : start + 40] for start in range(0, len(whole), 40)]
    assert answer(await face.raw(*pieces))[1]["count"] == 0


async def test_bytes_outside_ascii_in_headers_are_refused_not_crashed_on(face: Any) -> None:
    """Latin-1, UTF-8 and lone bytes in any of the dialect's headers."""
    for name in (b"systemid", b"sign-header", b"hash-header", b"\xc3\xa9"):
        line = b"XroadVnpt-" + name + b": \xff\xc3\xa9\xe9\r\n"
        raw = await face.raw(
            b"POST /getEdoc HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n" + line + b"\r\n"
        )
        _, fields = answer(raw)
        assert fields["ErrorCode"] in {"15", "20"}


async def test_a_header_sent_twice_is_refused(face: Any) -> None:
    """Even when both say the same: no one can tell which one others believe."""
    head, body = request("getEdoc", [("docId", "x")], extra="xroadvnpt-DOCID: x\r\n")
    assert answer(await face.raw(head + body))[1]["ErrorCode"] == "15"


async def test_a_compressed_body_is_refused(face: Any, edxml: Callable[..., bytes]) -> None:
    """The bytes that are hashed are the bytes that came; nothing is unpacked on the way."""
    document = edxml()
    head, body = sending(document, body=gzip.compress(document), extra="Content-Encoding: gzip\r\n")
    fields = answer(await face.raw(head + body))[1]
    assert fields["ErrorCode"] == "21"
    assert "Content-Encoding" in fields["ErrorDesc"]
    assert face.node.submissions == []


async def test_a_body_nobody_needs_is_not_unpacked(face: Any) -> None:
    """A kilobyte that would be a megabyte stays a kilobyte."""
    bomb = gzip.compress(bytes(1 << 20))
    head, body = request("countReceiveEdoc", [], bomb, extra="Content-Encoding: gzip\r\n")
    assert answer(await face.raw(head + body))[1]["count"] == 0


async def test_a_body_that_breaks_off_leaves_nothing(
    face: Any, edxml: Callable[..., bytes]
) -> None:
    """Half a document and a closed connection: no submission, nothing stored."""
    head, body = sending(edxml(attachment_bytes=90_000))
    _, writer = await asyncio.open_connection(face.host, face.port)
    writer.write(head + body[:50_000])
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()
    await asyncio.sleep(0.1)
    assert face.node.submissions == []
    assert face.store.kept_bytes() == 0


async def test_a_body_that_stands_still_is_given_up(
    serve: Callable[..., Awaitable[Any]], edxml: Callable[..., bytes]
) -> None:
    """The client is told, and nothing is stored."""
    face = await serve(bounds=Bounds(idle=timedelta(seconds=0.2)))
    head, body = sending(edxml())
    _, fields = answer(await face.raw(head + body[:100]))
    assert (fields["ErrorCode"], fields["DocId"]) == ("21", "")
    assert face.store.kept_bytes() == 0


async def test_a_chunked_send_is_taken(face: Any, edxml: Callable[..., bytes]) -> None:
    """Length is not needed in advance."""
    document = edxml()
    pieces = b"".join(
        b"%x\r\n%s\r\n" % (len(document[at : at + 500]), document[at : at + 500])
        for at in range(0, len(document), 500)
    )
    head, body = sending(
        document, body=pieces + b"0\r\n\r\n", extra="Transfer-Encoding: chunked\r\n"
    )
    assert answer(await face.raw(head, body))[1]["DocId"]


async def test_broken_chunks_are_answered(face: Any, edxml: Callable[..., bytes]) -> None:
    """A framing that breaks in the middle of a send ends in an answer, not in silence."""
    body = b"10\r\n0123456789abcdef\r\nzz\r\n"
    head, _ = sending(edxml(), extra="Transfer-Encoding: chunked\r\n")
    started = time.monotonic()
    status, fields = answer(await face.raw(head, body))
    assert (fields["status"], fields["DocId"]) == ("FAIL", "")
    assert status in {200, 400}
    assert time.monotonic() - started < 4
    assert face.node.submissions == []


async def test_pipelined_requests_are_answered_in_order(face: Any) -> None:
    """Two at once, and the second is not lost behind the first one's refusal."""
    wrong = b"".join(request("countReceiveEdoc", [], secret=b"wrong"))
    right = b"".join(request("countReceiveEdoc", [], extra="Connection: close\r\n"))
    raw = await face.raw(wrong + right)
    if raw.count(b"HTTP/1.1 200 OK") == 1:
        raw += await face.raw(right)
    assert raw.count(b"HTTP/1.1 200 OK") == 2
    assert b'"ErrorCode":"15"' in raw
    assert raw.index(b'"ErrorCode":"15"') < raw.index(b'"ErrorCode":"0"')


async def test_http_1_0_is_served(face: Any) -> None:
    """Old clients exist."""
    head, body = request("countReceiveEdoc", [], extra="Connection: close\r\n")
    raw = await face.raw(head.replace(b"HTTP/1.1", b"HTTP/1.0", 1) + body)
    assert answer(raw)[1]["count"] == 0


async def test_a_document_that_is_too_long_is_refused_before_it_is_asked_for(serve: Any) -> None:
    """A client that waits for 100 Continue need not send what will not be taken."""
    face = await serve(limits=Limits(envelope_bytes=1000))
    head, _ = sending(b"x" * 2000, extra="Expect: 100-continue\r\n")
    raw = await face.raw(head)

    assert b"100 Continue" not in raw
    assert answer(raw)[1]["ErrorCode"] == "21"
