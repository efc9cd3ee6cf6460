"""Write the summary of an evidence file: what is proven of the document, and after a judging the judging itself.

Touches: nothing.
Trusts:  the story, whose teller put in what is proven.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from relay.envelope.statuses import STATUSES
from relay.model import (
    AgencyCode,
    Digest,
    Envelope,
    Event,
    Evidence,
    Party,
    Reason,
    Receipt,
    SealKind,
)
from relay.signing import summary_words as words
from relay.signing.bundle_hops import Way
from relay.signing.bundle_seal import Facts
from relay.signing.bundle_words import Outcome, Step
from relay.signing.summary import Story
from relay.signing.summary_page import (
    Html,
    Row,
    both,
    box,
    exact,
    joined,
    lines,
    moment,
    page,
    pairs,
    paragraph,
    section,
    table,
    text,
    whole,
)
from relay.signing.summary_words import Words
from relay.wire import bundle
from relay.wire.bundle_list import ContentsList

_LISTED = 100
"""Of things that are told one after the other; the rest is "and more"."""


@dataclass(frozen=True, slots=True)
class Judging:
    """Every step of it, and what was trusted: for what, and the SHA-256 of the certificate."""

    steps: Sequence[Step]
    trusted: Sequence[tuple[str, Digest]]


def write_summary(story: Story) -> bytes:
    """As it stands in a file (W19.7): the same story gives the same bytes."""
    return page(words.TITLE, _whole(story, None))


def write_judged(story: Story | None, judging: Judging) -> bytes:
    """What was proven, and how; of a file that is refused as a whole there is no story."""
    return page(words.TITLE, _whole(story, judging))


def _whole(story: Story | None, judging: Judging | None) -> Iterator[Html]:
    yield paragraph(both(words.CONVENIENCE)) if judging is None else _verdict(judging)
    if story is not None:
        yield section(words.DOCUMENT, pairs(_document(story)))
        if story.seal is not None:
            yield section(words.SEAL, pairs(_seal(story, story.seal)))
        yield _outcomes(story)
        yield _timeline(story)
        yield _statuses(story)
        if story.listed is not None:
            yield section(words.EXPORTER, pairs(_by_its_word(story.listed)))
    if judging is not None:
        yield _steps(judging)


# ---------------------------------------------------------------- document and seal


def _document(story: Story) -> Iterator[tuple[Words, Html]]:
    if story.envelope is None:
        yield words.DOCUMENT, both(words.UNPROVEN_DOCUMENT)
    else:
        yield from _header(story.envelope)
    yield words.BYTES, lines([exact(story.digest), text(f"{story.size_bytes} byte")])
    if story.receipts:
        about = story.receipts[0][1]
        yield words.MESSAGE, lines([exact(about.message_id), text(about.origin)])


def _header(read: Envelope) -> Iterator[tuple[Words, Html]]:
    yield words.NOTATION, _some(read.notation)
    yield words.DATE, _some(read.promulgation_date)
    yield words.SENDER, _party(read.sender)
    yield words.RECIPIENTS, _several([_party(one) for one in read.recipients[: _LISTED + 1]])
    yield words.KIND, _some(read.document_type)
    yield words.SUBJECT, _some(read.subject)
    yield words.PRIORITY, both(words.PRIORITIES[read.priority])
    yield words.DOCUMENT_ID, _some(read.document_id)
    yield words.ATTACHMENTS, _several([text(one.name) for one in read.attachments[: _LISTED + 1]])


def _party(one: Party) -> Html:
    return joined(_some(one.organ_name), exact(one.organ_id))


def _some(found: str) -> Html:
    return text(found) if found else Html("")


def _several(found: Sequence[Html]) -> Html:
    more = [both(words.MORE)] if len(found) > _LISTED else []
    return lines([*found[:_LISTED], *more])


def _seal(story: Story, seal: Facts) -> Iterator[tuple[Words, Html]]:
    yield words.VOUCHED, both(words.VOUCHES[SealKind(seal["kind"])])
    yield words.SEALED_BY, text(seal["by"])
    yield words.SEALED_AT, moment(seal["at"])
    stamps = [joined(moment(one["at"]), text(one["by"])) for one in story.stamps]
    yield words.STAMPED_AT, lines(stamps or [both(words.NO_STAMP)])
    yield words.CERTIFICATE, lines([text(seal["subject"]), exact(seal["certificate_sha256"])])


# ---------------------------------------------------------------- what happened


def _outcomes(story: Story) -> Html:
    heads = (words.RECIPIENT, words.OUTCOME, words.WAY, words.NO_EVIDENCE)
    ways = story.hops.ways.items()
    rows = table(heads, (_way(*one) for one in islice(ways, bundle.MOST_TOLD)))
    more = paragraph(both(words.MORE)) if len(ways) > bundle.MOST_TOLD else Html("")
    return section(words.OUTCOMES, rows, more) if ways else Html("")


def _way(code: AgencyCode, way: Way) -> Row:
    last, node = way.ending
    said = [_event(last), text(node)]
    if way.doubted:
        said.append(joined(both(words.SUPERSEDED), text(", ".join(way.doubted))))
    gaps = [
        joined(text(one.what), both(words.GAPS[one.missing]), text(one.node)) for one in way.gaps
    ]
    return (
        exact(code),
        lines(said),
        text(" → ".join(way.nodes)),
        lines(gaps or [both(words.NONE)]),
    )


def _event(one: Evidence) -> Html:
    told = _named(words.EVENTS[one.event], one.event)
    if one.reason is None:
        return told
    return joined(told, Html("·"), _named(words.REASONS[one.reason], one.reason))


def _named(told: Words, name: Event | Reason) -> Html:
    return joined(both(told), exact(name.value))


def _timeline(story: Story) -> Html:
    heads = (words.TIME, words.NODE, words.RECIPIENT, words.WHAT, words.LOG)
    rows = (row for one in story.receipts for row in _receipt(story, *one))
    told = sum(len(receipt.evidence) for _, receipt in story.receipts)
    more = paragraph(both(words.MORE)) if story.rows > told else Html("")
    return section(words.TIMELINE, table(heads, rows), more) if story.receipts else Html("")


def _receipt(story: Story, digest: Digest, receipt: Receipt) -> Iterator[Row]:
    at, node = moment(receipt.at.isoformat()), text(receipt.issuer)
    places = [
        joined(both(words.ENTRY), exact(entry), text(node))
        for node, entry in story.proofs.get(digest, ())
    ]
    log = lines(places or [both(words.NONE)])
    for one in receipt.evidence:
        said = lines([_event(one), *([text(one.detail)] if one.detail else [])])
        yield at, node, exact(one.recipient), said, log


def _statuses(story: Story) -> Html:
    if not story.statuses:
        return Html("")
    heads = (words.STATUS, words.SENDER, words.SEALED_AT, words.VOUCHED)
    return section(words.STATUSES, table(heads, map(_status, story.statuses)))


def _status(one: Facts) -> Row:
    row = STATUSES.get(one["status_code"])
    named = Html("") if row is None else both(Words(row.vietnamese, row.english))
    vouched = joined(both(words.VOUCHES[SealKind(one["kind"])]), Html("·"), text(one["by"]))
    code = joined(exact(one["status_code"]), named)
    if one["description"]:
        code = lines([code, text(one["description"])])
    return code, exact(one["from"]), moment(one["at"]), vouched


def _by_its_word(listed: ContentsList) -> Iterator[tuple[Words, Html]]:
    yield words.EXPORTED_BY, text(listed.node)
    found = [joined(exact(one.code), text(one.detail)) for one in listed.findings[: _LISTED + 1]]
    yield words.FINDINGS, _several(found) or both(words.NONE)
    yield words.VERDICT, _verdict_there(listed)
    left = [joined(exact(name), text(why)) for name, why in listed.left_out.items()]
    if listed.unproven:
        left.append(joined(text(str(len(listed.unproven))), both(words.WITHOUT_PROOF)))
    yield words.LEFT_OUT, _several(left) or both(words.NONE)


def _verdict_there(listed: ContentsList) -> Html:
    judged = listed.verdicts
    if judged is None:
        return both(words.NOT_JUDGED)
    if judged.verdict is None:
        return both(words.NONE)
    return joined(text(str(judged.signatures)), Html("·"), exact(judged.verdict.value))


# ---------------------------------------------------------------- the judging


def _verdict(judging: Judging) -> Html:
    refused = [one for one in judging.steps if one.outcome is Outcome.REFUSED]
    unknown = sum(one.outcome is Outcome.UNKNOWN for one in judging.steps)
    parts = [both(words.REFUSED if refused else words.HOLDS)]
    parts += [joined(exact(one.reason), text(one.what)) for one in refused[:_LISTED]]
    if unknown:
        parts.append(joined(text(str(unknown)), both(words.UNKNOWN)))
    return box(*parts)


def _steps(judging: Judging) -> Html:
    heads = (words.STEP, words.RESULT, words.SAID)
    rows = (_step(one) for one in islice(judging.steps, bundle.MOST_TOLD))
    more = paragraph(both(words.MORE)) if len(judging.steps) > bundle.MOST_TOLD else Html("")
    trusted = [joined(text(role), exact(digest)) for role, digest in judging.trusted]
    roots = pairs([(words.ROOTS, lines(trusted))])
    return section(words.STEPS, table(heads, rows), more, roots)


def _step(one: Step) -> Row:
    said = [text(one.said), *map(text, one.notes)]
    if one.reason:
        said.insert(0, exact(one.reason))
    return whole(f"{one.number} {one.what}"), both(words.RESULTS[one.outcome.value]), lines(said)
