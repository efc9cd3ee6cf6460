"""What others say of an exported log: cosignatures on its heads, and whether its certificate was revoked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.audit.checkpoint import head_of, note_body, sign_note
from relay.audit.checkpoint import vkey as vkey_of
from relay.audit.cosignature import COSIGNATURE, cosign, cosigner_name
from relay.model import NodeId
from relay.signing import pki
from relay.signing.bundle_words import Outcome, Step
from relay.signing.export_steps import ExportJudge
from relay.signing.log_witnesses import Witness, witness_of_certificates, witness_of_key
from relay.signing.pki_words import KeyType
from tests.export.conftest import ISSUED, NODE, START, Authority, Exporter, MemoryLog

XA = cosigner_name(NodeId("xa"))
SEEN = START + timedelta(hours=2)
EXPORTED = START + timedelta(days=1)
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGERS_PUBLIC = STRANGER.public_key().public_bytes_raw()
STRANGERS = "witness.example/w1"
STRANGERS_VKEY = vkey_of(STRANGERS, STRANGERS_PUBLIC, COSIGNATURE)


def _by_stranger(note: bytes) -> bytes:
    return note + cosign(note, STRANGERS, STRANGERS_PUBLIC, STRANGER.sign, SEEN)


def _steps(
    file: BytesIO,
    authority: Authority,
    witnesses: Sequence[Witness] = (),
    statements: Sequence[bytes] = (),
) -> dict[str, Step]:
    judge = ExportJudge(file, authority.trust, witnesses=witnesses, statements=statements)
    return {one.what: one for one in judge.steps()}


@pytest.fixture
def one(authority: Authority) -> MemoryLog:
    """Twelve entries, an hour in one epoch."""
    made = MemoryLog(authority.log())
    for _ in range(12):
        made.add()
    made.certificates[XA] = authority.log("xa").chain
    return made


def test_a_neighbours_cosignature_is_judged_by_the_certificate_that_came_along(
    one: MemoryLog, authority: Authority, export: Exporter
) -> None:
    """The root is all that the reader has; the lines of others are counted apart."""
    one.notes[0] = _by_stranger(authority.cosigned(one.notes[0], SEEN))
    step = _steps(export(one), authority)["witnesses"]

    assert step.outcome is Outcome.HOLDS
    assert step.facts == {"cosigned_by": XA, "unknown": "1"}
    assert f"{XA} cosigned at {SEEN.isoformat()} a head over all entries here" in step.said
    assert f"1 by keys that are not known here ({STRANGERS})" in step.said


@pytest.mark.parametrize("where", ["checkpoint", "kept head"])
def test_a_cosignature_that_is_wrong_under_a_known_key_is_a_failed_step(
    one: MemoryLog, authority: Authority, export: Exporter, where: str
) -> None:
    """On any head in the file, whoever put it there."""
    lie = authority.cosigned(one.notes[0], SEEN, signer=authority.log())
    if where == "checkpoint":
        one.notes[0] = lie
    else:
        one.kept.append((lie, b""))
        one.add()
    step = _steps(export(one), authority)["witnesses"]

    assert (step.outcome, step.reason) == (Outcome.REFUSED, "bad-witnesses")
    assert f"the cosignature by {XA} does not hold" in step.said


def test_a_witness_that_is_named_must_have_cosigned(
    one: MemoryLog, authority: Authority, export: Exporter
) -> None:
    """By its verifier key or its certificate; a head that it cosigned earlier says up to where."""
    named = [witness_of_key(STRANGERS_VKEY)]
    missing = _steps(export(one), authority, named)["witnesses"]
    assert (missing.outcome, missing.reason) == (Outcome.REFUSED, "bad-witnesses")
    assert f"no cosignature by {STRANGERS} on a head of epoch 0" in missing.said

    one.kept.append((_by_stranger(one.notes[0]), b""))
    one.add()
    named.append(witness_of_certificates(authority.log("xa").chain))
    one.notes[0] = authority.cosigned(one.notes[0], SEEN)
    found = _steps(export(one), authority, named)["witnesses"]
    assert found.outcome is Outcome.HOLDS
    assert f"{STRANGERS} cosigned at {SEEN.isoformat()} a head up to entry 11, none" in found.said
    assert f"{XA} cosigned at {SEEN.isoformat()} a head over all entries here" in found.said


def test_a_witness_of_an_ended_epoch_alone_is_none_of_the_last(
    one: MemoryLog, authority: Authority, export: Exporter
) -> None:
    """What came since a restore nobody has seen; one of the last epoch is one of all before."""
    named = [witness_of_key(STRANGERS_VKEY)]
    one.notes[0] = _by_stranger(one.notes[0])
    one.turn()
    assert _steps(export(one), authority, named)["witnesses"].outcome is Outcome.REFUSED

    one.notes[1] = _by_stranger(one.notes[1])
    assert _steps(export(one), authority, named)["witnesses"].outcome is Outcome.HOLDS


def test_a_certificate_of_another_root_makes_no_known_witness(
    one: MemoryLog, authority: Authority, export: Exporter, tmp_path: Path
) -> None:
    """A node may put any into its file; the line under it is one by a key that is not known."""
    folder = tmp_path / "pki"
    pki.init(folder, name="Lạ", key=KeyType.P256, now=ISSUED, days=3650)
    pki.issue_branch(folder, "la", key=KeyType.P256, now=ISSUED, days=3000)
    pki.issue_node(folder, NodeId("xa"), "la", key=KeyType.P256, now=ISSUED, days=700)
    one.certificates[XA] = Authority(folder).log("xa").chain
    one.notes[0] = Authority(folder).cosigned(one.notes[0], SEEN)
    step = _steps(export(one), authority)["witnesses"]

    assert (step.outcome, step.facts["unknown"]) == (Outcome.UNKNOWN, "1")
    assert "no path from the certificate to a trusted root" in step.notes[0]
    named = [witness_of_certificates(Authority(folder).log("xa").chain)]
    refused = _steps(export(one), authority, named)["witnesses"]
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, "untrusted")


def test_nobody_is_his_own_witness(one: MemoryLog, authority: Authority, export: Exporter) -> None:
    """Though the file has the certificate of the log's own key."""
    one.notes[0] = authority.cosigned(one.notes[0], SEEN, NODE)
    step = _steps(export(one), authority)["witnesses"]

    assert (step.outcome, step.facts["unknown"]) == (Outcome.UNKNOWN, "1")


