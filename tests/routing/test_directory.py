"""The directory: who stands for a code on a day, layers over each other, tables in and out."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.agencies import Agency, NodeEntry, Stamp, Standing
from relay.errors import DirectoryError, SettingsError
from relay.model import AgencyCode, Digest, NodeId, Reason, Tier
from relay.routing.composing import Layer, compose
from relay.routing.directory import Directory
from relay.routing.listing import (
    read_csv,
    read_json,
    write_csv,
)
from relay.routing.next_hop import Here, NoRoute, Place, Via, next_hop
from relay.routing.rows import COLUMNS
from relay.routing.stored import stored_agency, stored_text

N, C = NodeId, AgencyCode
NODES = (
    NodeEntry(N("tw"), Tier.CENTRAL),
    NodeEntry(N("tinh"), Tier.PROVINCE, N("tw")),
    NodeEntry(N("xa"), Tier.COMMUNE, N("tinh")),
    NodeEntry(N("xb"), Tier.COMMUNE, N("tinh")),
)
CLOSING = date(2025, 7, 1)
DISTRICT = Agency(
    C("H01.15"), "Huyện", Tier.DISTRICT, N("tinh"), C("000.00.15.H01"),
    valid_to=CLOSING, successors=(C("H01.151"),),
)  # fmt: skip
COMMUNE = Agency(C("H01.151"), "Xã", Tier.COMMUNE, N("xa"), valid_from=CLOSING)
PROVINCE = Agency(C("H01"), "Tỉnh", Tier.PROVINCE, N("tinh"), C("000.00.00.H01"))


def _place(on: date, *, forwards: bool = False) -> Place:
    linked = frozenset({N("tw"), N("xa")})
    return Place(N("tinh"), N("tw"), linked, forwards=forwards, today=lambda: on)


@pytest.mark.parametrize(
    ("on", "standing"),
    [
        (date(2025, 6, 30), Standing.OPEN),
        (date(2025, 7, 1), Standing.CLOSED),
        (date(2030, 1, 1), Standing.CLOSED),
    ],
)
def test_the_day_of_closing_is_the_first_closed_one(on: date, standing: Standing) -> None:
    """A district abolished on 1 July took documents on 30 June."""
    assert DISTRICT.standing(on) is standing


def test_a_closed_code_names_its_successor_and_a_coming_one_its_predecessor() -> None:
    """On the day before, the old code holds; from that day on, the new one."""
    directory = Directory(NODES, [PROVINCE, DISTRICT, COMMUNE])
    before, after = _place(date(2025, 6, 30)), _place(CLOSING)
    assert next_hop(directory, before, C("H01.15")) == Here()
    coming = next_hop(directory, before, C("H01.151"))
    assert isinstance(coming, NoRoute)
    assert coming.detail == "H01.151 opens on 2025-07-01, until then H01.15"
    closed = next_hop(directory, after, C("000.00.15.H01"))
    assert isinstance(closed, NoRoute)
    assert closed.reason is Reason.CLOSED_RECIPIENT
    assert closed.detail == "000.00.15.H01 is closed since 2025-07-01, successor H01.151"
    assert next_hop(directory, after, C("H01.151")) == Via(N("xa"))


def test_forwarding_follows_a_chain_and_stops_where_there_is_a_choice() -> None:
    """A merger of a merger has an heir; a split has none, and names all."""
    heir = Agency(C("H02"), "Tỉnh khác", Tier.PROVINCE, N("xa"))
    middle = replace(COMMUNE, valid_from=None, valid_to=CLOSING, successors=(C("H02"),))
    directory = Directory(NODES, [DISTRICT, middle, heir])
    assert next_hop(directory, _place(CLOSING, forwards=True), C("H01.15")) == Via(N("xa"))
    split = replace(DISTRICT, successors=(C("H01.151"), C("H02")))
    directory = Directory(NODES, [split, replace(middle, valid_to=None, successors=()), heir])
    hop = next_hop(directory, _place(CLOSING, forwards=True), C("H01.15"))
    assert isinstance(hop, NoRoute)
    assert hop.detail.endswith("successors H01.151, H02")


def test_successors_in_a_circle_end() -> None:
    """Nobody stands for anybody then."""
    one = replace(DISTRICT, successors=(C("H01.151"),))
    two = replace(COMMUNE, valid_from=None, valid_to=CLOSING, successors=(C("H01.15"),))
    directory = Directory(NODES, [one, two])
    assert directory.heir(one, CLOSING) is None
    assert directory.servers_of(one) == {"tinh", "xa"}


def test_a_walk_goes_on_in_what_it_began_with() -> None:
    """A list of a hundred thousand is not half of one directory and half of the next."""
    directory = Directory(NODES, [PROVINCE, DISTRICT])
    walk = directory.walk()
    first = next(walk)
    directory.become(Directory(NODES, [COMMUNE]).book)
    assert [first[0].code, *(agency.code for agency, _ in walk)] == ["H01", "H01.15"]
    assert [agency.code for agency, _ in directory.walk()] == ["H01.151"]


def test_a_delta_begins_behind_its_version() -> None:
    """In the order of changes."""
    at = datetime(2026, 11, 23, tzinfo=UTC)
    stamps = {
        C("H01"): Stamp(1, 3, at),
        C("H01.15"): Stamp(2, 1, at),
        C("H01.151"): Stamp(3, 2, at),
    }
    directory = Directory(NODES, [PROVINCE, DISTRICT, COMMUNE], stamps)
    assert directory.version == 3
    assert [a.code for a, _ in directory.walk(1)] == ["H01.151", "H01"]
    assert [a.code for a, _ in directory.walk(3)] == []


@pytest.mark.parametrize(
    ("agency", "problem"),
    [
        (replace(DISTRICT, successors=(C("000.00.15.H01"),)), "its own successor"),
        (replace(DISTRICT, valid_from=CLOSING), "opens on"),
        (replace(DISTRICT, node=N("nowhere")), "unknown node nowhere"),
        (replace(DISTRICT, old_code=C("H01")), "names two agencies"),
    ],
)
def test_contradictions_stop_the_start(agency: Agency, problem: str) -> None:
    """Each in a sentence."""
    with pytest.raises(SettingsError, match=problem):
        Directory(NODES, [PROVINCE, agency])


def test_layers_hold_from_the_deepest_to_the_top() -> None:
    """The commune's word over the configuration's, the province's over the commune's."""
    seed = Layer(None, NODES, (PROVINCE, DISTRICT, replace(COMMUNE, valid_from=None)))
    xa = Layer(N("xa"), (), (replace(COMMUNE, name="Xã nói"), replace(DISTRICT, name="Cướp")))
    tinh = Layer(N("tinh"), (), (replace(COMMUNE, name="Tỉnh nói"),))
    found = compose(N("tw"), seed, (), [xa])
    assert found.agencies[C("H01.151")].name == "Xã nói"
    assert found.agencies[C("H01.15")].name == "Huyện"
    assert found.remarks == ("xa cannot speak for H01.15, served by tinh",)
    for layers in ([xa, tinh], [tinh, xa]):
        assert compose(N("tw"), seed, (), layers).agencies[C("H01.151")].name == "Tỉnh nói"


def test_a_new_form_takes_the_place_of_the_old_one() -> None:
    """An agency that was known by its old code only is not there twice."""
    old = Agency(C("000.00.12.H01"), "Sở", Tier.PROVINCE, N("tinh"))
    new = replace(old, code=C("H01.12"), old_code=C("000.00.12.H01"))
    found = compose(N("tinh"), Layer(None, NODES, (old,)), (), [Layer(N("tinh"), (), (new,))])
    assert found.agencies == {C("H01.12"): new}


def test_the_tombstone_of_a_code_that_is_another_form_now_is_listed_and_never_found() -> None:
    """A client that knew the agency by its old code learns of that code's end; documents reach the new one."""
    tomb = Agency(C("000.00.12.H01"), "Sở", Tier.PROVINCE, N("tinh"), deleted=True)
    living = replace(tomb, code=C("H01.12"), old_code=C("000.00.12.H01"), deleted=False)
    directory = Directory(NODES, [tomb, living])
    assert directory.find("000.00.12.H01") == living
    assert [agency for agency, _ in directory.walk()] == [tomb, living]
    assert directory.served_by(N("tinh")) == {"H01.12"}


