"""Keys on tokens: PKCS#11 modules, each in a process of its own and used by one hand.

Where a signature fails, the process is ended and a new one tried, once: sessions are lost, tokens
pulled out and put in again, modules crash. If that fails too, whoever asks is told so at once for
some seconds. A PIN that was refused is never tried again: a few of those lock a token for good.

Touches: child processes, one a module, begun with the first signature.
Trusts:  the module's signatures only as far as the certificate's key proves them (keys.py).
Raises:  KeyUnavailableError.
"""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import structlog

from relay.errors import KeyUnavailableError
from relay.lines import Line
from relay.signing.hand import Hand, Rank
from relay.signing.pin import PinPlace
from relay.signing.token_process import PIN

ANSWER_SECONDS = 30.0
"""A token on a slow bus signs in one; one that takes this long will not."""
AGAIN_SECONDS = 5.0
_ANSWER_LIMIT_BYTES = 16 * 1024
log = structlog.get_logger("relay.token")


@dataclass(frozen=True, slots=True)
class TokenKey:
    """Which key, on which token of a module's: by its label or its serial number."""

    key: str
    label: str | None = None
    serial: str | None = None
    pin: PinPlace = field(default_factory=PinPlace)

    def __str__(self) -> str:
        return f"key {self.key} on token {self.label or self.serial}"

    @property
    def token(self) -> tuple[str | None, str | None]:
        return self.label, self.serial

    def order(self, method: str, content: bytes) -> bytes:
        return json.dumps(
            {
                "token": {"label": self.label, "serial": self.serial},
                "key": self.key,
                "pin_file": None if self.pin.file is None else str(self.pin.file),
                "pin_env": self.pin.variable,
                "method": method,
                "content": base64.b64encode(content).decode(),
            }
        ).encode()


class _LostError(Exception):
    """What the token's process said last, or that it said nothing."""

    def __init__(self, fault: str, said: str) -> None:
        self.fault = fault
        super().__init__(said)


@dataclass(slots=True, eq=False)
class TokenModule:
    """One PKCS#11 module: its hand, its process, what is known to fail."""

    path: Path
    answer_seconds: float = ANSWER_SECONDS
    monotonic: Callable[[], float] = time.monotonic
    hand: Hand = field(init=False)
    _closed: bool = False
    _child: subprocess.Popen[bytes] | None = None
    _refused: dict[tuple[str | None, str | None], str] = field(default_factory=dict)
    """Tokens whose PIN was refused, and what is to be said of them."""
    _failing: dict[TokenKey, tuple[float, str]] = field(default_factory=dict)
    """Until when nothing is tried, and why."""

    def __post_init__(self) -> None:
        self.hand = Hand(f"token-{self.path.stem}"[:15])

    def sign(self, key: TokenKey, method: str, content: bytes) -> bytes:
        """The signature value; in the module's hand, waited for."""
        return self.hand.wait_for(Rank.SEAL, lambda: self._sign(key, method, content))

    def trouble(self, key: TokenKey) -> str | None:
        """Why this key cannot sign now, as far as is known."""
        if (said := self._refused.get(key.token)) is not None:
            return said
        failing = self._failing.get(key)
        return None if failing is None else failing[1]

    def close(self) -> None:
        """End the process for good."""
        self._closed = True
        self._drop()

    # ------------------------------------------------------------ in the hand's thread

    def _drop(self) -> None:
        """End the process; the next signature begins another."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()

    def _sign(self, key: TokenKey, method: str, content: bytes) -> bytes:
        if (said := self._refused.get(key.token)) is not None:
            raise KeyUnavailableError(said)
        until, why = self._failing.get(key, (0.0, ""))
        if self.monotonic() < until:
            raise KeyUnavailableError(why)
        try:
            value = self._tried(key, method, content)
        except _LostError as error:
            raise self._failed(key, error) from None
        if self._failing.pop(key, None) is not None:
            log.info(Line.TOKEN_IS_BACK, key=str(key))
        return value

    def _tried(self, key: TokenKey, method: str, content: bytes) -> bytes:
        """Once more in a new process, unless it was a new one, or it is the PIN."""
        new = self._child is None
        try:
            return self._exchange(key.order(method, content))
        except _LostError as error:
            self._drop()
            if new or error.fault == PIN:
                raise
        try:
            return self._exchange(key.order(method, content))
        except _LostError:
            self._drop()
            raise

    def _failed(self, key: TokenKey, error: _LostError) -> KeyUnavailableError:
        if error.fault == PIN:
            said = (
                f"{key}: the PIN in {key.pin} was refused ({error}); it is not tried again "
                "before a restart, so that the token does not lock itself"
            )
            self._refused[key.token] = said
        else:
            said = f"{key} cannot sign: {error.fault} ({error})"
            self._failing[key] = (self.monotonic() + AGAIN_SECONDS, said)
        log.error(Line.TOKEN_FAILED, key=str(key), error=said)
        return KeyUnavailableError(said, int(AGAIN_SECONDS))

    def _exchange(self, order: bytes) -> bytes:
        child = self._child or self._begin()
        assert child.stdin is not None  # noqa: S101  both are pipes
        assert child.stdout is not None  # noqa: S101
        try:
            child.stdin.write(order + b"\n")
            child.stdin.flush()
        except OSError:
            raise _LostError("crashed", "its process is gone") from None
        answer = json.loads(self._line(child.stdout))
        if "value" not in answer:
            raise _LostError(str(answer.get("fault", "")), str(answer.get("said", "")))
        return base64.b64decode(answer["value"])

    def _begin(self) -> subprocess.Popen[bytes]:
        if self._closed:
            raise _LostError("closed", "the node is stopping")
        self._child = subprocess.Popen(
            [sys.executable, "-m", "relay.signing.token_process", str(self.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a module may say anything there
            bufsize=0,
            start_new_session=True,
        )
        return self._child

    def _line(self, pipe: IO[bytes]) -> bytes:
        """One whole answer within the time."""
        deadline = time.monotonic() + self.answer_seconds
        waiting = select.poll()  # select() knows no descriptor above a thousand
        waiting.register(pipe, select.POLLIN)
        found = b""
        while not found.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not waiting.poll(left * 1000):
                raise _LostError("hangs", f"no answer within {self.answer_seconds:g} s")
            chunk = os.read(pipe.fileno(), 4096)
            if not chunk:
                raise _LostError("crashed", "its process ended")
            found += chunk
            if len(found) > _ANSWER_LIMIT_BYTES:
                raise _LostError("device", "its answer is too long")
        return found
