"""A SoftHSM token for a measurement: made in a folder, its keys used as a node uses those of any token.

Touches: one folder, the program softhsm2-util, SOFTHSM2_CONF in the environment meanwhile, a child process.
Raises:  CalledProcessError, KeyUnavailableError where the token does not do what it should.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from relay.signing import pki_files
from relay.signing.keys import Signer
from relay.signing.pin import PinPlace
from relay.signing.token import TokenKey, TokenModule

_PROGRAM = "softhsm2-util"
_LABEL = "bench"
_MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/libsofthsm2.so"),
    Path("/usr/local/lib/softhsm/libsofthsm2.so"),
    Path("/opt/homebrew/lib/softhsm/libsofthsm2.so"),
)


def missing() -> str | None:
    """What this machine lacks for it, in a word or two; None: nothing."""
    if shutil.which(_PROGRAM) is None:
        return _PROGRAM
    if not any(map(Path.exists, _MODULES)):
        return "libsofthsm2.so"
    return None if find_spec("pkcs11") else "truc-relay[pkcs11]"


@dataclass(frozen=True, slots=True)
class SoftHsm:
    """One token, as long as the measurement goes on."""

    module: TokenModule
    pin: PinPlace

    def signer(self, certificate: Path, name: str) -> Signer:
        """With the certificate's key, which is put on the token under this name."""
        key = pki_files.key_path(certificate)
        _run(
            "--import",
            str(key),
            "--token",
            _LABEL,
            "--label",
            name,
            "--id",
            name,
            "--pin",
            self._pin,
        )
        return Signer.on_token(certificate, self.module, TokenKey(name, _LABEL, pin=self.pin))

    @property
    def _pin(self) -> str:
        assert self.pin.file is not None
        return self.pin.file.read_text().strip()


@contextmanager
def softhsm(folder: Path) -> Iterator[SoftHsm]:
    """A new token in this folder, with a PIN of its own; nothing of the machine's other tokens is seen."""
    tokens, config, pin = folder / "tokens", folder / "softhsm2.conf", folder / "pin"
    tokens.mkdir(parents=True)
    config.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
    pin.touch(0o600)
    pin.write_text(number := str(secrets.randbelow(10**8) + 10**8))
    module = TokenModule(next(filter(Path.exists, _MODULES)))
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(config)
    try:
        _run("--init-token", "--free", "--label", _LABEL, "--so-pin", number, "--pin", number)
        yield SoftHsm(module, PinPlace(pin))
    finally:
        module.close()
        if before is None:
            del os.environ["SOFTHSM2_CONF"]
        else:
            os.environ["SOFTHSM2_CONF"] = before


def _run(*words: str) -> None:
    subprocess.run([_PROGRAM, *words], check=True, capture_output=True)
