"""The committed vectors: what was accepted stays accepted, what was refused stays refused.

tests/vectors/signing/manifest.json says of each what it is, which entry of the verifier it is for, and the
word of its refusal; judging.py has the entries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from relay.errors import RelayError
from relay.signing.faults import Fault
from relay.signing.trust import TrustStore
from tests.vectors.signing.compare import OTHERS
from tests.vectors.signing.forging.originals import KINDS
from tests.vectors.signing.judging import FOLDER, entries, usual_documents, word_of
from tests.vectors.signing.make import make

MANIFEST: dict[str, dict[str, Any]] = json.loads((FOLDER / "manifest.json").read_text("utf-8"))
ACCEPTED, REFUSED = MANIFEST["accepted"], MANIFEST["refused"]
USUAL = usual_documents()
ENTRIES = entries(TrustStore([(FOLDER / "root.pem").read_bytes()]))


def _read(part: str, name: str) -> tuple[bytes, bytes]:
    """The signature, and the document it is judged with."""
    own = FOLDER / part / f"{name}.document"
    entry = MANIFEST[part][name]["entry"]
    document = own.read_bytes() if own.exists() else USUAL[entry]
    return (FOLDER / part / f"{name}.xml").read_bytes(), document


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_vectors_hold(name: str) -> None:
    """A signature made by an earlier version still verifies."""
    ENTRIES[ACCEPTED[name]["entry"]](*_read("accepted", name))


@pytest.mark.parametrize("fault", sorted({vector["fault"] for vector in REFUSED.values()}))
def test_refused_vectors_are_refused_for_their_own_reason(fault: str) -> None:
    """By the word before `--` of the name, and with the words that are said for it where there are any."""
    vectors = {name: one for name, one in REFUSED.items() if name.partition("--")[0] == fault}

    words = {name: _refusal(name) for name in vectors}

    assert {name: word for name, (word, _) in words.items()} == dict.fromkeys(vectors, fault)
    assert [n for n, one in vectors.items() if one.get("says", "") not in words[n][1]] == []


def _refusal(name: str) -> tuple[str, str]:
    """The word and the message."""
    try:
        ENTRIES[REFUSED[name]["entry"]](*_read("refused", name))
    except RelayError as error:
        return word_of(error), str(error)
    return "accepted", ""


def test_every_refused_vector_has_a_control_that_holds() -> None:
    """An accepted one for the same entry, or the refusal would show nothing."""
    wrong = [
        name
        for name, vector in REFUSED.items()
        if ACCEPTED.get(vector["control"], {}).get("entry") != vector["entry"]
        or vector["fault"] != name.partition("--")[0]
    ]

    assert wrong == []


def test_refused_vectors_are_refused_everywhere_else() -> None:
    """By every other entry, with its own document and with theirs; but for good seals of others, which
    an entry that binds no sender takes."""
    taken = {name: _taken_by(*_read("refused", name)) for name in REFUSED}

    assert taken == {name: set(vector.get("holds_as", ())) for name, vector in REFUSED.items()}


def _taken_by(signature: bytes, document: bytes) -> set[str]:
    return {
        entry
        for entry, judge in ENTRIES.items()
        for other in {document, USUAL[entry]}
        if _accepts(judge, signature, other)
    }


def _accepts(judge: Any, signature: bytes, document: bytes) -> bool:
    try:
        judge(signature, document)
    except RelayError:
        return False
    return True


def test_every_fault_has_a_vector() -> None:
    """A new fault needs a vector that shows it."""
    shown = {vector["fault"] for vector in REFUSED.values()}

    elsewhere = {Fault.OTHER_MESSAGE}  # of what an evidence file holds: tests/evidence
    elsewhere |= {Fault.WRONG_POLICY}  # of what the settings ask for: test_timestamps.py
    assert set(Fault) - elsewhere - shown == set()


def test_every_kind_of_document_is_wrapped_in_eight_ways() -> None:
    """Another kind of signed document gets them by its row in KINDS."""
    shown = {name.partition("--")[2] for name in REFUSED}

    assert {f"xsw{n}.{kind}" for kind in KINDS for n in range(1, 9)} <= shown


def test_the_script_writes_the_vectors_that_are_here(tmp_path: Path) -> None:
    """Running it again leaves the working tree clean."""
    make(tmp_path)

    assert dict(_files(tmp_path)) == dict(_files(FOLDER))


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """What the script writes, not itself."""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix not in {".py", ".pyc"} and path != OTHERS:
            yield str(path.relative_to(folder)), path.read_bytes()


def test_the_vectors_that_the_security_page_names_are_here() -> None:
    """In its table of what is refused: the words and the cases, `…` standing for the rest of a name."""
    page = (FOLDER.parents[2] / "docs" / "security.md").read_text("utf-8")
    chapter = page.partition("## What is refused")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in chapter.splitlines() if line.startswith("| ")][1:]
    shown = {name.partition("--")[2].rpartition(".")[0] for name in REFUSED}

    cases = {case for row in rows for case in re.findall(r"`([^`]+)`", row[2])}
    words = {word for row in rows for word in row[1].split(", ")}
    unknown = {c for c in cases if not any(s == c or s.startswith(c.rstrip("…")) for s in shown)}

    assert len(rows) >= 20
    assert unknown == set()
    assert words <= {vector["fault"] for vector in REFUSED.values()}
