"""The archive: what may leave the journal is on the disk, signed and linked, before any of it goes."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.delivery.evidence.archive_ports import HoldKind
from relay.delivery.ports import Caller
from relay.errors import AccessError, JournalError, NotFoundError, PeerError
from relay.journal.archive_files import digest_of_file
from relay.journal.writer import Transaction
from relay.model import DeliveryState
from relay.signing.archives import archive_files as files_of
from relay.signing.archives import evidence_in, verify_next
from tests.evidence.archive_node import DAYS, OPERATOR, OTHER, Node
from tests.evidence.conftest import RECIPIENT, SENDER, Pki


@pytest.fixture
async def node(authority: Any, tmp_path: Path) -> AsyncIterator[Node]:
    made = await Node(authority, tmp_path).start()
    yield made
    await made.journal.close()


# ---------------------------------------------------------------- leaving


async def test_what_left_the_journal_is_found_in_the_archive(node: Node) -> None:
    """Its evidence holds for a stranger with the root, and is the same as long as it is asked for."""
    first, second = await node.admit(), await node.admit()
    node.at += 91 * DAYS
    (written,) = await node.archiver.round()
    await node.sweeper.sweep()

    assert not await node.in_journal(1)
    assert written.messages == 2
    content = await node.export(first)
    assert node.refused(content) == []
    assert content == await node.export(first)
    assert b"".join(evidence_in(node.folder / written.name, second) or ()) == await node.export(
        second
    )
    (noted,) = await node.events("archive-written")
    assert (noted["digest"], noted["count"]) == (written.digest, 2)
    assert written.digest == digest_of_file(node.folder / written.name)


async def test_nothing_leaves_before_it_is_archived(node: Node) -> None:
    """However old it is: retention waits for the archive, and for as long as it takes."""
    await node.admit()
    node.at += 1000 * DAYS

    await node.sweeper.sweep()

    assert await node.in_journal(1)


@pytest.mark.parametrize(
    ("state", "days", "goes"),
    [
        (DeliveryState.HANDED_OVER, 89, False),
        (DeliveryState.REFUSED, 31, True),
        (DeliveryState.RELAYED, 1000, False),
        (DeliveryState.QUEUED, 1000, False),
    ],
)
async def test_the_archive_takes_what_retention_would_let_go(
    node: Node, state: DeliveryState, days: int, goes: bool
) -> None:
    """By state and age; what somebody still needs stays where it is."""
    message = await node.admit(state)
    node.at += days * DAYS

    assert bool(await node.archiver.round()) is goes
    if goes:
        assert node.in_archive(message) == 1


async def test_evidence_in_the_archive_outlives_the_rows(node: Node) -> None:
    """After two years the journal knows the message no more; its evidence is found all the same."""
    message = await node.admit()
    await node.admit()
    node.at += 91 * DAYS
    await node.archiver.round()
    node.at += 1000 * DAYS
    await node.sweeper.sweep()

    assert await node.journal.message(message) is None
    assert node.refused(await node.export(message)) == []


async def test_who_may_not_have_the_document_does_not_get_it_from_the_archive(node: Node) -> None:
    """The sender and who fetched it may; an auditor and others may not; nobody learns of others'."""
    message = await node.admit(DeliveryState.REFUSED)
    node.at += 91 * DAYS
    await node.archiver.round()
    await node.sweeper.sweep()
    await node.admit()
    node.at += 1000 * DAYS
    await node.sweeper.sweep()

    assert await node.export(message, Caller("a", frozenset({SENDER})))
    for code in (RECIPIENT, OTHER):
        with pytest.raises(NotFoundError):
            await node.export(message, Caller("b", frozenset({code})))
    with pytest.raises(AccessError):
        await node.export(message, Caller("c", frozenset(), auditor=True))


