"""The directory of agencies and nodes, from the section and the files that it names.

Touches: the files. Raises: SettingsError with the problems of all of them.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from relay.agencies import Agency, NodeEntry
from relay.errors import DirectoryError, NoFileError, SettingsError
from relay.model import AgencyCode, Digest, NodeId
from relay.routing.composing import Layer
from relay.routing.directory import Directory
from relay.routing.listing import Listing, read_csv, read_json
from relay.settings.sections import AgencyRow, DirectoryFile, DirectorySection
from relay.settings.wording import lines


def directory_of(section: DirectorySection) -> Directory:
    """Raises SettingsError with the problems of all files, or of what they say together."""
    layer = _layer(section)
    twice = _listed_twice(layer)
    try:
        directory = Directory(layer.nodes, layer.agencies)
    except SettingsError as error:
        raise SettingsError([*twice, *error.problems]) from None
    if twice:
        raise SettingsError(twice)
    return directory


def seed_of(section: DirectorySection) -> Layer:
    """What the configuration says, before anything that came later. Raises SettingsError."""
    layer = _layer(section)
    if twice := _listed_twice(layer):
        raise SettingsError(twice)
    return layer


def _layer(section: DirectorySection) -> Layer:
    parts = [_listing(section)]
    problems: list[str] = []
    for path in section.files:
        try:
            parts.append(_read_directory(path))
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)
    nodes = tuple(entry for part in parts for entry in part.nodes)
    return Layer(None, nodes, tuple(one for part in parts for one in part.agencies))


def _listed_twice(layer: Layer) -> list[str]:
    twice = repeated(entry.node_id for entry in layer.nodes)
    return [f"directory: node {node} is listed twice" for node in twice]


_MOST_CHARACTERS = 256 << 20
"""A table of every agency there is has some tens of millions."""
_TABLES = {".csv": read_csv, ".json": read_json}
"""For tables of a hundred thousand agencies, which TOML is slow to read."""


def _read_directory(path: Path) -> Listing:
    reader = _TABLES.get(path.suffix.lower())
    if reader is not None:
        try:
            return reader(_text(path))
        except DirectoryError as error:
            raise SettingsError([f"{path}: {line}" for line in error.problems]) from None
    content = toml(path)
    try:
        return _listing(DirectoryFile.model_validate(content))
    except ValidationError as error:
        raise SettingsError([f"{path}: {line}" for line in lines(error, content)]) from None


def _listing(part: DirectoryFile) -> Listing:
    return Listing(
        tuple(map(_agency, part.agencies)),
        tuple(
            NodeEntry(NodeId(n.id), n.tier, None if n.parent is None else NodeId(n.parent))
            for n in part.nodes
        ),
    )


def _agency(row: AgencyRow) -> Agency:
    return Agency(
        code=AgencyCode(row.code),
        name=row.name,
        tier=row.tier,
        node=NodeId(row.node),
        old_code=None if row.old_code is None else AgencyCode(row.old_code),
        parent=None if row.parent is None else AgencyCode(row.parent),
        mail=row.mail,
        centre=row.centre,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        successors=tuple(AgencyCode(code) for code in row.successors),
        deleted=row.deleted,
        certificates=tuple(Digest(one) for one in row.certificates),
    )


def toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path}: not TOML: {error}"]) from None


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            content = file.read(_MOST_CHARACTERS + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise NoFileError([f"{path}: {(error.strerror or '').lower()}"]) from None
    except OSError as error:
        raise SettingsError([f"{path}: {(error.strerror or 'unreadable').lower()}"]) from None
    except UnicodeDecodeError as error:
        what = f"not {path.suffix.lstrip('.').upper() or 'TOML'}"
        raise SettingsError([f"{path}: {what}: {error}"]) from None
    if len(content) > _MOST_CHARACTERS:
        raise SettingsError([f"{path}: over {_MOST_CHARACTERS >> 20} Mi characters"])
    return content


def repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
