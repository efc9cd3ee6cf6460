"""W17, as a reader of exported logs has it: heads within the range, and cosignatures."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from relay.audit.cosignature import cosigner_name
from relay.conformance.log_drafts import LogDraft
from relay.conformance.office import NEXT, ORIGIN, WITNESS, Office, spoilt
from relay.conformance.reading import LOGS, Make
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part, require_equal
from relay.model import NodeId, digest_of
from relay.signing.keys import LogSigner
from relay.signing.pki_profiles import Span


async def _honest_holds(stand: Stand) -> None:
    (await LOGS.said(stand, head_within)).must_hold()


book = Book(Part.CHECK_EXPORT, control=_honest_holds)
HOUR = timedelta(hours=1)
SIZE = 5


async def _refused(stand: Stand, make: Make, *words: str) -> None:
    (await LOGS.said(stand, make)).must_be_refused(*words)


# ------------------------------------------------------------ W17.7: heads within the range


def _with_head(draft: LogDraft, note: bytes, stamped: bytes | None = None) -> bytes:
    """At the size of five entries; `stamped` is what a token beside it is of."""
    draft.heads = {SIZE: note}
    if stamped is not None:
        at = draft.office.at + 2 * HOUR
        draft.tokens = {SIZE: draft.office.stamp(digest_of(stamped), at)}
    return draft.file()


@LOGS.file
def head_within(office: Office) -> bytes:
    draft = LogDraft(office)
    note = draft.first(SIZE).note
    return _with_head(draft, note, note)


@LOGS.file
def head_of_another_tree(office: Office) -> bytes:
    draft = LogDraft(office)
    return _with_head(draft, draft.first(SIZE, "another receipt").note)


@LOGS.file
def head_of_another_size(office: Office) -> bytes:
    draft = LogDraft(office)
    return _with_head(draft, draft.first(SIZE - 1).note)


@LOGS.file
def head_by_another_key(office: Office) -> bytes:
    """In the name of the log's key, signed by the next node's."""
    draft = LogDraft(office)
    false = replace(office.log_keys[ORIGIN], sign=office.log_keys[NEXT].sign)
    return _with_head(draft, draft.first(SIZE, by=false).note)


@LOGS.file
def head_stamped_elsewhere(office: Office) -> bytes:
    """The token beside it is of the whole log's head."""
    draft = LogDraft(office)
    return _with_head(draft, draft.first(SIZE).note, draft.log.note)


@book.asserts("W17.7", "fits", "A head of the range's own tree with its timestamp is taken")
async def fits(stand: Stand) -> None:
    (await LOGS.said(stand, head_within)).must_hold()


@book.asserts("W17.7", "another-root", "A head of another root than that of its leaves is refused")
async def another_root(stand: Stand) -> None:
    await _refused(stand, head_of_another_tree)


@book.asserts("W17.7", "another-size", "A head of another size than its name says is refused")
async def another_size(stand: Stand) -> None:
    await _refused(stand, head_of_another_size)


@book.asserts("W17.7", "another-key", "A head that the log's key did not sign is refused")
async def another_key(stand: Stand) -> None:
    await _refused(stand, head_by_another_key)


@book.asserts("W17.7", "token", "A token of something else than that head is refused")
async def token(stand: Stand) -> None:
    await _refused(stand, head_stamped_elsewhere, "wrong-imprint")


# ------------------------------------------------------------ W17.12: cosignatures


def _cosigned(office: Office, key: LogSigner, node: str = WITNESS, *, bad: bool = False) -> bytes:
    """In that node's name by this key, whose certificates are in the file."""
    draft = LogDraft(office)
    line = office.cosignature(draft.log.note, node, key)
    draft.lines = spoilt(line) if bad else line
    draft.carried = key.chain
    return draft.file()


@LOGS.file
def cosigned(office: Office) -> bytes:
    return _cosigned(office, office.log_keys[WITNESS])


@LOGS.file
def badly_cosigned(office: Office) -> bytes:
    return _cosigned(office, office.log_keys[WITNESS], bad=True)


@LOGS.file
def cosigned_by_itself(office: Office) -> bytes:
    return _cosigned(office, office.log_keys[ORIGIN], ORIGIN)


@LOGS.file
def cosigned_below_another_root(office: Office) -> bytes:
    return _cosigned(office, Office(office.at).log_key(WITNESS))


@LOGS.file
def cosigned_after_the_end(office: Office) -> bytes:
    """The witness's certificate ended before it cosigned."""
    span = Span(office.span.start, office.at.replace(microsecond=0))
    return _cosigned(office, office.log_key(WITNESS, span=span))


@LOGS.file
def cosigned_by_an_unknown(office: Office) -> bytes:
    """No certificate of the witness is in the file."""
    draft = LogDraft(office)
    draft.lines = office.cosignature(draft.log.note)
    return draft.file()


async def _counted(stand: Stand, make: Make, *witnesses: str) -> None:
    said = (await LOGS.said(stand, make)).must_hold()
    names = [cosigner_name(NodeId(one)) for one in witnesses]
    require_equal(said.found("cosigned_by", list), names, "who cosigned")


@book.asserts("W17.12", "counted", "A cosignature by a witness that its certificate names counts")
async def counted(stand: Stand) -> None:
    await _counted(stand, cosigned, WITNESS)


@book.asserts("W17.12", "does-not-hold", "One by a known key that does not hold refuses the file")
async def does_not_hold(stand: Stand) -> None:
    await _refused(stand, badly_cosigned)


@book.asserts("W17.12", "unknown", "One by a key that is not known does not count")
async def unknown(stand: Stand) -> None:
    await _counted(stand, cosigned_by_an_unknown)


@book.asserts(
    "W17.12", "another-root", "One whose certificate is below another root does not count"
)
async def below_another_root(stand: Stand) -> None:
    await _counted(stand, cosigned_below_another_root)


@book.asserts("W17.12", "ended", "One of after its witness's certificate does not count")
async def ended(stand: Stand) -> None:
    await _counted(stand, cosigned_after_the_end)


@book.asserts("W17.12", "itself", "One by the log's own node does not count")
async def itself(stand: Stand) -> None:
    await _counted(stand, cosigned_by_itself)
