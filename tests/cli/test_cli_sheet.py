"""CSV that a spreadsheet shows and never reckons with."""

from __future__ import annotations

import csv
import io

import pytest

from relay.cli.sheet import show_sheet


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+84", "-2", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n@x", "|cmd", "＝1", "\u00a0=1"],
)
def test_a_text_that_begins_like_a_formula_is_put_behind_an_apostrophe(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """However it is led in, and wherever the cell stands."""
    show_sheet(("a", "b"), [("x", text)])
    (_, (_, cell)) = csv.reader(io.StringIO(capsys.readouterr().out))
    assert cell.startswith("'")


def test_numbers_stay_numbers_and_texts_stay_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Quotes, commas and Vietnamese as RFC 4180 has them; nothing is an empty cell."""
    show_sheet(("a", "b", "c", "d"), [(-3, 0.5, None, 'Công văn, "khẩn"')])
    assert capsys.readouterr().out == 'a,b,c,d\r\n-3,0.5,,"Công văn, ""khẩn"""\r\n'
