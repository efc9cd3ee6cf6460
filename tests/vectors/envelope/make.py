"""Makes the envelope vectors: accepted/*.edxml, refused/*.edxml and expected.json beside them.

Run it after changing it; the output depends on nothing else, so a second run changes no file:

    python tests/vectors/envelope/make.py

Accepted ones name the findings the reader must make, in order; refused ones the words its message
must hold. `valid` says whether the strict schema takes the vector too. Names and people are made
up; agency codes are of the form in use.
"""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from relay.envelope.writer import (
    AttachmentContent,
    Business,
    Document,
    ReceiverChange,
    Replacement,
    Signer,
    Staff,
    Stamp,
    StatusMessage,
    write_document,
    write_status,
)
from relay.model import Party, Priority, ResponseFor

HERE = Path(__file__).parent
PDF = (
    b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)
QCVN = b"http://www.mic.gov.vn/TBT/QCVN_102_2016"
AT = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)

COMMUNE = Party("H17.28.22", "UBND xã Mẫu")
DEPARTMENT = Party("000.00.15.H51", "Sở Mẫu")
DEPARTMENT_IN_FULL = Party(
    "000.00.15.H51",
    "Sở Mẫu",
    organ_add="Số 1 phố Mẫu",
    email="vanthu@example.gov.vn",
    telephone="(84-4) 0000 0000",
    fax="(84-4) 0000 0001",
    website="www.example.gov.vn",
)
STAFF = Staff("Văn thư", "Nguyễn Văn Mẫu", "84900000000", "vanthu@example.gov.vn")


def document(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "sender": DEPARTMENT,
        "recipients": (COMMUNE,),
        "document_id": "000.00.15.H51,2026/03/02,74/STTTT-VP",
        "code_number": "74",
        "code_notation": "STTTT-VP",
        "promulgation_place": "Hà Nội",
        "promulgation_date": date(2026, 3, 2),
        "document_type": "Công văn",
        "subject": "V/v kết nối, liên thông và bảo mật phần mềm quản lý văn bản",
        "traces": (Stamp("000.00.15.H51", AT),),
        "attachments": (AttachmentContent("cong-van.pdf", "application/pdf", PDF),),
    }
    return write_document(Document(**(fields | changes)))


def status(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "sender": COMMUNE,
        "response_for": ResponseFor(
            "000.00.15.H51",
            "74/STTTT-VP",
            "000.00.15.H51,2026/03/02,74/STTTT-VP",
            "2026/03/02",
        ),
        "status_code": "01",
        "description": "Đã đến phần mềm quản lý văn bản",
        "at": AT,
        "staff": STAFF,
    }
    return write_status(StatusMessage(**(fields | changes)))


BASE = document()
STATUS = status()
SUBJECT = (
    "<edXML:Subject>V/v kết nối, liên thông và bảo mật phần mềm quản lý văn bản</edXML:Subject>"
)


def changed(base: bytes, *pairs: tuple[str | bytes, str | bytes]) -> bytes:
    """`base` with each text replaced everywhere; a text that is not there is a mistake here."""
    for old, new in pairs:
        before = old.encode() if isinstance(old, str) else old
        after = new.encode() if isinstance(new, str) else new
        if before not in base:
            raise SystemExit(f"not in the base: {before!r}")
        base = base.replace(before, after)
    return base


def without(base: bytes, name: str) -> bytes:
    """`base` without the first element of that prefixed name."""
    start = base.index(f"<{name}>".encode())
    closing = f"</{name}>".encode()
    return base[:start] + base[base.index(closing, start) + len(closing) :]


def subject(text: str) -> bytes:
    return changed(BASE, (SUBJECT, f"<edXML:Subject>{text}</edXML:Subject>"))


def element(name: str, text: str) -> str:
    return f"<edXML:{name}>{text}</edXML:{name}>"


def with_content(content: bytes, content_type: str = "application/pdf") -> bytes:
    return document(attachments=(AttachmentContent("cong-van.pdf", content_type, content),))


def wrapped_lines() -> bytes:
    base = document(attachments=(AttachmentContent("a.pdf", "application/pdf", PDF * 4),))
    opening = b'TBT/QCVN_102_2016">JVBER'
    at = base.index(opening) + len(opening) - 5
    end = base.index(b"<", at)
    lines = [base[i : i + 76] for i in range(at, end, 76)]
    lines = [line[: max(0, end - at - 76 * n)] for n, line in enumerate(lines)]
    return base[:at] + b"\r\n" + b"\r\n".join(lines) + b"\r\n" + base[end:]


