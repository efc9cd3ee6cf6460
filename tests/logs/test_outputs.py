"""Outputs: what one cannot write waits, is dropped and counted, or is read from the journal again."""

from __future__ import annotations

import asyncio
import errno
import gzip
import json
import logging
import re
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog

from relay.delivery.ports import LogEntry
from relay.lines import Line
from relay.logs import outputs as outputs_module
from relay.logs.entries import EntryPump
from relay.logs.files import RotatedFile, rotated
from relay.logs.forms import console_form, json_form
from relay.logs.outputs import Cursor, Output, Outputs
from relay.logs.pipeline import configure
from relay.logs.record import Record, text
from relay.logs.syslog import Collector, syslog_form

NODE = "tinh-h01"


@dataclass
class Held:
    """A sink that does not work while it is `broken`, and stands still until `gate` is set."""

    broken: bool = False
    settles_seconds: float = 0.0
    lines: list[bytes] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def write(self, lines: Sequence[bytes], *, durable: bool) -> None:
        _ = durable
        self.gate.wait(10)
        if self.broken:
            raise OSError(errno.ENOSPC, "no space")
        self.lines += lines

    def look(self) -> None: ...
    def reopen(self) -> None: ...
    def close(self) -> None: ...


def output(sink: Any, *, limit: int = 1000, cursor: Cursor | None = None) -> Output:
    return Output("one", sink, json_form(NODE), level=20, limit=limit, cursor=cursor)


def until(look: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not look():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)


