"""Tables at a terminal: an id that another command needs is never broken or cut."""

from __future__ import annotations

import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from fcntl import ioctl
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import Result

from relay.cli import show

ID = "01a20906-3188-7547-ac14-99a2f421cea1"


def _told(monkeypatch: pytest.MonkeyPatch, columns: int, terminal: bool, *arguments: Any) -> str:
    said: list[str] = []
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "stdout", type("Out", (), {"isatty": lambda _: terminal})())
    monkeypatch.setattr(typer, "echo", said.append)
    monkeypatch.setattr(typer, "secho", lambda text, **_: said.append(text))
    show.show_table(*arguments)
    monkeypatch.undo()
    return "\n".join(said)


def test_what_fits_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns line up, whatever marks the letters carry."""
    told = _told(monkeypatch, 80, True, ("A", "NAME", "C"), [(1, "Đặng", "x"), (22, "o", "y")])
    assert told == "A   NAME  C\n1   Đặng  x\n22  o     y"


def test_what_does_not_fit_is_told_in_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The id first and alone, what is empty left out."""
    rows = [(7, ID, "x" * 30, "", "a subject of some length " * 3)]
    told = _told(monkeypatch, 80, True, ("N", "DELIVERY", "FROM", "TO", "SUBJECT"), rows, (1,))
    lines = told.splitlines()
    assert lines[0] == ID
    assert lines[1].split() == ["n", "7", "from", "x" * 30]
    assert lines[2].startswith("  subject a subject")


def test_into_a_pipe_everything_is_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it is: other programs read it."""
    told = _told(monkeypatch, 80, False, ("ID", "SUBJECT"), [(ID, "x" * 5000)])
    assert told.splitlines()[1] == f"{ID}  {'x' * 5000}"


@given(st.lists(st.text(max_size=40), min_size=3, max_size=3), st.integers(20, 200), st.booleans())
def test_an_id_is_always_whole(cells: list[str], columns: int, terminal: bool) -> None:
    """At any width, beside any text."""
    with pytest.MonkeyPatch.context() as patch:
        told = _told(patch, columns, terminal, ("ID", "A", "B", "C"), [(ID, *cells)])
    assert ID in told


def test_at_a_terminal_of_80_columns_ids_can_be_copied(
    live: Any, as_: Callable[..., Result], letter: Any
) -> None:
    """The real command at a real terminal."""
    message = as_("sender", "send", letter()).stdout.strip()
    inbox = json.loads(as_("recipient", "inbox", "--json").stdout)["deliveries"]
    track = json.loads(as_("sender", "track", message, "--json").stdout)["deliveries"]
    as_("operator", "token", "issue", "--holder", "h" * 60, "--scope", "auditor")
    token = json.loads(as_("operator", "token", "list", "--json").stdout)[0]["token_id"]
    for command, caller, wanted in (
        (["inbox"], "recipient", inbox[0]["delivery_id"]),
        (["token", "list"], "operator", token),
        (["track", message], "sender", track[0]["receipts"][0]["digest"]),
    ):
        lines = _at_a_terminal([*command, "--url", live.url, "--token", caller])
        assert wanted in [line.strip() for line in lines]


def _at_a_terminal(arguments: list[str]) -> list[str]:
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES"}}
    command = [sys.executable, "-m", "relay", *arguments]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=env) as process:
        os.close(theirs)
        said = b""
        try:
            while chunk := os.read(ours, 65536):
                said += chunk
        except OSError:
            pass  # how Linux says that the other end is closed
        assert process.wait(20) == 0
    os.close(ours)
    plain = said.decode().replace("\x1b[1m", "").replace("\x1b[0m", "")
    return plain.splitlines()