def test_a_node_cannot_be_moved_by_those_below_it() -> None:
    """Nor this node's own place by anybody: its links are its configuration's."""
    seed = Layer(None, NODES, ())
    theft = Layer(N("xa"), (NodeEntry(N("xb"), Tier.COMMUNE, N("xa")),), ())
    own = Layer(N("tw"), (NodeEntry(N("tinh"), Tier.PROVINCE, N("xa")),), ())
    found = compose(N("tinh"), seed, (), [theft, own])
    assert found.nodes[N("xb")].parent == "tinh"
    assert found.nodes[N("tinh")].parent == "tw"


CODES = st.from_regex(r"[A-K][0-9]{2}(\.[A-Z0-9]{1,4}){0,4}", fullmatch=True).map(AgencyCode)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex).map(Digest)
WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cf", "Zl", "Zp", "Cn", "Co")),
    min_size=1,
    max_size=30,
).filter(lambda text: text.strip() == text)
AGENCIES = st.builds(
    Agency,
    code=CODES,
    name=WORDS,
    tier=st.sampled_from(Tier),
    node=st.just(N("tinh")),
    mail=st.just("") | WORDS,
    valid_to=st.none() | st.dates(date(1990, 1, 1), date(2090, 1, 1)),
    successors=st.lists(CODES, max_size=3, unique=True).map(tuple),
    certificates=st.lists(DIGESTS, max_size=2, unique=True).map(tuple),
    deleted=st.booleans(),
)


