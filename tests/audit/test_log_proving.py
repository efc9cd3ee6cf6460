"""Proofs of entries and receipts: from tiles, from the journal beyond them, and judged as a stranger would."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from base64 import b64decode
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.audit.checkpoint import Checkpoint, note_body, origin_of, sign_note, verify_note
from relay.audit.checkpoint import vkey as vkey_of
from relay.audit.cosignature import COSIGNATURE, cosign, cosigner_name
from relay.audit.entries import AuditEvent, entry
from relay.audit.epochs import Epoch, log_name
from relay.audit.proof_file import LogProof, prove_entry, read_proof, write_proof
from relay.audit.proofs import verify_inclusion
from relay.audit.tiles import TileNodes
from relay.audit.tree import Frontier, leaf_hash
from relay.audit.verify import LogKey
from relay.errors import AuditError, NotFoundError
from relay.journal.proving import Prover
from relay.journal.publishing import EpochPublisher, heads_due
from relay.journal.store import DATABASE, SqliteJournal
from relay.journal.tile_files import TileFiles
from relay.model import NodeId, Signed, digest_of
from relay.signing import pki
from relay.signing.bundle_words import Outcome, Step
from relay.signing.keys import LogSigner, Signer
from relay.signing.log_proof import ProofJudge
from relay.signing.log_witnesses import Witness, witness_of_certificates, witness_of_key
from relay.signing.pki_words import KeyType, Reason
from relay.signing.trust import TrustStore
from tests.export.conftest import Authority

NODE = NodeId("xa-a")
AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
ORIGIN = origin_of(NODE)
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
OTHERS_PUBLIC = OTHER.public_key().public_bytes_raw()
WITNESS = cosigner_name(NodeId("tinh-h01"))
KEY = LogKey(ORIGIN, PUBLIC, PRIVATE.public_key().verify)
RECEIPT = Signed(b"<Receipt/>", b"<Signature/>")
PUBLISHED, ENTRIES = 601, 640


def sign_head(epoch: Epoch, size: int, root: bytes) -> bytes:
    name = log_name(NODE, epoch)
    return sign_note(note_body(name, size, root), name, PUBLIC, PRIVATE.sign)


def believed(note: bytes, origin: str) -> Checkpoint:
    return verify_note(note, origin, PUBLIC, KEY.verify)


async def _write(folder: Path, start: int, stop: int) -> None:
    journal = await SqliteJournal.open(folder, NODE, sign_head, on_fatal=lambda _: None)
    await asyncio.gather(
        *(
            journal.note("delivery-held", AT + timedelta(seconds=n), {"deliveries": [f"d-{n}"]})
            for n in range(start, stop)
        )
    )
    if not start:
        named = {"receipt": RECEIPT.digest}
        await journal.note("receipt-issued", AT + timedelta(seconds=stop), named)
    await journal.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal whose log is published, but for its last entries."""
    folder = tmp_path_factory.mktemp("data")
    asyncio.run(_write(folder, 0, PUBLISHED - 1))
    (due,) = heads_due(folder / DATABASE)
    publisher = EpochPublisher(folder / DATABASE, folder / "log", due.head.origin, believed)
    assert publisher.write(due.head).done
    publisher.publish(due.note + cosign(due.note, WITNESS, OTHERS_PUBLIC, OTHER.sign, AT))
    asyncio.run(_write(folder, PUBLISHED, ENTRIES))
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute(
            "INSERT INTO receipts (digest, issuer, document, signature, stored_at)"
            " VALUES (?, 'xa-a', ?, ?, ?)",
            (RECEIPT.digest, RECEIPT.document, RECEIPT.signature, int(AT.timestamp() + 600) * 1000),
        )
    return folder


@pytest.fixture
def prover(folder: Path) -> Prover:
    return Prover(folder, NODE, KEY, tuple)