FULL = document(
    sender=DEPARTMENT_IN_FULL,
    recipients=(COMMUNE, Party("28.22.H17", "UBND xã Cũ"), Party("H37.DN.001", "Đơn vị Mẫu")),
    content="Trích yếu dài hơn",
    signer=Signer("TL. BỘ TRƯỞNG", "Cục trưởng", "Nguyễn Văn Mẫu"),
    due_date=date(2026, 3, 9),
    priority=Priority.URGENT,
    sphere_of_promulgation="Liên thông",
    typer_notation="NVM",
    promulgation_amount=2,
    page_amount=22,
    direction=False,
    appendixes=("Phụ lục I", "Phụ lục II"),
    response_for=(
        ResponseFor("000.00.00.G22", "7816/VPCP-TTĐT", "id-1", "2026/01/05"),
        ResponseFor("H01.151", "12/UBND", "id-2", "2026/01/06"),
    ),
    steering_type=1,
    task_codes=("NV-1", "NV-2"),
    application_type="1",
    to_places=("Như trên", "Lưu: VT"),
    business=Business(0, reason="Văn bản điện tử mới", paper=False, staff=STAFF),
)

Accepted = dict[str, tuple[bytes, dict[str, Any]]]
SAME: dict[str, Any] = {}


def accepted_documents() -> Accepted:
    made: Accepted = {
        "plain": (BASE, {"valid": True}),
        "every-field": (FULL, {"valid": True, "operation": 0, "priority": 1, "recipients": 3}),
        "no-attachment": (document(attachments=()), {"valid": True, "attachments": 0}),
        "three-attachments-raw-and-zipped": (
            document(
                attachments=(
                    AttachmentContent("Công văn số 74.pdf", "application/pdf", PDF),
                    AttachmentContent("Phụ lục.txt", "", "Phụ lục".encode(), zipped=True),
                    AttachmentContent("quy-che.pdf", "", PDF, "Quy chế", zipped=True),
                )
            ),
            {"valid": True, "attachments": 3},
        ),
        "revoke": (
            document(business=Business(1, "id-0", "Ban hành nhầm")),
            {"valid": True, "operation": 1},
        ),
        "update-receivers": (
            document(
                business=Business(
                    2,
                    "id-0",
                    updates_receivers=True,
                    receivers=(
                        ReceiverChange("H01.151", added=True),
                        ReceiverChange("H02", added=False),
                    ),
                )
            ),
            {"valid": True, "operation": 2},
        ),
        "replace": (
            document(business=Business(3, replacements=(Replacement("id-0", ("H01", "H02.1")),))),
            {"valid": True, "operation": 3},
        ),
        "old-codes-four-tiers": (
            document(
                sender=Party("000.00.00.H36", "Tỉnh"),
                recipients=tuple(
                    Party(code, "Đơn vị Mẫu")
                    for code in ("000.00.22.H36", "000.02.22.H36", "002.02.22.H36", "001.00.20.TT2")
                ),
            ),
            {"valid": True, "recipients": 4},
        ),
        "new-codes-three-tiers": (
            document(
                sender=Party("H01", "Tỉnh"),
                recipients=(Party("H01.151", "Xã"), Party("G11.07.05", "Phòng")),
            ),
            {"valid": True, "recipients": 2},
        ),
    }
    for priority in Priority:
        name = f"priority-{priority.value}-{priority.name.lower().replace('_', '-')}"
        made[name] = (document(priority=priority), {"valid": True, "priority": priority.value})
    return made


def accepted_statuses() -> Accepted:
    made: Accepted = {}
    for code in ("01", "02", "03", "04", "05", "06", "13", "15", "16"):
        made[f"status-{code}"] = (status(status_code=code), {"valid": True, "status": code})
    in_use = changed(
        STATUS,
        (
            element("OrganName", "UBND xã Mẫu"),
            element("OrganName", "UBND xã Mẫu") + element("OrganizationInCharge", "UBND tỉnh Mẫu"),
        ),
    )
    made["status-fields-in-another-order"] = (in_use, {"status": "01"})
    made["status-named-status"] = (
        changed(STATUS, ("edXML:MessageHeader", "edXML:Status")),
        {"status": "01"},
    )
    made["status-code-in-two-parts"] = (
        changed(
            STATUS,
            (
                element("Code", "74/STTTT-VP"),
                f"<edXML:Code>{element('CodeNumber', '74')}{element('CodeNotation', 'STTTT-VP')}</edXML:Code>",
            ),
        ),
        {"status": "01"},
    )
    made["status-unknown"] = (
        changed(STATUS, (element("StatusCode", "01"), element("StatusCode", "77"))),
        {"status": "77", "findings": ["unknown-status"]},
    )
    made["status-refused-without-reason"] = (
        changed(
            status(status_code="02", description="x"),
            (element("Description", "x"), "<edXML:Description/>"),
        ),
        {"valid": True, "status": "02", "findings": ["missing-reason"]},
    )
    made["status-with-empty-body"] = (
        changed(STATUS, ("</edXML:edXMLHeader>", "</edXML:edXMLHeader><edXML:edXMLBody/>")),
        {"status": "01"},
    )
    return made


