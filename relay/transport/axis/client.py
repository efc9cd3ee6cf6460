"""A client of the dialect: signs as the Java library does, and believes no half answer.

Touches: HTTP, through the session it is given (TLS, proxies and timeouts are the session's).
Trusts:  nothing that is answered: an answer without its fields is no answer, never an empty list.
Raises:  AxisFailure for FAIL; UnansweredError when the request went out and no usable answer came;
         TransportError when it never went out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import aiohttp
import pybase64

from relay.delivery.ports import Acknowledgement
from relay.errors import TransportError, UnansweredError, WireError
from relay.model import MessageType
from relay.transport.axis.answered import (
    AgencyRow,
    AxisFailure,
    NewCodeRow,
    ReceivedRow,
    SentRow,
    UnitRow,
    count_of,
    field_of,
    read_answer,
    rows_of,
)
from relay.transport.axis.dialect import Call
from relay.transport.axis.signature import sign
from relay.transport.axis.times import write_stamp
from relay.transport.intake_stream import digest_forms

__all__ = ["AxisClient", "AxisFailure", "ReceivedRow", "SentRow"]

JSON_TYPE = "application/json"
FILE_TYPE = "application/octet-stream"
ANSWER_BYTES = 128 << 20
"""Of one JSON answer: getEdoc's base64 of the largest document that is asked for that way."""
LIST_BYTES = 32 << 20
LONG_BYTES = 1 << 17
"""An answer over this is parsed in a thread."""
DOWNLOAD_CHUNK = 1 << 16
SEND_CHUNK = 1 << 18


_UNSENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)


