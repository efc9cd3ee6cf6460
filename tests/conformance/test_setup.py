"""What an operator is told to configure is what the kit then is."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path

from relay.conformance.credentials import directory_text, prepare, to_configure
from relay.conformance.subject import Kit, Second, Subject, TimestampsAt
from relay.conformance.verdicts import Part
from relay.settings.timestamps import TimestampsSection


def _subject(name: str, port: int, second: Second | None = None) -> Subject:
    kit = Kit(node=f"kit-{name}", agency="H98.91", listen=f"127.0.0.1:{port}", second=second)
    return Subject(id=name, nodes="https://127.0.0.1:1", roots=Path("r.pem"), agency="H98", kit=kit)


def test_both_neighbours_are_told_of_and_have_certificates(tmp_path: Path) -> None:
    second = Second(node="kit-a2", agency="H98.92", listen="kit.example:9003")
    subjects = _subject("a", 9001, second), _subject("b", 9002)
    authority = prepare(tmp_path, subjects, datetime.now(UTC))
    assert all(authority.of(node).signer() for node in ("kit-a", "kit-a2", "kit-b"))
    told = tomllib.loads(to_configure(*subjects, authority.root, tmp_path / "directory.toml"))
    assert [one["id"] for one in told["neighbours"]] == ["kit-a", "kit-a2"]
    listed = tomllib.loads(directory_text(subjects))
    assert [one["code"] for one in listed["agencies"]] == ["H98.91", "H98.92", "H98.91"]
    assert [one["parent"] for one in listed["nodes"]] == ["a", "a", "b"]


def test_the_kits_timestamp_authority_is_told_as_the_settings_have_it(tmp_path: Path) -> None:
    """With the policy under which its timestamps are taken, and the root to pin where others are."""
    kit = _subject("a", 9001).kit
    assert kit is not None
    at = TimestampsAt(listen="10.1.1.9:9005", policy="1.2.3")
    asked = _subject("a", 9001).model_copy(update={"kit": kit.model_copy(update={"authority": at})})
    text = to_configure(asked, _subject("b", 9002), tmp_path / "root.pem", tmp_path / "d.toml")
    section = TimestampsSection.model_validate(tomllib.loads(text)["timestamps"])
    (authority,) = section.authorities
    assert (authority.url, authority.policy) == ("http://10.1.1.9:9005/", "1.2.3")
    assert f'timestamp = [..., "{tmp_path / "root.pem"}"]' in text
    assert "[[timestamps" not in to_configure(*(_subject("a", 1),) * 2, tmp_path, tmp_path)


def test_what_needs_a_second_neighbour_is_claimed_only_where_there_is_one() -> None:
    second = Second(node="kit-a2", agency="H98.92", listen="127.0.0.1:9003")
    assert Part.SECOND in _subject("a", 9001, second).parts
    assert Part.SECOND not in _subject("a", 9001).parts
