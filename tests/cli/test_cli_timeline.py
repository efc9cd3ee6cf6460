"""`relay track`: one timeline at the terminal, and live until everything is final."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from relay.cli.timeline import Following, show_timeline
from relay.delivery.ports import Caller
from relay.model import AgencyCode, DeliveryState
from relay.transport.native import timeline

As = Callable[..., Any]
Letter = Callable[..., Any]


def line(**more: Any) -> dict[str, Any]:
    source = {"kind": "nothing", "issuer": None, "signer": "", "receipt": None}
    found: dict[str, Any] = {"step": "stands", "event": "relayed", "text": "with tinh since then"}
    found |= {"at": "2026-11-23T04:05:06.000Z", "recipients": ["G22"], "reason": None}
    found |= {"source": {**source, "entry": None, "message": None}, "waited_seconds": None}
    found |= {"clocks_differ_seconds": None, "next_attempt_at": None, "superseded_by": None}
    return found | more


def stay(*lines: dict[str, Any], node: str = "tinh", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"node": node, "known": "signed", "came_from": None, "onward": []}
    found |= {"transfer_id": None, "recipients": ["G22", "H01.16"], "lines": list(lines)}
    return found | more


def test_each_line_says_where_it_is_from(capsys: pytest.CaptureFixture[str]) -> None:
    """Proven, written down here, a remote's word, or not known; hostile text does no harm."""
    digest = "ab" * 32
    from_ = line()["source"]
    signed = line(
        text="refused: \x1b[2J",
        source={**from_, "kind": "receipt", "issuer": "tw", "receipt": digest, "entry": 7},
        event="RelayRejection",
        superseded_by="cd" * 32,
        recipients=["G22", "H01.16"],
    )
    word = line(source={**from_, "kind": "word", "issuer": "tw"}, clocks_differ_seconds=3600.0)
    below = stay(word, node="truc-qg", known="none", came_from="tinh")
    show_timeline({"way": [stay(signed, line(at=None), onward=[below])], "entries_left_out": True})
    shown = capsys.readouterr().out
    assert "RelayRejection of tw, entry 7" in shown
    assert digest in shown
    assert "\x1b" not in shown
    assert "superseded by cdcdcdcd…" in shown
    assert "└─ truc-qg, without evidence, for G22, H01.16" in shown
    assert "no evidence; told to tw" in shown
    assert "the two clocks differ by 1 h 0 min at least" in shown
    assert "G22: with tinh since then" in shown
    assert "AT (+07:00)" in shown
    assert "2026-11-23 11:05:06" in shown
    assert "not known" in shown
    assert "relay audit tail" in shown


def test_of_a_live_timeline_only_what_is_new_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The same line is told once."""
    following = Following()
    following.tell({"way": [stay(line())]})
    following.tell({"way": [stay(line(), line(text="taken over by tw"))]})
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 2
    assert "taken over by tw" in shown[1]
    assert shown[0].startswith("2026-11-23 11:05:06")


def test_track_follows_until_all_is_final(
    as_: As, letter: Letter, live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command ends by itself, with success, once the recipient acknowledged."""
    monkeypatch.setattr(timeline, "LEAST_PAUSE_SECONDS", 0.01)
    message = as_("sender", "send", letter()).stdout.strip()
    kept = live.world.kept[message]
    looks = 0
    view = live.world.message

    async def moving(caller: Caller, message_id: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks == 5:
            deliveries = tuple(
                replace(one, state=DeliveryState.HANDED_OVER) for one in kept.view.deliveries
            )
            kept.view = replace(kept.view, deliveries=deliveries)
        return await view(caller, message_id)

    monkeypatch.setattr(type(live.world), "message", lambda _, *args: moving(*args))
    followed = as_("sender", "track", message, "-f", "--json")
    assert followed.exit_code == 0, followed.stderr
    told = [json.loads(text) for text in followed.stdout.splitlines()]
    assert [one["final"] for one in told] == [False, True]
    shown = as_("sender", "track", message, "-f")
    assert shown.exit_code == 0
    assert "SubmissionAcceptance of tinh-h01" in shown.stdout
    live.world.tokens.known("stranger", Caller("stranger", frozenset({AgencyCode("H99")})))
    assert as_("stranger", "track", message, "-f").exit_code == 66
