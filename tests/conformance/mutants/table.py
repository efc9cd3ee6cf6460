"""The table of docs/conformance.md, as it must be: `python -m tests.conformance.mutants.table` writes it anew."""

from __future__ import annotations

from pathlib import Path

from tests.conformance.mutants import every_mutant

PAGE = Path(__file__).parents[3] / "docs" / "conformance.md"
HEAD = "| mutant | what it does wrong | convicted by |\n|---|---|---|\n"


def rows() -> str:
    return "".join(
        f"| `{one.name}` | {one.fault} | {', '.join(one.convicted_by)} |\n"
        for one in sorted(every_mutant().values(), key=lambda one: one.name)
    )


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    before, _, after = text.partition(HEAD)
    rest = after[after.index("\n\n") :] if not after.startswith("\n") else after
    PAGE.write_text(f"{before}{HEAD}{rows()}{rest.removeprefix(chr(10))}", encoding="utf-8")