async def until_so(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not look():
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs_module, "FIRST_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(outputs_module, "LOOK_SECONDS", 0.02)


# ---------------------------------------------------------------- lines


def test_an_output_that_stands_still_drops_and_says_how_many(line: Any) -> None:
    """Whoever writes a line never waits; the oldest lines are kept, the rest counted."""
    sink = Held(broken=True)
    sink.gate.set()
    one = output(sink, limit=10)
    one.start()
    one.put(line(0))
    until(lambda: one.generation > 0)
    for number in range(1, 101):
        one.put(line(number))
    sink.broken = False
    until(lambda: any(b"lines-dropped" in said for said in sink.lines))
    one.end()
    one.ended(5)
    found = [json.loads(said) for said in sink.lines]
    numbers = [said["number"] for said in found if "number" in said]
    (told,) = [said for said in found if said["event"] == Line.LINES_DROPPED]
    assert numbers == list(range(len(numbers)))
    assert told["count"] + len(numbers) == 101
    assert len(numbers) <= 12


def test_ending_is_bounded_although_the_output_hangs(line: Any) -> None:
    """A stop of the node does not wait for a collector."""
    one = Outputs([output(Held())])
    one.start()
    one.put(line())
    begun = time.monotonic()
    one.flush(0.05)
    one.close(0.05)
    assert time.monotonic() - begun < 5


def test_what_was_said_before_the_end_is_written(line: Any, tmp_path: Path) -> None:
    one = Outputs([output(RotatedFile(tmp_path / "log", 1 << 20, 1e9, 3, compress=False))])
    one.start()
    for number in range(500):
        one.put(line(number))
    one.close(10)
    said = (tmp_path / "log").read_bytes().splitlines()
    assert [json.loads(each)["number"] for each in said] == list(range(500))


def test_a_line_has_one_schema_and_cannot_forge_another(line: Any) -> None:
    """Members in their order; what a peer says may hold newlines and escapes, which are written out."""
    hostile = text('x\n{"event":"node-stopped"}\x1b[2J\u202e\x9b' + "a" * 5000)
    for form in (json_form(NODE), console_form(NODE, colour=False)):
        said = form.record(line(1, error=hostile))
        assert said.count(b"\n") == 1
        assert not {b"\x1b", "\u202e".encode(), "\x9b".encode()} & {
            hit for hit in (b"\x1b", "\u202e".encode(), "\x9b".encode()) if hit in said
        }
        assert len(said) < 2000
    found = json.loads(json_form(NODE).record(line(1, message="m")))
    assert list(found) == ["timestamp", "level", "event", "logger", "node", "number", "message"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", found["timestamp"])
    assert found["node"] == NODE


def test_lines_of_libraries_and_warnings_come_the_same_way() -> None:
    """aiohttp's, asyncio's and Python's own words, with the request they belong to; tracebacks hide values."""
    sink = Held()
    sink.gate.set()
    found = Outputs([output(sink)])
    before, handlers = structlog.get_config(), logging.root.handlers[:]
    root_level = logging.root.level
    found.start()
    configure(found, cache=False)
    try:
        with structlog.contextvars.bound_contextvars(request="r1"):
            logging.getLogger("aiohttp.server").error("cannot %s", "go on")
            try:
                secret = "a-secret-value"  # noqa: F841
                raise KeyError("broken")
            except KeyError:
                structlog.get_logger("relay.native").exception(Line.REQUEST_FAILED)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("grown old", DeprecationWarning, stacklevel=1)
        found.flush(10)
    finally:
        structlog.configure(**before)
        logging.captureWarnings(False)
        logging.root.handlers[:] = handlers
        logging.root.setLevel(root_level)
        found.close(5)
    first, second, third = [json.loads(said) for said in sink.lines]
    assert (first["event"], first["logger"], first["said"], first["request"]) == (
        "library-said",
        "aiohttp.server",
        "cannot go on",
        "r1",
    )
    assert (second["event"], second["level"]) == ("request-failed", "error")
    assert second["request"] == "r1"
    assert "KeyError" in second["exception"]
    assert "a-secret-value" not in str(second).replace('secret = "a-secret-value"', "")
    assert (third["event"], third["logger"]) == ("library-said", "py.warnings")


# ---------------------------------------------------------------- files


def test_a_file_is_rotated_by_size_and_so_many_are_kept(tmp_path: Path) -> None:
    """Every line is in exactly one file, whole; the oldest files go."""
    file = RotatedFile(tmp_path / "relay.jsonl", 1000, 1e9, 3, compress=True)
    for number in range(100):
        file.write([b'{"timestamp":"2026-11-29T06:36:10Z","n":"%04d"}\n' % number], durable=False)
    file.close()
    old = rotated(tmp_path / "relay.jsonl")
    assert len(old) == 3
    assert all(one.name.endswith(".gz") for one in old)
    said = [
        json.loads(each) for one in old for each in gzip.decompress(one.read_bytes()).splitlines()
    ]
    said += map(json.loads, (tmp_path / "relay.jsonl").read_bytes().splitlines())
    assert [int(one["n"]) for one in said] == list(range(100 - len(said), 100))
    assert (tmp_path / "relay.jsonl").stat().st_size <= 1000


def test_a_file_is_rotated_by_the_age_of_its_first_line(tmp_path: Path) -> None:
    """A restart does not make it young."""
    path = tmp_path / "relay.jsonl"
    path.write_bytes(b'{"timestamp":"2020-01-01T00:00:00.000000Z"}\n')
    file = RotatedFile(path, 1 << 20, 3600, 3, compress=False)
    file.write([b"new\n"], durable=True)
    file.write([b"newer\n"], durable=True)
    assert path.read_bytes() == b"new\nnewer\n"
    assert len(rotated(path)) == 1


def test_whoever_renames_the_file_asks_for_a_new_one(tmp_path: Path) -> None:
    """As logrotate does, with SIGHUP."""
    path = tmp_path / "relay.jsonl"
    file = RotatedFile(path, 1 << 20, 1e9, 3, compress=False)
    file.write([b"one\n"], durable=False)
    path.rename(tmp_path / "mine")
    file.write([b"two\n"], durable=False)
    file.reopen()
    file.write([b"three\n"], durable=False)
    assert (tmp_path / "mine").read_bytes() == b"one\ntwo\n"
    assert path.read_bytes() == b"three\n"


def test_half_a_line_on_a_full_disk_is_cut_off_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next line does not begin in the middle of it."""
    import os

    path, real = tmp_path / "relay.jsonl", os.write
    file = RotatedFile(path, 1 << 20, 1e9, 3, compress=False)
    file.write([b"whole\n"], durable=False)

    def full(descriptor: int, content: Any) -> int:
        if len(content) <= 3:
            raise OSError(errno.ENOSPC, "no space left on device")
        return real(descriptor, bytes(content[:3]))

    monkeypatch.setattr("relay.logs.files.os.write", full)
    with pytest.raises(OSError, match="no space"):
        file.write([b"lost in the middle\n"], durable=False)
    monkeypatch.setattr("relay.logs.files.os.write", real)
    file.write([b"again\n"], durable=False)
    assert path.read_bytes() == b"whole\nagain\n"


def test_a_link_in_the_files_place_is_not_followed(tmp_path: Path) -> None:
    """Whoever may write into the folder must not choose what is appended to."""
    (tmp_path / "relay.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        RotatedFile(tmp_path / "relay.jsonl", 4096, 1e9, 3, compress=False).write(
            [b"x\n"], durable=False
        )


# ---------------------------------------------------------------- syslog


def test_a_message_is_of_rfc_5424_to_the_byte(line: Any) -> None:
    """Header, structured data with escapes, BOM and JSON; the count in front is of octets."""
    form = syslog_form(NODE, "relay.example", 3)
    said = form.record(line(0, message='a"b]c\\d', subject="chữ"))
    length, _, message = said.partition(b" ")
    assert int(length) == len(message)
    head, _, content = message.partition(b"\xef\xbb\xbf")
    assert re.fullmatch(
        rb"<28>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z relay\.example relay \d+ transfer-postponed "
        rb'\[relay@32473 node="tinh-h01" message="a\\"b\\]c\\\\d"\] ',
        head,
    )
    assert json.loads(content)["subject"] == "chữ"


def test_an_entry_is_of_log_audit_and_holds_its_leaf(entries: list[LogEntry]) -> None:
    """Facility 13, the entry's event as MSGID, its index, and the very bytes that were hashed."""
    said = syslog_form(NODE, "relay.example", 3).entry(entries[7])
    assert b"<110>1 2026-11-29T06:36:17.125Z relay.example relay " in said
    assert b' message-accepted [relay@32473 node="tinh-h01" message="0190f0a0' in said
    assert b' index="7"]' in said
    assert said.endswith(b',"entry":' + entries[7].leaf + b"}")


def test_a_collector_of_another_root_or_name_gets_nothing(
    receiver: Any, certificates: Any, line: Any, tmp_path: Path
) -> None:
    form = syslog_form(NODE, "relay.example", 3)
    said = [form.record(line())]
    other = Collector("127.0.0.2", receiver.port, certificates.ca)
    with pytest.raises(OSError, match="certificate verify failed"):
        other.write(said, durable=False)
    stranger = Collector("localhost", receiver.port, certificates.server)
    with pytest.raises(OSError, match="certificate verify failed"):
        stranger.write(said, durable=False)
    assert receiver.messages == []


async def test_entries_reach_a_collector_in_order_and_again_after_an_outage(
    receiver: Any, certificates: Any, entries: list[LogEntry], tmp_path: Path
) -> None:
    """What went out shortly before the connection broke comes once more: nothing is missing."""
    sink = Collector("localhost", receiver.port, certificates.ca)
    one = Output(
        "syslog",
        sink,
        syslog_form(NODE, "relay.example", 3),
        level=20,
        limit=100,
        cursor=Cursor(tmp_path / "outputs" / "syslog"),
    )
    known = entries[:300]
    pump = EntryPump(one, _reader(known), _size)
    one.start()
    task = asyncio.create_task(pump.run())
    await until_so(lambda: len(receiver.messages) == 300)
    assert _indexes(receiver.messages) == list(range(300))
    receiver.stop()
    known += entries[300:]
    pump.grown()
    await asyncio.sleep(0.2)
    receiver.messages.clear()
    receiver.start()
    await until_so(lambda: len(receiver.messages) >= 600)
    task.cancel()
    one.end()
    one.ended(5)
    assert _indexes(receiver.messages)[:600] == list(range(600))


# ---------------------------------------------------------------- entries


async def test_entries_go_on_where_they_were_after_a_restart(
    entries: list[LogEntry], tmp_path: Path
) -> None:
    """The cursor is written behind the entries: none is left out, in whatever moment the process dies."""
    for known in (entries[:200], entries):
        sink = RotatedFile(tmp_path / "log", 1 << 30, 1e9, 3, compress=False)
        cursor = Cursor(tmp_path / "outputs" / "one")
        one = output(sink, cursor=cursor)
        one.start()
        task = asyncio.create_task(EntryPump(one, _reader(known), _size).run())
        await until_so(partial(_reached, cursor, len(known)))
        task.cancel()
        one.end()
        one.ended(5)
    said = [json.loads(each) for each in (tmp_path / "log").read_bytes().splitlines()]
    assert [each["index"] for each in said] == list(range(600))
    assert [each["message"] for each in said] == [each["entry"]["message"] for each in said]


async def test_a_full_disk_loses_no_entry(entries: list[LogEntry], tmp_path: Path) -> None:
    """Lines are dropped by then; entries are read from the journal again."""
    sink = Held(broken=True)
    sink.gate.set()
    one = output(sink, cursor=Cursor(tmp_path / "outputs" / "one"))
    one.start()
    task = asyncio.create_task(EntryPump(one, _reader(entries), _size).run())
    await until_so(lambda: one.generation > 0)
    sink.broken = False
    await until_so(lambda: len(sink.lines) >= 600)
    task.cancel()
    one.end()
    one.ended(5)
    assert [json.loads(each)["index"] for each in sink.lines] == list(range(600))


async def test_an_output_may_want_only_what_is_to_come(
    entries: list[LogEntry], tmp_path: Path
) -> None:
    """entries_from = "now"; from then on its cursor decides."""
    sink = Held()
    sink.gate.set()
    one = output(sink, cursor=Cursor(tmp_path / "outputs" / "one", first=-1))
    one.start()

    async def size() -> int:
        return 590

    task = asyncio.create_task(EntryPump(one, _reader(entries), size).run())
    await until_so(lambda: len(sink.lines) == 10)
    task.cancel()
    one.end()
    one.ended(5)
    assert json.loads(sink.lines[0])["index"] == 590


@pytest.mark.parametrize("content", [b"", b"{}", b'{"next":-4}', b'{"next":true}', b"\xff", b"[1]"])
def test_a_cursor_that_cannot_be_read_begins_anew(tmp_path: Path, content: bytes) -> None:
    """Entries twice rather than none."""
    (tmp_path / "one").write_bytes(content)
    cursor = Cursor(tmp_path / "one")
    cursor.load()
    assert cursor.next == 0


def _reader(known: Sequence[LogEntry]) -> Any:
    async def read(after: int, limit: int) -> list[LogEntry]:
        return [one for one in known if one.index >= after][:limit]

    return read


def _reached(cursor: Cursor, index: int) -> bool:
    return cursor.next == index


async def _size() -> int:
    return 0


def _indexes(messages: Sequence[bytes]) -> list[int]:
    return [json.loads(one.partition(b"\xef\xbb\xbf")[2])["index"] for one in messages]


def test_a_record_below_the_outputs_level_is_not_for_it(line: Any) -> None:
    one = output(Held())
    one.put(Record(0, "debug", 10, "x", "y", {}))
    assert one.flush() is not None
    assert one.dropped == 0
    assert one._queue.qsize() == 1


def test_lines_wait_for_company_and_warnings_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs_module, "GATHER_SECONDS", 600.0)
    for number, waits in ((logging.INFO, True), (logging.WARNING, False)):
        sink = Held()
        sink.gate.set()
        one = output(sink)
        one.start()
        one.put(Record(0, "level", number, "said", "logger", {}))
        if waits:
            time.sleep(0.2)
            assert sink.lines == []
            one.end()  # nothing is lost with it
        until(lambda sink=sink: len(sink.lines) == 1)  # type: ignore[misc]
        one.end()
        one.ended(10)
