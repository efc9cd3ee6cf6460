"""One signature for many receipts: proven by us, by a second verifier and by xmlsec1, or refused."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.audit.proofs import inclusion_proof, over_leaves
from relay.audit.tree import Frontier, leaf_hash
from relay.errors import SignatureError, WireError
from relay.model import AgencyCode, Event, Evidence, MessageId, NodeId, Receipt, Signed, digest_of
from relay.signing import batches
from relay.signing.batches import leaf_of, sign_batch
from relay.signing.evidence import receipt_document, sign_receipts, verify_receipt
from relay.signing.verifier import prove

FOLDER = Path(__file__).parents[1] / "vectors" / "signing"
ACCEPTED = sorted(FOLDER.glob("accepted/batch-*.xml"))
REFUSED = sorted(
    path
    for kind in ("receipt", "transfer")
    for path in FOLDER.glob(f"refused/*.{kind}.xml")
    if b"<BatchProof" in path.read_bytes()
)
AT = datetime(2026, 11, 23, 4, 5, 6, 123000, tzinfo=UTC)
NODE = NodeId("tinh-h01")
SIZES = [2, 3, 4, 5, 7, 8, 9, 31, 64, 100]


def _load_second_verifier() -> Any:
    found = importlib.util.spec_from_file_location(
        "second_verifier", Path(__file__).with_name("second_verifier.py")
    )
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


SECOND = _load_second_verifier()


def _receipt(number: int, issuer: NodeId = NODE) -> Receipt:
    return Receipt(
        issuer=issuer,
        origin=NODE,
        message_id=MessageId(f"019ab000-0000-7000-8000-{number:012x}"),
        digest=digest_of(b"letter"),
        size_bytes=6,
        transfer_id=None,
        sent_by=None,
        at=AT,
        evidence=(Evidence(Event.SUBMISSION_ACCEPTANCE, AgencyCode("H36.02")),),
    )


@pytest.fixture
def pki(make_pki: Callable[[str], Any]) -> Any:
    return make_pki("p256")


def _documents(count: int, signer: Any) -> list[bytes]:
    return [receipt_document(_receipt(n), signer) for n in range(count)]


@pytest.mark.parametrize("count", SIZES)
def test_each_receipt_of_a_batch_is_proven_by_its_own_path(pki: Any, count: int) -> None:
    """In trees of any shape, and each path is the one of RFC 6962."""
    signer = pki.node(NODE).signer
    documents = _documents(count, signer)

    signed = sign_receipts(documents, NODE, signer, AT)

    assert [one.document for one in signed] == documents
    leaves = [leaf_of(one) for one in documents]
    for index, one in enumerate(signed):
        assert verify_receipt(one, pki.trust, AT) == _receipt(index)
        path = inclusion_proof(index, count, over_leaves(leaves.__getitem__))
        assert one.signature.count(b"<Hash>") == len(path)
        assert b"".join(b"<Hash>%b</Hash>" % h.hex().encode() for h in path) in one.signature


def test_one_receipt_alone_is_signed_by_itself(pki: Any) -> None:
    signer = pki.node(NODE).signer

    (signed,) = sign_receipts(_documents(1, signer), NODE, signer, AT)

    assert signed.signature.startswith(b"<ds:Signature ")
    assert verify_receipt(signed, pki.trust, AT) == _receipt(0)


def test_a_batch_that_was_just_proven_is_not_proven_again(
    pki: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One signature is proven for all the receipts of an answer; each is still led to the root."""
    signer = pki.node(NODE).signer
    signed = sign_receipts(_documents(16, signer), NODE, signer, AT)
    proofs = 0

    def counted(*args: Any, **named: Any) -> Any:
        nonlocal proofs
        proofs += 1
        return prove(*args, **named)

    monkeypatch.setattr(batches, "prove", counted)
    proven: Any = {}
    for index, one in enumerate(signed):
        assert verify_receipt(one, pki.trust, None, proven=proven) == _receipt(index)
    assert proofs == 1
    with pytest.raises(SignatureError) as caught:
        verify_receipt(
            Signed(signed[1].document, signed[0].signature), pki.trust, None, proven=proven
        )
    assert caught.value.reason == "not-in-batch"
    assert proofs == 1


def test_a_batch_whose_signature_failed_is_not_remembered(pki: Any) -> None:
    signer = pki.node(NODE).signer
    first, second = sign_receipts(_documents(2, signer), NODE, signer, AT)
    spoilt = [
        replace(one, signature=one.signature.replace(b"<Count>2<", b"<Count>3<"))
        for one in (first, second)
    ]
    proven: Any = {}
    for one in spoilt:
        with pytest.raises(SignatureError):
            verify_receipt(one, pki.trust, None, proven=proven)
    assert proven == {}