async def test_what_others_said_of_a_document_is_not_given_with_it(node: Node) -> None:
    """The archive's evidence is an operator's; a recipient gets its own, as long as the journal knows of it."""
    message = await node.admit()
    await node.admit(sender=OTHER)

    def another_recipient_said(tx: Transaction) -> None:
        tx.run(
            "INSERT INTO deliveries (delivery_row, delivery_id, message_row, arrival_row, recipient,"
            " addressed_as, state, lane, expires_at, updated_at) SELECT 99, 'x', message_row, arrival_row,"
            " 'H03', 'H03', state, lane, expires_at, updated_at FROM deliveries WHERE message_row = 1"
        )
        _report(tx, 2, 99)

    await node.journal.perform(another_recipient_said)
    node.at += 91 * DAYS
    (written,) = await node.archiver.round()
    await node.sweeper.sweep()

    copied = b"".join(evidence_in(node.folder / written.name, message) or ())
    assert await node.export(message, Caller("a", frozenset({SENDER}))) == copied
    node.at += DAYS
    own = await node.export(message, Caller("b", frozenset({RECIPIENT})))
    assert own != copied, "made anew"
    assert node.refused(own) == []
    await node.admit()
    node.at += 1000 * DAYS
    await node.sweeper.sweep()
    assert await node.export(message) == copied
    with pytest.raises(NotFoundError):
        await node.export(message, Caller("b", frozenset({RECIPIENT})))


def _report(tx: Transaction, status: int, delivery: int) -> None:
    """This message is a status that speaks of this delivery."""
    tx.run(
        "INSERT INTO reports (message_row, status_code, sender, organ_id, document_id, notation,"
        " promulgation_date, description, reported_at) VALUES (?, '03', 'H03', 'H02', 'D1', '', '', '', '')",
        status,
    )
    tx.run("INSERT INTO report_matches VALUES (?, ?)", status, delivery)


async def test_files_are_of_the_size_that_is_configured(node: Node) -> None:
    """By bytes or by messages, whichever comes first; each follows on the one before."""
    node.count = 2
    await node.again()
    for _ in range(5):
        await node.admit()
    node.at += 91 * DAYS

    written = await node.archiver.round()

    assert [one.messages for one in written] == [2, 2, 1]
    assert [one.previous for one in written] == [None, written[0].digest, written[1].digest]
    node.size, node.count = 1, 1000
    await node.again()
    for _ in range(2):
        await node.admit()
    assert [one.messages for one in await node.archiver.round()] == [1, 1]


async def test_the_same_rows_give_the_same_file_to_the_byte(authority: Pki, tmp_path: Path) -> None:
    """Signatures, too: keys in files sign deterministically."""
    node = await Node(authority, tmp_path / "a").start()
    for _ in range(2):
        await node.admit()
    node.at += 91 * DAYS
    await node.journal.close()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    contents = []
    for name in ("a", "b"):
        one = Node(authority, tmp_path / name)
        one.at = node.at
        await one.start()
        (written,) = await one.archiver.round()
        contents.append((one.folder / written.name).read_bytes())
        await one.journal.close()
    assert contents[0] == contents[1]


# ---------------------------------------------------------------- legal hold


@pytest.mark.parametrize("kind", list(HoldKind))
async def test_what_is_held_never_leaves(node: Node, kind: HoldKind) -> None:
    """Neither for the archive nor by retention, payload or rows, until it is released; both audited."""
    message = await node.admit()
    await node.admit(sender=OTHER)
    name = message if kind is HoldKind.MESSAGE else SENDER
    await node.desk.hold(OPERATOR, kind, name, "inspection 7")
    await node.desk.hold(OPERATOR, kind, name, "again")
    node.at += 1000 * DAYS

    (written,) = await node.archiver.round()
    await node.sweeper.sweep()

    assert written.messages == 1
    assert await node.in_journal(1)
    assert not await node.in_journal(2)
    (placed,) = await node.events("hold-placed")
    assert placed.get("message", placed.get("agencies")) in (message, [SENDER])
    assert (placed["by"], placed["why"]) == ("operator", "inspection 7"), "words beside the leaf"
    assert b"inspection" not in b"".join(one.leaf for one in await node.journal.entries(0, 1000))

    await node.desk.release(OPERATOR, kind, name, "done")
    assert len(await node.archiver.round()) == 1
    await node.sweeper.sweep()
    assert not await node.in_journal(1)
    (released,) = await node.events("hold-released")
    assert (released["by"], released["why"]) == ("operator", "done")


