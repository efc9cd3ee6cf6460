"""The commands that work on this machine's own node: configuration, control socket, journal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from relay.signing import pki
from relay.signing.pki_words import KeyType

Relay = Callable[..., Result]


def test_a_sound_configuration_is_said_so(relay: Relay, config: Path) -> None:
    """Exit 0, with the node's id."""
    checked = relay("config", "check", config, "--json")

    assert checked.exit_code == 0, checked.stderr
    assert json.loads(checked.stdout)["node"] == "tinh-h01"


def test_everything_wrong_is_said_at_once(relay: Relay, config: Path) -> None:
    """Two mistakes, both named, exit 78."""
    broken = config.read_text(encoding="utf-8").replace("root.pem", "none.pem")
    config.write_text(broken.replace('["127.0.0.1:0"]', '["nowhere"]'), encoding="utf-8")
    checked = relay("config", "check", config)

    assert checked.exit_code == 78
    assert "relay: error: listen.native" in checked.stderr
    assert "relay: error: trust.roots" in checked.stderr


def test_what_is_wrong_can_be_read_by_a_program(relay: Relay, config: Path) -> None:
    """With --json the problems are data, too: on stdout, with the same exit code."""
    config.write_text(
        config.read_text(encoding="utf-8").replace("[node]", '[node]\ncolour = "red"')
    )
    checked = relay("config", "check", config, "--json")

    assert checked.exit_code == 78
    assert json.loads(checked.stdout) == {
        "verdict": "INVALID",
        "problems": ["node.colour: unknown key"],
    }


def test_warnings_do_not_change_the_verdict(relay: Relay, config: Path) -> None:
    """What is hardly meant is said beside it."""
    env = {"RELAY_COLOUR": "red"}
    checked = relay("config", "check", config, "--json", env=env)
    assert checked.exit_code == 0
    warnings = json.loads(checked.stdout)["warnings"]
    assert ["RELAY_COLOUR" in one for one in warnings] == [True, False]
    assert "no certificate is checked for revocation" in warnings[1]
    assert "warning: environment: RELAY_COLOUR" in relay("config", "check", config, env=env).stderr


