"""The summary for people: what is proven and nothing else, as text, in one layout that stays."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from relay.cli.main import app
from relay.envelope.reader import read
from relay.envelope.statuses import STATUSES
from relay.judgement import Flaw, Judgement, Verdict
from relay.model import (
    AgencyCode,
    Attachment,
    Digest,
    Event,
    Evidence,
    Finding,
    MessageId,
    NodeId,
    Priority,
    Reason,
    Receipt,
    SealKind,
    digest_of,
)
from relay.signing.bundle_steps import BundleJudge
from relay.signing.bundle_words import Outcome, Step
from relay.signing.summary import Story
from relay.signing.summary_made import Judging, write_judged, write_summary
from relay.wire import bundle
from relay.wire.bundle_list import VERSION, ContentsList
from relay.wire.remote_word import RemoteWord, write_word
from tests.evidence.conftest import AT, MESSAGE, TINH, XA, Office, envelope
from tests.evidence.test_evidence_around import Told

LAYOUT_1 = "08b988a541e044017b4c279415deefc304b62f62902081d65054142150c0087b"
"""SHA-256 of the story with every word. Whoever needs another makes layout 2 and keeps this one (W19.7)."""

HOSTILE = "<script>alert(1)</script>\"' onload=x \u202edoc.exe\u2066 &lt; javascript:x"


@pytest.fixture
def told(authority: Any) -> Told:
    return Told(authority)


def _summary(content: bytes, taken_apart: Callable[..., Any]) -> str:
    return str(taken_apart(content)[bundle.SUMMARY].decode())


class Seen(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_it_tells_who_sent_what_and_what_became_of_it(
    told: Told, judge: Callable[..., Any], taken_apart: Callable[..., Any]
) -> None:
    """In both languages: the document, what its seal vouches for, each recipient's outcome, each receipt
    with its entry in the log, each status."""
    content = told.export()
    page = "".join(Seen(_summary(content, taken_apart)).text)

    for words in (
        *("101/UBND-VP", "UBND xã Mẫu", "V/v thử nghiệm", "xa → tinh", "ContentHandover"),
        *("Cơ quan bảo đảm", "The agency vouches", "Nơi nhận đã nhận văn bản"),
        *("handed over to the recipient", "Đã đến", "arrived", "mục entry 2 tinh"),
    ):
        assert words in page
    assert judge(content).said("summary") == "for people: tells what is proven, and nothing else"


def _subject(told: Told, subject: str) -> Told:
    written = told.content.decode().replace("V/v thử nghiệm", subject)
    return Told(told.authority, content=written.encode())


def test_a_hostile_document_is_text_and_nothing_else(
    told: Told, judge: Callable[..., Any], taken_apart: Callable[..., Any]
) -> None:
    """No tag, no attribute, nothing from elsewhere; what turns writing around is not let through."""
    escaped = HOSTILE.replace("&", "&amp;").replace("<", "&lt;")
    content = _subject(told, escaped).export()
    page = _summary(content, taken_apart)
    seen = Seen(page)

    assert judge(content).refused == []
    assert "<script>alert(1)</script>" in "".join(seen.text)
    allowed = {"class", "lang", "charset", "name", "content", "http-equiv"}
    assert {name for _, attributes in seen.tags for name, _ in attributes} <= allowed
    assert not {"script", "img", "link", "iframe", "a", "form"} & {tag for tag, _ in seen.tags}
    assert not re.search("url\\(|@import|[\u202a-\u202e\u2066-\u2069]", page)
    assert "default-src 'none'" in page


def _with_summary(told: Told, entries: dict[str, bytes], name: str, content: bytes) -> bytes:
    entries.pop(bundle.SUMMARY)
    entries[name] = content
    return told.signed_by_tinh(entries)


def test_an_exporter_cannot_tell_people_anything_else(
    told: Told, judge: Callable[..., Any], taken_apart: Callable[..., Any]
) -> None:
    """One word, or a layout that nobody knows: refused. Without a summary the file is as good."""
    entries = taken_apart(told.export())
    true = entries[bundle.SUMMARY]
    lie = true.replace("Nơi nhận đã nhận văn bản".encode(), "Nơi nhận chưa nhận văn bản".encode())
    assert lie != true

    told_lie = _with_summary(told, dict(entries), bundle.SUMMARY, lie)
    assert judge(told_lie).refused == [("summary", "bad-summary")]
    other = _with_summary(told, dict(entries), "about/summary-2.html", true)
    assert judge(other).refused == [("summary", "bad-summary")]
    beside = told.signed_by_tinh({**entries, "about/summary.txt": b"all is well"})
    assert judge(beside).refused == [("summary", "bad-summary")]
    del entries[bundle.SUMMARY]
    assert judge(told.signed_by_tinh(entries)).refused == []


def _judged(content: bytes, office: Office) -> tuple[str, list[Step]]:
    judge = BundleJudge(BytesIO(content), office.authority.trust)
    steps = list(judge.steps())
    trusted = sorted(office.authority.trust.anchors.digests())
    return write_judged(judge.story, Judging(steps, trusted)).decode(), steps


def test_a_judged_page_tells_nothing_that_is_refused(
    told: Told, taken_apart: Callable[..., Any]
) -> None:
    """A document whose seal is refused is not told of, nor a receipt that is; the refusal is."""
    entries = taken_apart(told.export())
    other = Told(told.authority, content=told.content.replace(b"101", b"102"))
    entries[bundle.SEAL] = bundle.wrapped(other.sealed.signature)
    entries[bundle.receipt_names(3)[1]] = entries[bundle.receipt_names(1)[1]]
    page, steps = _judged(told.signed_by_tinh(entries), told)

    refused = {(one.what, one.reason) for one in steps if one.outcome is Outcome.REFUSED}
    assert {("seal", "digest-mismatch"), ("receipt", "digest-mismatch")} <= refused
    before, judging = page.split("Steps of the verification")
    assert "KHÔNG ĐẠT" in before
    assert "digest-mismatch" in before
    assert "V/v thử nghiệm" not in page
    assert "ContentHandover" not in before
    assert "RelayAcceptance" in before
    assert "digest-mismatch" in judging
    assert digest_of(told.content) in before


def test_of_a_file_that_is_refused_as_a_whole_only_that_is_told(told: Told) -> None:
    """There is nothing proven to tell."""
    page, _ = _judged(told.export().replace(b"V/v th", b"V/v tH", 1), told)

    assert "KHÔNG ĐẠT" in page
    assert "damaged" in page
    assert "101/UBND-VP" not in page


def test_who_has_too_much_to_tell_leaves_the_summary_out(
    told: Told,
    judge: Callable[..., Any],
    taken_apart: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its memory is bounded; the judge's page tells as much as has room and that there is more."""
    monkeypatch.setattr(bundle, "MOST_TOLD", 2)
    content = told.export()
    page, _ = _judged(content, told)

    assert bundle.SUMMARY not in taken_apart(content)
    assert judge(content).refused == []
    timeline = page.split("Timeline, by signed receipts")[1].split("Statuses and requests")[0]
    assert timeline.count("<tr><td>") == 2
    assert "và còn nữa" in timeline