def test_a_period_that_is_over_is_proven_under_a_head_with_cosignatures(
    one: MemoryLog, authority: Authority, export: Exporter
) -> None:
    """The newest head has none yet; the published one covers the period, and the newest continues it."""
    cosigned = authority.cosigned(one.notes[0], SEEN)
    one.add()
    until = START + timedelta(minutes=6)
    one.kept.append((cosigned, b""))
    step = _steps(export(one, until=until), authority)["witnesses"]
    assert f"{XA} cosigned at {SEEN.isoformat()} a head over all entries here" in step.said

    head = head_of(cosigned)
    body = note_body(head.origin, head.size, bytes(32))
    signer = authority.log()
    other = sign_note(body, head.origin, signer.public_key, signer.sign)
    one.kept[:] = [(authority.cosigned(other, SEEN), b"")]
    steps = _steps(export(one, until=until), authority)
    assert steps["witnesses"].outcome is Outcome.UNKNOWN
    assert "signed over 13 entries" in steps["head"].said


# ---------------------------------------------------------------- revocation


def test_a_log_certificate_that_was_revoked_by_then_is_refused(
    one: MemoryLog, authority: Authority, export: Exporter
) -> None:
    """By statements that the reader brings; without any it is said that nothing is known."""
    now = EXPORTED + timedelta(days=2)
    steps = _steps(export(one), authority)
    assert steps["revocation"].outcome is Outcome.UNKNOWN
    sound = _steps(export(one), authority, (), authority.statements(now))["revocation"]
    assert sound.outcome is Outcome.HOLDS
    assert "not revoked as of" in sound.said

    before = authority.statements(now, NODE, EXPORTED - timedelta(hours=1))
    refused = _steps(export(one), authority, (), before)["revocation"]
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, "revoked-certificate")
    assert "keyCompromise" in refused.said


def test_a_head_under_a_key_that_was_revoked_later_needs_somebody_who_saw_it_before(
    one: MemoryLog, authority: Authority, export: Exporter
) -> None:
    """Whoever has the key may sign a head and date everything back, but for a witness's time."""
    later = EXPORTED + timedelta(hours=1)
    revoked = authority.statements(EXPORTED + timedelta(days=2), NODE, later)
    alone = _steps(export(one), authority, (), revoked)["revocation"]
    assert alone.outcome is Outcome.UNKNOWN
    assert "nobody else says here that the head is of before" in alone.said

    plain = one.notes[0]
    one.notes[0] = authority.cosigned(plain, later + timedelta(hours=1))
    assert _steps(export(one), authority, (), revoked)["revocation"].outcome is Outcome.UNKNOWN
    one.notes[0] = authority.cosigned(plain, SEEN)
    seen = _steps(export(one), authority, (), revoked)["revocation"]
    assert seen.outcome is Outcome.HOLDS
    assert f"the head was there {SEEN.isoformat()}" in seen.said


def test_a_witness_whose_certificate_was_revoked_by_then_is_no_witness(
    one: MemoryLog, authority: Authority, export: Exporter
) -> None:
    """Its line is counted as by a key that is not known, and refused where it was asked for."""
    one.notes[0] = authority.cosigned(one.notes[0], SEEN)
    revoked = authority.statements(EXPORTED, "xa", SEEN - timedelta(minutes=1))
    step = _steps(export(one), authority, (), revoked)["witnesses"]
    assert (step.outcome, step.facts["unknown"]) == (Outcome.UNKNOWN, "1")
    assert "revoked since" in step.notes[0]

    named = [witness_of_certificates(authority.log("xa").chain)]
    refused = _steps(export(one), authority, named, revoked)["witnesses"]
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, "revoked-certificate")
