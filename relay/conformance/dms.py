"""The kit as a document-management system at a judged node: the axis dialect, as clients speak it.

Touches: connections to one judged node's faces.
Raises:  AxisFailure, TransportError, UnansweredError.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp

from relay.conformance.exchanges import Exchanges
from relay.conformance.peer import Answer, asked
from relay.conformance.subject import Subject
from relay.conformance.verdicts import InconclusiveError
from relay.errors import RelayError, UnansweredError
from relay.model import Digest, MessageType, digest_of
from relay.signing.tls import face_client_context
from relay.transport.axis.client import AxisClient, AxisFailure

ANSWER_WITHIN = aiohttp.ClientTimeout(total=30)
LOOK_SECONDS = 0.2
LOOKS_PART = 1 / 4
"""Of the looks that would be if answers took no time, the least that are enough to say that nothing came."""
UNPROVEN = "15"
NOTHING = Digest("")
"""Of what was asked for and did not come."""


@dataclass(slots=True)
class Dms:
    """The system of the judged node's agency."""

    subject: Subject
    exchanges: Exchanges
    session: aiohttp.ClientSession
    client: AxisClient
    seen: dict[str, Digest] = field(default_factory=dict)
    """What was fetched under each DocId: fetched once."""

    async def send(self, envelope: bytes, kind: MessageType = MessageType.DOCUMENT) -> str:
        """The sender's DocId."""
        kept = self.exchanges.begin(self._role, "POST", "sendEdoc", {}, envelope)
        try:
            doc_id = await self.client.send(envelope, sender=self.subject.agency, message_type=kind)
        except RelayError as error:
            kept.fault = f"{type(error).__name__}: {error}"
            raise
        kept.answer = doc_id.encode()
        return doc_id

    async def listed(self, kind: MessageType = MessageType.DOCUMENT) -> list[str]:
        """DocIds of what waits for the agency."""
        return [row.docId for row in await self.client.received_list(kind)]

    async def copies(self, envelope: bytes, kind: MessageType = MessageType.DOCUMENT) -> list[str]:
        """DocIds under which these bytes are listed; each is fetched and compared."""
        listed = await self.listed(kind)
        for doc_id in listed:
            if doc_id not in self.seen:
                self.seen[doc_id] = digest_of(await self._fetched(doc_id))
        return [one for one in listed if self.seen[one] == digest_of(envelope)]

    async def _fetched(self, doc_id: str) -> bytes:
        """What hangs is asked for once: it would hold up whatever is judged behind it."""
        try:
            return await self.client.get(doc_id)
        except UnansweredError:
            self.seen[doc_id] = NOTHING
            raise

    async def until_copies(
        self, envelope: bytes, seconds: float = 20.0, kind: MessageType = MessageType.DOCUMENT
    ) -> list[str]:
        """As soon as there are any; none when the time is over. INCONCLUSIVE where the node was so slow that
        it could be asked a few times only."""
        end, looks = asyncio.get_running_loop().time() + seconds, 0
        while not (found := await self.copies(envelope, kind)):
            looks += 1
            if asyncio.get_running_loop().time() > end:
                if looks < LOOKS_PART * seconds / LOOK_SECONDS:
                    raise InconclusiveError(f"asked {looks} times only within {seconds:g} s")
                return []
            await asyncio.sleep(LOOK_SECONDS)
        return found

    async def native(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        token: str | None = None,
        **headers: str,
    ) -> Answer:
        """Any request at the native face, as the holder of the agency's token unless another is given."""
        used = self.subject.token if token is None else token
        answer = await asked(
            self.session,
            self.exchanges,
            self._role,
            method,
            f"{self.subject.native}{path}",
            body,
            {"Authorization": f"Bearer {used}", **headers},
        )
        if answer.status == 401:
            raise InconclusiveError("the node knows no such token as its file has (401)")
        return answer

    async def unknown_there(self) -> bool:
        """Whether the node says of what its file has that it knows no such system, or another secret (15)."""
        try:
            await self.client.received_list()
        except AxisFailure as error:
            return error.code == UNPROVEN
        except RelayError:
            return False  # whoever judges A1 says why
        return False

    async def looked_at(self, url: str) -> Answer:
        """Whether anything is there at all."""
        return await asked(self.session, self.exchanges, self._role, "GET", url, None, {})

    @property
    def _role(self) -> str:
        return f"DMS at {self.subject.id}"


@asynccontextmanager
async def at(subject: Subject, exchanges: Exchanges) -> AsyncIterator[Dms]:
    context = await asyncio.to_thread(face_client_context, subject.roots)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector, timeout=ANSWER_WITHIN) as session:
        client = AxisClient(
            subject.axis or "",
            subject.systemid,
            subject.secret.encode(),
            session,
            now=datetime.now(UTC),
        )
        yield Dms(subject, exchanges, session, client)
