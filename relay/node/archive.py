"""The node's archive: where it lies, who writes it, and who finds evidence in it again.

Touches: DATA/archive or the folder of the settings; the journal.
Raises:  JournalError, OSError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from relay.delivery.evidence.archive_ports import ArchivePolicy
from relay.delivery.evidence.archived import ArchiveDesk, EverywhereDesk, LeftDocuments
from relay.delivery.evidence.archiving import Archiver
from relay.delivery.evidence.exporting import EvidenceDesk
from relay.journal import archive_files
from relay.journal.archive_files import ArchiveFolder
from relay.journal.archiving import ArchiveTable
from relay.journal.space import Reserve, free_in
from relay.node.disk import retention_of
from relay.node.ground import Ground


@dataclass(frozen=True, slots=True)
class Archiving:
    archiver: Archiver
    evidence: EverywhereDesk
    desk: ArchiveDesk


def make_archiving(ground: Ground, live: EvidenceDesk, doubted: Callable[[], bool]) -> Archiving:
    settings, journal, clock = ground.settings, ground.journal, ground.clock
    found = settings.archive
    place = found.folder or settings.node.data_dir / "archive"
    table = ArchiveTable(journal, ground.node, place, retention_of(settings))
    limits = settings.limits
    folder = ArchiveFolder(
        place,
        ground.node,
        # its disk may be another than the journal's, so the reserve is looked for there
        lambda size: Reserve(
            limits.reserve_bytes, limits.reserve_inodes, lambda: free_in(place)
        ).require(size),
    )
    is_whole = archive_files.is_whole
    left = LeftDocuments(table, is_whole)
    policy = ArchivePolicy(found.file_bytes, found.messages, found.every)

    async def tidy() -> None:
        newest = await table.newest()
        number = 0 if newest is None else newest.number
        await folder.tidy(number, await table.announced(), table.is_whole)

    return Archiving(
        Archiver(
            replace(live, left=left),
            table,
            folder,
            policy,
            clock,
            is_whole,
            tidy,
            ground.policy.grace,
            doubted,
        ),
        EverywhereDesk(
            replace(live, left=left.if_whole),
            table,
            is_whole,
            archive_files.read,
            journal.note,
            clock,
        ),
        ArchiveDesk(
            table,
            clock,
            ground.known,
        ),
    )
