"""Agencies as tables: CSV and JSON, for files that people and other systems exchange.

    code,old_code,name,tier,node,parent,mail,centre,valid_from,valid_to,successors,deleted,certificates

The first line names the columns; code, name, tier and node must be there. Codes are taken in any
form a document may write; successors and certificates (SHA-256) are separated by spaces. JSON has the same members in objects,
in a list or under "agencies", beside "nodes" (id, tier, parent).

Touches: nothing. Trusts: nothing; what is read comes from a stranger's table.
Raises:  DirectoryError with a line for each row that cannot be read, a hundred at the most.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from relay.agencies import Agency, NodeEntry
from relay.errors import DirectoryError
from relay.model import AgencyCode
from relay.routing.rows import COLUMNS, KNOWN, NEEDED, agency_of, node_of, row_of

MOST_PROBLEMS = 100


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
        yield _line([_cell(row[column]) for column in COLUMNS])


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
            if not row.keys() <= KNOWN:
                unknown = next(name for name in row if name not in KNOWN)
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
            if not isinstance(row, dict):
                raise ValueError("an object of id, tier and parent")
            yield node_of(row)
        except ValueError as error:
            problems.append(f"node {number}: {error}")
    if problems:
        raise DirectoryError(problems[:MOST_PROBLEMS])


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else ""
    if isinstance(value, list):
        return " ".join(value)
    return "" if value is None else str(value)


def _line(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()
