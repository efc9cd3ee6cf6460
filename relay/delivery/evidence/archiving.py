"""Write what nobody needs here any more to archive files, before retention lets it go.

    due in the journal ─▶ its evidence file, planned and signed ─▶ an entry of the archive file ─▶ index,
    manifest, signature ─▶ fsync, rename, fsync of the folder ─▶ recorded with its digest ─▶ retention

If the process dies before the record, nothing has left the journal and the next round writes it anew; after
it, the file has everything. Nothing is deleted here. What gets receipts after it was archived is archived once
more, whole: the newest evidence of a message holds all that there is of it.

Touches: the journal, reading but for the record; the archive folder; the notary.
Raises:  nothing expected: a disk that refuses is logged, and the next round tries again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from relay.delivery.clock import Clock
from relay.delivery.evidence.archive_ports import (
    ArchiveBook,
    ArchiveDisk,
    ArchivePolicy,
    Due,
    Found,
    Left,
    OpenArchive,
    Put,
    WrittenFile,
)
from relay.delivery.evidence.archived import payload_in, require_whole
from relay.delivery.evidence.exporting import EvidenceDesk, who_may_have_all
from relay.delivery.evidence.ports import EvidenceFile
from relay.delivery.ports import Caller, MessageView
from relay.delivery.records import MessageRow
from relay.errors import NotPossibleError, RelayError
from relay.lines import Line
from relay.model import Digest
from relay.wire import archived, bundle
from relay.wire.archived import ArchiveIndex, HeldMessage

REST = timedelta(milliseconds=20)
"""Between two messages: the signing key is everybody's."""
DOUBT_SECONDS = 60.0
ARCHIVE = Caller("archive", frozenset(), operator=True)
log = structlog.get_logger("relay.archive")


@dataclass(slots=True)
class _Writing:
    """The file being written, with what it holds so far."""

    file: OpenArchive
    name: str
    number: int
    previous: Digest | None
    at: datetime
    covered: list[tuple[str, Digest]]
    held: list[HeldMessage]
    left: list[Left]


@dataclass(slots=True)
class Archiver:
    """One node's; what `due` names goes to files of the policy's size."""

    desk: EvidenceDesk
    book: ArchiveBook
    disk: ArchiveDisk
    policy: ArchivePolicy
    clock: Clock
    is_whole: Callable[[Found], bool]
    tidy: Callable[[], Awaitable[None]]
    """Puts away what was written before and never recorded."""
    grace: timedelta = timedelta()
    doubted: Callable[[], bool] = lambda: False
    """Whether the clock may be wrong: then nothing is old enough."""

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.sleep(self.grace.total_seconds())
        while True:
            while self.doubted():  # noqa: ASYNC110  a look now and then, for as long as it takes
                await asyncio.sleep(DOUBT_SECONDS)
            try:
                await self.round()
            except (RelayError, OSError) as error:
                log.warning(Line.ARCHIVING_BROKEN_OFF, error=str(error))
            await asyncio.sleep(self.policy.every.total_seconds())

    async def round(self) -> list[WrittenFile]:
        """All that is due by now, in as many files as it takes."""
        await self.tidy()
        done: list[WrittenFile] = []
        writing: _Writing | None = None
        try:
            async for due in self._due():
                writing = await self._take(writing, due)
                if writing is not None and self._is_full(writing):
                    done.append(await self._finish(writing))
                    writing = None
            if writing is not None:
                done.append(await self._finish(writing))
        except BaseException:
            if writing is not None:
                await writing.file.drop()
            raise
        return done

    async def _due(self) -> AsyncIterator[Due]:
        after, at = MessageRow(0), self.clock.now()
        while True:
            page, last = await self.book.due(after, at)
            for one in page:
                yield one
            if last == after:
                return
            after = last
            await asyncio.sleep(REST.total_seconds())

    def _is_full(self, writing: _Writing) -> bool:
        return (
            writing.file.position >= self.policy.file_bytes
            or len(writing.held) >= self.policy.messages
        )

    async def _take(self, writing: _Writing | None, due: Due) -> _Writing | None:
        """One more message; one of which there can be no evidence file stays in the journal."""
        at = self.clock.now() if writing is None else writing.at
        desk = replace(self.desk, clock=Clock(wall=lambda: at))
        try:
            if due.before is not None and not due.is_here:
                await require_whole(self.is_whole, due.before)
                desk = replace(desk, payload=payload_in(due.before))
            view, file = await desk.plan(ARCHIVE, due.message_id)
            if (view.origin, view.digest) != (due.origin, due.digest):
                raise NotPossibleError("another message of the same id is asked for first")
        except RelayError as error:
            log.warning(Line.NOT_ARCHIVED, message=due.message_id, error=str(error))
            return writing
        writing = writing or await self._begin(at)
        try:
            await self._put_evidence(writing, desk, due, view, file)
        except BaseException:
            await writing.file.drop()
            raise
        await asyncio.sleep(REST.total_seconds())
        return writing

    async def _begin(self, at: datetime) -> _Writing:
        newest = await self.book.newest()
        number = 1 if newest is None else newest.number + 1
        name = archived.file_name(self.desk.node, number, at)
        file = await self.disk.begin(name)
        previous = None if newest is None else newest.digest
        writing = _Writing(file, name, number, previous, at, [], [], [])
        try:
            await _put(writing, bundle.MIMETYPE, bundle.MIMETYPE_CONTENT)
        except BaseException:
            await file.drop()
            raise
        return writing

    async def _put_evidence(
        self, writing: _Writing, desk: EvidenceDesk, due: Due, view: MessageView, file: EvidenceFile
    ) -> None:
        name = archived.entry_name(due.origin, due.message_id)
        put = await writing.file.put(name, file.size_bytes, desk.write(file))
        writing.covered.append((name, put.digest))
        size, before = file.size_bytes, due.before
        renews = None if before is None else before.digest
        writing.held.append(
            HeldMessage(due.origin, due.message_id, put.digest, size, due.digest, renews)
        )
        writing.left.append(
            Left(due, put.start, size, put.digest, who_may_have_all(view), view.size_bytes)
        )

    async def _finish(self, writing: _Writing) -> WrittenFile:
        index = ArchiveIndex(
            self.desk.node, writing.number, writing.at, writing.previous, tuple(writing.held)
        )
        await _put(writing, archived.INDEX, await asyncio.to_thread(archived.write_index, index))
        names = [*(name for name, _ in writing.covered), bundle.MANIFEST]
        manifest = await asyncio.to_thread(bundle.write_manifest, names)
        await _put(writing, bundle.MANIFEST, manifest)
        signature = await asyncio.to_thread(self._signature, writing.covered, writing.at)
        await _put(writing, archived.SIGNATURE, bundle.wrapped(signature))
        digest, size_bytes = await writing.file.close()
        await self.book.announce(digest)
        await writing.file.name()
        written = WrittenFile(
            writing.number,
            writing.name,
            digest,
            writing.previous,
            size_bytes,
            len(writing.held),
            writing.at,
        )
        await self.book.record(written, writing.left)
        log.info(Line.ARCHIVE_WRITTEN, file=written.name, messages=written.messages)
        return written

    def _signature(self, covered: Sequence[tuple[str, Digest]], at: datetime) -> bytes:
        return self.desk.notary.sign_bundle(covered, at)  # maybe by a token


async def _put(writing: _Writing, name: str, content: bytes) -> Put:
    """A small entry of our own."""

    async def once() -> AsyncIterator[bytes]:
        yield content

    put = await writing.file.put(name, len(content), once())
    writing.covered.append((name, put.digest))
    return put
