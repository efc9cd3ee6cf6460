"""The committed vectors: what was accepted stays accepted, what was refused stays refused."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from relay.errors import SignatureError
from relay.model import NodeId, Signed, digest_of
from relay.signing.evidence import verify_carry, verify_receipt, verify_transfer
from relay.signing.faults import Fault
from relay.signing.seal import verify_seal
from relay.signing.trust import TrustStore

FOLDER = Path(__file__).parents[1] / "vectors" / "signing"
ACCEPTED = sorted(FOLDER.glob("accepted/*.xml"))
REFUSED = sorted(FOLDER.glob("refused/*.xml"))


def _judge(path: Path) -> None:
    """Verify the vector as its kind, at its own signing time."""
    trust = TrustStore([(FOLDER / "root.pem").read_bytes()])
    kind = path.stem.rpartition(".")[2]
    signature, other = path.read_bytes(), path.with_suffix(".document")
    if kind == "seal":
        verify_seal(signature, digest_of((FOLDER / "envelope.edxml").read_bytes()), trust, None)
        return
    document = (other if other.exists() else FOLDER / f"{kind}.xml").read_bytes()
    if kind == "transfer":
        verify_transfer(Signed(document, signature), trust, None, NodeId("tinh-h01"))
    elif kind == "carry":
        verify_carry(Signed(document, signature), trust, None)
    else:
        verify_receipt(Signed(document, signature), trust, None)


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_accepted_vectors_hold(path: Path) -> None:
    """A signature made by an earlier version still verifies."""
    _judge(path)


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_refused_vectors_are_refused_for_their_reason(path: Path) -> None:
    """The word before the first `--` of the file's name is the reason of the refusal."""
    with pytest.raises(SignatureError) as caught:
        _judge(path)

    assert caught.value.reason == path.name.partition(".")[0].partition("--")[0]


def test_every_fault_but_those_tested_elsewhere_has_a_vector() -> None:
    """A new fault needs a vector that shows it."""
    shown = {path.name.partition(".")[0].partition("--")[0] for path in REFUSED}

    elsewhere = {Fault.TOO_LARGE, Fault.WRONG_AGENCY, Fault.WRONG_KIND, Fault.WRONG_BRANCH}
    elsewhere |= {Fault.UNCOVERED, Fault.MISSING_FILE, Fault.OTHER_MESSAGE}  # tests/evidence
    elsewhere |= {Fault.BAD_TIMESTAMP, Fault.WRONG_IMPRINT, Fault.WRONG_TIME, Fault.WRONG_NONCE}
    elsewhere |= {Fault.WRONG_POLICY}
    # They need statements of now (test_revocation_statements.py, tests/delivery/revocation).
    elsewhere |= {Fault.REVOKED_CERTIFICATE, Fault.REVOCATION_UNKNOWN, Fault.BAD_REVOCATION}
    assert set(Fault) - elsewhere == {Fault(word) for word in shown}


def test_the_script_writes_the_vectors_that_are_here(tmp_path: Path) -> None:
    """Running make.py again leaves the working tree clean."""
    make = runpy.run_path(str(FOLDER / "make.py"))["make"]

    make(tmp_path)

    written = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    kept = {
        p.relative_to(FOLDER): p.read_bytes()
        for p in FOLDER.rglob("*")
        if p.is_file() and p.suffix not in {".py", ".pyc"}
    }
    assert written == kept
