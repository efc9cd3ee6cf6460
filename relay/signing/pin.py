"""The PIN of a token: where it is, and the only place where it is read.

Touches: a file or an environment variable, each time a session is opened.
Trusts:  the operator's file, but not its mode.
Raises:  SettingsError, which names the place and never the PIN.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from relay.errors import SettingsError

PIN_LIMIT_BYTES = 256


@dataclass(frozen=True, slots=True)
class PinPlace:
    """Either of the two."""

    file: Path | None = None
    variable: str | None = None

    def __str__(self) -> str:
        return f"pin_file {self.file}" if self.file is not None else f"pin_env {self.variable}"

    def read(self) -> str:
        """Without white space around it, which editors leave in files."""
        if self.file is not None:
            return _decoded(_content(self.file), self)
        value = os.environ.get(self.variable or "", "")
        if not value:
            raise SettingsError([f"{self}: the environment has no such variable, or it is empty"])
        return _decoded(value.encode(), self)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(PIN_LIMIT_BYTES + 1)
    except OSError as error:
        raise SettingsError([f"pin_file {path}: {error.strerror}"]) from None
    if mode & 0o077:
        raise SettingsError([f"pin_file {path} has mode {mode:04o}, limit 0600 (owner only)"])
    return content


def _decoded(content: bytes, place: PinPlace) -> str:
    if len(content) > PIN_LIMIT_BYTES:
        raise SettingsError([f"{place} holds over {PIN_LIMIT_BYTES} bytes"])
    try:
        pin = content.decode().strip()
    except UnicodeDecodeError:
        pin = ""
    if not pin:
        raise SettingsError([f"{place} holds no PIN"])
    return pin
