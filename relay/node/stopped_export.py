"""Export the log of a node that is stopped, as an entry of that log like any export.

Whoever takes entries away is in the log: so this opens the journal as a start does, under the folder's lock
and with the log's key, commits the entry, and closes it. Nothing is served and no neighbour is asked. A copied
folder without the keys is not exported: `relay audit diff` and `fsck` read it.

Touches: the data folder, the node's keys.
Raises:  InUseError while the node runs; SettingsError, JournalError, and what LogExportDesk raises.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from relay.delivery.clock import Clock
from relay.errors import JournalError
from relay.identity import load_keys
from relay.journal.epochs import open_epoch
from relay.journal.store import DATABASE
from relay.model import NodeId
from relay.node.disk import make_reserve, open_journal
from relay.node.log_export import LogExportDesk
from relay.node.publishing import LogHand
from relay.settings.settings import Settings
from relay.signing.notary import NodeNotary


@asynccontextmanager
async def stopped_log(settings: Settings) -> AsyncIterator[LogExportDesk]:
    """The desk of a stopped node; nobody else writes meanwhile."""
    folder, node, clock = settings.node.data_dir, NodeId(settings.node.id), Clock()
    if not (folder / DATABASE).is_file():
        raise JournalError(f"no journal in {folder}")
    directory = settings.make_directory()
    async with AsyncExitStack() as exits:
        keys = load_keys(settings, directory, later=True)
        exits.callback(keys.close)
        room = make_reserve(settings).require
        journal = await open_journal(settings, keys.log, grown=lambda: None, room=room)
        exits.push_async_callback(journal.close)
        # The first entry after a restore or with another log key is the epoch's own.
        await journal.perform(lambda tx: open_epoch(tx, node, clock.now()))
        notary = NodeNotary(node, keys.sign, keys.agencies, keys.trust, directory.aliases)
        hand = LogHand(keys.log.public_key)
        certificate = settings.keys.log.certificate
        yield LogExportDesk(folder, journal, notary, certificate, hand.believed, clock)
