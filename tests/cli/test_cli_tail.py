"""`relay audit tail` and `show` at a live face: filters, cursors that lose nothing, one entry whole."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.audit.checkpoint import note_body, sign_note
from relay.audit.epochs import SPAN, Epoch, log_name
from relay.audit.meanings import MEANINGS
from relay.cli import tail
from relay.cli.cursor import Cursor, found_again, moved, read_cursor
from relay.errors import AccessError, TransportError, UnansweredError
from relay.model import NodeId
from tests.documented_events import documented

As = Callable[..., Any]
AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
NODE = NodeId("tinh")


def grow(live: Any, *events: str) -> None:
    for second, event in enumerate(events):
        live.do(live.world.log.append(event, AT + timedelta(seconds=second), sender="H01.1"))


def indexes(result: Any) -> list[int]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line)["index"] for line in result.stdout.splitlines()]


def test_only_what_is_wanted_is_printed(as_: As, live: Any) -> None:
    """By event or its family, by agency; the last ones wanted, not those among the last ones."""
    grow(live, "delivery-failed", "delivery-expired", *["node-started"] * 30)
    command = ("operator", "audit", "tail", "--json")

    assert indexes(as_(*command, "--event", "delivery")) == [0, 1]
    assert indexes(as_(*command, "--event", "delivery-failed", "--agency", "H01.1")) == [0]
    assert indexes(as_(*command, "--agency", "H02.1")) == []
    since = (AT + timedelta(seconds=9)).isoformat()
    assert indexes(as_(*command, "--since", since)) == list(range(9, 32))
    assert indexes(as_(*command, "--since", since, "-n", "3")) == [29, 30, 31]
    late = (AT + timedelta(seconds=31)).isoformat()
    assert indexes(as_(*command, "--since", late, "-n", "3")) == [31]
    assert indexes(as_(*command, "--after", "30", "-n", "5")) == [30, 31]
    assert indexes(as_(*command, "-n", "0")) == []
    refused = as_(*command, "--event", "delivery-faild")
    assert refused.exit_code == 65
    assert "nearest: delivery-failed" in refused.stderr
    assert as_(*command, "--since", "2h", "--after", "1").exit_code == 64


def test_a_cursor_goes_on_where_the_last_run_ended(as_: As, live: Any, tmp_path: Path) -> None:
    """Nothing twice, nothing missed; --after says where the first run begins."""
    cursor = tmp_path / "tail.cursor"
    command = ("operator", "audit", "tail", "--json", "--cursor", cursor, "--after", "1")
    grow(live, *["node-started"] * 3)
    assert indexes(as_(*command)) == [1, 2]
    assert indexes(as_(*command)) == []
    grow(live, *["node-stopped"] * 2)
    assert indexes(as_(*command)) == [3, 4]

    cursor.write_text("nonsense")
    assert as_(*command).exit_code == 65
    cursor.write_text('{"log":"truc-relay.example/log/huyen","next":1}')
    assert as_(*command).exit_code == 64
    log = read_cursor_log(as_, live)
    cursor.write_text(json.dumps({"log": log, "next": 99}))
    lost = as_(*command)
    assert (lost.exit_code, "it lost entries" in lost.stderr) == (65, True)


def read_cursor_log(as_: As, live: Any) -> str:
    return str(json.loads(as_("operator", "audit", "show", "0", "--json").stdout)["log"])


def test_a_reader_that_was_killed_goes_on(as_: As, live: Any, tmp_path: Path) -> None:
    """What was shown before SIGKILL is not shown again once its cursor is kept."""
    cursor = tmp_path / "tail.cursor"
    grow(live, "node-started")
    command = [sys.executable, "-m", "relay", "audit", "tail", "-f", "--json", "--cursor", str(cursor)]  # fmt: skip
    env = {**os.environ, "RELAY_URL": live.url, "RELAY_TOKEN": "operator"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        grow(live, "node-stopped")
        assert json.loads(process.stdout.readline())["index"] == 1
        while (kept := read_cursor(cursor)) is None or kept.next < 2:
            assert process.poll() is None
        process.kill()
    grow(live, "node-started")

    assert indexes(as_("operator", "audit", "tail", "--json", "--cursor", cursor)) == [2]


def test_one_entry_is_shown_with_what_it_means(as_: As, live: Any, letter: Any) -> None:
    """Field by field with the entries around it; its exact bytes for another program."""
    as_("sender", "send", letter("một"))
    live.world.log.leaves[0] = (
        b'{"at":"2026-11-23T04:05:06.123Z","event":"node-started","node":"xa","release":"1","v":1}'
    )
    shown = as_("operator", "audit", "show", "0")
    raw = as_("operator", "audit", "show", "0", "--raw")

    assert shown.exit_code == 0, shown.stderr
    assert "the version of the relay" in shown.stdout
    assert "leaf hash" in shown.stdout
    assert raw.stdout_bytes == live.world.log.leaves[0]
    assert as_("operator", "audit", "show", "99").exit_code == 66


def test_a_cursor_that_cannot_be_kept_is_told_before_anything_is_shown(
    as_: As, live: Any, tmp_path: Path
) -> None:
    """Or the next run would show the same once more."""
    grow(live, "node-started")
    result = as_("operator", "audit", "tail", "--cursor", tmp_path / "none" / "cursor")
    assert (result.exit_code, result.stdout) == (66, "")
    assert f"{tmp_path / 'none'}: no such folder" in result.stderr


# ---------------------------------------------------------------- cursors over epochs


class Logs:
    """A node's API as far as a cursor needs it: the head, and the first entry of each epoch."""

    def __init__(self, now: Epoch, size: int, **openings: Any) -> None:
        key = Ed25519PrivateKey.generate()
        name = log_name(NODE, now)
        public = key.public_key().public_bytes_raw()
        self.note = sign_note(note_body(name, size, bytes(32)), name, public, key.sign)
        self.openings = openings

    async def get_bytes(self, _: str) -> bytes:
        return self.note

    async def get(self, path: str) -> Any:
        return self.openings[f"n{path.rpartition('/')[2]}"]


