"""Agency codes: what a text spells, and who is above whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.envelope.codes import (
    Form,
    conversion_hint,
    is_ancestor,
    is_connection_centre,
    normalise,
    parse,
)
from relay.errors import EnvelopeError

OLD = st.builds(
    "{:03}.{:02}.{:02}.{}".format,
    st.integers(0, 999),
    st.integers(0, 99),
    st.integers(0, 99),
    st.from_regex(r"[A-K][0-9]{2}|TT2", fullmatch=True),
)
NEW = st.from_regex(r"[A-K][0-9]{2}(\.[A-Z0-9]{1,4}){0,5}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("28.22.H17", "000.28.22.H17"),
        ("01.02.G22", "000.01.02.G22"),
        ("15.H51", "000.00.15.H51"),
        ("1.2.3.H51", "001.02.03.H51"),
        (" 000.00.20.h13\n", "000.00.20.H13"),
        ("001.00.20.TT2", "001.00.20.TT2"),
        ("000.00.00.A80", "000.00.00.A80"),
        ("h01.151.02", "H01.151.02"),
        ("H37.DN.001", "H37.DN.001"),
        ("H41", "H41"),
    ],
)
def test_a_code_has_one_canonical_text(text: str, canonical: str) -> None:
    """Trimmed, in capitals, short old forms filled up on the left."""
    assert normalise(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ".",
        "H",
        "H01.",
        ".H01",
        "H01..2",
        "000.00.00",
        "000.000.00.H01",
        "0000.00.00.H01",
        "1.2.3.4.H01",
        "000.00.00.H1",
        "H01 151",
        "xã Mẫu",
        "H01-2",
        "Ｈ01",
        "H01.ı",
        "000.00.00.W00",
        "00.99.W00",
        "vxp.saas.03",
        "H01." + "1" * 40,
    ],
)
def test_what_is_no_agency_code_is_refused(text: str) -> None:
    """Garbage and connection centres raise EnvelopeError."""
    with pytest.raises(EnvelopeError):
        normalise(text)


@given(st.text(max_size=33))
def test_a_refused_code_is_quoted_in_ascii(text: str) -> None:
    """At most 35 characters of it, with nothing in it that a log or a header would choke on."""
    text = f"-{text}-"
    with pytest.raises(EnvelopeError) as caught:
        normalise(text)
    what = caught.value.what
    assert what.isascii()
    assert what.isprintable()
    assert len(what) <= 35 + len('"" is not an agency code')


@given(st.text(max_size=50))
def test_any_text_is_a_code_or_an_envelope_error(text: str) -> None:
    """No other exception, and a canonical text is its own canonical text of at most 35."""
    try:
        canonical = normalise(text)
    except EnvelopeError:
        return
    assert normalise(canonical) == canonical
    assert len(canonical) <= 35


@pytest.mark.parametrize(
    ("text", "level", "parent"),
    [
        ("000.00.00.H41", 1, None),
        ("000.00.15.H51", 2, "000.00.00.H51"),
        ("000.46.24.H44", 3, "000.00.24.H44"),
        ("002.02.22.H36", 4, "000.02.22.H36"),
        ("002.00.20.H13", 4, "000.00.20.H13"),
        ("H01", 1, None),
        ("H01.151", 2, "H01"),
        ("G11.07.05", 3, "G11.07"),
        ("H01.00.02", 3, "H01.00"),
    ],
)
def test_level_and_parent_follow_from_the_groups(text: str, level: int, parent: str | None) -> None:
    """Old codes lose their left-most non-zero group, new ones their last."""
    code = parse(text)

    assert code.level == level
    assert (code.parent.text if code.parent else None) == parent


@given(st.one_of(OLD, NEW))
def test_every_parent_is_an_ancestor_and_never_the_other_way(text: str) -> None:
    """The chain of parents ends at level 1, and is_ancestor agrees with each of its steps."""
    code = above = parse(text)
    while above.parent is not None:
        above = above.parent
        assert is_ancestor(above.text, text)
        assert not is_ancestor(text, above.text)
    assert above.level == 1
    assert above.form is code.form
    assert not is_ancestor(text, text)


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ("H01", "H011.5"),
        ("H01.15", "H01.151"),
        ("000.00.15.H51", "000.15.00.H51"),
        ("H51", "000.00.15.H51"),
        ("000.00.00.H51", "H51.15"),
    ],
)
def test_a_common_beginning_is_no_ancestry(above: str, below: str) -> None:
    """Groups are compared whole, and never across forms."""
    assert not is_ancestor(above, below)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("000.00.12.H53", "H53.12"),
        ("H53.12", "000.00.12.H53"),
        ("G11.07.05", "000.05.07.G11"),
        ("002.02.22.H36", "H36.22.02.002"),
        ("000.00.00.H41", "H41"),
        ("H01.151", None),
        ("H37.DN.001", None),
        ("H01.1.2.3.4", None),
        ("H01.00", None),
    ],
)
def test_the_hint_is_given_only_where_arithmetic_has_one(text: str, hint: str | None) -> None:
    """Three-digit communes, letters and too many groups have no old form."""
    assert conversion_hint(text) == hint


@given(OLD)
def test_a_hint_is_itself_a_code_of_the_other_form(text: str) -> None:
    """Whatever arithmetic gives can be parsed."""
    hint = conversion_hint(text)

    assert hint is not None
    assert parse(hint).form is Form.NEW


def test_connection_centres_are_told_from_agencies() -> None:
    """NN.PP.W00 and vxp.saas.NN are systems."""
    assert is_connection_centre("00.99.W00")
    assert is_connection_centre(" vxp.saas.03 ")
    assert not is_connection_centre("000.00.00.H41")
    assert not is_connection_centre("x" * 1000)


@given(OLD | NEW)
def test_the_parents_chain_ends_at_level_one(text: str) -> None:
    """Each parent is above, of a lower level and of the same form; no code is its own ancestor."""
    code = parse(text)
    assert not is_ancestor(code.text, code.text)
    at = code
    while (above := at.parent) is not None:
        assert above.form is code.form
        assert above.level < at.level
        assert above.groups == at.groups[: above.level]
        assert is_ancestor(above.text, code.text)
        assert not is_ancestor(code.text, above.text)
        assert parse(above.text) == above
        at = above
    assert at.level == 1


@given(NEW, st.from_regex(r"[A-Z0-9]{1,3}", fullmatch=True))
def test_codes_are_compared_by_group_and_never_by_text(text: str, more: str) -> None:
    """H01 is above H01.5 and not above H015, however alike they look."""
    code = parse(text)
    longer = f"{code.text}.{more}"
    beside = f"{code.text}{more}"
    if len(longer) <= 35:
        assert is_ancestor(code.text, longer)
    if len(beside) <= 35:
        assert not is_ancestor(code.text, beside)
        assert parse(beside).level == code.level


@given(NEW | OLD, NEW | OLD)
def test_an_ancestor_has_a_shorter_chain_of_the_same_groups(one: str, two: str) -> None:
    """Of any two codes at most one is above the other."""
    a, b = parse(one), parse(two)
    above = is_ancestor(a.text, b.text)
    assert above == (
        a.form is b.form and len(a.groups) < len(b.groups) and b.groups[: len(a.groups)] == a.groups
    )
    assert not (above and is_ancestor(b.text, a.text))


@given(st.from_regex(r"[A-K][0-9]{2}", fullmatch=True), st.lists(st.integers(1, 99), max_size=2))
def test_both_forms_of_a_code_without_gaps_name_each_other(top: str, below: list[int]) -> None:
    """Two-digit groups and no skipped level: the hint leads there and back, and keeps the level."""
    new = ".".join([top, *(f"{group:02}" for group in below)])
    old = conversion_hint(new)
    assert old is not None
    assert parse(old).form is Form.OLD
    assert parse(old).level == parse(new).level
    assert conversion_hint(old) == new


@given(OLD)
def test_short_and_long_old_forms_are_one_code(text: str) -> None:
    """Leading groups of zeros may be left out."""
    code = parse(text)
    short: str = code.text
    while short.startswith(("000.", "00.")) and short.count(".") > 1:
        short = short.partition(".")[2]
        assert parse(short) == code