@pytest.mark.parametrize("index", [0, 1, 255, 256, 511, 512, 599, 600])
def test_what_is_published_is_proven_under_its_cosigned_checkpoint(
    prover: Prover, index: int
) -> None:
    """With the witness's signature in the very file; the newest head continues it."""
    content = prover.entry(index, newer=True)
    proof = read_proof(content)

    assert prove_entry(proof, KEY).size == PUBLISHED
    steps = list(
        ProofJudge(
            content,
            None,
            vkey=vkey_of(ORIGIN, PUBLIC),
            witnesses=[witness_of_key(vkey_of(WITNESS, OTHERS_PUBLIC, COSIGNATURE))],
        ).steps()
    )
    assert {step.outcome for step in steps} == {Outcome.HOLDS}, steps
    assert f"of {ENTRIES} entries continues it" in steps[-1].said


@pytest.mark.parametrize("index", [601, 639])
def test_what_is_not_published_yet_is_proven_under_the_newest_head(
    prover: Prover, index: int
) -> None:
    """From the journal's hashes, and the tiles of what is below."""
    assert prove_entry(read_proof(prover.entry(index)), KEY).size == ENTRIES


@pytest.mark.parametrize("published", [PUBLISHED, 0])
@pytest.mark.parametrize(("index", "size"), [(0, 400), (399, 400), (400, None)])
def test_what_was_cosigned_is_proven_by_it_where_what_is_published_was_not(
    folder: Path, tmp_path: Path, published: int, index: int, size: int | None
) -> None:
    """The end of an epoch, or a round whose witnesses were away: an older head says who vouches for it."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    checkpoint = copy / "log/0/checkpoint"
    own, _, _ = checkpoint.read_bytes().rpartition("— ".encode())
    checkpoint.write_bytes(own)
    if not published:
        shutil.rmtree(copy / "log")
    with closing(sqlite3.connect(copy / DATABASE)) as connection, connection:
        hashes = connection.execute("SELECT leaf_hash FROM entries ORDER BY entry_index LIMIT 400")
        frontier = Frontier()
        for (hashed,) in hashes:
            frontier.append(hashed)
        note = sign_head(Epoch(), 400, frontier.root())
        line = cosign(note, WITNESS, OTHERS_PUBLIC, OTHER.sign, AT)
        connection.execute(
            "INSERT INTO cosignatures VALUES (?, ?, 400, ?, ?, 0)", (WITNESS, ORIGIN, note, line)
        )

    content = Prover(copy, NODE, KEY, tuple).entry(index, newer=True)
    assert prove_entry(read_proof(content), KEY).size == (size or published or ENTRIES)
    witness = witness_of_key(vkey_of(WITNESS, OTHERS_PUBLIC, COSIGNATURE))
    steps = ProofJudge(content, None, vkey=vkey_of(ORIGIN, PUBLIC), witnesses=[witness]).steps()
    outcomes = {step.outcome for step in steps}
    assert outcomes == {Outcome.HOLDS} if size else Outcome.REFUSED in outcomes


def test_other_software_needs_the_leaf_and_the_lines_only(prover: Prover) -> None:
    """The text as C2SP tlog-proof has it, read here as somebody else would."""
    content = prover.entry(300)
    head, _, note = content.partition(b"\n\n")
    first, _extra, index, *hashes = head.split(b"\n")
    _origin, size, root, *_ = note.split(b"\n")

    assert first == b"c2sp.org/tlog-proof@v1"
    verify_inclusion(
        leaf_hash(read_proof(content).leaf),
        int(index.removeprefix(b"index ")),
        int(size),
        [b64decode(one) for one in hashes],
        b64decode(root),
    )


def test_a_receipt_is_proven_by_the_entry_that_names_it(prover: Prover) -> None:
    """With the receipt and its signature in the file; one that no entry names is not found."""
    proof = read_proof(prover.receipt(RECEIPT))

    assert (proof.index, proof.receipt) == (PUBLISHED - 1, RECEIPT)
    with pytest.raises(NotFoundError):
        prover.receipt(Signed(b"other", b""))


def test_several_proofs_are_each_what_one_alone_is(prover: Prover) -> None:
    """And the receipt's, once the receipt is put back in: the very file."""
    places = [0, 1, 255, 256, 599, 600, 639]
    several = prover.several(places, 0, None, lambda note: note)
    assert several == {place: prover.entry(place) for place in places}
    assert write_proof(replace(read_proof(several[600]), receipt=RECEIPT)) == prover.receipt(
        RECEIPT
    )


