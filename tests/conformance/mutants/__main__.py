"""Starts one mutant: `python -m tests.conformance.mutants NAME CONFIG`, or runs a command of `relay` as one:
`python -m tests.conformance.mutants NAME evidence verify --lines FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

from relay.cli.main import app
from relay.cli.outcome import code_of, complain
from relay.errors import RelayError
from relay.node import process
from tests.conformance.mutants import every_mutant


def main(name: str, *arguments: str) -> int:
    every_mutant()[name].break_it()
    if len(arguments) > 1:
        app(arguments)
    try:
        process.serve(Path(arguments[0]))
    except RelayError as error:
        complain(str(error))
        return code_of(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
