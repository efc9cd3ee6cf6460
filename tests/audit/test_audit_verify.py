"""A whole log against its head: what holds, and which entry is named when it does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from relay.audit.checkpoint import note_body, origin_of, sign_note
from relay.audit.diary import FINDINGS_LIMIT
from relay.audit.entries import AuditEvent, entry
from relay.audit.tree import Frontier, leaf_hash
from relay.audit.verify import KeptHead, LogKey, Row, verify_log
from relay.errors import AuditError
from relay.model import NodeId

NODE = NodeId("tinh-h01")
ORIGIN = origin_of(NODE)
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
KEY = LogKey(ORIGIN, PUBLIC, PRIVATE.public_key().verify)
START = datetime(2026, 11, 23, 4, 53, tzinfo=UTC)


def at(seconds: int) -> bytes:
    return entry(
        AuditEvent.MESSAGE_ACCEPTED, START + timedelta(seconds=seconds), NODE, attempts=seconds
    ).leaf


LEAVES = [at(seconds) for seconds in range(20)]


def rows_of(leaves: list[bytes], *, stored: bool = True) -> list[Row]:
    return [(i, leaf, leaf_hash(leaf) if stored else None) for i, leaf in enumerate(leaves)]


def head_of(leaves: list[bytes]) -> bytes:
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf_hash(leaf))
    return sign_note(
        note_body(ORIGIN, frontier.size, frontier.root()), ORIGIN, PUBLIC, PRIVATE.sign
    )


HEAD = head_of(LEAVES)


@pytest.mark.parametrize("size", [0, 1, 2, 19, 20])
@pytest.mark.parametrize("stored", [True, False])
def test_an_untouched_log_holds(size: int, stored: bool) -> None:
    """The verdict says how much was proven and over which time."""
    verdict = verify_log(rows_of(LEAVES[:size], stored=stored), head_of(LEAVES[:size]), KEY)

    assert verdict.checkpoint.size == size
    assert verdict.first_at == (START if size else None)
    assert verdict.last_at == (START + timedelta(seconds=size - 1) if size else None)
    assert verdict.findings == ()


@given(st.integers(0, 19), st.data())
def test_any_edited_row_is_named(index: int, data: st.DataObject) -> None:
    """Whatever bytes stand there now, the row whose leaf hash no longer fits is the one named."""
    rows = rows_of(LEAVES)
    other = data.draw(st.binary(max_size=80) | st.sampled_from(LEAVES))
    rows[index] = (index, other, rows[index][2])
    if other == LEAVES[index]:
        return
    with pytest.raises(AuditError, match=f"^entry {index}: the row was edited") as refused:
        verify_log(rows, HEAD, KEY)

    assert refused.value.index == index


def test_an_edit_that_also_mends_its_leaf_hash_breaks_the_root() -> None:
    """An editor with the whole database cannot sign a head."""
    edited = [*LEAVES[:7], at(99), *LEAVES[8:]]
    with pytest.raises(AuditError, match="first 20 entries do not give the root"):
        verify_log(rows_of(edited), HEAD, KEY)


def test_kept_heads_narrow_down_a_mended_edit() -> None:
    """With the head after each batch, the batch is known."""
    edited = [*LEAVES[:7], at(99), *LEAVES[8:]]
    kept = [KeptHead(head_of(LEAVES[:size])) for size in (12, 4, 8)]

    assert verify_log(rows_of(LEAVES), HEAD, KEY, kept_heads=kept).heads_checked == 4
    with pytest.raises(AuditError, match="first 8 entries"):
        verify_log(rows_of(edited), HEAD, KEY, kept_heads=kept)


def test_a_log_rewritten_with_its_key_does_not_fit_a_head_someone_kept() -> None:
    """Even the node itself cannot change what an inspector holds a head of."""
    edited = [*LEAVES[:7], at(99), *LEAVES[8:]]
    verify_log(rows_of(edited), head_of(edited), KEY)
    with pytest.raises(AuditError, match="do not give the root"):
        verify_log(rows_of(edited), head_of(edited), KEY, kept_heads=[KeptHead(HEAD)])


def test_a_log_that_was_cut_back_is_noticed() -> None:
    """A shorter log with a valid head does not fit a longer kept head."""
    with pytest.raises(AuditError, match="kept head covers 20 entries, the log's head 12"):
        verify_log(rows_of(LEAVES[:12]), head_of(LEAVES[:12]), KEY, kept_heads=[KeptHead(HEAD)])


@pytest.mark.parametrize(
    ("rows", "index", "what"),
    [
        (rows_of(LEAVES[:12]), 12, "missing"),
        (rows_of([*LEAVES, at(20)]), 20, "beyond the head"),
        (rows_of(LEAVES)[:5] + rows_of(LEAVES)[6:], 5, "index 6 where 5"),
        (rows_of(LEAVES)[:5] + rows_of(LEAVES)[4:], 5, "index 4 where 5"),
        (rows_of(LEAVES)[1:], 0, "index 1 where 0"),
        ([], 0, "missing"),
    ],
)
def test_missing_repeated_and_added_rows_are_named(rows: list[Row], index: int, what: str) -> None:
    """The index is where the log stops being what the head covers."""
    with pytest.raises(AuditError, match=what) as refused:
        verify_log(rows, HEAD, KEY)

    assert refused.value.index == index


def test_two_rows_that_changed_places_break_the_root() -> None:
    """Leaves do not carry their index, the tree does."""
    swapped = [LEAVES[1], LEAVES[0], *LEAVES[2:]]
    with pytest.raises(AuditError, match="do not give the root"):
        verify_log(rows_of(swapped), HEAD, KEY)


def test_a_leaf_that_is_not_canonical_is_named_even_under_a_signed_head() -> None:
    """The node's own writer is judged too."""
    leaves = [*LEAVES[:3], LEAVES[3] + b" ", *LEAVES[4:]]
    with pytest.raises(AuditError, match="entry 3: leaf is not canonical"):
        verify_log(rows_of(leaves), head_of(leaves), KEY)


