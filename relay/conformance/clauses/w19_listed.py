"""W19, as a reader of files has it: the list of contents, the exporter's own proofs, and the summary."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

from relay.conformance.drafts import Draft, Told
from relay.conformance.office import NEXT, Office
from relay.conformance.reading import EVIDENCE, is_refused
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part
from relay.model import Digest, MessageId, mint_uuid7
from relay.signing.bundle_steps import BundleJudge
from relay.signing.summary_made import write_summary
from relay.signing.trust import TrustStore
from relay.wire import bundle
from relay.wire.bundle_list import ContentsList


async def _honest_holds(stand: Stand) -> None:
    (await EVIDENCE.said(stand, summed_up)).must_hold()


book = Book(Part.VERIFY, control=_honest_holds)


# ------------------------------------------------------------ W19.1: the list


def _listing(change: Callable[[ContentsList], ContentsList]) -> Callable[[Office], bytes]:
    def made(office: Office) -> bytes:
        told = Told(office)
        told.listing = change
        return told.file()

    return made


def _written(
    change: Callable[[dict[str, Any]], object], comma: str = ","
) -> Callable[[Office], bytes]:
    """Its JSON otherwise: after `change`, or with another comma."""

    def otherwise(text: bytes) -> bytes:
        found = json.loads(text)
        change(found)
        return json.dumps(found, ensure_ascii=False, separators=(comma, ":")).encode()

    def made(office: Office) -> bytes:
        told = Told(office)
        told.list_bytes = otherwise
        return told.file()

    return made


def _nothing(_: dict[str, Any]) -> None:
    pass


def _another_message(office: Office) -> bytes:
    other = MessageId(mint_uuid7(office.at, secrets.token_bytes(10)))
    return _listing(lambda listed: replace(listed, message=other))(office)


def _with_more(name: str) -> Callable[[Office], bytes]:
    """A file of these folders that the list does not name."""

    def made(office: Office) -> bytes:
        told = Told(office)
        told.more = {name: b"more"}
        return told.file()

    return made


def _version_1_with(name: str) -> Callable[[Office], bytes]:
    def made(office: Office) -> bytes:
        draft = Draft(office)
        draft.more = {name: b"more"}
        return draft.file()

    return made


def _names_a_stranger(listed: ContentsList) -> ContentsList:
    return replace(listed, unproven={Digest("0" * 64): "no-log"})


BAD = "bad-list"
is_refused(
    book,
    EVIDENCE,
    "W19.1",
    "version",
    "A list of another version is refused",
    _written(lambda one: one.update(version=3)),
    BAD,
)
is_refused(
    book,
    EVIDENCE,
    "W19.1",
    "member",
    "A list with another member is refused",
    _written(lambda one: one.update(motto="x")),
    BAD,
)
is_refused(
    book,
    EVIDENCE,
    "W19.1",
    "no-member",
    "A list without one of its members is refused",
    _written(lambda one: one.pop("left_out")),
    BAD,
)
is_refused(
    book,
    EVIDENCE,
    "W19.1",
    "white-space",
    "A list with white space is refused",
    _written(_nothing, comma=", "),
    BAD,
)
is_refused(
    book,
    EVIDENCE,
    "W19.1",
    "another-node",
    "A list of another node than the exporter is refused",
    _listing(lambda one: replace(one, node=NEXT)),
    "wrong-node",
)
is_refused(
    book,
    EVIDENCE,
    "W19.1",
    "another-message",
    "A list of another message than the receipts is refused",
    _another_message,
    "other-message",
)
is_refused(
    book,
    EVIDENCE,
    "W19.1",
    "not-there",
    "A list that names what is not there is refused",
    _listing(_names_a_stranger),
    "missing-file",
)
is_refused(
    book,
    EVIDENCE,
    "W19.1",
    "more-proofs",
    "A file in proofs/ that it does not account for is refused",
    _with_more("proofs/0009.tlog-proof"),
    "uncovered",
)
is_refused(
    book,
    EVIDENCE,
    "W19.1",
    "more-statuses",
    "A file in statuses/ that it does not account for is refused",
    _with_more("statuses/0001/status.edxml"),
    "uncovered",
)
is_refused(
    book,
    EVIDENCE,
    "W19.1",
    "proofs-alone",
    "A file in proofs/ without a list is refused",
    _version_1_with("proofs/0001.tlog-proof"),
    "missing-file",
)
is_refused(
    book,
    EVIDENCE,
    "W19.1",
    "statuses-alone",
    "A file in statuses/ without a list is refused",
    _version_1_with("statuses/0001/status.edxml"),
    "missing-file",
)


# ------------------------------------------------------------ W19.2: words for what is left out


def _with_word(word: str) -> Callable[[Office], bytes]:
    """For its last receipt, which has no proof."""

    def made(office: Office) -> bytes:
        told = Told(office)
        told.unproven = {told.receipts[-1].digest: word}
        return told.file()

    return made


@EVIDENCE.file
def unproven_with_a_word(office: Office) -> bytes:
    return _with_word("not-in-log")(office)


@book.asserts("W19.2", "word", "A receipt that is listed as unproven with a word may lack a proof")
async def word(stand: Stand) -> None:
    (await EVIDENCE.said(stand, unproven_with_a_word)).must_hold()


# ------------------------------------------------------------ W19.3: the exporter's proofs


def _proving(first: Callable[[Told], bytes]) -> Callable[[Office], bytes]:
    """In the place of the proof of its first receipt."""

    def made(office: Office) -> bytes:
        told = Told(office)
        told.other_proofs = {bundle.proof_name(1): first(told)}
        return told.file()

    return made


def _another_receipt(told: Told) -> bytes:
    return told.log.proof(1, told.receipts[1], told.log.note + told.line)


def _another_log(told: Told) -> bytes:
    return told.logged(NEXT, told.receipts).proof(0, told.receipts[0])


def _another_head(told: Told) -> bytes:
    """Under a head of the same log without its last entry."""
    shorter = told.logged(told.log.signer.node, told.receipts[:2])
    return told.log.proof(0, told.receipts[0], shorter.note)


def _without_a_proof(office: Office) -> bytes:
    """The first receipt's lies under another name, and is not listed as unproven."""
    told = Told(office)
    told.other_names = {bundle.proof_name(1): "more/0001.tlog-proof"}
    return told.file()


