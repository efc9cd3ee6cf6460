"""Serve the native face: how long its lines may be, and what becomes of those that cannot be read.

Touches: sockets, through aiohttp.
Trusts:  nothing.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from relay.delivery.ports import Refusals
from relay.delivery.pressure.refused import UNNOTED
from relay.transport.runner import ProblemRunner

MAX_LINE_BYTES = 64 * 1024
"""A circular names some thousand recipients in its query."""
MAX_FIELD_BYTES = 16 * 1024


def native_runner(
    app: web.Application, refusals: Refusals = UNNOTED, **server: Any
) -> web.AppRunner:
    """A runner for `native_app`; `server` are aiohttp's own keywords (shutdown_timeout, …)."""
    return ProblemRunner(
        app,
        lambda _: refusals.stranger("native", "unreadable"),
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_FIELD_BYTES,
        **server,
    )
