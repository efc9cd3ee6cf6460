"""Addresses, tokens and names as they are typed: what is none is told before anything is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from relay.cli.client import refusal_of
from relay.cli.connect import segment
from relay.errors import NotFoundError

Relay = Callable[..., Result]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://127.0.0.1:port",
        "http://127.0.0.1:8454/x/",
        "http://127.0.0.1:8454?x",
        "http://127.0.0.1:8454#x",
        "http://127.0.0.1:8454/\x01",
        "https://tỉnh.example",
        "https://[::1",
        "http://",
        "",
    ],
)
def test_what_is_no_address_is_usage(relay: Relay, url: str) -> None:
    """Nothing behind the port: the API's paths begin there."""
    result = relay("inbox", "--url", url, "--token", "t")
    assert result.exit_code == 64
    assert "is no address of a node" in result.stderr


def test_a_password_in_an_address_is_not_shown(relay: Relay) -> None:
    result = relay("inbox", "--url", "https://user:geheim@node.example", "--token", "t")
    assert (result.exit_code, "geheim" in result.stderr) == (64, False)


def test_an_address_may_end_in_a_slash(relay: Relay, live: Any) -> None:
    """As browsers have it; and a token in a line break, as files and variables do."""
    assert relay("inbox", "--url", f"{live.url}/", "--token", "recipient\n").exit_code == 0


@pytest.mark.parametrize("text", ["a\nb", "a\x00b", "a b", "mật khẩu", "", "-----BEGIN\n-----END"])
def test_what_is_no_token_is_sent_to_nobody(
    relay: Relay, live: Any, tmp_path: Path, text: str
) -> None:
    """It would end in the request's headers."""
    file = tmp_path / "token"
    file.write_text(text)
    for option, value in (("--token", text), ("--token-file", file)):
        result = relay("inbox", "--url", live.url, option, value)
        assert result.exit_code == 66, result.stderr
        assert "does not hold a token" in result.stderr


@pytest.mark.parametrize("name", ["../..", "..", ".", "", "a/b", "../audit/head?x"])
@pytest.mark.parametrize(
    "command",
    [
        ("fetch", "NAME"),
        ("ack", "NAME", "done"),
        ("track", "NAME"),
        ("why", "NAME"),
        ("hold", "NAME", "--why", "x"),
        ("cancel", "NAME", "--why", "x"),
        ("evidence", "export", "NAME"),
        ("directory", "show", "NAME"),
        ("directory", "explain", "NAME"),
        ("token", "revoke", "NAME"),
        ("reconcile", "NAME", "--since", "1d"),
        ("carry", "export", "NAME", "OUT"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_name_leads_to_nothing_but_what_has_it(
    relay: Relay, tmp_path: Path, command: tuple[str, ...], name: str
) -> None:
    """Whatever another path would give, it is not asked for."""
    words = [name if one == "NAME" else one for one in command]
    words = [str(tmp_path / "out") if one == "OUT" else one for one in words]
    result = relay(*words, "--url", "http://127.0.0.1:9", "--token", "t")
    assert (result.exit_code, result.stdout) == (66, "")
    assert "nothing is called" in result.stderr


def test_names_keep_their_characters() -> None:
    assert segment("000.00.20.H13") == "000.00.20.H13"
    assert segment("a?b=c#d %") == "a%3Fb%3Dc%23d%20%25"
    with pytest.raises(NotFoundError):
        segment("...")


def test_a_parameter_is_named_once() -> None:
    """Where the words begin with it, and where they do not."""
    problem = {"type": "urn:truc-relay:problem:bad-request", "parameter": "since"}
    assert (
        str(refusal_of(400, {**problem, "detail": "since must be a day"})) == "since must be a day"
    )
    assert str(refusal_of(400, {**problem, "detail": "must be a day"})) == "since: must be a day"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("carry", "export", "n", "f", "--limit", "4"), "--limit 4 is 4 bytes, limit from 1048576"),
        (("system", "add", "a.b", "--agency", "H01", "--window-hours", "inf"), "--window-hours"),
        (
            ("system", "add", "a.b", "--agency", "H01", "--freshness", "x"),
            "'x' is not one of 'off'",
        ),
        (("inbox", "--list", "x"), "Invalid value for '--list': 'x' is not one of"),
    ],
)
def test_a_value_that_cannot_be_is_usage(relay: Relay, words: tuple[str, ...], said: str) -> None:
    result = relay(*words, "--url", "http://127.0.0.1:9", "--token", "t")
    assert result.exit_code == 64, result.output
    assert said in result.stderr
