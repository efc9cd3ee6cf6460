"""The proofs that must be refused: of another shape, of another place, of a batch that is none.

Touches: nothing.
Raises:  InconclusiveError where the proof is not one that can be spoilt so.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from relay.conformance.instants import now
from relay.conformance.verdicts import InconclusiveError
from relay.model import Signed, digest_of
from relay.signing.keys import Signer
from relay.signing.proof_shape import batch_in
from relay.signing.xades import DocumentName, build

Change = Callable[[bytes], bytes]


def _upper(proof: bytes) -> bytes:
    return re.sub(
        rb"<Hash>([0-9a-f]{64})</Hash>", lambda found: b"<Hash>%b</Hash>" % found[1].upper(), proof
    )


SHAPES: tuple[tuple[str, str, Change], ...] = (
    (
        "white-space",
        "with white space between elements",
        lambda proof: proof.replace(b"<Path>", b"\n<Path>"),
    ),
    (
        "leading-zero",
        "whose Index has a leading zero",
        lambda proof: proof.replace(b"<Index>0<", b"<Index>00<"),
    ),
    ("upper-case", "whose hashes are in upper case", _upper),
    (
        "between",
        "with something between batch and signature",
        lambda proof: proof.replace(b"</Batch><", b"</Batch> <"),
    ),
    (
        "behind",
        "with something behind the signature",
        lambda proof: proof.replace(b"</BatchProof>", b"<Hash/></BatchProof>"),
    ),
    (
        "thirteen-hashes",
        "with thirteen hashes",
        lambda proof: proof.replace(b"</Path>", b"<Hash>%b</Hash>" % (b"0" * 64) * 12 + b"</Path>"),
    ),
    (
        "no-batch",
        "without a batch",
        lambda proof: re.sub(rb"<Batch xmlns.*</Batch>", b"", proof),
    ),
)

WRONG: tuple[tuple[str, str, Change], ...] = (
    (
        "index-beyond",
        "{} whose Index is not under Count is refused",
        lambda proof: proof.replace(b"<Index>0<", b"<Index>2<"),
    ),
    (
        "another-index",
        "{} at another's Index is refused",
        lambda proof: proof.replace(b"<Index>0<", b"<Index>1<"),
    ),
    (
        "short-path",
        "{} with a path that is too short is refused",
        lambda proof: re.sub(rb"<Path>.*</Path>", b"<Path></Path>", proof),
    ),
    (
        "long-path",
        "{} with a path that is too long is refused",
        lambda proof: re.sub(
            rb"(<Hash>[0-9a-f]{64}</Hash>)", lambda found: found[1] + found[1], proof
        ),
    ),
    (
        "another-path",
        "{} with a path to another root is refused",
        lambda proof: re.sub(rb"<Hash>[0-9a-f]{64}<", b"<Hash>" + b"0" * 64 + b"<", proof),
    ),
    (
        "another-batch",
        "{} whose batch was changed after it was signed is refused",
        lambda proof: re.sub(rb"<Count>2<", b"<Count>3<", proof),
    ),
)


def spoilt(signed: Signed, change: Change) -> Signed:
    """The same document with its proof changed."""
    changed = change(signed.signature)
    if changed == signed.signature:
        raise InconclusiveError("the kit could not change the proof")
    return Signed(signed.document, changed)


def batch_of(signed: Signed) -> Signed:
    """As it stands in the proof, with its signature."""
    found = batch_in(signed.signature)
    if found is None:
        raise InconclusiveError("the kit made no batch")
    return found


def signed_anew(
    signed: Signed, signer: Signer, name: DocumentName = DocumentName.BATCH, role: str = "node"
) -> Signed:
    """With the same batch in it, well signed: but as another document, or in another role."""
    document = batch_of(signed).document
    return with_ending(signed, document + build(name, digest_of(document), role, signer, now()))


def with_ending(signed: Signed, ending: bytes) -> Signed:
    """With another batch and signature behind its path."""
    head = signed.signature[: signed.signature.index(b"<Batch xmlns")]
    return Signed(signed.document, head + ending + b"</BatchProof>")