def accepted_shapes() -> Accepted:
    soap = b"http://schemas.xmlsoap.org/soap/envelope/"
    bare = changed(BASE, ("edXML:", ""), (b' xmlns="' + QCVN + b'"', b""))
    bare = changed(bare, (b' xmlns:edXML="' + QCVN + b'"', b"")) if b"xmlns:edXML" in bare else bare
    reordered = without(BASE, "edXML:From")
    sender = BASE[BASE.index(b"<edXML:From>") : BASE.index(b"</edXML:From>") + 13]
    reordered = changed(reordered, ("</edXML:MessageHeader>", sender + b"</edXML:MessageHeader>"))
    return {
        "namespace-e-doc": (changed(BASE, (QCVN, b"http://www.e-doc.vn/Schema/")), SAME),
        "namespace-soap-under-prefix-edxml": (
            changed(BASE, (b'xmlns:edXML="' + QCVN, b'xmlns:edXML="' + soap)),
            SAME,
        ),
        "namespace-none": (bare, SAME),
        "namespace-of-a-stranger": (
            changed(BASE, (QCVN, b"urn:example:edxml")),
            {"findings": ["foreign-namespace"]},
        ),
        "prefix-of-another-name": (
            changed(BASE, ("edXML:", "e:"), ("xmlns:edXML", "xmlns:e")),
            {"valid": True},
        ),
        "utf-8-byte-order-mark": (b"\xef\xbb\xbf" + BASE, {"valid": True}),
        "no-xml-declaration": (BASE.partition(b"\n")[2], {"valid": True}),
        "trailing-crlf": (BASE + b"\r\n", {"valid": True}),
        "comments-and-instructions": (
            changed(
                BASE,
                ("<edXML:Subject>", "<!-- ghi chú --><?may in?><edXML:Subject>"),
                ("<AttachmentEncoded>", "<AttachmentEncoded><!-- tệp -->"),
            ),
            {"valid": True},
        ),
        "cdata": (subject("<![CDATA[V/v A & B]]>"), {"valid": True}),
        "decomposed-vietnamese": (
            subject(unicodedata.normalize("NFD", "Văn bản điện tử")),
            {"valid": True},
        ),
        "business-spelt-with-one-s": (
            changed(document(business=Business(2, reason="Sửa")), ("Bussiness", "Business")),
            {"operation": 2},
        ),
        "empty-response-for": (
            changed(BASE, ("</edXML:OtherInfo>", "</edXML:OtherInfo><edXML:ResponseFor />")),
            {"valid": True},
        ),
        "from-after-the-rest": (reordered, SAME),
        "no-other-info": (without(BASE, "edXML:OtherInfo"), {"valid": True}),
        "signature-in-the-edxml-namespace": (
            changed(
                BASE,
                (
                    "</edXML:TraceHeaderList>",
                    '</edXML:TraceHeaderList><Signature><Reference URI=""/><Value>AAAA</Value></Signature>',
                ),
            ),
            {"valid": True},
        ),
        "base64-in-lines": (wrapped_lines(), {"valid": True}),
        "content-id-without-cid": (changed(BASE, ("cid:1", "1")), SAME),
    }


