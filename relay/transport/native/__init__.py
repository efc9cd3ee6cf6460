"""The native face: a REST API for systems, operators, auditors and the terminal.

`native_app` builds it, `native_runner` serves it so that even what aiohttp refuses by itself is
answered with a problem document. Every route is in `openapi.document()`, and nothing else is.
"""

from relay.transport.native.app import native_app
from relay.transport.native.runner import native_runner

__all__ = ["native_app", "native_runner"]
