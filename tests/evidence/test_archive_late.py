"""Receipts that come after a message was archived: the next file holds all of it once more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relay.cli.main import app
from relay.delivery.evidence.archive_ports import HoldKind
from relay.delivery.ports import Caller
from relay.errors import AccessError, JournalError, NotFoundError
from relay.model import DeliveryState, MessageId, digest_of
from relay.signing.archives import archive_files as files_of
from relay.signing.archives import evidence_in, verify_archive, verify_next
from relay.wire import bundle
from relay.wire.packed import Bounds, content_of, read_packed
from tests.evidence.archive_node import DAYS, OPERATOR, POLICY, Node
from tests.evidence.conftest import RECIPIENT, SENDER, Pki


@pytest.fixture
async def node(authority: Pki, tmp_path: Path) -> AsyncIterator[Node]:
    """Whose policy lets go what the next node took over and told no more of."""
    made = Node(authority, tmp_path)
    made.policy = replace(POLICY, payload_relayed=60 * DAYS)
    yield await made.start()
    await made.journal.close()


def _receipts(content: bytes) -> list[bytes]:
    file = BytesIO(content)
    entries = {one.name: one for one in read_packed(file, Bounds(1 << 30, 1000, bundle.check_name))}
    names = [bundle.receipt_names(number)[0] for number in range(1, 10)]
    return [content_of(file, entries[name], 1 << 20) for name in names if name in entries]


async def _archived(node: Node) -> MessageId:
    """Relayed, archived, its payload gone."""
    message = await node.admit(DeliveryState.RELAYED)
    await node.admit()
    node.at += 61 * DAYS
    await node.archiver.round()
    await node.sweeper.sweep()
    assert not await node.in_journal(1)
    return message


async def test_evidence_asked_for_holds_receipts_that_came_after_the_archive(node: Node) -> None:
    """At once: the document from the archive's file, all receipts from the journal, signed anew."""
    message = await _archived(node)
    before = await node.export(message)
    assert len(_receipts(before)) == 1
    late = await node.receive(message)

    content = await node.export(message)

    assert node.refused(content) == []
    assert _receipts(content) == [*_receipts(before), late.document]
    assert await node.export(message, Caller("b", frozenset({RECIPIENT})))
    with pytest.raises(AccessError):
        await node.export(message, Caller("c", frozenset(), auditor=True))


async def test_the_next_file_holds_the_whole_once_more_when_it_is_due_again(node: Node) -> None:
    """Once, and by the ages that let it go the first time; from then on it is what is exported."""
    message = await _archived(node)
    node.at += 10 * DAYS
    late = await node.receive(message)
    node.at += 60 * DAYS
    assert [one.messages for one in await node.archiver.round()] == [1], "only the other's turn"
    node.at += 31 * DAYS
    (written,) = await node.archiver.round()
    assert await node.archiver.round() == []

    content = await node.export(message)
    assert late.document in _receipts(content)
    assert node.refused(content) == []
    assert b"".join(evidence_in(node.folder / written.name, message) or ()) == content
    out = node.data / "offline.asice"
    taken = CliRunner().invoke(
        app, ["archive", "export", str(node.folder), message, "--out", str(out)]
    )
    assert taken.exit_code == 0, "offline, too, it is the newest"
    assert out.read_bytes() == content
    (held,) = verify_archive(node.folder / written.name, node.authority.trust).index.messages
    first = b"".join(evidence_in(files_of(node.folder)[0], message) or ())
    assert held.renews == digest_of(first)
    before = None
    for path in files_of(node.folder):
        before = verify_next(path, before, node.authority.trust)


async def test_rows_stay_until_late_receipts_are_archived(node: Node) -> None:
    """However old they are: nothing else says which message a receipt is about."""
    message = await _archived(node)
    await node.receive(message)
    node.at += 1000 * DAYS
    await node.sweeper.sweep()
    assert await node.journal.message(message) is not None

    node.at -= 800 * DAYS  # certificates of the tests end
    await node.archiver.round()
    node.at += 800 * DAYS
    await node.sweeper.sweep()
    assert await node.journal.message(message) is None
    assert len(_receipts(await node.export(message))) == 2


async def test_a_receipt_before_the_payload_left_keeps_it_until_it_is_archived_too(
    node: Node,
) -> None:
    """Then nothing has to be read out of the archive."""
    message = await node.admit(DeliveryState.RELAYED)
    await node.admit()
    node.at += 61 * DAYS
    await node.archiver.round()
    await node.receive(message)
    node.at += 91 * DAYS
    await node.sweeper.sweep()
    assert await node.in_journal(1)

    await node.archiver.round()
    await node.sweeper.sweep()
    assert not await node.in_journal(1)
    assert len(_receipts(await node.export(message))) == 2


async def test_what_is_held_is_not_archived_once_more(node: Node) -> None:
    """A hold stops what is due again, as it stops what is due."""
    message = await _archived(node)
    await node.receive(message)
    await node.desk.hold(OPERATOR, HoldKind.AGENCY, SENDER, "inspection 7")
    node.at += 200 * DAYS
    assert await node.archiver.round() == []
    await node.desk.release(OPERATOR, HoldKind.AGENCY, SENDER, "done")
    assert len(await node.archiver.round()) == 1
    assert len(_receipts(await node.export(message))) == 2


async def test_a_damaged_file_is_no_source_of_new_evidence(node: Node) -> None:
    """Nothing is signed around a document that is not what was archived; receipts and rows stay."""
    message = await _archived(node)
    await node.receive(message)
    found = await node.table.find(message)
    assert found is not None
    content = bytearray(found.path.read_bytes())
    content[found.start + 200] ^= 1
    found.path.write_bytes(content)
    node.at += 91 * DAYS

    with pytest.raises(JournalError, match="damaged"):
        await node.export(message)
    assert all(one.messages == 1 for one in await node.archiver.round()), "the other message's"
    assert await node.journal.message(message) is not None
    with pytest.raises(NotFoundError):
        await node.export(message, Caller("d", frozenset()))