class AxisClient:
    """One systemid at one node. The timestamp is that of `now`, for ever, as clients have it."""

    def __init__(
        self,
        base_url: str,
        systemid: str,
        secret: bytes,
        session: aiohttp.ClientSession,
        *,
        now: datetime,
        heard: Callable[[bytes], None] | None = None,
    ) -> None:
        """`heard` is given the bytes of each JSON answer, before anything is believed of them."""
        self._heard = heard
        self._base_url = base_url.rstrip("/")
        self._systemid = systemid
        self._secret = secret
        self._session = session
        self._stamp = write_stamp(now)

    async def send(
        self,
        content: bytes,
        *,
        sender: str,
        message_type: MessageType = MessageType.DOCUMENT,
        recipients: Sequence[str] | None = None,
    ) -> str:
        """The DocId of the package."""
        return await self.send_stream(
            content if len(content) <= SEND_CHUNK else _pieces(content),
            digest=sha256(content).digest(),
            size_bytes=len(content),
            sender=sender,
            message_type=message_type,
            recipients=recipients,
        )

    async def send_stream(
        self,
        content: bytes | AsyncIterable[bytes],
        *,
        digest: bytes,
        size_bytes: int,
        sender: str,
        message_type: MessageType = MessageType.DOCUMENT,
        recipients: Sequence[str] | None = None,
    ) -> str:
        """As `send`, for a document that is not in memory; nothing is added to its bytes."""
        parameters = [
            *_kind(message_type),
            ("hash-file", digest_forms(digest)[1]),
            ("from", sender),
        ]
        if recipients is not None:
            parameters.append(("to", _json_list(recipients)))
        answer = await self._ask(
            Call.SEND, parameters, content, content_type=FILE_TYPE, size_bytes=size_bytes
        )
        return field_of(answer, "DocId")

    async def received_list(
        self, message_type: MessageType = MessageType.DOCUMENT, **filters: str
    ) -> list[ReceivedRow]:
        """`filters` are fromDate, toDate, status, pageSize, pageIndex, as the dialect has them."""
        parameters = [*_kind(message_type), *filters.items()]
        return rows_of(await self._ask(Call.RECEIVED, parameters), ReceivedRow)

    async def sent_list(
        self, message_type: MessageType = MessageType.DOCUMENT, doc_id: str | None = None
    ) -> list[SentRow]:
        parameters = [*_kind(message_type), *([("docId", doc_id)] if doc_id else [])]
        return rows_of(await self._ask(Call.SENT, parameters), SentRow)

    async def get(self, doc_id: str) -> bytes:
        text = field_of(await self._ask(Call.GET, [("docId", doc_id)], b"{}"), "data")
        try:
            return pybase64.b64decode(text, validate=True)
        except ValueError:
            raise UnansweredError("getEdoc: data is not base64") from None

    @contextlib.asynccontextmanager
    async def download(self, doc_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The document's bytes as they come; cut short, the iterator raises UnansweredError."""
        headers = self._headers(Call.DOWNLOAD, [("docId", doc_id)], JSON_TYPE)
        async with self._request("GET", Call.DOWNLOAD, headers, None) as response:
            if response.status != 200 or response.content_type == JSON_TYPE:
                await self._answer(Call.DOWNLOAD, await _content(response, LIST_BYTES))
                raise UnansweredError(f"downloadEdoc: HTTP {response.status} without a document")
            yield _chunks(response)

    async def update_status(self, doc_id: str, status: Acknowledgement) -> None:
        parameters = [("docId", doc_id), ("status", status.value)]
        await self._ask(Call.UPDATE, parameters, b"{}")

    async def count_documents(self) -> int:
        return count_of(await self._ask(Call.COUNT_DOCUMENTS, [], b"{}"))

    async def count_statuses(self) -> int:
        return count_of(await self._ask(Call.COUNT_STATUSES, [], b"{}"))

    async def agencies(self) -> list[AgencyRow]:
        return rows_of(await self._ask(Call.AGENCIES, []), AgencyRow)

    async def agencies_by_decision_20(self, level: int | None = None) -> list[NewCodeRow]:
        parameters = [] if level is None else [("level", str(level))]
        return rows_of(await self._ask(Call.AGENCIES_QD20, parameters), NewCodeRow)

    async def changed_agencies(self, since: int | None = None) -> list[UnitRow]:
        """All, or what changed after a version: a header that only relays of this kind know."""
        parameters = [] if since is None else [("sinceVersion", str(since))]
        return rows_of(await self._ask(Call.SYNCHRONIZE, parameters), UnitRow)

    async def register(self, code: str, name: str, parent: str, mail: str = "") -> str:
        """What the other side says of it: it may be in force, or wait for somebody's yes."""
        said = {"id": "", "pcode": parent, "code": code, "name": name, "mail": mail}
        content = json.dumps({**said, "mobile": "", "fax": ""}).encode()
        return field_of(await self._ask(Call.REGISTER, [], content), "ErrorDesc")

    async def unregister(self, code: str) -> str:
        parameters = [("AgencyCode", code)]
        return field_of(await self._ask(Call.UNREGISTER, parameters, b"{}"), "ErrorDesc")

    async def _ask(
        self,
        call: Call,
        parameters: Sequence[tuple[str, str]],
        content: bytes | AsyncIterable[bytes] = b"",
        *,
        content_type: str = JSON_TYPE,
        size_bytes: int | None = None,
    ) -> dict[str, Any]:
        headers = self._headers(call, parameters, content_type)
        if size_bytes is not None:
            headers["Content-Length"] = str(size_bytes)
        limit = ANSWER_BYTES if call is Call.GET else LIST_BYTES
        async with self._request("POST", call, headers, content) as response:
            return await self._answer(call, await _content(response, limit))

    async def _answer(self, call: Call, content: bytes) -> dict[str, Any]:
        if self._heard is not None:
            self._heard(content)
        if len(content) > LONG_BYTES:
            return await asyncio.to_thread(read_answer, call, content)
        return read_answer(call, content)

    def _headers(
        self, call: Call, parameters: Sequence[tuple[str, str]], content_type: str
    ) -> dict[str, str]:
        signed = [
            ("systemid", self._systemid),
            *(one for one in parameters if one[0] != "status" or call is not Call.UPDATE),
            ("timestamp", self._stamp),
            ("Content-Type", content_type),
            # The Java client sets the status last of all.
            *(one for one in parameters if one[0] == "status" and call is Call.UPDATE),
        ]
        for name, value in signed:
            if not (value.isascii() and value.isprintable()):
                raise WireError(f"{call.value}: {name} holds what an HTTP header cannot carry")
        return {**sign(signed, self._secret), "Content-Type": content_type}

    @contextlib.asynccontextmanager
    async def _request(
        self,
        method: str,
        call: Call,
        headers: dict[str, str],
        content: bytes | AsyncIterable[bytes] | None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._session.request(
                method,
                f"{self._base_url}/{call.value}",
                headers=headers,
                data=content,
                allow_redirects=False,
            ) as response:
                yield response
        except _UNSENT as error:
            raise TransportError(f"{call.value}: {type(error).__name__}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnansweredError(f"{call.value}: {type(error).__name__}") from error


def _kind(message_type: MessageType) -> list[tuple[str, str]]:
    return [("servicetype", "eDoc"), ("messagetype", message_type.value)]


def _json_list(codes: Sequence[str]) -> str:
    return "[" + ",".join(f'"{code}"' for code in codes) + "]"


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    """So that one write of a large document does not hold up everything else."""
    for start in range(0, len(content), SEND_CHUNK):
        yield content[start : start + SEND_CHUNK]


async def _content(response: aiohttp.ClientResponse, limit: int) -> bytes:
    parts, size_bytes = [], 0
    async for chunk in response.content.iter_any():
        size_bytes += len(chunk)
        if size_bytes > limit:
            raise UnansweredError(f"an answer of over {limit} bytes")
        parts.append(chunk)
    return b"".join(parts)


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for chunk in response.content.iter_chunked(DOWNLOAD_CHUNK):
        yield chunk
