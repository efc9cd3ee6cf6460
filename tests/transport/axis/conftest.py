"""A node in memory behind the axis face, and ways to reach it: kept to the Protocols' promises."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from relay.delivery.ports import (
    Accepted,
    Acknowledgement,
    Caller,
    Fetched,
    InboxItem,
    InboxQuery,
    SentItem,
    SentQuery,
    Submission,
)
from relay.envelope.codes import parse
from relay.envelope.limits import Limits
from relay.errors import (
    AccessError,
    ConflictError,
    GoneError,
    JournalError,
    NotFoundError,
    RouteError,
    TooLargeError,
)
from relay.model import (
    AgencyCode,
    DeliveryId,
    DeliveryState,
    Digest,
    MessageId,
    MessageType,
    Payload,
    Seal,
    SealKind,
    digest_of,
    mint_uuid7,
)
from relay.transport.axis.client import AxisClient
from relay.transport.axis.face import Bounds
from relay.transport.axis.runner import AxisRunner
from relay.transport.axis.server import axis_app
from relay.transport.axis.systems import System, Systems

NOW = datetime(2026, 11, 22, 3, 5, 26, tzinfo=UTC)
SENDER, RECEIVER = "000.00.20.H13", "000.28.22.H17"
SECRETS = {"vxp.test.01": b"s3cret-key", "vxp.test.02": b"other-key"}
INLINE_BYTES = 32 << 10
CHUNK_BYTES = 100_000  # not a multiple of three


class MemoryUpload:
    def __init__(self, directory: Path, limit_bytes: int) -> None:
        self._directory, self._limit = directory, limit_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._path: Path | None = None

    def write(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._limit:
            raise TooLargeError(f"{self._size} bytes", limit=f"{self._limit} bytes")
        self._parts.append(chunk)

    async def finish(self) -> Payload:
        content = b"".join(self._parts)
        digest = digest_of(content)
        if self._size <= INLINE_BYTES:
            return Payload(digest, self._size, content, None)
        self._path = self._directory / digest
        with self._path.open("wb") as file:
            file.write(content)
            os.fsync(file.fileno())
        return Payload(digest, self._size, None, self._path)

    def abort(self) -> None:
        self._parts.clear()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


class MemoryStore:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.uploads: list[MemoryUpload] = []
        self.admitted: set[Digest] = set()
        self.fails_after_bytes: int | None = None

    def begin(self, limit_bytes: int) -> MemoryUpload:
        self.uploads.append(MemoryUpload(self.directory, limit_bytes))
        return self.uploads[-1]

    async def read(self, payload: Payload, start_bytes: int = 0) -> AsyncIterator[bytes]:
        content = payload.content
        if content is None:
            assert payload.path is not None
            content = payload.path.read_bytes()
        for start in range(start_bytes, len(content), CHUNK_BYTES):
            if self.fails_after_bytes is not None and start >= self.fails_after_bytes:
                raise JournalError("cannot read")
            yield content[start : start + CHUNK_BYTES]

    async def release(self, payload: Payload) -> None:
        if payload.path is not None and payload.digest not in self.admitted:
            payload.path.unlink(missing_ok=True)
        for upload in self.uploads:
            if digest_of(b"".join(upload._parts)) == payload.digest:
                upload._parts.clear()

    def kept_bytes(self) -> int:
        """What is still held of any upload, in memory or on disk."""
        return sum(len(part) for one in self.uploads for part in one._parts) + sum(
            file.stat().st_size for file in self.directory.iterdir()
        )


@dataclass
class MemoryNode:
    """Intake, Inbox and Outbox at once; every recipient of the directory is served here."""

    directory: dict[str, AgencyCode]
    clock: Callable[[], datetime] = lambda: NOW
    fault: Exception | None = None
    admitted: set[Digest] = field(default_factory=set)
    submissions: list[Submission] = field(default_factory=list)
    _known: dict[tuple[object, ...], Accepted] = field(default_factory=dict)
    _items: dict[DeliveryId, InboxItem] = field(default_factory=dict)
    _sent: dict[DeliveryId, SentItem] = field(default_factory=dict)
    _payloads: dict[Digest, Payload] = field(default_factory=dict)

    def resolve(self, code: str) -> AgencyCode:
        short = parse(code).text
        if short in self.directory:
            return self.directory[short]
        raise RouteError(f"unknown code {code}", [code])

    async def submit(self, submission: Submission) -> Accepted:
        if self.fault is not None:
            raise self.fault
        envelope = submission.envelope
        if self.resolve(envelope.sender.organ_id) not in submission.caller.agencies:
            raise AccessError(f"From {envelope.sender.organ_id} is not the caller's")
        written = submission.declared_to or tuple(one.organ_id for one in envelope.recipients)
        recipients = {code: self.resolve(code) for code in written}
        if not recipients:
            raise RouteError("no recipient")
        key = (
            submission.caller.holder,
            tuple(sorted(recipients.values())),
            envelope.message_type,
            envelope.digest,
        )
        if key in self._known:
            return replace(self._known[key], repeated=True)
        message_id = MessageId(mint_uuid7(self.clock(), os.urandom(10)))
        accepted = Accepted(message_id, self.clock(), digest_of(message_id.encode()), False)
        for code in recipients:
            self._deliver(message_id, submission, code)
        self._payloads[envelope.digest] = submission.payload
        self.admitted.add(envelope.digest)
        self.submissions.append(submission)
        self._known[key] = accepted
        return accepted

    def _deliver(self, message_id: MessageId, submission: Submission, code: str) -> None:
        envelope, at = submission.envelope, self.clock()
        delivery_id = DeliveryId(mint_uuid7(at, os.urandom(10)))
        self._items[delivery_id] = InboxItem(
            delivery_id,
            len(self._items) + 1,
            message_id,
            envelope.message_type,
            envelope.sender.organ_id,
            code,
            envelope.subject,
            envelope.notation,
            envelope.priority,
            envelope.digest,
            envelope.size_bytes,
            DeliveryState.AVAILABLE,
            Acknowledgement.INITIAL,
            at,
            at,
            SealKind.NODE,
        )
        self._sent[delivery_id] = SentItem(
            message_id,
            delivery_id,
            envelope.message_type,
            envelope.sender.organ_id,
            code,
            envelope.subject,
            envelope.notation,
            at,
            DeliveryState.AVAILABLE,
            Acknowledgement.INITIAL,
            at,
            None,
            "",
            None,
        )

    def change_sent(self, delivery_id: str, **changes: object) -> None:
        key = DeliveryId(delivery_id)
        self._sent[key] = replace(self._sent[key], **changes)  # type: ignore[arg-type]

    def state_of(self, delivery_id: str) -> DeliveryState:
        return self._items[DeliveryId(delivery_id)].state

    def let_go(self, delivery_id: str) -> None:
        """As retention does with a payload."""
        del self._payloads[self._items[DeliveryId(delivery_id)].digest]

    def payload_of(self, delivery_id: str) -> Payload:
        return self._payloads[self._items[DeliveryId(delivery_id)].digest]

    async def find(self, caller: Caller, delivery_id: DeliveryId) -> InboxItem:
        item = self._items.get(delivery_id)
        if item is None or self.resolve(item.recipient) not in caller.agencies:
            raise NotFoundError(f"no delivery {delivery_id}")
        return item

    async def count(self, caller: Caller, message_type: MessageType) -> int:
        query = InboxQuery(message_type=message_type, limit=1_000_000)
        return len(await self._received(caller, query))

    async def fetch(self, caller: Caller, delivery_id: DeliveryId) -> Fetched:
        item = await self.find(caller, delivery_id)
        if item.digest not in self._payloads:
            raise GoneError("it left by retention")
        if item.state is DeliveryState.AVAILABLE:
            item = self._items[delivery_id] = replace(item, state=DeliveryState.FETCHED)
        return Fetched(item, self._payloads[item.digest], Seal(SealKind.NODE, b"seal"))

    async def acknowledge(
        self,
        caller: Caller,
        delivery_id: DeliveryId,
        acknowledgement: Acknowledgement,
        reason: str = "",
        why: str = "",
    ) -> InboxItem:
        item = await self.find(caller, delivery_id)
        done = Acknowledgement.DONE in (acknowledgement, item.acknowledgement)
        if done and acknowledgement is Acknowledgement.FAIL:
            raise ConflictError(f"delivery {delivery_id} is already acknowledged done")
        acknowledgement = Acknowledgement.DONE if done else acknowledgement
        item = replace(
            item,
            acknowledgement=acknowledgement,
            state=DeliveryState.HANDED_OVER if done else item.state,
            updated_at=self.clock(),
        )
        self._items[delivery_id] = item
        self.change_sent(delivery_id, acknowledgement=acknowledgement, state=item.state)
        return item

    async def _received(self, caller: Caller, query: InboxQuery) -> list[InboxItem]:
        wanted = [item for item in self._items.values() if self._is_wanted(item, query)]
        own = [item for item in wanted if self.resolve(item.recipient) in caller.agencies]
        return own[query.skip : query.skip + query.limit]

    @staticmethod
    def _is_wanted(item: InboxItem, query: InboxQuery) -> bool:
        if query.acknowledgement is not None:
            listed = item.acknowledgement is query.acknowledgement
        else:
            listed = query.every_state or item.acknowledgement is not Acknowledgement.DONE
        return (
            listed
            and query.message_type in (None, item.message_type)
            and (query.since is None or item.available_at >= query.since)
            and (query.until is None or item.available_at <= query.until)
        )

    async def _sent_rows(self, caller: Caller, query: SentQuery) -> list[SentItem]:
        rows = [
            item
            for item in self._sent.values()
            if self.resolve(item.sender) in caller.agencies
            and query.message_type in (None, item.message_type)
            and query.message_id in (None, item.message_id)
        ]
        rows.sort(key=lambda item: item.message_id, reverse=True)  # the newest first
        return rows[query.skip : query.skip + query.limit]


class MemoryInbox:
    """The inbox of a node: the one of its lists that shares its name with the outbox's."""

    def __init__(self, node: MemoryNode) -> None:
        self.find, self.fetch, self.count = node.find, node.fetch, node.count
        self.acknowledge, self.list = node.acknowledge, node._received