def accepted_findings() -> Accepted:
    def found(content: bytes, *codes: str, **more: Any) -> tuple[bytes, dict[str, Any]]:
        return content, {"findings": list(codes), **more}

    organ = element("OrganId", COMMUNE.organ_id)
    priority = element("Priority", "0")
    day = element("PromulgationDate", "2026/03/02")
    name = "<AttachmentName>cong-van.pdf</AttachmentName>"
    declared = "<ContentType>application/pdf</ContentType>"
    two = document(
        attachments=(
            AttachmentContent("a.pdf", "application/pdf", PDF),
            AttachmentContent("b.pdf", "application/pdf", PDF),
        )
    )
    misspelt = "<edXML:ContentType>application/pdf"
    mangled = PDF.decode("latin-1").encode("ascii", "replace").replace(b"?", b"\xef\xbf\xbd")
    return {
        "no-to": found(without(BASE, "edXML:To"), "missing-to", recipients=0),
        "to-without-organ-id": found(
            changed(BASE, (organ, "")), "missing-element", "missing-to", recipients=0
        ),
        "to-a-connection-centre": found(
            changed(BASE, (organ, element("OrganId", "00.99.W00"))), "connection-centre", valid=True
        ),
        "to-no-code-at-all": found(
            changed(BASE, (organ, element("OrganId", "xã Mẫu"))), "bad-code"
        ),
        "no-subject": found(without(BASE, "edXML:Subject"), "missing-element"),
        "two-subjects": found(
            changed(BASE, (SUBJECT, SUBJECT + element("Subject", "khác"))), "duplicate-element"
        ),
        "two-other-infos": found(
            changed(BASE, ("<edXML:OtherInfo>", "<edXML:OtherInfo/><edXML:OtherInfo>")),
            "duplicate-element",
        ),
        "subject-of-501-characters": found(subject("đ" * 501), "too-long"),
        "unknown-element": found(
            changed(
                BASE,
                ("<edXML:OtherInfo>", "<edXML:Vendor><x><y/></x></edXML:Vendor><edXML:OtherInfo>"),
            ),
            "unknown-element",
        ),
        "text-between-elements": found(
            changed(BASE, ("<edXML:To>", "xin chào<edXML:To>")), "stray-text"
        ),
        "priority-unknown": found(
            changed(BASE, (priority, element("Priority", "9"))), "unknown-priority"
        ),
        "priority-in-words": found(
            changed(BASE, (priority, element("Priority", "Hỏa tốc"))), "unknown-priority"
        ),
        "priority-empty": found(changed(BASE, (priority, "<edXML:Priority/>"))),
        "operation-unknown": found(
            changed(
                document(business=Business(0)),
                (element("BussinessDocType", "0"), element("BussinessDocType", "8")),
            ),
            "unknown-operation",
            operation=-1,
        ),
        "date-empty": found(changed(BASE, (day, element("PromulgationDate", ""))), "date-empty"),
        "date-day-first": found(
            changed(BASE, (day, element("PromulgationDate", "02/03/2026"))), "date-format"
        ),
        "date-with-dashes": found(
            changed(BASE, (day, element("PromulgationDate", "2026-03-02"))), "date-format"
        ),
        "date-impossible": found(
            changed(BASE, (day, element("PromulgationDate", "2014/02/30"))),
            "date-impossible",
            valid=True,
        ),
        "date-in-words": found(
            changed(BASE, (day, element("PromulgationDate", "hôm qua"))), "date-unreadable"
        ),
        "date-with-time": found(
            changed(BASE, (day, element("PromulgationDate", "2026/03/02 08:30:00")))
        ),
        "reference-without-attachment": found(without(two, "Attachment"), "missing-attachment"),
        "attachment-without-reference": found(
            without(two, "edXML:Reference"), "unreferenced-attachment", attachments=2
        ),
        "content-id-twice": found(
            changed(two, ("cid:2", "cid:1")),
            "duplicate-content-id",
            "duplicate-content-id",
            attachments=2,
        ),
        "content-type-of-zip-reference-of-pdf": found(
            changed(
                document(attachments=(AttachmentContent("a.pdf", "", PDF, zipped=True),)),
                ("<edXML:ContentType>application/zip", misspelt),
            ),
            "content-type-mismatch",
            valid=True,
        ),
        "content-type-misspelt": found(
            with_content(b"PK\x03\x04....", "application/xslx"), "content-type-misspelt", valid=True
        ),
        "content-type-empty": found(
            changed(BASE, (declared, "<ContentType/>"), (misspelt, "<edXML:ContentType>")),
            valid=True,
        ),
        "pdf-that-is-a-zip": found(
            with_content(b"PK\x03\x04" + bytes(40)), "content-differs", valid=True
        ),
        "pdf-read-as-text": found(with_content(mangled), "ruined-binary", valid=True),
        "base64-broken": found(changed(BASE, ("JVBERi0x", "JVBE*i0x")), "bad-base64"),
        "base64-cut-short": found(
            changed(BASE, ("</edXML:ContentTransferEncoded>", "A</edXML:ContentTransferEncoded>")),
            "bad-base64",
        ),
        "attachment-empty": found(with_content(b""), "empty-attachment", valid=True),
        "name-with-path": found(
            changed(BASE, (name, "<AttachmentName>../../etc/cong-van.pdf</AttachmentName>")),
            "hostile-name",
            valid=True,
        ),
        "name-with-tab": found(
            changed(BASE, (name, "<AttachmentName>cong&#9;van.pdf</AttachmentName>")),
            "hostile-name",
            valid=True,
        ),
        "name-right-to-left": found(
            changed(BASE, (name, "<AttachmentName>cong-van\u202efdp.exe</AttachmentName>")),
            "hostile-name",
            valid=True,
        ),
        "marking-in-running-text": found(subject("V/v quản lý văn bản Mật"), valid=True),
        "marking-without-diacritics": found(
            subject("TUYET MAT"), "possible-secret-marking", valid=True
        ),
        "status-code-in-a-document": found(
            changed(
                BASE,
                ("</edXML:OtherInfo>", "</edXML:OtherInfo><edXML:StatusCode>01</edXML:StatusCode>"),
            ),
            "status-code-in-document",
        ),
    }


