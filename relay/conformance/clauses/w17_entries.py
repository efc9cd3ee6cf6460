"""W17, as a reader of exported logs has it: the entries, as a stretch of a log under a signed head."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from relay.audit.entries import AuditEvent, entry
from relay.audit.epochs import Epoch, log_name
from relay.audit.exported import Words, leaves_name, write_words
from relay.conformance.clauses.w17_containers import sets, stretch, with_change
from relay.conformance.log_drafts import END, ENTRIES, FIRST, LogDraft, Stretched, lines_of
from relay.conformance.office import NEXT, ORIGIN, Office, log_of_leaves
from relay.conformance.reading import LOGS, is_refused, is_taken
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part
from relay.model import digest_of


async def _honest_holds(stand: Stand) -> None:
    (await LOGS.said(stand, stretch)).must_hold()


book = Book(Part.CHECK_EXPORT, control=_honest_holds)


# ------------------------------------------------------------ W17.3, W17.4: under a signed head


def _by_another_key(draft: Stretched) -> None:
    """In the name of the log's key."""
    false = replace(draft.office.log_keys[ORIGIN], sign=draft.office.log_keys[NEXT].sign)
    draft.log = log_of_leaves(log_name(ORIGIN, Epoch()), draft.log.leaves, false)


def _of_another_node(draft: Stretched) -> None:
    """By the next node's key, whose certificates the file names for the log's."""
    draft.log = log_of_leaves(
        log_name(ORIGIN, Epoch()), draft.log.leaves, draft.office.log_keys[NEXT]
    )


def _for_something_else(draft: Stretched) -> None:
    """The certificates named for the log's are the node's for signing."""
    draft.chain = draft.office.origin.ders


def _another_leaf(draft: Stretched) -> None:
    """One that is in no tree."""
    leaves = list(draft.log.leaves[FIRST:END])
    leaves[1] = draft.first(ENTRIES, "another receipt").leaves[FIRST + 1]
    draft.others = {leaves_name(0): lines_of(leaves)}


def _one_less(draft: Stretched) -> None:
    """The last, and its period ends before that."""
    draft.until = draft.office.at + timedelta(hours=1, seconds=END - 2)
    leaves = draft.log.leaves[FIRST : END - 1]
    draft.others = {leaves_name(0): lines_of(leaves)}


def _another_hash(side: str) -> Callable[[bytes], bytes]:
    def otherwise(text: bytes) -> bytes:
        found = json.loads(text)
        found["epochs"][0][side][0] = "0" * 64
        return json.dumps(found, ensure_ascii=False, indent=1).encode() + b"\n"

    return otherwise


is_refused(
    book,
    LOGS,
    "W17.3",
    "another-key",
    "A head that the log's key did not sign is refused",
    with_change(_by_another_key),
)
is_refused(
    book,
    LOGS,
    "W17.3",
    "another-node",
    "A head by the key of another node's log is refused",
    with_change(_of_another_node),
    "wrong-node",
)
is_refused(
    book,
    LOGS,
    "W17.3",
    "purpose",
    "A certificate that is for no log is refused",
    with_change(_for_something_else),
)
is_refused(
    book,
    LOGS,
    "W17.4",
    "another-leaf",
    "A leaf that is not in the log is refused",
    with_change(_another_leaf),
)
is_refused(
    book,
    LOGS,
    "W17.4",
    "one-less",
    "A range of which a leaf is missing is refused",
    with_change(_one_less),
)
is_refused(
    book,
    LOGS,
    "W17.4",
    "left",
    "Another hash left of the range is refused",
    sets(about_bytes=_another_hash("left")),
)
is_refused(
    book,
    LOGS,
    "W17.4",
    "right",
    "Another hash right of the range is refused",
    sets(about_bytes=_another_hash("right")),
)


# ------------------------------------------------------------ W17.6: the edges of the period


def _begins_late(draft: Stretched) -> None:
    draft.since = draft.office.at + timedelta(hours=1)


def _ends_early(draft: Stretched) -> None:
    draft.until = draft.office.at + timedelta(hours=1, minutes=1)


is_refused(
    book,
    LOGS,
    "W17.6",
    "begins-late",
    "A file without an entry before its period is refused",
    with_change(_begins_late),
)
is_refused(
    book,
    LOGS,
    "W17.6",
    "ends-early",
    "A file without an entry behind its period is refused",
    with_change(_ends_early),
)


# ------------------------------------------------------------ W17.8: words


class Worded(LogDraft):
    """Its last entry has words beside it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at = self.office.at + timedelta(hours=2)
        made = entry(AuditEvent.DELIVERY_HELD, at, ORIGIN, by="Lê Thị Mẫu", why="kiểm tra")
        leaves = [*self.log.leaves, made.leaf]
        self.log = log_of_leaves(log_name(ORIGIN, Epoch()), leaves, self.log.signer)
        self.beside = Words(len(leaves) - 1, made.salt, json.loads(made.words))
        self.words = [write_words(self.beside)]


def _worded(change: Callable[[Words], Words]) -> Callable[[Office], bytes]:
    def made(office: Office) -> bytes:
        draft = Worded(office)
        draft.words = [write_words(change(draft.beside))]
        return draft.file()

    return made


@LOGS.file
def with_words(office: Office) -> bytes:
    return Worded(office).file()


@LOGS.file
def without_its_words(office: Office) -> bytes:
    """They were removed since."""
    draft = Worded(office)
    draft.words = []
    return draft.file()


def _of_another(beside: Words) -> Words:
    return replace(beside, words={**beside.words, "why": "không vì gì"})


is_taken(
    book, LOGS, "W17.8", "taken", "Words whose salted digests the leaf holds are taken", with_words
)
is_taken(book, LOGS, "W17.8", "removed", "Words that were removed may be absent", without_its_words)
is_refused(
    book,
    LOGS,
    "W17.8",
    "another-text",
    "Words of another text than the leaf's are refused",
    _worded(_of_another),
)
is_refused(
    book,
    LOGS,
    "W17.8",
    "another-entry",
    "Words beside another entry than theirs are refused",
    _worded(lambda one: replace(one, index=one.index - 1)),
)


# ------------------------------------------------------------ W17.11: whose entries they are


def _of_the_next(draft: Stretched) -> None:
    """One of its entries names the next node; the log's key signed it all the same."""
    at = draft.office.at + timedelta(hours=1, seconds=3)
    other = entry(AuditEvent.RECEIPT_RECEIVED, at, NEXT, receipt=digest_of(b"a receipt")).leaf
    leaves = [*draft.log.leaves[:3], other, *draft.log.leaves[4:]]
    draft.log = log_of_leaves(log_name(ORIGIN, Epoch()), leaves, draft.log.signer)


def _two_hundred_more(draft: Stretched) -> None:
    keys = [draft.office.log_key(f"kit-witness-{number}") for number in range(200)]
    draft.carried = tuple(one.chain[0] for one in keys)


is_refused(
    book,
    LOGS,
    "W17.11",
    "another-node",
    "An entry that names another node is refused",
    with_change(_of_the_next),
)
is_refused(
    book,
    LOGS,
    "W17.11",
    "too-many",
    "A file with more than 200 certificates is refused",
    with_change(_two_hundred_more),
)