class MemoryOutbox:
    def __init__(self, node: MemoryNode) -> None:
        self.list = node._sent_rows


class Noted:
    """delivery.ports.Refusals that remembers."""

    def __init__(self) -> None:
        self.strangers: list[tuple[str, str]] = []
        self.known_ones: list[tuple[str, str, str, bool]] = []
        self.full = False

    def stranger(self, face: str, reason: str) -> None:
        self.strangers.append((face, reason))

    async def known(self, face: str, caller: str, reason: str, *, entry: bool = True) -> bool:
        self.known_ones.append((face, caller, reason, entry))
        return not self.full


@dataclass
class Served:
    """A face listening on loopback."""

    url: str
    host: str
    port: int
    node: MemoryNode
    store: MemoryStore
    session: aiohttp.ClientSession
    noted: Noted

    def client(self, systemid: str = "vxp.test.01", secret: bytes | None = None) -> AxisClient:
        key = SECRETS[systemid] if secret is None else secret
        return AxisClient(self.url, systemid, key, self.session, now=NOW)

    async def raw(self, *parts: bytes, timeout: float = 8.0) -> bytes:
        """Write the parts one after the other and read until the server closes or falls silent."""
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=1 << 20)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.01)
            return await self._until_answered(reader, timeout)
        finally:
            writer.close()

    @staticmethod
    async def _until_answered(reader: asyncio.StreamReader, timeout: float) -> bytes:
        got = b""
        async with asyncio.timeout(timeout):
            while chunk := await reader.read(1 << 16):
                got += chunk
                head, found, body = got.rpartition(b"\r\n\r\n")
                declared = head.lower().rpartition(b"content-length: ")[2].split(b"\r\n")[0]
                if found and declared.isdigit() and len(body) >= int(declared):
                    break
        return got


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def systems() -> Systems:
    agencies = {"vxp.test.01": {SENDER, "H13.20"}, "vxp.test.02": {RECEIVER}}
    return Systems(
        System(systemid, (secret,), frozenset(AgencyCode(code) for code in agencies[systemid]))
        for systemid, secret in SECRETS.items()
    )


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    directory = tmp_path / "payloads"
    directory.mkdir()
    return MemoryStore(directory)


