"""Two neighbours' logs compared: what each kind of difference is told as."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from relay.audit.entries import AuditEvent, instant
from relay.cli.main import app
from relay.journal.comparing import Difference, Kind, Side, comparing
from relay.model import NodeId
from tests.export.conftest import NODE, START, Authority, Exporter, MemoryLog

A, B = NodeId("xa"), NodeId("tinh-h01")
GRACE = timedelta(minutes=15)
Fields = dict[str, Any]

FROZEN: Fields = {
    "event": "transfer-frozen", "transfer": "t", "message": "m", "neighbour": B,
    "recipients": ["H01"], "digest": "d",
}  # fmt: skip
ANSWERED: Fields = {
    "event": "transfer-answered", "transfer": "t", "message": "m", "neighbour": B, "receipt": "r",
}  # fmt: skip
CAME: Fields = {
    "event": "receipt-received", "message": "m", "issuer": B, "receipt": "r", "recipients": ["H01"],
}  # fmt: skip
TAKEN: Fields = {**FROZEN, "event": "transfer-received", "neighbour": A, "receipt": "r"}
REFUSED: Fields = {**TAKEN, "event": "transfer-refused"}
ISSUED: Fields = {**CAME, "event": "receipt-issued"}
DOUBT: Fields = {**FROZEN, "event": "transfer-postponed", "state": "in-doubt"}
FREED: Fields = {**FROZEN, "event": "transfer-freed"}
RECOVERED: Fields = {**FROZEN, "event": "message-recovered"}
LOST: Fields = {"event": "message-lost", "transfer": "t", "neighbour": B}
SENT, TOOK = [FROZEN, ANSWERED, CAME], [TAKEN, ISSUED]


def _side(node: NodeId, entries: Sequence[Fields], later: timedelta, **period: Any) -> Side:
    """The entries at START and another one `later`, so that what is missing is not merely late."""
    told = [{"at": instant(START), **one} for one in entries]
    told.append({"at": instant(START + later), "event": "node-stopped"})
    return Side(node, list(enumerate(told)), **period)


def _compared(
    ours: Sequence[Fields],
    theirs: Sequence[Fields],
    later: timedelta = timedelta(hours=1),
    **period: Any,
) -> list[Difference]:
    one, other = _side(A, ours, later), _side(B, theirs, later, **period)
    with comparing(GRACE) as comparison:
        comparison.load(one, B)
        comparison.load(other, A)
        return list(comparison.differences())


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (SENT, TOOK),
        (SENT, [REFUSED, ISSUED]),  # a refusal is an answer like any other
        ([FREED], []),
        ([RECOVERED, CAME], TOOK),  # a restored node fetched its own message back
        ([FROZEN, DOUBT, ANSWERED, CAME], TOOK),
        (SENT, [TAKEN, ISSUED, TAKEN, ISSUED]),  # a restored node was sent it once more
    ],
)
def test_logs_that_say_the_same_agree(ours: list[Fields], theirs: list[Fields]) -> None:
    assert _compared(ours, theirs) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "kind", "side"),
    [
        ([FROZEN, {**ANSWERED, "receipt": "x"}, CAME], TOOK, Kind.CONTRADICTION, B),
        ([{**FROZEN, "digest": "x"}, ANSWERED, CAME], TOOK, Kind.CONTRADICTION, B),
        ([{**FROZEN, "message": "x"}, ANSWERED, CAME], TOOK, Kind.CONTRADICTION, B),
        ([{**FROZEN, "recipients": ["H01", "H02"]}, ANSWERED, CAME], TOOK, Kind.CONTRADICTION, B),
        ([FROZEN, FREED, CAME], TOOK, Kind.CONTRADICTION, A),
        (SENT, [], Kind.MISSING, B),
        ([CAME], TOOK, Kind.MISSING, A),
        ([FROZEN, CAME], TOOK, Kind.MISSING, A),
        ([FROZEN, DOUBT, CAME], TOOK, Kind.MISSING, A),
        ([FROZEN, ANSWERED], TOOK, Kind.MISSING, A),
        ([*SENT, {**CAME, "receipt": "q"}], TOOK, Kind.MISSING, B),
        (SENT, [*TOOK, {**ISSUED, "receipt": "q"}], Kind.MISSING, A),
        ([LOST], [], Kind.MISSING, B),
        ([FROZEN], [], Kind.UNDER_WAY, B),
        ([FROZEN, DOUBT], [], Kind.UNDER_WAY, B),
    ],
)
def test_each_difference_is_told_of_the_log_that_lacks_it(
    ours: list[Fields], theirs: list[Fields], kind: Kind, side: NodeId
) -> None:
    found = _compared(ours, theirs)
    assert found
    assert {(one.kind, one.side) for one in found} == {(kind, side)}, found


def test_what_is_younger_than_the_grace_may_be_on_its_way() -> None:
    found = _compared([FROZEN], TOOK, later=timedelta(minutes=10))
    assert {one.kind for one in found} == {Kind.UNDER_WAY}


def test_what_lies_before_the_others_period_is_outside() -> None:
    found = _compared(SENT, [], since=START + timedelta(minutes=1))
    assert {one.kind for one in found} == {Kind.OUTSIDE}


def test_transfers_to_others_are_not_compared() -> None:
    other = "xb"
    ours = [{**one, "neighbour": other} for one in (FROZEN, ANSWERED)]
    assert _compared([*ours, {**CAME, "issuer": other}], []) == []


# ------------------------------------------------------------ from export files, at the terminal


@pytest.mark.parametrize("taken", [TAKEN, REFUSED])
def test_an_answer_that_came_back_another_way_is_known_to_who_signed_it(taken: Fields) -> None:
    """The document went round by a third node, as after `relay queue redirect`."""
    other = "xb"
    ours = [{**one, "neighbour": other} for one in (FROZEN, ANSWERED)]
    theirs = [{**taken, "neighbour": other, "transfer": "u"}]
    assert _compared([*ours, CAME], theirs) == []
    found = _compared([*ours, {**CAME, "receipt": "x"}], theirs)
    assert {(one.kind, one.side) for one in found} == {(Kind.MISSING, B)}


def _recorded(log: MemoryLog, entries: Sequence[Fields]) -> None:
    for one in entries:
        log.add(AuditEvent(one["event"]), **{n: v for n, v in one.items() if n != "event"})
    for _ in range(30):
        log.add()


@pytest.fixture
def files(authority: Authority, export: Exporter, tmp_path: Path) -> tuple[Path, Path]:
    paths = []
    for node, entries in ((A, SENT), (NODE, TOOK)):
        log = MemoryLog(authority.log(node), NodeId(node))
        _recorded(log, entries)
        path = tmp_path / f"{node}.asice"
        path.write_bytes(export(log, signer=node).getvalue())
        paths.append(path)
    return paths[0], paths[1]


def _diff(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["audit", "diff", *map(str, arguments)])


def test_two_exports_that_hold_agree(files: tuple[Path, Path], authority: Authority) -> None:
    result = _diff(*files, "--root", authority.root, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["verdict"], found["verified"], found["transfers"]) == ("AGREE", True, 1)
    assert f"{A} and {NODE}: AGREE; 1 transfers, {found['receipts']} receipts\n" in result.stderr


def test_agree_is_not_said_of_logs_that_nobody_verified(
    files: tuple[Path, Path], authority: Authority
) -> None:
    result = _diff(*files, "--unverified", "--json")
    assert (result.exit_code, "AGREE" in result.stdout) == (2, False)
    assert "without verifying" in result.stderr
    assert _diff(*files).exit_code == 64


def test_an_export_that_does_not_hold_is_not_compared(
    files: tuple[Path, Path], authority: Authority
) -> None:
    content = files[0].read_bytes()
    files[0].write_bytes(content.replace(b"transfer-answered", b"transfer-answerex", 1))
    assert _diff(*files, "--root", authority.root).exit_code == 65


def test_a_file_is_judged_at_the_terminal(files: tuple[Path, Path], authority: Authority) -> None:
    command = ["audit", "check-export", str(files[0]), "--root", str(authority.root)]
    assert CliRunner().invoke(app, command).exit_code == 0
    files[0].write_bytes(files[0].read_bytes()[:-1])
    result = CliRunner().invoke(app, command)
    assert (result.exit_code, "bad-container" in result.output) == (65, True)
