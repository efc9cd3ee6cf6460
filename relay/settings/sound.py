"""What can be read of a configuration by itself, whatever is wrong beside it.

Touches: what sections.py looks at. Raises: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from relay.errors import SettingsError
from relay.model import NodeId
from relay.routing.directory import Directory
from relay.settings.bridges import BridgeSection
from relay.settings.directory import directory_of
from relay.settings.sections import (
    DeliverySection,
    DirectorySection,
    KeyPair,
    ListenSection,
    NeighbourSection,
    NodeSection,
    RetentionSection,
    SigningKey,
    SystemSection,
    TrustSection,
)
from relay.settings.wording import beneath

_Kind = TypeVar("_Kind")
_SECRETS = ("secret", "secret_file")
_SYSTEM: Mapping[str, Any] = {"systemid": "any", "agencies": ["A00"]}
"""What else a system must have."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What can be read by itself, so that one mistake does not hide another."""

    node: NodeId | None
    data_dir: Path | None
    listen: ListenSection | None
    keys: Mapping[str, KeyPair]
    """Of tls and log."""
    signing: Mapping[str, SigningKey]
    """Of sign and gateway."""
    agencies: tuple[tuple[int, SigningKey], ...]
    """Of keys.agencies, with their numbers there."""
    trust: TrustSection | None
    directory: DirectorySection | None
    neighbours: tuple[NeighbourSection, ...]
    systems: tuple[SystemSection, ...]
    systemids: tuple[str, ...]
    """Of all rows, those that are no systems, too."""
    bridges: tuple[BridgeSection, ...]
    delivery: DeliverySection | None
    retention: RetentionSection | None

    def make_directory(self) -> Directory | None:
        """None where the section or a file of it is wrong."""
        try:
            return None if self.directory is None else directory_of(self.directory)
        except SettingsError:
            return None


def sound_sections(content: Mapping[str, Any]) -> Sound:
    """Each section or row by itself; inside `read`, for paths are relative to the file."""
    named, keys = _table(content, "node"), _table(content, "keys")
    node = _sound(NodeSection, {"id": named.get("id"), "data_dir": "."})
    place = _sound(NodeSection, {"id": "any", "data_dir": named.get("data_dir")})
    pairs = {name: _sound(KeyPair, keys.get(name)) for name in ("tls", "log")}
    signing = {name: _sound(SigningKey, keys.get(name)) for name in ("sign", "gateway")}
    rows = keys.get("agencies")
    agencies = [_sound(SigningKey, row) for row in rows] if isinstance(rows, list | tuple) else []
    return Sound(
        node=None if node is None else NodeId(node.id),
        data_dir=None if place is None else place.data_dir,
        listen=_sound(ListenSection, content.get("listen")),
        keys={name: pair for name, pair in pairs.items() if pair is not None},
        signing={name: key for name, key in signing.items() if key is not None},
        agencies=tuple((n, pair) for n, pair in enumerate(agencies) if pair is not None),
        trust=_sound(TrustSection, content.get("trust")),
        directory=_sound(DirectorySection, content.get("directory")),
        neighbours=_sound_rows(NeighbourSection, content.get("neighbours")),
        systems=_sound_rows(SystemSection, content.get("systems")),
        systemids=tuple(
            row["systemid"]
            for row in _rows(content.get("systems"))
            if isinstance(row, Mapping) and isinstance(row.get("systemid"), str)
        ),
        bridges=_sound_rows(BridgeSection, content.get("bridges")),
        delivery=_sound(DeliverySection, content.get("delivery", {})),
        retention=_sound(RetentionSection, content.get("retention", {})),
    )


def hidden_secrets(content: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the secrets of systems whose other keys are wrong: those are judged first, and then
    nothing else of the row."""
    for number, row in enumerate(_rows(content.get("systems"))):
        if not isinstance(row, Mapping) or not _is_faulty(row):
            continue
        alone = {**_SYSTEM, **{key: row[key] for key in _SECRETS if key in row}}
        try:
            SystemSection.model_validate(alone)
        except ValidationError as error:
            yield from beneath(error, content, "systems", number)


def _is_faulty(row: Mapping[str, Any]) -> bool:
    """In a key, so that the row was not judged as a whole."""
    try:
        SystemSection.model_validate(row)
    except ValidationError as error:
        return any(one["loc"] for one in error.errors())
    return False


def _table(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name)
    return found if isinstance(found, Mapping) else {}


def _sound(kind: type[_Kind], value: object) -> _Kind | None:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return None


def _sound_rows(kind: type[_Kind], value: object) -> tuple[_Kind, ...]:
    return tuple(row for row in (_sound(kind, one) for one in _rows(value)) if row is not None)


def _rows(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()
