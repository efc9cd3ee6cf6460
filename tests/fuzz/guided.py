"""Coverage-guided fuzzing with atheris, which is not among the project's dependencies: `pip install atheris`.

    python -m tests.fuzz --guided --seconds 300

Each target is a process of its own, since libFuzzer ends the one it runs in. It begins with the vectors; what
it learns and what it finds is kept under build/fuzz/TARGET, `crash-…` being an input that did what none may.

Touches: build/fuzz, child processes. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fuzz.mutator import Mutator
from tests.fuzz.spoiling import spoilt

FOLDER = Path("build/fuzz")
TARGETS = ("envelope", "verifier")
LONGEST_BYTES = 20_000
VECTORS = Path(__file__).parents[1] / "vectors"


def run_all(seconds: int) -> int:
    """Each target for so long; the exit code is 0 if nothing was found."""
    if importlib.util.find_spec("atheris") is None:
        print("needs atheris: pip install atheris", file=sys.stderr)
        return 69
    return max(_run(target, seconds) for target in TARGETS)


def _run(target: str, seconds: int) -> int:
    folder = FOLDER / target
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.guided",
        target,
        str(folder),
        *map(str, _seeds(target)),
    ]
    limits = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST_BYTES}",
        f"-artifact_prefix={folder}/",
    ]
    before = set(folder.glob("crash-*"))
    done = subprocess.run([*command, *limits, "-print_final_stats=1"], check=False)
    found = sorted(str(path) for path in set(folder.glob("crash-*")) - before)
    print(f"{target}: {seconds} s, found {', '.join(found) or 'nothing'}")
    return 1 if done.returncode or found else 0


def _seeds(target: str) -> list[Path]:
    if target == "envelope":
        return [VECTORS / "envelope" / "accepted", VECTORS / "envelope" / "refused"]
    return [VECTORS / "signing" / "accepted", VECTORS / "signing" / "refused"]


def _envelope() -> Callable[[bytes], None]:
    """Any bytes are an envelope of that size, or an EnvelopeError."""
    from relay.envelope.reader import read
    from relay.errors import EnvelopeError

    def one_input(content: bytes) -> None:
        try:
            found = read(content)
        except EnvelopeError:
            return
        if found.size_bytes != len(content):
            raise AssertionError("a size of other bytes")

    return one_input


def _verifier() -> Callable[[bytes], None]:
    """Any bytes prove what was signed of the usual document, or end in one of the tree's errors."""
    from relay.errors import RelayError
    from tests.fuzz.originals import Originals

    originals = Originals()
    document = originals.of("seal")[0].document
    judge = originals.entries["seal"]

    def one_input(content: bytes) -> None:
        try:
            proven = judge(content, document)
        except RelayError:
            return
        originals.require_right("seal", document, proven)

    return one_input


def _child(target: str, arguments: list[str]) -> None:
    import atheris

    fuzzer: Any = atheris
    with fuzzer.instrument_imports(include=["relay"]):
        one_input = {"envelope": _envelope, "verifier": _verifier}[target]()

    def mutated(content: bytes, most_bytes: int, seed: int) -> bytes:
        """By libFuzzer's own means half of the time, which know nothing of XML."""
        if seed % 2:
            return bytes(fuzzer.Mutate(content, most_bytes))
        mutator = Mutator(seed)
        return spoilt(mutator, content, mutator.random.choice(others))[:most_bytes]

    others = [path.read_bytes() for path in sorted(_seeds(target)[0].iterdir())]
    fuzzer.Setup([sys.argv[0], *arguments], one_input, custom_mutator=mutated)
    fuzzer.Fuzz()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    _child(sys.argv[1], sys.argv[2:])
