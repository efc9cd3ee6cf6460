"""The process in which a token's module is loaded: it signs what it is told to, line by line.

A module of a vendor's runs with the rights of whoever loads it and may crash, hang or leak. Here it
takes nobody with it: the node speaks to it over a pipe and ends it when it does not answer
(docs/adr/0021). One thread, one session a token, opened when first needed.

    in    {"token": {"label"?, "serial"?}, "key", "pin_file"? | "pin_env"?, "method", "content"}
    out   {"value"} or {"fault", "said"}          content and value in base64

After a fault of the token or the module it ends, so that the next attempt begins from nothing.

Touches: the module, the token, the PIN's place, its standard input and output.
Trusts:  the node that started it.
Raises:  nothing: what goes wrong is a word on the pipe.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from relay.errors import SettingsError
from relay.signing.pin import PinPlace

RSA, ECDSA = "rsa", "ecdsa"
NO_LIBRARY, NO_MODULE, NO_TOKEN, NO_KEY, NO_PIN, PIN, DEVICE = (
    "no-library",
    "no-module",
    "no-token",
    "no-key",
    "no-pin",
    "pin",
    "device",
)
_FAULTS = {
    "NoSuchToken": NO_TOKEN,
    "MultipleTokensReturned": NO_TOKEN,
    "TokenNotPresent": NO_TOKEN,
    "TokenNotRecognised": NO_TOKEN,
    "DeviceRemoved": NO_TOKEN,
    "NoSuchKey": NO_KEY,
    "MultipleObjectsReturned": NO_KEY,
    "PinIncorrect": PIN,
    "PinInvalid": PIN,
    "PinLenRange": PIN,
    "PinExpired": PIN,
    "PinLocked": PIN,
}


class _Fault(Exception):  # noqa: N818  a word for the pipe, not an error of ours
    def __init__(self, fault: str, said: str) -> None:
        self.fault = fault
        self.said = said
        super().__init__(said)


@dataclass(slots=True)
class _Module:
    """A loaded module; keys by token and label."""

    library: Any
    _keys: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    _sessions: dict[tuple[str, str], Any] = field(default_factory=dict)

    def sign(self, order: dict[str, Any]) -> bytes:
        from pkcs11 import Mechanism  # noqa: PLC0415  an optional library

        content = base64.b64decode(order["content"])
        key = self._key(order)
        if order["method"] == RSA:
            return bytes(key.sign(content, mechanism=Mechanism.SHA256_RSA_PKCS))
        digest = hashlib.sha256(content).digest()
        return bytes(key.sign(digest, mechanism=Mechanism.ECDSA))

    def _key(self, order: dict[str, Any]) -> Any:
        from pkcs11 import ObjectClass  # noqa: PLC0415

        token = (order["token"].get("label") or "", order["token"].get("serial") or "")
        named = (*token, order["key"])
        if named not in self._keys:
            session = self._session(token, order)
            self._keys[named] = session.get_key(
                object_class=ObjectClass.PRIVATE_KEY, label=order["key"]
            )
        return self._keys[named]

    def _session(self, named: tuple[str, str], order: dict[str, Any]) -> Any:
        if named not in self._sessions:
            label, serial = named
            which = {"token_serial": serial.encode()} if serial else {"token_label": label}
            token = self.library.get_token(**which)
            self._sessions[named] = token.open(user_pin=_pin(order))
        return self._sessions[named]


def _pin(order: dict[str, Any]) -> str:
    file, variable = order.get("pin_file"), order.get("pin_env")
    try:
        return PinPlace(Path(file) if file else None, variable).read()
    except SettingsError as error:
        raise _Fault(NO_PIN, str(error)) from None


def _load(path: str) -> _Module:
    try:
        import pkcs11  # noqa: PLC0415
    except ImportError:
        raise _Fault(NO_LIBRARY, "python-pkcs11 is not installed: truc-relay[pkcs11]") from None
    try:
        return _Module(pkcs11.lib(path))
    except Exception as error:  # noqa: BLE001  whatever a module's loading can fail with
        raise _Fault(NO_MODULE, f"{path} cannot be loaded: {type(error).__name__}") from None


def _answered(module: _Module, line: str) -> dict[str, str]:
    try:
        value = module.sign(json.loads(line))
    except _Fault as fault:
        return {"fault": fault.fault, "said": fault.said}
    except Exception as error:  # noqa: BLE001  the library's errors have no text worth telling
        name = type(error).__name__
        return {"fault": _FAULTS.get(name, DEVICE), "said": name}
    return {"value": base64.b64encode(value).decode()}


def _pipe() -> TextIO:
    """Standard output for answers alone: what a module prints there goes nowhere."""
    pipe = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return pipe


def _say(pipe: TextIO, answer: dict[str, str]) -> None:
    pipe.write(json.dumps(answer) + "\n")
    pipe.flush()


def main(path: str) -> None:
    """Until the pipe is closed or something fails."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the node ends it, by closing the pipe
    pipe = _pipe()
    module: _Module | None = None
    for line in sys.stdin:
        try:
            module = module or _load(path)
        except _Fault as fault:
            _say(pipe, {"fault": fault.fault, "said": fault.said})
            return
        answer = _answered(module, line)
        _say(pipe, answer)
        if "fault" in answer:
            return


if __name__ == "__main__":
    main(sys.argv[1])
