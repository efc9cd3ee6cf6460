"""Read a node's configuration: one TOML file, RELAY_* over it, every problem at once.

Settings stop at node/: the parts of a node take plain values. Relative paths are relative to the
configuration file. An environment variable RELAY_NODE__DATA_DIR stands for `data_dir` in `[node]`;
lists and tables are given as JSON.

Touches: the configuration and directory files, and what sections.py looks at.
Raises:  SettingsError with one line for each problem, never with a value that may be a secret.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import combinations
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableVariableError

from relay.errors import NoFileError, SettingsError
from relay.model import AgencyCode, NodeId
from relay.routing.directory import Agency, Directory, NodeEntry
from relay.sections import (
    BASE,
    AgencyRow,
    DeliverySection,
    DirectoryFile,
    DirectorySection,
    KeyPair,
    KeysSection,
    LimitsSection,
    ListenSection,
    LogSection,
    NeighbourSection,
    NodeSection,
    RetentionSection,
    Section,
    SystemSection,
    TrustSection,
)
from relay.wording import lines

__all__ = ["SAMPLES", "KeyPair", "Settings", "Sound", "load", "read", "unfit_data_dir"]

SAMPLES = "the samples in config/ show every key with its meaning"
_PREFIX, _NESTED = "RELAY_", "__"
_OF_THE_TERMINAL = frozenset({"url", "token", "ca"})
"""Variables of the commands that speak to a node (cli/connect.py)."""
_SOCKET_LIMIT_BYTES = 107
"""Of a unix socket's path on Linux, which has room for 108 with the NUL at its end."""
_Kind = TypeVar("_Kind")


class Settings(Section):
    """A node's whole configuration; see config/ for commented samples."""

    node: NodeSection
    listen: ListenSection
    keys: KeysSection
    trust: TrustSection
    directory: DirectorySection
    neighbours: tuple[NeighbourSection, ...] = ()
    systems: tuple[SystemSection, ...] = ()
    limits: LimitsSection = LimitsSection()
    delivery: DeliverySection = DeliverySection()
    retention: RetentionSection = RetentionSection()
    log: LogSection = LogSection()

    @field_validator("neighbours")
    @classmethod
    def _one_uplink(cls, found: tuple[NeighbourSection, ...]) -> tuple[NeighbourSection, ...]:
        if len({n.id for n in found}) < len(found):
            raise ValueError("a neighbour is listed twice")
        if sum(n.relation == "uplink" for n in found) > 1:
            raise ValueError("more than one uplink")
        return found

    @property
    def uplink(self) -> NodeId | None:
        return next((NodeId(n.id) for n in self.neighbours if n.relation == "uplink"), None)

    def make_directory(self) -> Directory:
        """From the files and the section itself. Raises SettingsError."""
        return _directory(self.directory)


class _Variables(Settings, BaseSettings):
    """Tells pydantic-settings which RELAY_* variables there are."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter=_NESTED)


@dataclass(frozen=True, slots=True)
class Sound:
    """What can be read by itself, so that one mistake does not hide another."""

    node: NodeId | None
    data_dir: Path | None
    listen: ListenSection | None
    keys: Mapping[str, KeyPair]
    """Of tls, sign and log."""
    agencies: tuple[tuple[int, KeyPair], ...]
    """Of keys.agencies, with their numbers there."""
    trust: TrustSection | None
    directory: DirectorySection | None
    neighbours: tuple[NeighbourSection, ...]
    systems: tuple[SystemSection, ...]
    delivery: DeliverySection | None
    retention: RetentionSection | None

    def make_directory(self) -> Directory | None:
        """None where the section or a file of it is wrong."""
        try:
            return None if self.directory is None else _directory(self.directory)
        except SettingsError:
            return None


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
    content = _toml(path)
    token = BASE.set(path.parent.absolute())
    try:
        above, unreadable = _environment()
        merged = _merged(content, above)
        sound = sound_sections(merged)
        settings, wrong = _validated(merged)
        problems = [*wrong, *unreadable, *_unknown_sections(os.environ), *_contradictions(sound)]
    finally:
        BASE.reset(token)
    remarks = (*_unknown_variables(os.environ), *_open_secrets(path, content))
    return Reading(settings, tuple(problems), sound, remarks)


def _validated(merged: Mapping[str, Any]) -> tuple[Settings | None, list[str]]:
    try:
        return Settings.model_validate(merged), []
    except ValidationError as error:
        return None, lines(error, merged)


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


def _open_secrets(path: Path, content: Mapping[str, Any]) -> Iterator[str]:
    """No problem, because a file with nothing but its owner's group may be meant; a secret_file is 0600."""
    rows = content.get("systems")
    inline = isinstance(rows, list) and any(
        isinstance(one, dict) and "secret" in one for one in rows
    )
    mode = stat.S_IMODE(path.stat().st_mode)
    if inline and mode & 0o077:
        yield f"{path} holds a secret and has mode {mode:04o}: others can read it; use secret_file, or mode 0600"