async def test_an_agency_is_held_under_each_form_of_its_code(node: Node) -> None:
    """Rows may know it by another than the directory's; one word of release ends it for all."""
    await node.admit()
    node.older = {"000.00.00.H99": SENDER}
    await node.desk.hold(OPERATOR, HoldKind.AGENCY, "000.00.00.H99", "inspection 7")
    node.at += 1000 * DAYS
    assert await node.archiver.round() == []
    await node.sweeper.sweep()
    assert await node.in_journal(1)
    held = await node.desk.holds(("", ""), 10)
    (placed,) = await node.events("hold-placed")
    assert [one.name for one in held] == placed["agencies"] == sorted(["000.00.00.H99", SENDER])

    await node.desk.release(OPERATOR, HoldKind.AGENCY, "000.00.00.H99", "done")
    assert await node.desk.holds(("", ""), 10) == []
    assert len(await node.archiver.round()) == 1


async def test_a_misspelt_code_is_not_held(node: Node) -> None:
    """Or what was meant would leave while everybody believes that it is held."""
    with pytest.raises(NotFoundError, match="H77"):
        await node.desk.hold(OPERATOR, HoldKind.AGENCY, "H77", "inspection 7")
    assert await node.desk.holds(("", ""), 10) == []
    await node.admit()
    await node.desk.hold(OPERATOR, HoldKind.AGENCY, RECIPIENT, "it may get more")


async def test_a_hold_of_a_document_holds_the_statuses_about_it(node: Node) -> None:
    """Its evidence is told by them, too."""
    document = await node.admit()
    await node.admit(sender=OTHER)
    await node.admit(sender=OTHER)

    await node.journal.perform(lambda tx: _report(tx, 2, 1))
    await node.desk.hold(OPERATOR, HoldKind.MESSAGE, document, "court")
    node.at += 91 * DAYS
    assert [one.messages for one in await node.archiver.round()] == [1]
    await node.sweeper.sweep()
    assert [await node.in_journal(number) for number in (1, 2, 3)] == [True, True, False]


async def test_a_hold_placed_after_the_archive_keeps_what_the_journal_has(node: Node) -> None:
    """A copy in the archive is no reason to let go."""
    message = await node.admit()
    node.at += 91 * DAYS
    await node.archiver.round()
    await node.desk.hold(OPERATOR, HoldKind.MESSAGE, message, "court")
    await node.sweeper.sweep()

    assert await node.in_journal(1)
    with pytest.raises(NotFoundError):
        await node.desk.release(OPERATOR, HoldKind.AGENCY, OTHER, "nothing is held")
    unknown = message[:-1] + "9"
    with pytest.raises(NotFoundError):
        await node.desk.hold(OPERATOR, HoldKind.MESSAGE, unknown, "unknown")


# ---------------------------------------------------------------- verification


async def _three(node: Node) -> list[Path]:
    node.count = 1
    await node.again()
    for _ in range(3):
        await node.admit()
    node.at += 91 * DAYS
    await node.archiver.round()
    return files_of(node.folder)


def _first_that_does_not_fit(node: Node) -> str | None:
    before = None
    for path in files_of(node.folder):
        try:
            before = verify_next(path, before, node.authority.trust)
        except PeerError:
            return path.name
    return None


async def test_the_first_file_that_does_not_fit_is_named(node: Node) -> None:
    """A byte changed anywhere, a file taken away, two exchanged, one renamed: the first of them."""
    first, second, third = await _three(node)
    assert _first_that_does_not_fit(node) is None
    whole = second.read_bytes()
    for place in range(0, len(whole), len(whole) // 40):
        second.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert _first_that_does_not_fit(node) == second.name, place
    second.write_bytes(third.read_bytes())
    assert _first_that_does_not_fit(node) == second.name
    second.unlink()
    assert _first_that_does_not_fit(node) == third.name
    second.write_bytes(whole)
    first.unlink()
    assert _first_that_does_not_fit(node) == second.name


async def test_damage_in_an_archive_file_is_told_and_never_served(node: Node) -> None:
    """Evidence is read once before a byte of it is given."""
    message = await node.admit()
    node.at += 91 * DAYS
    (written,) = await node.archiver.round()
    await node.sweeper.sweep()
    path = node.folder / written.name
    found = await node.table.find(message)
    assert found is not None
    content = bytearray(path.read_bytes())
    content[found.start + found.size_bytes // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(JournalError, match="damaged"):
        await node.export(message)
    path.unlink()
    with pytest.raises(JournalError, match="cannot be read"):
        await node.export(message)
