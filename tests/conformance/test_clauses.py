"""The wire format, the assertions, the mutants and docs/conformance.md say the same."""

from __future__ import annotations

import re
from pathlib import Path

from relay.conformance.clauses import CHAPTERS, every_assertion
from tests.conformance.mutants import MUTANTS, every_mutant

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_CLAUSE = re.compile(r"^- \*\*([A-Z][0-9]+\.[0-9]+)\*\*", re.MULTILINE)
_CITED = re.compile(r"\b([AEW][0-9]+\.[0-9]+)\b")
_ROW = re.compile(r"^\| ([A-Z][0-9]+\.[0-9]+) \| .+ \|$", re.MULTILINE)
_MUTANT = re.compile(r"^\| `([a-z0-9-]+)` \| (.+) \| (.+) \|$", re.MULTILINE)


def clauses() -> dict[str, str]:
    """The text of each, by its number."""
    found: dict[str, str] = {}
    for name in ("wire-format.md",):
        parts = _CLAUSE.split((DOCS / name).read_text(encoding="utf-8"))[1:]
        found |= dict(zip(parts[::2], parts[1::2], strict=True))
    return found


def unjudged() -> set[str]:
    text = (DOCS / "conformance.md").read_text(encoding="utf-8")
    return set(_ROW.findall(text.partition("## What is not judged")[2]))


def cited_by_the_product() -> set[str]:
    """The clauses that the code names where it holds them; the kit names them all."""
    kit = ROOT / "relay" / "conformance"
    files = [one for one in (ROOT / "relay").rglob("*.py") if not one.is_relative_to(kit)]
    return {name for one in files for name in _CITED.findall(one.read_text(encoding="utf-8"))}


def test_the_code_cites_every_must_where_it_holds_it() -> None:
    demanded = {number for number, text in clauses().items() if "MUST" in text}
    assert demanded - cited_by_the_product() == set()


def test_the_code_cites_no_clause_that_there_is_not() -> None:
    """As profiles of certificates have clauses of their own, only what is named as one of the wire's counts."""
    assert cited_by_the_product() <= clauses().keys()


def test_every_must_has_an_assertion_or_a_reason() -> None:
    demanded = {number for number, text in clauses().items() if "MUST" in text}
    asserted = {str(one.clause) for one in every_assertion()}
    assert demanded - asserted == unjudged() & demanded


def test_what_is_said_not_to_be_judged_is_not() -> None:
    assert unjudged().isdisjoint({str(one.clause) for one in every_assertion()})
    assert unjudged() <= clauses().keys()


def test_every_assertion_is_of_a_clause_that_there_is() -> None:
    assert {str(one.clause) for one in every_assertion()} <= clauses().keys()


def test_chapters_are_headed_as_in_the_wire_format() -> None:
    text = (DOCS / "wire-format.md").read_text(encoding="utf-8")
    assert re.findall(r"^## ([A-Z][0-9]+) (.+)$", text, re.MULTILINE) == list(CHAPTERS.items())


def test_names_are_told_apart() -> None:
    names = [one.full_name for one in every_assertion()]
    assert len(names) == len(set(names))


def test_every_assertion_convicts_a_mutant() -> None:
    every_mutant()
    convicting = {name for one in MUTANTS.values() for name in one.convicted_by}
    assert {one.full_name for one in every_assertion()} - convicting == set()


def test_the_table_of_mutants_is_that_of_the_mutants() -> None:
    every_mutant()
    text = (DOCS / "conformance.md").read_text(encoding="utf-8")
    told = {name: (fault, by) for name, fault, by in _MUTANT.findall(text)}
    assert told == {one.name: (one.fault, ", ".join(one.convicted_by)) for one in MUTANTS.values()}
