"""The directory of a branch on the wire: one form only, and everything comes back as it was."""

from __future__ import annotations

import string
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.agencies import Agency, NodeEntry
from relay.errors import WireError
from relay.model import AgencyCode, Digest, NodeId, Tier
from relay.wire.branch import Branch, read_branch, write_branch

AT = datetime(2026, 11, 23, 4, 5, 6, 123000, tzinfo=UTC)
CODES = st.from_regex(r"[A-K][0-9]{2}(\.[A-Z0-9]{1,4}){0,4}", fullmatch=True).map(AgencyCode)
NODES = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12).map(NodeId)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex).map(Digest)
WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cf", "Zl", "Zp", "Cn", "Co")),
    min_size=1,
    max_size=40,
)
DAYS = st.none() | st.dates(date(1990, 1, 1), date(2090, 1, 1))
AGENCIES = st.builds(
    Agency,
    code=CODES,
    name=WORDS,
    tier=st.sampled_from(Tier),
    node=NODES,
    old_code=st.none() | st.just(AgencyCode("000.00.12.H53")),
    parent=st.none() | CODES,
    mail=st.just("") | WORDS,
    centre=st.just("") | WORDS,
    valid_from=DAYS,
    valid_to=DAYS,
    successors=st.lists(CODES, max_size=3).map(tuple),
    certificates=st.lists(DIGESTS, max_size=2).map(tuple),
    deleted=st.booleans(),
)
BRANCHES = st.builds(
    Branch,
    issuer=NODES,
    version=st.integers(0, 10**15),
    issued_at=st.just(AT),
    expires_at=st.just(AT),
    nodes=st.lists(
        st.builds(NodeEntry, NODES, st.sampled_from(Tier), NODES), unique_by=lambda n: n.node_id
    ).map(lambda found: tuple(sorted(found, key=lambda n: n.node_id))),
    agencies=st.lists(AGENCIES, max_size=5, unique_by=lambda a: a.code).map(
        lambda found: tuple(sorted(found, key=lambda a: a.code))
    ),
)
ONE = Branch(
    NodeId("tinh"),
    7,
    AT,
    AT,
    (NodeEntry(NodeId("xa"), Tier.COMMUNE, NodeId("tinh")),),
    (
        Agency(AgencyCode("H01"), "A & <B>", Tier.PROVINCE, NodeId("tinh")),
        Agency(AgencyCode("H01.15"), "Huyện", Tier.DISTRICT, NodeId("xa"),
               valid_to=date(2025, 7, 1), successors=(AgencyCode("H01.151"),)),
    ),
)  # fmt: skip
TEXT = write_branch(ONE)


@given(BRANCHES)
def test_what_was_written_is_read_back_equal(branch: Branch) -> None:
    """Names with any letters, all dates, any number of successors."""
    content = write_branch(branch)
    assert read_branch(content) == branch
    assert write_branch(read_branch(content)) == content


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 255))
def test_any_changed_byte_is_refused_or_another_branch(position: int, byte: int) -> None:
    """No two texts say the same."""
    changed = TEXT[:position] + bytes([byte]) + TEXT[position + 1 :]
    try:
        found = read_branch(changed)
    except WireError:
        return
    assert (found == ONE) == (changed == TEXT)
    assert write_branch(found) == changed


@given(st.binary(max_size=300))
def test_any_bytes_are_a_branch_or_an_error(content: bytes) -> None:
    """And never anything else."""
    with pytest.raises(WireError):
        read_branch(content)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"<Directory ", b'<?xml version="1.0"?><Directory '),
        (b"<Nodes>", b"<Nodes> "),
        (b"</Directory>", b"</Directory>\n"),
        (b"<Version>7<", b"<Version>07<"),
        (b"<Tier>province<", b"<Tier>kingdom<"),
        (b"<Name>A &amp; ", b"<Name>A &#38; "),
        (b"<ValidTo>2025-07-01<", b"<ValidTo>2025-02-30<"),
        (b"<Code>H01<", b"<Code>H01.16<"),
        (b"<Code>H01.15<", b"<Code>H01<"),
        (b"<Parent>tinh</Parent></Node>", b"</Node>"),
        (b"</Successor>", b"</Successor><Deleted>false</Deleted>"),
        (b"<Name>Huy", b"<Name>\xe2\x80\xaeHuy"),
        (b"<Name>Huy", b"<Name>\xffHuy"),
    ],
)
def test_other_forms_are_refused(before: bytes, after: bytes) -> None:
    """Out of order, twice, with white space, escaped otherwise, with days that are none."""
    assert before in TEXT
    with pytest.raises(WireError):
        read_branch(TEXT.replace(before, after, 1))