def test_several_are_proven_by_a_smaller_cosigned_head_where_they_stand_under_it(
    prover: Prover,
) -> None:
    """From the tiles of the larger tree that is published; what comes after it is proven by that one."""
    size = 300
    root = TileNodes(PUBLISHED, _published_root(prover), TileFiles(prover.data / "log" / "0").read)
    older = sign_head(Epoch(), size, root.root_at(size))
    older += cosign(older, WITNESS, OTHERS_PUBLIC, OTHER.sign, AT)
    several = prover.several([0, 299, 300], 0, older, lambda note: note)
    found = {place: prove_entry(read_proof(proof), KEY).size for place, proof in several.items()}
    assert found == {0: size, 299: size, 300: PUBLISHED}


def test_a_row_that_was_edited_is_not_among_several(
    folder: Path, prover: Prover, tmp_path: Path
) -> None:
    copy = tmp_path / DATABASE
    copy.write_bytes((folder / DATABASE).read_bytes())
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE entries SET leaf = x'7b7d' WHERE entry_index = 300")
    with pytest.raises(AuditError, match="does not lead to the root"):
        Prover(tmp_path, NODE, KEY, tuple).several([299, 300], 0, None, lambda note: note)


def _published_root(prover: Prover) -> bytes:
    ((head, note),) = prover.published()
    assert head.size == ENTRIES
    assert note is not None
    return verify_note(note, ORIGIN, PUBLIC, KEY.verify).root


@pytest.mark.parametrize("index", [640, 1 << 40, 1 << 50])
def test_what_is_not_there_is_not_found(prover: Prover, index: int) -> None:
    """Past the end, or in an epoch there is none of."""
    with pytest.raises(NotFoundError):
        prover.entry(index)


def test_a_row_that_was_edited_is_not_proven(folder: Path, prover: Prover, tmp_path: Path) -> None:
    """A proof is checked before it leaves the node."""
    copy = tmp_path / DATABASE
    copy.write_bytes((folder / DATABASE).read_bytes())
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE entries SET leaf = x'7b7d' WHERE entry_index = 300")
    with pytest.raises(AuditError, match="does not lead to the root"):
        Prover(tmp_path, NODE, KEY, tuple).entry(300)


def test_without_tiles_the_journal_gives_the_same_proof(folder: Path, tmp_path: Path) -> None:
    """Slower; nothing but the head differs."""
    (tmp_path / DATABASE).write_bytes((folder / DATABASE).read_bytes())
    alone = read_proof(Prover(tmp_path, NODE, KEY, tuple).entry(300))

    assert prove_entry(alone, KEY).size == ENTRIES


def test_the_key_given_is_one_nodes_word(prover: Prover) -> None:
    """Of every epoch of its log; but whoever believes it of another node learns nothing of this one."""
    content = prover.entry(300)

    def key_step(name: str) -> Step:
        return list(ProofJudge(content, None, vkey=vkey_of(name, PUBLIC)).steps())[2]

    assert key_step(log_name(NODE, Epoch(2, "00112233aabbccdd"))).outcome is Outcome.HOLDS
    refused = key_step(origin_of(NodeId("xa-b")))
    assert refused.outcome is Outcome.REFUSED
    assert "xa-b" in refused.said


