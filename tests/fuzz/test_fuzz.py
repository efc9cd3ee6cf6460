"""A few thousand spoilt inputs each time; `make fuzz` tries two hundred thousand."""

from __future__ import annotations

import importlib.util
import secrets

import pytest

from tests.fuzz.attempt import ACCEPTED, require
from tests.fuzz.campaign import FoundError, attempt, campaign
from tests.fuzz.guided import run_all
from tests.fuzz.mutator import Mutator
from tests.fuzz.targets import Target, targets

INPUTS = 4_000


@pytest.mark.filterwarnings("ignore")
def test_no_spoilt_input_is_believed_or_ends_in_another_error() -> None:
    """Another seed each time; a find names it, and with it the input."""
    seed = secrets.randbelow(1 << 32)
    print(f"seed {seed}")

    tallies = campaign(targets(), INPUTS, seed)

    assert sum(tally.tried for tally in tallies.values()) > INPUTS * 9 // 10


@pytest.mark.filterwarnings("ignore")
def test_the_fuzzer_gets_as_deep_as_there_are_checks() -> None:
    """If every input stopped at the shape, it would show nothing of what lies behind."""
    chosen = [target for target in targets() if target.name in {"seal", "certificates"}]

    tallies = campaign(chosen, INPUTS // 4, seed=1)

    seal = tallies["seal"].outcomes
    assert {"digest-mismatch", "properties-mismatch", "bad-certificate", "bad-signature"} <= set(
        seal
    )
    assert {"untrusted", "bad-certificate"} <= set(tallies["certificates"].outcomes)
    assert all(tally.outcomes[ACCEPTED] < tally.tried for tally in tallies.values())


def test_a_find_names_its_input() -> None:
    """By seed, target and number: that one can be tried again alone."""

    def believes_everything(mutator: Mutator) -> str:
        require(mutator.random.random() < 0.9, "nobody signed that")
        return ACCEPTED

    target = Target("gullible", 1, believes_everything)
    with pytest.raises(FoundError, match=r"--seed 7 --only gullible --number \d+: Ass") as found:
        campaign([target], 1000, seed=7)

    number = int(str(found.value).partition("--number ")[2].partition(":")[0])
    with pytest.raises(FoundError, match=f"--number {number}: "):
        attempt(target, 7, number)


def test_guided_fuzzing_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """atheris is nowhere among the project's dependencies."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    assert run_all(1) == 69
    assert "needs atheris" in capsys.readouterr().err
