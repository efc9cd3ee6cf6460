"""The vectors of receipts, and of headers of transfers, signed in batches; forging/batched.py hands in the keys.

The batch is of seven documents of one kind, the usual one is the fifth of them: a path of three hashes, and one
leaf at the right edge that rises without a sibling. Trees are built here by the definition of RFC 6962, not
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
from relay.wire.transfer import write_transfer

INDEX, COUNT = 4, 7
KINDS: Mapping[str, tuple[DocumentName, Callable[[Any], bytes]]] = {
    "receipt": (DocumentName.RECEIPT, write_receipt),
    "transfer": (DocumentName.TRANSFER, write_transfer),
}


def leaf(kind: str, content: bytes) -> bytes:
    return hashlib.sha256(b"\x02%b.xml\n" % kind.encode() + content).digest()


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
    """Batches and proofs, right or wrong as asked; `made` are keys and documents by name."""

    def __init__(self, made: Mapping[str, Any], kind: str) -> None:
        self.made = made
        self.kind = kind
        self.name, write = KINDS[kind]
        usual = made[kind]
        self.documents = [
            write(usual if i == INDEX else replace(usual, size_bytes=100 + i)) for i in range(COUNT)
        ]
        self.leaves = [leaf(kind, one) for one in self.documents]
        self.path = path_to(INDEX, self.leaves)

    def good(self, documents: Sequence[bytes]) -> list[bytes]:
        """The proofs that the product makes."""
        by, at = self.made["NODE"], self.made["AT"]
        signed = sign_batch(documents, NodeId("tinh-h01"), by, at, self.name)
        return [one.signature for one in signed]

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


def accepted(made: Mapping[str, Any], kind: str) -> Iterator[tuple[str, bytes, bytes]]:
    """Name, proof and document."""
    maker = Maker(made, kind)
    proofs = maker.good(maker.documents)
    for index in range(COUNT):
        yield f"batch-of-seven-{index}.{kind}", proofs[index], maker.documents[index]
    yield f"batch-of-two.{kind}", maker.good(maker.documents[3:5])[1], maker.documents[INDEX]


def refused(made: Mapping[str, Any], kind: str) -> Iterator[tuple[str, bytes]]:
    """Each is handed in as the signature of the usual document of the kind."""
    maker = Maker(made, kind)
    yield from out_of_place(maker)
    yield from other_batches(maker)
    yield from other_signatures(maker)
    yield from other_shapes(maker)


def out_of_place(maker: Maker) -> Iterator[tuple[str, bytes]]:
    """A good batch, and a way that does not lead to its root."""
    good, path, leaves = maker.signed(), maker.path, maker.leaves
    swapped = path_to(5, leaves)
    yield "not-in-batch--swapped-leaves", maker.proof(good, 5, swapped)
    yield "not-in-batch--path-of-a-neighbour", maker.proof(good, INDEX, swapped)
    yield "not-in-batch--swapped-levels", maker.proof(good, INDEX, [*path[1:], path[0]])
    yield "not-in-batch--index-of-another", maker.proof(good, 0)
    yield "not-in-batch--index-out-of-range", maker.proof(good, COUNT)
    yield "not-in-batch--index-far-out", maker.proof(good, 9999)
    yield "not-in-batch--path-too-short", maker.proof(good, INDEX, path[:-1])
    yield "not-in-batch--path-too-long", maker.proof(good, INDEX, [*path, path[-1]])
    yield "not-in-batch--no-path", maker.proof(good, INDEX, [])
    yield "not-in-batch--own-leaf-in-path", maker.proof(good, INDEX, [leaves[4], *path[1:]])


def other_batches(maker: Maker) -> Iterator[tuple[str, bytes]]:
    """A batch that is signed as it should be, and is not this document's."""
    others = maker.leaves[::-1]
    yield "not-in-batch--root-of-another-batch", maker.proof(maker.signed(leaves=others))
    yield "not-in-batch--count-too-large", maker.proof(maker.signed(count=9))
    yield "not-in-batch--count-too-small", maker.proof(maker.signed(count=5))
    as_log = [log_leaf(one) for one in maker.documents]
    yield (
        "not-in-batch--leaves-of-a-log",
        maker.proof(maker.signed(leaves=as_log), INDEX, path_to(INDEX, as_log)),
    )
    unnamed = [hashlib.sha256(b"\x02" + one).digest() for one in maker.documents]
    yield (
        "not-in-batch--leaves-without-kind",
        maker.proof(maker.signed(leaves=unnamed), INDEX, path_to(INDEX, unnamed)),
    )
    other = "transfer" if maker.kind == "receipt" else "receipt"
    as_other = [leaf(other, one) for one in maker.documents]
    yield (
        f"not-in-batch--leaves-of-{other}s",
        maker.proof(maker.signed(leaves=as_other), INDEX, path_to(INDEX, as_other)),
    )
    foreign = maker.made["signer"](
        maker.made["certificate"]("tw", "Issuing", ["urn:truc-relay:node:tw:sign"]),
        maker.made["ISSUING"],
        key=maker.made["derived"]("tw"),
    )
    yield (
        "wrong-node--batch-of-another-issuer",
        maker.proof(maker.signed(foreign, issuer="tw")),
    )
    yield "wrong-node--batch-by-another-node", maker.proof(maker.signed(foreign))
    yield "wrong-node--batch-names-another", maker.proof(maker.signed(issuer="tw"))
    yield (
        "wrong-purpose--batch-by-an-agency",
        maker.proof(maker.signed(maker.made["AGENCY"])),
    )
    yield "wrong-role--batch-as-an-agency", maker.proof(maker.signed(role="agency"))


