"""Starts one mutant: `python -m tests.conformance.mutants NAME CONFIG`."""

from __future__ import annotations

import sys
from pathlib import Path

from relay.cli.outcome import code_of, complain
from relay.errors import RelayError
from relay.node import process
from tests.conformance.mutants import every_mutant


def main(name: str, config: str) -> int:
    every_mutant()[name].break_it()
    try:
        process.serve(Path(config))
    except RelayError as error:
        complain(str(error))
        return code_of(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
