"""The REST variant of provincial gateways, over real HTTP against a node in memory."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from relay.envelope.limits import Limits
from relay.model import AgencyCode
from relay.transport.axis.lockout import MOST_FAILURES
from relay.transport.axis.systems import System, Systems

SENDER, RECEIVER = "000.00.20.H13", "000.28.22.H17"
SYSTEMS = {
    "vxp.test.01": (b"s3cret-key", {SENDER}, True),
    "vxp.test.02": (b"other-key", {RECEIVER}, True),
    "vxp.test.03": (b"third-key", {SENDER}, False),
}
Edxml = Callable[..., bytes]
Serve = Callable[..., Awaitable[Any]]


@pytest.fixture
def systems() -> Systems:
    return Systems(
        System(name, (secret,), frozenset(map(AgencyCode, agencies)), rest=rest)
        for name, (secret, agencies, rest) in SYSTEMS.items()
    )


@pytest.fixture
def rest(face: Any) -> Rest:
    return Rest(face, f"http://{face.host}:{face.port}/lgsp/v1")


class Rest:
    """A client as a provincial gateway is called."""

    def __init__(self, face: Any, base: str) -> None:
        self.face, self.base = face, base

    async def call(
        self, method: str, name: str, system: str = "vxp.test.01", secret: str = "", **options: Any
    ) -> tuple[int, dict[str, Any]]:
        headers = {
            "X-SystemId": system,
            "X-SecretKey": secret or SYSTEMS[system][0].decode(),
            **options.pop("headers", {}),
        }
        async with self.face.session.request(
            method, f"{self.base}/{name}", headers=headers, **options
        ) as response:
            content = await response.read()
            assert response.content_type == "application/json"
            assert content.isascii()
            return response.status, json.loads(content)

    async def send(self, document: bytes, kind: str = "edoc", **options: Any) -> dict[str, Any]:
        form = aiohttp.FormData()
        form.add_field("edocFile", document, filename="vb.edxml", content_type="application/xml")
        form.add_field("messageType", kind)
        return (await self.call("POST", "sendEdoc", data=form, **options))[1]


async def test_a_document_goes_through_every_call(rest: Rest, edxml: Edxml) -> None:
    """Sent, listed, fetched unchanged, acknowledged, and its status told to the sender."""
    document = edxml()
    sent = await rest.send(document)
    assert (sent["status"], sent["ErrorCode"]) == ("OK", "0")
    query = {"messageType": "edoc", "fromDate": "2026/11/01", "toDate": "2026/11/22"}
    _, listed = await rest.call("GET", "syncReceivedEdocList", "vxp.test.02", params=query)
    (row,) = listed["data"]
    assert (row["from"], row["to"], row["status"]) == (SENDER, RECEIVER, "initial")
    _, got = await rest.call("GET", "getEdoc", "vxp.test.02", params={"docId": row["docId"]})
    assert base64.b64decode(got["data"]) == document
    told = {"docId": row["docId"], "status": "done"}
    _, updated = await rest.call("POST", "updateStatus", "vxp.test.02", json=told)
    assert updated == {"status": "OK", "ErrorCode": "0", "ErrorDesc": "Thanh cong / success"}
    _, status = await rest.call("GET", "getReceiveStatus", params={"docId": sent["DocId"]})
    (row,) = status["data"]
    assert (row["sendStatus"], row["receiveStatus"], row["toCode"]) == ("done", "done", RECEIVER)


async def test_a_repeated_send_gets_the_same_doc_id_on_either_face(
    rest: Rest, edxml: Edxml
) -> None:
    """The variant is another door to the same intake."""
    first = await rest.send(edxml())
    assert (await rest.send(edxml()))["DocId"] == first["DocId"]
    client = rest.face.client()
    assert await client.send(edxml(), sender=SENDER) == first["DocId"]


@pytest.mark.parametrize("query", [{"fromDate": "2026/11/23"}, {"toDate": "2026/11/21"}])
async def test_dates_filter(rest: Rest, edxml: Edxml, query: dict[str, str]) -> None:
    """As yyyy/MM/dd, in Vietnamese days; the first day there is limits nothing."""
    await rest.send(edxml())
    _, listed = await rest.call("GET", "syncReceivedEdocList", "vxp.test.02", params=query)
    assert (listed["ErrorCode"], listed["data"]) == ("0", [])
    unset = dict.fromkeys(query, "0001/01/01")
    _, listed = await rest.call("GET", "syncReceivedEdocList", "vxp.test.02", params=unset)
    assert (listed["ErrorCode"], len(listed["data"])) == ("0", 1)


@pytest.mark.parametrize(
    ("system", "secret", "text"),
    [
        ("vxp.test.01", "wrong", "Sai systemid hoac khoa bi mat"),
        ("vxp.nobody", "s3cret-key", "Sai systemid hoac khoa bi mat"),
        ("vxp.test.01", "other-key", "Sai systemid hoac khoa bi mat"),
        ("vxp.test.03", "third-key", "chua duoc mo giao dien REST"),
    ],
)
async def test_only_a_proven_system_with_the_variant_switched_on_is_served(
    rest: Rest, system: str, secret: str, text: str
) -> None:
    """Which of the two is wrong is not told; that it is off is told only to who proved itself."""
    status, answer = await rest.call("GET", "syncReceivedEdocList", system, secret)
    assert (status, answer["ErrorCode"], answer["data"]) == (200, "15", [])
    assert text in answer["ErrorDesc"]


async def test_a_missing_or_repeated_secret_is_refused(rest: Rest) -> None:
    """By name of the header, never with its value."""
    async with rest.face.session.get(f"{rest.base}/getEdoc?docId=x") as response:
        assert "X-SystemId" in (await response.json())["ErrorDesc"]
    raw = b"GET /lgsp/v1/getEdoc HTTP/1.1\r\nHost: a\r\nX-SystemId: vxp.test.01\r\n"
    answer = await rest.face.raw(raw + b"X-SecretKey: s3cret-key\r\n" * 2 + b"\r\n")
    assert b"X-SecretKey" in answer
    assert b"s3cret-key" not in answer


async def test_wrong_secrets_lock_the_address_out(rest: Rest) -> None:
    """As wrong signatures do."""
    for _ in range(MOST_FAILURES):
        await rest.call("GET", "syncReceivedEdocList", secret="guess")
    _, answer = await rest.call("GET", "syncReceivedEdocList")
    assert "Tam khoa" in answer["ErrorDesc"]


async def test_other_systems_documents_do_not_exist(rest: Rest, edxml: Edxml) -> None:
    """Neither to fetch, nor to acknowledge, nor to follow."""
    sent = await rest.send(edxml())
    (row,) = (await rest.call("GET", "syncReceivedEdocList", "vxp.test.02"))[1]["data"]
    asked: list[tuple[str, str, str, dict[str, Any]]] = [
        ("GET", "getEdoc", "vxp.test.01", {"params": {"docId": row["docId"]}}),
        (
            "POST",
            "updateStatus",
            "vxp.test.01",
            {"json": {"docId": row["docId"], "status": "done"}},
        ),
        ("GET", "getReceiveStatus", "vxp.test.02", {"params": {"docId": sent["DocId"]}}),
        ("GET", "getReceiveStatus", "vxp.test.01", {}),
    ]
    for method, call, system, options in asked:
        _, answer = await rest.call(method, call, system, **options)
        assert (answer["status"], answer["ErrorCode"]) == ("FAIL", "21"), call


async def test_the_sender_in_the_document_must_be_the_systems(rest: Rest, edxml: Edxml) -> None:
    """There is no header `from` here: the document's own counts."""
    answer = await rest.send(edxml(sender=RECEIVER, to=(SENDER,)))
    assert (answer["ErrorCode"], answer["DocId"]) == ("19", "")