def other_signatures(maker: Maker) -> Iterator[tuple[str, bytes]]:
    """The way leads to the root, but nobody signed that batch as one."""
    for name in DocumentName:
        if name is not DocumentName.BATCH:
            kind = name.value.partition(".")[0]
            yield (
                f"wrong-document--{kind}-for-a-batch",
                maker.proof(maker.signed(name=name)),
            )
    bare = maker.signed().partition(b"</Batch>")[2]
    yield "wrong-document--batch-signature-alone", bare
    yield (
        "digest-mismatch--signed-another-batch",
        maker.proof(maker.signed(other=maker.documents[INDEX])),
    )
    good = maker.signed()
    lying = good.replace(b"<Count>7<", b"<Count>8<")
    yield "digest-mismatch--batch-count-lies", maker.proof(lying)
    later = good.replace(b"T04:05:06.", b"T04:05:07.")
    yield "digest-mismatch--batch-time-changed", maker.proof(later)


def other_shapes(maker: Maker) -> Iterator[tuple[str, bytes]]:
    """The same meaning, or nearly, in other bytes."""
    good = maker.signed()
    proof = maker.proof(good)
    batch, _, signature = good.partition(b"</Batch>")
    yield "shape--batch-proof-spaced", proof.replace(b"><Path>", b"> <Path>")
    yield "shape--batch-proof-trailing", proof + b"\n"
    yield "shape--batch-proof-padded-index", maker.proof(good, "04")
    yield "shape--batch-proof-signed-index", maker.proof(good, "-3")
    digits = maker.path[0].hex().encode()
    yield "shape--batch-proof-capitals", proof.replace(digits, digits.upper())
    yield "shape--batch-proof-unsigned", maker.proof(batch + b"</Batch>")
    yield "shape--batch-proof-two-batches", maker.proof(batch + b"</Batch>" + good)
    yield (
        "shape--batch-proof-path-of-thirteen",
        maker.proof(good, INDEX, maker.path[:1] * 13),
    )
    yield "malformed--two-signatures-in-a-batch-proof", maker.proof(good + signature)
    alone = Batch(NodeId("tinh-h01"), maker.made["AT"], 2, Digest(maker.leaves[INDEX].hex()))
    single = write_batch(alone).replace(b"<Count>2<", b"<Count>1<")
    yield "shape--batch-of-one", maker.proof(single + signature, 0, [])


def hidden(made: Mapping[str, Any], kind: str) -> Iterator[tuple[str, bytes, bytes]]:
    """An inner node of the tree handed in as a document, with that "document"."""
    maker = Maker(made, kind)
    pair = [maker.leaves[0], maker.leaves[1]]
    inside = b"".join(pair)
    rest = tree(maker.leaves[2:4])
    four = maker.signed(count=4, leaves=maker.leaves[:4])
    yield f"not-in-batch--inner-node-as-{kind}", maker.proof(four, 0, [rest]), inside
    two = maker.signed(count=2, leaves=[tree(pair), rest])
    yield "not-in-batch--inner-node-as-leaf", maker.proof(two, 0, [rest]), inside
