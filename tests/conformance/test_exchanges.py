"""What is kept of the wire: every byte within bounds, and no credential."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from relay.conformance import axis
from relay.conformance.dms import Dms
from relay.conformance.exchanges import (
    BODY_LIMIT_BYTES,
    EXCHANGES_LIMIT,
    HELD_LIMIT_BYTES,
    Exchanges,
)
from relay.conformance.subject import Subject

SECRET = "of-the-system"


def test_each_exchange_is_three_files(tmp_path: Path) -> None:
    held = Exchanges()
    first = held.begin("kit-a at a", "POST", "https://a/x", {"X": "1"}, b"\x00asked")
    first.status, first.answer = 200, b"answered\xff"
    held.begin("kit-a at a", "GET", "https://a/y", {}).fault = "refused"
    held.write(tmp_path / "kept")
    files = {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()}
    assert files.keys() == {"001.json", "001.request", "001.answer", "002.json"}
    assert (files["001.request"], files["001.answer"]) == (b"\x00asked", b"answered\xff")
    head = json.loads(files["001.json"])
    assert (head["method"], head["answer"]["status"]) == ("POST", 200)
    assert json.loads(files["002.json"])["fault"] == "refused"


def test_what_is_kept_is_bounded_and_says_how_much_there_was(tmp_path: Path) -> None:
    held = Exchanges()
    for _ in range(EXCHANGES_LIMIT + 10):
        held.begin("r", "GET", "/", {})
    assert len(held.held) == EXCHANGES_LIMIT
    held.clear()
    held.begin("r", "POST", "/", {}, b"x" * (BODY_LIMIT_BYTES + 1))
    held.write(tmp_path)
    assert (tmp_path / "001.request").stat().st_size == BODY_LIMIT_BYTES
    assert (
        json.loads((tmp_path / "001.json").read_text())["request"]["size"] == BODY_LIMIT_BYTES + 1
    )


def test_all_that_is_kept_of_an_assertion_is_bounded() -> None:
    held = Exchanges()
    for _ in range(HELD_LIMIT_BYTES // BODY_LIMIT_BYTES + 5):
        held.answered(held.begin("r", "GET", "/", {}), b"x" * (BODY_LIMIT_BYTES + 7))
    assert sum(len(one.answer) for one in held.held) == HELD_LIMIT_BYTES
    assert {one.answer_size for one in held.held} == {BODY_LIMIT_BYTES + 7}


def test_what_came_to_no_answer_is_silence() -> None:
    held = Exchanges()
    found = [held.silent]
    held.begin("r", "GET", "/", {}).fault = "refused"
    found.append(held.silent)
    held.begin("r", "GET", "/", {}).status = 404
    found.append(held.silent)
    assert found == [False, True, False], "nothing was asked; no answer; one among others"


@pytest.mark.parametrize("name", ["Authorization", "authorization", "Signature"])
def test_credentials_are_not_kept(tmp_path: Path, name: str) -> None:
    held = Exchanges()
    held.begin("r", "GET", "/", {name: f"Bearer {SECRET}", "Accept": "text/plain"})
    held.write(tmp_path)
    text = (tmp_path / "001.json").read_text()
    assert SECRET not in text
    assert "text/plain" in text


def test_a_call_of_the_axis_cannot_be_made_again_from_what_is_kept(tmp_path: Path) -> None:
    """Its signature serves any call for days: whoever is shown what was kept must not have it."""
    subject = Subject.model_validate(
        {"id": "a", "roots": "r", "agency": "H98", "systemid": "vxp.test", "secret": SECRET}
    )
    dms = Dms(subject, Exchanges(), cast("Any", None), cast("Any", None))
    headers = dict(axis.made(dms, "countReceiveEdoc", {}).headers())
    mac = headers["XroadVnpt-hash-header"]
    dms.exchanges.begin("DMS at a", "POST", "countReceiveEdoc", headers)
    dms.exchanges.write(tmp_path)
    text = (tmp_path / "001.json").read_text()
    assert mac not in text
    assert SECRET not in text
    assert "vxp.test" in text
