"""`relay compare`: two files, and whether they are the same document."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LETTER = Path(__file__).parent.parent.parent / "config" / "letter.edxml"


def _compare(*files: Path, more: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "relay", "compare", *map(str, files), *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_reserialised_document_is_equal_as_business(tmp_path: Path) -> None:
    """Exit code 0, and it says that the bytes differ."""
    other = tmp_path / "other.edxml"
    other.write_bytes(LETTER.read_bytes().replace(b"><", b">\n <"))
    said = _compare(LETTER, other)
    assert (said.returncode, said.stderr) == (0, "")
    assert "equal as business; the bytes differ" in said.stdout
    assert "equal to the byte" in _compare(LETTER, LETTER).stdout


def test_a_difference_is_named_and_is_exit_code_one(tmp_path: Path) -> None:
    """By the part of the document, as data for programs too."""
    other = tmp_path / "other.edxml"
    text = LETTER.read_text(encoding="utf-8")
    number = text.partition("<edXML:CodeNumber>")[2].partition("<")[0]
    other.write_text(
        text.replace(f">{number}</edXML:CodeNumber>", ">9999</edXML:CodeNumber>"), "utf-8"
    )
    said = _compare(LETTER, other, more=("--json",))
    assert said.returncode == 1
    found = json.loads(said.stdout)
    assert found["verdict"] == "DIFFERENT"
    assert [each["part"] for each in found["differences"]] == ["Code"]


def test_what_is_no_envelope_is_refused(tmp_path: Path) -> None:
    """As data that cannot be read."""
    page = tmp_path / "page.html"
    page.write_text("<html></html>")
    assert _compare(LETTER, page).returncode == 65
