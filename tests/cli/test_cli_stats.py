"""`relay stats`: the same figures for people, spreadsheets and programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from relay.cli import stats
from relay.cli.headings import Language
from relay.delivery.statistics.figures import RECEIVED, SENT

_NEVER = {"count": 0, "median_minutes": None, "p90_minutes": None}
LINE: dict[str, Any] = {
    "period": "2026-11",
    "from": "2026-11-01",
    "until": "2026-11-29",
    "agency": "H01",
    "agency_name": "UBND tỉnh Mẫu",
    "tier": None,
    "document_type": None,
    "sent": dict.fromkeys(SENT, 2) | {"electronic_share": 0.5, "on_time_share": None},
    "received": dict.fromkeys(RECEIVED, 0)
    | {
        "electronic_share": None,
        "to_01": {"count": 2, "median_minutes": 75, "p90_minutes": 1500},
        "to_03": _NEVER,
    },
}


def test_a_sheet_has_every_figure_in_a_column_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Named by side and figure; what is unknown is an empty cell and no zero."""
    stats._show_csv([LINE], Language.EN)
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    sides = [f"sent_{name}" for name in SENT] + [f"received_{name}" for name in RECEIVED]
    assert set(sides) < set(row)
    assert (row["received_to_01_p90_minutes"], row["received_to_03_median_minutes"]) == ("1500", "")
    assert (row["sent_electronic_share"], row["sent_on_time_share"]) == ("0.5", "")


def test_a_sheet_and_json_are_not_asked_for_together(as_: Callable[..., Result]) -> None:
    """Or a program would read the one for the other."""
    result = as_("operator", "stats", "--csv", "--json")
    assert (result.exit_code, result.stdout) == (64, "")
    assert "--csv and --json cannot both be given" in result.stderr


def test_a_table_says_how_much_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    """Shares in percent, times as people say them; documents of before the upgrade on stderr."""
    stats._show({"by": ["agency"], "lines": [LINE]}, Language.EN)
    out, err = capsys.readouterr()
    assert "50.0%" in out
    assert "1h15 / 1d01h" in out
    assert "2 counted from before this node kept" in err


def test_a_report_in_vietnamese_has_a_heading_for_every_column(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No two alike; tiers worded, and a mark by which a spreadsheet knows the encoding."""
    line = LINE | {"tier": "commune", "document_type": "unknown"}
    stats._show_csv([line], Language.VI)
    out = capsys.readouterr().out
    headings, cells = csv.reader(io.StringIO(out.removeprefix("\ufeff")))
    assert out.startswith("\ufeff")
    assert len(set(headings)) == len(headings) == len(cells)
    row = dict(zip(headings, cells, strict=True))
    assert (row["Cấp"], row["Loại văn bản"], row["Nhận: số văn bản"]) == ("Xã", "Không rõ", "0")
    assert row["Gửi: tỷ lệ điện tử"] == "0.5"


@pytest.mark.parametrize("language", list(Language))
def test_a_table_shows_what_was_asked_for(
    language: Language, capsys: pytest.CaptureFixture[str]
) -> None:
    """The columns of a breakdown that was not asked for are left out, in both languages."""
    line = LINE | {"agency": None, "agency_name": None, "tier": "province"}
    stats._show({"by": ["tier"], "lines": [line]}, language)
    head = capsys.readouterr().out.splitlines()[0]
    here, away = {Language.EN: ("TIER", "AGENCY"), Language.VI: ("CẤP", "CƠ QUAN")}[language]
    assert here in head
    assert away not in head