@given(st.lists(AGENCIES, max_size=5, unique_by=lambda a: a.code))
def test_csv_and_the_journals_text_give_back_what_they_were_given(agencies: list[Agency]) -> None:
    """Names with commas, quotes and any letter."""
    assert list(read_csv("".join(write_csv(agencies))).agencies) == agencies
    assert [stored_agency(stored_text(one)) for one in agencies] == agencies
    for text in map(
        stored_text, agencies
    ):  # as earlier versions wrote it, or all would seem changed
        assert text == json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))


def test_a_record_without_certificates_has_the_text_it_always_had() -> None:
    """Or the ledger would take every agency for changed when a node is upgraded."""
    assert stored_text(DISTRICT).endswith(",false]")
    bound = replace(DISTRICT, certificates=(Digest("0" * 64),))
    assert stored_text(bound) != stored_text(DISTRICT)


@given(st.text(max_size=200))
def test_any_text_is_a_table_or_an_error_with_problems(text: str) -> None:
    """And never anything else."""
    for reader in (read_csv, read_json):
        found: DirectoryError | None = None
        try:
            reader(text)
        except DirectoryError as error:
            found = error
        assert found is None or found.problems


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("H01,,Tỉnh,kingdom,tinh", "tier must be one of"),
        ("H0!,,Tỉnh,province,tinh", "not an agency code"),
        (",,Tỉnh,province,tinh", "code is missing"),
        ("H01,,,province,tinh", "name is missing"),
        ("H01,,Tỉnh,province,", "node must be a node's id"),
        ("H01,,Tỉnh,province,tinh,x", "6 cells, 5 columns"),
        ("H01,,T\u202eỉnh,province,tinh", "control character"),
        ("G22,,Bộ,central,tw\nG22,,Bộ,central,tw", "code G22 stands in line 2 already"),
    ],
)
def test_each_bad_line_is_named(line: str, problem: str) -> None:
    """By its number, with what is wrong."""
    with pytest.raises(DirectoryError, match=problem):
        read_csv("code,old_code,name,tier,node\n" + line)


def test_unknown_columns_are_not_ignored() -> None:
    """A misspelt one would lose what it was to say."""
    with pytest.raises(DirectoryError, match="unknown column 'valid_til'"):
        read_csv("code,name,tier,node,valid_til\n")
    assert read_csv(",".join(COLUMNS) + "\n").agencies == ()
