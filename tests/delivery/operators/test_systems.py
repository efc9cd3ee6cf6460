"""Systems added, rotated and revoked on a real journal, sealed by real keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from relay.audit.words import replaced
from relay.delivery.clock import Clock
from relay.delivery.operators.system_desk import MOST_SECRETS, SystemDesk
from relay.delivery.operators.systems import CONFIGURED, KnownSystem, Marks, SystemSecret
from relay.delivery.ports import Caller
from relay.errors import ConflictError, NotFoundError, SignatureError, UnfitError
from relay.journal.store import SqliteJournal
from relay.journal.systems import SystemTable
from relay.model import AgencyCode, NodeId, Tier
from relay.routing.directory import Agency, Directory, NodeEntry
from relay.signing import pki
from relay.signing.pki_words import KeyType
from relay.signing.secrets import SecretBox, is_marked, mark_of
from relay.signing.tls import is_certificate

NODE = NodeId("tinh-h01")
NOW = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
OPERATOR = Caller("local", frozenset(), operator=True)
H01 = AgencyCode("H01")
FILE = KnownSystem("vxp.file", (H01,), (SystemSecret(CONFIGURED, b"secret-of-the-file"),))


@pytest.fixture(scope="module")
def log_keys(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of the node before and after its certificates were renewed."""
    found = []
    for number in range(2):
        folder = tmp_path_factory.mktemp(f"pki{number}")
        pki.init(folder, name="Mẫu", key=KeyType.P256, now=NOW, days=9)
        pki.issue_branch(folder, "mau", key=KeyType.P256, now=NOW, days=9)
        pki.issue_node(folder, NODE, "mau", key=KeyType.P256, now=NOW, days=9)
        found.append(folder / "nodes" / NODE / "log.key.pem")
    return found


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    opened = await SqliteJournal.open(
        tmp_path / "data", NODE, lambda *_: b"head", on_fatal=lambda error: None
    )
    yield opened
    await opened.close()


class World:
    """A desk on the journal as a node of some start has it."""

    def __init__(self, journal: SqliteJournal) -> None:
        self.journal, self.at = journal, NOW
        self.published: Sequence[KnownSystem] = ()

    async def start(
        self, key: Path, before: Sequence[Path] = (), configured: Sequence[KnownSystem] = (FILE,)
    ) -> SystemDesk:
        directory = Directory(
            [NodeEntry(NODE, Tier.PROVINCE)], [Agency(H01, "Mẫu", Tier.PROVINCE, NODE)]
        )

        def publish(known: Sequence[KnownSystem]) -> None:
            self.published = known

        desk = SystemDesk(
            NODE,
            directory,
            configured,
            SystemTable(self.journal, NODE),
            SecretBox.load(NODE, key, before),
            Marks(mark_of, is_marked),
            Clock(wall=lambda: self.at),
            publish,
            is_certificate,
        )
        await desk.load()
        return desk

    def working(self, name: str) -> set[str]:
        """Secrets of the system that the face would take now."""
        return {
            one.value.decode()
            for system in self.published
            if system.systemid == name
            for one in system.secrets
            if one.ends_at is None or one.ends_at > self.at
        }

    async def events(self) -> list[dict[str, Any]]:
        import json

        return [
            replaced(json.loads(one.leaf), one.words) for one in await self.journal.entries(0, 1000)
        ]


@pytest.fixture
def world(journal: SqliteJournal) -> World:
    return World(journal)


def new(name: str = "vxp.new", **changes: Any) -> KnownSystem:
    return replace(KnownSystem(name, (H01,)), **changes)


async def test_an_added_system_works_at_once_and_after_a_start(
    world: World, log_keys: list[Path]
) -> None:
    """With everything it was added with; its secret is shown once and stored sealed."""
    desk = await world.start(log_keys[0])
    shown = x509.load_pem_x509_certificate(log_keys[0].with_name("tls.pem").read_bytes())
    der = (shown.public_bytes(Encoding.DER),)
    wanted = new(addresses=("10.1.0.0/16",), certificates=der, freshness="off", rest=True)
    secret = await desk.add(OPERATOR, wanted, None)
    assert len(secret) == 32
    assert world.working("vxp.new") == {secret}
    stored = await world.journal.rows("SELECT sealed FROM system_secrets")
    assert secret.encode() not in stored[0][0]
    desk = await world.start(log_keys[0])
    assert world.working("vxp.new") == {secret}
    (found,) = [one for one in await desk.list() if one.systemid == "vxp.new"]
    assert replace(found, secrets=(), created_at=None) == wanted


async def test_a_rotated_secret_overlaps_with_the_one_before(
    world: World, log_keys: list[Path]
) -> None:
    """Both work until the overlap is over, only the new one afterwards, and so after a start."""
    desk = await world.start(log_keys[0])
    old = await desk.add(OPERATOR, new(), "an-old-long-secret")
    _, fresh = await desk.rotate(OPERATOR, "vxp.new", timedelta(days=7), None)
    assert world.working("vxp.new") == {old, fresh}
    await world.start(log_keys[0])
    assert world.working("vxp.new") == {old, fresh}
    world.at += timedelta(days=8)
    assert world.working("vxp.new") == {fresh}


