"""`relay recovery` at the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from typer.testing import Result

As = Callable[..., Result]


def test_recovery_shows_each_neighbour(as_: As) -> None:
    """A table for people, the API's own document for programs."""
    shown = as_("operator", "recovery")
    found = json.loads(as_("operator", "recovery", "--json").stdout)

    assert shown.exit_code == 0
    assert "intake is closed" in shown.stderr
    assert "cannot connect" in shown.stdout
    assert [one["neighbour"] for one in found["neighbours"]] == ["tw", "xa"]


def test_skip_needs_a_reason(as_: As, live: Any) -> None:
    """Neither is taken without the other."""
    for arguments in (("--skip", "tw"), ("--why", "why")):
        refused = as_("operator", "recovery", *arguments)
        assert (refused.exit_code, refused.stdout) == (64, "")
    assert live.world.recovery.skipped == {}


def test_skip_goes_on_without_the_neighbour(as_: As, live: Any) -> None:
    """Who and why stand beside it."""
    done = as_("operator", "recovery", "--skip", "tw", "--why", "trạm bị ngập")

    assert done.exit_code == 0, done.stderr
    assert "recovered at" in done.stderr
    assert "operator: trạm bị ngập" in done.stdout
    assert live.world.recovery.skipped["tw"][1] == "trạm bị ngập"


def test_what_is_done_already_is_not_skipped(as_: As) -> None:
    """65 as for any other contradiction, 66 for nobody's name."""
    assert as_("operator", "recovery", "--skip", "xa", "--why", "why").exit_code == 65
    assert as_("operator", "recovery", "--skip", "ngoai", "--why", "why").exit_code == 66
    assert as_("sender", "recovery").exit_code == 77