FIRST, SECOND = log_name(NODE, Epoch()), log_name(NODE, Epoch(1, "a" * 16))
OPENING = {"entry": {"previous_log": FIRST, "previous_size": 40}, "log": SECOND}


def found(logs: Logs, cursor: Cursor) -> tuple[Cursor, list[str]]:
    said: list[str] = []
    return asyncio.run(found_again(logs, cursor, said.append)), said  # type: ignore[arg-type]


def test_a_cursor_goes_on_over_a_new_epoch() -> None:
    """Its index lies before the new span; entries that a restore took away are told of."""
    logs = Logs(Epoch(1, "a" * 16), 3, **{f"n{SPAN}": OPENING, f"n{SPAN + 2}": OPENING})

    assert found(logs, Cursor(FIRST, 40)) == (Cursor(FIRST, 40), [])
    cursor, said = found(logs, Cursor(FIRST, 50))
    assert (cursor.next, "no longer in its log" in said[0]) == (50, True)
    after = asyncio.run(moved(logs, Cursor(FIRST, 40), SPAN + 3))  # type: ignore[arg-type]
    assert after == Cursor(SECOND, SPAN + 3)
    assert found(logs, after) == (after, [])


def test_a_backup_restored_twice_is_shown_from_its_epochs_beginning() -> None:
    """Two epochs of one number differ in their names: a cursor of the one skips nothing of the other."""
    other = log_name(NODE, Epoch(1, "b" * 16))
    logs = Logs(Epoch(1, "b" * 16), 3, **{f"n{SPAN}": {"entry": {}, "log": other}})

    cursor, said = found(logs, Cursor(SECOND, SPAN + 9))
    assert cursor == Cursor(other, SPAN)
    assert "another history" in said[0]


def test_every_field_that_is_documented_is_explained_in_a_line() -> None:
    """Those of every event in docs/audit-log.md, and those that every entry has."""
    known = frozenset().union(*documented().values())

    assert {*known, "v", "at", "event", "node"} <= set(MEANINGS)
    assert max(map(len, MEANINGS.values())) <= 80


# ---------------------------------------------------------------- a connection that is lost


class Cuts(Logs):
    """A node whose streams each bring two entries and break, and that is away twice in between."""

    def __init__(self, streams: int) -> None:
        super().__init__(Epoch(), 2 * streams)
        self.opened: list[int] = []
        self.away = 0
        self.streams = streams

    @asynccontextmanager
    async def open(self, _: str, __: Any, after: int) -> AsyncIterator[Any]:
        if self.away:
            self.away -= 1
            raise TransportError("cannot reach the node: connection refused")
        if len(self.opened) == self.streams:
            raise AccessError("the token was revoked")
        self.opened.append(after)
        self.away = 2
        yield self
        raise UnansweredError("no answer from the node: silence")

    @property
    def content(self) -> Any:
        return self

    async def iter_any(self) -> AsyncIterator[bytes]:
        at = self.opened[-1]
        whole = b"".join(b'id: %d\ndata: {"v":1}\n\n' % n for n in (at, at + 1))
        yield whole[:9]
        yield whole[9:] + b": still here\n\nid: %d\nda" % (at + 1)


def test_a_lost_connection_is_made_again_from_the_cursor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told once each time, however often the node stays away; what no waiting helps ends it."""
    monkeypatch.setattr(tail, "_again_after", lambda _: 0.0)
    node = Cuts(streams=3)
    asked, printer = tail.Asked({}, 0, None, 20), tail.Printer(as_json=True, colour=False)
    reading = tail.Reading(node, asked, printer, None, Cursor(FIRST, 0))  # type: ignore[arg-type]
    with pytest.raises(AccessError):
        asyncio.run(reading.follow())
    shown = capsys.readouterr()

    assert node.opened == [0, 2, 4]
    assert [json.loads(line)["index"] for line in shown.out.splitlines()] == [0, 1, 2, 3, 4, 5]
    assert shown.err.count("the connection is lost") == 3
