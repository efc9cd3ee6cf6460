"""A log key that is replaced: what was signed with the one before stays proven, and nothing else does."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from base64 import b64encode
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.audit.checkpoint import note_body, sign_note, vkey
from relay.audit.entries import parse
from relay.audit.epochs import SPAN, Epoch, log_name, verify_epochs
from relay.audit.exporting import Period, plan_export, write_export
from relay.audit.log_keys import with_keys
from relay.errors import AuditError, JournalError, SettingsError
from relay.identity import certificates_before
from relay.journal.backup import back_up, restore
from relay.journal.epochs import mark_restored
from relay.journal.exporting import journal_log
from relay.journal.fsck import Condition, Known, StoreState, fsck
from relay.journal.inspect import stored_log
from relay.journal.log_keys import LogHolder
from relay.journal.proving import Prover
from relay.journal.publishing import EpochPublisher, heads_due
from relay.journal.store import DATABASE, SqliteJournal
from relay.journal.verifying import verify_folder
from relay.model import NodeId, digest_of
from relay.node.publishing import LogHand, LogPublisher
from relay.signing import pki
from relay.signing.bundle_shape import CoveredFile
from relay.signing.bundle_words import Outcome
from relay.signing.bundles import sign_bundle
from relay.signing.export_steps import ExportJudge
from relay.signing.keys import LogSigner, Signer, verify_log_signature
from relay.signing.log_key import key_of_log
from relay.signing.log_proof import ProofJudge
from relay.signing.pki_words import KeyType
from relay.signing.trust import TrustStore

NODE = NodeId("xa-a")
AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)


@dataclass(frozen=True)
class Signed:
    """A log's key with its certificate."""

    signer: LogSigner

    @property
    def holder(self) -> LogHolder:
        return LogHolder(key_of_log(NODE, self.signer.public_key), self.signer.chain)

    def head(self, epoch: Epoch, size: int, root: bytes) -> bytes:
        name, own = log_name(NODE, epoch), self.signer
        return sign_note(note_body(name, size, root), name, own.public_key, own.sign)

    @property
    def known(self) -> Known:
        return Known(NODE, self.holder.key, verify_log_signature)


@dataclass(frozen=True)
class Pki:
    trust: TrustStore
    keys: list[Signed]
    exporter: Signer


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Three keys in a row, each with a certificate of one authority."""
    authority = tmp_path_factory.mktemp("pki") / "pki"
    pki.init(authority, name="Mẫu", key=KeyType.P256, now=AT, days=1000)
    pki.issue_branch(authority, "mau", key=KeyType.P256, now=AT, days=900)
    keys = []
    for number in range(3):
        days = 800 if number else 1
        pki.issue_node(authority, NODE, "mau", key=KeyType.P256, now=AT, days=days)
        place = authority / "nodes" / NODE
        keys.append(Signed(LogSigner.load(place / "log.pem", place / "log.key.pem")))
        place.rename(authority / f"before-{number}")
    trust = TrustStore([(authority / "root" / "root.pem").read_bytes()])
    place = authority / "before-2"
    return Pki(trust, keys, Signer.load(place / "sign.pem", place / "sign.key.pem"))


async def _open(
    folder: Path, key: Signed, holder: LogHolder | None = None, at: datetime = AT
) -> SqliteJournal:
    journal = await SqliteJournal.open(
        folder, NODE, key.head, on_fatal=lambda _: None, holder=holder or key.holder
    )
    await journal.recover(at)
    return journal


async def _write(
    folder: Path, key: Signed, count: int = 3, holder: LogHolder | None = None, at: datetime = AT
) -> list[dict[str, Any]]:
    """All leaves there are then."""
    journal = await _open(folder, key, holder, at)
    for n in range(count):
        await journal.note("delivery-held", at + timedelta(seconds=n), {"deliveries": [f"d-{n}"]})
    leaves = [parse(one.leaf) for one in await journal.entries(0, 1000)]
    await journal.close()
    return leaves


async def _publish(folder: Path, key: Signed) -> LogPublisher:
    """By the node's own publisher, one round."""
    hand = LogHand(key.signer.public_key, key.holder.key)
    publisher = LogPublisher(folder, hand, every=timedelta(0), patience=timedelta(0))
    await publisher.last()
    return publisher