@pytest.fixture
def node(store: MemoryStore) -> MemoryNode:
    codes = [SENDER, RECEIVER, *(f"000.{n:02d}.{m:02d}.H01" for n in range(40) for m in range(100))]
    return MemoryNode({code: AgencyCode(code) for code in codes}, admitted=store.admitted)


@pytest.fixture
async def serve(
    node: MemoryNode, store: MemoryStore, systems: Systems
) -> AsyncIterator[Callable[..., Awaitable[Served]]]:
    runners: list[AxisRunner] = []
    sessions: list[aiohttp.ClientSession] = []

    async def start(
        bounds: Bounds | None = None, limits: Limits | None = None, systems: Systems = systems
    ) -> Served:
        noted = Noted()
        app = axis_app(
            node,
            MemoryInbox(node),
            MemoryOutbox(node),
            store,
            systems,
            limits or Limits(),
            node.clock,
            node.resolve,
            bounds=bounds or Bounds(idle=timedelta(seconds=5)),
            refusals=noted,
        )
        runner = AxisRunner(app, noted, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        sessions.append(aiohttp.ClientSession())
        url = f"http://{host}:{port}/XrdAdapter/RestService/forward/mcc"
        return Served(url, host, port, node, store, sessions[-1], noted)

    yield start
    for session in sessions:
        await session.close()
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def face(serve: Callable[..., Awaitable[Served]]) -> Served:
    return await serve()


@pytest.fixture
def edxml() -> Callable[..., bytes]:
    """Builds a document: sender, recipients, subject, attachment bytes (as base64 of zeros)."""

    def build(
        sender: str = SENDER,
        to: tuple[str, ...] = (RECEIVER,),
        subject: str = "Về việc thử nghiệm",
        attachment_bytes: int = 0,
    ) -> bytes:
        parties = "".join(
            f"<edXML:To><edXML:OrganId>{code}</edXML:OrganId></edXML:To>" for code in to
        )
        name = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
        attached = "A" * (attachment_bytes // 3 * 4)
        return f"""<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="{name}"><edXML:edXMLEnvelope xmlns:edXML="{name}"><edXML:edXMLHeader><edXML:MessageHeader>
<edXML:From><edXML:OrganId>{sender}</edXML:OrganId><edXML:OrganName>Cơ quan Mẫu</edXML:OrganName></edXML:From>
{parties}<edXML:DocumentId>{hashlib.sha256(subject.encode()).hexdigest()[:12]}</edXML:DocumentId>
<edXML:Code><edXML:CodeNumber>7</edXML:CodeNumber><edXML:CodeNotation>CV-MAU</edXML:CodeNotation></edXML:Code>
<edXML:PromulgationInfo><edXML:Place>Hà Nội</edXML:Place><edXML:PromulgationDate>2026/11/22</edXML:PromulgationDate></edXML:PromulgationInfo>
<edXML:DocumentType><edXML:Type>1</edXML:Type><edXML:TypeName>Công văn</edXML:TypeName></edXML:DocumentType>
<edXML:Subject>{subject}</edXML:Subject>
<edXML:SignerInfo><edXML:FullName>Nguyễn Văn Mẫu</edXML:FullName></edXML:SignerInfo>
</edXML:MessageHeader><edXML:TraceHeaderList><edXML:TraceHeader><edXML:OrganId>{sender}</edXML:OrganId>
<edXML:Timestamp>2026/11/22 10:05:25</edXML:Timestamp></edXML:TraceHeader></edXML:TraceHeaderList></edXML:edXMLHeader>
<edXML:edXMLBody><edXML:edXMLManifest version="1.0"><edXML:Reference><edXML:ContentId>cid:a1</edXML:ContentId>
<edXML:ContentType>application/pdf</edXML:ContentType><edXML:AttachmentName>mau.pdf</edXML:AttachmentName></edXML:Reference></edXML:edXMLManifest></edXML:edXMLBody>
</edXML:edXMLEnvelope><AttachmentEncoded><Attachment><ContentId>cid:a1</ContentId><AttachmentName>mau.pdf</AttachmentName>
<ContentType>application/pdf</ContentType><edXML:ContentTransferEncoded xmlns:edXML="{name}">{attached}</edXML:ContentTransferEncoded>
</Attachment></AttachmentEncoded></edXML>""".encode()

    return build