async def test_a_large_file_streams(rest: Rest, edxml: Edxml) -> None:
    """In chunks, and the bytes that arrive are the file's."""
    document = edxml(attachment_bytes=3_000_000)

    async def pieces() -> AsyncIterator[bytes]:
        head = b'--xx\r\nContent-Disposition: form-data; name="messageType"\r\n\r\nedoc\r\n--xx\r\n'
        yield head + b'Content-Disposition: form-data; name="edocFile"; filename="a"\r\n\r\n'
        for start in range(0, len(document), 70_001):
            yield document[start : start + 70_001]
        yield b"\r\n--xx--\r\n"

    kind = {"Content-Type": "multipart/form-data; boundary=xx"}
    _, sent = await rest.call("POST", "sendEdoc", data=pieces(), headers=kind)
    assert sent["ErrorCode"] == "0"
    (row,) = (await rest.call("GET", "syncReceivedEdocList", "vxp.test.02"))[1]["data"]
    _, got = await rest.call("GET", "getEdoc", "vxp.test.02", params={"docId": row["docId"]})
    assert base64.b64decode(got["data"]) == document


PART = b'--xx\r\nContent-Disposition: form-data; name="edocFile"\r\n'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--xx--\r\n",
        b"no boundary at all",
        b'--xx\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--xx--\r\n',
        b'--xx\r\nContent-Disposition: form-data; name="other"\r\n\r\n' + b"x" * 70_000 + b"\r\n--xx--\r\n",
        PART + b"\r\n<a/>\r\n--xx\r\n" + PART[4:] + b"\r\n<a/>\r\n--xx--\r\n",
        PART + b"Content-Transfer-Encoding: base64\r\n\r\nPGEvPg==\r\n--xx--\r\n",
        PART + b"Content-Encoding: gzip\r\n\r\nxx\r\n--xx--\r\n",
        PART + b"Content-Type: multipart/mixed; boundary=yy\r\n\r\n--yy--\r\n--xx--\r\n",
        PART + b"\r\nnot edXML\r\n--xx--\r\n",
        PART + b"X: " + b"y" * 20_000 + b"\r\n\r\n<a/>\r\n--xx--\r\n",
        b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 20 + b"--xx--\r\n",
        PART + b"\r\nnever ends",
    ],
)  # fmt: skip
async def test_a_hostile_form_is_refused_and_leaves_nothing(rest: Rest, body: bytes) -> None:
    """Every broken, nested, doubled, coded or endless form: the dialect's JSON, with DocId."""
    kind = {"Content-Type": "multipart/form-data; boundary=xx"}
    status, answer = await rest.call("POST", "sendEdoc", data=body, headers=kind)
    assert status == 200
    assert (answer["status"], answer["DocId"]) == ("FAIL", "")
    assert answer["ErrorCode"] in {"21", "22"}
    assert rest.face.store.kept_bytes() == 0


