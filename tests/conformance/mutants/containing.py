"""Faults of who judges files: in what it takes for a container, and for what its exporter signed."""

from __future__ import annotations

import io
import json
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, BinaryIO

import pybase64

from relay.errors import SignatureError
from relay.model import Digest, Receipt, Signed
from relay.signing import (
    bundle_around,
    bundle_file,
    bundle_receipts,
    bundle_steps,
    bundles,
    verifier,
)
from relay.signing.bundle_file import BundleFile
from relay.signing.bundle_receipts import BundleReceipts
from relay.signing.bundle_seal import BundleSeal
from relay.signing.bundle_shape import BundleParts, CoveredFile, read_bundle_parts
from relay.signing.bundle_steps import BundleJudge
from relay.signing.bundle_words import Found
from relay.signing.evidence import verify_receipt
from relay.signing.faults import Fault
from relay.signing.trust import TrustStore
from relay.signing.verifier import Proof
from relay.wire import bundle
from relay.wire.archive import Archive
from relay.wire.bundle_list import ContentsList, read_list
from relay.wire.packed import PackedFile
from relay.wire.receipt import read_receipt
from tests.conformance.mutants import mutant, put_in

CENTRAL = struct.Struct("<4s6H3I5H2I")
FORMS = (
    *("compressed", "encrypted", "descriptor", "gap", "overlap", "twice", "case", "name", "hidden"),
    *("above", "before", "between", "behind", "comment"),
)


def as_anybody_reads(content: bytes) -> dict[str, bytes]:
    """By its directory, wherever that is, and with whatever flags."""
    end = content.rindex(b"PK\5\6")
    count, size, offset = struct.unpack_from("<H2I", content, end + 10)
    at, shift, found = end - size, end - size - offset, {}
    if content[at : at + 4] != b"PK\1\2":
        at, shift = offset, 0
    for _ in range(count):
        fields = CENTRAL.unpack_from(content, at)
        method, packed, lengths, place = fields[4], fields[8], fields[10:13], fields[16] + shift
        name = content[at + CENTRAL.size : at + CENTRAL.size + lengths[0]].decode()
        begins = place + 30 + sum(struct.unpack_from("<2H", content, place + 26))
        raw = content[begins : begins + packed]
        found[name] = zlib.decompress(raw, -15) if method else raw
        at += CENTRAL.size + sum(lengths)
    return found


def mended(files: dict[str, bytes]) -> tuple[BinaryIO, list[PackedFile]]:
    archive, body, entries = Archive(), b"", []
    for name, content in files.items():
        whole = archive.entry(name, content)
        at = len(body) + len(whole) - len(content)
        entries.append(PackedFile(name, len(content), zlib.crc32(content), at))
        body += whole
    return io.BytesIO(body + archive.ending()), entries


@mutant(
    "reads an evidence file as anybody reads a ZIP",
    *(f"W14.1/{name}" for name in FORMS),
    quick=True,
)
def reads_any_zip() -> None:
    honest = BundleFile.__init__
    entries: list[PackedFile] = []

    def begin(self: BundleFile, file: BinaryIO) -> None:
        file.seek(0)
        whole, entries[:] = mended(as_anybody_reads(file.read()))
        honest(self, whole)

    put_in(BundleFile, "__init__", begin)
    put_in(bundle_file, "read_packed", lambda *_: tuple(entries))


@mutant("takes a digest in a name for its file's", "W14.2/another-certificate", "W14.2/another-crl")
def believes_names_of_files() -> None:
    put_in(bundle, "NAMED_BY_DIGEST", ("nothing/",))


@mutant("takes only files of its own kinds", "W14.2/other-kinds")
def takes_its_own_kinds() -> None:
    honest = BundleFile.manifest

    def manifest(self: BundleFile) -> Any:
        if any(name.startswith("more/") for name in self.entries):
            raise SignatureError(Fault.UNCOVERED, "what is that?")
        return honest(self)

    put_in(BundleFile, "manifest", manifest)


_COVERED = re.compile(rb'URI="([^"#]+)".*?<ds:DigestValue>([^<]+)<', re.DOTALL)


def _covered_by(signature: bytes) -> Iterator[CoveredFile]:
    for name, value in _COVERED.findall(signature):
        yield CoveredFile(name.decode(), Digest(pybase64.b64decode(value).hex()))


@mutant(
    "looks whether an exporter's signature holds, and not over what",
    "W14.4/not-all",
    "W14.4/one-twice",
    "W14.4/one-gone",
    "W14.4/another-order",
    "W14.4/changed",
)
def looks_not_over_what() -> None:
    def parts(signature: bytes, _: Any) -> BundleParts:
        return read_bundle_parts(signature, list(_covered_by(signature)))

    put_in(bundles, "read_bundle_parts", parts)


@mutant("believes an exporter's signature", "W14.4/signature", "W14.4/purpose")
def believes_exporters() -> None:
    def proven(parts: Any, _: str, trust: TrustStore, **__: Any) -> Proof:
        at, chain = verifier._time(parts.signed_at), verifier._chain(parts.certificates)
        return Proof(parts.role, trust.path(chain, at, chain.leaf.identity.purpose), at)

    put_in(bundles, "prove_parts", proven)


# ------------------------------------------------------------ what is in it


@mutant(
    "takes any seal in a file for the document's",
    "W14.3/another-node",
    "W14.3/other-bytes",
    "W14.3/another-name",
    "W14.3/another-root",
)
def takes_any_seal() -> None:
    def seal(self: BundleSeal) -> Found:
        return Found("a seal")

    put_in(BundleSeal, "seal", seal)