def test_nothing_is_read_before_the_head_holds() -> None:
    """A forged head costs one signature check."""

    def reader() -> Iterator[Row]:
        yield pytest.fail("read a row")

    with pytest.raises(AuditError, match="signature of the head"):
        verify_log(reader(), HEAD.replace(b"\n20\n", b"\n21\n"), KEY)


def test_a_clock_that_stepped_back_is_a_finding_and_no_failure() -> None:
    """Within the tolerance nothing is said; the latest time seen so far is what counts."""
    leaves = [at(1000), at(800), at(600), at(590), at(1001)]
    verdict = verify_log(rows_of(leaves), head_of(leaves), KEY)

    assert [(f.code, f.detail, f.where) for f in verdict.findings] == [
        ("clock-stepped-back", "400 s back", "entry 2"),
        ("clock-stepped-back", "410 s back", "entry 3"),
    ]


def test_unknown_events_are_findings_and_entries_of_other_nodes_are_refused() -> None:
    """A newer release's log can be checked; what another node's entry would prove, no log of this one does,
    though its key signed the head over it."""
    later = LEAVES[0].replace(b"message-accepted", b"message-teleported")
    verdict = verify_log(rows_of([later, LEAVES[1]]), head_of([later, LEAVES[1]]), KEY)
    assert [f.code for f in verdict.findings] == ["unknown-event"]

    foreign = LEAVES[1].replace(b"tinh-h01", b"tinh-h02")
    with pytest.raises(AuditError, match="entry 1: the entry names node tinh-h02, the log is"):
        verify_log(rows_of([later, foreign]), head_of([later, foreign]), KEY)


def test_findings_are_bounded() -> None:
    """A million odd entries are counted, not kept."""
    leaves = [at(10_000), *([at(0)] * (FINDINGS_LIMIT + 50))]
    verdict = verify_log(rows_of(leaves), head_of(leaves), KEY)

    assert len(verdict.findings) == FINDINGS_LIMIT
    assert verdict.findings_count == FINDINGS_LIMIT + 50


def test_progress_is_reported_on_the_way() -> None:
    """Every 1024 entries, with the number there are."""
    leaves = [at(0)] * 2100
    seen: list[tuple[int, int]] = []
    verify_log(rows_of(leaves), head_of(leaves), KEY, progress=lambda *step: seen.append(step))

    assert seen == [(1024, 2100), (2048, 2100)]


def test_the_year_one_is_a_finding_and_no_crash() -> None:
    """Any instant that a leaf may hold can be compared."""
    leaves = [at(0), at(1).replace(b"2026-11-23", b"0001-01-01")]
    verdict = verify_log(rows_of(leaves), head_of(leaves), KEY)

    assert [f.code for f in verdict.findings] == ["clock-stepped-back"]
