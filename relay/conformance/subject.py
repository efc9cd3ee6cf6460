"""A node that is judged, as its file says how to reach it; and what is claimed of it.

Touches: the file, and those it names.
Raises:  SettingsError with every problem of the file.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from relay.conformance.profile import Claim
from relay.conformance.verdicts import Assertion, Part
from relay.errors import RelayError, SettingsError
from relay.settings.wording import OBJECT_ID
from relay.signing.trust import TrustStore

_Url = Annotated[str, StringConstraints(pattern=r"^https://[^\s/?#]+$", max_length=300)]
_Code = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9.]{1,35}$")]
_NodeId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
_Place = Annotated[str, StringConstraints(pattern=r"^[^\s/?#]+:[0-9]{1,5}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Second(_Strict):
    """A second neighbour that the kit is to the node, for what one neighbour must not have of another."""

    node: _NodeId
    agency: _Code
    listen: _Place


class TimestampsAt(_Strict):
    """The timestamp authority that the kit is to the node."""

    listen: _Place
    """Where the node asks it, by plain HTTP."""
    policy: Annotated[str, StringConstraints(pattern=OBJECT_ID)] | None = None
    """Under which alone the node takes its timestamps; not set: under any."""


class Kit(_Strict):
    """What the node was told of the kit: its neighbour, and the agency that the neighbour serves."""

    node: _NodeId
    agency: _Code
    listen: _Place
    """Where the node reaches the kit's neighbour."""
    via: _Place | None = None
    """Where the node reaches the other judged node, which is the kit's proxy; not set: no LINK."""
    second: Second | None = None
    authority: TimestampsAt | None = None


class Subject(_Strict):
    """One judged node."""

    id: _NodeId
    nodes: _Url | None = None
    """Of its listener for nodes."""
    axis: _Url | None = None
    native: _Url | None = None
    roots: Path
    """Of its certificates: PEM."""
    agency: _Code
    """One that it serves, and that `systemid` and `token` are for."""
    also: _Code | None = None
    """The agency's code in its other form, where the node's directory has one (E1.5)."""
    systemid: str = ""
    secret: str = Field(default="", repr=False)
    token: str = Field(default="", repr=False)
    """Of scopes for the agency."""
    auditor: str = Field(default="", repr=False)
    """A token of scope auditor."""
    operator: str = Field(default="", repr=False)
    """A token of scope operator: for carry files and reconciliation, and to clear the alarms that the kit raises about its own log."""
    crash: tuple[str, ...] = ()
    """A command that ends the node as a power cut does, starts it again, and returns when it is up."""
    backup: tuple[str, ...] = ()
    """A command that makes a backup of the node while it runs."""
    restore: tuple[str, ...] = ()
    """A command that ends the node, brings back what `backup` made last, and starts it again."""
    verify: tuple[str, ...] = ()
    """A command that judges evidence files, as docs/conformance.md says."""
    check_export: tuple[str, ...] = ()
    """A command that judges exported logs."""
    check_log: tuple[str, ...] = ()
    """A command that judges published logs."""
    kit: Kit | None = None
    not_claimed: tuple[Claim, ...] = ()
    """Chapters and clauses that the node does not claim: `W7`, `W4.13`."""

    @property
    def parts(self) -> frozenset[Part]:
        """What of it the kit can reach."""
        found = set()
        if self.nodes and self.kit:
            found.add(Part.NEIGHBOUR)
            if self.kit.second:
                found.add(Part.SECOND)
            if self.kit.authority:
                found.add(Part.AUTHORITY)
        if self.axis and self.systemid and self.secret:
            found.add(Part.AXIS)
            if self.kit and self.kit.via:
                found.add(Part.LINK)
        if self.native and self.token:
            found.add(Part.NATIVE)
        if self.native and self.auditor:
            found.add(Part.AUDITOR)
        if self.native and self.operator:
            found.add(Part.OPERATOR)
        commands = {
            Part.CRASH: self.crash,
            Part.RESTORE: self.backup and self.restore,
            Part.VERIFY: self.verify,
            Part.CHECK_EXPORT: self.check_export,
            Part.CHECK_LOG: self.check_log,
        }
        found |= {part for part, command in commands.items() if command}
        return frozenset(found)

    def claims(self, assertion: Assertion) -> bool:
        names = {assertion.full_name, assertion.clause, assertion.chapter}
        return names.isdisjoint(self.not_claimed)


def read_subject(path: Path) -> Subject:
    """The node a file describes; paths in it are relative to the file."""
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
        subject = Subject.model_validate(found)
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: {error}"]) from None
    except ValidationError as error:
        raise SettingsError(
            [f"{path}: {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        ) from None
    return subject.model_copy(update={"roots": path.parent / subject.roots})


def require_apart(*subjects: Subject) -> None:
    """SettingsError where two nodes, or two that the kit is, have one name: what is found could be of either."""
    names = [one.id for one in subjects]
    for one in subjects:
        if one.kit is not None:
            names += [one.kit.node, *([one.kit.second.node] if one.kit.second else [])]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError([f"two nodes are named {name}" for name in twice])


def require_roots(*subjects: Subject) -> None:
    """SettingsError where the roots of one are not there, or are none."""
    for one in subjects:
        try:
            TrustStore([one.roots.read_bytes()])
        except OSError as error:
            raise SettingsError([f"roots of {one.id}: {one.roots}: {error.strerror}"]) from None
        except (RelayError, ValueError) as error:
            raise SettingsError([f"roots of {one.id}: {one.roots}: {error}"]) from None
