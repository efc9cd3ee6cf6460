"""The nine experiments in their quick form: seconds each, judged in full."""

from __future__ import annotations

import os

import pytest

from tests.acceptance.experiments.plan import EXPERIMENTS, Experiment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=[one.name for one in EXPERIMENTS])
async def test_nothing_is_lost_or_doubled(
    experiment: Experiment, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever is done to the nodes: every acknowledged delivery arrives once or ends with a receipt."""
    if not experiment.available():
        if os.environ.get("RELAY_TESTS_NO_SKIP"):
            pytest.fail(f"needs {experiment.needs}, which must be there here")
        pytest.skip(f"skipped: needs {experiment.needs}")
    tally = await experiment.run(tmp_path_factory.mktemp(experiment.name), True)
    assert tally.holds, (tally.line(experiment.title), tally.problems)
    assert tally.acknowledged
