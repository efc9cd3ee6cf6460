"""The kit as a neighbour of a judged node: what it sends there, byte by byte as it is told to.

Nothing here is checked before it is sent: an assertion may send what no node would.

Touches: connections to one judged node's listener.
Raises:  UnreachableError where no whole answer came.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from io import BytesIO
from typing import Any

import aiohttp

from relay.conformance.credentials import Credentials
from relay.conformance.exchanges import Exchange, Exchanges
from relay.conformance.instants import now
from relay.conformance.subject import Subject
from relay.conformance.verdicts import FailedError, InconclusiveError
from relay.errors import SignatureError, WireError
from relay.model import (
    AgencyCode,
    Digest,
    MessageId,
    MessageType,
    NodeId,
    Priority,
    Receipt,
    SealKind,
    Signed,
    TraceStep,
    TransferHeader,
    TransferId,
    digest_of,
    mint_uuid7,
)
from relay.signing import evidence
from relay.signing.keys import Signer
from relay.signing.seal import make_seal
from relay.signing.tls import client_context
from relay.signing.trust import TrustStore
from relay.wire.container import read_receipts, write_receipts

RECEIPTS_TYPE = "application/vnd.truc-relay.receipts+xml"
BOUNDARY = "conformance-kit-part"
ANSWER_WITHIN = aiohttp.ClientTimeout(total=30)
CONTAINER_LIMIT_BYTES = 32 << 20
ANSWER_LIMIT_BYTES = 64 << 20
FAULT_LIMIT = 300
LONG_BYTES = 1 << 19
PART_NAMES = ("transfer.xml", "transfer-signature.xml", "seal.xml", "envelope.edxml")


class UnreachableError(Exception):
    """No whole answer came; the message says how far it got."""

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        """0: not even the head of one."""
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A transfer as it is to be sent."""

    header: TransferHeader
    signed: Signed
    seal: bytes
    envelope: bytes
    with_envelope: bool = True

    def contents(self) -> list[bytes]:
        """Of its parts, in their order."""
        found = [self.signed.document, self.signed.signature, self.seal]
        return [*found, self.envelope] if self.with_envelope else found

    def parts(self) -> list[tuple[str, bytes]]:
        return list(zip(PART_NAMES, self.contents(), strict=False))

    def body(self) -> bytes:
        return multipart(self.parts())


def multipart(parts: Sequence[tuple[str, bytes]], *, end: bool = True) -> bytes:
    """W4.1: these parts in this order."""
    made = b"".join(
        f"--{BOUNDARY}\r\nContent-Type: application/xml\r\nContent-ID: <{name}>\r\n"
        f"Content-Length: {len(content)}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content in parts
    )
    return made + f"--{BOUNDARY}--\r\n".encode() if end else made


MULTIPART_TYPE = f'multipart/related; boundary="{BOUNDARY}"; type="application/xml"'


