"""What a file says it is beside what it is, and who should have signed it and did not.

NĐ 30/2020: the main file bears the signatures of the person in authority and of the organisation, every
other PDF at least the organisation's. Which file is the main one is written nowhere: the first PDF is
taken for it.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from relay.envelope.sniff import expected_kinds, named_kinds
from relay.envelope.zipping import extension_of
from relay.judgement import Flaw, Part, Signature, SignerKind, Verdict, worst
from relay.model import Attachment
from relay.signing.others.files import Found
from relay.signing.others.seen import in_order

_NAME_CHARS = 500
_UNJUDGED = frozenset(
    {Flaw.UNREADABLE, Flaw.TOO_LARGE, Flaw.TOO_MANY, Flaw.BOMB, Flaw.ENCRYPTED, Flaw.BAD_BASE64}
)
_PDF = frozenset({"pdf"})
_NEEDED = (
    (SignerKind.PERSON, Flaw.NO_PERSON),
    (SignerKind.ORGANISATION, Flaw.NO_ORGANISATION),
)


def part_of(position: int, attachment: Attachment, found: Found, *, main: bool) -> Part:
    """The file with its name; `main`: the first PDF."""
    flaws = {*found.flaws, *_labels(attachment, found)}
    if found.kind == "pdf" and found.signatures:
        flaws.update(_missing(found.signatures, main=main))
    if Flaw.RUINED in flaws:
        flaws.discard(Flaw.UNSIGNED)  # what it bore is lost, whatever it was
        flaws.discard(Flaw.MISLABELLED)
    unjudged = [Verdict.UNKNOWN] if not flaws.isdisjoint(_UNJUDGED) else []
    return Part(
        position=position,
        name=attachment.name[:_NAME_CHARS],
        kind=found.kind,
        digest=found.digest,
        verdict=worst([*unjudged, *(one.verdict for one in found.signatures)]),
        flaws=in_order(flaws),
        signatures=found.signatures,
    )


def _labels(attachment: Attachment, found: Found) -> Iterator[Flaw]:
    """Name and declared type beside the bytes."""
    extension, declared = extension_of(attachment.name), expected_kinds(attachment.content_type)
    named = named_kinds(extension)
    wrapped = found.alone and extension != "zip"
    says_pdf = extension == "pdf" or declared == _PDF
    if found.outer == "zip" and says_pdf and (declared == _PDF or not wrapped):
        yield Flaw.PDF_IS_ZIP
        return
    if wrapped and (declared is None or "zip" in declared):
        yield Flaw.WRAPPED_IN_ZIP
        declared = None
    kind = found.kind if wrapped else found.outer
    if (named is not None and kind not in named) or (declared is not None and kind not in declared):
        yield Flaw.MISLABELLED
    if says_pdf and kind != "pdf":
        yield Flaw.UNREADABLE


def _missing(signatures: Iterable[Signature], *, main: bool) -> Iterator[Flaw]:
    """Signers of whom nothing tells what they are may be those that are missing."""
    kinds = [SignerKind.UNKNOWN if one.signer is None else one.signer.kind for one in signatures]
    needed = _NEEDED if main else _NEEDED[1:]
    lacking = [flaw for kind, flaw in needed if kind not in kinds]
    if len(lacking) > kinds.count(SignerKind.UNKNOWN):
        yield from lacking