def test_any_flipped_bit_of_a_receipt_or_its_proof_is_refused(pki: Any) -> None:
    """But for white space inside base64, which says nothing, there is no other text of a proof."""
    signer = pki.node(NODE).signer
    signed = sign_receipts(_documents(5, signer), NODE, signer, AT)[3]
    for at in range(0, len(signed.signature), 3):
        flipped = bytearray(signed.signature)
        flipped[at] ^= 1
        with pytest.raises((SignatureError, WireError)):
            verify_receipt(Signed(signed.document, bytes(flipped)), pki.trust, AT)
    for at in range(0, len(signed.document), 3):
        changed = bytearray(signed.document)
        changed[at] ^= 1
        with pytest.raises(SignatureError):
            verify_receipt(Signed(bytes(changed), signed.signature), pki.trust, AT)


@given(st.binary(max_size=600), st.integers(0, 5000), st.integers(0, 5000))
def test_any_bytes_in_a_proof_are_refused_clearly(
    good: tuple[Any, Signed], junk: bytes, start: int, end: int
) -> None:
    """Put anywhere into a good one, in place of any part of it: a SignatureError and nothing else."""
    trust, signed = good
    text = signed.signature
    spoilt = text[: min(start, end)] + junk + text[max(start, end) :]
    if b"".join(spoilt.split()) == b"".join(text.split()):
        return  # white space inside base64 says nothing
    with pytest.raises((SignatureError, WireError)):
        verify_receipt(Signed(signed.document, spoilt), trust, AT)


@pytest.fixture(scope="module")
def good(make_pki: Callable[[str], Any]) -> tuple[Any, Signed]:
    pki = make_pki("p256")
    signer = pki.node(NODE).signer
    return pki.trust, sign_receipts(_documents(5, signer), NODE, signer, AT)[2]


def test_no_leaf_of_a_log_is_a_leaf_of_a_batch() -> None:
    """The first byte tells them apart: 0x02 here, 0x00 for a log's leaf, 0x01 inside either tree."""
    for content in (b"", b"x", b"receipt.xml\nx"):
        assert leaf_of(content) != leaf_hash(content)
    pair = leaf_of(b"a") + leaf_of(b"b")
    frontier = Frontier()
    frontier.append(leaf_of(b"a"))
    frontier.append(leaf_of(b"b"))
    assert leaf_of(pair) != frontier.root()


def test_a_batch_has_its_limits(pki: Any) -> None:
    signer = pki.node(NODE).signer
    with pytest.raises(WireError, match="limit 2 to 4096"):
        sign_batch([b"x"] * 4097, NODE, signer, AT)
    last = sign_batch([b"%d" % n for n in range(4096)], NODE, signer, AT)[-1]
    assert last.signature.count(b"<Hash>") == 12
    with pytest.raises(SignatureError) as caught:
        verify_receipt(replace(last, signature=last.signature + b" " * (1 << 18)), pki.trust, AT)
    assert caught.value.reason == "too-large"


# ---------------------------------------------------------------- others' eyes


@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
def test_a_second_verifier_and_xmlsec1_prove_ours(
    xmlsec1: str, make_pki: Callable[[str], Any], tmp_path: Path, kind: str
) -> None:
    """Made from the specification alone, it finds each receipt in its batch and the batch signed."""
    pki = make_pki(kind)
    signer = pki.node(NODE).signer
    (tmp_path / "root.pem").write_bytes(pki.root.pem)
    for one in sign_receipts(_documents(5, signer), NODE, signer, AT):
        found = SECOND.verify(
            one.document, one.signature, tmp_path / "root.pem", tmp_path / "proof", xmlsec1
        )
        assert found == NODE


def _kind(path: Path) -> str:
    return path.suffixes[-2].removeprefix(".")


def _document(path: Path) -> bytes:
    other = path.with_suffix(".document")
    return (other if other.exists() else FOLDER / f"{_kind(path)}.xml").read_bytes()


def _second(path: Path, folder: Path, xmlsec1: str) -> None:
    proof, root = path.read_bytes(), FOLDER / "root.pem"
    SECOND.verify(_document(path), proof, root, folder, xmlsec1, _kind(path))


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_the_second_verifier_proves_what_we_accept(
    xmlsec1: str, tmp_path: Path, path: Path
) -> None:
    _second(path, tmp_path, xmlsec1)


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_the_second_verifier_refuses_what_we_refuse(
    xmlsec1: str, tmp_path: Path, path: Path
) -> None:
    with pytest.raises((SECOND.RefusedError, SyntaxError)):
        _second(path, tmp_path, xmlsec1)
