"""Agencies as tables: CSV and JSON, for files that people and other systems exchange.

    code,old_code,name,tier,node,parent,mail,centre,valid_from,valid_to,successors,deleted

The first line names the columns; code, name, tier and node must be there. Codes are taken in any
form a document may write; successors are separated by spaces. JSON has the same members in objects,
in a list or under "agencies", beside "nodes" (id, tier, parent).

Touches: nothing. Trusts: nothing; what is read comes from a stranger's table.
Raises:  DirectoryError with a line for each row that cannot be read, a hundred at the most.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from relay.agencies import Agency, NodeEntry
from relay.envelope.codes import normalise
from relay.errors import DirectoryError, EnvelopeError
from relay.model import AgencyCode, NodeId, Tier
from relay.wire.values import NODE_ID, fit_detail

COLUMNS = (
    "code", "old_code", "name", "tier", "node", "parent", "mail", "centre",
    "valid_from", "valid_to", "successors", "deleted",
)  # fmt: skip
_KNOWN = frozenset(COLUMNS)
NEEDED = ("code", "name", "tier", "node")
MOST_PROBLEMS = 100
NAME_LIMIT = 200
SUCCESSOR_LIMIT = 64
_TIERS = {tier.value: tier for tier in Tier}
_TRUTH = {"": False, "0": False, "false": False, "1": True, "true": True}


@dataclass(frozen=True, slots=True)
class Listing:
    agencies: tuple[Agency, ...]
    nodes: tuple[NodeEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """As somebody handed it in."""

    kind: str
    """text/csv or application/json."""
    content: bytes


def read_table(table: Table) -> Listing:
    try:
        text = table.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DirectoryError(["the table is not UTF-8"]) from None
    return READERS[table.kind](text)


def read_csv(text: str) -> Listing:
    try:
        rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
        head = [name.strip().lower() for name in next(rows, [])]
        _require_columns(head)
        return Listing(tuple(_gathered(_csv_rows(rows, head))))
    except csv.Error as error:
        raise DirectoryError([f"not CSV: {error}"]) from None


def read_json(text: str) -> Listing:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise DirectoryError(["the file is not JSON"]) from None
    table = {"agencies": found} if isinstance(found, list) else found
    if not isinstance(table, dict) or not set(table) <= {"agencies", "nodes"}:
        raise DirectoryError(['a list of agencies, or an object with "agencies" and "nodes"'])
    agencies, nodes = table.get("agencies", []), table.get("nodes", [])
    if not isinstance(agencies, list) or not isinstance(nodes, list):
        raise DirectoryError(['"agencies" and "nodes" are lists'])
    return Listing(
        tuple(_gathered((f"agency {n}", row) for n, row in enumerate(agencies, 1))),
        tuple(_nodes(nodes)),
    )


READERS = {"text/csv": read_csv, "application/json": read_json}


def write_csv(agencies: Iterable[Agency]) -> Iterator[str]:
    """Line by line, with the line of the columns first."""
    yield _line(COLUMNS)
    for agency in agencies:
        row = row_of(agency)
        successors = " ".join(row["successors"])
        yield _line([successors if c == "successors" else _cell(row[c]) for c in COLUMNS])


def row_of(agency: Agency) -> dict[str, Any]:
    """As JSON has it; what is absent is null."""
    return {
        "code": agency.code,
        "old_code": agency.old_code,
        "name": agency.name,
        "tier": agency.tier.value,
        "node": agency.node,
        "parent": agency.parent,
        "mail": agency.mail,
        "centre": agency.centre,
        "valid_from": None if agency.valid_from is None else agency.valid_from.isoformat(),
        "valid_to": None if agency.valid_to is None else agency.valid_to.isoformat(),
        "successors": list(agency.successors),
        "deleted": agency.deleted,
    }


def agency_of(row: Mapping[str, Any]) -> Agency:
    """Raises ValueError that says what is wrong with which member."""
    code = _code(row, "code")
    if code is None:
        raise ValueError("code is missing")
    tier = _TIERS.get(_text(row, "tier", 20).lower())
    if tier is None:
        raise ValueError(f"tier must be one of: {', '.join(_TIERS)}")
    name = _text(row, "name", NAME_LIMIT)
    if not name:
        raise ValueError("name is missing")
    old_code = _code(row, "old_code")
    return Agency(
        code=code,
        name=name,
        tier=tier,
        node=_node(row, "node"),
        old_code=None if old_code == code else old_code,
        parent=_code(row, "parent"),
        mail=_text(row, "mail", NAME_LIMIT),
        centre=_text(row, "centre", 64),
        valid_from=_date(row, "valid_from"),
        valid_to=_date(row, "valid_to"),
        successors=_successors(row.get("successors")),
        deleted=_truth(row.get("deleted")),
    )


def _require_columns(head: Sequence[str]) -> None:
    problems = [f"unknown column {name[:40]!r}" for name in head if name not in COLUMNS]
    problems += [f"column {name} is missing" for name in NEEDED if name not in head]
    if len(set(head)) != len(head):
        problems.append("a column is named twice")
    if problems:
        raise DirectoryError(problems)


def _csv_rows(rows: Iterator[list[str]], head: list[str]) -> Iterator[tuple[str, object]]:
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        if len(row) != len(head):
            yield f"line {number}", f"{len(row)} cells, {len(head)} columns"
        else:
            yield (
                f"line {number}",
                {name: cell for name, cell in zip(head, row, strict=True) if cell},
            )


def _gathered(rows: Iterable[tuple[str, object]]) -> Iterator[Agency]:
    """Each row that can be read; at the end everything that is wrong with the others."""
    problems: list[str] = []
    seen: dict[AgencyCode, str] = {}
    for where, row in rows:
        try:
            if not isinstance(row, dict):
                raise ValueError(row if isinstance(row, str) else "not an object")
            if not row.keys() <= _KNOWN:
                unknown = next(name for name in row if name not in _KNOWN)
                raise ValueError(f"unknown member {unknown[:40]!r}")
            agency = agency_of(row)
            for form in agency.forms:
                before = seen.setdefault(form, where)
                if before != where:
                    raise ValueError(f"code {form} stands in {before} already")
        except ValueError as error:
            problems.append(f"{where}: {error}")
            if len(problems) >= MOST_PROBLEMS:
                break
        else:
            yield agency
    if problems:
        raise DirectoryError(problems)


def _nodes(rows: Sequence[object]) -> Iterator[NodeEntry]:
    problems = []
    for number, row in enumerate(rows, 1):
        try:
            if not isinstance(row, dict) or not set(row) <= {"id", "tier", "parent"}:
                raise ValueError("an object of id, tier and parent")
            tier = _TIERS.get(_text(row, "tier", 20).lower())
            if tier is None:
                raise ValueError(f"tier must be one of: {', '.join(_TIERS)}")
            parent = None if row.get("parent") in (None, "") else _node(row, "parent")
            yield NodeEntry(_node(row, "id"), tier, parent)
        except ValueError as error:
            problems.append(f"node {number}: {error}")
    if problems:
        raise DirectoryError(problems[:MOST_PROBLEMS])


def _text(row: Mapping[str, Any], name: str, limit: int) -> str:
    value = row.get(name)
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text")
    text = value.strip()
    if len(text) > limit:
        raise ValueError(f"{name} has {len(text)} characters, limit {limit}")
    if not text.isprintable() and fit_detail(text) != text:
        raise ValueError(f"{name} holds a control character")
    return text


def _code(row: Mapping[str, Any], name: str) -> AgencyCode | None:
    text = _text(row, name, 64)
    return None if not text else _normal(text, name)


def _normal(text: str, name: str) -> AgencyCode:
    try:
        return normalise(text)
    except EnvelopeError as error:
        raise ValueError(f"{name}: {error}") from None


def _node(row: Mapping[str, Any], name: str) -> NodeId:
    text = _text(row, name, 64)
    if NODE_ID.fullmatch(text) is None:
        raise ValueError(f"{name} must be a node's id")
    return NodeId(text)


def _date(row: Mapping[str, Any], name: str) -> date | None:
    text = _text(row, name, 20)
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:
        raise ValueError(f"{name} must be a day such as 2025-07-01")
    return found


def _successors(value: object) -> tuple[AgencyCode, ...]:
    texts = value.split() if isinstance(value, str) else value
    if texts is None:
        return ()
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("successors must be codes")
    if len(texts) > SUCCESSOR_LIMIT:
        raise ValueError(f"{len(texts)} successors, limit {SUCCESSOR_LIMIT}")
    return tuple(dict.fromkeys(_normal(text, "successors") for text in texts))


def _truth(value: object) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    found = _TRUTH.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise ValueError("deleted must be true or false")
    return found


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else ""
    return "" if value is None else str(value)


def _line(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()