async def test_a_form_with_two_documents_is_refused(rest: Rest, edxml: Edxml) -> None:
    """Nobody could say which of them was sent; neither is kept."""
    form = aiohttp.FormData()
    for subject in ("Một", "Hai"):
        form.add_field("edocFile", edxml(subject=subject, attachment_bytes=90_000), filename="a")
    _, answer = await rest.call("POST", "sendEdoc", data=form)
    assert (answer["ErrorCode"], answer["DocId"]) == ("21", "")
    assert "edocFile twice" in answer["ErrorDesc"]
    assert rest.face.store.kept_bytes() == 0


async def test_what_is_no_form_is_refused(rest: Rest) -> None:
    """Before it is read."""
    _, answer = await rest.call("POST", "sendEdoc", data=b"<edXML/>")
    assert (answer["ErrorCode"], answer["DocId"]) == ("21", "")


async def test_a_file_over_the_limit_is_refused(serve: Serve, edxml: Edxml) -> None:
    """By its declared length, or as soon as it has come too far."""
    face = await serve(limits=Limits(envelope_bytes=10_000))
    rest = Rest(face, f"http://{face.host}:{face.port}/lgsp/v1")
    for size in (30_000, 300_000):
        answer = await rest.send(edxml(attachment_bytes=size))
        assert (answer["ErrorCode"], answer["DocId"]) == ("21", "")
    assert face.store.kept_bytes() == 0


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"docId":1}', b'{"docId":"a"}', b"x" * 70_000]
)
async def test_a_bad_acknowledgement_is_refused(rest: Rest, body: bytes) -> None:
    """In the dialect's JSON."""
    status, answer = await rest.call("POST", "updateStatus", data=body)
    assert (status, answer["status"]) == (200, "FAIL")


async def test_unknown_paths_and_methods_are_answered_in_json(rest: Rest) -> None:
    """404 and 405, with every field."""
    assert (await rest.call("GET", "nothing"))[0] == 404
    status, answer = await rest.call("GET", "sendEdoc")
    assert (status, answer["DocId"]) == (405, "")


async def test_the_agencies_are_what_the_dialects_own_call_answers(rest: Rest) -> None:
    """Where this node offers no directory: a refusal, never an empty list of success."""
    status, answer = await rest.call("GET", "getAgenciesList")
    assert (status, answer["status"], answer["data"]) == (200, "FAIL", [])
