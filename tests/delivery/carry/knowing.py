"""A node that checks for revocation and carries by hand, for the tests of carried statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from relay.delivery.revocation.by_hand import StatementsByHand
from relay.delivery.revocation.stapling import Stapler
from relay.model import digest_of
from relay.signing.certificates import Purpose
from relay.signing.revocation.checking import OnUnknown
from relay.signing.revocation.signers import KnownSigners
from relay.signing.revocation.verdicts import RevocationState
from relay.wire.carry import CarriedContainer, Manifest, read_carry
from relay.wire.statements import (
    Stapled,
    read_statements,
)
from tests.delivery.carry.test_hostile_files import Entries, signed_by, unpacked
from tests.delivery.revocation.conftest import Authority, Learner, checking, copied

__all__ = ["checking", "copied"]
Post = Any
AGENCY = "agencies/H01.15.pem"
LISTS = ("root/root", "branches/tinh-h01/ca")
FIRST = "statements/0001.xml"
Use = Callable[..., Any]


@dataclass
class Knows:
    """A node that checks for revocation, and what it knows of it."""

    post: Post
    learner: Learner
    stapler: Stapler
    authority: Authority

    def path(self, name: str) -> Any:
        purpose = Purpose.AGENCY if "agencies" in name else Purpose.SIGN
        return self.authority.path(name, purpose)

    def chain(self, name: str) -> tuple[bytes, ...]:
        path = self.path(name)
        found = (path.leaf.certificate, *path.issuers)
        return tuple(one.public_bytes(Encoding.DER) for one in found)

    async def learns(self, name: str = AGENCY, *, ours: bool = False) -> None:
        """What the authorities say of that certificate; `ours` is one that the node speaks with."""
        now = self.post.clock.now()
        for branch in LISTS:
            content = self.authority.crl(branch, now)
            await self.stapler.take_in(self.post.name, [Stapled(self.chain(name), content)])
        if ours:
            path = self.path(name)
            self.learner.verdict(path)
            self.learner.check.ours = (path.leaf.sha256,)

    def state(self, name: str = AGENCY) -> RevocationState:
        return self.learner.verdict(self.path(name)).state


@pytest.fixture
def knows(copied: Authority, checking: Use) -> Iterator[Callable[..., Knows]]:
    """Makes a node check: what it has no statement of, it puts off where its policy says so."""
    with ExitStack() as stack:

        def make(post: Post, *held: Purpose) -> Knows:
            learner = Learner(post, unknown=dict.fromkeys(held, OnUnknown.HOLD))
            signers = KnownSigners(post.keys[post.name].trust, learner.check)
            wire: Any = None  # there is no link
            stapler = Stapler(
                signers, wire, learner.table, post.clock, learner.held.wake, frozenset()
            )
            post.carries(StatementsByHand(stapler))
            stack.enter_context(checking(post.name, learner.check))
            return Knows(post, learner, stapler, copied)

        yield make


def manifest(file: bytes) -> Manifest:
    return read_carry(unpacked(file)["carry.xml"])


def statements_in(file: bytes) -> list[list[Stapled]]:
    return [
        list(read_statements(content))
        for name, content in unpacked(file).items()
        if name.startswith("statements/")
    ]


def with_statements(post: Post, entries: Entries, *containers: bytes) -> bytes:
    """The same file, signed anew, with these in the place of its statements."""
    rest = {n: c for n, c in entries.items() if not n.startswith(("carry", "statements/"))}
    named = {f"statements/{n + 1:04}.xml": one for n, one in enumerate(containers)}
    head = {name: entries[name] for name in ("carry.xml", "carry-signature.xml")}
    told = tuple(CarriedContainer(digest_of(one), len(one)) for one in containers)
    return signed_by(post, {**head, **named, **rest}, statements=told)
