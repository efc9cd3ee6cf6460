"""The native face on a real loopback socket, over the small honest inside of fakes.py."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from relay.delivery.ports import Caller
from relay.envelope.limits import Limits
from relay.model import AgencyCode
from relay.transport.native import native_app, native_runner

LIMITS = Limits(envelope_bytes=1 << 20)


def _load() -> ModuleType:
    name = "native_fakes"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "fakes.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    world = _load().World(tmp_path)
    h13, h51 = AgencyCode("000.00.20.H13"), AgencyCode("000.00.15.H51")
    world.tokens.known("sender", Caller("sender", frozenset({h13})))
    world.tokens.known("recipient", Caller("recipient", frozenset({h51})))
    world.tokens.known("operator", Caller("operator", frozenset(), operator=True))
    world.tokens.known("auditor", Caller("auditor", frozenset(), auditor=True))
    return world


class Noted:
    """delivery.ports.Refusals that remembers."""

    def __init__(self) -> None:
        self.strangers: list[tuple[str, str]] = []
        self.known_ones: list[tuple[str, str, str, bool]] = []
        self.full = False

    def stranger(self, face: str, reason: str) -> None:
        self.strangers.append((face, reason))

    async def known(self, face: str, caller: str, reason: str, *, entry: bool = True) -> bool:
        self.known_ones.append((face, caller, reason, entry))
        return not self.full


@pytest.fixture
def noted() -> Noted:
    return Noted()


@pytest.fixture
def build(world: Any, noted: Noted) -> Callable[..., web.Application]:
    def _build(**changed: Any) -> web.Application:
        parts: dict[str, Any] = {
            "intake": world,
            "inbox": world,
            "outbox": world.outbox,
            "recovery": world.recovery,
            "control": world.operations,
            "queue": world.operations,
            "tracking": world,
            "log": world.log,
            "tokens": world.tokens,
            "store": world.store,
            "limits": LIMITS,
            "clock": world.clock,
            "ready": world.ready,
            "refusals": noted,
            "timelines": world.timelines,
        }
        return native_app(**{**parts, **changed})

    return _build


@pytest.fixture
async def base(build: Callable[..., web.Application], noted: Noted) -> AsyncIterator[str]:
    """The base URL of a running face."""
    runner = native_runner(build(), noted, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


@pytest.fixture
async def http(base: str) -> AsyncIterator[Callable[..., aiohttp.ClientSession]]:
    """A session for a token; `None` sends none."""
    sessions: list[aiohttp.ClientSession] = []

    def session(token: str | None = "sender") -> aiohttp.ClientSession:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        sessions.append(aiohttp.ClientSession(base, headers=headers))
        return sessions[-1]

    yield session
    for opened in sessions:
        await opened.close()


def edxml(subject: str, to: tuple[str, ...], filler: int) -> bytes:
    parties = "".join(
        f"<To><OrganId>{code}</OrganId><OrganName>Nơi nhận</OrganName></To>" for code in to
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">'
        '<edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">'
        "<edXML:edXMLHeader><edXML:MessageHeader>"
        "<From><OrganId>000.00.20.H13</OrganId><OrganName>Sở Mẫu</OrganName></From>"
        f"{parties}<DocumentId>000.00.20.H13,2026/11/23,12/SM-VP</DocumentId>"
        "<Code><CodeNumber>12</CodeNumber><CodeNotation>SM-VP</CodeNotation></Code>"
        "<PromulgationInfo><Place>Hà Nội</Place><PromulgationDate>2026/11/23</PromulgationDate></PromulgationInfo>"
        "<DocumentType><Type>2</Type><TypeDetail>0</TypeDetail><TypeName>Công văn</TypeName></DocumentType>"
        f"<Subject>{subject}</Subject></edXML:MessageHeader></edXML:edXMLHeader>"
        "<edXML:edXMLBody/></edXML:edXMLEnvelope>" + "<!-- filler -->" * (filler // 15) + "</edXML>"
    ).encode()


@pytest.fixture
def letter() -> Callable[..., bytes]:
    """A fictitious document from 000.00.20.H13, as edXML bytes."""

    def _letter(
        subject: str = "V/v họp giao ban", to: tuple[str, ...] = ("000.00.15.H51",), filler: int = 0
    ) -> bytes:
        return edxml(subject, to, filler)

    return _letter
