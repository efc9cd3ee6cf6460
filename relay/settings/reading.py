"""Read a node's configuration: one TOML file, RELAY_* over it, every problem at once.

Settings stop at node/: the parts of a node take plain values. Relative paths are relative to the
configuration file. An environment variable RELAY_NODE__DATA_DIR stands for `data_dir` in `[node]`;
lists and tables are given as JSON.

Touches: the configuration and directory files, the environment, what sections.py looks at.
Raises:  SettingsError with one line for each problem, never with a value that may be a secret.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from pydantic import ValidationError

from relay.errors import SettingsError
from relay.settings.contradictions import contradictions
from relay.settings.directory import toml
from relay.settings.environment import environment, unknown_sections, unknown_variables
from relay.settings.sections import BASE
from relay.settings.settings import Settings
from relay.settings.sound import Sound, hidden_secrets, sound_sections
from relay.settings.wording import lines

SAMPLES = "the samples in config/ show every key with its meaning"
_SOCKET_LIMIT_BYTES = 107
"""Of a unix socket's path on Linux, which has room for 108 with the NUL at its end."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file and the environment say: everything that is wrong, and what can be read all the same."""

    settings: Settings | None
    """None where they cannot be had whole."""
    problems: tuple[str, ...]
    sound: Sound
    remarks: tuple[str, ...]
    """What is no mistake, but hardly meant."""


def load(path: Path) -> Settings:
    """The settings of a file and the environment. Raises SettingsError with every problem."""
    reading = read(path)
    if reading.problems or reading.settings is None:
        raise SettingsError(reading.problems, SAMPLES)
    return reading.settings


def read(path: Path) -> Reading:
    """Raises SettingsError only where there is no file to read."""
    content = toml(path)
    token = BASE.set(path.parent.absolute())
    try:
        above, unreadable = environment()
        merged = _merged(content, above)
        sound = sound_sections(merged)
        settings, wrong = _validated(merged)
        wrong += hidden_secrets(merged)
        problems = [*wrong, *unreadable, *unknown_sections(os.environ), *contradictions(sound)]
    finally:
        BASE.reset(token)
    remarks = (
        *unknown_variables(os.environ),
        *_open_secrets(path, content),
        *_in_the_clear(sound),
        *(() if settings is None else settings.revocation.remarks()),
    )
    return Reading(settings, tuple(problems), sound, remarks)


def _validated(merged: Mapping[str, Any]) -> tuple[Settings | None, list[str]]:
    try:
        return Settings.model_validate(merged), []
    except ValidationError as error:
        return None, lines(error, merged)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables joined key by key; anything else of `above` replaces."""
    found = dict(below)
    for key, value in above.items():
        under = found.get(key)
        both = isinstance(value, Mapping) and isinstance(under, Mapping)
        found[key] = _merged(under, value) if both else value  # type: ignore[arg-type]
    return found


def _open_secrets(path: Path, content: Mapping[str, Any]) -> Iterator[str]:
    """No problem, because a file with nothing but its owner's group may be meant; a secret_file is 0600."""
    lists = [content.get("systems"), content.get("bridges")]
    rows = [one for found in lists if isinstance(found, list) for one in found]
    inline = any(isinstance(one, dict) and "secret" in one for one in rows)
    mode = stat.S_IMODE(path.stat().st_mode)
    if inline and mode & 0o077:
        yield f"{path} holds a secret and has mode {mode:04o}: others can read it; use secret_file, or mode 0600"


def _in_the_clear(sound: Sound) -> Iterator[str]:
    """No problem, because the way may be encrypted by something this node knows nothing of."""
    listen = sound.listen
    if listen is None or not (listen.plain_http and listen.plain_http_beyond_loopback):
        return
    for text in (*listen.axis, *listen.native):
        if not ip_address(text.rpartition(":")[0].strip("[]")).is_loopback:
            yield (
                f"listen: {text} is served without TLS: whoever is on the way reads documents,"
                " tokens and the secrets of REST calls, and can repeat signed calls"
            )


def unfit_data_dir(folder: Path, socket: str) -> Iterator[str]:
    """Why a node could not work in this folder, with a control socket of that name."""
    size = len(os.fsencode(folder / socket))
    if size > _SOCKET_LIMIT_BYTES:
        yield f"node.data_dir: {folder / socket} has {size} bytes, limit {_SOCKET_LIMIT_BYTES}"
    try:
        there = next(one for one in (folder, *folder.parents) if one.exists())
        if not there.is_dir():
            yield f"node.data_dir: {there} is not a folder"
        elif not os.access(there, os.R_OK | os.W_OK | os.X_OK):
            yield f"node.data_dir: {there} cannot be written by this user"
        else:
            Path(mkdtemp(prefix=".relay-check-", dir=there)).rmdir()
    except OSError as error:
        yield f"node.data_dir: {folder}: {(error.strerror or 'unreadable').lower()}"
