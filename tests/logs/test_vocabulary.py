"""The events of log lines: one list, one table, and a program that says nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from relay.lines import Line

ROOT = Path(__file__).parents[2]
LEVELS = frozenset({"debug", "info", "warning", "error", "critical", "exception", "log"})
WRITTEN_BY_THE_PIPELINE = {
    Line.AUDIT_ENTRY: ({"info"}, {"index", "entry"}),
    Line.LIBRARY_SAID: ({"warning", "error"}, {"said"}),
    Line.LINES_DROPPED: ({"warning"}, {"output", "count"}),
}


def calls() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted((ROOT / "relay").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and _is_level(node):
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                assert id(node) in called, f"{where}: a logger's method is called, not passed on"
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and _is_level(node.func)
            ):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def _is_level(node: ast.Attribute) -> bool:
    named = isinstance(node.value, ast.Name) and node.value.id in {"log", "_log"}
    return named and node.attr in LEVELS


def _said() -> dict[Line, tuple[set[str], set[str]]]:
    """Each event with the levels and the fields that the code has for it."""
    found: dict[Line, tuple[set[str], set[str]]] = {
        event: (set(levels), set(fields))
        for event, (levels, fields) in WRITTEN_BY_THE_PIPELINE.items()
    }
    for where, call in calls():
        assert isinstance(call.func, ast.Attribute)
        level, event = call.func.attr, call.args[0]
        levels = {"error"} if level == "exception" else {level}
        if level == "log":
            names = {n.attr.lower() for n in ast.walk(event) if isinstance(n, ast.Attribute)}
            levels, event = names & LEVELS, call.args[1]
        assert isinstance(event, ast.Attribute), f"{where}: the event is no word of Line"
        assert isinstance(event.value, ast.Name), where
        assert event.value.id == "Line", where
        row = found.setdefault(Line[event.attr], (set(), set()))
        row[0].update(levels)
        row[1].update(word.arg or "…" for word in call.keywords if word.arg != "exc_info")
    return found


def _table() -> dict[str, tuple[set[str], set[str], str]]:
    text = (ROOT / "docs/log-lines.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", text, re.MULTILINE)
    assert len({row[0] for row in rows}) == len(rows)
    return {
        event: (set(levels.split(", ")), set(fields.split()), advice.strip())
        for event, levels, fields, advice in rows
    }


def test_the_code_says_what_the_list_has_and_nothing_else() -> None:
    """A word that nobody says is a lie of the table's; one that is not listed cannot be looked up."""
    assert set(_said()) == set(Line)


def test_the_table_has_every_event_with_its_levels_fields_and_advice() -> None:
    """docs/log-lines.md is what an operator reads at night."""
    table = _table()
    assert {event: row[:2] for event, row in table.items()} == {
        event.value: row for event, row in _said().items()
    }
    assert [event for event, row in table.items() if not row[2]] == []


def test_words_fit_where_they_go() -> None:
    """In kebab case, and whole in a syslog MSGID (RFC 5424: 32 characters)."""
    assert [one for one in Line if not re.fullmatch(r"[a-z]+(-[a-z]+)*", one)] == []
    assert max(map(len, Line)) <= 32
