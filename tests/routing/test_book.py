"""A directory's book: packed, and found in it is exactly what was put into it."""

from __future__ import annotations

import gc
import pickle
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.agencies import Agency, NodeEntry, Stamp
from relay.envelope.codes import normalise, parse
from relay.errors import EnvelopeError, SettingsError
from relay.model import AgencyCode, NodeId, Tier
from relay.routing.book import bind, rows_of
from relay.routing.directory import Directory
from relay.routing.lines import BLOCK, lines_of
from relay.routing.stored import essence_of, stored_agency, stored_text

N, C = NodeId, AgencyCode
NODES = (NodeEntry(N("tw"), Tier.CENTRAL), NodeEntry(N("xa"), Tier.COMMUNE, N("tw")))
AT = datetime(2026, 11, 23, tzinfo=UTC)


def _many(count: int) -> list[Agency]:
    return [
        Agency(
            C(f"H01.{n}"), f"Xã số {n}", Tier.COMMUNE, N("xa"), C(f"{n % 1000:03d}.{n // 1000:02d}.01.H01")
        )
        for n in range(1, count + 1)
    ]  # fmt: skip


@given(st.lists(st.from_regex(r"[A-C][0-9.]{0,3}", fullmatch=True), unique=True, max_size=150))
def test_every_line_is_found_by_its_key_and_nothing_else_is(keys: list[str]) -> None:
    """Whatever block it stands in, and at its place."""
    ordered = sorted(keys)
    lines = lines_of((key, f"{key}\tof {key}") for key in ordered)
    for place, key in enumerate(ordered):
        position = lines.find(key, f"{key}\t".encode())
        assert lines.line(position) == f"{key}\tof {key}"
        assert lines.number(key, position) == place
        assert lines.at(place) == lines.line(position)
    for other in ("", "A", "B1", "C999", "D", "of A"):
        assert (lines.find(other, f"{other}\t".encode()) >= 0) == (other in keys)
    for first in {0, 1, BLOCK - 1, BLOCK, len(ordered)}:
        assert [line.decode()[:4].split("\t")[0] for line in lines.walk(first)] == ordered[first:]


def test_a_book_says_of_thousands_what_a_table_of_objects_would() -> None:
    """By both forms, in pages, with stamps, as deltas."""
    agencies = _many(2000)
    stamps = {one.code: Stamp(n, 1 + n % 7, AT) for n, one in enumerate(agencies, 1)}
    directory = Directory(NODES, agencies, stamps)
    for one in agencies:
        assert directory.find(one.code) == directory.find(one.old_code or "") == one
        assert directory.stamp(one.code) == stamps[one.code]
    in_order = sorted(agencies, key=lambda one: one.code)
    assert list(directory.walk()) == [(one, stamps[one.code]) for one in in_order]
    for start in (0, 31, 32, 1999):
        after = in_order[start].code
        assert directory.page(after, 40) == in_order[start + 1 : start + 41]
    assert directory.page("", 1) == in_order[:1]
    changed = [(stamps[one.code].version, one.code) for one in agencies]
    assert [one.code for one, _ in directory.walk(5)] == [
        code for version, code in sorted(changed) if version > 5
    ]
    assert directory.served_by(N("xa")) == {one.code for one in agencies}


def test_a_book_goes_through_a_file_unchanged() -> None:
    """It is made in one process and read in another."""
    book = bind(NODES, rows_of(_many(100), {C("H01.7"): Stamp(1, 2, AT)}))
    assert pickle.loads(pickle.dumps(book, protocol=5)) == book


def test_ten_thousand_agencies_are_no_objects_to_walk_through() -> None:
    """The collector would stop a node for what it finds in as many records."""
    agencies = _many(10_000)
    directory = Directory(NODES, agencies)
    del agencies
    gc.collect()
    before = len(gc.get_objects())
    packed = len(directory.book.records.text) + len(directory.book.aliases.text)
    del directory
    gc.collect()
    assert before - len(gc.get_objects()) < 100
    assert packed < 10_000 * 150


def test_a_tombstone_stays_though_its_node_left_the_tree() -> None:
    """A branch without the node it had could not be told to anybody else, and nothing after it."""
    gone = replace(_many(1)[0], node=N("gone"))
    with pytest.raises(SettingsError, match="unknown node gone"):
        Directory(NODES, [gone])
    assert Directory(NODES, [replace(gone, deleted=True)]).find(gone.code) is not None


def test_who_took_over_from_whom_is_known_by_either_form() -> None:
    """A split has two successors, a merger two predecessors, in the order of their codes."""
    old, new = _many(2), Agency(C("H02"), "Mới", Tier.PROVINCE, N("xa"), C("000.00.00.H02"))
    directory = Directory(
        NODES, [new, replace(old[0], successors=(C("H02"),)),
                replace(old[1], successors=(C("000.00.00.H02"), C("H09")))],
    )  # fmt: skip
    assert directory.predecessors(new) == ("H01.1", "H01.2")


@given(st.text(alphabet="0123456789.HWVXPAZ ahw", max_size=36))
def test_a_canonical_code_told_at_a_glance_is_what_parsing_it_gives(text: str) -> None:
    """And what is none is refused either way."""
    try:
        expected: str | None = parse(text).text
    except EnvelopeError:
        expected = None
    if expected is None:
        with pytest.raises(EnvelopeError):
            normalise(text)
    else:
        assert normalise(text) == expected


@given(st.text(max_size=60))
def test_hostile_codes_find_nothing(text: str) -> None:
    """Not even those that look like a piece of a record."""
    directory = Directory(NODES, _many(40))
    found = directory.find(text)
    assert found is None or normalise(text) in found.forms


def test_an_essence_says_what_its_record_says() -> None:
    one = replace(_many(1)[0], successors=(C("H02"),), valid_to=AT.date(), deleted=True)
    essence = essence_of(stored_text(one))
    assert (essence.code, essence.old_code, essence.node) == (one.code, one.old_code, one.node)
    assert (essence.closes, essence.successors, essence.deleted) == ("2026-11-23", ["H02"], True)
    assert stored_agency(stored_text(one)) == one
