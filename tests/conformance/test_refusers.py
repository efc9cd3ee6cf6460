"""A node that refuses everything of a kind, well signed and with the right word, has shown nothing by refusing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.conformance.clauses import every_assertion
from relay.conformance.own import DISTRICT
from relay.conformance.performing import named
from relay.conformance.verdicts import Verdict
from tests.conformance.test_mutants import folder, judged

__all__ = ["folder"]
OF_RECEIPTS = (
    "W5.8/none-of-a-batch",
    "W5.9/wrong-side",
    "W5.10",
    "W5.11",
    "W10.4/no-other-reason",
    "W13.1/another-name",
    "W13.1/another-role",
    "W13.1/of-one",
    "W13.2",
    "W13.4",
)
OF_ENVELOPES = ("E1.3", "E1.4/too-deep", "E1.4/too-many", "E1.4/attributes", "W5.3/bad-envelope")


def every(names: tuple[str, ...]) -> Iterator[str]:
    for one in every_assertion():
        if any(named(name, one) for name in names):
            yield one.full_name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mutant", "refusals"),
    [("takes-no-receipts", OF_RECEIPTS), ("rejects-every-envelope", OF_ENVELOPES)],
)
async def test_who_refuses_everything_of_a_kind_passes_in_no_refusal(
    folder: Path, mutant: str, refusals: tuple[str, ...]
) -> None:
    command = (sys.executable, "-m", "tests.conformance.mutants", mutant)
    found = await judged(folder, list(every(refusals)), command)
    verdicts = {one.verdict for one in found if one.node == DISTRICT}
    assert verdicts == {Verdict.INCONCLUSIVE}
    assert {one.verdict for one in found if one.node != DISTRICT} == {Verdict.PASS}
