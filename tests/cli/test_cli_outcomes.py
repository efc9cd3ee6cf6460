"""Exit codes, the two lines on stderr, connections, tokens and the log at the terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import Result

from relay import errors
from relay.cli import outcome
from relay.cli.client import refusal_of
from relay.transport.problems import problem_of

As = Callable[..., Result]
Relay = Callable[..., Result]
Letter = Callable[..., Path]

FAILURES: list[tuple[errors.RelayError | OSError, int]] = [
    (errors.EnvelopeError("not well-formed", where="byte 7"), 65),
    (errors.TooLargeError("41 MiB", limit="32 MiB"), 65),
    (errors.SignatureError("digest-mismatch", "the seal is over other bytes"), 65),
    (errors.WireError("the root is not Receipts"), 65),
    (errors.RouteError("no route to H99", ["H99"]), 65),
    (errors.ConflictError("other content under that key"), 65),
    (errors.AuditError("leaf is not canonical", 7), 65),
    (errors.AccessError("only an operator may do that"), 77),
    (errors.NotFoundError("no message has that id"), 66),
    (errors.TransportError("cannot reach the node"), 69),
    (errors.UnansweredError("no answer"), 75),
    (errors.OverloadError("9 waiting, limit 8"), 75),
    (errors.JournalError("no journal there"), 74),
    (errors.InUseError("data is in use by another process"), 75),
    (errors.SettingsError(["node.id is missing", "trust.roots is empty"]), 78),
    (FileNotFoundError(2, "No such file or directory", "letter.edxml"), 66),
    (PermissionError(13, "Permission denied", "key.pem"), 77),
    (OSError(28, "No space left on device", "out"), 74),
    (outcome.CommandError("exists", outcome.CANNOT_CREATE, "name another"), 73),
]


@pytest.mark.parametrize(("failure", "code"), FAILURES)
def test_every_failure_has_its_exit_code_and_its_lines(
    capsys: pytest.CaptureFixture[str], failure: errors.RelayError | OSError, code: int
) -> None:
    """stdout stays empty; each line on stderr is an error or a hint."""
    with pytest.raises(typer.Exit) as left:
        outcome.fail(failure)
    out, err = capsys.readouterr()

    assert left.value.exit_code == code
    assert out == ""
    assert err.startswith("relay: error: ")
    assert all(line.startswith(("relay: error: ", "relay: hint: ")) for line in err.splitlines())


@pytest.mark.parametrize("say", [outcome.complain, outcome.suggest, outcome.remark])
def test_nothing_said_moves_a_cursor_or_begins_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str], say: Callable[[str], None]
) -> None:
    """A checkpoint, a cursor or a server's refusal has words of others in it."""
    say("head of Trục\x1b[31m\x9b2J\u202e\nrelay: all of it holds")
    _, err = capsys.readouterr()
    assert err.endswith("head of Trục\\x1b[31m\\x9b2J\\u202e\\nrelay: all of it holds\n")
    assert err.count("\n") == 1


def test_the_samples_are_pointed_at_only_where_they_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Settings bring their hint themselves; a key's file that cannot be used has none."""
    for problem, hinted in (
        (errors.SettingsError(["node.id: is missing"], "see the samples"), True),
        (errors.SettingsError(["key file key.pem has mode 0644"]), False),
    ):
        with pytest.raises(typer.Exit):
            outcome.fail(problem)
        assert ("relay: hint: " in capsys.readouterr().err) is hinted


def test_every_problem_of_a_configuration_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Two problems, two error lines."""
    with pytest.raises(typer.Exit):
        outcome.fail(errors.SettingsError(["node.id is missing", "trust.roots is empty"]))

    assert capsys.readouterr().err.count("relay: error: ") == 2


@pytest.mark.parametrize(
    "failure",
    [
        one
        for one, _ in FAILURES
        if isinstance(one, (errors.PeerError, errors.JournalError))
        and not isinstance(one, errors.InUseError)  # of a start: never an answer
    ],
)
def test_an_error_is_the_same_kind_on_both_sides_of_the_api(failure: errors.RelayError) -> None:
    """What the node raised ends at the terminal in the exit code the node's own error has."""
    problem = problem_of(failure)
    document = {"type": f"urn:truc-relay:problem:{problem.kind.word}", "detail": problem.detail}

    assert outcome.code_of(refusal_of(problem.kind.status, document)) == outcome.code_of(failure)


# ---------------------------------------------------------------- usage and connections


@pytest.mark.parametrize(
    "args",
    [
        ("send",),
        ("nonsense",),
        ("send", "a", "b"),
        ("inbox", "--after", "x"),
        ("inbox", "--what"),
        ("ack", "x", "y"),
    ],
)
def test_a_usage_error_is_64_with_a_hint(relay: Relay, args: tuple[str, ...]) -> None:
    """Never 2, never on stdout."""
    result = relay(*args)

    assert (result.exit_code, result.stdout) == (64, "")
    assert result.stderr.startswith("relay: error: ")
    assert "--help" in result.stderr


