"""The log's publisher at work: woken by commits, in a thread, and what it has published for readers.

The writing itself, and what holds when the process dies in it, is journal/publishing.py.

Touches: DATA/log through it. Trusts: the journal's heads.
Raises:  nothing from `run`: a disk that fails and a journal that contradicts itself are told in the
         log's lines and in `logs`, and the node goes on. NotFoundError, AuditError for readers.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from relay.audit.checkpoint import Checkpoint, head_of, verify_note, vkey
from relay.audit.epochs import epoch_of, folder_of
from relay.audit.tiles import ENTRIES, TileNodes, parse_path
from relay.audit.verify import LogKey
from relay.delivery.operators.published import (
    NoWitnesses,
    PublishedLog,
    Trouble,
    Witnesses,
)
from relay.errors import AuditError, JournalError, NotFoundError
from relay.journal.publishing import Due, EpochPublisher, heads_due, published_tree
from relay.journal.store import DATABASE
from relay.journal.tile_files import CHECKPOINT, TileFiles
from relay.lines import Line
from relay.settings.settings import Settings
from relay.signing.keys import LogSigner, verify_log_signature
from relay.signing.log_key import key_of_log

log = structlog.get_logger("relay.node")
T = TypeVar("T")
FOLDER: Final = "log"
_LONGEST_PAUSE: Final = timedelta(minutes=1)
_LAST_SECONDS: Final = 5.0
_BACKSTOP: Final = timedelta(seconds=5)
"""Beyond what the witnesses themselves keep to: nothing that asks may hold a checkpoint for good."""
_LOOK_AGAIN_SECONDS: Final = 30.0
"""How soon at the latest witnesses are asked again about a checkpoint that some have not cosigned."""
_EPOCH: Final = re.compile(r"(0|[1-9][0-9]{0,3})(-[0-9a-f]{16})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class LogHand:
    """The key of a log's epoch, as far as publishing needs it."""

    public_key: bytes
    key: LogKey | None = None
    """The same, by which those of epochs before are found; None: there was no other."""

    def of(self, due: Due) -> LogHand:
        """That of an epoch. Raises AuditError where its certificate is gone."""
        if self.key is None:
            return self
        if due.key is None:
            raise AuditError(f"the certificate of the key of {due.head.origin} is not kept")
        return LogHand(due.key.public_key, due.key)

    def vkey(self, due: Due) -> str:
        """Empty where it is not known."""
        try:
            return vkey(due.head.origin, self.of(due).public_key)
        except AuditError:
            return ""

    def believed(self, note: bytes, origin: str) -> Checkpoint:
        """The checkpoint of a note that this key signed under that name. Raises AuditError."""
        return verify_note(note, origin, self.public_key, self._verify)

    def _verify(self, signature: bytes, body: bytes) -> None:
        verify_log_signature(self.public_key, signature, body)