def test_certificates_of_no_log_are_refused_and_crash_nothing(
    prover: Prover, tmp_path: Path
) -> None:
    """A chain of another purpose has a key that is not Ed25519."""
    authority = tmp_path / "pki"
    pki.init(authority, name="Mẫu", key=KeyType.P256, now=AT, days=100)
    pki.issue_branch(authority, "mau", key=KeyType.P256, now=AT, days=90)
    pki.issue_node(authority, NODE, "mau", key=KeyType.P256, now=AT, days=50)
    keys = authority / "nodes" / NODE
    chain = Signer.load(keys / "sign.pem", keys / "sign.key.pem").chain
    proof = replace(read_proof(prover.entry(300)), chain=tuple(chain))
    trust = TrustStore([(authority / "root" / "root.pem").read_bytes()])

    last = list(ProofJudge(write_proof(proof), trust).steps())[-1]
    assert (last.what, last.outcome, last.reason) == ("key", Outcome.REFUSED, "wrong-purpose")


@pytest.mark.parametrize(
    ("entry_of", "named", "said"),
    [
        (NODE, NODE, "the certificate is of node xa-b, the entry of xa-a"),
        (NodeId("xa-b"), NODE, "the entry names node xa-b, the log is"),
    ],
)
def test_a_node_proves_nothing_in_the_name_of_another(
    tmp_path: Path, entry_of: NodeId, named: NodeId, said: str
) -> None:
    """Its own trusted log key signs another node's entry under the other's name, or its own entry so."""
    authority = tmp_path / "pki"
    pki.init(authority, name="Mẫu", key=KeyType.P256, now=AT, days=100)
    pki.issue_branch(authority, "mau", key=KeyType.P256, now=AT, days=90)
    pki.issue_node(authority, "xa-b", "mau", key=KeyType.P256, now=AT, days=50)
    place = authority / "nodes" / "xa-b"
    liar = LogSigner.load(place / "log.pem", place / "log.key.pem")
    leaf = entry(AuditEvent.NODE_STOPPED, AT, entry_of).leaf
    name = origin_of(named)
    note = sign_note(note_body(name, 1, leaf_hash(leaf)), name, liar.public_key, liar.sign)
    vkey = vkey_of(name, liar.public_key)
    proof = LogProof(0, (), note, leaf, vkey, tuple(liar.chain))
    trust = TrustStore([(authority / "root" / "root.pem").read_bytes()])

    last = list(ProofJudge(write_proof(proof), trust).steps())[-1]
    assert (last.what, last.outcome) == ("key", Outcome.REFUSED)
    assert said in last.said


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A root, the node of a log, and a neighbour that witnesses it."""
    folder = tmp_path_factory.mktemp("pki") / "pki"
    pki.init(folder, name="Mẫu", key=KeyType.P256, now=AT, days=100)
    pki.issue_branch(folder, "mau", key=KeyType.P256, now=AT, days=90)
    for node in (NODE, NodeId("xa")):
        pki.issue_node(folder, node, "mau", key=KeyType.P256, now=AT, days=50)
    return Authority(folder)


class Vouched:
    """A proof of a log's only entry, by a certified key, under a head that others may cosign."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._signer = signer = authority.log(NODE)
        self._leaf = entry(AuditEvent.NODE_STOPPED, AT, NODE).leaf
        body = note_body(ORIGIN, 1, leaf_hash(self._leaf))
        self.note = sign_note(body, ORIGIN, signer.public_key, signer.sign)

    def steps(
        self, note: bytes, *witnesses: Witness, statements: Sequence[bytes] = ()
    ) -> dict[str, Step]:
        vkey = vkey_of(ORIGIN, self._signer.public_key)
        proof = LogProof(0, (), note, self._leaf, vkey, tuple(self._signer.chain))
        judge = ProofJudge(
            write_proof(proof), self._authority.trust, witnesses=witnesses, statements=statements
        )
        return {one.what: one for one in judge.steps()}