def test_a_document_that_nobody_can_read_has_a_summary_too(
    told: Told, judge: Callable[..., Any], taken_apart: Callable[..., Any]
) -> None:
    """Its bytes are proven all the same, and that is told."""
    office = Office(told.authority, content=b"no envelope")
    content = office.export()

    assert judge(content).refused == []
    assert "Its content is not told" in _summary(content, taken_apart)
    assert digest_of(b"no envelope") in _summary(content, taken_apart)


def test_an_exporter_that_cannot_prove_a_seal_tells_nothing_of_it(
    told: Told, judge: Callable[..., Any], taken_apart: Callable[..., Any]
) -> None:
    """The file is made all the same, and who judges it sees which step refuses."""
    told.sealed = Told(told.authority, content=told.content.replace(b"101", b"102")).sealed
    content = told.export()

    assert bundle.SUMMARY not in taken_apart(content)
    assert judge(content).refused == [("seal", "digest-mismatch")]


def test_the_command_writes_the_page_once(told: Told, tmp_path: Path) -> None:
    """`--html OUT` beside the steps, whatever the verdict; a file that is there is not written over."""
    file, out = tmp_path / "one.asice", tmp_path / "one.html"
    file.write_bytes(told.export())
    words = ["evidence", "verify", str(file), "--root", str(told.authority.root)]

    first = CliRunner().invoke(app, [*words, "--html", str(out)])
    assert first.exit_code == 0, first.output
    assert "ĐẠT: mọi điều hồ sơ khẳng định" in out.read_text(encoding="utf-8")
    assert CliRunner().invoke(app, [*words, "--html", str(out)]).exit_code == 73

    file.write_bytes(b"no zip")
    refused = CliRunner().invoke(app, [*words, "--html", str(tmp_path / "two.html")])
    assert refused.exit_code == 65
    assert "KHÔNG ĐẠT" in (tmp_path / "two.html").read_text(encoding="utf-8")


