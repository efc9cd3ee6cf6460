"""POST /v1/envelopes: what is taken, what the answer says, and every way to be refused."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from relay.errors import (
    EnvelopeError,
    JournalError,
    LostPayloadError,
    OverloadError,
    ReserveError,
    SignatureError,
)
from relay.transport.native import native_runner

Letter = Callable[..., bytes]
Http = Callable[..., aiohttp.ClientSession]
XML = {"Content-Type": "application/xml"}


async def problem(response: aiohttp.ClientResponse) -> tuple[int, str, dict[str, Any]]:
    assert response.content_type == "application/problem+json"
    document = await response.json(content_type=None)
    assert document["status"] == response.status
    assert document["instance"].endswith(response.headers["X-Request-ID"])
    return response.status, document["type"].removeprefix("urn:truc-relay:problem:"), document


async def test_an_envelope_is_accepted_with_its_id_instant_and_receipt(
    world: Any, http: Http, letter: Letter
) -> None:
    """202 names the message, when it became durable, and the receipt that proves it."""
    content = letter()
    async with http().post("/v1/envelopes", data=content, headers=XML) as response:
        answer = await response.json()

    assert response.status == 202
    assert response.headers["Location"] == f"/v1/messages/{answer['message_id']}"
    assert answer["accepted_at"] == "2026-11-23T04:05:06.123Z"
    assert answer["receipt"] in world.receipts
    assert world.submissions[0].payload.content == content
    assert world.submissions[0].envelope.subject == "V/v họp giao ban"


async def test_a_repeat_gets_the_same_bytes(http: Http, letter: Letter) -> None:
    """A client that lost the answer and sends again cannot tell the difference but by one header."""
    bodies, flags = [], []
    for _ in range(2):
        async with http().post("/v1/envelopes", data=letter(), headers=XML) as response:
            bodies.append(await response.read())
            flags.append(response.headers.get("Relay-Repeated"))

    assert bodies[0] == bodies[1]
    assert flags == [None, "true"]


@pytest.mark.parametrize(
    "kind",
    [
        "application/xml",
        "text/xml; charset=utf-8",
        "application/edxml+xml",
        "application/octet-stream",
    ],
)
async def test_every_plain_media_type_is_taken(http: Http, letter: Letter, kind: str) -> None:
    """The same bytes are an envelope whichever of the usual names they travel under."""
    async with http().post(
        "/v1/envelopes", data=letter(), headers={"Content-Type": kind}
    ) as response:
        assert response.status == 202


async def test_recipients_beside_the_document_are_passed_on(
    world: Any, http: Http, letter: Letter
) -> None:
    """`to` in the query overrides the document's own list, in the order given."""
    url = "/v1/envelopes?to=000.00.20.H13&to=000.00.15.H51"
    async with http().post(url, data=letter(), headers=XML) as response:
        assert response.status == 202

    assert world.submissions[0].declared_to == ("000.00.20.H13", "000.00.15.H51")


async def test_a_circular_names_two_thousand_recipients(
    world: Any, http: Http, letter: Letter
) -> None:
    """A query of tens of kilobytes is taken; what cannot be reached is then named, all of it."""
    codes = [f"000.{number // 100:02d}.{number % 100:02d}.H01" for number in range(2000)]
    url = "/v1/envelopes?" + "&".join(f"to={code}" for code in codes)
    async with http().post(url, data=letter(), headers=XML) as response:
        _, word, document = await problem(response)

    assert word == "no-route"
    assert document["codes"] == codes


@pytest.mark.parametrize("subtype", ["related", "form-data"])
@pytest.mark.parametrize("order", [("envelope", "seal"), ("seal", "envelope")])
async def test_a_seal_may_come_beside_the_envelope(
    world: Any, http: Http, letter: Letter, subtype: str, order: tuple[str, str]
) -> None:
    """Both multipart kinds, both orders: the exact bytes of both parts reach the intake."""
    content, seal = letter(filler=100_000), b"<Signature>made at the agency</Signature>"
    with aiohttp.MultipartWriter(subtype) as parts:
        for name in order:
            part = parts.append(
                {"envelope": content, "seal": seal}[name], {"Content-Type": "application/xml"}
            )
            if subtype == "form-data":
                part.set_content_disposition("form-data", name=name)
            else:
                part.headers["Content-ID"] = f"<{name}>"
    async with http().post("/v1/envelopes", data=parts) as response:
        assert response.status == 202

    assert world.submissions[0].seal == seal
    assert world.submissions[0].payload.digest == hashlib.sha256(content).hexdigest()
    assert world.submissions[0].payload.path.read_bytes() == content


