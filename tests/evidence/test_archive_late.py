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
from relay.errors import AccessError, GoneError, JournalError, NotFoundError
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


def _named(content: bytes, name: str) -> bytes | None:
    file = BytesIO(content)
    entries = {one.name: one for one in read_packed(file, Bounds(1 << 30, 1000, bundle.check_name))}
    return content_of(file, entries[name], 1 << 20) if name in entries else None


async def _told(node: Node) -> tuple[MessageId, MessageId]:
    """A document that stays, for nobody told of its handover, and a status about it that left for the archive."""
    node.policy = POLICY
    await node.again()
    document = await node.admit(DeliveryState.RELAYED)
    status = await node.tell(1)
    await node.admit()
    node.at += 91 * DAYS
    await node.archiver.round()
    await node.sweeper.sweep()
    assert node.in_archive(status) == 1
    assert node.in_archive(document) == 0
    return document, status


async def test_a_status_that_was_archived_before_its_document_is_in_its_evidence(
    node: Node,
) -> None:
    """It left the journal; the archive has it, so nothing is left out of what the document's evidence holds."""
    document, status = await _told(node)
    view = await node.journal.message(status)
    assert view is not None
    with pytest.raises(GoneError):
        await node.journal.payload(view.digest)

    content = await node.export(document)

    kept = _named(content, bundle.status_names(1)[0])
    assert kept is not None
    assert digest_of(kept) == view.digest
    assert node.refused(content) == []


async def test_the_whole_once_more_holds_the_statuses_that_were_archived(node: Node) -> None:
    """The newest evidence of a message has all that the one before it had."""
    message = await node.admit(DeliveryState.RELAYED)
    await node.tell(1)
    await node.admit()
    node.at += 91 * DAYS
    await node.archiver.round()
    await node.sweeper.sweep()
    before = await node.export(message)
    assert _named(before, bundle.status_names(1)[0]) is not None
    await node.receive(message)
    node.at += 91 * DAYS
    assert await node.archiver.round()

    content = await node.export(message)

    assert len(_receipts(content)) == 2
    assert _named(content, bundle.status_names(1)[0]) == _named(before, bundle.status_names(1)[0])
    assert node.refused(content) == []


async def test_a_damaged_archive_file_keeps_no_evidence_of_other_documents_back(node: Node) -> None:
    """The file says what is not in it. The archive, which would keep it so for good, waits instead."""
    node.policy = POLICY
    document, status = await _told(node)
    found = await node.table.find(status)
    assert found is not None
    whole = found.path.read_bytes()
    content = bytearray(whole)
    content[found.start + 200] ^= 1
    found.path.write_bytes(content)

    exported = await node.export(document)
    assert b"not-here" in (_named(exported, bundle.LIST) or b"")
    assert node.refused(exported) == []

    await node.receive(document)
    node.at += 91 * DAYS
    assert await node.archiver.round() == []
    found.path.write_bytes(whole)
    assert [one.messages for one in await node.archiver.round()] == [1]
    assert _named(await node.export(document), bundle.status_names(1)[0]) is not None


async def test_what_was_said_of_a_document_is_known_as_long_as_the_document(node: Node) -> None:
    """However old: else its evidence would be silent about a status, as if it had never come."""
    document, status = await _told(node)
    node.at += 1000 * DAYS
    await node.sweeper.sweep()
    assert await node.journal.message(status) is not None
    assert _named(await node.export(document), bundle.status_names(1)[0]) is not None

    node.at -= 900 * DAYS  # certificates of the tests end
    await node.receive(document)
    node.at += 91 * DAYS
    await node.archiver.round()
    node.at += 1000 * DAYS
    await node.sweeper.sweep()
    await node.sweeper.sweep()
    assert await node.journal.message(document) is None
    assert await node.journal.message(status) is None
