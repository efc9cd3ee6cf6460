"""`python -m tests.fuzz`: spoilt signatures, certificates and documents, and none may be believed.

    python -m tests.fuzz                        200,000 inputs
    python -m tests.fuzz --count 5000           as many
    python -m tests.fuzz --only seal            one target; --list names them
    python -m tests.fuzz --seed 7 --only seal --number 12    that input again, with its traceback
    python -m tests.fuzz --guided --seconds 300 guided by coverage: envelope reader, then verifier

A line for each target on stdout, progress on stderr. The exit code is 0 only if every input was refused by
one of the tree's own errors, or proved nothing but what was signed.

Touches: the vectors; with --guided child processes and a folder. Raises: nothing.
"""

from __future__ import annotations

import logging
import secrets
import sys
import time
import warnings
from typing import Annotated

import typer

from tests.fuzz.attempt import ACCEPTED
from tests.fuzz.campaign import FoundError, Tally, attempt, campaign
from tests.fuzz.targets import Target, targets


def main(
    *,
    count: Annotated[int, typer.Option(min=1, help="Inputs.")] = 200_000,
    seed: Annotated[int | None, typer.Option(help="By default another each time.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="These targets.")] = None,
    number: Annotated[int | None, typer.Option(help="This input of the one target.")] = None,
    names: Annotated[bool, typer.Option("--list", help="Name the targets.")] = False,
    guided: Annotated[bool, typer.Option(help="By coverage; needs atheris.")] = False,
    seconds: Annotated[int, typer.Option(min=1, help="Of each guided target.")] = 120,
) -> None:
    """Fuzz whatever reads a stranger's bytes."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")  # of hostile certificates; each is refused all the same
    if guided:
        from tests.fuzz.guided import run_all

        raise typer.Exit(run_all(seconds))
    chosen = _chosen(only or ())
    if names:
        print("\n".join(target.name for target in chosen))
        return
    seed = secrets.randbelow(1 << 32) if seed is None else seed
    _say(f"seed {seed}")
    if number is not None:
        print(attempt(chosen[0], seed, number))
        return
    raise typer.Exit(_run(chosen, count, seed))


def _chosen(only: list[str] | tuple[str, ...]) -> list[Target]:
    known = {target.name: target for target in targets()}
    if unknown := set(only) - set(known):
        raise typer.BadParameter(f"no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [known[name] for name in only] or list(known.values())


def _run(chosen: list[Target], count: int, seed: int) -> int:
    began = time.monotonic()
    try:
        tallies = campaign(chosen, count, seed, lambda done: _progress(done, began))
    except FoundError as error:
        print(f"found: {error}", flush=True)
        return 1
    for name, tally in tallies.items():
        print(_line(name, tally))
    tried = sum(tally.tried for tally in tallies.values())
    took = time.monotonic() - began
    print(
        f"{tried:,} inputs in {took:.0f} s, {tried / took:,.0f} a second: no false accept, no crash"
    )
    return 0


def _line(name: str, tally: Tally) -> str:
    words = ", ".join(
        f"{word} {times:,}" for word, times in tally.outcomes.most_common() if word != ACCEPTED
    )
    return f"{name}: {tally.tried:,} tried, {tally.outcomes[ACCEPTED]:,} harmless; {words}"


def _progress(done: int, began: float) -> None:
    if sys.stderr.isatty():
        rate = done / (time.monotonic() - began)
        print(f"\r{done:,} inputs, {rate:,.0f} a second", end="\r", file=sys.stderr, flush=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    typer.run(main)
