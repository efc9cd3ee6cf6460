"""Nodes with one fault each, for the kit to convict: `python -m tests.conformance.mutants NAME CONFIG`, or
its command line with one: `NAME evidence verify …`.

A mutant is a function that changes one thing of the real parts before the node starts; the product knows nothing of
it. What it says is the assertions that must fail, and by which it is told from an honest node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault, and what it is convicted by."""

    name: str
    fault: str
    """What it does wrong, as a sentence."""
    convicted_by: tuple[str, ...]
    """Full names of assertions, each of which must FAIL."""
    break_it: Callable[[], None]
    quick: bool = False
    """Judged on every change; all of them by `make conformance`."""


MUTANTS: dict[str, Mutant] = {}


def every_mutant() -> dict[str, Mutant]:
    """All of this folder, by name."""
    for found in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        import_module(f"tests.conformance.mutants.{found.stem}")
    return MUTANTS


def mutant(
    fault: str, *convicted_by: str, quick: bool = False
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Registers a function under its name, with hyphens."""

    def registered(break_it: Callable[[], None]) -> Callable[[], None]:
        name = break_it.__name__.replace("_", "-")
        assert name not in MUTANTS, f"two mutants are named {name}"
        MUTANTS[name] = Mutant(name, fault, convicted_by, break_it, quick)
        return break_it

    return registered


def put_in(owner: object, name: str, faulty: object) -> None:
    """In the place of the honest one, of whatever type that is."""
    setattr(owner, name, faulty)
