"""The axis face of a running node: recorded requests replayed, systems added and bound, what is put back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sqlite3
import ssl
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from relay.delivery.ports import Acknowledgement
from relay.demo.network import AgencyPlan, Network, NodePlan, RunningNode
from relay.model import Tier
from relay.signing.tls import face_client_context
from relay.transport.axis.client import AxisClient, AxisFailure
from relay.transport.axis.signature import sign
from relay.transport.intake_stream import digest_forms

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
REQUESTS = Path(__file__).parents[1] / "vectors" / "axis" / "requests"
SENDER, RECEIVER = "000.00.20.H13", "000.28.22.H17"
SECRET, OTHER = b"s3cret-key", b"an-other-systems-key"
SYSTEMS = (
    f'[[systems]]\nsystemid = "vxp.test.01"\nsecret = "{SECRET.decode()}"\nagencies = ["{SENDER}"]\n'
    f'[[systems]]\nsystemid = "vxp.test.02"\nsecret = "{OTHER.decode()}"\nagencies = ["{RECEIVER}"]\n'
    "rest = true\n"
)
PLAN = NodePlan(
    "office",
    Tier.PROVINCE,
    None,
    "office",
    tuple(AgencyPlan(code, "Cơ quan Mẫu", Tier.PROVINCE) for code in (SENDER, RECEIVER, "H13.01")),
)
TIME = r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
OK = {"status": "OK", "ErrorCode": "0", "ErrorDesc": "Thanh cong / success"}
NOT_FOUND = {
    "status": "FAIL",
    "ErrorCode": "21",
    "ErrorDesc": "Khong tim thay van ban voi docId nay / no document of this system has that docId",
}


class Office:
    """The node, and connections to it."""

    def __init__(self, network: Network, session: aiohttp.ClientSession) -> None:
        self.network, self.session = network, session
        self.node: RunningNode = network.nodes["office"]

    def dms(self, systemid: str, secret: bytes) -> AxisClient:
        now = datetime.now(UTC)
        return AxisClient(self.node.axis_url, systemid, secret, self.session, now=now)

    async def relay(self, *args: str) -> tuple[int, str, str]:
        """As an operator on the node's machine."""
        config = ("--config", str(self.node.config))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "relay", *args, *config,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()

    async def connect(
        self, context: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        where = urlsplit(self.node.axis_url)
        tls = context or face_client_context(self.network.root)
        return await asyncio.open_connection(where.hostname, where.port, ssl=tls)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    network = Network.build(folder, [PLAN], now=datetime.now(UTC), extra=SYSTEMS)
    connector = aiohttp.TCPConnector(ssl=face_client_context(network.root))
    try:
        await network.start()
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Office(network, session)
    finally:
        await network.stop()
    told = network.nodes["office"].log.read_text(encoding="utf-8")
    assert "Traceback" not in told, told[-4000:]
    assert SECRET.decode() not in told
    assert "D:/edoc/in" not in told


def document(number: int, recipient: str = RECEIVER, sender: str = SENDER) -> bytes:
    name = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="{name}"><edXML:edXMLEnvelope xmlns:edXML="{name}"><edXML:edXMLHeader><edXML:MessageHeader>
<edXML:From><edXML:OrganId>{sender}</edXML:OrganId><edXML:OrganName>Mẫu</edXML:OrganName></edXML:From>
<edXML:To><edXML:OrganId>{recipient}</edXML:OrganId><edXML:OrganName>Mẫu</edXML:OrganName></edXML:To>
<edXML:DocumentId>D{number}</edXML:DocumentId><edXML:Code><edXML:CodeNumber>{number}</edXML:CodeNumber>
<edXML:CodeNotation>CV-M</edXML:CodeNotation></edXML:Code><edXML:Subject>Về việc thử số {number}</edXML:Subject>
</edXML:MessageHeader></edXML:edXMLHeader><edXML:edXMLBody/></edXML:edXMLEnvelope></edXML>""".encode()


# ---------------------------------------------------------------- recorded requests


def recorded(name: str) -> list[list[str]]:
    """Each request of a file: its request line and headers."""
    heads: list[list[str]] = []
    inside = False
    for line in (REQUESTS / f"{name}.http").read_text().splitlines():
        if line.endswith(" HTTP/1.1"):
            heads.append([line.replace("{base}", "/XrdAdapter/RestService/forward/mcc")])
            inside = True
        elif line and inside:
            heads[-1].append(line)
        else:
            inside = False
    return heads


def again(head: list[str], **changed: str) -> list[str]:
    """The same request about other values, signed as its client signs: its members in its order."""
    signed = json.loads(next(one for one in head if "sign-header:" in one).partition(": ")[2])
    members = [(name.removeprefix("XroadVnpt-"), value) for name, value in signed.items()]
    fresh = sign([(name, changed.get(name, value)) for name, value in members], SECRET)
    return [
        f"{name}: {fresh[name]}" if (name := one.partition(": ")[0]) in fresh else one
        for one in head
    ]


async def play(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: list[str], body: bytes
) -> tuple[int, bytes]:
    """Write it as it was recorded, wait for 100 where it waited, read the answer."""
    lines = [
        f"Content-Length: {len(body)}" if one.startswith("Content-Length") else one for one in head
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    if "Expect: 100-continue" in head:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    writer.write(body)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", answer, re.IGNORECASE)
    assert length is not None
    content = await reader.readexactly(int(length[1]))
    assert b"application/json" in answer
    assert content.isascii()
    return int(answer.split()[1]), content


def same(found: Any, expected: Any, where: str = "") -> None:
    """Field by field; a text beginning with ~ is a pattern."""
    if isinstance(expected, dict):
        assert list(found) == list(expected), where
        for name, value in expected.items():
            same(found[name], value, f"{where}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for number, value in enumerate(expected):
            same(found[number], value, f"{where}[{number}]")
    elif isinstance(expected, str) and expected.startswith("~"):
        assert isinstance(found, str), where
        assert re.fullmatch(expected[1:], found), f"{where}: {found}"
    else:
        assert found == expected, where


LISTED = [
    {
        "id": "~[1-9][0-9]*",
        "pid": "~[0-9]+",
        "code": code,
        "name": "Cơ quan Mẫu",
        "mail": "",
        "oldCode": old,
    }
    for code, old in ((SENDER, SENDER), (RECEIVER, RECEIVER), ("H13.01", ""))
]
CHANGED = [
    {
        "id": row["id"],
        "pid": row["pid"],
        "code": row["code"],
        "name": row["name"],
        "mail": "",
        "version": "~[0-9]+",
        "centerCode": "",
        "deleted": "false",
        "modifyDate": f"~{TIME}",
        "isAgency": "true",
    }
    for row in LISTED
]
DAMAGED = {
    "status": "FAIL",
    "ErrorCode": "21",
    "ErrorDesc": "~Tep bi thay doi tren duong truyen, hay gui lai / the file was damaged .*",
    "DocId": "",
}
NO_CODE = {
    "status": "FAIL",
    "ErrorCode": "19",
    "ErrorDesc": "Khong dang ky duoc don vi: ma don vi khong hop le / "
    '"999.010.01.H22" is not an agency code',
}
STRANGE = {
    "status": "FAIL",
    "ErrorCode": "19",
    "ErrorDesc": "Khong co don vi 99.99.99.G21 trong danh muc / "
    "no agency 99.99.99.G21 in the directory",
}
NOT_FOUND_TEXT = {**NOT_FOUND, "data": ""}
AS_RECORDED: dict[str, list[dict[str, Any]]] = {
    "getReceivedEdocList": [{**OK, "data": []}],
    "getSentEdocList": [{**OK, "data": []}],
    "getEdoc": [NOT_FOUND_TEXT],
    "downloadEdoc": [NOT_FOUND],
    "countReceiveEdoc": [{**OK, "count": 0}],
    "updateStatus": [NOT_FOUND],
    "sendEdoc": [DAMAGED, DAMAGED],
    "getAgenciesList": [{**OK, "data": LISTED}],
    "getSynchronizeUnit": [{**OK, "data": CHANGED}],
    "registerAgency": [NO_CODE],
    "deleteAgency": [STRANGE],
    "one-long-lived-client": [
        {**OK, "data": []},
        {**OK, "data": []},
        NOT_FOUND_TEXT,
        NOT_FOUND,
        DAMAGED,
    ],
}


def recorded_body(head: list[str], name: str) -> bytes:
    """As long as the recording says: the document file itself was not kept, so its digest differs."""
    length = next((one.partition(": ")[2] for one in head if one.startswith("Content-Length")), "0")
    if name == "registerAgency":
        return (REQUESTS / f"{name}.http").read_bytes().partition(b"\n\n")[2].strip()
    return b"{}" if length == "2" else b"x" * (int(length) - 2) + b"\r\n" if int(length) else b""


async def test_every_recorded_file_is_replayed() -> None:
    """None may be left out when another is recorded."""
    assert {file.stem for file in REQUESTS.glob("*.http")} == AS_RECORDED.keys()


@pytest.mark.parametrize("name", sorted(AS_RECORDED))
async def test_a_recorded_request_is_answered_field_by_field(office: Office, name: str) -> None:
    """Byte for byte as the Java client wrote it, with its signature and its length of that day; several
    of one file on one connection."""
    reader, writer = await office.connect()
    for head, expected in zip(recorded(name), AS_RECORDED[name], strict=True):
        body = recorded_body(head, name)
        assert f"Content-Length: {len(body)}" in head or head[0].startswith("GET ")
        status, content = await play(reader, writer, head, body)
        assert status == 200
        same(json.loads(content), expected)
    writer.close()


async def test_a_long_lived_client_goes_through_its_day(office: Office) -> None:
    """Its five recorded calls on one connection, about a document that is there: sticky headers, a
    timestamp that never changes, Expect, the CR LF behind the document."""
    theirs = office.dms("vxp.test.02", OTHER)
    incoming = document(1, SENDER, RECEIVER)
    package = await theirs.send(incoming, sender=RECEIVER)
    polls, repeat, fetch, acknowledge, send = recorded("one-long-lived-client")
    reader, writer = await office.connect()
    _, content = await play(reader, writer, polls, b"")
    row = {
        "docId": f"~{UUID}",
        "serviceType": "eDoc",
        "messageType": "edoc",
        "created_time": f"~{TIME}",
        "updated_time": f"~{TIME}",
        "from": RECEIVER,
        "to": SENDER,
        "status": "initial",
        "status_desc": "Chua nhan / not yet taken over",
    }
    same(json.loads(content), {**OK, "data": [row]})
    assert (await play(reader, writer, repeat, b"")) == (200, content)
    name = json.loads(content)["data"][0]["docId"]
    _, got = await play(reader, writer, again(fetch, docId=name), b"{}")
    import base64

    assert base64.b64decode(json.loads(got)["data"]) == incoming
    for _ in range(2):
        _, done = await play(reader, writer, again(acknowledge, docId=name), b"{}")
        same(json.loads(done), OK)
    _, empty = await play(reader, writer, polls, b"")
    same(json.loads(empty), {**OK, "data": []})
    outgoing = document(2)
    hashed = digest_forms(sha256(outgoing).digest())[1]
    sending = again(send, **{"hash-file": hashed, "docId": name})
    _, sent = await play(reader, writer, sending, outgoing + b"\r\n")
    same(json.loads(sent), {**OK, "DocId": f"~{UUID}"})
    assert (await play(reader, writer, sending, outgoing + b"\r\n"))[1] == sent
    writer.close()
    (row2,) = await theirs.sent_list(doc_id=package)
    assert (row2.sendStatus, row2.receiveStatus) == ("done", "done")
    assert row2.receiveStatusDesc == "Da nhan / taken over"


async def test_a_document_the_recipients_system_puts_back_waits_again(office: Office) -> None:
    """Its sender and the operator see why; once it is taken over, nobody is told of it any more."""
    ours, theirs = office.dms("vxp.test.01", SECRET), office.dms("vxp.test.02", OTHER)
    package = await ours.send(document(3), sender=SENDER)
    (row,) = [one for one in await theirs.received_list() if one.status_desc.startswith("Chua")][
        -1:
    ]
    headers = {"X-SystemId": "vxp.test.02", "X-SecretKey": OTHER.decode()}
    told = {"docId": row.docId, "status": "fail", "reason": "đĩa đầy"}
    url = f"{office.node.axis_url}/lgsp/v1/updateStatus"
    async with office.session.post(url, headers=headers, json=told) as response:
        same(await response.json(), OK)
    (again_,) = [one for one in await theirs.received_list() if one.docId == row.docId]
    assert again_.status == "initial"
    assert again_.status_desc.endswith("/ put back, the last attempt failed (dia day)")
    (failed,) = await theirs.received_list(status="fail")
    assert (failed.docId, failed.status) == (row.docId, "fail")
    (sent,) = await ours.sent_list(doc_id=package)
    assert (sent.sendStatus, sent.receiveStatus) == ("done", "fail")
    assert re.fullmatch(TIME, sent.receivedTime)
    assert "(dia day)" in sent.receiveStatusDesc
    _, why, _ = await office.relay("why", row.docId)
    assert "could not take it over: đĩa đầy" in why
    _, _, shape = await office.relay("queue", "shape")
    assert "1 deliveries were put back" in shape
    assert "delivery-put-back" in office.node.log.read_text(encoding="utf-8")
    await theirs.update_status(row.docId, Acknowledgement.DONE)
    (sent,) = await ours.sent_list(doc_id=package)
    assert (sent.receiveStatus, sent.receiveStatusDesc) == ("done", "Da nhan / taken over")


async def test_lists_of_what_was_sent_page_and_filter(office: Office) -> None:
    """Stable: the same page again is the same, and pages together are the whole."""
    ours = office.dms("vxp.test.01", SECRET)
    for number in range(10, 17):
        await ours.send(document(number), sender=SENDER)

    async def asked(**filters: str) -> list[dict[str, str]]:
        parameters = [("systemid", "vxp.test.01"), *filters.items()]
        headers = sign(parameters, SECRET)
        url = f"{office.node.axis_url}/any/base/getSentEdocList"
        async with office.session.post(url, headers=headers) as response:
            answer = await response.json()
        assert answer["ErrorCode"] == "0", answer
        return list(answer["data"])

    whole = await asked()
    paged = [row for page in "12345" for row in await asked(pageSize="3", pageIndex=page)]
    assert paged == whole[:15]
    assert await asked(fromDate="01/01/2031 00:00:00") == []
    assert await asked(toDate="01/01/2031 00:00:00") == whole
    unset = "01/01/0001 00:00:00"  # .NET's DateTime.MinValue
    assert await asked(fromDate=unset, toDate=unset) == whole
    assert await asked(fromDate="02/01/0001 00:00:00", toDate="31/12/9999 23:59:59") == whole
    assert await asked(status="fail") == []
    assert await asked(messagetype="status") == []
    one = {"docId": whole[-1]["senderDocId"], "pageIndex": "9", "fromDate": "01/01/2031 00:00:00"}
    assert await asked(**one) == whole[-1:]


async def test_the_client_of_the_package_knows_every_call_of_the_directory(office: Office) -> None:
    """Lists in the three ways, and what a system asks to change."""
    ours = office.dms("vxp.test.01", SECRET)
    assert {row.code: row.oldCode for row in await ours.agencies()} == {
        SENDER: SENDER,
        RECEIVER: RECEIVER,
        "H13.01": "",
    }
    assert [row.code for row in await ours.agencies_by_decision_20(2)] == ["H13.01"]
    assert await ours.agencies_by_decision_20(1) == []
    units = await ours.changed_agencies()
    newest = max(int(unit.version) for unit in units)
    assert len(units) == 3
    assert await ours.changed_agencies(since=newest) == []
    said = await ours.register("001.00.20.H13", "Phòng Mẫu", SENDER)
    assert said.endswith("waits for an operator's approval")
    with pytest.raises(AxisFailure, match="code 19"):
        await ours.register("001.00.28.H17", "Phòng Mẫu", RECEIVER)
    assert (await ours.unregister(SENDER)).endswith("waits for an operator's approval")
    with pytest.raises(AxisFailure, match=r"no agency H99\.99 in the directory"):
        await ours.unregister("H99.99")


# ---------------------------------------------------------------- systems at the terminal


async def counted(client: AxisClient) -> str:
    try:
        await client.count_documents()
    except AxisFailure as failure:
        return failure.text
    return "OK"


async def test_a_system_is_added_rotated_and_revoked_while_the_node_serves(office: Office) -> None:
    """And all of it outlives a kill; the journal holds no secret in the clear."""
    code, first, said = await office.relay("system", "add", "vxp.saas.09", "--agency", "H13.01")
    assert code == 0, said
    assert "shown only now" in said
    old = office.dms("vxp.saas.09", first.strip().encode())
    assert await counted(old) == "OK"
    code, second, said = await office.relay("system", "rotate", "vxp.saas.09")
    assert code == 0, said
    new = office.dms("vxp.saas.09", second.strip().encode())
    assert [await counted(one) for one in (old, new)] == ["OK", "OK"]
    await office.network.kill(office.node)
    await office.network.spawn(office.node)
    await office.network.ready(office.node)
    assert [await counted(one) for one in (old, new)] == ["OK", "OK"]
    for file in (office.node.folder / "data").iterdir():
        if file.is_file():
            assert first.strip().encode() not in file.read_bytes()
            assert second.strip().encode() not in file.read_bytes()
    _, listed, _ = await office.relay("system", "list")
    assert "vxp.saas.09" in listed
    assert "until" in listed
    code, _, _ = await office.relay("system", "rotate", "vxp.saas.09", "--overlap-days", "0")
    assert "Sai systemid" in await counted(old)
    code, _, said = await office.relay("system", "revoke", "vxp.saas.09", "--why", "lộ khóa")
    assert code == 0, said
    assert "Sai systemid" in await counted(new)
    _, log, _ = await office.relay("audit", "tail")
    for event in ("system-added", "system-rotated", "system-revoked"):
        assert event in log
    code, _, said = await office.relay("system", "add", "vxp.x", "--agency", "H99")
    assert code != 0
    assert "not served" in said


async def test_a_lock_outlives_a_kill(office: Office) -> None:
    """Who can make a node start anew does not guess any faster; a new secret opens at once."""
    _, secret, _ = await office.relay("system", "add", "vxp.guessed", "--agency", "H13.01")
    true = office.dms("vxp.guessed", secret.strip().encode())
    for number in range(10):
        assert "Sai systemid" in await counted(office.dms("vxp.guessed", b"%d" % number))
    assert "Tam khoa" in await counted(true)
    with contextlib.closing(sqlite3.connect(office.node.folder / "data/journal.sqlite")) as journal:
        for _ in range(100):
            if journal.execute(
                "SELECT 1 FROM system_sites WHERE systemid = 'vxp.guessed'"
            ).fetchone():
                break
            await asyncio.sleep(0.05)
    await office.network.kill(office.node)
    await office.network.spawn(office.node)
    await office.network.ready(office.node)
    assert "Tam khoa" in await counted(true)
    fresh = office.dms("vxp.guessed", (await _rotated(office, "vxp.guessed")).encode())
    assert await counted(fresh) == "OK"


def certificate(folder: Path, name: str) -> Path:
    """A self-signed client certificate with its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=9))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / f"{name}.pem").write_bytes(made.public_bytes(pem))
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.key").write_bytes(private)
    return folder / f"{name}.pem"


