"""A real rsyslogd takes our messages over TLS and reads of them what RFC 5424 says is there."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from relay.delivery.ports import LogEntry
from relay.logs.syslog import Collector, syslog_form

CONFIG = """
global(workDirectory="{folder}" maxMessageSize="128k" defaultNetstreamDriver="gtls"
       defaultNetstreamDriverCAFile="{ca}" defaultNetstreamDriverCertFile="{server}"
       defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
template(name="read" type="list") {{
    property(name="pri") constant(value="|") property(name="hostname") constant(value="|")
    property(name="app-name") constant(value="|") property(name="msgid") constant(value="|")
    property(name="timereported" dateFormat="rfc3339") constant(value="|")
    property(name="structured-data") constant(value="|") property(name="msg") constant(value="\\n")
}}
ruleset(name="in") {{ action(type="omfile" file="{folder}/taken" template="read" asyncWriting="off") }}
input(type="imtcp" port="{port}" address="127.0.0.1" ruleset="in")
"""


def test_rsyslog_reads_lines_and_entries(
    rsyslogd: str, certificates: Any, line: Any, entries: list[LogEntry], tmp_path: Path
) -> None:
    """It asks for a client certificate, too. A message longer than its default limit comes whole."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "conf").write_text(
        CONFIG.format(
            folder=tmp_path,
            port=port,
            ca=certificates.ca,
            server=certificates.server,
            key=certificates.key,
        )
    )
    command = [rsyslogd, "-n", "-f", str(tmp_path / "conf"), "-i", str(tmp_path / "pid")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            form = syslog_form("tinh-h01", "relay.example", 3)
            said = [form.record(line(0, message='a"b]c', text="chữ " * 200))]
            said += map(form.entry, entries[:3])
            _send(
                Collector(
                    "localhost", port, certificates.ca, certificates.server, certificates.key
                ),
                said,
            )
            taken = _taken(tmp_path / "taken", 4)
        finally:
            process.terminate()
    first, *others = [one.split("|", 6) for one in taken]
    assert first[:4] == ["28", "relay.example", "relay", "transfer-postponed"]
    assert first[5] == '[relay@32473 node="tinh-h01" message="a\\"b\\]c"]'
    assert json.loads(first[6].removeprefix("\ufeff"))["text"] == "chữ " * 200
    assert [one[3] for one in others] == ["message-accepted"] * 3
    assert [one[4] for one in others] == [f"2026-11-29T06:36:1{n}.125Z" for n in range(3)]
    found = [json.loads(one[6].removeprefix("\ufeff")) for one in others]
    assert [one["index"] for one in found] == [0, 1, 2]


def _send(collector: Collector, said: list[bytes]) -> None:
    end = time.monotonic() + 20
    try:
        while True:
            try:
                collector.write(said, durable=False)
                return
            except ConnectionRefusedError:
                assert time.monotonic() < end, "rsyslogd does not listen"
                time.sleep(0.05)
    finally:
        collector.close()


def _taken(path: Path, count: int) -> list[str]:
    end = time.monotonic() + 20
    while True:
        found = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if len(found) >= count:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)