def _environment() -> tuple[dict[str, Any], list[str]]:
    """What RELAY_* says, as the file would say it, and why nothing of it could be read."""
    try:
        return EnvSettingsSource(_Variables)(), []
    except UnreadableVariableError as error:
        # Its own text names the section; what could not be read may be a secret.
        return {}, [f"environment: {error}: lists and tables are given as JSON"]


def _sections_named(environment: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:
    """Each RELAY_* variable that names no section of ours, in lower case, and whether with a key."""
    for name in sorted(environment):
        section, nested, _ = name.upper().removeprefix(_PREFIX).partition(_NESTED)
        if name.upper().startswith(_PREFIX) and section.lower() not in Settings.model_fields:
            yield name, section.lower(), bool(nested)


def _unknown_sections(environment: Mapping[str, str]) -> Iterator[str]:
    """A mistyped section would be passed over in silence; a mistyped key in one is not."""
    for name, section, nested in _sections_named(environment):
        if nested:
            yield f"environment: {name}: no section {section}"


def _unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """Remarks only: whoever runs the node may set such names for every process beside it."""
    for name, section, nested in _sections_named(environment):
        if not nested and section not in _OF_THE_TERMINAL:
            yield f"environment: {name} is not a variable of relay and changes nothing"


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables joined key by key; anything else of `above` replaces."""
    found = dict(below)
    for key, value in above.items():
        under = found.get(key)
        both = isinstance(value, Mapping) and isinstance(under, Mapping)
        found[key] = _merged(under, value) if both else value  # type: ignore[arg-type]
    return found


def sound_sections(content: Mapping[str, Any]) -> Sound:
    """Each section or row by itself; inside `read`, for paths are relative to the file."""
    named, keys = _table(content, "node"), _table(content, "keys")
    node = _sound(NodeSection, {"id": named.get("id"), "data_dir": "."})
    place = _sound(NodeSection, {"id": "any", "data_dir": named.get("data_dir")})
    pairs = {name: _sound(KeyPair, keys.get(name)) for name in ("tls", "sign", "log")}
    rows = keys.get("agencies")
    agencies = [_sound(KeyPair, row) for row in rows] if isinstance(rows, list | tuple) else []
    return Sound(
        node=None if node is None else NodeId(node.id),
        data_dir=None if place is None else place.data_dir,
        listen=_sound(ListenSection, content.get("listen")),
        keys={name: pair for name, pair in pairs.items() if pair is not None},
        agencies=tuple((n, pair) for n, pair in enumerate(agencies) if pair is not None),
        trust=_sound(TrustSection, content.get("trust")),
        directory=_sound(DirectorySection, content.get("directory")),
        neighbours=_sound_rows(NeighbourSection, content.get("neighbours")),
        systems=_sound_rows(SystemSection, content.get("systems")),
        delivery=_sound(DeliverySection, content.get("delivery", {})),
        retention=_sound(RetentionSection, content.get("retention", {})),
    )


def _table(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name)
    return found if isinstance(found, Mapping) else {}


def _sound(kind: type[_Kind], value: object) -> _Kind | None:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return None


def _sound_rows(kind: type[_Kind], value: object) -> tuple[_Kind, ...]:
    rows = value if isinstance(value, list | tuple) else []
    return tuple(row for row in (_sound(kind, one) for one in rows) if row is not None)


def _directory(section: DirectorySection) -> Directory:
    """Raises SettingsError with the problems of all files."""
    parts: list[DirectoryFile] = [section]
    problems: list[str] = []
    for path in section.files:
        try:
            parts.append(_read_directory(path))
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)
    nodes = [row for part in parts for row in part.nodes]
    twice = _repeated(row.id for row in nodes)
    if twice:
        raise SettingsError([f"directory: node {node} is listed twice" for node in twice])
    return Directory(
        (
            NodeEntry(NodeId(n.id), n.tier, None if n.parent is None else NodeId(n.parent))
            for n in nodes
        ),
        (_agency(row) for part in parts for row in part.agencies),
    )


def _read_directory(path: Path) -> DirectoryFile:
    content = _toml(path)
    try:
        return DirectoryFile.model_validate(content)
    except ValidationError as error:
        raise SettingsError([f"{path}: {line}" for line in lines(error, content)]) from None


def _agency(row: AgencyRow) -> Agency:
    return Agency(
        code=AgencyCode(row.code),
        name=row.name,
        tier=row.tier,
        node=NodeId(row.node),
        old_code=None if row.old_code is None else AgencyCode(row.old_code),
        parent=None if row.parent is None else AgencyCode(row.parent),
    )


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NoFileError([f"{path}: {error.strerror}"]) from None
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: not TOML: {error}"]) from None


def _contradictions(sound: Sound) -> Iterator[str]:
    """What no single key shows."""
    for systemid in _repeated(system.systemid for system in sound.systems):
        yield f"systems: systemid {systemid} is listed twice"
    if sound.delivery is not None and sound.retention is not None:
        yield from sound.retention.problems(sound.delivery)
    if sound.listen is not None:
        yield from _taken_twice(sound.listen)
    if sound.directory is None:
        return
    try:
        directory = _directory(sound.directory)
    except SettingsError as error:
        yield from error.problems
        return
    for neighbour in sound.neighbours:
        if not directory.knows_node(NodeId(neighbour.id)):
            yield f"neighbours: {neighbour.id} is not in the directory"
    if sound.node is not None:
        yield from _misplaced(sound.node, sound, directory)


def _taken_twice(listen: ListenSection) -> Iterator[str]:
    """Two listeners at one address and port: the second could not be opened."""
    found = [
        (name, *text.rsplit(":", 1))
        for name in ("axis", "native", "nodes")
        for text in getattr(listen, name)
    ]
    for (one, host, port), (other, again, same) in combinations(found, 2):
        if port == same != "0" and _overlap(host, again):
            yield f"listen: {one} {host}:{port} and {other} {again}:{same} are the same port"


def _overlap(host: str, other: str) -> bool:
    one, two = (ip_address(text.strip("[]")) for text in (host, other))
    everywhere = one.is_unspecified or two.is_unspecified
    return one == two or (one.version == two.version and everywhere)


def _misplaced(here: NodeId, sound: Sound, directory: Directory) -> Iterator[str]:
    """What does not fit this node's place in the tree."""
    entry = directory.entry(here)
    if entry is None:
        yield f"node.id: {here} is not in the directory"
        return
    for neighbour in sound.neighbours:
        if neighbour.id == here:
            yield f"neighbours: {here} is this node itself"
        elif neighbour.relation == "uplink" and entry.parent != neighbour.id:
            yield (
                f"neighbours: the uplink is {neighbour.id}, "
                f"the directory's parent of {here} is {entry.parent or 'nobody'}"
            )
    served = directory.served_by(here)
    for system in sound.systems:
        for code in system.agencies:
            if directory.resolve(code) not in served:
                yield f"systems: {system.systemid}: agency {code} is not served by {here}"


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