@dataclass(slots=True)
class Peer:
    """One of the kit's nodes, in front of the judged node it is a neighbour of."""

    subject: Subject
    credentials: Credentials
    signer: Signer
    trust: TrustStore
    """The judged node's roots: what its receipts must lead to."""
    exchanges: Exchanges
    session: aiohttp.ClientSession
    agency: AgencyCode
    proven_receipts: dict[Digest, Receipt] = field(default_factory=dict)
    """All that were proven, by the digest of their document: each must be in its issuer's log (W16.8)."""
    _made: int = field(default=0)

    @property
    def node(self) -> NodeId:
        return NodeId(self.credentials.node)

    # ------------------------------------------------------------ what is sent

    def header(self, envelope: bytes, to: Sequence[str], **changes: Any) -> TransferHeader:
        """That of a document which begins at the kit's node, but for what is to be otherwise."""
        at = now()
        made = TransferHeader(
            transfer_id=TransferId(mint_uuid7(at, secrets.token_bytes(10))),
            message_id=MessageId(mint_uuid7(at, secrets.token_bytes(10))),
            origin=self.node,
            sent_by=self.node,
            sent_to=NodeId(self.subject.id),
            message_type=MessageType.DOCUMENT,
            sender=self.agency,
            recipients=tuple(map(AgencyCode, to)),
            priority=Priority.NORMAL,
            digest=digest_of(envelope),
            size_bytes=len(envelope),
            created_at=at,
            expires_at=at + timedelta(days=1),
            trace=(TraceStep(self.node, at, Digest(secrets.token_hex(32))),),
        )
        return replace(made, **changes)

    def transfer(self, envelope: bytes, to: Sequence[str], **changes: Any) -> Prepared:
        """Signed and sealed by the kit's node."""
        return self.prepared(self.header(envelope, to, **changes), envelope)

    def prepared(self, header: TransferHeader, envelope: bytes) -> Prepared:
        at = now()
        signed = evidence.sign_transfer(header, self.signer, at)
        seal = make_seal(digest_of(envelope), SealKind.NODE, self.signer, at)
        return Prepared(header, signed, seal.signature, envelope)

    async def send(self, prepared: Prepared, **headers: str) -> Answer:
        return await self.post(
            "/axis/v1/transfers", prepared.body(), {"Content-Type": MULTIPART_TYPE, **headers}
        )

    async def send_several(self, several: Sequence[Prepared], **headers: str) -> Answer:
        """W4.13: behind each other in one request."""
        body = multipart([part for one in several for part in one.parts()])
        return await self.post(
            "/axis/v1/transfers", body, {"Content-Type": MULTIPART_TYPE, **headers}
        )

    async def hand_back(self, *receipts: Signed) -> Answer:
        """W5.8: receipts travelling back."""
        return await self.post(
            "/axis/v1/receipts", write_receipts(receipts), {"Content-Type": RECEIPTS_TYPE}
        )

    def sign(self, receipt: Receipt) -> Signed:
        return evidence.sign_receipt(receipt, self.signer, now())

    async def post(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> Answer:
        return await self.ask("POST", path, body, headers)

    async def get(self, path: str) -> Answer:
        return await self.ask("GET", path)

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Any request over the kit's own connection."""
        return await asked(
            self.session,
            self.exchanges,
            f"{self.node} at {self.subject.id}",
            method,
            f"{self.subject.nodes}{path}",
            body,
            headers or {},
        )

    async def node_document(self) -> dict[str, Any]:
        """W1.4."""
        return json_object(await self.get("/axis/v1/node"))

    # ------------------------------------------------------------ what is answered

    def receipts(self, answer: Answer) -> list[tuple[Signed, Receipt]]:
        """The proven receipts of an answer. FAIL where it is none, or one does not hold."""
        if answer.status != 200:
            raise FailedError(f"answered {answer.status}, not 200: {answer.body[:200]!r}")
        try:
            signed = read_receipts(answer.body, CONTAINER_LIMIT_BYTES)
            return [(one, self.proven(one)) for one in signed]
        except WireError as error:
            raise FailedError(f"the answer is no container of receipts: {error}") from error

    def proven(self, signed: Signed) -> Receipt:
        try:
            receipt = evidence.verify_receipt(signed, self.trust, None)
        except (SignatureError, WireError) as error:
            raise FailedError(f"a receipt does not hold: {error}") from error
        self.proven_receipts[signed.digest] = receipt
        return receipt

    def receipt(self, answer: Answer) -> Receipt:
        """The one receipt of an answer to one transfer, by the judged node."""
        found = self.receipts(answer)
        if len(found) != 1:
            raise FailedError(f"{len(found)} receipts answer one transfer")
        if found[0][1].issuer != self.subject.id:
            raise FailedError(f"the receipt is issued by {found[0][1].issuer}")
        return found[0][1]


def json_object(answer: Answer) -> dict[str, Any]:
    if answer.status != 200:
        raise FailedError(f"answered {answer.status}, not 200")
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise FailedError("the answer is not JSON") from None
    if not isinstance(found, dict):
        raise FailedError("the answer is no JSON object")
    return found


async def asked(
    session: aiohttp.ClientSession,
    exchanges: Exchanges,
    role: str,
    method: str,
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
) -> Answer:
    """One request, kept with its answer. Redirects are not followed: nobody here may send them."""
    kept = exchanges.begin(role, method, url, headers, body or b"")
    try:
        async with session.request(
            method, url, data=_sent(body), headers=headers, allow_redirects=False
        ) as response:
            kept.status = response.status
            kept.answer_headers = dict(response.headers)
            body = await _whole(response, kept)
            exchanges.answered(kept, body)
            return Answer(response.status, response.headers.copy(), body)
    except (aiohttp.ClientError, TimeoutError, OSError, ssl.SSLError, ValueError) as error:
        kept.fault = f"{type(error).__name__}: {error}"[:FAULT_LIMIT]
        raise UnreachableError(kept.fault, kept.status) from error


async def _whole(response: aiohttp.ClientResponse, kept: Exchange) -> bytes:
    """INCONCLUSIVE where it goes on and on: nothing that is asked here is answered at such length."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > ANSWER_LIMIT_BYTES:
            response.close()
            kept.fault = f"the answer goes on beyond {ANSWER_LIMIT_BYTES >> 20} MiB"
            raise InconclusiveError(kept.fault)
    return bytes(body)


def _sent(body: bytes | None) -> bytes | BytesIO | None:
    """What aiohttp sends in pieces where it is long: it warns of long bytes, and a warning may be an error."""
    return BytesIO(body) if body is not None and len(body) > LONG_BYTES else body


@asynccontextmanager
async def connected(
    subject: Subject,
    credentials: Credentials,
    agency: str,
    exchanges: Exchanges,
    trust: TrustStore,
) -> AsyncIterator[Peer]:
    """The peer that serves the agency, its connections kept open as W1.3 has it."""
    async with session_of(subject, credentials) as session:
        yield Peer(
            subject,
            credentials,
            credentials.signer(),
            trust,
            exchanges,
            session,
            AgencyCode(agency),
        )


@asynccontextmanager
async def session_of(
    subject: Subject,
    credentials: Credentials,
    change: Callable[[ssl.SSLContext], None] = lambda _: None,
) -> AsyncIterator[aiohttp.ClientSession]:
    """Mutual TLS with the certificates of `credentials`, which may be another's on purpose."""
    context = await asyncio.to_thread(
        client_context,
        credentials.file("tls"),
        credentials.key("tls"),
        subject.roots,
        check_hostname=False,
    )
    change(context)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector, timeout=ANSWER_WITHIN) as session:
        yield session
