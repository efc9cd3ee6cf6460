"""Tell a client that waits for `100 Continue` to go on, once it is known who it is.

Touches: the connection.
Raises:  web.HTTPExpectationFailed for any other expectation.
"""

from __future__ import annotations

from aiohttp import HttpVersion11, web


async def proceed(request: web.Request) -> None:
    """Call before reading a body; a refusal before it costs the client no upload."""
    expectation = request.headers.get("Expect")
    if expectation is None or request.version != HttpVersion11:
        return
    if expectation.lower() != "100-continue":
        raise web.HTTPExpectationFailed
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # nothing of the answer itself is out yet
