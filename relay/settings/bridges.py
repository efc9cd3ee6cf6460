"""The section of a bridge: a remote that only speaks the axis dialect, and what contradicts it.

Touches: the secret's file and the remote's CA file.
Raises:  nothing by itself; pydantic gathers what is wrong, see reading.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from relay.model import AgencyCode, MessageType, NodeId
from relay.routing.directory import Directory
from relay.routing.next_hop import BridgeRoute
from relay.settings.sections import (
    SAMPLE_SECRET,
    Code,
    File,
    NeighbourSection,
    NodeName,
    Section,
    SigningKey,
    Span,
    secret_in,
)
from relay.settings.wording import SYSTEMID

_LONGEST_URL: Final = 2048


def _remote_url(text: str) -> str:
    """With any base path; plain HTTP only on this machine, for the secret proves nothing to a listener."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("an address such as https://truc.example/api is needed") from None
    if parts.scheme not in {"https", "http"} or not host or parts.query or parts.fragment:
        raise ValueError("an address such as https://truc.example/api is needed")
    if parts.username is not None or len(text) > _LONGEST_URL:
        raise ValueError("an address without user name, and of at most 2048 characters, is needed")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ValueError("plain http is for loopback addresses only")
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class BridgeSection(Section):
    """A route of kind `axis`."""

    id: NodeName
    url: Annotated[str, AfterValidator(_remote_url)]
    systemid: Annotated[str, Field(min_length=1, max_length=64, pattern=SYSTEMID)]
    secret: str | None = Field(default=None, min_length=1, repr=False)
    secret_file: File | None = None
    ca: File | None = None
    """PEM of the authorities its certificate must lead to; needed for https."""
    agencies: tuple[Code, ...] = ()
    everything_else: bool = False
    """All that is not in this node's branch goes there, as to an uplink."""
    message_types: tuple[MessageType, ...] = (MessageType.DOCUMENT, MessageType.STATUS)
    """What is asked for; what is sent is never less than what comes."""
    poll: Span = timedelta(minutes=1)
    page: int = Field(default=200, ge=1, le=1000)
    """Rows of a received list asked for at once."""
    packages_at_once: int = Field(default=4, ge=1, le=64)
    answer_within: Span = timedelta(minutes=2)
    unanswered: Literal["repeat", "wait"] = "repeat"
    """What becomes of a package without an answer that the remote's sent list does not show."""
    settles: Span = timedelta(minutes=2)
    """How long such a package is looked for, each time, before it is sent again."""
    answers_take_backs: bool = True
    """Whether the sender of a take-back that succeeded is told so by a status 15 of the node's."""

    @model_validator(mode="after")
    def _whole(self) -> BridgeSection:
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError("give either secret or secret_file")
        secret = self.secret_bytes()
        if not secret:
            raise ValueError("the secret is empty")
        if secret == SAMPLE_SECRET:
            raise ValueError("the secret is still the sample's, which everybody knows")
        if not self.agencies and not self.everything_else:
            raise ValueError("nobody is behind it: give agencies, or everything_else = true")
        if self.url.startswith("https:") and self.ca is None:
            raise ValueError("ca is missing: no system trust store takes part")
        if not self.message_types or len(set(self.message_types)) < len(self.message_types):
            raise ValueError("message_types needs edoc, status or both, each once")
        return self

    def secret_bytes(self) -> bytes:
        if self.secret_file is None:
            return (self.secret or "").encode()
        return secret_in(self.secret_file)

    def route(self, directory: Directory) -> BridgeRoute:
        codes = frozenset(AgencyCode(directory.resolve(code)) for code in self.agencies)
        return BridgeRoute(NodeId(self.id), codes, self.everything_else)


def bridge_problems(
    bridges: Sequence[BridgeSection],
    neighbours: Sequence[NeighbourSection],
    keys: Mapping[str, SigningKey],
) -> Iterator[str]:
    """What is wrong between bridges, and between them and the rest."""
    names = [bridge.id for bridge in bridges]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"bridges: {name} is listed twice"
    for name in sorted(set(names) & {one.id for one in neighbours}):
        yield f"bridges: {name} is a neighbour, too: one way or the other"
    if sum(bridge.everything_else for bridge in bridges) > 1:
        yield "bridges: more than one takes everything_else"
    if any(one.relation == "uplink" for one in neighbours):
        for bridge in bridges:
            if bridge.everything_else:
                yield f"bridges: {bridge.id} takes everything_else, but there is an uplink for that"
    if bridges and "gateway" not in keys:
        yield "keys.gateway: is missing: what enters over a bridge is sealed with it"


def misplaced_bridges(
    bridges: Sequence[BridgeSection], here: NodeId, directory: Directory
) -> Iterator[str]:
    """Nodes below believe a gateway seal and a receipt only of the node that the directory names."""
    seen: dict[AgencyCode, str] = {}
    for bridge in bridges:
        if directory.knows_node(NodeId(bridge.id)):
            yield f"bridges: {bridge.id} is a node of the directory: a bridge needs a name of its own"
        for code in bridge.agencies:
            found = AgencyCode(directory.resolve(code))
            other = seen.setdefault(found, bridge.id)
            if other != bridge.id:
                yield f"bridges: agency {code} is behind {other} and {bridge.id}"
            agency = directory.find(code)
            if agency is not None and agency.node != here:
                yield (
                    f"bridges: {bridge.id}: the directory has agency {code} at {agency.node}; "
                    f"it must be at {here}, which speaks for it"
                )
