"""What does not come is a fault only where other things come: a slow machine is none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from relay.conformance import absence, credentials, dms
from relay.conformance.absence import transfer_awaited
from relay.conformance.credentials import Authority
from relay.conformance.dms import Dms
from relay.conformance.exchanges import Exchanges
from relay.conformance.listener import Listener
from relay.conformance.requested import Arrived
from relay.conformance.stand import Stand
from relay.conformance.subject import Subject
from relay.conformance.verdicts import FailedError, InconclusiveError
from relay.conformance.witness import Witness
from relay.model import AgencyCode, Digest, NodeId, Signed, digest_of
from tests.conformance.test_listener import HEADER

WAIT = 0.2
SUBJECT = Subject(
    id="a",
    axis="https://a",
    systemid="vxp.test",
    secret="s",
    roots=Path("roots.pem"),
    agency="H98.11",
)
Send = Callable[[bytes], Awaitable[None]]


@pytest.fixture
def listener(tmp_path: Path) -> Listener:
    mine = credentials.stranger(tmp_path, "kit-h98-11", datetime.now(UTC))
    node, agency = NodeId("kit-h98-11"), AgencyCode("H98.11.91")
    return Listener(node, agency, mine.signer(), Exchanges(), Witness(mine.log_signer()))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent anew has seconds: this machine may be slow, too."""
    monkeypatch.setattr(absence, "PART", WAIT / 5)


def stand(listener: Listener, send: Send) -> Stand:
    """A node whose system's documents go where `send` says."""
    made = Stand(SUBJECT, SUBJECT, Exchanges(), Authority(Path()), cast("Any", None))
    made._listener, made._dms = listener, cast("Any", SimpleNamespace(send=send))
    made._peer = cast("Any", SimpleNamespace(agency=listener.agency))
    return made


async def come(listener: Listener, digest: str) -> None:
    header = replace(HEADER, digest=Digest(digest))
    arrived = Arrived(header, Signed(b"", b""), b"", b"", datetime.now(UTC), {})
    async with listener.changed:
        listener.arrived.append(arrived)
        listener.changed.notify_all()


async def test_what_comes_in_time_is_found(listener: Listener) -> None:
    async def nowhere(_: bytes) -> None:
        """It is not needed."""

    await come(listener, "a" * 64)
    found = await transfer_awaited(stand(listener, nowhere), "a" * 64, WAIT, "the document")
    assert found.header.digest == "a" * 64


@pytest.mark.usefixtures("patient")
async def test_what_does_not_come_while_other_things_do_is_missing(listener: Listener) -> None:
    async def at_once(envelope: bytes) -> None:
        await come(listener, digest_of(envelope))

    with pytest.raises(FailedError, match="the document did not come within"):
        await transfer_awaited(stand(listener, at_once), "a" * 64, WAIT, "the document")


async def test_where_nothing_comes_nothing_is_told(listener: Listener) -> None:
    async def nowhere(_: bytes) -> None:
        """Everything takes long here."""

    with pytest.raises(InconclusiveError, match="what is sent now does not"):
        await transfer_awaited(stand(listener, nowhere), "a" * 64, WAIT, "the document")


@pytest.mark.usefixtures("patient")
async def test_what_comes_late_is_not_missing(listener: Listener) -> None:
    async def both(envelope: bytes) -> None:
        await come(listener, "a" * 64)
        await come(listener, digest_of(envelope))

    with pytest.raises(InconclusiveError, match="but later"):
        await transfer_awaited(stand(listener, both), "a" * 64, WAIT, "the document")


@pytest.mark.parametrize(("look", "takes", "slow"), [(0.2, 0.0, False), (0.01, 0.15, True)])
async def test_a_list_is_empty_only_where_it_could_be_asked_for_often(
    monkeypatch: pytest.MonkeyPatch, look: float, takes: float, slow: bool
) -> None:
    monkeypatch.setattr(dms, "LOOK_SECONDS", look)

    async def received_list(_: object) -> list[Any]:
        await asyncio.sleep(takes)
        return []

    client = cast("Any", SimpleNamespace(received_list=received_list))
    system = Dms(SUBJECT, Exchanges(), cast("Any", None), client)
    if slow:
        with pytest.raises(InconclusiveError, match="times only"):
            await system.until_copies(b"letter", 0.3)
    else:
        assert await system.until_copies(b"letter", 0.3) == []
