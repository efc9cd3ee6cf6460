"""Contradictions between the sections of a configuration.

Touches: the directory files. Raises: nothing; a sentence for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from itertools import combinations

from relay.errors import SettingsError
from relay.model import NodeId
from relay.routing.directory import Directory
from relay.settings.bridges import bridge_problems, misplaced_bridges
from relay.settings.directory import directory_of, repeated
from relay.settings.sections import ListenSection
from relay.settings.sound import Sound


def contradictions(sound: Sound) -> Iterator[str]:
    """What no single key shows."""
    for systemid in repeated(sound.systemids):
        yield f"systems: systemid {systemid} is listed twice"
    if sound.delivery is not None and sound.retention is not None:
        yield from sound.retention.problems(sound.delivery)
    if sound.listen is not None:
        yield from _taken_twice(sound.listen)
        yield from _unprovable(sound.listen, sound)
    yield from bridge_problems(sound.bridges, sound.neighbours, sound.signing)
    if sound.directory is None:
        return
    try:
        directory = directory_of(sound.directory)
    except SettingsError as error:
        yield from error.problems
        return
    for neighbour in sound.neighbours:
        if not directory.knows_node(NodeId(neighbour.id)):
            yield f"neighbours: {neighbour.id} is not in the directory"
    if sound.node is not None:
        yield from _misplaced(sound.node, sound, directory)
        yield from misplaced_bridges(sound.bridges, sound.node, directory)


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


def _unprovable(listen: ListenSection, sound: Sound) -> Iterator[str]:
    """A client certificate is shown in a TLS handshake, or never."""
    if listen.plain_http:
        if listen.native_clients:
            yield "listen: native_clients asks for certificates, plain_http shows none"
        for system in sound.systems:
            if system.certificates:
                yield f"systems: {system.systemid} is bound to a certificate, plain_http shows none"


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