def parts(*named: tuple[str, bytes], boundary: str = "cut", tail: bytes = b"--cut--\r\n") -> bytes:
    body = b""
    for name, content in named:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        body += content + b"\r\n"
    return body + tail


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (parts(("seal", b"<s/>")), "envelope"),
        (parts(("seal", b"<s/>"), ("seal", b"<s/>")), "each once"),
        (parts(("other", b"x")), "called envelope or seal (form-data name, or Content-ID"),
        (parts(("seal", b"<s/>"), ("seal.xml", b"<s/>")), "each once"),
        (parts(("seal", b"")), "empty"),
        (parts(("seal", b"<s/>"), tail=b""), "ended early"),
        (parts(("seal", b"<s/>"), tail=b"--cu"), "ended early"),
        (b"no boundary anywhere", "framed wrongly"),
        (b"", "framed wrongly"),
        (
            b"--cut\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\nx\r\n--in--\r\n--cut--\r\n",
            "multipart itself",
        ),
        (b"--cut\r\nBad header\r\n\r\nx\r\n--cut--\r\n", "framed wrongly"),
        (b"--cut\r\n" + b"A" * 20_000 + b": 1\r\n\r\nx\r\n--cut--\r\n", "framed wrongly"),
    ],
)
async def test_a_multipart_body_out_of_shape_is_refused(
    world: Any, http: Http, body: bytes, said: str
) -> None:
    """Missing, doubled, unknown, empty, nested or unclosed parts are 400 with a reason."""
    kind = {"Content-Type": "multipart/form-data; boundary=cut"}
    async with http().post("/v1/envelopes", data=body, headers=kind) as response:
        status, word, document = await problem(response)

    assert (status, word) == (400, "bad-request")
    assert said in document["detail"] or said == document["parameter"]
    assert world.submissions == []


async def test_a_cut_off_envelope_part_is_not_taken_for_the_whole(
    world: Any, http: Http, letter: Letter
) -> None:
    """A body whose closing boundary never came is refused even where the XML happens to be complete."""
    body = parts(("envelope", letter()), tail=b"")
    kind = {"Content-Type": "multipart/form-data; boundary=cut"}
    async with http().post("/v1/envelopes", data=body, headers=kind) as response:
        status, _, _ = await problem(response)

    assert status == 400
    assert world.submissions == []


async def test_a_coded_part_is_refused(http: Http, letter: Letter) -> None:
    """base64 or gzip inside a part would make the bytes other than those that were sealed."""
    for header in (b"Content-Transfer-Encoding: base64", b"Content-Encoding: gzip"):
        body = (
            b'--cut\r\nContent-Disposition: form-data; name="envelope"\r\n'
            + header
            + b"\r\n\r\n"
            + letter()
            + b"\r\n--cut--\r\n"
        )
        kind = {"Content-Type": "multipart/form-data; boundary=cut"}
        async with http().post("/v1/envelopes", data=body, headers=kind) as response:
            assert (await problem(response))[0] == 415


