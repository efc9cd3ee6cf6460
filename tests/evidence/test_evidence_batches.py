"""An evidence file whose receipts share signatures: it holds, and brings the batches for others' software (W14.12)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.model import Digest, Event, Signed, digest_of
from relay.signing.batches import sign_batch
from relay.wire.bundle import MOST_BATCHES
from tests.evidence.conftest import AT, MESSAGE, TINH, XA

BATCH, SIGNATURE = "batches/0001/batch.xml", "batches/0001/signature.xml"


@pytest.fixture
def batched(office: Any) -> Any:
    """The two receipts of the province in one batch with three that are about other messages."""
    accepted, relayed, handed = office.receipts.values()
    documents = [_other(office, 1), relayed.document, *(_other(office, n) for n in (2, 3))]
    signer = office.authority.signer(f"nodes/{TINH}/sign")
    at = AT + timedelta(hours=1)
    signed = sign_batch([*documents, handed.document], TINH, signer, at)
    office.receipts = {one.digest: one for one in (accepted, signed[1], signed[4])}
    return office


def _other(office: Any, number: int) -> bytes:
    at = AT + timedelta(minutes=number)
    signed: Signed = office.receipt_of(
        TINH, at, Event.RELAY_ACCEPTANCE, Digest("0" * 64), message_id=f"{MESSAGE[:-1]}{number + 1}"
    )
    return signed.document


def test_a_stranger_finds_that_batched_receipts_hold(
    batched: Any, judge: Callable[..., Any]
) -> None:
    found = judge(batched.export())

    assert found.refused == []
    assert [step.what for step in found.steps][-11:] == [
        *["receipt"] * 3,
        *("batches", "message", "list", "hop proof", "findings", "hops", "revocation", "summary"),
    ]
    assert "ContentHandover for H01, by tinh" in found.said("receipt")


def test_a_batch_lies_beside_its_receipts_once(
    batched: Any, taken_apart: Callable[..., Any]
) -> None:
    """To the letter as it stands in each of their proofs; and its signer is among the certificates."""
    entries = taken_apart(batched.export())

    assert [name for name in entries if name.startswith("batches/")] == [BATCH, SIGNATURE]
    for number in (2, 3):
        proof = entries[f"receipts/{number:04}/signature.xml"]
        assert proof.endswith(entries[BATCH] + entries[SIGNATURE] + b"</BatchProof>")
    leaf = digest_of(batched.authority.signer(f"nodes/{TINH}/sign").chain[0])
    assert f"certificates/{leaf}.cer" in entries


def test_a_file_without_batches_has_none_beside(
    office: Any, taken_apart: Callable[..., Any]
) -> None:
    assert not any(name.startswith("batches/") for name in taken_apart(office.export()))


def test_xmlsec1_verifies_the_batch_beside(
    xmlsec1: str, batched: Any, taken_apart: Callable[..., Any], tmp_path: Path
) -> None:
    """In its folder, as it is; and no longer with one digit of the root changed."""
    entries = taken_apart(batched.export())
    (tmp_path / "batch.xml").write_bytes(entries[BATCH])
    (tmp_path / "signature.xml").write_bytes(entries[SIGNATURE])
    command = [xmlsec1, "--verify", "--trusted-pem", str(batched.authority.root)]
    command += ["--verification-time", "2026-11-23 05:05:06", "signature.xml"]

    good = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    (tmp_path / "batch.xml").write_bytes(entries[BATCH].replace(b"<Count>5", b"<Count>6"))
    bad = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)

    assert good.returncode == 0, good.stderr.decode()
    assert bad.returncode != 0


def test_a_batch_beside_that_is_of_no_receipt_is_refused(
    batched: Any,
    judge: Callable[..., Any],
    taken_apart: Callable[..., Any],
    exported_by_other: Callable[..., bytes],
) -> None:
    """However truly it is signed: others' software would be shown what the receipts do not rest on."""
    entries = taken_apart(batched.export())
    signer = batched.authority.signer(f"nodes/{XA}/sign")
    other = sign_batch([b"one", b"two"], XA, signer, AT)[0].signature
    start, middle = other.index(b"<Batch "), other.index(b"<ds:Signature ")
    entries[BATCH] = other[start:middle]
    entries[SIGNATURE] = other[middle : -len(b"</BatchProof>")]

    assert judge(exported_by_other(entries)).refused == [("batches", "not-in-batch")]


def test_a_batch_beside_without_its_signature_is_refused(
    batched: Any,
    judge: Callable[..., Any],
    taken_apart: Callable[..., Any],
    exported_by_other: Callable[..., bytes],
) -> None:
    entries = taken_apart(batched.export())
    del entries[SIGNATURE]

    assert judge(exported_by_other(entries)).refused == [("batches", "missing-file")]


def test_a_receipt_with_the_proof_of_another_is_refused(
    batched: Any,
    judge: Callable[..., Any],
    taken_apart: Callable[..., Any],
    exported_by_other: Callable[..., bytes],
) -> None:
    """And by then the batch is of the other receipt alone, which still holds."""
    entries = taken_apart(batched.export())
    entries["receipts/0003/signature.xml"] = entries["receipts/0002/signature.xml"]

    assert judge(exported_by_other(entries)).refused == [("receipt", "not-in-batch")]


def test_no_more_batches_lie_beside_than_a_file_has_room_for(
    office: Any,
    judge: Callable[..., Any],
    taken_apart: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The receipts of the others hold all the same: their proofs have the batch in them."""
    assert MOST_BATCHES == 250
    monkeypatch.setattr("relay.wire.bundle.MOST_BATCHES", 1)
    accepted, *others = office.receipts.values()
    signer = office.authority.signer(f"nodes/{TINH}/sign")
    signed = [sign_batch([one.document, b"x"], TINH, signer, AT)[0] for one in others]
    office.receipts = {one.digest: one for one in (accepted, *signed)}

    content = office.export()

    assert [name for name in taken_apart(content) if name.startswith("batches/")] == [
        BATCH,
        SIGNATURE,
    ]
    assert judge(content).refused == []
    monkeypatch.setattr("relay.wire.bundle.MOST_BATCHES", 0)
    assert judge(content).refused == [("batches", "bad-batches")]
