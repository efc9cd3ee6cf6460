"""The section of log lines: which outputs there are, and which of them get the audit log's entries, too.

Touches: the certificates' files. Raises: nothing by itself; pydantic gathers what is wrong, see reading.py.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from relay.settings.sections import File, NodeName, Place, Section, Span
from relay.settings.wording import HOST

Level = Literal["debug", "info", "warning", "error"]
_OF_FILES = ("path", "rotate_bytes", "rotate_every", "keep", "compress")
_OF_SYSLOG = ("host", "port", "ca", "certificate", "key", "facility", "sender")


class OutputSection(Section):
    """One output; `kind` says which of the keys it may have."""

    kind: Literal["stderr", "stdout", "file", "syslog"]
    name: NodeName | None = None
    """By which its cursor is kept and its failures are told; None: its kind."""
    format: Literal["console", "json"] | None = None
    """None: a file's is json, a stream's that of [log]."""
    level: Level | None = None
    """None: that of [log]."""
    entries: bool = False
    entries_from: Literal["start", "now"] = "start"
    """Where a new output begins with the entries."""

    path: Place | None = None
    rotate_bytes: int = Field(default=100 << 20, ge=4096)
    rotate_every: Span = timedelta(days=1)
    keep: int = Field(default=30, ge=1, le=10_000)
    compress: bool = False

    host: Annotated[str, Field(pattern=HOST)] | None = None
    port: int = Field(default=6514, ge=1, le=65535)
    ca: File | None = None
    certificate: File | None = None
    key: File | None = None
    facility: Literal[
        "user",
        "daemon",
        "local0",
        "local1",
        "local2",
        "local3",
        "local4",
        "local5",
        "local6",
        "local7",
    ] = "daemon"
    sender: Annotated[str, Field(pattern=HOST)] | None = None
    """What this machine is called in the messages; None: its host name."""

    @property
    def called(self) -> str:
        return self.name or self.kind

    @model_validator(mode="after")
    def _of_its_kind(self) -> OutputSection:
        strange = set(_OF_FILES if self.kind != "file" else ())
        strange |= set(_OF_SYSLOG if self.kind != "syslog" else ())
        for key in (*_OF_FILES, *_OF_SYSLOG):
            if key in strange & self.model_fields_set:
                raise ValueError(f"{key} is no key of an output of kind {self.kind}")
        if self.kind == "file" and self.path is None:
            raise ValueError("path is missing")
        if self.kind == "syslog" and (self.host is None or self.ca is None):
            raise ValueError(
                "host and ca are needed: it goes by TLS, and no system trust store takes part"
            )
        if self.kind == "syslog" and self.format is not None:
            raise ValueError("format is no key of an output of kind syslog: RFC 5424 says it")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        return self


class LoggingSection(Section):
    outputs: tuple[OutputSection, ...] = Field(default=(), max_length=8)
    """None: standard error, as [log] says."""
    queue_lines: int = Field(default=10_000, ge=100, le=1_000_000)
    """Lines that may wait for an output; beyond it they are dropped and counted."""

    @field_validator("outputs")
    @classmethod
    def _each_once(cls, found: tuple[OutputSection, ...]) -> tuple[OutputSection, ...]:
        names = [one.called for one in found]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} is there twice: give each output a name of its own")
        paths = [one.path for one in found if one.path is not None]
        if len(set(paths)) < len(paths):
            raise ValueError("two outputs write to the same file")
        return found