@mutant("takes any node's seal for the origin's", "W14.3/another-node")
def takes_any_nodes_seal() -> None:
    put_in(BundleSeal, "require_origin", lambda *_: None)


@mutant(
    "takes receipts about whatever it is for the document's",
    "W14.5/other-bytes",
    "W14.5/another-message",
    "W14.5/another-origin",
)
def takes_receipts_about_anything() -> None:
    def proven(self: BundleReceipts, document: str, signed: Signed) -> Receipt:
        receipt = verify_receipt(signed, self._trust, None)
        self.about = self.about or receipt
        self.hops.add(receipt, self.known)
        self.issuers[self._file.digests[document]] = receipt.issuer
        return receipt

    put_in(BundleReceipts, "_proven", proven)


@mutant("takes a receipt in a file whatever its signature is", "W14.5/signature")
def takes_unsigned_receipts() -> None:
    def verify(signed: Signed, *rest: Any) -> Receipt:
        try:
            return verify_receipt(signed, *rest)
        except SignatureError:
            return read_receipt(signed.document)

    put_in(bundle_receipts, "verify_receipt", verify)


@mutant(
    "looks at no batches in a file",
    "W14.12/no-signature",
    "W14.12/of-others",
    "W14.12/signed-otherwise",
)
def looks_at_no_batches() -> None:
    put_in(BundleReceipts, "batches", lambda *_: Found("some batches"))


@mutant("takes no receipts that share a signature in a file", "W14.12/taken")
def takes_no_batches_in_files() -> None:
    def batch_in(_: bytes) -> None:
        raise SignatureError(Fault.SHAPE, "a receipt is signed by itself")

    put_in(bundle_receipts, "batch_in", batch_in)


# ------------------------------------------------------------ around the document


@mutant(
    "takes a list of contents in any form",
    "W19.1/version",
    "W19.1/member",
    "W19.1/no-member",
    "W19.1/white-space",
)
def takes_any_list() -> None:
    def read(content: bytes) -> ContentsList:
        found = json.loads(content)
        found.pop("motto", None)
        whole = {"left_out": {}} | found | {"version": 2}
        names = [one.name for one in fields(ContentsList)]
        text = json.dumps(
            {name: whole[name] for name in names}, separators=(",", ":"), ensure_ascii=False
        )
        return read_list(text.encode())

    put_in(bundle_around, "read_list", read)


@mutant(
    "takes a list of contents for whatever file it is in",
    "W19.1/another-node",
    "W19.1/another-message",
)
def takes_lists_of_others() -> None:
    honest = bundle_around.prove_list

    def prove(members: Any, exporter: Any, about: Any, limit: int) -> Any:
        listed = read_list(members.read(bundle.LIST, limit))
        about = about and replace(about, origin=listed.origin, message_id=listed.message)
        found, said = honest(members, listed.node, about, limit)
        return replace(found, node=exporter), said

    put_in(bundle_steps, "prove_list", prove)


@mutant(
    "does not compare a list of contents with what is there",
    "W19.1/not-there",
    "W19.1/more-proofs",
    "W19.1/more-statuses",
)
def compares_no_list() -> None:
    put_in(bundle_around, "_proofs_due", lambda *_: [])
    put_in(bundle_around, "_require_exactly", lambda *_: None)


@mutant(
    "needs no list for what only a list vouches for", "W19.1/proofs-alone", "W19.1/statuses-alone"
)
def needs_no_list() -> None:
    put_in(bundle_steps, "require_no_list_needed", lambda _: None)


@mutant("demands a proof for every receipt", "W19.2/word")
def demands_every_proof() -> None:
    honest = bundle_around._proofs_due

    def due(members: Any, listed: ContentsList) -> list[str]:
        return honest(members, replace(listed, unproven={}))

    put_in(bundle_around, "_proofs_due", due)


A_PROOF = Found("a proof", {"receipt": "0" * 64, "node": "kit-origin", "cosigned_by": ""})


@mutant(
    "looks at no proof of the exporter's log",
    "W19.3/another-receipt",
    "W19.3/another-log",
    "W19.3/path",
)
def looks_at_no_proofs() -> None:
    put_in(BundleJudge, "_proof", lambda *_: A_PROOF)


@mutant("misses no proof that is not there", "W19.3/no-proof")
def misses_no_proof() -> None:
    honest, proof = bundle_around._require_exactly, BundleJudge._proof

    def exactly(members: Any, listed: ContentsList, proofs: Any) -> None:
        honest(members, listed, [one for one in proofs if one in members.names])

    def proven(self: BundleJudge, log: Any, number: int, pair: Any) -> Found:
        there = bundle.proof_name(number) in self._file.entries
        return proof(self, log, number, pair) if there else A_PROOF

    put_in(bundle_around, "_require_exactly", exactly)
    put_in(BundleJudge, "_proof", proven)


@mutant("believes a summary", "W19.7/more", "W19.7/otherwise", "W19.7/another-layout")
def believes_summaries() -> None:
    put_in(BundleJudge, "_summary", lambda *_: Found("a summary"))


@mutant("refuses every summary", "W19.7/taken")
def refuses_summaries() -> None:
    def refuse(*_: Any) -> Found:
        raise SignatureError(Fault.SHAPE, "none is taken")

    put_in(BundleJudge, "_summary", refuse)
