"""Attachments as they stream by: decoded in passing, looked at, handed on, never held.

Touches: nothing but the sink it is given. Trusts: nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from relay.envelope.base64stream import Base64Stream
from relay.envelope.sniff import HEAD_BYTES, is_ruined, kind_of

Sink = Callable[[int, bytes, str], None]
"""Takes the position of an attachment, from 0, the next of its decoded bytes, and the fault that
ended the decoding, if one did. Called with no bytes at an attachment's end."""


class Content:
    """What is known of one base64 text after it went by; the bytes are gone."""

    __slots__ = ("decoded_bytes", "encoded_bytes", "fault", "kind", "ruined")

    def __init__(self) -> None:
        self.encoded_bytes = 0
        self.decoded_bytes = 0
        self.fault = ""
        self.kind = ""
        self.ruined = False


class Passing:
    """One base64 text going by."""

    __slots__ = ("_base64", "_decoded_bytes", "_head", "_position", "_sink")

    def __init__(self, position: int, sink: Sink | None) -> None:
        self._base64 = Base64Stream()
        self._decoded_bytes = 0
        self._head = b""
        self._position = position
        self._sink = sink

    def feed(self, text: str) -> None:
        decoded = self._base64.feed(text)
        self._decoded_bytes += len(decoded)
        if len(self._head) < HEAD_BYTES:
            self._head += decoded[: HEAD_BYTES - len(self._head)]
        if self._sink and decoded:
            self._sink(self._position, decoded, "")

    def close(self) -> Content:
        self._base64.close()
        content = Content()
        content.encoded_bytes = self._base64.encoded_bytes
        content.decoded_bytes = self._decoded_bytes
        content.fault = self._base64.fault
        content.kind = kind_of(self._head)
        content.ruined = is_ruined(self._head)
        if self._sink:
            self._sink(self._position, b"", content.fault)
        return content