async def test_a_system_bound_to_a_certificate_connects_with_it_or_is_refused(
    office: Office, tmp_path: Path
) -> None:
    """Others need none, and notice nothing."""
    mine, strange = certificate(tmp_path, "mine"), certificate(tmp_path, "strange")
    bound = ("--agency", "H13.01", "--certificate", str(mine))
    code, secret, said = await office.relay("system", "add", "vxp.bound", *bound)
    assert code == 0, said

    async def called(shown: Path | None) -> str:
        context = face_client_context(office.network.root)
        if shown is not None:
            context.load_cert_chain(shown, shown.with_suffix(".key"))
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:
            now = datetime.now(UTC)
            key = secret.strip().encode()
            client = AxisClient(office.node.axis_url, "vxp.bound", key, session, now=now)
            return await counted(client)

    assert await called(mine) == "OK"
    assert "must connect with its registered client certificate" in await called(None)
    with contextlib.suppress(Exception):  # TLS itself refuses what nobody is bound to
        assert await called(strange) != "OK"
    assert await counted(office.dms("vxp.test.01", SECRET)) == "OK"
    code, _, said = await office.relay(
        "system", "add", "vxp.placed", "--agency", "H13.01", "--address", "10.9.0.0/16"
    )
    placed = office.dms("vxp.placed", (await _rotated(office, "vxp.placed")).encode())
    assert "may not call from address" in await counted(placed)


async def _rotated(office: Office, name: str) -> str:
    _, secret, _ = await office.relay("system", "rotate", name)
    return secret.strip()