@pytest.mark.parametrize(
    ("headers", "status", "parameter"),
    [
        ({"Content-Type": "application/json"}, 415, "Content-Type"),
        ({"Content-Type": "application/xml", "Content-Encoding": "gzip"}, 415, "Content-Encoding"),
        ({"Content-Type": "multipart/form-data"}, 400, "Content-Type"),
        (
            {"Content-Type": "application/xml", "Idempotency-Key": "with space"},
            400,
            "Idempotency-Key",
        ),
        ({"Content-Type": "application/xml", "Idempotency-Key": "k" * 256}, 400, "Idempotency-Key"),
    ],
)
async def test_a_head_out_of_shape_is_refused_by_name(
    http: Http, letter: Letter, headers: dict[str, str], status: int, parameter: str
) -> None:
    """The problem names the header at fault."""
    async with http().post("/v1/envelopes", data=letter(), headers=headers) as response:
        found, _, document = await problem(response)

    assert (found, document["parameter"]) == (status, parameter)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("to=", "to"),
        ("to=%00", "to"),
        ("to=" + "A" * 65, "to"),
        ("too=H01", "too"),
        ("to=h%C6%A1", "to"),
    ],
)
async def test_a_bad_query_is_refused_by_name(
    http: Http, letter: Letter, query: str, parameter: str
) -> None:
    """A misspelt or senseless parameter is never ignored."""
    async with http().post(f"/v1/envelopes?{query}", data=letter(), headers=XML) as response:
        status, _, document = await problem(response)

    assert (status, document["parameter"]) == (400, parameter)


async def test_an_envelope_over_the_limit_is_refused_before_it_is_read(http: Http) -> None:
    """413 with the limit, by the declared length alone."""
    async with http().post(
        "/v1/envelopes", data=io.BytesIO(b"x" * (1 << 21)), headers=XML
    ) as response:
        status, word, document = await problem(response)

    assert (status, word, document["limit"]) == (413, "too-large", "1 MiB")


class NoRoom:
    """delivery.pressure.gate.Gate of a node whose disk is full, and that reads as many bodies as it may."""

    def body(self, party: object, size_bytes: int | None) -> AbstractContextManager[None]:
        raise ReserveError("no room")

    def repeat(self, party: object) -> AbstractContextManager[None]:
        raise OverloadError("bodies are coming in")


@pytest.mark.parametrize(
    ("path", "kind", "size_bytes", "refused"),
    [
        ("", "application/xml", 2 << 20, (413, "too-large")),
        ("", "multipart/form-data; boundary=cut", 2 << 20, (413, "too-large")),
        ("", "text/plain", 9, (415, "unsupported-media-type")),
        (f"?upload={'a' * 64}", "application/xml", 1 << 20, (413, "too-large")),
        (f"?upload={'a' * 64}", "text/plain", 9, (415, "unsupported-media-type")),
        ("", "application/xml", 9, (503, "overloaded")),
    ],
)
async def test_what_is_never_taken_is_not_told_to_come_again(
    build: Any, path: str, kind: str, size_bytes: int, refused: tuple[int, str]
) -> None:
    """A disk without room is a reason only for what it would be taken for."""
    runner = native_runner(build(gate=NoRoom()), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/envelopes{path}"
    headers = {"Content-Type": kind, "Authorization": "Bearer sender"}
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=io.BytesIO(b"x" * size_bytes), headers=headers) as response,
        ):
            assert (await problem(response))[:2] == refused
    finally:
        await runner.cleanup()


async def test_an_undeclared_length_is_counted(http: Http, letter: Letter) -> None:
    """Chunked bodies meet the same limit as they come."""

    async def endless() -> Any:
        yield letter()[:-9]
        for _ in range(40):
            yield b" " * (1 << 16)

    async with http().post("/v1/envelopes", data=endless(), headers=XML) as response:
        assert (await problem(response))[:2] == (413, "too-large")


async def test_a_seal_over_the_limit_is_refused(http: Http, letter: Letter) -> None:
    """No seal is a quarter of a mebibyte long."""
    body = parts(("seal", b"s" * 300_000), ("envelope", letter()))
    kind = {"Content-Type": "multipart/form-data; boundary=cut"}
    async with http().post("/v1/envelopes", data=body, headers=kind) as response:
        assert (await problem(response))[:2] == (413, "too-large")


@pytest.mark.parametrize(
    "content", [b"", b"not xml", b"<a/>", b"<!DOCTYPE a><a/>", b"\xff\xfe<\x00"]
)
async def test_what_is_no_envelope_is_refused_with_its_fault(http: Http, content: bytes) -> None:
    """422 with what is wrong, and nothing of the bytes themselves."""
    async with http().post("/v1/envelopes", data=content, headers=XML) as response:
        status, word, document = await problem(response)

    assert (status, word) == (422, "bad-envelope")
    assert document["what"]


