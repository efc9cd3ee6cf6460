"""`relay send` of a large envelope over links that cut: what came stays, and the same command goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from relay.cli import send
from relay.errors import NotFoundError
from relay.journal.ahead import AheadFiles

SIZE_BYTES = 900_000
LOST_AT_A_CUT = 160 << 10
"""As between nodes (test_nodes_thin_links.py)."""


@pytest.fixture
def beside(tmp_path: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def doors() -> AsyncIterator[dict[str, Any]]:
        yield {"ahead": AheadFiles(tmp_path / "ahead", 4 << 20)}

    return doors


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "AHEAD_BYTES", 1 << 16)
    monkeypatch.setattr(send, "SETTLE_SECONDS", 0.2)


@pytest.fixture
def over(live: Any, thin_link: Any) -> Callable[..., Any]:
    """`with over(cut_after=…) as link`: the face behind a thin link."""

    @contextmanager
    def behind(**kind: Any) -> Iterator[Any]:
        link = thin_link(int(live.url.rpartition(":")[2]), **kind)
        live.do(link.__aenter__())
        try:
            yield link
        finally:
            live.do(link.__aexit__())
            live.do(asyncio.sleep(0.1))  # until what was cut is closed: the loop ends with the test

    return behind


def _sent(relay: Any, link: Any, *args: object) -> Any:
    url = f"http://127.0.0.1:{link.listening}"
    return relay("send", *args, "--url", url, "--token", "sender")


def test_a_cut_link_costs_what_was_under_way(
    live: Any, relay: Any, over: Callable[..., Any], letter: Callable[..., Path]
) -> None:
    """One command goes on after each cut, from where the node is, and hands in once."""
    with over(cut_after=200_000) as link:
        sent = _sent(relay, link, letter(filler=SIZE_BYTES))

    assert sent.exit_code == 0, sent.output
    assert sent.stdout.strip()
    assert link.cuts >= 3
    assert link.up_bytes - SIZE_BYTES < (link.cuts + 1) * LOST_AT_A_CUT
    assert len(live.world.submissions) == 1


def test_a_link_on_which_nothing_gets_through_is_told_and_gone_on_from(
    live: Any, relay: Any, over: Callable[..., Any], letter: Callable[..., Path]
) -> None:
    """The command ends with how far it came; over a better link the same one brings the rest only."""
    file = letter(filler=SIZE_BYTES)
    with over(cut_after=400) as link:
        broken = _sent(relay, link, file)
    assert broken.exit_code == 69
    assert "the same command goes on there" in broken.stderr
    assert live.world.submissions == []

    with over(cut_after=500_000) as link:
        first = _sent(relay, link, file)
    assert first.exit_code == 0, first.output
    with over() as link:
        again = _sent(relay, link, file)

    assert again.stdout == first.stdout
    assert link.up_bytes < 20_000  # nothing is brought again


def test_a_node_without_uploads_gets_the_envelope_whole(
    live: Any, relay: Any, over: Callable[..., Any], letter: Callable[..., Path], monkeypatch: Any
) -> None:
    """One of an earlier release answers 404."""
    monkeypatch.setattr(AheadFiles, "offset", _unknown)
    with over() as link:
        sent = _sent(relay, link, letter(filler=SIZE_BYTES))

    assert sent.exit_code == 0, sent.output
    assert len(live.world.submissions) == 1


def _unknown(*_: object) -> int:
    raise NotFoundError("no such route")
