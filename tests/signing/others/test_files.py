"""Attachments of an envelope: opened, told by their bytes, and judged one by one."""

from __future__ import annotations

import io
import zipfile

from relay.envelope.documents import AttachmentContent
from relay.judgement import Flaw, Judgement, Part, Verdict
from relay.model import digest_of
from relay.signing.others.limits import JudgingLimits
from tests.signing.others.conftest import Judge
from tests.signing.others.papers import Hierarchy, attached, envelope, pdf, sign_pdf


def part(judgement: Judgement, position: int = 0) -> Part:
    return next(one for one in judgement.parts if one.position == position)


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return out.getvalue()


def test_each_attachment_has_its_part_and_the_worst_is_the_verdict(
    judge: Judge, hall: Hierarchy
) -> None:
    good = sign_pdf(sign_pdf(pdf(), hall.person), hall.organisation, field="Sig2")
    bad = sign_pdf(pdf("Phụ lục"), hall.organisation).replace(b"595", b"596", 1)
    judgement = judge(
        envelope(attached(good), attached(bad, "phu-luc.pdf"), attached(pdf(), "tom-tat.pdf")),
        envelope=True,
    )
    assert [one.verdict for one in judgement.parts] == [Verdict.VALID, Verdict.INVALID, None]
    assert [one.name for one in judgement.parts] == ["cong-van.pdf", "phu-luc.pdf", "tom-tat.pdf"]
    assert judgement.verdict is Verdict.INVALID
    assert part(judgement).digest == digest_of(good)
    assert judgement.signatures == 3


def test_an_annex_needs_the_organisation_alone(judge: Judge, hall: Hierarchy) -> None:
    main = sign_pdf(sign_pdf(pdf(), hall.person), hall.organisation, field="Sig2")
    annex = sign_pdf(pdf("Phụ lục"), hall.organisation)
    other = sign_pdf(pdf("Bảng kê"), hall.person)
    judgement = judge(
        envelope(attached(main), attached(annex, "a.pdf"), attached(other, "b.pdf")), envelope=True
    )
    assert part(judgement, 0).flaws == ()
    assert part(judgement, 1).flaws == ()
    assert part(judgement, 2).flaws == (Flaw.NO_ORGANISATION,)


def test_a_pdf_in_the_usual_zip_is_judged_inside_it(judge: Judge, hall: Hierarchy) -> None:
    signed = sign_pdf(pdf(), hall.organisation)
    wrapped = AttachmentContent("cong-van.pdf", "application/pdf", signed, zipped=True)
    judgement = judge(envelope(wrapped), envelope=True)
    assert part(judgement).kind == "pdf"
    assert part(judgement).digest == digest_of(signed)
    assert part(judgement).flaws == (Flaw.WRAPPED_IN_ZIP, Flaw.NO_PERSON)
    assert judgement.verdict is Verdict.VALID


def test_a_pdf_that_is_a_zip_is_named(judge: Judge) -> None:
    several = zipped(a_pdf=pdf(), b_pdf=pdf())
    judgement = judge(envelope(attached(several)), envelope=True)
    assert Flaw.PDF_IS_ZIP in part(judgement).flaws


def test_a_zip_that_calls_itself_a_pdf_is_named_and_judged_inside(
    judge: Judge, hall: Hierarchy
) -> None:
    one = zipped(a_pdf=sign_pdf(pdf(), hall.organisation))
    judgement = judge(envelope(attached(one)), envelope=True)
    assert Flaw.PDF_IS_ZIP in part(judgement).flaws
    assert len(part(judgement).signatures) == 1


def test_a_binary_that_was_read_as_text_is_named(judge: Judge, hall: Hierarchy) -> None:
    ruined = sign_pdf(pdf(), hall.organisation).decode("utf-8", "replace").encode()
    judgement = judge(envelope(attached(ruined)), envelope=True)
    assert Flaw.RUINED in part(judgement).flaws
    assert judgement.verdict is not Verdict.VALID


def test_other_contents_than_the_name_says_are_named(judge: Judge) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
    judgement = judge(
        envelope(
            attached(picture, "anh.pdf"), attached(pdf(), "van-ban.doc", "application/msword")
        ),
        envelope=True,
    )
    assert Flaw.MISLABELLED in part(judgement, 0).flaws
    assert Flaw.MISLABELLED in part(judgement, 1).flaws


def test_a_zip_that_opens_to_too_much_is_not_opened(judge: Judge) -> None:
    bomb = zipped(a_pdf=b"%PDF-1.7\n" + b"\0" * (32 << 20))
    judgement = judge(
        envelope(attached(bomb, "a.pdf", "application/zip")),
        envelope=True,
        limits=JudgingLimits(opened_bytes=8 << 20),
    )
    assert Flaw.BOMB in part(judgement).flaws
    assert judgement.verdict is Verdict.UNKNOWN


def test_a_file_over_the_bound_is_unknown_and_the_next_is_judged(
    judge: Judge, hall: Hierarchy
) -> None:
    signed = sign_pdf(pdf(), hall.organisation)
    large = signed + b"%" * 40_000
    judgement = judge(
        envelope(attached(large), attached(signed, "b.pdf")),
        envelope=True,
        limits=JudgingLimits(file_bytes=30_000),
    )
    assert Flaw.TOO_LARGE in part(judgement, 0).flaws
    assert part(judgement, 1).verdict is Verdict.VALID


def test_only_so_many_attachments_are_looked_at(judge: Judge) -> None:
    many = envelope(*(attached(pdf(), f"{n}.pdf") for n in range(4)))
    judgement = judge(many, envelope=True, limits=JudgingLimits(files=2))
    assert judgement.flaws == (Flaw.TOO_MANY,)
    assert judgement.verdict is Verdict.UNKNOWN
    assert len(judgement.parts) == 2


def test_office_files_and_unsigned_documents_have_no_verdict(judge: Judge) -> None:
    office = zipped(a_xml=b"<a/>", b_xml=b"<b/>")
    judgement = judge(
        envelope(
            attached(
                office,
                "van-ban.docx",
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            )
        ),
        envelope=True,
    )
    assert judgement.verdict is None
    assert part(judgement).flaws == ()