is_refused(
    book,
    EVIDENCE,
    "W19.3",
    "another-receipt",
    "A proof of another receipt than that of its number is refused",
    _proving(_another_receipt),
    "other-message",
)
is_refused(
    book,
    EVIDENCE,
    "W19.3",
    "another-log",
    "A proof of another node's log than the list's is refused",
    _proving(_another_log),
    "wrong-node",
)
is_refused(
    book,
    EVIDENCE,
    "W19.3",
    "path",
    "A proof that does not lead to its head is refused",
    _proving(_another_head),
)
is_refused(
    book,
    EVIDENCE,
    "W19.3",
    "no-proof",
    "A receipt without a proof that is not listed as unproven is refused",
    _without_a_proof,
    "missing-file",
)


# ------------------------------------------------------------ W19.7: the summary


def _summed_up(
    office: Office, change: Callable[[bytes], bytes], name: str = bundle.SUMMARY
) -> bytes:
    """With the summary that a reader makes of the file without it, or otherwise."""
    told = Told(office)
    judge = BundleJudge(BytesIO(told.file()), TrustStore([office.root_pem]))
    if any(step.reason for step in judge.steps()) or judge.story is None:
        raise AssertionError("the file without its summary does not hold")
    told.more = {name: change(write_summary(judge.story))}
    return told.file()


@EVIDENCE.file
def summed_up(office: Office) -> bytes:
    return _summed_up(office, lambda page: page)


def _more_in_it(office: Office) -> bytes:
    more = b"<p>And it is so.</p></body>"
    return _summed_up(office, lambda page: page.replace(b"</body>", more))


def _one_letter(office: Office) -> bytes:
    """The sender's code is another's."""
    return _summed_up(office, lambda page: page.replace(b"H98.11.93", b"H98.11.94"))


def _another_layout(office: Office) -> bytes:
    return _summed_up(office, lambda page: page, "about/summary-9.html")


@book.asserts("W19.7", "taken", "A summary that tells what is proven is taken")
async def taken(stand: Stand) -> None:
    await _honest_holds(stand)


is_refused(
    book,
    EVIDENCE,
    "W19.7",
    "more",
    "A summary that tells more is refused",
    _more_in_it,
    "bad-summary",
)
is_refused(
    book,
    EVIDENCE,
    "W19.7",
    "otherwise",
    "A summary that tells something else is refused",
    _one_letter,
    "bad-summary",
)
is_refused(
    book,
    EVIDENCE,
    "W19.7",
    "another-layout",
    "A summary of a layout that is not known is refused",
    _another_layout,
    "bad-summary",
)
