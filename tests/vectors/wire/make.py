"""Write the vectors of wire clauses: documents and bodies to accept, and some for each way to refuse them.

Run as `python tests/vectors/wire/make.py [FOLDER]`; a second run changes nothing. Keys are those of
../signing/make.py, and so is the root. The first word of a name is the clause of docs/wire-format.md
that decides, the ending says what the bytes are:

    .receipt     a receipt (W5.2): what evidence may say, by W5.11 and W10
    .directory   the document of a branch (W9.1)
    .branch      one to be judged by W9.6 and W9.7 beside known.directory, what a node knows so far
    .signed      the body that carries one (W9.3), the signature to be proven (W9.2)
    .transfers   the body of a request with several transfers (W4.13)
    .proofs      the body of a request with proofs of receipts (W20.3), which are not judged here
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from relay.agencies import Agency, NodeEntry
from relay.model import (
    AgencyCode,
    Event,
    Evidence,
    NodeId,
    Reason,
    Receipt,
    Signed,
    Tier,
    digest_of,
)
from relay.signing.evidence import sign_branch, sign_transfer
from relay.signing.xades import DocumentName, build
from relay.transport.nodes import parts
from relay.wire.attached import MOST_PROOFS, write_proofs
from relay.wire.branch import Branch, BranchHead, write_branch
from relay.wire.receipt import write_receipt
from relay.wire.remote_word import RemoteWord, write_word
from tests.vectors.signing.forging import originals

Cases = Iterator[tuple[str, bytes]]
SIGNING: dict[str, Any] = vars(originals)
NODE, AT, ENVELOPE, HEADER = (SIGNING[name] for name in ("NODE", "AT", "ENVELOPE", "HEADER"))
C, N = AgencyCode, NodeId
WORD = RemoteWord("truc-qg", "sendEdoc", "DOC-77", digest_of(b"an answer"), {"found": "sent-list"})
DETAIL = write_word(WORD)


# ------------------------------------------------------------ evidence: W5.11, W10


def receipt(event: Event, reason: Reason | None = None, detail: str = "") -> bytes:
    one = Evidence(event, C("H36.02"), digest_of(b"previous"), reason, detail)
    return write_receipt(replace(_base(), evidence=(one,)))


def _base() -> Receipt:
    found: Receipt = SIGNING["RECEIPT"]
    return found


def said(event: Event, more: str) -> bytes:
    """What write_receipt would refuse to write."""
    text = receipt(Event.RELAY_ACCEPTANCE).decode()
    text = text.replace(Event.RELAY_ACCEPTANCE.uri, event.uri)
    return text.replace("</Evidence>", f"{more}</Evidence>").encode()


def accepted_receipts() -> Cases:
    yield "w5.11--relay-to-non-erds", receipt(Event.RELAY_TO_NON_ERDS, detail=DETAIL)
    yield "w5.11--received-from-non-erds", receipt(Event.RECEIVED_FROM_NON_ERDS, detail=DETAIL)
    yield "w5.11--consigned-beyond-a-bridge", receipt(Event.CONTENT_CONSIGNMENT, detail=DETAIL)
    yield "w5.11--handed-over-beyond-a-bridge", receipt(Event.CONTENT_HANDOVER, detail=DETAIL)
    least = write_word(RemoteWord("a", "getEdoc"))
    yield "w5.11--no-more-than-who-and-which-call", receipt(Event.RELAY_TO_NON_ERDS, detail=least)
    failed = receipt(Event.RELAY_TO_NON_ERDS_FAILURE, Reason.POLICY, DETAIL)
    yield "w5.11--failed-with-a-reason-and-the-word", failed
    yield "w10.3--taken-back", receipt(Event.CONTENT_HANDOVER_FAILURE, Reason.TAKEN_BACK)
    asked = receipt(Event.CONTENT_CONSIGNMENT, Reason.DESTRUCTION_ASKED)
    yield "w10.4--destruction-asked", asked
    yield "w10.5--taken-back-on-the-way", receipt(Event.RELAY_FAILURE, Reason.TAKEN_BACK)


def refused_receipts() -> Cases:
    detail = f"<Detail>{DETAIL}</Detail>"
    reason = "<Reason>{}</Reason>".format
    yield "w5.11--word-on-relay-acceptance", said(Event.RELAY_ACCEPTANCE, detail)
    yield "w5.11--word-on-submission-acceptance", said(Event.SUBMISSION_ACCEPTANCE, detail)
    free = "<Detail>da nhan</Detail>"
    yield "w5.11--free-text", said(Event.RELAY_TO_NON_ERDS, free)
    for case, text in (
        ("no-remote", "non-erds call=sendEdoc"),
        ("no-call", "non-erds remote=truc-qg"),
        ("short-digest", "non-erds remote=truc-qg call=sendEdoc answer=00"),
        ("answer-before-doc", f"non-erds remote=a call=b answer={'0' * 64} doc=7"),
        ("two-spaces", "non-erds  remote=truc-qg call=sendEdoc"),
        ("letters-beyond-ascii", "non-erds remote=truc-qg call=sendEdoc found=đã"),
        ("trailing-space", "non-erds remote=truc-qg call=sendEdoc "),
    ):
        yield f"w5.11--{case}", said(Event.RELAY_TO_NON_ERDS, f"<Detail>{text}</Detail>")
    both = reason(Reason.POLICY) + detail
    yield "w5.11--reason-beside-the-word", said(Event.RELAY_TO_NON_ERDS, both)
    yield "w5.11--failure-without-reason", said(Event.RELAY_TO_NON_ERDS_FAILURE, detail)
    asked, taken = reason(Reason.DESTRUCTION_ASKED), reason(Reason.TAKEN_BACK)
    yield "w10.4--destruction-asked-on-acceptance", said(Event.RELAY_ACCEPTANCE, asked)
    yield "w10.4--destruction-asked-on-handover", said(Event.CONTENT_HANDOVER, asked)
    yield "w10.4--taken-back-on-consignment", said(Event.CONTENT_CONSIGNMENT, taken)
    yield "w10.4--another-reason-on-consignment", said(Event.CONTENT_CONSIGNMENT, reason("policy"))
    yield "w10.5--failure-without-reason", said(Event.RELAY_FAILURE, "")
    yield "w10.5--unknown-reason", said(Event.RELAY_FAILURE, reason("taken-away"))


# ------------------------------------------------------------ directories: W9

TREE = (
    NodeEntry(N("tinh-h01"), Tier.PROVINCE, N("tw")),
    NodeEntry(N("tinh-h36"), Tier.PROVINCE, N("tw")),
    NodeEntry(N("xa"), Tier.COMMUNE, N("tinh-h01")),
)
DISTRICT = Agency(
    C("H01.15"), "UBND huyện <Mẫu> & Thử", Tier.DISTRICT, N("tinh-h01"), C("000.00.15.H01"), C("H01"),
    "huyen@example.vn", "vxp.saas.01", date(2000, 1, 1), date(2025, 7, 1),
    (C("H01.151"), C("H01.152")), True,
)  # fmt: skip
PROVINCE = Agency(C("H01"), "UBND tỉnh", Tier.PROVINCE, N("tinh-h01"), C("000.00.00.H01"))
COMMUNE = Agency(C("H01.151"), "UBND xã", Tier.COMMUNE, N("xa"), valid_from=date(2025, 7, 1))
KNOWN = (
    Agency(C("G22"), "Bộ", Tier.CENTRAL, N("tw"), C("000.00.00.G22")),
    PROVINCE,
    replace(COMMUNE, node=N("tinh-h01")),
    Agency(C("H36"), "UBND tỉnh khác", Tier.PROVINCE, N("tinh-h36")),
)


def branch(
    *agencies: Agency, nodes: tuple[NodeEntry, ...] = TREE[2:], issuer: str = "tinh-h01"
) -> Branch:
    return Branch(N(issuer), 7, AT, AT + timedelta(days=30), nodes, agencies)


WHOLE = write_branch(branch(PROVINCE, DISTRICT, COMMUNE))


def accepted_directories() -> Cases:
    yield "w9.1--every-field", WHOLE
    yield "w9.1--nothing", write_branch(branch(nodes=()))
    yield "w9.1--nodes-alone", write_branch(branch())


def refused_directories() -> Cases:
    for case, before, after in (
        ("declaration", "<Directory ", '<?xml version="1.0"?><Directory '),
        ("doctype", "<Directory ", "<!DOCTYPE Directory><Directory "),
        ("other-namespace", "wire:1", "wire:2"),
        ("white-space", "<Nodes>", "<Nodes> "),
        ("behind-its-end", "</Directory>", "</Directory>\n"),
        ("version-with-zero", "<Version>7<", "<Version>07<"),
        ("version-below-zero", "<Version>7<", "<Version>-1<"),
        ("instant-without-zone", ".123Z</Issued>", ".123</Issued>"),
        ("no-such-day", "2025-07-01</ValidTo>", "2025-02-30</ValidTo>"),
        ("day-in-other-form", "2025-07-01</ValidTo>", "01/07/2025</ValidTo>"),
        ("tier-unknown", "<Tier>province<", "<Tier>kingdom<"),
        ("node-without-parent", "<Parent>tinh-h01</Parent></Node>", "</Node>"),
        ("agency-twice", "<Code>H01.15<", "<Code>H01<"),
        ("agencies-out-of-order", "<Code>H01<", "<Code>H01.150<"),
        ("fields-out-of-order", "<Mail>huyen@example.vn</Mail><Centre>vxp.saas.01</Centre>",
         "<Centre>vxp.saas.01</Centre><Mail>huyen@example.vn</Mail>"),
        ("empty-field", "<Mail>huyen@example.vn</Mail>", "<Mail></Mail>"),
        ("deleted-false", "<Deleted>true<", "<Deleted>false<"),
        ("written-as-a-character-reference", "&amp;", "&#38;"),
        ("name-right-to-left", "UBND xã", "UBND \u202exã"),
        ("name-with-line-break", "UBND xã", "UBND\nxã"),
        ("successors-over-the-limit", "<Successor>H01.151</Successor>",
         "".join(f"<Successor>H01.{n}</Successor>" for n in range(1000, 1064))),
    ):  # fmt: skip
        text = WHOLE.decode()
        assert before in text, case
        yield f"w9.1--{case}", text.replace(before, after, 1).encode()
    yield (
        "w9.1--latin-1",
        WHOLE.decode().replace("ã", "a").replace("ỉ", "\xe9").encode("latin-1", "replace"),
    )
    yield "w9.1--cut", WHOLE[:-20]
    yield "w9.1--empty", b""


def accepted_branches() -> Cases:
    sub = replace(COMMUNE, code=C("H01.151.02"))
    yield "w9.7--listed-and-below-what-is-listed", write_branch(branch(PROVINCE, COMMUNE, sub))
    old = replace(DISTRICT, valid_to=None, successors=(), deleted=False)
    yield "w9.7--both-forms-below-its-own", write_branch(branch(old))
    below = (*TREE[2:], NodeEntry(N("xb"), Tier.COMMUNE, N("xa")))
    new = replace(COMMUNE, node=N("xb"))
    yield "w9.6--a-new-node-below-it", write_branch(branch(new, nodes=below))


def refused_branches() -> Cases:
    for case, clause, code, node in (
        ("a-siblings", "w9.7", "H36", "tinh-h01"),
        ("below-a-siblings", "w9.7", "H36.02", "tinh-h01"),
        ("the-ministrys", "w9.7", "G22", "xa"),
        ("under-nobodys", "w9.7", "K77", "tinh-h01"),
        ("served-by-a-sibling", "w9.6", "H01.151", "tinh-h36"),
        ("served-by-whom-nobody-knows", "w9.6", "H01.151", "nowhere"),
    ):
        claimed = Agency(C(code), "X", Tier.COMMUNE, N(node))
        yield f"{clause}--{case}", write_branch(branch(claimed))
    stolen = replace(COMMUNE, old_code=C("000.00.00.G22"))
    yield "w9.7--old-form-of-the-ministry", write_branch(branch(stolen))
    uncanonical = write_branch(branch(COMMUNE)).replace(b"<Code>H01.151<", b"<Code>15.H01<")
    yield "w9.7--code-not-filled-up", uncanonical
    for case, entry in (
        ("a-sibling-below-it", NodeEntry(N("tinh-h36"), Tier.PROVINCE, N("tinh-h01"))),
        ("itself-elsewhere", NodeEntry(N("tinh-h01"), Tier.PROVINCE, N("xa"))),
        ("a-node-beside-it", NodeEntry(N("xb"), Tier.COMMUNE, N("tw"))),
        ("its-own-parent", NodeEntry(N("xb"), Tier.COMMUNE, N("xb"))),
    ):
        yield f"w9.6--{case}", write_branch(branch(nodes=(entry,)))
    yield "w9.6--issuer-unknown", write_branch(branch(nodes=(), issuer="nobody"))


def body(signed: Signed) -> bytes:
    return len(signed.signature).to_bytes(4, "big") + signed.signature + signed.document


def _good() -> Signed:
    head = BranchHead(N("tinh-h01"), 7, AT, AT + timedelta(days=30))
    return sign_branch(head, WHOLE, NODE, AT)


def accepted_signed() -> Cases:
    yield "w9.3--whole", body(_good())


def refused_signed() -> Cases:
    good = _good()
    digest = digest_of(WHOLE)
    yield "w9.3--no-length", b"\0\0\0"
    yield "w9.3--empty-signature", b"\0\0\0\0" + WHOLE
    yield "w9.3--signature-longer-than-its-limit", (65537).to_bytes(4, "big") + bytes(65537) + WHOLE
    yield "w9.3--signature-longer-than-the-body", b"\0\0\xff\xff" + good.signature
    yield "w9.3--no-document", body(replace(good, document=b""))
    yield "w9.2--another-byte", body(replace(good, document=WHOLE.replace(b">7<", b">8<")))
    other = build(DocumentName.RECEIPT, digest, "node", NODE, AT)
    yield "w9.2--signed-as-a-receipt", body(Signed(WHOLE, other))
    agency = build(DocumentName.DIRECTORY, digest, "node", SIGNING["AGENCY"], AT)
    yield "w9.2--signed-by-an-agency", body(Signed(WHOLE, agency))
    foreign = write_branch(branch(issuer="tw", nodes=()))
    signature = build(DocumentName.DIRECTORY, digest_of(foreign), "node", NODE, AT)
    yield "w9.2--issuer-is-another-node", body(Signed(foreign, signature))


# ------------------------------------------------------------ several transfers: W4.13


def _transfers(count: int) -> list[tuple[Signed, bytes, bytes]]:
    found = []
    for number in range(count):
        name = f"019ab000-0000-7000-8000-0000000001{number:02d}"
        header = replace(HEADER, transfer_id=name, message_id=name)
        found.append((sign_transfer(header, NODE, AT), SIGNING["seal"](), ENVELOPE))
    return found


def accepted_transfers() -> Cases:
    yield "w4.13--one", parts.several(_transfers(1))
    yield "w4.13--three", parts.several(_transfers(3))


def refused_transfers() -> Cases:
    first, whole = parts.several(_transfers(1)), parts.several(_transfers(2))
    boundary = parts.BOUNDARY.encode()
    between = len(first) - 4  # where the end's two dashes and line break would stand
    second = whole[between:]
    yield "w4.13--cut-behind-an-envelope", whole[: between - len(boundary)]
    yield "w4.13--cut-in-the-second", whole[: between + 200]
    yield "w4.13--other-boundary-between", whole[: between - 4] + b"XXXX" + second
    yield "w4.13--second-without-seal", whole[:between] + second.replace(b"seal.xml", b"zeal.xml")
    twice = second.replace(b"transfer-signature.xml", b"transfer.xml", 1)
    yield "w4.13--second-in-another-order", whole[:between] + twice
    envelope = str(len(ENVELOPE)).encode()
    longer = whole.replace(b"Content-Length: " + envelope, b"Content-Length: 9" + envelope, 1)
    yield "w4.13--envelope-longer-than-there-is", longer


# ------------------------------------------------------------ proofs that follow receipts: W20


def accepted_proofs() -> Cases:
    yield "w20.3--one", write_proofs([b"c2sp.org/tlog-proof@v1\n"])
    yield "w20.3--most", write_proofs([b"%d" % number for number in range(MOST_PROOFS)])


def refused_proofs() -> Cases:
    good = write_proofs([b"one", b"two"])
    item, end = b"<Proof>b25l</Proof>", b"</Proofs>"
    yield "w20.3--none", good[: good.index(item)] + end
    yield "w20.3--cut", good[:-1]
    yield "w20.3--behind-its-end", good + b"\n"
    yield "w20.3--other-namespace", good.replace(b"wire:1", b"wire:2")
    yield "w20.3--space-between", good.replace(item, item + b" ")
    yield "w20.3--attribute", good.replace(item, b'<Proof of="1">b25l</Proof>')
    yield "w20.3--empty-proof", good.replace(item, b"<Proof></Proof>")
    yield "w20.3--no-base64", good.replace(b"b25l", b"b25-")
    yield "w20.3--base64-in-another-form", good.replace(b"b25l", b"b25lZB==")
    yield "w20.3--one-too-many", good.replace(end, item * (MOST_PROOFS - 1) + end)


def make(folder: Path) -> None:
    """Write every vector under `folder`."""
    known = write_branch(branch(*KNOWN, nodes=TREE, issuer="tw"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "known.directory").write_bytes(known)
    for ending, right, wrong in (
        ("receipt", accepted_receipts, refused_receipts),
        ("directory", accepted_directories, refused_directories),
        ("branch", accepted_branches, refused_branches),
        ("signed", accepted_signed, refused_signed),
        ("transfers", accepted_transfers, refused_transfers),
        ("proofs", accepted_proofs, refused_proofs),
    ):
        for kind, cases in (("accepted", right), ("refused", wrong)):
            (folder / kind).mkdir(exist_ok=True)
            for case, content in cases():
                (folder / kind / f"{case}.{ending}").write_bytes(content)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
