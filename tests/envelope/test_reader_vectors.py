"""Every envelope vector has the result written beside it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from relay.envelope.reader import EnvelopeReader, read
from relay.envelope.schema import validate
from relay.errors import EnvelopeError
from relay.model import Envelope, digest_of

VECTORS = Path(__file__).parent.parent / "vectors" / "envelope"
EXPECTED = json.loads((VECTORS / "expected.json").read_text(encoding="utf-8"))


def in_chunks(content: bytes, size: int) -> Envelope:
    reader = EnvelopeReader()
    for start in range(0, len(content), size):
        reader.feed(content[start : start + size])
    return reader.close()


@pytest.mark.parametrize("name", EXPECTED["accepted"])
def test_an_accepted_vector_reads_as_expected(name: str) -> None:
    """With exactly the findings its name promises, and the digest of its exact bytes."""
    content = (VECTORS / "accepted" / f"{name}.edxml").read_bytes()
    facts = EXPECTED["accepted"][name]

    envelope = read(content)

    assert [finding.code for finding in envelope.findings] == facts.get("findings", [])
    assert envelope.digest == digest_of(content)
    assert envelope.size_bytes == len(content)
    assert (envelope.status.status_code if envelope.status else None) == facts.get("status")
    if envelope.status is None:
        assert len(envelope.recipients) == facts.get("recipients", 1)
        assert len(envelope.attachments) == facts.get("attachments", 1)
        assert envelope.priority == facts.get("priority", 0)
        assert envelope.operation == facts.get("operation", -1)
    else:
        assert envelope.recipients == ()
        assert envelope.response_for[0].organ_id == "000.00.15.H51"
        assert envelope.response_for[0].code == "74/STTTT-VP"


@pytest.mark.parametrize("name", EXPECTED["accepted"])
def test_the_schema_takes_what_it_should(name: str) -> None:
    """The reader carries more than the strict schema calls valid."""
    content = (VECTORS / "accepted" / f"{name}.edxml").read_bytes()

    if EXPECTED["accepted"][name].get("valid"):
        validate(content)
    else:
        with pytest.raises(EnvelopeError):
            validate(content)


@pytest.mark.parametrize("name", EXPECTED["refused"])
def test_a_refused_vector_is_refused_for_its_fault(name: str) -> None:
    """The message names what the vector is named after, whole or in single bytes."""
    content = (VECTORS / "refused" / f"{name}.edxml").read_bytes()

    with pytest.raises(EnvelopeError, match=EXPECTED["refused"][name]) as whole:
        read(content)
    with pytest.raises(EnvelopeError) as single:
        in_chunks(content, 1)
    assert str(single.value) == str(whole.value)
    with pytest.raises(EnvelopeError):
        validate(content)


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_how_an_accepted_vector_arrives_changes_nothing(size: int) -> None:
    """The same envelope whatever the chunks."""
    content = (VECTORS / "accepted" / "every-field.edxml").read_bytes()

    assert in_chunks(content, size) == read(content)


def test_every_vector_has_a_row() -> None:
    """And every row a vector."""
    for folder in ("accepted", "refused"):
        found = {path.stem for path in (VECTORS / folder).glob("*.edxml")}
        assert found == EXPECTED[folder].keys()


def test_making_the_vectors_again_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script's output depends on nothing but the script and the writer."""
    spec = importlib.util.spec_from_file_location("envelope_vectors", VECTORS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    monkeypatch.setattr(make, "HERE", tmp_path)

    make.main()

    for made in tmp_path.rglob("*.*"):
        assert made.read_bytes() == (VECTORS / made.relative_to(tmp_path)).read_bytes(), made.name