@pytest.mark.parametrize("command", [("serve",), ("config", "check"), ("audit", "verify")])
def test_a_configuration_that_is_not_there_is_66(
    relay: Relay, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """No such file, as for every other file that is named."""
    result = relay(*command, tmp_path / "none.toml")
    assert result.exit_code == 66
    assert "none.toml" in result.stderr


def test_a_node_that_was_killed_leaves_a_socket_that_nobody_answers(
    relay: Relay, config: Path
) -> None:
    """The hint says how to start it."""
    path = config.parent / "data" / "control.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    result = relay("token", "list", "--config", config)

    assert result.exit_code == 69
    assert "relay serve" in result.stderr


def test_a_configuration_leads_to_the_control_socket(relay: Relay, config: Path, live: Any) -> None:
    """`--config` needs no token: who may read the socket is the operator, by name."""
    assert relay("audit", "tail", "--config", config).exit_code == 0
    assert relay("token", "list", "--config", config).exit_code == 0


def test_a_typed_configuration_wins_over_the_environment(
    relay: Relay, config: Path, live: Any
) -> None:
    """RELAY_URL, RELAY_TOKEN and RELAY_CA are for other nodes; two typed flags contradict each other."""
    env = {"RELAY_URL": "https://192.0.2.1", "RELAY_TOKEN": "wrong", "RELAY_CA": "none.pem"}
    assert relay("token", "list", "--config", config, env=env).exit_code == 0
    for flag, value in (("--url", live.url), ("--ca", "root.pem")):
        result = relay("token", "list", "--config", config, flag, value)
        assert result.exit_code == 64
        assert flag in result.stderr


def test_a_letter_is_not_sent_through_the_control_socket(
    relay: Relay, config: Path, live: Any, letter: Callable[..., Path]
) -> None:
    """An operator sends for no agency; the hint says what it takes."""
    result = relay("send", letter(), "--config", config)

    assert result.exit_code == 77
    assert "--url" in result.stderr
    assert "agency:CODE" in result.stderr


def test_a_folder_in_use_is_a_matter_of_time(relay: Relay, served: Path) -> None:
    """A second process on the same journal leaves with 75 (EX_TEMPFAIL)."""
    assert relay("serve", served).exit_code == 75


def test_a_node_that_does_not_run_has_no_socket(relay: Relay, config: Path) -> None:
    """Exit 66, with what to do about it."""
    result = relay("token", "list", "--config", config)

    assert result.exit_code == 66
    assert "relay serve" in result.stderr


def test_a_node_that_never_ran_has_no_log(relay: Relay, config: Path) -> None:
    """Exit 74: there is no journal to read."""
    assert relay("audit", "verify", config).exit_code == 74


@pytest.fixture
def served(config: Path) -> Iterator[Path]:
    """`relay serve CONFIG` as its own process, until its control socket is there."""
    command = [sys.executable, "-m", "relay", "serve", os.fspath(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        deadline = time.monotonic() + 20
        while not (config.parent / "data" / "control.sock").exists():
            assert process.poll() is None, process.communicate()[0].decode()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield config
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 0


def test_a_served_node_is_operated_and_its_log_verified(relay: Relay, served: Path) -> None:
    """A token through the control socket leaves its entry, and the log holds while the node runs."""
    issued = relay("token", "issue", "--holder", "Nguyễn Văn Mẫu", "--scope", "auditor",
                   "--config", served)  # fmt: skip
    shown = relay("audit", "tail", "--config", served)
    verified = relay("audit", "verify", served, "--json")

    assert issued.exit_code == 0, issued.stderr
    assert "token-issued" in shown.stdout
    assert verified.exit_code == 0, verified.stderr
    assert json.loads(verified.stdout)["verdict"] == "VALID"
    assert relay("audit", "verify", served).stdout.startswith("ok, ")
    assert relay("audit", "verify", "--config", served).stdout.startswith("ok, ")
    assert relay("audit", "verify", served, "--config", served).exit_code == 64
    assert relay("audit", "verify").exit_code == 64


@pytest.fixture
def operators(tmp_path: Path) -> Path:
    """Another authority, and a client that it certified."""
    folder = tmp_path / "operators"
    days: Any = {"now": datetime.now(UTC), "days": 30}
    pki.init(folder, name="Mẫu", key=KeyType.P256, **days)
    pki.issue_branch(folder, "mau", key=KeyType.P256, **days)
    pki.issue_node(folder, "van-thu", "mau", key=KeyType.P256, **days)
    return folder


@pytest.fixture
def asking(config: Path, operators: Path, pki_folder: Path) -> int:
    """The configuration asks clients of `native` for certificates, with a TLS pair of its own; its port."""
    node = pki_folder / "nodes" / "tinh-h01"
    for name in ("tls.pem", "tls.key.pem"):
        shutil.copy(node / name, config.parent)
        own = config.read_text(encoding="utf-8").replace(f"{node}/{name}", name)
        config.write_text(own, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    asks = f'native_clients = ["{operators}/root/root.pem"]'
    text = config.read_text(encoding="utf-8").replace("127.0.0.1:0", f"127.0.0.1:{port}")
    config.write_text(text.replace("plain_http = true", asks), encoding="utf-8")
    return port


def test_a_node_that_asks_for_certificates_serves_nobody_without(
    relay: Relay, asking: int, served: Path, operators: Path, pki_folder: Path
) -> None:
    """A certificate under its roots and a token, both: neither stands for the other, also once the node
    has renewed its own."""
    issued = relay("token", "issue", "--holder", "Mẫu", "--scope", "auditor", "--config", served)
    url = f"https://127.0.0.1:{asking}"
    connection = ["audit", "tail", "--url", url, "--ca", pki_folder / "root" / "root.pem"]
    token = ["--token", issued.stdout.strip()]

    def shown(node: Path) -> list[object]:
        return ["--client-certificate", node / "tls.pem", "--client-key", node / "tls.key.pem"]

    own, foreign = shown(operators / "nodes" / "van-thu"), shown(pki_folder / "nodes" / "tinh-h01")
    assert relay(*connection, *token, *own).exit_code == 0
    assert relay(*connection, *own).exit_code == 77
    assert relay(*connection, *own[:2], *token).exit_code == 64
    for refused in (relay(*connection, *token), relay(*connection, *token, *foreign)):
        assert refused.exit_code == 75
        assert "--client-certificate" in refused.stderr

    before = ssl.get_server_certificate(("127.0.0.1", asking))
    _renew(pki_folder, served.parent)
    assert relay("cert", "reload", served).exit_code == 0
    assert ssl.get_server_certificate(("127.0.0.1", asking)) != before
    assert relay(*connection, *token, *own).exit_code == 0
    assert relay(*connection, *token).exit_code == 75


def _renew(authority: Path, keys: Path) -> None:
    """Another TLS pair of the node's, by the same authority, in place of the one it serves with."""
    copy = keys / "authority"
    shutil.copytree(authority, copy)
    shutil.rmtree(copy / "nodes")
    pki.issue_node(copy, "tinh-h01", "mau", key=KeyType.P256, now=datetime.now(UTC), days=30)
    for name in ("tls.pem", "tls.key.pem"):
        shutil.copy(copy / "nodes" / "tinh-h01" / name, keys)


def test_asking_for_certificates_without_tls_is_a_contradiction(
    relay: Relay, config: Path, operators: Path
) -> None:
    """And a file without any is named."""
    (operators / "empty.pem").write_text("")
    named = f'native_clients = ["{operators}/empty.pem"]\nplain_http = true'
    text = config.read_text(encoding="utf-8").replace("plain_http = true", named)
    config.write_text(text, encoding="utf-8")

    checked = relay("config", "check", config)

    assert checked.exit_code == 78
    assert "listen: native_clients asks for certificates" in checked.stderr
    assert f"listen.native_clients: TLS roots {operators}/empty.pem" in checked.stderr


def test_an_entry_of_a_served_node_is_proven_and_judged_offline(
    relay: Relay, served: Path, root: Path, tmp_path: Path
) -> None:
    """One file, and the root certificate; the files of the node, once it has stopped, hold as well."""
    file = tmp_path / "start.tlog-proof"
    made = relay("audit", "prove", 0, "--newer", "--out", file, "--config", served)
    assert made.exit_code == 0, made.stderr
    said = json.loads(relay("audit", "prove", 0, "--json", "--config", served).stdout)
    assert said["entry"]["event"] == "node-started"

    judged = relay("audit", "check-proof", file, "--root", root)
    assert judged.exit_code == 0, judged.stderr
    assert "node-started" in judged.stdout
    assert relay("audit", "check-proof", file, "--vkey", said["vkey"]).exit_code == 0
    assert relay("audit", "check-proof", file).exit_code == 64
    assert relay("audit", "prove", 0, "--out", file, "--config", served).exit_code == 73
    assert relay("audit", "prove", 9999, "--config", served).exit_code == 66
    assert relay("audit", "prove", "--config", served).exit_code == 64

    kept = relay("audit", "verify", served, "--from-checkpoint", file)
    assert kept.exit_code == 0, kept.stderr
    assert "continues the checkpoint in start.tlog-proof" in kept.stderr
    spoilt = tmp_path / "spoilt.tlog-proof"
    spoilt.write_bytes(file.read_bytes().replace(b"index 0", b"index 1"))
    refused = relay("audit", "check-proof", spoilt, "--root", root, "--json")
    assert refused.exit_code == 65
    assert json.loads(refused.stdout)[-1]["reason"] == "bad-proof"


def test_the_files_of_a_stopped_node_are_looked_at(relay: Relay, config: Path) -> None:
    """One that never ran has none; a vkey goes with a folder."""
    assert relay("audit", "fsck", config).exit_code == 66
    assert relay("audit", "fsck", config.parent / "none").exit_code == 66
    assert relay("audit", "fsck", config, "--vkey", "x").exit_code == 64
