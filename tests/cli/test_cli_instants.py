"""Points in time and periods as people type them, wherever a command takes one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer
from typer.testing import Result

from relay.audit.tail import VIETNAM
from relay.cli.instants import days_of, instant_of, period_of
from relay.cli.main import app
from relay.cli.outcome import CommandError

AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", AT - timedelta(hours=2)),
        ("3d", AT - timedelta(days=3)),
        ("1d12h", AT - timedelta(hours=36)),
        ("PT90M", AT - timedelta(minutes=90)),
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=VIETNAM)),
        ("2026-11-23 08:30", datetime(2026, 11, 23, 8, 30, tzinfo=VIETNAM)),
        ("2026-11-23T08:30:00Z", datetime(2026, 11, 23, 8, 30, tzinfo=UTC)),
    ],
)
def test_a_point_in_time_is_read_as_people_type_it(text: str, expected: datetime) -> None:
    """A span before now, a local date or time, an instant with its zone."""
    assert instant_of("--since", text, AT) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2x",
        "P",
        "999999d999999d",
        "2026-13-01",
        "h",
        "0001-01-01",
        "9999-12-31T23:00Z",
    ],
)
def test_what_is_no_point_in_time_is_refused(text: str) -> None:
    """As usage, with examples."""
    with pytest.raises(CommandError) as refused:
        instant_of("--since", text, AT)
    assert refused.value.exit_code == 64


_PERIODS = {
    "audit export": (),
    "audit diff": ("a.toml", "b.toml"),
    "reconcile": ("tinh",),
    "stats": (),
}


@pytest.mark.parametrize("command", _PERIODS)
def test_a_period_the_wrong_way_round_is_told_and_nothing_is_asked(
    relay: Callable[..., Result], command: str
) -> None:
    """By every command that takes both ends: an empty answer would pass for the truth."""
    node = () if command == "audit diff" else ("--url", "http://127.0.0.1:9")
    words = (*command.split(), *_PERIODS[command], *node)
    result = relay(*words, "--since", "2026-11-24", "--until", "2026-11-23")
    assert (result.exit_code, result.stdout) == (64, "")
    assert "--since 2026-11-24" in result.stderr
    assert "does not come before --until 2026-11-23" in result.stderr


def test_every_command_that_takes_both_ends_of_a_period_is_among_those() -> None:
    """So that one that comes later is, too."""

    def taking(command: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        options = {option for one in command.params for option in one.opts}
        if {"--since", "--until"} <= options:
            yield name
        for word, below in getattr(command, "commands", {}).items():
            yield from taking(below, (*name, word))

    found = {" ".join(name) for name in taking(typer.main.get_command(app))}
    assert found == set(_PERIODS)


def test_a_day_alone_is_a_period_where_days_count_and_none_where_the_end_does_not() -> None:
    """`relay stats` takes the last day in; what ends before a day's beginning has nothing of it."""
    assert days_of("2026-11-23", "2026-11-23") == {"since": "2026-11-23", "until": "2026-11-23"}
    with pytest.raises(CommandError, match="nothing lies between"):
        period_of("2026-11-23", "2026-11-23", AT)
    with pytest.raises(CommandError, match="is no day") as refused:
        days_of("3d", None)
    assert refused.value.exit_code == 64
