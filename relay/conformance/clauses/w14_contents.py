"""W14, as a reader of files has it: whose the seal is, what the receipts are about, and the batches beside them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from relay.conformance.drafts import Draft
from relay.conformance.office import NEXT, Office
from relay.conformance.reading import EVIDENCE, Make
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part
from relay.model import MessageId, Receipt, Signed, digest_of, mint_uuid7
from relay.signing.batches import sign_batch
from relay.signing.proof_shape import batch_in
from relay.signing.xades import DocumentName, build
from relay.wire.receipt import read_receipt, write_receipt


async def _honest_holds(stand: Stand) -> None:
    (await EVIDENCE.said(stand, in_a_batch)).must_hold()


book = Book(Part.VERIFY, control=_honest_holds)


async def _refused(stand: Stand, make: Make, *words: str) -> None:
    (await EVIDENCE.said(stand, make)).must_be_refused(*words)


# ------------------------------------------------------------ W14.3: the seal, judged as in W3


@EVIDENCE.file
def seal_of_other_bytes(office: Office) -> bytes:
    draft = Draft(office)
    draft.seal = draft.signature(DocumentName.ENVELOPE, b"another document")
    return draft.file()


@EVIDENCE.file
def seal_as_a_receipt(office: Office) -> bytes:
    """Signed under another document's name."""
    draft = Draft(office)
    draft.seal = draft.signature(DocumentName.RECEIPT, draft.content)
    return draft.file()


@EVIDENCE.file
def seal_below_another_root(office: Office) -> bytes:
    return Draft(office, sealed_by=Office(office.at).origin).file()


@EVIDENCE.file
def seal_of_another_node(office: Office) -> bytes:
    """Of the next one, of a message that began before it."""
    return Draft(office, sealed_by=office.next).file()


@book.asserts("W14.3", "another-node", "A node's seal of a message of another origin is refused")
async def another_node(stand: Stand) -> None:
    await _refused(stand, seal_of_another_node, "wrong-node")


@book.asserts("W14.3", "other-bytes", "A seal of other bytes than the document's is refused")
async def other_bytes(stand: Stand) -> None:
    await _refused(stand, seal_of_other_bytes)


@book.asserts("W14.3", "another-name", "A seal that was signed as another document is refused")
async def another_name(stand: Stand) -> None:
    await _refused(stand, seal_as_a_receipt)


@book.asserts("W14.3", "another-root", "A seal below another root is refused")
async def another_root(stand: Stand) -> None:
    await _refused(stand, seal_below_another_root)


# ------------------------------------------------------------ W14.5: one document, one message


def _last_receipt(office: Office, change: Callable[[Receipt], Receipt]) -> bytes:
    """The next node's last receipt is otherwise, and signed as it is."""
    draft = Draft(office)
    said = change(read_receipt(draft.receipts[-1].document))
    document = write_receipt(said)
    signer = office.next.signer()
    signature = build(DocumentName.RECEIPT, digest_of(document), "node", signer, said.at)
    draft.receipts[-1] = Signed(document, signature)
    return draft.file()


@EVIDENCE.file
def receipt_of_other_bytes(office: Office) -> bytes:
    other = digest_of(b"another document")
    return _last_receipt(office, lambda said: replace(said, digest=other))


@EVIDENCE.file
def receipt_of_another_message(office: Office) -> bytes:
    other = MessageId(mint_uuid7(office.at, secrets.token_bytes(10)))
    return _last_receipt(office, lambda said: replace(said, message_id=other))


@EVIDENCE.file
def receipt_of_another_origin(office: Office) -> bytes:
    return _last_receipt(office, lambda said: replace(said, origin=NEXT))


@EVIDENCE.file
def receipt_badly_signed(office: Office) -> bytes:
    """With the signature of the one before it."""
    draft = Draft(office)
    draft.receipts[-1] = replace(draft.receipts[-1], signature=draft.receipts[-2].signature)
    return draft.file()


@book.asserts("W14.5", "other-bytes", "A receipt about other bytes than the document's is refused")
async def receipt_about_other_bytes(stand: Stand) -> None:
    await _refused(stand, receipt_of_other_bytes)


@book.asserts("W14.5", "another-message", "A receipt about another message is refused")
async def receipt_about_another_message(stand: Stand) -> None:
    await _refused(stand, receipt_of_another_message)


@book.asserts("W14.5", "another-origin", "A receipt about another origin's message is refused")
async def receipt_about_another_origin(stand: Stand) -> None:
    await _refused(stand, receipt_of_another_origin)


@book.asserts("W14.5", "signature", "A receipt whose signature does not hold is refused")
async def receipt_signature(stand: Stand) -> None:
    await _refused(stand, receipt_badly_signed)


# ------------------------------------------------------------ W14.12: batches


def _in_a_batch(office: Office) -> Draft:
    """The next node's receipts share a signature, and their batch lies beside them."""
    draft = Draft(office)
    documents = [one.document for one in draft.receipts[1:]]
    at = draft.at + timedelta(hours=2)
    draft.receipts[1:] = sign_batch(documents, NEXT, office.next.signer(), at)
    batch = batch_in(draft.receipts[1].signature)
    if batch is None:
        raise AssertionError("there is no batch")
    draft.batches = [batch]
    return draft


@EVIDENCE.file
def in_a_batch(office: Office) -> bytes:
    return _in_a_batch(office).file()


@EVIDENCE.file
def batch_without_signature(office: Office) -> bytes:
    draft = _in_a_batch(office)
    draft.other_names = {"batches/0001/signature.xml": "more/signature.xml"}
    return draft.file()


@EVIDENCE.file
def batch_of_others(office: Office) -> bytes:
    """Of the same node, about something else, beside the one of the receipts."""
    draft = _in_a_batch(office)
    documents = [b"one", b"two"]
    signed = sign_batch(documents, NEXT, office.next.signer(), draft.at)
    other = batch_in(signed[0].signature)
    draft.batches += [other] if other is not None else []
    return draft.file()


@EVIDENCE.file
def batch_signed_otherwise(office: Office) -> bytes:
    """By the same node, over the same batch, another time."""
    draft = _in_a_batch(office)
    document, signer = draft.batches[0].document, office.next.signer()
    signature = build(DocumentName.BATCH, digest_of(document), "node", signer, draft.at)
    draft.batches = [Signed(document, signature)]
    return draft.file()


@book.asserts("W14.12", "taken", "Receipts that share a signature are taken with their batch")
async def taken(stand: Stand) -> None:
    await _honest_holds(stand)


@book.asserts("W14.12", "no-signature", "A batch without its signature is refused")
async def no_signature(stand: Stand) -> None:
    await _refused(stand, batch_without_signature, "missing-file")


@book.asserts("W14.12", "of-others", "A batch of no receipt that is in the file is refused")
async def of_others(stand: Stand) -> None:
    await _refused(stand, batch_of_others, "not-in-batch")


@book.asserts("W14.12", "signed-otherwise", "A batch with another signature of it is refused")
async def signed_otherwise(stand: Stand) -> None:
    await _refused(stand, batch_signed_otherwise, "not-in-batch")
