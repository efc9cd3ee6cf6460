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

from relay.errors import NoFileError, SettingsError
from relay.model import AgencyCode, NodeId
from relay.routing.directory import Agency, Directory, NodeEntry
from relay.settings.sections import AgencyRow, DirectoryFile, DirectorySection
from relay.settings.wording import lines


def directory_of(section: DirectorySection) -> Directory:
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
    twice = repeated(row.id for row in nodes)
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
    content = toml(path)
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


def toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NoFileError([f"{path}: {error.strerror}"]) from None
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: not TOML: {error}"]) from None


def repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
