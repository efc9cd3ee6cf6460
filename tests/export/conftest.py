"""A log in memory and the certificates of its node; made when the tests run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from relay.audit.checkpoint import head_of, note_body, sign_note
from relay.audit.cosignature import cosign, cosigner_name
from relay.audit.entries import AuditEvent, Entry, entry, parse
from relay.audit.epochs import Epoch, first_index, log_name, named_head
from relay.audit.exported import Words, write_words
from relay.audit.exporting import Period, plan_export, write_export
from relay.audit.proofs import NodeHashes, over_leaves
from relay.audit.tree import Frontier, leaf_hash
from relay.model import NodeId
from relay.signing import pki
from relay.signing.bundle_shape import CoveredFile
from relay.signing.bundles import sign_bundle
from relay.signing.keys import LogSigner, Signer
from relay.signing.pki_revoking import authorities, crl, revoke
from relay.signing.pki_words import KeyType, Reason
from relay.signing.trust import TrustStore

ISSUED = datetime(2026, 11, 1, tzinfo=UTC)
START = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
NODE = NodeId("tinh-h01")


@dataclass
class Authority:
    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root" / "root.pem"

    @property
    def trust(self) -> TrustStore:
        return TrustStore([self.root.read_bytes()])

    def signer(self, node: str = NODE) -> Signer:
        place = self.folder / "nodes" / node
        return Signer.load(place / "sign.pem", place / "sign.key.pem")

    def cosigned(
        self, note: bytes, at: datetime, node: str = "xa", *, signer: LogSigner | None = None
    ) -> bytes:
        """The note with a line in this node's name, by its key or, where it lies, by another's."""
        key = self.log(node)
        sign = (signer or key).sign
        return note + cosign(note, cosigner_name(NodeId(node)), key.public_key, sign, at)

    def statements(
        self,
        now: datetime,
        revoked: str = "",
        since: datetime | None = None,
        *,
        reason: Reason = Reason.KEY_COMPROMISE,
    ) -> list[bytes]:
        """CRLs of every authority, with the log certificate of one node in them or none."""
        with TemporaryDirectory() as name:
            folder = shutil.copytree(self.folder, Path(name) / "pki")
            if revoked:
                certificate = folder / "nodes" / revoked / "log.pem"
                revoke(folder, certificate, reason=reason, now=since or now)
            return [crl(one, now=now, valid=timedelta(days=1)) for one in authorities(folder)]

    def log(self, node: str = NODE) -> LogSigner:
        place = self.folder / "nodes" / node
        return LogSigner.load(place / "log.pem", place / "log.key.pem")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("pki") / "pki"
    pki.init(folder, name="Cơ quan Mẫu", key=KeyType.P256, now=ISSUED, days=3650)
    pki.issue_branch(folder, "mau", key=KeyType.P256, now=ISSUED, days=3000)
    for node in (NODE, NodeId("xa")):
        pki.issue_node(folder, node, "mau", key=KeyType.P256, now=ISSUED, days=700)
    return Authority(folder)


@dataclass
class MemoryLog:
    """exporting.LogSource: one entry a minute."""

    signer: LogSigner
    node: NodeId = NODE
    entries: dict[int, Entry] = field(default_factory=dict)
    epoch: int = 0
    notes: dict[int, bytes] = field(default_factory=dict)
    kept: list[tuple[bytes, bytes]] = field(default_factory=list)
    certificates: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    """Of witnesses, by the name they cosign under."""

    def add(self, event: AuditEvent = AuditEvent.NODE_STARTED, **fields: Any) -> None:
        at = START + timedelta(minutes=len(self.entries))
        index = first_index(self.epoch) + sum(i >= first_index(self.epoch) for i in self.entries)
        self.entries[index] = entry(event, at, self.node, **fields)
        self.notes[self.epoch] = self.head()

    def head(self) -> bytes:
        frontier = Frontier()
        for index, one in self.entries.items():
            if index >= first_index(self.epoch):
                frontier.append(leaf_hash(one.leaf))
        name = log_name(self.node, Epoch(self.epoch))
        body = note_body(name, frontier.size, frontier.root())
        return sign_note(body, name, self.signer.public_key, self.signer.sign)

    def turn(self) -> None:
        before = head_of(self.notes[self.epoch])
        self.epoch += 1
        self.add(AuditEvent.EPOCH_STARTED, **named_head(before))

    def heads(self) -> Mapping[int, bytes]:
        return self.notes

    def within(self, first: int, end: int, since: str, until: str) -> tuple[int, int] | None:
        times = {index: parse(leaf)["at"] for index, leaf in self.leaves(first, end)}
        found = [index for index, at in times.items() if since <= at < until]
        return (min(found), max(found)) if found else None

    def leaves(self, first: int, end: int) -> Iterator[tuple[int, bytes]]:
        return ((i, one.leaf) for i, one in self.entries.items() if first <= i < end)

    def nodes(self, epoch: int) -> NodeHashes:
        return over_leaves(lambda place: leaf_hash(self.entries[first_index(epoch) + place].leaf))

    def words(self, first: int, end: int) -> Iterator[bytes]:
        import json

        for index, one in self.entries.items():
            if first <= index < end and one.words:
                yield write_words(Words(index, one.salt, json.loads(one.words))) + b"\n"

    def kept_heads(self) -> Iterable[tuple[bytes, bytes]]:
        return self.kept

    def witness_certificates(self, names: Collection[str]) -> Iterable[bytes]:
        return (one for name in names for one in self.certificates.get(name, ()))


@dataclass(frozen=True)
class Exporter:
    authority: Authority

    def __call__(
        self,
        log: MemoryLog,
        *,
        signer: str = NODE,
        meanwhile: Callable[[], None] = lambda: None,
        **period: Any,
    ) -> BytesIO:
        """`meanwhile` is done once the export is decided on, and before its first byte is written."""
        key, at = self.authority.signer(signer), START + timedelta(days=1)

        def sign(files: Any) -> bytes:
            return sign_bundle([CoveredFile(*one) for one in files], key, at)

        planned = plan_export(log, Period(**period), log.signer.chain, key.chain, sign)
        meanwhile()
        with closing(planned):
            content = b"".join(write_export(log, planned))
        assert len(content) == planned.size_bytes
        return BytesIO(content)


@pytest.fixture
def export(authority: Authority) -> Exporter:
    return Exporter(authority)


@pytest.fixture
def log(authority: Authority) -> MemoryLog:
    """Twenty entries with words beside, ten in a second epoch, and a kept head."""
    made = MemoryLog(authority.log())
    for number in range(20):
        made.add(AuditEvent.QUEUE_FLUSHED, neighbour=f"t{number}", by="Nguyễn Văn Mẫu", why="thử")
        if number == 7:
            made.kept.append((made.notes[0], b""))
    made.turn()
    for _ in range(9):
        made.add()
    return made
