"""Who the kit is: a CA of its own, a node beside each judged one, and what those must configure.

Made once in a folder that is kept, so that what was configured for one run serves the next.

Touches: that folder.
Raises:  SettingsError for a folder that cannot hold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from relay.conformance.subject import Kit, Second, Subject
from relay.signing import pki
from relay.signing.keys import LogSigner, Signer

BRANCH = "kit"
DAYS = 365


@dataclass(frozen=True, slots=True)
class Credentials:
    """The certificates of one of the kit's nodes."""

    node: str
    folder: Path
    root: Path

    def file(self, purpose: str) -> Path:
        return self.folder / f"{purpose}.pem"

    def key(self, purpose: str) -> Path:
        return self.folder / f"{purpose}.key.pem"

    def signer(self) -> Signer:
        return Signer.load(self.file("sign"), self.key("sign"))

    def log_signer(self) -> LogSigner:
        return LogSigner.load(self.file("log"), self.key("log"))


@dataclass(frozen=True, slots=True)
class Authority:
    """A development PKI's folder, as `relay pki` makes it."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root" / "root.pem"

    def of(self, node: str) -> Credentials:
        return Credentials(node, self.folder / "nodes" / node, self.root)


def neighbours_of(subject: Subject) -> list[Kit | Second]:
    """What the kit is to the node."""
    if subject.kit is None:
        return []
    return [subject.kit, subject.kit.second] if subject.kit.second else [subject.kit]


def prepare(folder: Path, subjects: tuple[Subject, ...], now: datetime) -> Authority:
    """The kit's CA and its nodes' certificates: those that are there, else made now."""
    authority = Authority(folder / "pki")
    neighbours = [one for subject in subjects for one in neighbours_of(subject)]
    nodes = [one.node for one in neighbours]
    if not authority.root.exists():
        pki.init(authority.folder, name="Conformance kit", key=pki.KeyType.P256, now=now, days=DAYS)
        pki.issue_branch(
            authority.folder, BRANCH, key=pki.KeyType.P256, now=now, days=DAYS, nodes=nodes
        )
    for one in neighbours:
        if not authority.of(one.node).folder.exists():
            host = one.listen.rpartition(":")[0]
            names, addresses = ([], [host]) if host[-1:].isdigit() else ([host], [])
            pki.issue_node(
                authority.folder,
                one.node,
                BRANCH,
                key=pki.KeyType.P256,
                dns=names,
                ips=addresses,
                now=now,
                days=DAYS,
            )
    return authority


def to_configure(subject: Subject, other: Subject, root: Path) -> str:
    """What the operator of a judged node adds to its configuration and its directory."""
    if subject.kit is None:
        return f"# {subject.id}: its file names no [kit], so nothing of its listener for nodes is judged"
    kit = subject.kit
    lines = [
        f"# {subject.id}: in its configuration",
        "[trust]",
        f'roots = [..., "{root}"]',
    ]
    for one in neighbours_of(subject):
        lines += [
            "",
            "[[neighbours]]",
            f'id = "{one.node}"',
            f'url = "https://{one.listen}"',
            'relation = "downlink"',
        ]
    lines += ["", "# and in its directory"]
    for one in neighbours_of(subject):
        lines += [
            "[[nodes]]",
            f'id = "{one.node}"',
            'tier = "commune"',
            f'parent = "{subject.id}"',
            "",
            "[[agencies]]",
            f'code = "{one.agency}"',
            'name = "Conformance kit"',
            'tier = "commune"',
            f'node = "{one.node}"',
            "",
        ]
    if kit.via:
        lines += [
            f"# and its neighbour {other.id} through the kit, for as long as it is judged",
            f'# url = "https://{kit.via}"',
        ]
    return "\n".join(lines).rstrip()


def stranger(folder: Path, node: str, now: datetime) -> Credentials:
    """Certificates in a node's name, under a root that nobody trusts."""
    authority = Authority(folder / "pki")
    pki.init(authority.folder, name="Stranger", key=pki.KeyType.P256, now=now, days=1)
    pki.issue_branch(authority.folder, BRANCH, key=pki.KeyType.P256, now=now, days=1)
    pki.issue_node(authority.folder, node, BRANCH, key=pki.KeyType.P256, now=now, days=1)
    return authority.of(node)
