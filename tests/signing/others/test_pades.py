"""Signatures in attached PDFs: who, over what, changed since, when, and what is missing."""

from __future__ import annotations

import io
import re
import zlib
from datetime import timedelta

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from relay.judgement import Cover, Flaw, Judgement, Part, Signature, SignerKind, Verdict
from relay.signing.others.limits import JudgingLimits
from relay.signing.others.protocol import Terms
from tests.signing.others.conftest import Judge
from tests.signing.others.papers import (
    AT,
    ORGANISATION,
    PERSON,
    Hierarchy,
    issue,
    name,
    pdf,
    sign_pdf,
)


def only(judgement: Judgement) -> Part:
    (part,) = judgement.parts
    return part


def first(judgement: Judgement) -> Signature:
    return only(judgement).signatures[0]


def both(hall: Hierarchy) -> bytes:
    """As an official document is: the person first, the organisation over it."""
    return sign_pdf(sign_pdf(pdf(), hall.person), hall.organisation, field="Sig2")


def changed(content: bytes, number: int = 4) -> bytes:
    """Other page content in an update after everything."""
    writer = IncrementalPdfFileWriter(io.BytesIO(content))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    stream = generic.StreamObject(stream_data=b"BT /F1 20 Tf 72 500 Td (khac) Tj ET")
    page[generic.pdf_name("/Contents")] = writer.add_object(stream)
    writer.update_container(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_two_signatures_that_hold_are_valid_and_name_person_and_organisation(
    judge: Judge, hall: Hierarchy
) -> None:
    judgement = judge(both(hall))
    person, organisation = only(judgement).signatures
    assert judgement.verdict is Verdict.VALID
    assert (person.signer.kind, person.signer.person) == (SignerKind.PERSON, PERSON)  # type: ignore[union-attr]
    assert person.signer.organisation == ORGANISATION  # type: ignore[union-attr]
    assert organisation.signer.kind is SignerKind.ORGANISATION  # type: ignore[union-attr]
    assert organisation.covers is Cover.WHOLE_FILE
    assert (person.covers, Flaw.LATER_UPDATE in person.flaws) == (Cover.REVISION, True)
    assert only(judgement).flaws == ()


def test_one_signature_alone_is_valid_and_the_missing_one_is_named(
    judge: Judge, hall: Hierarchy
) -> None:
    judgement = judge(sign_pdf(pdf(), hall.organisation))
    assert judgement.verdict is Verdict.VALID
    assert only(judgement).flaws == (Flaw.NO_PERSON,)
    assert only(judge(sign_pdf(pdf(), hall.person))).flaws == (Flaw.NO_ORGANISATION,)


def test_a_changed_byte_under_the_signature_is_invalid(judge: Judge, hall: Hierarchy) -> None:
    content = both(hall)
    at = content.index(b"/MediaBox [0 0 595")
    spoilt = content[:at] + content[at:].replace(b"595", b"596", 1)
    judgement = judge(spoilt)
    assert judgement.verdict is Verdict.INVALID
    assert all(Flaw.CHANGED in one.flaws for one in only(judgement).signatures)


def test_an_update_that_replaces_the_page_is_invalid(judge: Judge, hall: Hierarchy) -> None:
    one = first(judge(changed(sign_pdf(pdf(), hall.person))))
    assert one.verdict is Verdict.INVALID
    assert Flaw.CHANGED in one.flaws


def test_a_second_signature_is_no_update_where_the_first_forbade_every_one(
    judge: Judge, hall: Hierarchy
) -> None:
    locked = sign_pdf(pdf(), hall.person, locked=True)
    assert first(judge(locked)).verdict is Verdict.VALID
    with pytest.raises(Exception, match=r"(?i)certif|docmdp|modif|sign"):
        sign_pdf(locked, hall.organisation, field="Sig2")
    assert Flaw.CHANGED in first(judge(changed(locked))).flaws


def _byte_range(content: bytes) -> tuple[re.Match[bytes], list[int]]:
    found = re.search(rb"/ByteRange \[([0-9 ]+)\]", content)
    assert found is not None
    return found, [int(number) for number in found.group(1).split()]


def _with_range(content: bytes, numbers: list[int]) -> bytes:
    found, _ = _byte_range(content)
    text = b"/ByteRange [" + b" ".join(b"%d" % number for number in numbers)
    return (
        content[: found.start()]
        + text
        + b" " * (found.end() - found.start() - len(text) - 1)
        + b"]"
        + content[found.end() :]
    )


@pytest.mark.parametrize("change", [(0, -40, 0), (0, 0, 40), (0, 0, -40)])
def test_a_byte_range_that_leaves_out_more_than_its_own_contents_is_invalid(
    judge: Judge, hall: Hierarchy, change: tuple[int, int, int]
) -> None:
    content = sign_pdf(pdf(), hall.person)
    _, (start, before, after, rest) = _byte_range(content)
    numbers = [start + change[0], before + change[1], after + change[2], rest - max(0, change[2])]
    one = first(judge(_with_range(content, numbers)))
    assert one.verdict is Verdict.INVALID
    assert Flaw.PART_ONLY in one.flaws
    assert one.covers is Cover.PART


def test_bytes_after_the_end_that_are_no_update_are_not_covered(
    judge: Judge, hall: Hierarchy
) -> None:
    one = first(judge(sign_pdf(pdf(), hall.person) + b"\n% appended\n"))
    assert one.verdict is Verdict.INVALID
    blank = first(judge(sign_pdf(pdf(), hall.person) + b"\r\n"))
    assert blank.verdict is Verdict.VALID


def test_sha1_is_said_and_never_valid(judge: Judge, hall: Hierarchy) -> None:
    one = first(judge(sign_pdf(pdf(), hall.person, digest="sha1")))
    assert one.verdict is Verdict.UNKNOWN
    assert Flaw.SHA1 in one.flaws
    assert one.algorithm == "ecdsa-sha1"


def test_a_certificate_that_had_expired_when_the_document_came_is_unknown(
    judge: Judge, hall: Hierarchy
) -> None:
    later = AT + timedelta(days=400)
    one = first(judge(sign_pdf(pdf(), hall.person), known=later))
    assert one.verdict is Verdict.UNKNOWN
    assert Flaw.EXPIRED in one.flaws


def test_a_timestamp_keeps_a_signature_valid_after_its_certificate_ended(
    judge: Judge, hall: Hierarchy
) -> None:
    stamped = sign_pdf(pdf(), hall.person, stamped_by=hall.stamper)
    one = first(judge(stamped, known=AT + timedelta(days=400)))
    assert one.stamped
    assert one.signed_at == AT
    assert one.verdict is Verdict.VALID


def test_a_timestamp_of_an_unknown_authority_counts_for_nothing(
    judge: Judge, hall: Hierarchy
) -> None:
    terms = Terms((hall.root.der,), (), (hall.issuing.der,), hall.crls())
    stamped = sign_pdf(pdf(), hall.person, stamped_by=hall.stamper)
    one = first(judge(stamped, terms=terms))
    assert not one.stamped
    assert Flaw.BAD_TIMESTAMP in one.flaws


def test_a_certificate_of_another_hierarchy_is_unknown(judge: Judge) -> None:
    strange = issue(name(cn="Gốc lạ", o="Lạ"), None, ca=True)
    signer = issue(name(cn="Người lạ", o="Lạ"), strange)
    one = first(judge(sign_pdf(pdf(), signer)))
    assert one.verdict is Verdict.UNKNOWN
    assert Flaw.UNTRUSTED in one.flaws


def test_a_certificate_that_vouches_for_itself_is_unknown(judge: Judge) -> None:
    one = first(judge(sign_pdf(pdf(), issue(name(cn="Tự ký", o="Lạ"), None))))
    assert one.verdict is Verdict.UNKNOWN
    assert Flaw.SELF_SIGNED in one.flaws


def test_a_revoked_certificate_is_invalid(judge: Judge, hall: Hierarchy) -> None:
    one = first(judge(sign_pdf(pdf(), hall.person), crls=hall.crls(hall.person)))
    assert one.verdict is Verdict.INVALID
    assert Flaw.REVOKED in one.flaws


def test_without_revocation_data_nothing_is_valid(judge: Judge, hall: Hierarchy) -> None:
    one = first(judge(sign_pdf(pdf(), hall.person), crls=()))
    assert one.verdict is Verdict.UNKNOWN
    assert Flaw.REVOCATION_UNKNOWN in one.flaws


def test_a_certificate_for_keys_signs_no_documents(judge: Judge, hall: Hierarchy) -> None:
    wrong = issue(name(cn="Mã hoá mẫu", o=ORGANISATION), hall.issuing, usage="encipher")
    one = first(judge(sign_pdf(pdf(), wrong)))
    assert one.verdict is Verdict.INVALID
    assert Flaw.WRONG_USAGE in one.flaws


def test_local_time_written_as_utc_is_recognised_and_put_right(
    judge: Judge, hall: Hierarchy
) -> None:
    alone = first(judge(sign_pdf(pdf(), hall.person, local_time=True)))
    assert Flaw.LOCAL_TIME in alone.flaws
    assert alone.claimed_at == AT + timedelta(hours=7)
    assert alone.signed_at == AT
    stamped = sign_pdf(pdf(), hall.person, local_time=True, stamped_by=hall.stamper)
    later = first(judge(stamped, known=AT + timedelta(days=30)))
    assert Flaw.LOCAL_TIME in later.flaws
    assert later.signed_at == AT


def test_a_claim_of_the_day_after_tomorrow_is_unknown(judge: Judge, hall: Hierarchy) -> None:
    one = first(judge(sign_pdf(pdf(), hall.person, at=AT + timedelta(days=2))))
    assert one.verdict is Verdict.UNKNOWN
    assert Flaw.FROM_THE_FUTURE in one.flaws


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7\n" + b"\x00\xff garbage" * 200,
        b"%PDF-1.7\ntrailer << /Root 1 0 R >>\nstartxref\n99999999\n%%EOF",
        b"%PDF-1.7\n" + b"[" * 20_000 + b"\nstartxref\n9\n%%EOF",
    ],
)
def test_a_garbage_pdf_is_unknown_and_harms_nothing(judge: Judge, content: bytes) -> None:
    judgement = judge(content)
    assert judgement.verdict is Verdict.UNKNOWN
    assert Flaw.UNREADABLE in only(judgement).flaws


def test_an_unsigned_pdf_has_no_verdict(judge: Judge) -> None:
    judgement = judge(pdf())
    assert judgement.verdict is None
    assert only(judgement).flaws == (Flaw.UNSIGNED,)


def test_only_so_many_signatures_of_a_file_are_judged(judge: Judge, hall: Hierarchy) -> None:
    judgement = judge(both(hall), limits=JudgingLimits(signatures=1))
    assert judgement.verdict is Verdict.UNKNOWN
    assert len(only(judgement).signatures) == 1
    assert Flaw.TOO_MANY in only(judgement).flaws


def test_a_stream_that_opens_to_gigabytes_is_not_opened_for_its_signatures(judge: Judge) -> None:
    """A page is never rendered, so a bomb in it costs nothing."""
    bomb = zlib.compress(b"\0" * (64 << 20))
    stream = b"<< /Length %d /Filter /FlateDecode >>\nstream\n" % len(bomb) + bomb
    content = pdf().replace(b"endstream", b"endstream", 1) + stream
    assert judge(content).verdict in {None, Verdict.UNKNOWN}
