"""W17, as a reader of exported logs has it: several epochs, each of which names the one before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from relay.audit.checkpoint import head_of
from relay.audit.entries import AuditEvent, entry
from relay.audit.epochs import Epoch, log_name, named_head
from relay.conformance.log_drafts import LogDraft, Stretch
from relay.conformance.office import ORIGIN, Log, Office, log_of_leaves
from relay.conformance.reading import LOGS, is_refused, is_taken
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part
from relay.model import digest_of


async def _honest_holds(stand: Stand) -> None:
    (await LOGS.said(stand, two_epochs)).must_hold()


book = Book(Part.CHECK_EXPORT, control=_honest_holds)
TAG = "0011223344556677"


class TwoEpochs(LogDraft):
    """All of a log's first epoch, and of the second by the same key, as after a restore."""

    number = 1
    ends_early = begins_late = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.key = self.log.signer
        head = named_head(head_of(self.log.note))
        self.names: dict[str, Any] = {**head, "reason": "restored"}

    @property
    def later(self) -> Log:
        at = self.office.at + timedelta(hours=2)
        opening = entry(AuditEvent.EPOCH_STARTED, at, ORIGIN, **self.names).leaf
        others = [
            entry(AuditEvent.RECEIPT_RECEIVED, at, ORIGIN, receipt=digest_of(b"%d" % number)).leaf
            for number in range(3)
        ]
        name = log_name(ORIGIN, Epoch(self.number, TAG))
        return log_of_leaves(name, [opening, *others], self.key)

    def stretches(self) -> list[Stretch]:
        later, size = self.later, len(self.log.leaves)
        return [
            Stretch(0, self.log, 0, size - self.ends_early),
            Stretch(self.number, later, self.begins_late, len(later.leaves)),
        ]


class TwoKeys(TwoEpochs):
    """The second epoch is by another key, and names the certificate of the one before."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.key = self.office.log_key(ORIGIN)
        self.carried = self.log.signer.chain
        self.names |= {
            "certificate": digest_of(self.key.chain[0]),
            "previous": digest_of(self.log.signer.chain[0]),
            "reason": "log-key-changed",
        }


def _epochs(
    change: Callable[[TwoEpochs], object], kind: type[TwoEpochs] = TwoEpochs
) -> Callable[[Office], bytes]:
    def made(office: Office) -> bytes:
        draft = kind(office)
        change(draft)
        return draft.file()

    return made


def _set(name: str, value: object) -> Callable[[TwoEpochs], object]:
    return lambda draft: setattr(draft, name, value)


@LOGS.file
def two_epochs(office: Office) -> bytes:
    return TwoEpochs(office).file()


@LOGS.file
def two_keys(office: Office) -> bytes:
    return TwoKeys(office).file()


def _another_head_before(draft: TwoEpochs) -> None:
    draft.names["previous_root"] = "0" * 64


def _another_key_before(draft: TwoEpochs) -> None:
    """The epoch before is signed by a key that the later one does not name."""
    other = draft.office.log_key(ORIGIN)
    draft.log = log_of_leaves(log_name(ORIGIN, Epoch()), draft.log.leaves, other)
    draft.carried = (*draft.carried, *other.chain)


is_taken(book, LOGS, "W17.5", "taken", "Two epochs of a log are taken", two_epochs)
is_taken(
    book,
    LOGS,
    "W17.3",
    "previous",
    "An earlier epoch by the key that the later one names is taken",
    two_keys,
)
is_refused(
    book,
    LOGS,
    "W17.3",
    "previous-missing",
    "An earlier key's certificate that is not there is refused",
    _epochs(_set("carried", ()), TwoKeys),
)
is_refused(
    book,
    LOGS,
    "W17.3",
    "previous-another",
    "An earlier epoch by another key than is named is refused",
    _epochs(_another_key_before, TwoKeys),
)
is_refused(
    book,
    LOGS,
    "W17.5",
    "not-whole",
    "An earlier epoch that does not reach its head is refused",
    _epochs(_set("ends_early", 2)),
)
is_refused(
    book,
    LOGS,
    "W17.5",
    "not-from-zero",
    "A later epoch that is not there from its beginning is refused",
    _epochs(_set("begins_late", 1)),
)
is_refused(
    book,
    LOGS,
    "W17.5",
    "another-head",
    "A later epoch that names another head before it is refused",
    _epochs(_another_head_before),
)
is_refused(
    book,
    LOGS,
    "W17.5",
    "number",
    "Epochs whose numbers do not follow one another are refused",
    _epochs(_set("number", 3)),
)
