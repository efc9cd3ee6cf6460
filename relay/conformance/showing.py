"""Which certificate the kit's listener shows to who calls it: its own, or for a while another's.

A handshake that was begun before the change ends behind it, and may show either; what comes over such a connection
says nothing about whom the judged node talks to, and is not taken.

Touches: the listener's connections, which it ends when it shows another certificate.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from relay.conformance.credentials import Credentials
from relay.signing.tls import Roots, server_context


@dataclass(slots=True)
class Showing:
    """Of one listener. `served` is the context that it was started with: it chooses another one's certificate in
    each handshake."""

    served: ssl.SSLContext
    roots: Roots
    server: web.Server
    handshakes: int = 0
    """That were begun there."""
    shown: ssl.SSLContext = field(init=False)

    def __post_init__(self) -> None:
        self.shown = self.served
        self.served.sni_callback = self._begun

    def _begun(self, handshake: ssl.SSLObject, *_: object) -> None:
        """Called in each, whether or not a name is asked for."""
        self.handshakes += 1
        handshake.context = self.shown

    def over(self, request: web.Request) -> bool:
        """Did it come over a connection that was shown what is shown now?"""
        handshake = request.get_extra_info("ssl_object")
        return handshake is not None and handshake.context is self.shown

    @contextmanager
    def another(self, credentials: Credentials) -> Iterator[None]:
        """Until the end of the block; nothing goes over connections from before it or behind it."""
        before = self.shown
        self._show(server_context(credentials.file("tls"), credentials.key("tls"), self.roots))
        try:
            yield
        finally:
            self._show(before)

    def _show(self, context: ssl.SSLContext) -> None:
        self.shown = context
        for one in self.server.connections:
            one.force_close()