async def test_a_secret_of_the_configuration_rotates_and_is_revoked(
    world: World, log_keys: list[Path]
) -> None:
    """Though it still stands there; one that is written in its place works."""
    desk = await world.start(log_keys[0])
    assert world.working("vxp.file") == {"secret-of-the-file"}
    _, fresh = await desk.rotate(OPERATOR, "vxp.file", timedelta(days=7), None)
    assert world.working("vxp.file") == {"secret-of-the-file", fresh}
    world.at += timedelta(days=8)
    await world.start(log_keys[0])
    assert world.working("vxp.file") == {fresh}
    changed = replace(FILE, secrets=(SystemSecret(CONFIGURED, b"another-of-the-file"),))
    await world.start(log_keys[0], configured=[changed])
    assert world.working("vxp.file") == {"another-of-the-file", fresh}


async def test_a_revoked_system_has_no_secret_until_it_is_rotated(
    world: World, log_keys: list[Path]
) -> None:
    """At once, after a start, and with a new key of the node's; who and why are in the log."""
    desk = await world.start(log_keys[0])
    await desk.add(OPERATOR, new(), None)
    for name in ("vxp.new", "vxp.file"):
        await desk.revoke(OPERATOR, name, "lộ khóa")
        await desk.revoke(OPERATOR, name, "again")
        assert world.working(name) == set()
    desk = await world.start(log_keys[1])
    assert world.working("vxp.new") == world.working("vxp.file") == set()
    _, fresh = await desk.rotate(OPERATOR, "vxp.file", timedelta(), None)
    assert world.working("vxp.file") == {fresh}
    (first, *_) = [one for one in await world.events() if one["event"] == "system-revoked"]
    assert (first["system"], first["by"], first["why"]) == ("vxp.new", "local", "lộ khóa")


async def test_what_an_earlier_key_sealed_is_sealed_again(
    world: World, log_keys: list[Path]
) -> None:
    """Where its file is named; then it is needed no more. Without it nothing opens."""
    desk = await world.start(log_keys[0])
    secret = await desk.add(OPERATOR, new(), None)
    await world.start(log_keys[1])
    assert world.working("vxp.new") == set()
    await world.start(log_keys[1], [log_keys[0]])
    assert world.working("vxp.new") == {secret}
    await world.start(log_keys[1])
    assert world.working("vxp.new") == {secret}
    assert [one["count"] for one in await world.events() if one["event"] == "systems-resealed"] == [
        1
    ]


@pytest.mark.parametrize(
    ("system", "secret", "text"),
    [
        (new(agencies=()), None, "at least one agency"),
        (new(agencies=(AgencyCode("H99"),)), None, "not served"),
        (new(agencies=(AgencyCode("đơn vị"),)), None, "not served"),
        (new(addresses=("10.1.2.3/8",)), None, "no address or network"),
        (new(name="two words"), None, "systemid"),
        (new(freshness="never"), None, "freshness"),
        (new(window=timedelta()), None, "window"),
        (new(certificates=(b"hello",)), None, "certificate 1 of 1 is none"),
        (new(certificates=(b"",)), None, "certificate 1 of 1 is none"),
        (new(), "short", "5 characters"),
        (new(), "with a blank at its end ", "blanks"),
        (new(), "khóa bí mật dài lắm", "ASCII"),
    ],
)
async def test_what_cannot_be_is_refused_whole(
    world: World, log_keys: list[Path], system: KnownSystem, secret: str | None, text: str
) -> None:
    """Nothing of it is stored."""
    desk = await world.start(log_keys[0])
    with pytest.raises(UnfitError, match=text):
        await desk.add(OPERATOR, system, secret)
    assert await world.journal.rows("SELECT * FROM systems") == []


async def test_names_and_secrets_are_taken_once(world: World, log_keys: list[Path]) -> None:
    """A system of the configuration cannot be added again, a secret not rotated to itself, nor
    without end."""
    desk = await world.start(log_keys[0])
    with pytest.raises(ConflictError):
        await desk.add(OPERATOR, new("vxp.file"), None)
    with pytest.raises(ConflictError):
        await desk.rotate(OPERATOR, "vxp.file", timedelta(days=1), "secret-of-the-file")
    with pytest.raises(NotFoundError):
        await desk.rotate(OPERATOR, "vxp.nobody", timedelta(), None)
    with pytest.raises(UnfitError):
        await desk.rotate(OPERATOR, "vxp.file", timedelta(days=91), None)
    for _ in range(MOST_SECRETS - 1):
        await desk.rotate(OPERATOR, "vxp.file", timedelta(days=9), None)
    with pytest.raises(ConflictError, match="limit"):
        await desk.rotate(OPERATOR, "vxp.file", timedelta(days=9), None)


def test_a_sealed_secret_opens_only_for_what_it_was_sealed_for(log_keys: list[Path]) -> None:
    """Not for another system, not with a bit changed, not at another node."""
    box = SecretBox.load(NODE, log_keys[0])
    sealed = box.seal(b"secret", "vxp.a 1")
    assert box.open(box.key_id, sealed, "vxp.a 1") == b"secret"
    assert box.seal(b"secret", "vxp.a 1") != sealed
    other = SecretBox.load(NodeId("tinh-h02"), log_keys[0])
    changed = bytes([*sealed[:-1], sealed[-1] ^ 1])
    attempts: list[Callable[[], bytes]] = [
        lambda: box.open(box.key_id, sealed, "vxp.b 1"),
        lambda: box.open(box.key_id, changed, "vxp.a 1"),
        lambda: box.open(box.key_id, b"", "vxp.a 1"),
        lambda: other.open(other.key_id, sealed, "vxp.a 1"),
        lambda: other.open(box.key_id, sealed, "vxp.a 1"),
    ]
    for attempt in attempts:
        with pytest.raises(SignatureError):
            attempt()
