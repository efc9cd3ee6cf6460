"""What becomes of the answers of a command that judges files, whatever program it is."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from relay.conformance.exchanges import Exchanges
from relay.conformance.files import entries_of
from relay.conformance.office import Office
from relay.conformance.reading import PUBLISHED, Said, Shelf
from relay.conformance.verdicts import FailedError, InconclusiveError, Part

SAYING = "import json, sys\nfor name in sys.argv[3:]:\n    print({})"


def first(_: Office) -> bytes:
    return b"first"


def second(_: Office) -> bytes:
    return b"second"


def stand_of(*command: str) -> Any:
    subject = SimpleNamespace(id="a", verify=command, check_log=command)
    return SimpleNamespace(subject=subject, exchanges=Exchanges(), remembered={})


def saying(line: str) -> Any:
    """A program that writes so for each file, which is called `name`."""
    return stand_of(sys.executable, "-c", SAYING.format(line))


def asked(stand: Any, make: Any = first) -> Said:
    shelf = Shelf(Part.VERIFY, {"first": first, "second": second})
    return asyncio.run(shelf.said(stand, make))


def test_it_is_called_once_with_the_root_and_every_file(tmp_path: Path) -> None:
    """And each file is there, with its bytes."""
    log = tmp_path / "log"
    program = tmp_path / "program.py"
    program.write_text(
        "import json, pathlib, sys\n"
        f"log = pathlib.Path({str(log)!r}).open('a')\n"
        "contents = [pathlib.Path(one).read_text() for one in sys.argv[2:]]\n"
        "print(json.dumps([sys.argv[1], contents]), file=log)\n"
        "for name in sys.argv[3:]:\n"
        "    holds = pathlib.Path(name).read_text() == 'first'\n"
        "    print(json.dumps({'file': name, 'holds': holds, 'reasons': ['odd']}))\n"
        "sys.exit(3)\n",
        encoding="utf-8",
    )
    stand = stand_of(sys.executable, str(program))
    assert asked(stand).must_hold().content == b"first"
    asked(stand, second).must_be_refused("odd", "even")
    (called,) = log.read_text(encoding="utf-8").splitlines()
    option, (root, *contents) = json.loads(called)
    assert option == "--root"
    assert root.startswith("-----BEGIN CERTIFICATE-----")
    assert contents == ["first", "second"]
    assert [one.request for one in stand.exchanges.held] == [b"first", b"second"]


@pytest.mark.parametrize(
    "line",
    [
        "'nothing of the kind'",
        "'[' * 100000",
        "json.dumps([name])",
        "json.dumps({'holds': True})",
        "json.dumps({'file': 'another', 'holds': True})",
        "json.dumps({'file': name})",
        "json.dumps({'file': name, 'holds': 'yes'})",
        "json.dumps({'file': [name], 'holds': True})",
    ],
)
def test_what_it_does_not_say_cannot_be_told(line: str) -> None:
    with pytest.raises(InconclusiveError, match="does not say whether it holds"):
        asked(saying(line))


def test_a_program_that_is_not_there_cannot_tell(tmp_path: Path) -> None:
    with pytest.raises(InconclusiveError, match="No such file"):
        asked(stand_of(str(tmp_path / "none")))


def test_what_it_complains_of_is_told() -> None:
    with pytest.raises(InconclusiveError, match="out of paper"):
        asked(stand_of(sys.executable, "-c", "import sys; sys.exit('out of paper')"))


def test_a_program_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.conformance.reading.CALL_SECONDS", 0.2)
    with pytest.raises(InconclusiveError, match="it took over"):
        asked(stand_of(sys.executable, "-c", "import time; time.sleep(600)"))


def test_another_verdict_than_the_clause_demands_fails() -> None:
    holds = Said("one", b"", {"holds": True})
    refused = Said("one", b"", {"holds": False, "reasons": ["odd"]})
    with pytest.raises(FailedError, match="is said to hold"):
        holds.must_be_refused()
    with pytest.raises(FailedError, match="is refused: "):
        refused.must_hold()
    with pytest.raises(FailedError, match="not "):
        refused.must_be_refused("even")
    refused.must_be_refused()


def test_members_of_another_kind_than_the_page_says_fail() -> None:
    said = Said("one", b"", {"holds": True, "proofs": {}, "findings": [1, {"by": "a"}]})
    with pytest.raises(FailedError, match="nothing is said as proofs"):
        said.found("proofs", list)
    with pytest.raises(FailedError, match="nothing is said as recipients"):
        said.found("recipients", dict)
    assert said.dicts("findings") == [{"by": "a"}]


def test_a_published_log_is_a_folder_judged_by_a_key() -> None:
    """Its files are there by their paths, and a report keeps them as a container."""

    def log(_: Office) -> dict[str, bytes]:
        return {"checkpoint": b"note", "tile/0/000": b"hashes"}

    program = (
        "import json, pathlib, sys\n"
        "option, key, name = sys.argv[1:]\n"
        "files = [(pathlib.Path(name) / one).read_text() for one in ('checkpoint', 'tile/0/000')]\n"
        "holds = files == ['note', 'hashes'] and option == '--vkey'\n"
        "print(json.dumps({'file': name, 'holds': holds, 'reasons': [option, *files], 'key': key}))\n"
    )
    stand = stand_of(sys.executable, "-c", program)
    shelf = replace(PUBLISHED, makes={"log": log})
    said = asyncio.run(shelf.said(stand, log)).must_hold()
    assert said.found("key", str).startswith("truc-relay.example/log/kit-origin+")
    assert entries_of(said.content) == log(Office())


def test_files_are_told_apart_by_their_names() -> None:
    with pytest.raises(ValueError, match="two files are named first"):
        Shelf(Part.VERIFY, {"first": second}).file(first)