def test_a_neighbour_is_a_known_witness_by_its_certificate(authority: Authority) -> None:
    """Under the root; a line that is wrong under its key fails, and lines by others are counted apart."""
    vouched, known = Vouched(authority), witness_of_certificates(authority.log("xa").chain)
    stranger = cosign(vouched.note, WITNESS, OTHERS_PUBLIC, OTHER.sign, AT)
    found = vouched.steps(authority.cosigned(vouched.note, AT) + stranger, known)["witnesses"]
    assert (found.outcome, found.facts["unknown"]) == (Outcome.HOLDS, "1")
    assert found.facts["cosigned_by"] == "truc-relay.example/witness/xa"
    assert f"1 by keys that are not known here ({WITNESS})" in found.said

    unknown = vouched.steps(vouched.note + stranger)["witnesses"]
    assert (unknown.outcome, unknown.facts["unknown"]) == (Outcome.UNKNOWN, "1")
    lie = authority.cosigned(vouched.note, AT, signer=authority.log(NODE))
    wrong = vouched.steps(lie, known)["witnesses"]
    assert (wrong.outcome, wrong.reason) == (Outcome.REFUSED, "bad-witnesses")
    assert vouched.steps(vouched.note, known)["witnesses"].outcome is Outcome.REFUSED


def test_a_log_certificate_that_was_revoked_is_judged_as_of_the_entry(
    authority: Authority,
) -> None:
    """Revoked by then, it proves nothing; revoked since, the head needs somebody who saw it before."""
    vouched, known = Vouched(authority), witness_of_certificates(authority.log("xa").chain)
    later = AT + timedelta(days=2)
    assert vouched.steps(vouched.note)["revocation"].outcome is Outcome.UNKNOWN
    sound = authority.statements(later)
    assert vouched.steps(vouched.note, statements=sound)["revocation"].outcome is Outcome.HOLDS

    then = authority.statements(later, NODE, AT)
    refused = vouched.steps(vouched.note, statements=then)["revocation"]
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, "revoked-certificate")

    since = authority.statements(later, NODE, AT + timedelta(days=1))
    alone = vouched.steps(vouched.note, statements=since)["revocation"]
    assert alone.outcome is Outcome.UNKNOWN
    seen = authority.cosigned(vouched.note, AT + timedelta(hours=1))
    assert vouched.steps(seen, known, statements=since)["revocation"].outcome is Outcome.HOLDS


def test_a_hold_that_was_taken_back_is_no_revocation(authority: Authority) -> None:
    """The newest statement counts, as everywhere."""
    vouched, at = Vouched(authority), AT + timedelta(days=2)
    held = authority.statements(at, NODE, AT + timedelta(days=1), reason=Reason.HOLD)
    again = authority.statements(at + timedelta(hours=1))

    steps = vouched.steps(vouched.note, statements=[*held, *again])
    assert steps["revocation"].outcome is Outcome.HOLDS
    assert vouched.steps(vouched.note, statements=held)["revocation"].outcome is Outcome.UNKNOWN


@given(st.data())
@settings(
    max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_any_flipped_byte_of_a_proof_file_is_refused(prover: Prover, data: st.DataObject) -> None:
    """By a step, never by a crash: but for signatures of others and the certificates, which this judging
    does not use."""
    content = prover.entry(300, newer=True)
    lines = content.split(b"\n")
    others = content.index(lines[-2])
    at = data.draw(st.integers(0, others - 1))
    flipped = bytearray(content)
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))

    steps = list(ProofJudge(bytes(flipped), None, vkey=vkey_of(ORIGIN, PUBLIC)).steps())
    assert steps[-1].outcome is Outcome.REFUSED


@given(st.binary(max_size=300))
def test_any_bytes_are_a_proof_file_or_refused(content: bytes) -> None:
    """With the error of the audit log's own."""
    for prefix in (b"", b"c2sp.org/tlog-proof@v1\nextra ", b"c2sp.org/tlog-proof@v1\n"):
        with pytest.raises(AuditError):
            read_proof(prefix + content)


def test_a_file_is_read_as_it_was_written() -> None:
    """And no other text says the same."""
    proof = LogProof(7, (bytes(32),), b"a\n1\nb\n\n- c d\n", b"{}", "v", (b"der",), RECEIPT)

    assert read_proof(write_proof(proof)) == proof
    assert digest_of(write_proof(read_proof(write_proof(proof)))) == digest_of(write_proof(proof))
