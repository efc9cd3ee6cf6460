"""A few thousand spoilt inputs each time; `make fuzz` tries two hundred thousand."""

from __future__ import annotations

import secrets

import pytest

from tests.fuzz.attempt import ACCEPTED
from tests.fuzz.campaign import campaign
from tests.fuzz.targets import targets

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
    tallies = campaign(targets(), INPUTS, seed=1)

    seal = tallies["seal"].outcomes
    assert {"digest-mismatch", "properties-mismatch", "bad-certificate", "bad-signature"} <= set(
        seal
    )
    assert {"untrusted", "bad-certificate"} <= set(tallies["certificates"].outcomes)
    assert all(tally.outcomes[ACCEPTED] < tally.tried for tally in tallies.values())
