"""The terminal against a real native face in a thread, whose receipts and seals are really signed."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import structlog
from aiohttp import web
from typer.testing import CliRunner, Result

from relay.cli.main import app
from relay.delivery.ports import Caller
from relay.envelope.limits import Limits
from relay.model import AgencyCode, Digest, NodeId, Receipt, Seal, SealKind, Signed
from relay.signing import pki
from relay.signing.evidence import sign_receipt
from relay.signing.keys import Signer
from relay.signing.pki_words import KeyType
from relay.signing.seal import make_seal
from relay.transport.native import native_app, native_runner

ISSUED = datetime(2026, 11, 1, tzinfo=UTC)
Beside = Callable[[], AbstractAsyncContextManager[dict[str, Any]]]


def _fakes() -> ModuleType:
    name = "native_fakes"
    if name not in sys.modules:
        place = Path(__file__).parents[1] / "transport" / "native" / "fakes.py"
        spec = importlib.util.spec_from_file_location(name, place)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def pki_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root, a branch, a node and an agency; made when the tests run."""
    folder = tmp_path_factory.mktemp("pki") / "pki"
    pki.init(folder, name="Cơ quan Mẫu", key=KeyType.P256, now=ISSUED, days=3650)
    pki.issue_branch(folder, "mau", key=KeyType.P256, now=ISSUED, days=3000, nodes=["tinh-h01"])
    pki.issue_node(folder, NodeId("tinh-h01"), "mau", key=KeyType.P256, now=ISSUED, days=700)
    pki.issue_agency(folder, ["000.00.20.H13"], "mau", key=KeyType.P256, now=ISSUED, days=700)
    return folder


@pytest.fixture(scope="session")
def root(pki_folder: Path) -> Path:
    return pki_folder / "root" / "root.pem"


@dataclass
class Live:
    """A running face: where it is, what is behind it, and its control socket."""

    url: str
    world: Any
    socket: Path
    loop: asyncio.AbstractEventLoop

    def do(self, work: Any) -> Any:
        """Run a coroutine where the face runs."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)


@pytest.fixture
def beside() -> Beside:
    """Doors of the face beside those of the world; a module may have its own."""

    @asynccontextmanager
    async def nothing() -> AsyncIterator[dict[str, Any]]:
        yield {}

    return nothing


@pytest.fixture
def live(pki_folder: Path, tmp_path: Path, beside: Beside) -> Iterator[Live]:
    node = pki_folder / "nodes" / "tinh-h01"
    signer = Signer.load(node / "sign.pem", node / "sign.key.pem")

    def sign(receipt: Receipt) -> Signed:
        return sign_receipt(receipt, signer, receipt.at)

    def seal(digest: Digest) -> Seal:
        return make_seal(digest, SealKind.NODE, signer, datetime.now(UTC))

    payloads = tmp_path / "payloads"
    payloads.mkdir()
    world = _fakes().World(payloads, sign, seal)
    h13, h51 = AgencyCode("000.00.20.H13"), AgencyCode("000.00.15.H51")
    world.tokens.known("sender", Caller("sender", frozenset({h13})))
    world.tokens.known("recipient", Caller("recipient", frozenset({h51})))
    world.tokens.known("operator", Caller("operator", frozenset(), operator=True))
    data = tmp_path / "data"
    data.mkdir()
    yield from _served(world, data / "control.sock", beside)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The node's own log lines are not the command's output."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def _served(world: Any, socket: Path, beside: Beside) -> Iterator[Live]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def face(doors: dict[str, Any], local_operator: bool) -> web.AppRunner:
        return native_runner(
            native_app(
                world,
                world,
                world,
                world.log,
                world.tokens,
                world.store,
                Limits(),
                world.clock,
                world.ready,
                outbox=world.outbox,
                recovery=world.recovery,
                control=world.operations,
                queue=world.operations,
                local_operator=local_operator,
                timelines=world.timelines,
                **doors,
            ),
            shutdown_timeout=1.0,
        )

    opened = AsyncExitStack()

    async def start() -> tuple[web.AppRunner, web.AppRunner]:
        doors = await opened.enter_async_context(beside())
        outer, inner = face(doors, False), face(doors, True)
        await outer.setup()
        await inner.setup()
        await web.TCPSite(outer, "127.0.0.1", 0).start()
        await web.UnixSite(inner, socket).start()
        return outer, inner

    async def stop(*runners: web.AppRunner) -> None:
        for runner in runners:
            await runner.cleanup()
        await opened.aclose()

    live = Live("", world, socket, loop)
    runners = live.do(start())
    live.url = f"http://127.0.0.1:{runners[0].addresses[0][1]}"
    try:
        yield live
    finally:
        live.do(stop(*runners))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


Relay = Callable[..., Result]


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Relay:
    """Run `relay …` in this process, with none of the caller's own RELAY_* settings."""
    for name in ("URL", "TOKEN", "CA", "CLIENT_CERTIFICATE", "CLIENT_KEY"):
        monkeypatch.delenv(f"RELAY_{name}", raising=False)

    def run(*args: object, env: dict[str, str] | None = None) -> Result:
        return CliRunner().invoke(app, [str(arg) for arg in args], env=env, catch_exceptions=False)

    return run


