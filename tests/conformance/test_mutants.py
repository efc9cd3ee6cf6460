"""The kit convicts each mutant by the clause that it breaks, and acquits the honest node."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from relay.conformance.clauses import every_assertion
from relay.conformance.credentials import Authority
from relay.conformance.own import DISTRICT, PROVINCE, RELAY, judging, own_nodes
from relay.conformance.running import Run
from relay.conformance.subject import Subject
from relay.conformance.verdicts import Assertion, Judged, Part, Verdict
from relay.signing import pki
from tests.conformance.mutants import every_mutant

CHOSEN = [one.name for one in every_mutant().values() if one.quick or os.environ.get("ALL_MUTANTS")]
OF_FILES = {Part.VERIFY, Part.CHECK_EXPORT, Part.CHECK_LOG}
HELD = {Verdict.PASS, Verdict.NOT_CLAIMED}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short name: that of a node's control socket is bounded, and the folders of hundreds of tests are long."""
    with tempfile.TemporaryDirectory(prefix="kit-") as path:
        yield Path(path)


async def judged(folder: Path, names: Sequence[str], mutant: Sequence[str] = ()) -> list[Judged]:
    """`mutant` is the command that starts the district's node, and judges files for it."""
    chosen = [one for one in every_assertion() if not names or one.full_name in names]
    home, now = folder / "n", datetime.now(UTC)
    home.mkdir()
    if names and all(one.needs <= OF_FILES for one in chosen):
        return await _without_nodes(home, chosen, mutant)
    command = {"serve": mutant, "relay": mutant} if mutant else {}
    async with own_nodes(home, now, **command) as own:
        run = Run(
            own.subjects,
            own.authority,
            chosen,
            folder / "kept",
            crashes=own.crashes,
            restores=own.restores,
        )
        return await run.judge()


async def _without_nodes(
    home: Path, chosen: Sequence[Assertion], mutant: Sequence[str]
) -> list[Judged]:
    """Files are judged by commands alone."""
    pki.init(home / "pki", name="Kit", key=pki.KeyType.P256, now=datetime.now(UTC), days=1)
    authority = Authority(home / "pki")
    subjects = [
        judging(Subject(id=name, roots=authority.root, agency="H98"), relay)
        for name, relay in ((DISTRICT, mutant), (PROVINCE, RELAY))
    ]
    return await Run((subjects[0], subjects[1]), authority, chosen, home / "kept").judge()


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_two_nodes_of_this_release_conform(folder: Path) -> None:
    found = await judged(folder, ())
    assert [one for one in found if one.verdict not in HELD] == []
    assert len(found) == 2 * len(every_assertion())


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOSEN)
async def test_a_mutant_is_convicted_by_the_clause_it_breaks(folder: Path, name: str) -> None:
    """And the honest node beside it is not."""
    mutant = every_mutant()[name]
    found = await judged(
        folder, mutant.convicted_by, (sys.executable, "-m", "tests.conformance.mutants", name)
    )
    of_mutant = {one.assertion.full_name: one for one in found if one.node == DISTRICT}
    assert {name: one.verdict for name, one in of_mutant.items()} == dict.fromkeys(
        mutant.convicted_by, Verdict.FAIL
    ), of_mutant
    assert [one for one in found if one.node != DISTRICT and one.verdict not in HELD] == []