@pytest.mark.parametrize("args", [(), ("token",), ("audit",), ("config",)])
def test_a_bare_group_shows_its_help_and_is_64(relay: Relay, args: tuple[str, ...]) -> None:
    """On stderr: it is no data."""
    result = relay(*args)

    assert result.exit_code == 64
    assert "Commands:" in result.stderr


def test_a_client_command_needs_a_node(relay: Relay) -> None:
    """And says how to name one."""
    result = relay("inbox")

    assert result.exit_code == 64
    assert "--url" in result.stderr


def test_a_token_is_never_sent_in_the_clear(relay: Relay) -> None:
    """Plain http is for loopback only."""
    for url in ("http://192.0.2.1", "http://relay.example", "ftp://x", "nonsense"):
        assert relay("inbox", "--url", url, "--token", "t").exit_code == 64


def test_nobody_at_home_is_69(relay: Relay) -> None:
    """A refused connection is `unavailable`."""
    result = relay("inbox", "--url", "http://127.0.0.1:1", "--token", "t")

    assert result.exit_code == 69


def test_the_environment_stands_for_the_options(relay: Relay, live: Any) -> None:
    """RELAY_URL and RELAY_TOKEN, or a file for the token."""
    env = {"RELAY_URL": live.url, "RELAY_TOKEN": "recipient"}
    assert relay("inbox", env=env).exit_code == 0
    assert relay("inbox", env={**env, "RELAY_TOKEN": "wrong"}).exit_code == 77


def test_the_token_may_come_from_a_file(relay: Relay, live: Any, tmp_path: Path) -> None:
    """So that it is not in the process list; an empty file is no token, and both is too many."""
    file, empty = tmp_path / "token", tmp_path / "empty"
    file.write_text("recipient\n")
    empty.write_text("\n")

    assert relay("inbox", "--url", live.url, "--token-file", file).exit_code == 0
    assert relay("inbox", "--url", live.url, "--token-file", empty).exit_code == 66
    assert relay("inbox", "--url", live.url, "--token-file", tmp_path / "none").exit_code == 66
    assert relay("inbox", "--url", live.url, "--token-file", file, "--token", "t").exit_code == 64


@pytest.mark.parametrize("name", ["missing.edxml", "."])
def test_a_file_that_cannot_be_read_is_66(as_: As, name: str) -> None:
    """Missing, or a folder."""
    assert as_("sender", "send", name).exit_code == 66


def test_the_nodes_refusals_reach_the_exit_code(as_: As, live: Any, letter: Letter) -> None:
    """Not mine, no route, not there, overloaded, broken."""
    assert as_("recipient", "send", letter()).exit_code == 77
    unknown = as_("sender", "send", letter(to="000.00.99.H99"))
    assert unknown.exit_code == 65
    assert "000.00.99.H99" in unknown.stderr
    assert as_("sender", "track", "0199aaaa-0000-7000-8000-000000000000").exit_code == 66
    live.world.failing = errors.OverloadError("9 waiting, limit 8")
    assert as_("sender", "send", letter()).exit_code == 75
    live.world.failing = RuntimeError("a bug")
    broken = as_("sender", "send", letter())
    assert broken.exit_code == 69
    assert "urn:truc-relay:request:" in broken.stderr


def test_a_server_that_is_no_relay_is_said_so(relay: Relay, live: Any) -> None:
    """A wrong address is told apart from a refusal."""
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>welcome</html>")

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = Thread(target=server.handle_request, daemon=True)
        thread.start()
        result = relay("inbox", "--url", f"http://127.0.0.1:{server.server_port}", "--token", "t")
        thread.join()

    assert result.exit_code == 69
    assert "address" in result.stderr


def test_a_root_that_is_not_there_is_named(relay: Relay, tmp_path: Path) -> None:
    """Exit 66, with its path."""
    result = relay("inbox", "--url", "https://127.0.0.1:1", "--ca", tmp_path / "none.pem")

    assert result.exit_code == 66
    assert str(tmp_path / "none.pem") in result.stderr


