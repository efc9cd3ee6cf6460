"""The vectors of receipts signed in batches; make.py hands in its keys and writes them.

The batch is of seven receipts, RECEIPT is the fifth of them: a path of three hashes, and one leaf at
the right edge that rises without a sibling. Trees are built here by the definition of RFC 6962, not
by the code they judge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from relay.model import Digest, NodeId, digest_of
from relay.signing.batches import sign_batch
from relay.signing.xades import DocumentName, build
from relay.wire.batch import Batch, write_batch
from relay.wire.receipt import write_receipt

INDEX, COUNT = 4, 7
Leaf = Callable[[bytes], bytes]


def leaf(content: bytes) -> bytes:
    return hashlib.sha256(b"\x02receipt.xml\n" + content).digest()


def log_leaf(content: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + content).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1


def tree(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(tree(leaves[:k]), tree(leaves[k:]))


def path_to(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*path_to(index, leaves[:k]), tree(leaves[k:])]
    return [*path_to(index - k, leaves[k:]), tree(leaves[:k])]


class Maker:
    """Batches and proofs, right or wrong as asked; `made` are the names of make.py."""

    def __init__(self, made: Mapping[str, Any]) -> None:
        self.made = made
        self.receipt = made["RECEIPT"]
        self.receipts = [
            write_receipt(self.receipt if i == INDEX else replace(self.receipt, size_bytes=100 + i))
            for i in range(COUNT)
        ]
        self.leaves = [leaf(one) for one in self.receipts]
        self.path = path_to(INDEX, self.leaves)

    def signed(
        self,
        by: Any = None,
        name: DocumentName = DocumentName.BATCH,
        *,
        issuer: str = "tinh-h01",
        count: int = COUNT,
        leaves: Sequence[bytes] = (),
        other: bytes = b"",
        role: str = "node",
    ) -> bytes:
        """A batch document and its signature; `other` are the bytes that are signed instead."""
        root = tree(leaves or self.leaves)
        document = write_batch(Batch(NodeId(issuer), self.made["AT"], count, Digest(root.hex())))
        digest = digest_of(other or document)
        return document + build(name, digest, role, by or self.made["NODE"], self.made["AT"])

    def proof(
        self, ending: bytes, index: object = INDEX, path: Sequence[bytes] | None = None
    ) -> bytes:
        hashes = "".join(
            f"<Hash>{one.hex()}</Hash>" for one in (self.path if path is None else path)
        )
        head = (
            f'<BatchProof xmlns="urn:truc-relay:wire:1"><Index>{index}</Index><Path>{hashes}</Path>'
        )
        return head.encode() + ending + b"</BatchProof>"


def accepted(made: Mapping[str, Any]) -> Iterator[tuple[str, bytes, bytes]]:
    """Name, proof and receipt."""
    maker = Maker(made)
    proofs = sign_batch(maker.receipts, NodeId("tinh-h01"), made["NODE"], made["AT"])
    for index in range(COUNT):
        yield f"batch-of-seven-{index}.receipt", proofs[index].signature, maker.receipts[index]
    pair = sign_batch(maker.receipts[3:5], NodeId("tinh-h01"), made["NODE"], made["AT"])
    yield "batch-of-two.receipt", pair[1].signature, maker.receipts[INDEX]


def refused(made: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Each is handed in as the signature of RECEIPT."""
    maker = Maker(made)
    yield from out_of_place(maker)
    yield from other_batches(maker)
    yield from other_signatures(maker)
    yield from other_shapes(maker)


def out_of_place(maker: Maker) -> Iterator[tuple[str, bytes]]:
    """A good batch, and a way that does not lead to its root."""
    good, path, leaves = maker.signed(), maker.path, maker.leaves
    swapped = path_to(5, leaves)
    yield "not-in-batch--swapped-leaves.receipt", maker.proof(good, 5, swapped)
    yield "not-in-batch--path-of-a-neighbour.receipt", maker.proof(good, INDEX, swapped)
    yield "not-in-batch--swapped-levels.receipt", maker.proof(good, INDEX, [*path[1:], path[0]])
    yield "not-in-batch--index-of-another.receipt", maker.proof(good, 0)
    yield "not-in-batch--index-out-of-range.receipt", maker.proof(good, COUNT)
    yield "not-in-batch--index-far-out.receipt", maker.proof(good, 9999)
    yield "not-in-batch--path-too-short.receipt", maker.proof(good, INDEX, path[:-1])
    yield "not-in-batch--path-too-long.receipt", maker.proof(good, INDEX, [*path, path[-1]])
    yield "not-in-batch--no-path.receipt", maker.proof(good, INDEX, [])
    yield "not-in-batch--own-leaf-in-path.receipt", maker.proof(good, INDEX, [leaves[4], *path[1:]])


