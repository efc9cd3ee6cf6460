"""A recorded run, read again without any network: what nodes signed holds, and nothing else does."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from relay.conformance import credentials, recording
from relay.conformance.clauses import every_assertion
from relay.conformance.peer import CONTAINER_LIMIT_BYTES
from relay.conformance.requested import parts_of
from relay.errors import SettingsError, SignatureError
from relay.model import Event, Reason, Receipt
from relay.signing.evidence import verify_receipt
from relay.signing.trust import TrustStore
from relay.wire.container import read_receipts
from relay.wire.transfer import read_transfer

VECTORS = Path(__file__).parents[1] / "vectors" / "conformance"
NODE = "huyen-h98-11"


def of(assertion: str) -> Path:
    return VECTORS / f"{assertion.replace('/', '-')}-{NODE}"


def trust() -> TrustStore:
    return TrustStore([(VECTORS / recording.ROOTS).read_bytes()])


def receipts(answer: Path) -> list[Receipt]:
    """Proven as of when they were signed."""
    found = read_receipts(answer.read_bytes(), CONTAINER_LIMIT_BYTES)
    return [verify_receipt(one, trust(), None) for one in found]


def evidence(answer: Path) -> list[tuple[Event, Reason | None]]:
    return [(one.event, one.reason) for receipt in receipts(answer) for one in receipt.evidence]


# ---------------------------------------------------------------- the vectors of this version


def test_the_vectors_hold() -> None:
    found = recording.replay(VECTORS)
    assert found.faults == ()
    assert found.held == {"receipt": 6, "transfer": 2}
    assert found.exchanges == sum(1 for _ in VECTORS.glob("*/*.json"))


def test_the_vectors_are_small_and_hold_no_key() -> None:
    files = [path for path in VECTORS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 300 << 10
    for path in files:
        assert b"PRIVATE KEY" not in path.read_bytes(), path
    for path in VECTORS.glob("*/*.json"):
        for name, value in json.loads(path.read_bytes())["request"]["headers"].items():
            assert name.lower() not in {"authorization", "xroadvnpt-hash-header"} or value == "…"


def test_the_vectors_are_of_assertions_that_there_are() -> None:
    index = json.loads((VECTORS / recording.INDEX).read_bytes())
    rows = {row["name"]: row for row in index["assertions"]}
    assert rows.keys() <= {one.full_name for one in every_assertion()}
    assert {row["verdict"] for row in rows.values()} == {"PASS"}
    assert {row["kept"] for row in rows.values()} == {
        path.name for path in VECTORS.iterdir() if path.is_dir() and path.name[0] != "_"
    }


def test_the_vectors_do_not_end_with_their_certificates() -> None:
    """They are judged as of their own time: as of another they would not hold."""
    (signed,) = read_receipts(
        (of("W4.5/same-bytes") / "001.answer").read_bytes(), CONTAINER_LIMIT_BYTES
    )
    assert verify_receipt(signed, trust(), None).issuer == NODE
    with pytest.raises(SignatureError):
        verify_receipt(signed, trust(), datetime.now(UTC) + timedelta(days=3650))


# ---------------------------------------------------------------- judged again from their bytes


def test_the_recorded_repeat_was_answered_to_the_byte() -> None:
    first, second = (of("W4.5/same-bytes") / f"00{n}.answer" for n in (1, 2))
    assert first.read_bytes() == second.read_bytes()
    assert evidence(first) == [(Event.RELAY_ACCEPTANCE, None), (Event.CONTENT_CONSIGNMENT, None)]


def test_the_recorded_refusals_say_why() -> None:
    refused = Event.RELAY_REJECTION
    assert evidence(of("E1.3/doctype") / "001.answer") == [(refused, Reason.BAD_ENVELOPE)]
    unknown = evidence(of("W5.3/unknown-recipient") / "001.answer")
    assert (refused, Reason.UNKNOWN_RECIPIENT) in unknown


def test_the_recorded_transfer_was_repeated_to_the_letter() -> None:
    asked = sorted(of("W4.3/to-the-letter").glob("*.json"))
    asked = [path for path in asked if "asked" in json.loads(path.read_bytes())["role"]]
    first, second = (parts_of(path.with_suffix(".request").read_bytes()) for path in asked)
    assert first == second
    assert read_transfer(first["transfer.xml"]).sent_by == NODE


def test_a_receipt_answers_the_transfer_that_was_asked() -> None:
    folder = of("W4.5/same-bytes")
    header = read_transfer(parts_of((folder / "001.request").read_bytes())["transfer.xml"])
    (receipt,) = receipts(folder / "001.answer")
    assert (receipt.message_id, receipt.digest) == (header.message_id, header.digest)
    assert receipt.transfer_id == header.transfer_id


# ---------------------------------------------------------------- what does not hold


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    made = tmp_path / "copy"
    shutil.copytree(VECTORS, made)
    return made


def changed(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("W4.5-same-bytes-huyen-h98-11/001.answer", b"<Document>PFJl", b"<Document>PFJm"),
        ("W4.5-same-bytes-huyen-h98-11/002.answer", b"<Signature>PGRz", b"<Signature>PGRy"),
        ("W4.3-to-the-letter-huyen-h98-11/002.request", b"<Priority>0<", b"<Priority>4<"),
        ("W4.3-to-the-letter-huyen-h98-11/002.request", b"PromulgationDate", b"PromulgationDatf"),
        ("E1.3-doctype-huyen-h98-11/001.answer", b"<", b" "),
    ],
)
def test_a_recording_with_other_bytes_does_not_hold(
    copy: Path, file: str, old: bytes, new: bytes
) -> None:
    """And what else is in it still does."""
    changed(copy / file, old, new)
    found = recording.replay(copy)
    assert len(found.faults) == 1
    assert found.faults[0].startswith(f"{file}: ")
    assert sum(found.held.values()) == 7


def test_under_another_root_nothing_holds(tmp_path: Path) -> None:
    other = credentials.stranger(tmp_path, "kit-a", datetime.now(UTC)).root.read_bytes()
    found = recording.replay(VECTORS, other)
    assert len(found.faults) == 8
    assert not found.held


@pytest.mark.parametrize("what", ["no index", "no json", "no rows", "no roots", "cut", "no head"])
def test_what_is_no_recording_is_refused(copy: Path, what: str) -> None:
    index, answer = copy / recording.INDEX, copy / "W4.5-same-bytes-huyen-h98-11" / "001.answer"
    match what:
        case "no index":
            index.unlink()
        case "no json":
            index.write_bytes(b"{")
        case "no rows":
            index.write_bytes(b'{"assertions": [3]}')
        case "no roots":
            (copy / recording.ROOTS).write_bytes(b"nothing")
        case "cut":
            answer.write_bytes(answer.read_bytes()[:-1])
        case "no head":
            answer.with_suffix(".json").write_bytes(b"[]")
    with pytest.raises(SettingsError):
        recording.replay(copy)


def test_a_recording_names_no_folder_but_its_own(tmp_path: Path, copy: Path) -> None:
    """Whoever made it."""
    shutil.move(copy / "E1.3-doctype-huyen-h98-11", tmp_path / "outside")
    index = copy / recording.INDEX
    text = index.read_text(encoding="utf-8").replace("E1.3-doctype-huyen-h98-11", "../outside")
    index.write_text(text, encoding="utf-8")
    assert recording.replay(copy).held["receipt"] == 5