def refused() -> dict[str, tuple[bytes, str]]:
    sender = BASE[BASE.index(b"<edXML:From>") : BASE.index(b"</edXML:From>") + 13]
    organ = element("OrganId", COMMUNE.organ_id)
    declaration = b'<?xml version="1.0" encoding="UTF-8"?>\n'
    entity = b'<!DOCTYPE edXML [<!ENTITY a "b">]>\n'
    outside = b'<!DOCTYPE edXML SYSTEM "file:///etc/hostname">\n'
    deep = "<edXML:x>" * 40 + "</edXML:x>" * 40
    return {
        "empty": (b"", "empty envelope"),
        "only-white-space": (b" \r\n", "not well-formed"),
        "not-xml": (b"PK\x03\x04 a zip by mistake", "not well-formed"),
        "junk-before-the-declaration": (b"junk" + BASE, "4 bytes before the xml declaration"),
        "line-before-the-declaration": (b"\n" + BASE, "1 bytes before the xml declaration"),
        "junk-after-the-end": (BASE + b"junk", "junk after document element"),
        "cut-short": (BASE[: len(BASE) // 2], "not well-formed"),
        "two-documents": (BASE + BASE.partition(b"\n")[2], "junk after document element"),
        "unbound-prefix": (
            changed(BASE, ("<edXML:OtherInfo>", '<edXML:OtherInfo xlink:href="a">')),
            "unbound prefix",
        ),
        "undefined-entity": (subject("&nbsp;"), "undefined entity"),
        "entity-declared": (BASE.replace(declaration, declaration + entity), "document type"),
        "external-dtd": (BASE.replace(declaration, declaration + outside), "document type"),
        "utf-16": (BASE.decode().replace("UTF-8", "UTF-16").encode("utf-16"), "other than UTF-8"),
        "utf-16-without-mark": (BASE.decode().encode("utf-16-le"), "other than UTF-8"),
        "latin-1-declared": (
            changed(BASE, ('encoding="UTF-8"', 'encoding="ISO-8859-1"')),
            "other than UTF-8",
        ),
        "not-utf-8-inside": (changed(BASE, ("Công văn", b"C\xf4ng v\xe3n")), "not well-formed"),
        "xml-1-1": (
            changed(BASE, ('version="1.0" encoding', 'version="1.1" encoding')),
            "version other than 1.0",
        ),
        "nul": (subject("a\0b"), "not well-formed"),
        "root-of-another-name": (b"<html><body/></html>", "root element is not edXML"),
        "soap-fault": (
            b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>',
            "root element is not edXML",
        ),
        "no-envelope": (b'<edXML xmlns="' + QCVN + b'"/>', "no edXMLHeader"),
        "no-message-header": (without(BASE, "edXML:MessageHeader"), "no MessageHeader"),
        "two-message-headers": (
            changed(STATUS, ("</edXML:edXMLHeader>", "<edXML:MessageHeader/></edXML:edXMLHeader>")),
            "second MessageHeader",
        ),
        "message-header-beside-status": (
            changed(STATUS, ("</edXML:edXMLHeader>", "<edXML:Status/></edXML:edXMLHeader>")),
            "MessageHeader beside Status",
        ),
        "two-envelopes": (
            changed(STATUS, ("</edXML:edXMLEnvelope>", "</edXML:edXMLEnvelope><edXMLEnvelope/>")),
            "second edXMLEnvelope",
        ),
        "no-from": (without(BASE, "edXML:From"), "no From/OrganId"),
        "from-without-organ-id": (
            changed(
                BASE,
                (
                    element("OrganId", DEPARTMENT.organ_id) + "\n          <edXML:OrganName>",
                    "<edXML:OrganName>",
                ),
            ),
            "no From/OrganId",
        ),
        "two-froms": (changed(BASE, (sender, sender + sender)), "second From"),
        "two-organ-ids-in-to": (
            changed(BASE, (organ, organ + element("OrganId", "H02"))),
            "second OrganId",
        ),
        "element-inside-organ-id": (
            changed(BASE, (organ, element("OrganId", "H01<b/>H02"))),
            "element inside a code",
        ),
        "status-without-response-for": (
            without(STATUS, "edXML:ResponseFor"),
            "without ResponseFor",
        ),
        "status-without-code": (
            without(STATUS, "edXML:StatusCode"),
            "neither a document nor a status",
        ),
        "two-status-codes": (
            changed(
                STATUS,
                (
                    "</edXML:StatusCode>",
                    "</edXML:StatusCode><edXML:StatusCode>02</edXML:StatusCode>",
                ),
            ),
            "second StatusCode",
        ),
        "nested-40-deep": (
            changed(BASE, ("<edXML:OtherInfo>", deep + "<edXML:OtherInfo>")),
            "limit 32",
        ),
        "attributes-40": (
            changed(
                BASE,
                (
                    "<edXML:OtherInfo>",
                    "<edXML:OtherInfo" + "".join(f' a{n}=""' for n in range(40)) + ">",
                ),
            ),
            "limit 32",
        ),
        "namespaces-40": (
            changed(
                BASE,
                (
                    "<edXML:OtherInfo>",
                    "<edXML:OtherInfo" + "".join(f' xmlns:a{n}="u"' for n in range(40)) + ">",
                ),
            ),
            "limit 32",
        ),
        "name-of-200-characters": (
            changed(BASE, ("<edXML:To>", f"<{'a' * 200}/><edXML:To>")),
            "limit 128",
        ),
        "namespace-of-300-characters": (
            changed(BASE, ("<edXML:To>", f'<x xmlns="urn:{"a" * 300}"/><edXML:To>')),
            "limit 256",
        ),
        "element-inside-base64": (
            changed(BASE, ("JVBERi0x", "JVBE<b/>Ri0x")),
            "element inside base64",
        ),
        "two-contents-in-one-attachment": (
            changed(
                BASE,
                (
                    "</Attachment>",
                    "<ContentTransferEncoded>AAAA</ContentTransferEncoded></Attachment>",
                ),
            ),
            "second ContentTransferEncoded",
        ),
        "marked-mat": (subject("Mật"), "state secret"),
        "marked-toi-mat-capitals": (subject("TỐI MẬT"), "state secret"),
        "marked-tuyet-mat-decomposed": (
            subject(unicodedata.normalize("NFD", "Tuyệt mật")),
            "state secret",
        ),
        "marked-in-an-unknown-element": (
            changed(BASE, ("<edXML:To>", "<edXML:DoMat> Tối  mật </edXML:DoMat><edXML:To>")),
            "state secret",
        ),
        "marked-before-a-child": (subject("Mật<edXML:b/>"), "state secret"),
    }


def main() -> None:
    accepted = accepted_documents() | accepted_statuses() | accepted_shapes() | accepted_findings()
    refusals = refused()
    written = {
        HERE / "accepted" / f"{name}.edxml": content for name, (content, _) in accepted.items()
    }
    written |= {
        HERE / "refused" / f"{name}.edxml": content for name, (content, _) in refusals.items()
    }
    for folder in ("accepted", "refused"):
        (HERE / folder).mkdir(exist_ok=True)
        for stale in set((HERE / folder).glob("*.edxml")) - written.keys():
            stale.unlink()
    for path, content in written.items():
        path.write_bytes(content)
    expected = {
        "accepted": {name: facts for name, (_, facts) in sorted(accepted.items())},
        "refused": {name: words for name, (_, words) in sorted(refusals.items())},
    }
    text = json.dumps(expected, ensure_ascii=False, indent=2) + "\n"
    (HERE / "expected.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
