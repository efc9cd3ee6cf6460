"""A remote that only speaks the axis dialect, and misbehaves as remotes do, call by call.

`faults[call]` is a list of what happens to the next requests of that call; an empty one means well.
    html          an error page with status 200       empty         an empty body
    no-docid      taken, but the answer has no DocId   lost          taken, and the line cut
    no-fields     an answer without its list           fail:CODE     FAIL with that code
    slow:SECONDS  late                                 bad-row       a row without its docId
    cut           half of the document                 page          HTML as the document
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from aiohttp import web
from lxml import etree

SYSTEMID, SECRET = "vxp.remote.01", b"remote-secret"
FILE = "application/octet-stream"
LOCAL = timezone(timedelta(hours=7))


@dataclass
class Waiting:
    """A package that the remote has for us."""

    doc_id: str
    kind: str
    content: bytes
    sender: str
    to: str
    status: str = "initial"
    told: list[str] = field(default_factory=list)


@dataclass
class Taken:
    """A package we sent."""

    doc_id: str
    kind: str
    content: bytes
    sender: str
    to: list[str]
    title: str
    notation: str
    at: datetime
    words: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By recipient: sendStatus, receiveStatus."""


class FakeRemote:
    def __init__(self) -> None:
        self.faults: dict[str, list[str]] = {}
        self.waiting: list[Waiting] = []
        self.taken: list[Taken] = []
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.reserialises = False
        self.lists_twice = False
        self.never_shrinks = False
        self.lists_after = timedelta()
        """How long a package it took is not in its sent list yet."""
        self.pages = False
        """Whether its lists have pages."""
        self.gives_sent = True
        """Whether a sender may fetch what it sent."""
        self.unknown: set[str] = set()
        """Recipients that sendEdoc refuses with code 18."""
        self.spoilt: dict[tuple[str, str], str] = {}
        """What happens to each request of this call for this docId, for ever."""
        self.says_kind: Callable[[str], str] = str
        """How its lists write a message type."""
        self.refused_kinds: set[str] = set()
        """Message types whose received list is FAIL 22."""
        self._numbers = itertools.count(1)
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/api/{call}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def offer(self, content: bytes, sender: str, to: str, kind: str = "edoc") -> Waiting:
        one = Waiting(f"R{next(self._numbers)}", kind, content, sender, to)
        self.waiting.append(one)
        return one

    def send_as_another(self, content: bytes, sender: str, to: list[str]) -> None:
        """By another system of the same agency: a package of the same look that is not the node's."""
        self._take(content, "edoc", sender, to)

    def count(self, call: str) -> int:
        return sum(name == call for name, _ in self.calls)

    # ------------------------------------------------------------ serving

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        call = request.match_info["call"]
        values = self._checked(request)
        body = await request.read()
        self.calls.append((call, values))
        faults = self.faults.get(call, [])
        fault = faults.pop(0) if faults else ""
        fault = self.spoilt.get((call, values.get("docid", "")), fault)
        word, _, argument = fault.partition(":")
        if word == "slow":
            await asyncio.sleep(float(argument))
        if word == "html":
            return web.Response(
                text="<html><body>502 Bad Gateway</body></html>", content_type="text/html"
            )
        if word == "empty":
            return web.Response(body=b"")
        if word == "fail":
            return _fail(argument)
        handler = getattr(self, f"_{call}")
        response: web.StreamResponse = handler(values, body, word)
        if word == "lost":
            assert request.transport is not None
            request.transport.abort()
        return response

    def _checked(self, request: web.Request) -> dict[str, str]:
        """As the server's rules say: HMAC over the received text, members against headers."""
        text = request.headers["XroadVnpt-sign-header"]
        mac = hmac.new(SECRET, text.encode(), hashlib.sha256).hexdigest()
        assert mac == request.headers["XroadVnpt-hash-header"]
        members = json.loads(text)
        for name, value in members.items():
            assert request.headers[name] == value
        assert members["XroadVnpt-systemid"] == SYSTEMID
        return {name.removeprefix("XroadVnpt-").lower(): value for name, value in members.items()}

    def _sendEdoc(self, values: dict[str, str], body: bytes, fault: str) -> web.Response:  # noqa: N802
        digest = hashlib.sha256(body).digest()
        assert values["hash-file"] == "".join(f"{byte:x}" for byte in digest)
        to = json.loads(values["to"])
        if self.unknown & set(to):
            return _fail("18")
        doc_id = self._take(body, values["messagetype"], values["from"], to)
        return _ok({}) if fault == "no-docid" else _ok({"DocId": doc_id})

    def _take(self, content: bytes, kind: str, sender: str, to: list[str]) -> str:
        root = etree.fromstring(content)
        title = _first(root, "Subject")
        notation = f"{_first(root, 'CodeNumber')}/{_first(root, 'CodeNotation')}"
        doc_id = f"S{next(self._numbers)}"
        self.taken.append(
            Taken(doc_id, kind, content, sender, to, title, notation, datetime.now(UTC))
        )
        return doc_id

    def _getReceivedEdocList(self, values: dict[str, str], body: bytes, fault: str) -> web.Response:  # noqa: N802
        if fault == "no-fields":
            return _ok({})
        if values["messagetype"] in self.refused_kinds:
            return _fail("22")
        rows = [
            {
                "docId": one.doc_id,
                "serviceType": "eDoc",
                "messageType": self.says_kind(one.kind),
                "created_time": "22/11/2026 10:05:25",
                "updated_time": "22/11/2026 10:05:25",
                "from": one.sender,
                "to": one.to,
                "status": one.status,
                "status_desc": "",
            }
            for one in self.waiting
            if one.kind == values["messagetype"] and (self.never_shrinks or one.status != "done")
        ]
        if self.pages:
            size, index = int(values["pagesize"]), int(values["pageindex"])
            rows = rows[(index - 1) * size : index * size]
        if fault == "bad-row" and rows:
            del rows[0]["docId"]
        return _ok({"data": rows * (2 if self.lists_twice else 1)})

    def _getSentEdocList(self, values: dict[str, str], body: bytes, fault: str) -> web.Response:  # noqa: N802
        if fault == "no-fields":
            return _ok({})
        rows = [
            {**_sent_row(one, recipient), "messageType": self.says_kind(one.kind)}
            for one in self.taken
            for recipient in one.to
            if one.kind == values["messagetype"] and values.get("docid", one.doc_id) == one.doc_id
            if one.at + self.lists_after <= datetime.now(UTC)
        ]
        return _ok({"data": rows})

    def _downloadEdoc(self, values: dict[str, str], body: bytes, fault: str) -> web.Response:  # noqa: N802
        content = self._content(values["docid"])
        if content is None:
            return _fail("21")
        if fault == "page":
            return web.Response(body=b"<!DOCTYPE html><html></html>", content_type=FILE)
        if fault == "cut":
            return web.Response(body=content[: len(content) // 2], content_type=FILE)
        return web.Response(body=content, content_type=FILE)

    def _getEdoc(self, values: dict[str, str], body: bytes, fault: str) -> web.Response:  # noqa: N802
        content = self._content(values["docid"])
        return _fail("21") if content is None else _ok({"data": base64.b64encode(content).decode()})

    def _content(self, doc_id: str) -> bytes | None:
        for one in self.waiting:
            if one.doc_id == doc_id:
                return reserialised(one.content) if self.reserialises else one.content
        for sent in self.taken:
            if sent.doc_id == doc_id and self.gives_sent:
                return reserialised(sent.content)
        return None

    def _updateStatus(self, values: dict[str, str], body: bytes, fault: str) -> web.Response:  # noqa: N802
        one = next((one for one in self.waiting if one.doc_id == values["docid"]), None)
        if one is None:
            return _fail("21")
        one.told.append(values["status"])
        one.status = values["status"]
        return _ok({})


def reserialised(content: bytes) -> bytes:
    """The same document by another serialiser: declaration, order of namespaces, white space, empty
    elements, line breaks in base64 are all different."""
    root = etree.fromstring(content)
    for element in root.iter():
        if len(element) and not (element.text or "").strip():
            element.text = "\n  "
        name = etree.QName(element).localname
        if name == "ContentTransferEncoded" and element.text:
            text = "".join(element.text.split())
            element.text = "\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    return (
        b'<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n'
        + etree.tostring(root, encoding="unicode").encode()
    )


def _first(root: Any, name: str) -> str:
    for element in root.iter():
        if etree.QName(element).localname == name:
            return element.text or ""
    return ""


def _sent_row(one: Taken, recipient: str) -> dict[str, str]:
    sending, receiving = one.words.get(recipient, ("processing", "initial"))
    return {
        "serviceType": "eDoc",
        "messageType": one.kind,
        "senderDocId": one.doc_id,
        "receiverDocId": f"{one.doc_id}-{recipient}",
        "fromCode": one.sender,
        "toCode": recipient,
        "title": one.title,
        "notation": one.notation,
        "sentTime": f"{one.at.astimezone(LOCAL):%d/%m/%Y %H:%M:%S}",
        "receivedTime": "",
        "sendStatus": sending,
        "sendStatusDesc": "",
        "receiveStatus": receiving,
        "receiveStatusDesc": "",
    }


def _ok(fields: dict[str, Any]) -> web.Response:
    return web.json_response(
        {"status": "OK", "ErrorCode": "0", "ErrorDesc": "Thanh cong", **fields}
    )


def _fail(code: str) -> web.Response:
    return web.json_response(
        {"status": "FAIL", "ErrorCode": code, "ErrorDesc": "tu choi", "DocId": "", "data": []}
    )