@pytest.fixture
def tls_port(pki_folder: Path) -> Iterator[int]:
    """A listener that shakes hands as a node does, and says nothing more."""
    import ssl
    from contextlib import suppress
    from socketserver import BaseRequestHandler, ThreadingTCPServer
    from threading import Thread

    node = pki_folder / "nodes" / "tinh-h01"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(node / "tls.pem", node / "tls.key.pem")

    class Face(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                context.wrap_socket(self.request, server_side=True).close()

    with ThreadingTCPServer(("127.0.0.1", 0), Face) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_an_unknown_issuer_leads_to_the_ca_option(relay: Relay, tls_port: int) -> None:
    """The development root is in no system's store."""
    result = relay("inbox", "--url", f"https://127.0.0.1:{tls_port}", "--token", "t")

    assert result.exit_code == 69
    assert "relay: hint: " in result.stderr
    assert "--ca" in result.stderr


def test_plain_http_to_a_tls_port_leads_to_https(relay: Relay, tls_port: int) -> None:
    """The listener only hangs up; the scheme is the likelier fault than the network."""
    result = relay("inbox", "--url", f"http://127.0.0.1:{tls_port}", "--token", "t")

    assert result.exit_code == 75
    assert "https://" in result.stderr


def test_tls_to_a_plain_port_is_said_so(relay: Relay, live: Any) -> None:
    """The other way round."""
    result = relay("inbox", "--url", live.url.replace("http:", "https:"), "--token", "t")

    assert result.exit_code == 69
    assert "http://" in result.stderr


# ---------------------------------------------------------------- tokens and the log


def test_a_token_is_issued_listed_and_revoked(as_: As, relay: Relay, live: Any) -> None:
    """The secret alone on stdout; it opens until it is revoked."""
    issued = as_("operator", "token", "issue", "--holder", "Nguyễn Văn Mẫu", "--scope", "operator")
    secret = issued.stdout.strip()
    listed = as_(secret, "token", "list", "--json")
    (token,) = json.loads(listed.stdout)

    assert token["holder"] == "Nguyễn Văn Mẫu"
    assert "Nguyễn Văn Mẫu" in as_("operator", "token", "list").stdout
    assert secret not in listed.stdout
    assert as_("operator", "token", "revoke", token["token_id"]).exit_code == 0
    assert as_(secret, "token", "list").exit_code == 77
    assert as_("sender", "token", "list").exit_code == 77
    assert as_("operator", "token", "revoke", "../x").exit_code == 66


def test_the_log_is_printed_one_entry_a_line(as_: As, live: Any, letter: Letter) -> None:
    """The last ones by default, from an index if asked, as JSON lines for programs."""
    for number in range(3):
        as_("sender", "send", letter(f"số {number}"))
    shown = as_("operator", "audit", "tail", "-n", "2")
    lines = as_("operator", "audit", "tail", "--after", "1", "--json").stdout.splitlines()

    assert len(shown.stdout.splitlines()) == 2
    assert "delivery-available" in shown.stdout
    assert [json.loads(line)["index"] for line in lines] == [1, 2, 3, 4, 5]


def test_the_log_is_followed_as_it_grows(live: Any) -> None:
    """`tail -f` prints what is appended while it waits, and ends quietly when interrupted."""
    live.do(live.world.log.append("node-started", datetime.now(UTC)))
    command = [sys.executable, "-m", "relay", "audit", "tail", "-f", "--json"]
    env = {**os.environ, "RELAY_URL": live.url, "RELAY_TOKEN": "operator"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["index"] == 0
        live.do(live.world.log.append("node-stopped", datetime.now(UTC)))
        assert json.loads(process.stdout.readline())["entry"]["event"] == "node-stopped"
        process.send_signal(2)
        assert process.wait(10) == 130


# ---------------------------------------------------------------- as a process


def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "relay", *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **env},
    )


def test_the_process_leaves_with_the_same_codes(tmp_path: Path) -> None:
    """Help 0, usage 64, a configuration that is none 78."""
    bad = tmp_path / "node.toml"
    bad.write_text("[node]\n")

    assert run("--help").returncode == 0
    assert run("--version").stdout.startswith("relay 0.")
    assert run("nonsense").returncode == 64
    assert run("config", "check", str(bad)).returncode == 78
    assert run("inbox", "--config", str(bad)).returncode == 78


def test_help_comes_without_loading_the_relay() -> None:
    """Nothing slow is imported for `--help`: no HTTP, cryptography, XML, settings or event loop."""
    script = (
        "import sys\n"
        "from relay.cli.main import app\n"
        "heavy = {'aiohttp', 'cryptography', 'lxml', 'pydantic', 'uvloop', 'sqlite3', 'rich.table'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[]"


def test_a_closed_pipe_is_no_error(live: Any) -> None:
    """`relay … | head` ends quietly."""
    for _ in range(2000):
        live.world.log.leaves.append(
            b'{"at":"2026-11-23T04:05:06.123Z","event":"node-started","v":1}'
        )
    env = {**os.environ, "RELAY_URL": live.url, "RELAY_TOKEN": "operator"}
    command = f"{sys.executable} -m relay audit tail --after 0 --json | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, env=env, check=False
    )

    assert done.stderr == b""
    assert done.returncode == 0


def test_a_bug_is_loud(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 70 with the traceback."""
    from relay.cli import main

    def broken() -> None:
        raise RuntimeError("unexpected")

    monkeypatch.setattr(main, "app", broken)
    with pytest.raises(SystemExit) as left:
        main.run()

    assert left.value.code == 70
    assert "RuntimeError: unexpected" in capsys.readouterr().err
