"""A campaign: so many inputs over the targets by their shares, each named by seed, target and number.

Touches: nothing. Trusts: nothing. Raises: Found, with the name of the input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.fuzz.mutator import Mutator
from tests.fuzz.targets import Target

EVERY = 5_000
"""Inputs between two words on how far it is."""


class FoundError(Exception):
    """An input that did what none may do. Its cause is what it did."""


@dataclass
class Tally:
    """What became of the inputs of one target."""

    tried: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


def campaign(
    targets: Sequence[Target],
    count: int,
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Tally]:
    """Try `count` inputs; the first that does what none may do ends it."""
    shares = sum(target.share for target in targets)
    tallies: dict[str, Tally] = {}
    done = 0
    for target in targets:
        tally = tallies[target.name] = Tally()
        for number in range(max(1, count * target.share // shares)):
            tally.outcomes[attempt(target, seed, number)] += 1
            tally.tried += 1
            done += 1
            if done % EVERY == 0:
                progress(done)
    return tallies


def attempt(target: Target, seed: int, number: int) -> str:
    """One input, the same for the same numbers."""
    try:
        return target.attempt(Mutator(f"{seed} {target.name} {number}"))
    except Exception as error:
        where = f"--seed {seed} --only {target.name} --number {number}"
        raise FoundError(f"{where}: {type(error).__name__}: {error}") from error