async def test_another_agencys_letter_is_refused(http: Http, letter: Letter) -> None:
    """From must be an agency of the token."""
    async with http("recipient").post("/v1/envelopes", data=letter(), headers=XML) as response:
        assert (await problem(response))[:2] == (403, "forbidden")


async def test_what_is_no_agency_code_is_refused_with_its_place(
    world: Any, http: Http, letter: Letter
) -> None:
    """The intake says which text; the answer also where it stands, in the document or beside it."""
    world.failing = EnvelopeError("not an agency code")
    kind = {"Content-Type": "application/xml"}
    for query, content, where in (
        ("", letter(to=("000.00.15.H51", "Sở")), "To/OrganId"),
        ("?to=-", letter(), "the list of recipients outside the document"),
    ):
        async with http().post(f"/v1/envelopes{query}", data=content, headers=kind) as response:
            document = await response.json(content_type=None)
        assert (response.status, document["where"]) == (422, where)
        assert document["detail"].endswith(f"is not an agency code at {where}")


async def test_an_unreachable_recipient_is_named(http: Http, letter: Letter) -> None:
    """The codes concerned are data, not only prose."""
    content = letter(to=("000.00.15.H51", "000.00.99.H99"))
    async with http().post("/v1/envelopes", data=content, headers=XML) as response:
        status, word, document = await problem(response)

    assert (status, word, document["codes"]) == (422, "no-route", ["000.00.99.H99"])


async def test_an_idempotency_key_names_one_submission(http: Http, letter: Letter) -> None:
    """The same key with the same content repeats, with other content conflicts."""
    headers = {**XML, "Idempotency-Key": "2026-0012"}
    statuses = []
    for subject in ("một", "một", "hai"):
        async with http().post("/v1/envelopes", data=letter(subject), headers=headers) as response:
            statuses.append(response.status)

    assert statuses == [202, 202, 409]


@pytest.mark.parametrize(
    ("failure", "status", "word"),
    [
        (OverloadError("9 waiting, limit 8", retry_after_seconds=7), 503, "overloaded"),
        (JournalError("disk at /secret/path is full"), 503, "cannot-store"),
        (LostPayloadError("payload /secret/path"), 503, "lost"),
        (SignatureError("digest-mismatch", "the seal is over other bytes"), 422, "bad-signature"),
        (RuntimeError("a bug with /secret/path in it"), 500, "internal"),
    ],
)
async def test_the_insides_failures_have_their_own_answers(
    world: Any, http: Http, letter: Letter, failure: Exception, status: int, word: str
) -> None:
    """Overload says when to come again; a full disk and a bug say nothing of the machine."""
    world.failing = failure
    async with http().post("/v1/envelopes", data=letter(), headers=XML) as response:
        found, kind, document = await problem(response)

    assert (found, kind) == (status, word)
    assert "/secret" not in str(document)
    assert response.headers.get("Retry-After") == {
        "overloaded": "7",
        "cannot-store": "30",
        "lost": "30",
    }.get(word)


async def test_a_client_that_waits_for_100_is_first_asked_who_it_is(base: str) -> None:
    """`Expect: 100-continue` with a wrong token is answered 401; the body is never asked for."""
    host, port = base.removeprefix("http://").split(":")
    for token, answer in (("wrong", b"HTTP/1.1 401"), ("sender", b"HTTP/1.1 100 Continue\r\n\r\n")):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /v1/envelopes HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\n"
            b"Content-Length: 1000\r\nExpect: 100-continue\r\nAuthorization: Bearer "
            + token.encode()
            + b"\r\n\r\n"
        )
        assert (await reader.read(4096)).startswith(answer)
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("to", ["000.00.15.H51", "000.00.99.H99"])
async def test_a_payload_is_let_go_once_whether_taken_or_refused(
    http: Http, world: Any, letter: Letter, to: str
) -> None:
    """Whoever received an envelope says when it is done with it, so that a refused one is removed."""
    async with http().post("/v1/envelopes", data=letter(to=(to,)), headers=XML):
        pass

    assert len(world.store.released) == 1
