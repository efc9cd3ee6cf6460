"""Who the kit is: a CA of its own, a node beside each judged one, and what those must configure.

Made once in a folder that is kept, so that what was configured for one run serves the next.

Touches: that folder.
Raises:  SettingsError for a folder that cannot hold it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path

from relay.conformance.subject import Kit, Second, Subject
from relay.signing import pki
from relay.signing.keys import LogSigner, Signer

BRANCH = "kit"
RUNNER = "conformance-kit"
"""Who signs a report where no judged node has the kit for a neighbour."""
DAYS = 365
ROOT, DIRECTORY = "root.pem", "directory.toml"
"""What others are given of the folder; all else in it is the kit's own."""


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


def prepare(folder: Path, subjects: tuple[Subject, Subject], now: datetime) -> Authority:
    """The kit's CA and its nodes' certificates: those that are there, else made now."""
    authority = Authority(folder / "pki")
    if not authority.root.exists():
        pki.init(authority.folder, name="Conformance kit", key=pki.KeyType.P256, now=now, days=DAYS)
    for subject in subjects:
        for one in neighbours_of(subject):
            if not authority.of(one.node).folder.exists():
                _issue(authority, one.node, one.listen.rpartition(":")[0].strip("[]"), now)
    shutil.copyfile(authority.root, folder / ROOT)
    return authority


def neighbours_of(subject: Subject) -> list[Kit | Second]:
    """What the kit is to the node."""
    if subject.kit is None:
        return []
    return [subject.kit, subject.kit.second] if subject.kit.second else [subject.kit]


def runner(authority: Authority, subjects: Sequence[Subject], now: datetime) -> Signer:
    """Who signs for the run: the kit's first node."""
    nodes = [kit.node for subject in subjects for kit in neighbours_of(subject)]
    name = next(iter(nodes), RUNNER)
    if not authority.of(name).folder.exists():
        _issue(authority, name, "localhost", now)
    return authority.of(name).signer()


def _issue(authority: Authority, node: str, host: str, now: datetime) -> None:
    """Below an issuer of its own: it may speak for what lies at that node, whoever else joins later."""
    names, addresses = ([], [host]) if _is_address(host) else ([host], [])
    folder, branch, key = authority.folder, f"{BRANCH}-{node}", pki.KeyType.P256
    pki.issue_branch(folder, branch, key=key, now=now, days=DAYS, nodes=[node])
    pki.issue_node(folder, node, branch, key=key, dns=names, ips=addresses, now=now, days=DAYS)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def directory_text(subjects: tuple[Subject, Subject]) -> str:
    """The kit's nodes and agencies, which both judged nodes must know: a directory file of its own."""
    kits = [(kit, subject.id) for subject in subjects for kit in neighbours_of(subject)]
    lines = ["# The conformance kit, for as long as it judges."]
    for kit, parent in kits:
        lines += ["[[nodes]]", f'id = "{kit.node}"', 'tier = "commune"', f'parent = "{parent}"', ""]
    for kit, _ in kits:
        lines += [
            "[[agencies]]",
            f'code = "{kit.agency}"',
            'name = "Conformance kit"',
            'tier = "commune"',
            f'node = "{kit.node}"',
            "",
        ]
    return "\n".join(lines)


def to_configure(subject: Subject, other: Subject, root: Path, directory: Path) -> str:
    """What the operator of a judged node changes in its configuration, as nodes of this release have it.

    Lists and a neighbour that are there already are told as comments; the rest is TOML that goes
    below everything else."""
    lines = [
        f"# {subject.id}",
        "# Copy both files to where the node reads them, and add them to lists that are there:",
        f'#   [trust]      roots = [..., "{root}"]',
        f'#   [directory]  files = [..., "{directory}"]',
    ]
    if subject.kit is None:
        return "\n".join([*lines, "# Its file names no [kit]: nothing of its listener is judged."])
    if subject.kit.via:
        lines += [
            f"# Change at the neighbour {other.id}, until it was judged: the way goes through the kit",
            f'#   url = "https://{subject.kit.via}"',
        ]
    lines.append("# Add at the end:")
    for kit in neighbours_of(subject):
        lines += [
            "[[neighbours]]",
            f'id = "{kit.node}"',
            f'url = "https://{kit.listen}"',
            'relation = "downlink"',
        ]
    return "\n".join([*lines, *_timestamps(subject.kit, root)])


def _timestamps(kit: Kit, root: Path) -> list[str]:
    """Of the kit as the node's timestamp authority."""
    if kit.authority is None:
        return []
    policy = [f'policy = "{kit.authority.policy}"'] if kit.authority.policy else []
    return [
        "# The only timestamp authority, until it was judged. It is believed by the root above; where others are",
        "# pinned for timestamps, add to them",
        f'#   [trust]      timestamp = [..., "{root}"]',
        "# and what makes the run short:",
        "#   [timestamps] look_every = 1",
        "#   [timestamps] retry_first = 1",
        "[[timestamps.authorities]]",
        'name = "conformance-kit"',
        f'url = "http://{kit.authority.listen}/"',
        *policy,
    ]


def stranger(folder: Path, node: str, now: datetime) -> Credentials:
    """Certificates in a node's name, under a root that nobody trusts."""
    authority = Authority(folder / "pki")
    pki.init(authority.folder, name="Stranger", key=pki.KeyType.P256, now=now, days=1)
    pki.issue_branch(authority.folder, BRANCH, key=pki.KeyType.P256, now=now, days=1)
    pki.issue_node(authority.folder, node, BRANCH, key=pki.KeyType.P256, now=now, days=1)
    return authority.of(node)
