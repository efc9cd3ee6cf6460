"""What owners of branches signed, as neighbours hand it in: proven, judged, taken over, passed on.

The signature and everything that the head of a document decides come first; a hundred thousand
records are read only of a document that may be taken.

Touches: the keeper, whose lock it holds for a change. Trusts: nothing of a document until it is proven.
Raises:  SignatureError, WireError, AccessError, ConflictError (an older version), TransportError (a clock
         that is ahead, or nothing said yet of the signer's certificate); JournalError.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from relay.delivery.aside import LONG_DOCUMENT_BYTES, aside
from relay.delivery.directory.keeping import DirectoryKeeper
from relay.delivery.directory.ports import Document
from relay.errors import (
    AccessError,
    ConflictError,
    PeerError,
    SignatureError,
    TransportError,
    UncertainError,
)
from relay.lines import Line
from relay.model import Digest, NodeId, Signed, digest_of
from relay.routing.behind import lies_behind
from relay.wire.branch import BranchHead

log = structlog.get_logger("relay.directory")


@dataclass(slots=True)
class DirectoryEar:
    keeper: DirectoryKeeper
    tolerance: timedelta
    grace: timedelta

    async def take(self, neighbour: NodeId, signed: Signed) -> None:
        """A neighbour hands in what an owner signed; returns once it is durable. A repeat is nothing (W9.2, W9.6)."""
        digest = await aside(_is_long(signed), digest_of, signed.document)
        try:
            head = await self._proven(signed)
            document = Document(head, signed, digest, 0)
            async with self.keeper.lock:
                if self._known(document):
                    return
                await self._take(neighbour, document)
        except UncertainError as error:  # refused, it would not be handed in again
            raise TransportError(f"directory handed in by {neighbour}: {error}") from error
        except PeerError as error:
            await self._refused(neighbour, digest, error)
            raise
        self.keeper.tell()

    async def _proven(self, signed: Signed) -> BranchHead:
        check, now = self.keeper.notary.check_branch, self.keeper.clock.now()
        return await aside(_is_long(signed), check, signed, now)

    def _known(self, document: Document) -> bool:
        head = document.head
        held = self.keeper.held_of(head.issuer)
        if held is None or head.version > held.version:
            return False
        if head.version == held.version and document.digest == held.digest:
            return True
        raise ConflictError(
            f"directory of {head.issuer}: version {head.version}, held here: {held.version}"
        )

    async def _take(self, neighbour: NodeId, document: Document) -> None:
        keeper, now, head = self.keeper, self.keeper.clock.now(), document.head
        self._require_timely(head, now)
        self._require_way(neighbour, head)
        made = await keeper.workshop.make(keeper.work(now, heard=document.signed.document))
        document = replace(document, agencies=made.heard)
        written = keeper.written(made, now, f"node:{head.issuer}")
        await keeper.commit(made, replace(written, documents=(document,), heard_from=neighbour))

    def _require_timely(self, head: BranchHead, now: datetime) -> None:
        if self.keeper.doubted():
            raise TransportError(f"directory of {head.issuer}: this node doubts its clock")
        if head.issued_at > now + self.tolerance:
            raise TransportError(f"directory of {head.issuer}: issued in the future")
        if now > head.expires_at + self.grace:
            raise SignatureError(
                "expired-directory",
                f"directory of {head.issuer}: expired at {head.expires_at.isoformat()}",
            )

    def _require_way(self, neighbour: NodeId, head: BranchHead) -> None:
        here = self.keeper.here
        if head.issuer == here:
            raise AccessError("nobody tells this node what it said itself")
        if not lies_behind(self.keeper.directory, here, neighbour, head.issuer):
            raise SignatureError(
                "wrong-node", f"a directory of {head.issuer} does not come from {neighbour}"
            )

    async def _refused(self, neighbour: NodeId, digest: Digest, error: PeerError) -> None:
        reason = (
            error.reason
            if isinstance(error, SignatureError)
            else _WORDS.get(type(error), "bad-document")
        )
        log.warning(
            Line.DIRECTORY_REFUSED, neighbour=neighbour, reason=reason, error=str(error)[:300]
        )
        now = self.keeper.clock.now()
        await self.keeper.journal.refused(neighbour, reason, digest, now)

    async def regain(self, neighbour: NodeId, signed: Signed) -> None:
        """A neighbour has a newer word of this very node, which was restored since: taken back as it was."""
        keeper, head = self.keeper, await self._proven(signed)
        async with keeper.lock:
            held = keeper.held_of(head.issuer)
            if head.issuer != keeper.here or (held and held.version >= head.version):
                return
            now = keeper.clock.now()
            work = keeper.work(now, regained=signed.document, least_version=head.version + 1)
            made = await keeper.workshop.make(work)
            written = keeper.written(made, now, "node", f"regained from {neighbour}")
            await keeper.commit(made, replace(written, heard_from=neighbour))
        log.warning(Line.DIRECTORY_REGAINED, neighbour=neighbour, version=head.version)
        keeper.tell()


def _is_long(signed: Signed) -> bool:
    return len(signed.document) > LONG_DOCUMENT_BYTES


_WORDS: dict[type, str] = {ConflictError: "rolled-back", AccessError: "not-ours-to-hear"}
