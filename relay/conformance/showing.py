"""Which certificate the kit's listener shows to who calls it: its own, or for a while another's.

Touches: the listener's connections, which it ends when it shows another certificate.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

from relay.conformance.credentials import Credentials


@dataclass(slots=True)
class Showing:
    """Of one listener."""

    context: ssl.SSLContext
    own: Credentials
    server: web.Server
    handshakes: int = 0
    """That were begun there."""

    def __post_init__(self) -> None:
        self.context.sni_callback = self._begun

    def _begun(self, *_: object) -> None:
        """Called in each, whether or not a name is asked for."""
        self.handshakes += 1

    @contextmanager
    def another(self, credentials: Credentials) -> Iterator[None]:
        """Until the end of the block; nothing goes over connections from before it or behind it."""
        self._show(credentials)
        try:
            yield
        finally:
            self._show(self.own)

    def _show(self, credentials: Credentials) -> None:
        self.context.load_cert_chain(credentials.file("tls"), credentials.key("tls"))
        for one in self.server.connections:
            one.force_close()