def other_batches(maker: Maker) -> Iterator[tuple[str, bytes]]:
    """A batch that is signed as it should be, and is not this receipt's."""
    others = maker.leaves[::-1]
    yield "not-in-batch--root-of-another-batch.receipt", maker.proof(maker.signed(leaves=others))
    yield "not-in-batch--count-too-large.receipt", maker.proof(maker.signed(count=9))
    yield "not-in-batch--count-too-small.receipt", maker.proof(maker.signed(count=5))
    as_log = [log_leaf(one) for one in maker.receipts]
    yield (
        "not-in-batch--leaves-of-a-log.receipt",
        maker.proof(maker.signed(leaves=as_log), INDEX, path_to(INDEX, as_log)),
    )
    unnamed = [hashlib.sha256(b"\x02" + one).digest() for one in maker.receipts]
    yield (
        "not-in-batch--leaves-without-kind.receipt",
        maker.proof(maker.signed(leaves=unnamed), INDEX, path_to(INDEX, unnamed)),
    )
    foreign = maker.made["signer"](
        maker.made["certificate"]("tw", "Issuing", ["urn:truc-relay:node:tw:sign"]),
        maker.made["ISSUING"],
        key=maker.made["derived"]("tw"),
    )
    yield (
        "wrong-node--batch-of-another-issuer.receipt",
        maker.proof(maker.signed(foreign, issuer="tw")),
    )
    yield "wrong-node--batch-by-another-node.receipt", maker.proof(maker.signed(foreign))
    yield "wrong-node--batch-names-another.receipt", maker.proof(maker.signed(issuer="tw"))
    yield (
        "wrong-purpose--batch-by-an-agency.receipt",
        maker.proof(maker.signed(maker.made["AGENCY"])),
    )
    yield "wrong-role--batch-as-an-agency.receipt", maker.proof(maker.signed(role="agency"))


def other_signatures(maker: Maker) -> Iterator[tuple[str, bytes]]:
    """The way leads to the root, but nobody signed that batch as one."""
    for name in DocumentName:
        if name is not DocumentName.BATCH:
            kind = name.value.partition(".")[0]
            yield (
                f"wrong-document--{kind}-for-a-batch.receipt",
                maker.proof(maker.signed(name=name)),
            )
    receipt = write_receipt(maker.receipt)
    bare = maker.signed().partition(b"</Batch>")[2]
    yield "wrong-document--batch-signature-alone.receipt", bare
    yield "digest-mismatch--signed-another-batch.receipt", maker.proof(maker.signed(other=receipt))
    good = maker.signed()
    lying = good.replace(b"<Count>7<", b"<Count>8<")
    yield "digest-mismatch--batch-count-lies.receipt", maker.proof(lying)
    later = good.replace(b"T04:05:06.", b"T04:05:07.")
    yield "digest-mismatch--batch-time-changed.receipt", maker.proof(later)


def other_shapes(maker: Maker) -> Iterator[tuple[str, bytes]]:
    """The same meaning, or nearly, in other bytes."""
    good = maker.signed()
    proof = maker.proof(good)
    batch, _, signature = good.partition(b"</Batch>")
    yield "shape--batch-proof-spaced.receipt", proof.replace(b"><Path>", b"> <Path>")
    yield "shape--batch-proof-trailing.receipt", proof + b"\n"
    yield "shape--batch-proof-padded-index.receipt", maker.proof(good, "04")
    yield "shape--batch-proof-signed-index.receipt", maker.proof(good, "-3")
    digits = maker.path[0].hex().encode()
    yield "shape--batch-proof-capitals.receipt", proof.replace(digits, digits.upper())
    yield "shape--batch-proof-unsigned.receipt", maker.proof(batch + b"</Batch>")
    yield "shape--batch-proof-two-batches.receipt", maker.proof(batch + b"</Batch>" + good)
    yield (
        "shape--batch-proof-path-of-thirteen.receipt",
        maker.proof(good, INDEX, maker.path[:1] * 13),
    )
    yield "malformed--two-signatures-in-a-batch-proof.receipt", maker.proof(good + signature)
    alone = Batch(NodeId("tinh-h01"), maker.made["AT"], 2, Digest(maker.leaves[INDEX].hex()))
    single = write_batch(alone).replace(b"<Count>2<", b"<Count>1<")
    yield "shape--batch-of-one.receipt", maker.proof(single + signature, 0, [])


def hidden(made: Mapping[str, Any]) -> Iterator[tuple[str, bytes, bytes]]:
    """An inner node of the tree handed in as a receipt, with that "receipt"."""
    maker = Maker(made)
    pair = [maker.leaves[0], maker.leaves[1]]
    inside = b"".join(pair)
    rest = tree(maker.leaves[2:4])
    four = maker.signed(count=4, leaves=maker.leaves[:4])
    yield "not-in-batch--inner-node-as-receipt.receipt", maker.proof(four, 0, [rest]), inside
    two = maker.signed(count=2, leaves=[tree(pair), rest])
    yield "not-in-batch--inner-node-as-leaf.receipt", maker.proof(two, 0, [rest]), inside
