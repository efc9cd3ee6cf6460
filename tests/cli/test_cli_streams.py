"""Streams that are closed, full, cut, or of another encoding: what a command makes of them, and its exit code."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from relay.cli.streams import make_ready

RELAY = (sys.executable, "-m", "relay")
LETTER = Path(__file__).parents[2] / "config" / "letter.edxml"


def run(redirected: str, words: Sequence[object]) -> subprocess.CompletedProcess[str]:
    """By a shell, as somebody types it."""
    command = ["sh", "-c", f'exec "$@" {redirected}', "sh", *RELAY, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("redirected", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_a_closed_stream_is_no_bug(redirected: str, pki_folder: Path) -> None:
    """What nobody can read is not written, and the exit code is what it would be."""
    for words, code in ((("pki", "show", pki_folder), 0), (("compare", LETTER, LETTER), 0)):
        done = run(redirected, words)
        assert (done.returncode, done.stderr) == (code, "")


def test_no_file_gets_the_number_of_a_closed_stream(pki_folder: Path) -> None:
    """Or what is written to stdout would end in it."""
    code = (
        "from relay.cli.streams import make_ready; make_ready(); "
        "import os; print(os.open('/dev/null', os.O_RDONLY), file=open('/dev/stderr', 'w'))"
    )
    command = ["sh", "-c", 'exec "$@" >&- <&-', "sh", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stderr) > 2


def test_a_full_disk_behind_stdout_is_74(pki_folder: Path) -> None:
    """For help, too."""
    for words in (("pki", "show", pki_folder), ("--help",), ("audit", "--help")):
        done = run(">/dev/full", words)
        assert (done.returncode, "Traceback" in done.stderr) == (74, False), done.stderr
        assert "no space left on device" in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("pki", "show", "PKI"), 0),
        (("--help",), 0),
        (("audit", "--help"), 0),
        (("compare", LETTER, LETTER), 141),
        (("verify", LETTER, "--root", "PKI/root/root.pem"), 141),
        (("judge", LETTER, "--root", "PKI/root/root.pem"), 141),
    ],
)
def test_a_verdict_that_nobody_read_is_not_that_all_holds(
    words: tuple[object, ...], code: int, pki_folder: Path
) -> None:
    """Where the exit code is what was found, it is that of a broken pipe; of a list it is 0: who reads has enough."""
    given = [str(one).replace("PKI", str(pki_folder)) for one in words]
    with subprocess.Popen(
        [*RELAY, *given], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read()
        process.wait(60)
    assert (process.returncode, said) == (code, "")


def test_what_a_locale_cannot_write_is_written_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As UTF-8, which is what was asked for: names are Vietnamese."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    make_ready()
    sys.stdout.write("Ủy ban nhân dân")
    sys.stdout.flush()
    assert written.getvalue().decode() == "Ủy ban nhân dân"


def test_every_command_whose_exit_code_is_a_verdict_is_one() -> None:
    """So that one that comes later is, too: those whose help speaks of exit codes, and all that judge."""
    import typer

    from relay.cli.main import app

    found = {" ".join(name): command for name, command in _commands(typer.main.get_command(app))}
    told = {name for name, one in found.items() if "xit code" in (one.help or "")}
    judging = {name for name in found if name.split()[-1] in {"verify", "check", "fsck", "diff"}}
    marked = {name for name, one in found.items() if hasattr(one.callback, "is_verdict")}
    assert told | judging <= marked


def _commands(command: Any, name: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    below = getattr(command, "commands", None)
    if not below:
        return [(name, command)]
    return [one for word, each in below.items() for one in _commands(each, (*name, word))]
