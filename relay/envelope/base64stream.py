"""Base64 decoded as it streams by, in constant memory.

Touches: nothing. Trusts: nothing. Raises: nothing; a fault is remembered, and what follows it is
counted but not decoded.
"""

from __future__ import annotations

import binascii

import pybase64


class Base64Stream:
    """Feed text, get bytes. `encoded_bytes` counts the text without white space."""

    __slots__ = ("_carry", "_padded", "encoded_bytes", "fault")

    def __init__(self) -> None:
        self._carry = b""
        self._padded = False
        self.encoded_bytes = 0
        self.fault = ""

    def feed(self, text: str) -> bytes:
        """The bytes that this text completes; nothing once there is a fault."""
        if not text.isascii():
            self.encoded_bytes += len("".join(text.split()))
            self.fault = self.fault or "a character that is not base64"
            return b""
        data = text.encode("ascii")
        if b"\n" in data or b"\r" in data or b" " in data or b"\t" in data:
            data = data.translate(None, b" \t\r\n")
        self.encoded_bytes += len(data)
        return b"" if self.fault or not data else self._decode(data)

    def close(self) -> None:
        """The text ends here: what is left over is a fault."""
        if not self.fault and self._carry:
            self.fault = f"{len(self._carry)} characters left over"

    def _decode(self, data: bytes) -> bytes:
        if self._padded:
            self.fault = "text after the padding"
            return b""
        data = self._carry + data
        cut = len(data) & ~3
        self._carry = data[cut:]
        self._padded = data[cut - 1 : cut] == b"="
        try:
            return pybase64.b64decode(data[:cut], validate=True)
        except (binascii.Error, ValueError):
            self.fault = "a character that is not base64"
            return b""
