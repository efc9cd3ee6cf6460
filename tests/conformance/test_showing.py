"""Whoever is shown one certificate and asks when another is shown, has not asked the other."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from relay.conformance import credentials
from relay.conformance.exchanges import Exchanges
from relay.conformance.listener import Listener, listening
from relay.conformance.showing import Showing
from relay.conformance.witness import Witness
from relay.demo.ports import free_ports
from relay.model import AgencyCode, NodeId
from relay.signing.tls import client_context
from relay.signing.trust import certificates_of

REQUEST = b"GET /axis/v1/node HTTP/1.1\r\nHost: kit\r\nContent-Length: 0\r\n\r\n"
CHUNK = 65_536
Mine = credentials.Credentials


class Caller:
    """One TLS connection, its handshake step by step."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out)

    async def connect(self, port: int) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)

    async def begin(self) -> None:
        """As far as the server's certificate; what is due to be said then is not said."""
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.do_handshake()
        await self._say()
        while True:
            self._in.write(await self._reader.read(CHUNK))
            try:
                return self.tls.do_handshake()
            except ssl.SSLWantReadError:
                continue

    async def ask(self) -> bytes:
        """What is answered until the end of the connection or 5 s."""
        self.tls.write(REQUEST)
        await self._say()
        async with asyncio.timeout(5):
            while came := await self._reader.read(CHUNK):
                self._in.write(came)
                try:
                    return self.tls.read(CHUNK)
                except ssl.SSLWantReadError:
                    continue
        return b""

    def shown(self) -> bytes | None:
        """The server's certificate, DER."""
        return self.tls.getpeercert(binary_form=True)

    def close(self) -> None:
        self._writer.transport.abort()

    async def _say(self) -> None:
        self._writer.write(self._out.read())
        await self._writer.drain()


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Mine:
    return credentials.stranger(tmp_path_factory.mktemp("k"), "kit-h98-11", datetime.now(UTC))


@pytest.fixture(scope="module")
def false(tmp_path_factory: pytest.TempPathFactory) -> Mine:
    return credentials.stranger(tmp_path_factory.mktemp("f"), "kit-h98-11", datetime.now(UTC))


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
async def listener(mine: Mine, port: int) -> AsyncIterator[Listener]:
    node, agency = NodeId("kit-h98-11"), AgencyCode("H98.11.91")
    made = Listener(node, agency, mine.signer(), Exchanges(), Witness(mine.log_signer()))
    async with listening(made, mine, mine.root, "127.0.0.1", port):
        yield made


@pytest.fixture
def context(mine: Mine) -> ssl.SSLContext:
    made = client_context(mine.file("tls"), mine.key("tls"), mine.root, check_hostname=False)
    made.verify_mode = ssl.CERT_NONE
    return made


def leaf(of: Mine) -> bytes:
    return certificates_of(of.file("tls").read_bytes())[0]


@pytest.fixture
def shown(listener: Listener) -> Showing:
    assert listener.shown is not None
    return listener.shown


@pytest.fixture
async def caller(listener: Listener, port: int, context: ssl.SSLContext) -> AsyncIterator[Caller]:
    """Connected; the kit has taken the connection, and nothing is said."""
    made = Caller(context)
    await made.connect(port)
    await asyncio.sleep(0.05)
    yield made
    made.close()


async def test_another_is_shown_for_a_while(
    listener: Listener, shown: Showing, port: int, context: ssl.SSLContext, mine: Mine, false: Mine
) -> None:
    """Neighbours' certificates are taken as they were."""

    async def shown_to_one() -> bytes | None:
        caller = Caller(context)
        await caller.connect(port)
        await caller.begin()
        assert (await caller.ask()).startswith(b"HTTP/1.1 200")
        caller.close()
        return caller.shown()

    with shown.another(false):
        assert await shown_to_one() == leaf(false)
    assert await shown_to_one() == leaf(mine)
    assert (shown.handshakes, len(listener.calls)) == (2, 2)


async def test_who_was_shown_its_own_has_not_asked_the_other(
    listener: Listener, shown: Showing, caller: Caller, mine: Mine, false: Mine
) -> None:
    """A judged node's handshake that ends behind the change is no fault of the node's."""
    await caller.begin()
    with shown.another(false):
        assert caller.shown() == leaf(mine)
        assert await caller.ask() == b""
        assert listener.calls == []


async def test_who_connected_before_is_shown_what_is_shown_when_it_greets(
    shown: Showing, caller: Caller, false: Mine
) -> None:
    with shown.another(false):
        await caller.begin()
        assert caller.shown() == leaf(false)
        assert (await caller.ask()).startswith(b"HTTP/1.1 200")
