"""Read a node's configuration: one TOML file, RELAY_* over it, every problem at once.

Settings stop at node.py: the parts of a node take plain values. Relative paths are relative to the
configuration file. An environment variable RELAY_NODE__DATA_DIR stands for `data_dir` in `[node]`.

Touches: the configuration and directory files; looks whether the files it names exist.
Raises:  SettingsError with one line for each problem.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from relay.envelope.codes import normalise
from relay.errors import EnvelopeError, SettingsError
from relay.model import AgencyCode, NodeId, Tier
from relay.routing.directory import Agency, Directory, NodeEntry

_base: ContextVar[Path] = ContextVar("base", default=Path())
"""The folder of the file being read: settings sources hand no context to validators."""


def _existing(path: Path) -> Path:
    """A file that must be there, found beside the configuration."""
    found = _located(path)
    if not found.is_file():
        raise ValueError(f"no file {found}")
    return found


def _located(path: Path) -> Path:
    return _base.get() / path.expanduser()


def _address(text: str) -> str:
    """ "127.0.0.1:8443" or "[::1]:8443"."""
    host, _, port = text.rpartition(":")
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
        number = int(port)
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address and port") from None
    if not 0 <= number <= 65535:
        raise ValueError(f"port {number}, limit 65535")
    return text


def _code(text: str) -> AgencyCode:
    try:
        return normalise(text)
    except EnvelopeError as error:
        raise ValueError(f"{text[:60]!r}: {error}") from None


def _positive(span: timedelta) -> timedelta:
    if span <= timedelta():
        raise ValueError("must be longer than nothing")
    return span


NodeName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
File = Annotated[Path, AfterValidator(_existing)]
Place = Annotated[Path, AfterValidator(_located)]
Address = Annotated[str, AfterValidator(_address)]
Code = Annotated[str, AfterValidator(_code)]
Span = Annotated[timedelta, AfterValidator(_positive)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeSection(_Section):
    id: NodeName
    data_dir: Place


class ListenSection(_Section):
    """Addresses of the three listeners; `nodes` and `native` and `axis` may be several each."""

    axis: tuple[Address, ...] = ()
    native: tuple[Address, ...] = ()
    nodes: tuple[Address, ...] = ()
    plain_http: bool = False
    """Serve `axis` and `native` without TLS; only loopback addresses may."""

    @model_validator(mode="after")
    def _plain_only_at_home(self) -> ListenSection:
        if self.plain_http:
            for text in (*self.axis, *self.native):
                host = text.rpartition(":")[0].strip("[]")
                if not ip_address(host).is_loopback:
                    raise ValueError(f"plain_http is for loopback addresses only, not {text}")
        return self


class KeyPair(_Section):
    certificate: File
    key: File


class KeysSection(_Section):
    tls: KeyPair
    sign: KeyPair
    log: KeyPair
    agencies: tuple[KeyPair, ...] = ()
    slow: bool = False
    """The signing key is slow (a token): accept first, seal afterwards."""


class TrustSection(_Section):
    roots: tuple[File, ...] = Field(min_length=1)
    intermediates: tuple[File, ...] = ()


class NeighbourSection(_Section):
    id: NodeName
    url: Annotated[str, Field(pattern=r"^https://[^/]+/?$")]
    relation: Literal["uplink", "downlink", "peer"]


class NodeRow(_Section):
    id: NodeName
    tier: Tier
    parent: NodeName | None = None


class AgencyRow(_Section):
    code: Code
    name: str
    tier: Tier
    node: NodeName
    old_code: Code | None = None
    parent: Code | None = None


class DirectoryFile(_Section):
    nodes: tuple[NodeRow, ...] = ()
    agencies: tuple[AgencyRow, ...] = ()


class DirectorySection(DirectoryFile):
    files: tuple[File, ...] = ()
    unknown_codes: Literal["refuse", "uplink"] = "refuse"


class SystemSection(_Section):
    """A document-management system on the axis face."""

    systemid: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!-~]+$")]
    secret: str | None = Field(default=None, min_length=1, repr=False)
    secret_file: File | None = None
    agencies: tuple[Code, ...] = Field(min_length=1)
    freshness: Literal["off", "warn", "enforce"] = "warn"
    freshness_window: Span = timedelta(days=1)

    @model_validator(mode="after")
    def _one_secret(self) -> SystemSection:
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError(f"system {self.systemid}: give either secret or secret_file")
        return self

    def secret_bytes(self) -> bytes:
        if self.secret_file is not None:
            return self.secret_file.read_bytes().strip()
        return (self.secret or "").encode()


class LimitsSection(_Section):
    envelope_bytes: int = Field(default=1 << 30, ge=1024)
    uploads_ahead_bytes: int = Field(default=4 << 30, ge=1 << 20)
    """What one neighbour may have uploaded ahead of its transfers."""


class DeliverySection(_Section):
    transfers_at_once: int = Field(default=32, ge=1, le=1024)
    retry_first: Span = timedelta(seconds=1)
    retry_cap: Span = timedelta(minutes=5)
    expiry_normal: Span = timedelta(days=14)
    expiry_urgent: Span = timedelta(days=7)
    expiry_express: Span = timedelta(days=2)
    answer_within: Span = timedelta(minutes=2)
    clock_tolerance: Span = timedelta(minutes=5)
    drain: Span = timedelta(seconds=20)


class LogSection(_Section):
    format: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(BaseSettings):
    """A node's whole configuration; see config/ for commented samples."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="RELAY_", env_nested_delimiter="__"
    )

    node: NodeSection
    listen: ListenSection
    keys: KeysSection
    trust: TrustSection
    directory: DirectorySection
    neighbours: tuple[NeighbourSection, ...] = ()
    systems: tuple[SystemSection, ...] = ()
    limits: LimitsSection = LimitsSection()
    delivery: DeliverySection = DeliverySection()
    log: LogSection = LogSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file."""
        return env_settings, init_settings

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
        parts = [*(_read_directory(path) for path in self.directory.files), self.directory]
        return Directory(
            (
                NodeEntry(NodeId(n.id), n.tier, None if n.parent is None else NodeId(n.parent))
                for part in parts
                for n in part.nodes
            ),
            (_agency(row) for part in parts for row in part.agencies),
        )


def load(path: Path) -> Settings:
    """The settings of a file and the environment. Raises SettingsError with every problem."""
    content = _toml(path)
    token = _base.set(path.parent.absolute())
    try:
        settings = Settings(**content)
    except ValidationError as error:
        raise SettingsError(_lines(error)) from None
    finally:
        _base.reset(token)
    problems = list(_contradictions(settings))
    if problems:
        raise SettingsError(problems)
    return settings


def _read_directory(path: Path) -> DirectoryFile:
    try:
        return DirectoryFile.model_validate(_toml(path))
    except ValidationError as error:
        raise SettingsError([f"{path}: {line}" for line in _lines(error)]) from None


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
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: not TOML: {error}"]) from None


def _lines(error: ValidationError) -> Sequence[str]:
    """One line a problem: where, what. Never the value: it may be a secret."""
    lines = []
    for one in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in one["loc"]) or "the file"
        text = one["msg"].removeprefix("Value error, ")
        if one["type"] == "extra_forbidden":
            text = "unknown key"
        lines.append(f"{where}: {text[:1].lower()}{text[1:]}")
    return lines


def _contradictions(settings: Settings) -> Iterable[str]:
    """What no single key shows."""
    try:
        directory = settings.make_directory()
    except SettingsError as error:
        yield from error.problems
        return
    here = NodeId(settings.node.id)
    entry = directory.entry(here)
    if entry is None:
        yield f"node.id: {here} is not in the directory"
        return
    for neighbour in settings.neighbours:
        if not directory.knows_node(NodeId(neighbour.id)):
            yield f"neighbours: {neighbour.id} is not in the directory"
    if settings.uplink is not None and entry.parent != settings.uplink:
        yield f"neighbours: the uplink is {settings.uplink}, the directory's parent of {here} is {entry.parent}"
    served = directory.served_by(here)
    for system in settings.systems:
        for code in system.agencies:
            if directory.resolve(code) not in served:
                yield f"systems: {system.systemid}: agency {code} is not served by {here}"
    ids = [s.systemid for s in settings.systems]
    if len(set(ids)) < len(ids):
        yield "systems: a systemid is listed twice"
