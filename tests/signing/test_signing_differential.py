"""Ours against xmlsec1 and signxml: never does ours accept what one of them refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from relay.errors import SignatureError
from relay.signing.shape import read_parts
from relay.signing.trust import TrustStore
from relay.signing.verifier import _chain
from tests.fuzz.mutator import Mutator
from tests.fuzz.rewriting import rewritten
from tests.vectors.signing.compare import (
    OTHERS,
    accepted_by,
    comparable,
    refused,
    vector,
    verifiers,
)
from tests.vectors.signing.judging import FOLDER, entries
from tests.vectors.signing.others import XmlSec1

ACCEPTED = comparable("accepted")
REWRITTEN = 30
NOT_KNOWN_TO_THEM = {("permitted-name.seal", "signxml")}
"""cryptography, which finds signxml its paths, refuses every constraint on directory names unread."""


def _leaf(signature: bytes) -> bytes:
    leaf = _chain(read_parts(signature).certificates).leaf
    return leaf.certificate.public_bytes(Encoding.DER)


def test_what_we_accept_they_accept(xmlsec1: str, tmp_path: Path) -> None:
    """Every accepted vector: by path to the root, and pinned to the signer's certificate; one aside,
    where theirs refuses what it does not know."""
    asked: dict[str, Any] = verifiers(xmlsec1, tmp_path)
    pinned = XmlSec1(xmlsec1, tmp_path).pinned

    they_refuse = {
        (name, verifier)
        for name in ACCEPTED
        for one in [vector("accepted", name)]
        for verifier, accepts in asked.items()
        if not accepts(*one)
    }
    unpinned = [
        name
        for name in ACCEPTED
        for one in [vector("accepted", name)]
        if not pinned(_leaf(one[0]), *one)
    ]

    assert they_refuse == NOT_KNOWN_TO_THEM
    assert unpinned == []


def test_what_we_accept_written_otherwise_they_accept(xmlsec1: str, tmp_path: Path) -> None:
    """The same XML in other bytes, as far as ours still takes it."""
    asked = verifiers(xmlsec1, tmp_path)
    seal = entries(TrustStore([(FOLDER / "root.pem").read_bytes()]))["seal"]
    good, name, document = vector("accepted", "node.seal")
    mutator = Mutator(seed=5)
    taken: set[bytes] = set()
    while len(taken) < REWRITTEN:
        other = rewritten(mutator, good)
        try:
            seal(other, document)
        except SignatureError:
            continue
        taken.add(other)

    they_refuse = [
        (verifier, other)
        for other in sorted(taken)
        for verifier, accepts in asked.items()
        if not accepts(other, name, document)
    ]

    assert they_refuse == []


@pytest.mark.parametrize(("name", "every"), [("xmlsec1", 5), ("signxml", 1)])
def test_what_they_accept_and_we_refuse_is_written_down(
    xmlsec1: str, tmp_path: Path, name: str, every: int
) -> None:
    """tests/vectors/signing/README.md shows it. Each vector is a process of xmlsec1's: one in five is
    tried. Where another release of theirs judges otherwise, run compare.py and look at the difference."""
    recorded = json.loads(OTHERS.read_text("utf-8"))[name]
    tried = refused()[::every]

    accepted = accepted_by(verifiers(xmlsec1, tmp_path)[name], tried)

    assert accepted == [one for one in recorded if one in set(tried)]
