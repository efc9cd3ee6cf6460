"""The node's sockets: the faces' addresses, the control socket, and the end of both.

Touches: the network, the data folder's control socket, the certificates that the settings name.
Raises:  SettingsError for an address that cannot be had.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from relay.errors import SettingsError
from relay.settings.settings import Settings
from relay.signing.tls import client_context, face_context, server_context
from relay.signing.trust import Anchors


@dataclass(slots=True)
class Listeners:
    """What listens, once started."""

    addresses: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    """Where each face really listens."""
    _runners: list[web.AppRunner] = field(default_factory=list)

    async def listen(
        self,
        name: str,
        runner: web.AppRunner,
        addresses: tuple[str, ...],
        tls: ssl.SSLContext | None,
    ) -> None:
        await runner.setup()
        self._runners.append(runner)
        for text in addresses:
            host, _, port = text.rpartition(":")
            site = web.TCPSite(runner, host.strip("[]"), int(port), ssl_context=tls)
            try:
                await site.start()
            except OSError as error:
                raise SettingsError([f"listen.{name}: {text}: {error.strerror}"]) from error
        self.addresses[name] = [tuple(address[:2]) for address in runner.addresses]

    async def control(self, runner: web.AppRunner, path: Path) -> None:
        """The unix socket on which whoever may open the data folder is an operator."""
        _clear(path)
        await runner.setup()
        self._runners.append(runner)
        before = os.umask(0o177)
        try:
            await web.UnixSite(runner, path).start()
        finally:
            os.umask(before)

    async def leave(self, seconds: float, none_left: Callable[[], Awaitable[None]]) -> None:
        """No connection is taken any more. Bodies that are coming have so long to come, for the library
        drops what arrives once it shuts down; then it has as long to end the handlers, in two steps."""
        for runner in self._runners:
            for site in list(runner.sites):
                await site.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await none_left()
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))

    def shown(self) -> dict[str, str]:
        """For the log."""
        return {
            name: " ".join(f"[{h}]:{p}" if ":" in h else f"{h}:{p}" for h, p in found)
            for name, found in self.addresses.items()
        }


def nodes_tls(settings: Settings, anchors: Anchors) -> ssl.SSLContext:
    """For neighbours that come to this node."""
    return server_context(*_pair(settings), anchors)


def neighbours_tls(settings: Settings, anchors: Anchors) -> ssl.SSLContext:
    """For going to neighbours."""
    return client_context(*_pair(settings), anchors, check_hostname=False)


def axis_tls(settings: Settings) -> ssl.SSLContext | None:
    """For systems; None where the settings say plain HTTP."""
    return None if settings.listen.plain_http else face_context(*_pair(settings))


def native_tls(settings: Settings) -> ssl.SSLContext | None:
    """For people and programs, who may have to show certificates; None as above."""
    if settings.listen.plain_http:
        return None
    return face_context(*_pair(settings), settings.listen.native_clients)


def _clear(path: Path) -> None:
    """Of the socket that a process which was killed has left."""
    path.unlink(missing_ok=True)


def _pair(settings: Settings) -> tuple[Path, Path]:
    return settings.keys.tls.certificate, settings.keys.tls.key