@pytest.fixture
def as_(live: Live, relay: Relay) -> Callable[..., Result]:
    """`as_("sender", "send", …)`: the command with the connection options of a token."""

    def run(token: str, *args: object) -> Result:
        return relay(*args, "--url", live.url, "--token", token)

    return run


@pytest.fixture
def letter(tmp_path: Path) -> Callable[..., Path]:
    """A fictitious document from 000.00.20.H13 in a file."""

    def write(
        subject: str = "V/v họp giao ban", filler: int = 0, to: str = "000.00.15.H51"
    ) -> Path:
        path = tmp_path / "letter.edxml"
        path.write_text(
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">'
            '<edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">'
            "<edXML:edXMLHeader><edXML:MessageHeader>"
            "<From><OrganId>000.00.20.H13</OrganId><OrganName>Sở Mẫu</OrganName></From>"
            f"<To><OrganId>{to}</OrganId><OrganName>Nơi nhận</OrganName></To>"
            "<DocumentId>12</DocumentId>"
            "<Code><CodeNumber>12</CodeNumber><CodeNotation>SM-VP</CodeNotation></Code>"
            f"<Subject>{subject}</Subject></edXML:MessageHeader></edXML:edXMLHeader>"
            "<edXML:edXMLBody/></edXML:edXMLEnvelope>"
            + "<!-- filler -->" * (filler // 15)
            + "</edXML>",
            encoding="utf-8",
        )
        return path

    return write


@pytest.fixture
def config(pki_folder: Path, tmp_path: Path) -> Path:
    """A whole configuration for one node, on ports the system chooses."""
    keys = "".join(
        f'[keys.{use}]\ncertificate = "{pki_folder}/nodes/tinh-h01/{use}.pem"\n'
        f'key = "{pki_folder}/nodes/tinh-h01/{use}.key.pem"\n'
        for use in ("tls", "sign", "log")
    )
    path = tmp_path / "node.toml"
    path.write_text(
        f'[node]\nid = "tinh-h01"\ndata_dir = "data"\n'
        '[listen]\nnative = ["127.0.0.1:0"]\nplain_http = true\n'
        f'{keys}[trust]\nroots = ["{pki_folder}/root/root.pem"]\n'
        '[[directory.nodes]]\nid = "tinh-h01"\ntier = "province"\n'
        '[[directory.agencies]]\ncode = "000.00.20.H13"\nname = "Sở Mẫu"\n'
        'tier = "province"\nnode = "tinh-h01"\n',
        encoding="utf-8",
    )
    return path