class LogPublisher:
    """delivery.operators.published.LogFiles. `grown` after each commit that added entries."""

    def __init__(
        self,
        data: Path,
        hand: LogHand,
        *,
        every: timedelta,
        patience: timedelta,
        room: Callable[[int], None] = lambda _: None,
        witnesses: Witnesses | None = None,
    ) -> None:
        """`patience`: how long a checkpoint waits for its witnesses."""
        self._journal = data / DATABASE
        self._folder = data / FOLDER
        self._hand = hand
        self._every = every
        self._patience = patience
        self._room = room
        self.witnesses: Witnesses = witnesses or NoWitnesses()
        self.published: Callable[[], None] = lambda: None
        """Told when a checkpoint was written, or written again with more cosignatures."""
        self._grown = asyncio.Event()
        self._one = threading.Lock()
        self._stopping = False
        self._epochs: dict[str, EpochPublisher] = {}
        self._dues: list[Due] = []
        self._lines: dict[Checkpoint, frozenset[bytes]] = {}
        """Cosignatures in the present checkpoint, as this process wrote it."""
        self._trouble: dict[str, Trouble] = {}

    def grown(self) -> None:
        """There is more to publish; called in the event loop."""
        self._grown.set()

    def doubt(self, origin: str) -> None:
        """A file of that log does not hold what it must: look at them all, and mend."""
        if (publisher := self._epochs.get(origin)) is not None:
            publisher.doubt()
            self._grown.set()

    async def run(self) -> None:
        """Publish for as long as the node runs."""
        pause = self._every
        try:
            while True:
                self._grown.clear()
                well = await self._round()
                pause = self._every if well else min(2 * pause, _LONGEST_PAUSE)
                await asyncio.sleep(pause.total_seconds())
                if well:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_AGAIN_SECONDS):
                            await self._grown.wait()
        finally:
            self._stopping = True

    async def last(self) -> None:
        """What the node's last entries need, unless it is much: the next start goes on anyway."""
        self._stopping = False
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                await self._round(slices=1, asking=False)
        self._stopping = True

    # ------------------------------------------------------------ a round

    async def _round(self, slices: int | None = None, *, asking: bool = True) -> bool:
        """Whether all that the journal holds is published."""
        try:
            self._dues = await self._aside(heads_due, self._journal, self._hand.key)
        except (AuditError, JournalError) as error:
            log.error(Line.LOG_NOT_PUBLISHED, error=str(error))
            return False
        outcomes = [await self._epoch(due, slices, asking=asking) for due in self._dues]
        return all(outcomes)

    async def _epoch(self, due: Due, slices: int | None, *, asking: bool) -> bool:
        origin = due.head.origin
        try:
            done = await self._publish(due, slices, asking=asking)
        except (OSError, JournalError) as error:
            self._troubled(origin, Trouble.CANNOT_WRITE, error)
            return False
        except AuditError as error:
            self._troubled(origin, Trouble.CONTRADICTION, error)
            return False
        if self._trouble.pop(origin, None) is not None:
            log.info(Line.LOG_IS_PUBLISHED_AGAIN, log=origin, size=due.head.size)
        return done

    async def _publish(self, due: Due, slices: int | None, *, asking: bool) -> bool:
        publisher = self._publisher(due.head.origin)
        if publisher.published == due.head and not publisher.doubted:
            if asking and due.present:
                await self._cosigned_since(publisher, due)
            return True
        mended = 0
        while True:
            wrote = await self._aside(publisher.write, due.head)
            mended += wrote.mended
            slices = None if slices is None else slices - 1
            if wrote.done or slices == 0:
                break
        if mended:
            log.error(Line.LOG_FILES_MENDED, log=publisher.origin, files=mended)
        if wrote.done and publisher.published != due.head:
            lines = await self._cosigned(publisher, due) if asking and due.present else ()
            await self._aside(publisher.publish, due.note + due.kept + b"".join(lines))
            if due.present:
                self._lines = {due.head: frozenset(lines)}
            self.published()
        return wrote.done

    async def _cosigned_since(self, publisher: EpochPublisher, due: Due) -> None:
        """The same checkpoint once more, where a witness cosigned it that was away or slow before."""
        lines = await self._cosigned(publisher, due)
        if frozenset(lines) > self._lines.get(due.head, frozenset()):
            await self._aside(publisher.publish, due.note + b"".join(lines))
            self._lines = {due.head: frozenset(lines)}
            self.published()

    def _publisher(self, origin: str) -> EpochPublisher:
        if origin not in self._epochs:
            self._epochs[origin] = EpochPublisher(
                self._journal,
                self._folder,
                origin,
                self._hand_of(origin).believed,
                room=self._room,
                stopping=lambda: self._stopping,
            )
        return self._epochs[origin]

    def _hand_of(self, origin: str) -> LogHand:
        due = next((one for one in self._dues if one.head.origin == origin), None)
        return self._hand if due is None else self._hand.of(due)

    async def _cosigned(self, publisher: EpochPublisher, due: Due) -> Sequence[bytes]:
        """The signature lines that came in time."""

        async def consistency(old: int) -> list[bytes]:
            def prove() -> list[bytes]:
                return publisher.nodes(due.head).consistency(old)

            return await asyncio.to_thread(prove)

        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                lines = await self.witnesses.cosign(due.note, consistency)
            together = [line if line.endswith(b"\n") else line + b"\n" for line in lines]
            head_of(due.note + b"".join(together))
        except Exception as error:  # noqa: BLE001  a witness must not keep the log from being published
            log.warning(
                Line.COSIGNATURES_NOT_HAD, log=publisher.origin, error=str(error) or repr(error)
            )
            return ()
        return together

    def _troubled(self, origin: str, trouble: Trouble, error: Exception) -> None:
        """Told once: it is tried again and again."""
        if self._stopping or self._trouble.get(origin) is trouble:
            return
        self._trouble[origin] = trouble
        log.log(
            logging.CRITICAL if trouble is Trouble.CONTRADICTION else logging.ERROR,
            Line.LOG_NOT_PUBLISHED,
            log=origin,
            trouble=trouble.value,
            error=str(error),
        )

    async def _aside(self, work: Callable[..., T], *args: Any) -> T:
        """In a thread, one at a time, also after a cancellation, which no thread hears."""

        def alone() -> T:
            with self._one:
                return work(*args)

        return await asyncio.to_thread(alone)

    # ------------------------------------------------------------ for readers

    def believed(self, note: bytes, origin: str) -> Checkpoint:
        """The checkpoint of a note that this node signed under that name. Raises AuditError."""
        return self._hand_of(origin).believed(note, origin)

    async def logs(self) -> list[PublishedLog]:
        return [
            PublishedLog(
                folder_of(epoch_of(one.head.origin)),
                one.head.origin,
                self._hand.vkey(one),
                0 if (published := self._published(one)) is None else published.size,
                not one.present,
                self._trouble.get(one.head.origin),
            )
            for one in self._dues
        ]

    def _published(self, due: Due) -> Checkpoint | None:
        found = self._epochs.get(due.head.origin)
        return None if found is None else found.published

    async def file(self, epoch: str, path: str, *, entries: bool = True) -> bytes:
        if not _EPOCH.fullmatch(epoch):
            raise NotFoundError("no epoch of the log is named so")
        files = TileFiles(self._folder / epoch)
        if path == CHECKPOINT:
            return await asyncio.to_thread(_note, files)
        try:
            tile = parse_path(path)
        except AuditError as error:
            raise NotFoundError(str(error)) from None
        if tile.level == ENTRIES and not entries:
            raise NotFoundError("entries are not given out here")
        try:
            return await asyncio.to_thread(files.read, tile)
        except AuditError as error:
            raise NotFoundError(str(error)) from None

    async def tree(self, origin: str) -> tuple[bytes, TileNodes]:
        """The published checkpoint of a log, and its tree to prove from, in a thread: it reads files.

        NotFoundError where nothing is published; AuditError where a file does not hold: `doubt` it.
        """
        files, hand = self._publisher(origin).files, self._hand_of(origin)
        return await asyncio.to_thread(published_tree, files, origin, hand.believed)


def _note(files: TileFiles) -> bytes:
    try:
        note = files.note()
    except AuditError as error:
        raise NotFoundError(str(error)) from None
    if note is None:
        raise NotFoundError("no checkpoint is published there")
    return note


def make_publisher(
    settings: Settings, signer: LogSigner, room: Callable[[int], None]
) -> LogPublisher:
    return LogPublisher(
        settings.node.data_dir,
        LogHand(signer.public_key, key_of_log(signer.node, signer.public_key)),
        every=settings.log.publish_every,
        patience=settings.log.witnesses_answer_within + _BACKSTOP,
        room=room,
    )
