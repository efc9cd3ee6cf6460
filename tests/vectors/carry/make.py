"""Write the vectors of carry files: some to accept, and one for each way in which one may be refused.

Run as `python tests/vectors/carry/make.py [FOLDER]`; a second run changes nothing. Keys and documents
are those of ../signing/make.py, and so is the root they are judged by.

    accepted/<case>.zip           a carry file from tinh-h01 to tw
    refused/<fault>--<case>.zip   fault is framing, signature, manifest or damaged
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from relay.model import Signed, digest_of
from relay.signing.evidence import sign_carry, sign_receipt, sign_transfer
from relay.signing.xades import DocumentName, build
from relay.wire.archive import Archive
from relay.wire.carry import (
    MANIFEST,
    SIGNATURE,
    CarriedContainer,
    Manifest,
    answers_name,
    payload_name,
    receipts_name,
    statements_name,
    transfer_names,
    write_carry,
)
from relay.wire.container import write_receipts
from relay.wire.statements import Stapled, write_statements
from tests.vectors.signing.forging import originals

Entries = dict[str, bytes]
SIGNING: dict[str, Any] = vars(originals)
CARRY: Manifest = SIGNING["CARRY"]
NODE, AT, ENVELOPE = SIGNING["NODE"], SIGNING["AT"], SIGNING["ENVELOPE"]


def entries(manifest: Manifest, contents: Entries, signed: Signed | None = None) -> Entries:
    signed = signed or sign_carry(manifest, NODE, AT)
    return {MANIFEST: signed.document, SIGNATURE: signed.signature, **contents}


def transfers() -> Entries:
    header = sign_transfer(SIGNING["HEADER"], NODE, AT)
    names = transfer_names(SIGNING["HEADER"].transfer_id)
    parts = (header.document, header.signature, SIGNING["seal"]())
    contents = {payload_name(digest_of(ENVELOPE)): ENVELOPE, **dict(zip(names, parts, strict=True))}
    return entries(CARRY, contents)


def receipts() -> Entries:
    """An answer, a receipt travelling back, and thanks for one that came."""
    box = write_receipts([sign_receipt(SIGNING["RECEIPT"], NODE, AT)])
    container = CarriedContainer(digest_of(box), len(box))
    manifest = replace(
        CARRY,
        payloads=(),
        answers=(container,),
        receipts=(container,),
        taken=(digest_of(b"a receipt"),),
    )
    return entries(manifest, {answers_name(0): box, receipts_name(0): box})


def statements() -> Entries:
    """Transfers, and beside them a container of something that proves nothing."""
    box = write_statements([Stapled(tuple(NODE.chain), b"no list")])
    manifest = replace(CARRY, statements=(CarriedContainer(digest_of(box), len(box)),))
    rest = {n: c for n, c in transfers().items() if n not in {MANIFEST, SIGNATURE}}
    return entries(manifest, {statements_name(0): box, **rest})


def packed(of: Entries) -> bytes:
    archive = Archive()
    return b"".join([archive.entry(n, c) for n, c in of.items()]) + archive.ending()


def accepted() -> Iterator[tuple[str, bytes]]:
    yield "transfers", packed(transfers())
    yield "receipts", packed(receipts())
    yield "statements", packed(statements())


def refused() -> Iterator[tuple[str, bytes]]:
    good = transfers()
    file = packed(good)
    payload = payload_name(digest_of(ENVELOPE))
    at = file.index(payload.encode()) - 30

    def patched(offset: int, value: bytes) -> bytes:
        return file[: at + offset] + value + file[at + offset + len(value) :]

    def renamed(name: str) -> bytes:
        return packed({name if n == payload else n: c for n, c in good.items()})

    yield "framing--compressed", zipped(good)
    yield "framing--data-descriptor", patched(6, b"\x08\0")
    yield "framing--encrypted", patched(6, b"\x01\0")
    yield "framing--dated-otherwise", patched(12, b"\x22\0")
    yield "framing--size-that-lies", patched(18, b"\xff\xff\xff\x7f" * 2)
    yield "framing--path-that-climbs", renamed("../../../../etc/passwd")
    yield "framing--absolute-path", renamed("/" + payload)
    yield "framing--other-name", renamed("payloads/" + "0" * 64)
    yield "framing--entry-missing", packed(dict(list(good.items())[:-1]))
    yield "framing--entry-more", packed({**good, "more.txt": b"x"})
    yield "framing--other-order", packed(dict([*good.items()][:2] + [*good.items()][:1:-1]))
    yield "framing--bytes-before", b"MZ" + file
    yield "framing--bytes-behind", file + b"\0"
    yield "framing--comment", file[:-2] + b"\x02\0hi"
    yield "framing--cut", file[:-30]
    yield "framing--central-directory-that-lies", file[: -22 - 40] + b"x" + file[-22 - 39 :]
    yield "framing--empty", b""
    yield "damaged--envelope", packed({**good, payload: ENVELOPE[:-1] + b"!"})
    yield "damaged--checksum", patched(14, b"\0\0\0\0")
    yield "signature--other-manifest", packed({**good, SIGNATURE: receipts()[SIGNATURE]})
    yield from _manifests(good)


def _manifests(good: Entries) -> Iterator[tuple[str, bytes]]:
    """Signed as they should be, and yet no manifests."""

    def said(change: Callable[[bytes], bytes]) -> bytes:
        document = change(write_carry(CARRY))
        signature = build(DocumentName.CARRY, digest_of(document), "node", NODE, AT)
        return packed({**good, MANIFEST: document, SIGNATURE: signature})

    one = write_carry(CARRY).partition(b"<Payloads>")[2].partition(b"</Payloads>")[0]
    yield "manifest--not-canonical", said(lambda c: c.replace(b"<Answers>", b"<Answers >"))
    yield "manifest--payload-twice", said(lambda c: c.replace(one, one * 2))
    yield "manifest--nothing", said(lambda c: c.replace(one, b""))
    told = statements()[MANIFEST].partition(b"</Taken>")[2].partition(b"<Payloads>")[0]
    none = b"<Statements></Statements>"
    yield "manifest--no-statements", said(lambda c: c.replace(b"<Payloads>", none + b"<Payloads>"))
    yield "manifest--statements-first", said(lambda c: c.replace(b"<Answers>", told + b"<Answers>"))
    yield "manifest--other-version", said(lambda c: c.replace(b"wire:1", b"wire:2"))


def zipped(of: Entries) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in of.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, 0)
    return out.getvalue()


def make(folder: Path) -> None:
    """Write every vector under `folder`."""
    for kind, cases in (("accepted", accepted), ("refused", refused)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for case, content in cases():
            (folder / kind / f"{case}.zip").write_bytes(content)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
