"""What a node that was restored answers to neighbours that ask what became of their transfers."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime
from typing import Any

import pytest

from relay.errors import TransportError
from relay.journal.epochs import mark_restored
from relay.model import NodeId, TransferId
from relay.node.node import Node
from relay.settings.reading import load

HERE = NodeId("tinh")


async def test_a_restored_node_does_not_say_that_it_never_saw_what_it_may_have_lost(
    other_network: Any, play: Any
) -> None:
    """Before the restore an unknown transfer is 404; after it the question is to be asked again, until the
    transfer itself comes, which is taken and answered."""
    running = other_network.nodes[HERE]
    peer = play(other_network, "xa", f"https://127.0.0.1:{running.nodes_port}")
    transfer = peer.transfer()
    node = Node(load(running.config))
    await node.start()
    assert await peer.client.ask(HERE, transfer.header.transfer_id) is None
    await node.stop()
    path = running.folder / "data" / "journal.sqlite"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        mark_restored(connection, peer.clock.now())

    node = Node(load(running.config))
    await node.start()
    try:
        for unknown in (transfer.header.transfer_id, TransferId(peer.clock.mint())):
            with pytest.raises(TransportError, match="may have lost"):
                await peer.client.ask(HERE, unknown)
        answer = await peer.carry(transfer)
        again = await peer.client.ask(HERE, transfer.header.transfer_id)
    finally:
        await peer.client.close()
        await node.stop()

    assert peer.notary.check_receipt(again, datetime.now(UTC)) == answer