@pytest.fixture(scope="module")
def whole(made: Pki, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three epochs, each with a key of its own, all published when they were the present one."""
    folder = tmp_path_factory.mktemp("whole") / "data"

    async def write() -> None:
        for number, key in enumerate(made.keys):
            await _write(folder, key, at=AT + timedelta(hours=number))
            await _publish(folder, key)

    asyncio.run(write())
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "data")


def _verify(folder: Path, key: Signed) -> list[int]:
    report = verify_folder(folder, NODE, key.holder.key, verify_log_signature)
    return [one.checkpoint.size for one in report.verdicts]


def _wrong(states: list[StoreState]) -> dict[str, str]:
    return {one.store: one.said for one in states if one.condition is not Condition.HOLDS}


def _run(folder: Path, statement: str, *values: object) -> list[Any]:
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        return connection.execute(statement, values).fetchall()


async def test_another_key_begins_an_epoch_that_names_both_certificates(
    made: Pki, tmp_path: Path
) -> None:
    """Once: the start after it goes on in it."""
    first, second, _ = made.keys
    await _write(tmp_path, first)
    leaves = await _write(tmp_path, second)
    assert len(await _write(tmp_path, second, 0)) == len(leaves)

    (opening,) = [one for one in leaves if one["event"] == "epoch-started"]
    assert opening["reason"] == "log-key-changed"
    assert opening["certificate"] == digest_of(second.signer.chain[0])
    assert opening["previous"] == digest_of(first.signer.chain[0])
    assert (opening["previous_log"], opening["previous_size"]) == (log_name(NODE, Epoch()), 3)
    assert _verify(tmp_path, second) == [3, 4]


def test_each_epoch_holds_by_the_key_it_had(made: Pki, folder: Path) -> None:
    assert _verify(folder, made.keys[2]) == [3, 4, 4]
    states = fsck(folder, made.keys[2].known)
    assert _wrong(states) == {}
    assert len([one for one in states if " after " in one.store]) == 2


def test_the_key_before_is_not_the_present_one(made: Pki, folder: Path) -> None:
    """Whoever has only what was stolen or given up cannot pass for the log."""
    with pytest.raises(AuditError, match="of another key than signs it"):
        _verify(folder, made.keys[1])
    assert "journal, epoch 2" in _wrong(fsck(folder, made.keys[1].known))


def _forge(folder: Path, key: Signed, epoch: int) -> None:
    """The ended epoch's head and checkpoint, signed anew with another key."""
    (note,) = _run(folder, "SELECT note FROM epochs WHERE epoch = ?", epoch)[0]
    origin, size, root = note.split(b"\n")[:3]
    body = note[: note.index(b"\n\n") + 1]
    name = origin.decode()
    forged = sign_note(body, name, key.signer.public_key, key.signer.sign)
    assert forged.startswith(b"\n".join([origin, size, root]))
    _run(folder, "UPDATE epochs SET note = ? WHERE epoch = ?", forged, epoch)
    published = next(
        one / "checkpoint"
        for one in (folder / "log").iterdir()
        if (one / "checkpoint").read_bytes().startswith(origin + b"\n")
    )
    published.write_bytes(forged)


def _forge_present(folder: Path, key: Signed) -> None:
    """The present epoch's head and checkpoint, signed anew with another key."""
    (note,) = _run(folder, "SELECT note FROM log_head")[0]
    body, name = note[: note.index(b"\n\n") + 1], note.partition(b"\n")[0].decode()
    forged = sign_note(body, name, key.signer.public_key, key.signer.sign)
    _run(folder, "UPDATE log_head SET note = ?", forged)
    for one in (folder / "log").glob("*/checkpoint"):
        if one.read_bytes().startswith(body.partition(b"\n")[0] + b"\n"):
            one.write_bytes(forged)


def test_a_key_before_that_was_given_as_well_signs_no_head_of_the_present_epoch(
    made: Pki, folder: Path
) -> None:
    """The epoch's first entry names the certificate of its key: an earlier one, stolen, is told from it however
    many keys fsck is given."""
    first, second, third = made.keys
    known = replace(third.known, before=(second.holder.key, first.holder.key))
    assert _wrong(fsck(folder, known)) == {}

    _forge_present(folder, second)

    states = fsck(folder, known)
    damaged = {one.store for one in states if one.condition is Condition.DAMAGED}
    assert {"journal, epoch 2"} <= damaged
    assert any(one.startswith("published log/2-") for one in damaged)


# ---------------------------------------------------------------- named, and not in use yet


def _named(made: Pki, key: Signed) -> Known:
    """As of a configuration that names this key."""

    def ours(chain: Any) -> bool:
        return any(tuple(chain) == one.signer.chain for one in made.keys)

    return replace(key.known, certificates=(key.signer.chain,), ours=ours)


async def test_before_the_first_start_with_a_new_key_nothing_is_damaged(
    made: Pki, tmp_path: Path
) -> None:
    """The head is signed by the key before, whose certificate the journal keeps: a start with the new one begins
    its epoch, and nothing has to be brought back."""
    first, second, third = made.keys
    for number, (key, following) in enumerate(((first, second), (second, third))):
        await _write(tmp_path, key, at=AT + timedelta(hours=number))
        await _publish(tmp_path, key)
        states = fsck(tmp_path, _named(made, following))

        odd = [one for one in states if one.condition is not Condition.HOLDS]
        assert [(one.store, one.condition) for one in odd] == [
            (f"journal, epoch {number}", Condition.UNKNOWN)
        ]
        assert "under which no epoch has begun here" in odd[0].said
        assert odd[0].remedy.startswith("where the node was not started with the present log key")
    await _write(tmp_path, third, at=AT + timedelta(hours=2))
    await _publish(tmp_path, third)
    assert _wrong(fsck(tmp_path, _named(made, third))) == {}


def test_a_kept_certificate_makes_no_key_before_sign_the_present_epoch(
    made: Pki, folder: Path
) -> None:
    """Not where the first entry names another, nor with that one's certificate removed."""
    _forge_present(folder, made.keys[1])
    known = _named(made, made.keys[2])
    assert "journal, epoch 2" in _damaged(fsck(folder, known))
    _run(folder, "DELETE FROM log_certificates WHERE certificate_row = 3")
    assert "journal, epoch 2" in _damaged(fsck(folder, known))
    assert "journal, epoch 2" in _damaged(fsck(folder, replace(known, certificates=())))


async def test_a_certificate_that_nobody_trusts_makes_no_key_of_the_log(
    made: Pki, tmp_path: Path
) -> None:
    """Whoever can write the journal can put one there. What may be so is said before a restore is advised."""
    first, second, _ = made.keys
    await _write(tmp_path, first)

    states = fsck(tmp_path, replace(second.known, certificates=(second.signer.chain,)))

    assert "journal, epoch 0" in _damaged(states)
    (remedy,) = {one.remedy for one in states if one.store == "journal, epoch 0"}
    assert remedy.startswith("where the log's key was changed since the last start")


def _damaged(states: list[StoreState]) -> set[str]:
    return {one.store for one in states if one.condition is Condition.DAMAGED}


def test_a_forged_key_of_an_ended_epoch_does_not_hold(made: Pki, folder: Path) -> None:
    """Not with a certificate of its own beside it, in the true one's place or not."""
    private = Ed25519PrivateKey.generate()
    forger = Signed(
        replace(
            made.keys[0].signer,
            public_key=private.public_key().public_bytes_raw(),
            sign=private.sign,
        )
    )
    _forge(folder, forger, 0)
    another = "SELECT certificates FROM log_certificates ORDER BY certificate_row DESC LIMIT 1"
    for statement in (
        "SELECT 1",
        f"UPDATE log_certificates SET certificates = ({another}) WHERE certificate_row = 1",
        "DELETE FROM log_certificates WHERE certificate_row = 1",
        "UPDATE log_certificates SET certificates = '[7'",
    ):
        _run(folder, statement)
        with pytest.raises(AuditError):
            _verify(folder, made.keys[2])
        assert "journal, epoch 0" in _wrong(fsck(folder, made.keys[2].known))


def test_the_present_key_cannot_speak_for_an_epoch_that_had_another(
    made: Pki, folder: Path
) -> None:
    _forge(folder, made.keys[2], 0)
    with pytest.raises(AuditError, match="head is not signed by"):
        _verify(folder, made.keys[2])
    states = fsck(folder, made.keys[2].known)
    damaged = {one.store for one in states if one.condition is Condition.DAMAGED}
    assert {"journal, epoch 0", "published log/0/checkpoint"} <= damaged


def test_a_certified_key_of_another_epoch_is_no_key_of_this_one(made: Pki, folder: Path) -> None:
    """With its true certificate in the place of the one that the log names: the digest is another."""
    second = made.keys[1]
    _forge(folder, second, 0)
    shown = json.dumps([b64encode(one).decode() for one in second.signer.chain])
    _run(folder, "UPDATE log_certificates SET certificates = ? WHERE certificate_row = 1", shown)
    with pytest.raises(AuditError, match="is not here"):
        _verify(folder, made.keys[2])
    assert "journal, epoch 0" in _wrong(fsck(folder, made.keys[2].known))


def test_an_opening_that_was_edited_names_no_other_key(made: Pki, folder: Path) -> None:
    """The certificate counts because the log holds its digest: another digest is another log."""
    (leaf,) = _run(folder, "SELECT leaf FROM entries WHERE entry_index = ?", SPAN)[0]
    true, other = (digest_of(made.keys[n].signer.chain[0]) for n in (0, 2))
    _run(
        folder,
        "UPDATE entries SET leaf = ? WHERE entry_index = ?",
        leaf.replace(true.encode(), other.encode()),
        SPAN,
    )
    with pytest.raises(AuditError):
        _verify(folder, made.keys[2])


def test_rows_that_change_while_they_are_read_do_not_hold(made: Pki, folder: Path) -> None:
    """The keys are worked out from first entries that must be those which are then hashed."""
    with stored_log(folder) as stored:
        rows = with_keys(stored.epochs, made.keys[2].holder.key, stored.certificates)
        swapped = [replace(one, opening=b"{}") for one in rows]
        with pytest.raises(AuditError, match="a moment ago"):
            verify_epochs(NODE, swapped, made.keys[2].holder.key)


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_a_proof_carries_the_key_and_certificates_of_its_epoch(
    made: Pki, folder: Path, epoch: int
) -> None:
    """A proof that is made after the change, and one that was made before it, hold alike."""
    present = made.keys[2]
    prover = Prover(folder, NODE, present.holder.key, lambda: present.signer.chain)
    content = prover.entry(epoch * SPAN + 1)

    steps = list(ProofJudge(content, made.trust).steps())
    assert Outcome.REFUSED not in {one.outcome for one in steps}, steps
    facts = next(one.facts for one in steps if one.what == "key")
    key = made.keys[epoch].signer.public_key
    assert facts["vkey"] == vkey(facts["log"], key)


async def test_a_proof_of_before_the_change_holds_after_it(made: Pki, tmp_path: Path) -> None:
    first, second, _ = made.keys
    await _write(tmp_path, first)
    content = Prover(tmp_path, NODE, first.holder.key, lambda: first.signer.chain).entry(1)
    await _write(tmp_path, second)

    steps = list(ProofJudge(content, made.trust).steps())
    assert Outcome.REFUSED not in {one.outcome for one in steps}
    report = verify_folder(tmp_path, NODE, second.holder.key, verify_log_signature)
    assert len(report.verdicts) == 2


def _export(made: Pki, folder: Path, **period: Any) -> BytesIO:
    """As the node does it, which has the third key."""
    present = made.keys[2]

    def sign(files: Any) -> bytes:
        return sign_bundle(
            [CoveredFile(*one) for one in files], made.exporter, AT + timedelta(days=3)
        )

    with journal_log(folder) as source:
        before = source.chains_before(present.holder.key)
        chain, own = present.signer.chain, made.exporter.chain
        planned = plan_export(source, Period(**period), chain, own, sign, before=before)
        with closing(planned):
            return BytesIO(b"".join(write_export(source, planned)))


def test_an_export_over_epochs_with_other_keys_holds_in_every_step(made: Pki, folder: Path) -> None:
    """It carries the certificates that the epochs' first entries name."""
    steps = list(ExportJudge(_export(made, folder), made.trust).steps())
    assert Outcome.REFUSED not in {one.outcome for one in steps}, steps
    heads = [one.said for one in steps if one.what == "head"]
    assert [said.rpartition(" over ")[2] for said in heads] == [
        "3 entries",
        "4 entries",
        "4 entries",
    ]


def test_an_export_of_an_ended_epoch_alone_stands_on_the_key_it_had(
    made: Pki, folder: Path
) -> None:
    """Judged as of the last day of a certificate that has ended since."""
    content = _export(made, folder, until=AT + timedelta(seconds=1))
    judge = ExportJudge(content, made.trust)
    assert Outcome.REFUSED not in {one.outcome for one in judge.steps()}
    about = judge.proven.about
    assert [part.number for part in about.parts] == [0]
    assert about.log_chain[0] == digest_of(made.keys[0].signer.chain[0])


def test_an_export_with_a_forged_head_of_an_ended_epoch_is_refused(made: Pki, folder: Path) -> None:
    """By the present key or by any other."""
    _forge(folder, made.keys[2], 0)
    *_, last = ExportJudge(_export(made, folder), made.trust).steps()
    assert (last.what, last.outcome) == ("head", Outcome.REFUSED)


async def test_the_published_log_names_the_key_of_each_epoch(made: Pki, folder: Path) -> None:
    """And an ended epoch's checkpoint stays as it was, with whatever cosignatures it has."""
    old = folder / "log" / "0" / "checkpoint"
    line = "— xa.example/witness c29tZXRoaW5nIHRoYXQgaXMgYSBzaWduYXR1cmU=\n".encode()
    old.write_bytes(old.read_bytes() + line)
    before = old.read_bytes()
    publisher = await _publish(folder, made.keys[2])

    logs = await publisher.logs()
    assert [one.vkey for one in logs] == [
        vkey(one.origin, key.signer.public_key) for one, key in zip(logs, made.keys, strict=True)
    ]
    assert [one.trouble for one in logs] == [None] * 3
    assert old.read_bytes() == before
    _, nodes = await publisher.tree(log_name(NODE, Epoch()))
    assert len(nodes.leaves(0)) == 3


async def test_without_its_certificate_an_ended_epoch_is_in_trouble_and_keeps_its_files(
    made: Pki, folder: Path
) -> None:
    """The present one goes on being published."""
    before = (folder / "log" / "0" / "checkpoint").read_bytes()
    _run(folder, "DELETE FROM log_certificates WHERE certificate_row = 1")
    publisher = await _publish(folder, made.keys[2])

    logs = await publisher.logs()
    assert [(one.vkey == "", one.trouble is None) for one in logs] == [
        (True, False),
        (False, True),
        (False, True),
    ]
    assert (folder / "log" / "0" / "checkpoint").read_bytes() == before


async def test_a_backup_of_before_the_change_is_restored_under_the_new_key(
    made: Pki, tmp_path: Path
) -> None:
    """One new epoch says both."""
    first, second, _ = made.keys
    await _write(tmp_path / "data", first)
    back_up(tmp_path / "data", tmp_path / "copy", AT, lambda *_: None)
    restore(tmp_path / "copy", tmp_path / "again", NODE, lambda *_: None)
    leaves = await _write(tmp_path / "again", second)

    (opening,) = [one for one in leaves if one["event"] == "epoch-started"]
    assert opening["reason"] == "restored"
    assert opening["previous"] == digest_of(first.signer.chain[0])
    assert _verify(tmp_path / "again", second) == [3, 4]


async def test_a_start_that_died_before_the_first_entry_is_made_up_for(
    made: Pki, tmp_path: Path
) -> None:
    """Also where the key is another once more by then: the entry names what really is."""
    first, second, third = made.keys
    await _write(tmp_path, first)
    died = await SqliteJournal.open(
        tmp_path, NODE, second.head, on_fatal=lambda _: None, holder=second.holder
    )
    await died.close()
    leaves = await _write(tmp_path, third)

    (opening,) = [one for one in leaves if one["event"] == "epoch-started"]
    assert opening["certificate"] == digest_of(third.signer.chain[0])
    assert opening["previous"] == digest_of(first.signer.chain[0])
    assert _verify(tmp_path, third) == [3, 4]


async def test_a_change_while_neighbours_are_still_asked_after_a_restore_is_one_epoch(
    made: Pki, tmp_path: Path
) -> None:
    """The mark of the restore stays for days; only the first start after it is the restore's."""
    first, second, _ = made.keys
    await _write(tmp_path, first)
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection, connection:
        mark_restored(connection, AT)
    await _write(tmp_path, first)
    await _write(tmp_path, second)
    await _write(tmp_path, second)
    assert _verify(tmp_path, second) == [3, 4, 7]


async def test_a_key_that_goes_back_is_a_change_like_any(made: Pki, tmp_path: Path) -> None:
    first, second, _ = made.keys
    for key in (first, second, first):
        await _write(tmp_path, key)
    assert _verify(tmp_path, first) == [3, 4, 4]


async def test_a_head_by_a_key_that_nothing_names_stops_the_start(
    made: Pki, tmp_path: Path
) -> None:
    """A release before kept no certificates: then the configuration has to name it. Nothing is written."""
    first, second, _ = made.keys
    await _write(tmp_path, first)
    _run(tmp_path, "DELETE FROM log_certificates")
    with pytest.raises(JournalError, match=r"keys\.log_certificates_before"):
        await _open(tmp_path, second)
    assert _verify(tmp_path, first) == [3]

    holder = replace(second.holder, before=(first.signer.chain,))
    await _write(tmp_path, second, holder=holder)
    await _write(tmp_path, second)
    assert _verify(tmp_path, second) == [3, 7]


async def test_a_renewed_certificate_of_the_same_key_changes_nothing(
    made: Pki, tmp_path: Path
) -> None:
    """And the epoch that follows names the one that was in use last."""
    first, second, _ = made.keys
    await _write(tmp_path, first)
    _run(
        tmp_path,
        "INSERT INTO log_certificates (digest, certificates) VALUES ('x', ?)",
        json.dumps([b64encode(one).decode() for one in first.signer.chain]),
    )
    await _write(tmp_path, first)
    await _write(tmp_path, second)
    assert _verify(tmp_path, second) == [6, 4]


# ---------------------------------------------------------------- without the journal


def _copied(folder: Path) -> Path:
    """What somebody copied of the published log."""
    (folder / DATABASE).unlink()
    return folder


def test_the_published_log_alone_needs_the_key_of_each_epoch(made: Pki, folder: Path) -> None:
    """With the present one the chain still fixes what the others signed."""
    copied = _copied(folder)
    earlier = tuple(one.holder.key for one in made.keys[:2])
    known = replace(made.keys[2].known, before=earlier)
    assert list(_wrong(fsck(copied / "log", known))) == []

    states = {one.store: one for one in fsck(copied / "log", replace(known, before=()))}
    assert states["published 0/checkpoint"].condition is Condition.UNKNOWN
    assert "certificate is not here" in states["published 0/checkpoint"].said
    assert not [one for one in states.values() if one.condition is Condition.DAMAGED]


def test_of_the_published_log_alone_another_history_of_an_ended_epoch_is_named(
    made: Pki, folder: Path, tmp_path: Path
) -> None:
    """Even one that the very key of that epoch signed: the next epoch names the head it had."""
    first = made.keys[0]
    other = tmp_path / "other"
    asyncio.run(_write(other, first, 4))
    (due,) = heads_due(other / DATABASE)
    hand = LogHand(first.signer.public_key)
    publisher = EpochPublisher(other / DATABASE, other / "log", due.head.origin, hand.believed)
    assert publisher.write(due.head).done
    publisher.publish(due.note)
    copied = _copied(folder)
    shutil.rmtree(copied / "log" / "0")
    shutil.copytree(other / "log" / "0", copied / "log" / "0")

    known = replace(made.keys[2].known, before=(first.holder.key, made.keys[1].holder.key))
    (name,) = [one.name for one in (copied / "log").iterdir() if one.name.startswith("1-")]
    wrong = _wrong(fsck(copied, known))
    assert list(wrong) == ["journal", f"published log/{name} after log/0"]
    assert "names another head of the epoch before: 3 entries, and 4" in wrong.popitem()[1]


def test_of_the_published_log_alone_what_is_missing_between_epochs_is_named(
    made: Pki, folder: Path
) -> None:
    copied = _copied(folder) / "log"
    known = replace(made.keys[2].known, before=tuple(one.holder.key for one in made.keys[:2]))
    (second,) = [one for one in copied.iterdir() if one.name.startswith("1-")]
    second.rename(folder / "aside")
    wrong = _wrong(fsck(copied, known))
    assert list(wrong) == ["published epoch 1"]

    (folder / "aside").rename(second)
    shutil.rmtree(copied / "0")
    assert list(_wrong(fsck(copied, known))) == ["published epoch 0"]


def test_of_the_published_log_alone_an_epoch_that_ends_too_early_is_named(
    made: Pki, folder: Path
) -> None:
    """Its checkpoint is one that was signed on the way: rolled back, or copied too early."""
    first = made.keys[0]
    shutil.rmtree(folder / "log" / "0")
    early = folder / "early"
    asyncio.run(_write(early, first, 2))
    (due,) = heads_due(early / DATABASE)
    publisher = EpochPublisher(
        early / DATABASE, folder / "log", due.head.origin, LogHand(first.signer.public_key).believed
    )
    assert publisher.write(due.head).done
    publisher.publish(due.note)
    copied = _copied(folder)
    shutil.rmtree(early)

    known = replace(made.keys[2].known, before=tuple(one.holder.key for one in made.keys[:2]))
    wrong = _wrong(fsck(copied / "log", known))
    assert len(wrong) == 1
    assert "names 3 entries before it, only 2 are published" in wrong.popitem()[1]


async def test_of_the_published_log_alone_two_epochs_of_one_number_are_named(
    made: Pki, tmp_path: Path
) -> None:
    """A backup that was restored twice, and both went on."""
    first, *_ = made.keys
    await _write(tmp_path / "data", first)
    back_up(tmp_path / "data", tmp_path / "copy", AT, lambda *_: None)
    await _publish(tmp_path / "data", first)
    for number in range(2):
        again = tmp_path / f"again-{number}"
        restore(tmp_path / "copy", again, NODE, lambda *_: None)
        await _write(again, first)
        await _publish(again, first)
        for one in (again / "log").glob("1-*"):
            shutil.copytree(one, tmp_path / "data" / "log" / one.name)

    wrong = _wrong(fsck(tmp_path / "data" / "log", first.known))
    assert len(wrong) == 1
    assert wrong.popitem()[1].startswith("two epochs 1: a backup was restored twice")


def test_a_certificate_of_before_that_is_of_no_log_stops_the_start(
    made: Pki, tmp_path: Path
) -> None:
    """`keys.log_certificates_before` names log certificates of this very node."""
    wrong = tmp_path / "sign.der"
    wrong.write_bytes(made.exporter.chain[0])
    with pytest.raises(SettingsError, match="log_certificates_before"):
        certificates_before(wrong, NODE)
    right = tmp_path / "log.der"
    right.write_bytes(made.keys[0].signer.chain[0])
    assert certificates_before(right, NODE) == (right.read_bytes(),)
    with pytest.raises(SettingsError, match="log_certificates_before"):
        certificates_before(right, NodeId("xa-b"))