def _everything() -> Story:
    """Every word of the layout, once at least."""
    document = replace(
        read(envelope()),
        priority=Priority.EXPRESS,
        attachments=(Attachment("1", "tờ trình.pdf", "application/pdf", "", 9),),
    )
    story = Story(TINH, Digest("0" * 64), 1234, document)
    facts = {"subject": "CN=mẫu", "certificate_sha256": "1" * 64, "at": AT.isoformat()}
    story.seal = {"kind": "agency", "by": "H01", **facts}
    story.stamps = [{"at": AT.isoformat(), "by": "CN=tsa", "serial": "1"}]
    word = write_word(RemoteWord("truc-qg", "sendEdoc", "7"))
    said = [
        *[(one, reason) for one, reason in zip(Event, [None, *Reason], strict=False)],
        *[(Event.RELAY_FAILURE, reason) for reason in Reason],
    ]
    for number, (event, reason) in enumerate(said):
        one = Evidence(event, AgencyCode(f"H{number:02}"), Digest("2" * 64), reason, word)
        first = Evidence(Event.RELAY_FAILURE, one.recipient, None, Reason.OUTCOME_UNKNOWN)
        receipt = Receipt(TINH, XA, MESSAGE, story.digest, 1234, None, None, AT, (first, one))
        story.add(digest_of(str(number).encode()), receipt)
        story.hops.add(receipt, ())
    story.proofs = {story.receipts[0][0]: [("tinh", "7"), ("xa", "1")]}
    story.statuses = [
        {
            "status_code": code,
            "description": "vì vậy",
            "from": "H01",
            "kind": kind.value,
            "by": "tinh",
            "at": AT.isoformat(),
        }
        for code in STATUSES
        for kind in SealKind
    ]
    story.listed = ContentsList(
        VERSION,
        TINH,
        MESSAGE,
        XA,
        {Digest("3" * 64): "no-log"},
        (),
        {MessageId("019ab000-0000-7000-8000-0000000000bb"): "not-here"},
        {NodeId("xa"): ()},
        (Finding("odd", "lạ"),),
        Judgement(AT, Verdict.VALID, (Flaw.TOO_MANY,), ()),
    )
    return story


def test_layout_1_stays_as_it_is() -> None:
    """Files that were exported must verify for years: who changes a word makes another layout."""
    pages = [write_summary(_everything())]
    for priority in Priority:
        story = _everything()
        assert story.envelope is not None
        story.envelope = replace(story.envelope, priority=priority)
        pages.append(write_summary(story))
    empty = Story(TINH, Digest("0" * 64), 1)
    pages.append(write_summary(empty))

    assert digest_of(b"".join(pages)) == LAYOUT_1
